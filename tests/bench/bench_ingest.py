"""(a) Receive and record N cameras of 2 Mbit/s, beside one `ffmpeg -c copy` process per camera, in one run.

Every process of `xiangyun run` is summed, authentication on, real index, GOP cache on. The simulator runs in a
process of its own that is not counted. BENCH_CAMERAS=16,32,64 and BENCH_WINDOW_S=10 change the size.
"""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.bench.measure import Usage, measure, save, table, tree
from tests.hub_process import ROOT, HubProcess, free_port, wait_for

COUNTS = [int(n) for n in os.environ.get("BENCH_CAMERAS", "16,32,64").split(",")]
WINDOW_S = float(os.environ.get("BENCH_WINDOW_S", "10"))
FFMPEG = shutil.which("ffmpeg") or "ffmpeg"


@contextlib.contextmanager
def simulator(cameras: int, *arguments: str) -> Iterator[int]:
    """Run the camera simulator in its own process; yield its port."""
    port = free_port()
    command = [sys.executable, "-m", "api", "simulate", "--port", str(port), "--cameras", str(cameras), *arguments]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for("the simulator listens", lambda: _listens(port), 300)
        yield port
    finally:
        process.terminate()
        process.wait(10)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def hub_usage(port: int, cameras: int, data_dir: Path) -> tuple[Usage, Usage]:
    """Return the hub's usage without cameras and with `cameras` recording."""
    with HubProcess(data_dir, env={"XIANGYUN_SOURCE_NETWORKS": "127.0.0.0/8"}) as hub:
        hub.login()
        assert hub.process is not None
        time.sleep(3)
        idle = measure(tree(hub.process.pid), WINDOW_S / 2)
        for n in range(1, cameras + 1):
            hub.add_camera(
                f"cam{n}", f"rtsp://127.0.0.1:{port}/cam{n}", recording={"mode": "continuous", "retention_days": 30}
            )
        for n in range(1, cameras + 1):
            hub.wait_online(f"cam{n}", 60)
        time.sleep(6)
        busy = measure(tree(hub.process.pid), WINDOW_S)
        lost = sum(hub.get(f"/cameras/cam{n}/status").get("packets_lost") or 0 for n in range(1, cameras + 1))
        assert lost == 0, f"{lost} packets lost"
    return idle, busy


def ffmpeg_usage(port: int, cameras: int, out: Path, *, with_audio: bool) -> Usage:
    """Return the usage of one `ffmpeg -c copy` process per camera."""
    audio = ["-c:a", "aac"] if with_audio else ["-an"]  # G.711 does not go into MP4, for ffmpeg neither
    processes = [
        subprocess.Popen(
            [
                FFMPEG,
                "-nostdin",
                "-loglevel",
                "error",
                "-rtsp_transport",
                "tcp",
                "-i",
                f"rtsp://127.0.0.1:{port}/cam{n}",
                "-c:v",
                "copy",
                *audio,
                "-f",
                "mp4",
                "-movflags",
                "frag_keyframe+empty_moov",
                "-y",
                str(out / f"{n}.mp4"),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for n in range(1, cameras + 1)
    ]
    try:
        wait_for(
            "every ffmpeg writes",
            lambda: all(
                (out / f"{n}.mp4").exists() and (out / f"{n}.mp4").stat().st_size > 100_000
                for n in range(1, cameras + 1)
            ),
            90,
        )
        time.sleep(4)
        return measure([p.pid for p in processes], WINDOW_S)
    finally:
        for process in processes:
            process.kill()
        for process in processes:
            process.wait()


def one(cameras: int, mode: str, arguments: list[str], *, with_audio: bool) -> dict[str, Any]:
    """Measure hub and peer against the same simulator."""
    with tempfile.TemporaryDirectory() as folder, simulator(cameras, *arguments) as port:
        idle, busy = hub_usage(port, cameras, Path(folder) / "hub")
        peer_dir = Path(folder) / "peer"
        peer_dir.mkdir()
        peer = ffmpeg_usage(port, cameras, peer_dir, with_audio=with_audio)
    return {
        "cameras": cameras,
        "delivery": mode,
        "hub_cpu_%": busy.cpu_percent,
        "hub_idle_%": idle.cpu_percent,
        "per_camera_%": busy.cpu_percent / cameras,
        "ffmpeg_cpu_%": peer.cpu_percent,
        "cpu_ratio": busy.cpu_percent / peer.cpu_percent,
        "hub_MB": busy.pss_bytes / 1e6,
        "MB_per_camera": (busy.pss_bytes - idle.pss_bytes) / cameras / 1e6,
        "ffmpeg_MB": peer.pss_bytes / 1e6,
        "memory_ratio": busy.pss_bytes / peer.pss_bytes,
    }


def main() -> None:
    size = ["--resolution", "1920x1080", "--quiet"]
    rows = [one(n, "burst", size, with_audio=False) for n in COUNTS]
    rows += [one(n, "paced", [*size, "--paced"], with_audio=False) for n in COUNTS]
    most = COUNTS[-1]
    half = [argument for n in range(2, most + 1, 2) for argument in ("--audio", f"{n}:pcma")]
    rows.append(one(most, "burst, G.711 on half", [*size, *half], with_audio=True))
    table("(a) receive and record, % of one core", rows)
    save("ingest", rows)
