"""(f) What forwarding people costs: our engine beside Debian's Janus VideoRoom, with the same light peers.

1 publisher (720p25 at 1 Mbit/s and Opus) to BENCH_RECEIVERS receivers, and BENCH_PEOPLE people all seeing all, in a
light row (forwarding only) and a full row (TWCC to publishers, reports from all, 1 % NACK, statistics), with AES-GCM
and with SHA1_80; then large key frames to 300 receivers. BENCH_WINDOW_S, BENCH_ENGINES, BENCH_PROFILES narrow it.
"""

import asyncio
import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvloop

from tests.bench.measure import measure, percentile, save, table
from tests.bench.rooms_engines import OurControl, open_control, serve_ours, start_engine
from tests.bench.rooms_light import detach, drain, force_profile, open_publisher, play

WINDOW_S = float(os.environ.get("BENCH_WINDOW_S", "8"))
WARM_UP_S = 2.0
RECEIVERS = int(os.environ.get("BENCH_RECEIVERS", "100"))
PEOPLE = int(os.environ.get("BENCH_PEOPLE", "10"))
KEY_RECEIVERS = int(os.environ.get("BENCH_KEY_RECEIVERS", "300"))
KEY_BYTES = 20_000
ENGINES = os.environ.get("BENCH_ENGINES", "ours janus").split()
PROFILES = os.environ.get("BENCH_PROFILES", "gcm sha1").split()


TRIES = 3
LEAST_PACKETS_S = 160
"""177 are sent of each person in a second; a row in which fewer arrive says nothing about the engine."""


class RowError(Exception):
    """A row could not be measured."""


@dataclass(frozen=True)
class Row:
    """One measurement. `people` publish; all of them see all others, or `receivers` more see them."""

    engine: str
    profile: str
    is_full: bool
    people: int
    receivers: int
    key_bytes: int = 0

    @property
    def name(self) -> str:
        kind = f"1 → {self.receivers}" if self.receivers else f"{self.people} × {self.people - 1}"
        return f"{kind} key {self.key_bytes // 1000} kB" if self.key_bytes else kind

    @property
    def streams(self) -> int:
        """Return how many pictures are forwarded at once."""
        return self.people * self.receivers or self.people * (self.people - 1)


async def publish_all(row: Row, path: str) -> None:
    """The publishing process: connect, say what is there, and play until it is ended."""
    control = await open_control(row.engine, path)
    opened = [await open_publisher(control, f"p{n}", is_full=row.is_full) for n in range(row.people)]
    print(json.dumps([feed for _, feed in opened]), flush=True)
    await play([publisher for publisher, _ in opened], 600, row.key_bytes)


def receive_all(row: Row, path: str, feeds: list[Any]) -> None:
    """The receiving process: connect, say so, then drain and tell what came."""
    loop = asyncio.new_event_loop()

    async def connect() -> list[Any]:
        control = await open_control(row.engine, path)
        wanted = [feeds] * row.receivers or [[f for f in feeds if f is not me] for me in feeds]
        return [await control.subscribe(each) for each in wanted]

    try:
        receivers = detach(loop.run_until_complete(connect()))
    except Exception as error:
        print(f"{row.name} of {row.engine}: {error!r}", file=sys.stderr, flush=True)
        os._exit(1)
    print("connected", flush=True)
    tally = drain(receivers, WARM_UP_S, WINDOW_S, is_full=row.is_full)
    print(json.dumps({"packets": tally.packets, "octets": tally.octets, "delays": tally.delays_ms}), flush=True)
    os._exit(0)  # the peers are not closed: the row is over


async def ask_for_statistics(path: str) -> dict[str, Any]:
    return await (await OurControl.open(path)).ask(do="stats")


