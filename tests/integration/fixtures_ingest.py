"""Foreign cameras for tests: GStreamer's RTSP server as a child process, and small servers that misbehave."""

import asyncio
import contextlib
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from media.base.clock import SystemClock
from media.base.ids import CameraId, StreamKey, camera_source
from media.packet import AccessUnit, EndReason, Track
from media.rtsp.transport import Transport
from streams.hub import Hub
from streams.ingest.connection import SourceRequest
from streams.ingest.connector import RtspConnector
from streams.ingest.leftover import SessionStore
from streams.ingest.networks import SourceNetworks

SCRIPT = Path(__file__).parent / "foreign" / "gst_camera.py"
SYSTEM_PYTHON = "/usr/bin/python3"


def has_gstreamer() -> bool:
    check = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer"
    try:
        return subprocess.run([SYSTEM_PYTHON, "-c", check], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


@contextlib.contextmanager
def gst_camera(*arguments: str) -> Iterator[str]:
    """Run a GStreamer camera; yields its base URL."""
    if not has_gstreamer():
        pytest.skip("GStreamer's RTSP server is not installed (gir1.2-gst-rtsp-server-1.0)")
    process = subprocess.Popen(
        [SYSTEM_PYTHON, str(SCRIPT), *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        port = process.stdout.readline().split()[1]
        yield f"rtsp://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()


class Tape:
    """A reader that keeps everything and can be waited for."""

    def __init__(self) -> None:
        self.runs: list[tuple[Track, ...]] = []
        self.units: list[AccessUnit] = []
        self.ends: list[EndReason] = []
        self._changed = asyncio.Event()

    def on_run(self, tracks: tuple[Track, ...]) -> None:
        self.runs.append(tracks)
        self._changed.set()

    def on_unit(self, unit: AccessUnit) -> None:
        self.units.append(unit)
        self._changed.set()

    def on_end(self, reason: EndReason) -> None:
        self.ends.append(reason)
        self._changed.set()

    def of(self, track: int) -> list[AccessUnit]:
        return [unit for unit in self.units if unit.track == track]

    async def until(self, is_enough, timeout_s: float = 20.0) -> None:
        async with asyncio.timeout(timeout_s):
            while not is_enough(self):
                self._changed.clear()
                await self._changed.wait()


class Rig:
    """A hub with one stream, a tape on it, and a connector."""

    def __init__(self, sessions: SessionStore | None = None, networks: str = "127.0.0.0/8") -> None:
        self.hub = Hub()
        self.key = StreamKey(camera_source(CameraId("foreign")))
        self.tape = Tape()
        self.hub.stream(self.key).attach(self.tape)
        self.connector = RtspConnector(self.hub, SystemClock(), SourceNetworks.parse(networks), sessions)

    def request(self, url: str, transport: Transport = Transport.TCP) -> SourceRequest:
        return SourceRequest(self.key, url, transport)

    @contextlib.asynccontextmanager
    async def playing(self, url: str, transport: Transport = Transport.TCP) -> AsyncIterator[object]:
        source = await self.connector(self.request(url, transport))
        try:
            yield source
        finally:
            await source.aclose(EndReason.SHUTDOWN)


@contextlib.asynccontextmanager
async def tcp_server(answer) -> AsyncIterator[str]:
    """A server whose `answer(reader, writer)` misbehaves; yields its RTSP URL."""
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield f"rtsp://127.0.0.1:{server.sockets[0].getsockname()[1]}/cam"
    finally:
        server.close()
