"""CPU and memory of whole process trees, as the kernel accounts them."""

import contextlib
import json
import platform
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.hub_process import children

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True, slots=True)
class Usage:
    """CPU in per cent of one core over a window, and proportional set size in bytes at its end."""

    cpu_percent: float
    pss_bytes: int


def tree(pid: int) -> list[int]:
    """Return `pid` and all its descendants."""
    return [pid, *(child for child, _ in children(pid))]


def cpu_ns(pids: Iterable[int]) -> dict[int, int]:
    """Return run time in nanoseconds by pid, all threads summed, from schedstat."""
    total: dict[int, int] = {}
    for pid in pids:
        with contextlib.suppress(OSError):
            total[pid] = sum(
                int((task / "schedstat").read_text().split()[0]) for task in Path(f"/proc/{pid}/task").iterdir()
            )
    return total


def pss_bytes(pids: Iterable[int]) -> int:
    """Return the summed proportional set size of the processes."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1]) * 1024
    return total


def measure(pids: list[int], window_s: float) -> Usage:
    """Watch the processes for `window_s` seconds."""
    before, start = cpu_ns(pids), time.monotonic()
    time.sleep(window_s)
    after, elapsed_s = cpu_ns(pids), time.monotonic() - start
    used_ns = sum(after[pid] - before[pid] for pid in before if pid in after)
    return Usage(100 * used_ns / 1e9 / elapsed_s, pss_bytes(pids))


def table(title: str, rows: list[dict[str, Any]]) -> None:
    """Print rows as an aligned table."""
    print(f"\n{title}")
    if not rows:
        return
    columns = list(rows[0])
    cells = [
        [f"{row.get(c, ''):.3f}" if isinstance(row.get(c), float) else str(row.get(c, "")) for c in columns]
        for row in rows
    ]
    widths = [max(len(c), *(len(r[i]) for r in cells)) for i, c in enumerate(columns)]
    print("  ".join(c.ljust(w) for c, w in zip(columns, widths, strict=True)))
    for row in cells:
        print("  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)))


def save(name: str, rows: list[dict[str, Any]]) -> None:
    """Write rows and the machine they were measured on as JSON."""
    RESULTS.mkdir(exist_ok=True)
    machine = {"platform": platform.platform(), "python": platform.python_version(), "cpu": _cpu_name()}
    (RESULTS / f"{name}.json").write_text(json.dumps({"machine": machine, "rows": rows}, indent=1))


def _cpu_name() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return "unknown"


def percentile(values: list[float], share: float) -> float:
    """Return the `share` quantile (0..1) of `values`, nearest rank."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