def run_rows(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """Measure rows, each with further chances on a busy machine; one that cannot be measured is said and left out."""
    return [figures for row in rows if (figures := run_row(row)) is not None]


def run_row(row: Row) -> dict[str, Any] | None:
    """Measure a row; None when its peers never connected or too little came through."""
    for _ in range(TRIES):
        try:
            return _run_row(row)
        except RowError as error:
            print(f"{row}: {error}", file=sys.stderr)
    return None


def _run_row(row: Row) -> dict[str, Any]:
    many = (os.cpu_count() or 1) > 1 and shutil.which("taskset") is not None
    module = [*(["taskset", "-c", "0"] if many else []), sys.executable, "-m", "tests.bench.bench_rooms"]
    order = json.dumps(row.__dict__)
    with tempfile.TemporaryDirectory() as folder:
        server, path = start_engine(row.engine, Path(folder))
        children = [server]
        try:
            if many:
                subprocess.run(["taskset", "-a", "-c", "-p", "1", str(server.pid)], check=True, capture_output=True)
            publishers = subprocess.Popen([*module, "publish", order, path], stdout=subprocess.PIPE, text=True)
            children.append(publishers)
            assert publishers.stdout is not None
            feeds = publishers.stdout.readline()
            receivers = subprocess.Popen([*module, "receive", order, path, feeds], stdout=subprocess.PIPE, text=True)
            children.append(receivers)
            assert receivers.stdout is not None
            if not feeds or receivers.stdout.readline().strip() != "connected":
                raise RowError("peers did not connect")
            time.sleep(WARM_UP_S)
            usage = measure([server.pid], WINDOW_S)
            result = json.loads(receivers.stdout.readline())
            stats = asyncio.run(ask_for_statistics(path)) if row.engine == "ours" else {}
        finally:
            for child in children[::-1]:
                child.terminate()
                child.wait(10)
    figures = _figures(row, usage.cpu_percent, result, stats)
    if figures["packets_per_stream_s"] < LEAST_PACKETS_S:
        raise RowError("the machine had no time for it")
    return figures


def _figures(row: Row, cpu_percent: float, result: dict[str, Any], stats: dict[str, Any]) -> dict[str, Any]:
    delays = result["delays"]
    figures: dict[str, Any] = {
        "room": row.name,
        "engine": row.engine,
        "profile": row.profile,
        "row": "full" if row.is_full else "light",
        "cpu_percent": cpu_percent,
        "percent_per_stream": cpu_percent / row.streams,
        "packets_per_stream_s": result["packets"] / WINDOW_S / row.streams,
        "us_per_packet": cpu_percent / 100 * WINDOW_S / max(1, result["packets"]) * 1e6,
    }
    for kind in ("video", "audio"):
        for share in (0.5, 0.99):
            found = delays[kind]
            figures[f"{kind}_p{int(share * 100)}_ms"] = percentile(found, share) if found else None
    figures["longest_turn_ms"] = stats.get("longest_turn_ms")
    return figures


def ratios(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return ours against Janus, row by row."""
    found = []
    for ours in (row for row in rows if row["engine"] == "ours"):
        same = ("room", "profile", "row")
        for other in (row for row in rows if row["engine"] == "janus" and all(row[k] == ours[k] for k in same)):
            figure = ours["percent_per_stream"] / other["percent_per_stream"]
            found.append({**{k: ours[k] for k in same}, "ours_over_janus": figure})
    return found


def main() -> None:
    shapes = ((1, RECEIVERS), (PEOPLE, 0))
    wanted = itertools.product(PROFILES, (False, True), shapes, ENGINES)
    rows = run_rows(Row(engine, profile, is_full, *shape) for profile, is_full, shape, engine in wanted)
    table("(f) forwarding people", rows)
    table("(f) ours over Janus, CPU per forwarded picture", ratios(rows))
    keys = run_rows(Row(engine, "gcm", False, 1, KEY_RECEIVERS, KEY_BYTES) for engine in ENGINES)
    table("(f) large key frames to many: sound shows what others wait for them", keys)
    save("rooms", [*rows, *keys, *ratios(rows)])


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        uvloop.run(serve_ours(sys.argv[2]))
    elif sys.argv[1:]:
        order = Row(**json.loads(sys.argv[2]))
        force_profile(order.profile)
        if sys.argv[1] == "publish":
            uvloop.run(publish_all(order, sys.argv[3]))
        else:
            receive_all(order, sys.argv[3], json.loads(sys.argv[4]))
    else:
        main()
