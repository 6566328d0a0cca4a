"""A recorder that recorded a real clip, and its replay app served over HTTP on a port of its own."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import uvicorn

from media.base.clock import SimulatedClock, rfc3339
from media.base.ids import CameraId, Quality
from media.packet import EndReason, Track
from recorder.policy import RecordingPolicy
from recorder.recorder import Recorder, RecorderOptions
from recorder.replay.app import create_app
from tests.unit.recorder import footage


@dataclass(frozen=True)
class Recorded:
    """What was recorded: a camera `gate`, 12 s of 25 pictures a second, three files."""

    root: Path
    url: str
    start_us: int = footage.WALL_US

    def query(self, start_s: float, end_s: float) -> str:
        """Return the query for a stretch given in seconds from the start of the footage."""
        start, end = (rfc3339(self.start_us + round(second * 1e6)) for second in (start_s, end_s))
        return f"camera_id=gate&start={start}&end={end}"


async def record(root: Path, codec: str = "libx264", *, with_sound: bool = True, end: bool = True) -> Recorder:
    """Record the clip as camera `gate`; the recorder is returned still open."""
    clock = SimulatedClock(footage.WALL_US)
    recorder = Recorder([root], clock, "node", 1, lambda *_: None, options=RecorderOptions(segment_s=4))
    reader = recorder.reader(CameraId("gate"), Quality.MAIN, RecordingPolicy())
    pictures = footage.real_units(codec)
    sound = footage.real_audio_units() if with_sound else []
    reader.on_run((Track(0, pictures[0].params), *([Track(1, footage.AAC)] if with_sound else [])))
    for unit in footage.merged(iter(pictures), iter(sound)):
        reader.on_unit(unit)
    if end:
        reader.on_end(EndReason.DISCONNECTED)
    await recorder.flush()
    return recorder


@contextlib.contextmanager
def served(root: Path, wall_us: int = footage.WALL_US + 60_000_000) -> Iterator[Recorded]:
    """Serve the volume's replay app over HTTP."""
    app = create_app([root], SimulatedClock(wall_us))
    bound = socket.socket()
    bound.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="on"))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[bound])), daemon=True)
    thread.start()
    try:
        yield Recorded(root, f"http://127.0.0.1:{bound.getsockname()[1]}")
    finally:
        server.should_exit = True
        thread.join(timeout=10)
        bound.close()
