"""Foreign software publishes into a room: GStreamer's webrtcbin through the worker's private WHIP routes."""

import asyncio
import socket
import subprocess
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import uvicorn
from fastapi import FastAPI

from media.base.clock import SystemClock
from media.base.ids import SourceId
from media.packet import Codec
from streams.publication import TrackName
from streams.webrtc.engine import EngineSettings, WebRtcEngine
from streams.webrtc.whip import WhipEndpoint, WhipEvents, WhipSession, make_whip_router
from tests.integration.fixtures_webrtc import until

PUBLISHER = Path(__file__).parent / "foreign" / "gst_publisher.py"
PROBE = (
    "import gi; gi.require_version('Gst', '1.0'); gi.require_version('GstWebRTC', '1.0');"
    "from gi.repository import Gst; Gst.init(None); "
    "assert all(Gst.ElementFactory.find(n) for n in ('webrtcbin', 'nicesink', 'vp8enc', 'x264enc', 'opusenc'))"
)
CAMERA, MICROPHONE = TrackName.CAMERA, TrackName.MICROPHONE


def has_gstreamer() -> bool:
    try:
        return subprocess.run(["/usr/bin/python3", "-c", PROBE], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


pytestmark = [
    pytest.mark.foreign,
    pytest.mark.skipif(not has_gstreamer(), reason="GStreamer's WebRTC is not installed"),
]


@dataclass
class Room:
    """An endpoint behind HTTP, and what the room was told."""

    endpoint: WhipEndpoint
    url: str = ""
    sessions: list[WhipSession] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    levels: list[int] = field(default_factory=list)


@asynccontextmanager
async def room() -> AsyncIterator[Room]:
    engine = WebRtcEngine(EngineSettings(public_addresses=("127.0.0.1",)), SystemClock())
    await engine.start()
    made: Room

    def on_started(session: WhipSession) -> None:
        made.sessions.append(session)
        session.peer.allow(frozenset({CAMERA, MICROPHONE}))

    events = WhipEvents(
        on_started,
        lambda _session, cause: made.ended.append(cause),
        lambda _source, _name, level, _at: made.levels.append(level),
    )
    made = Room(WhipEndpoint(engine, events))
    app = FastAPI()
    app.include_router(make_whip_router(made.endpoint))
    listener = socket.create_server(("127.0.0.1", 0))
    made.url = f"http://127.0.0.1:{listener.getsockname()[1]}/whip/p1"
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
    serving = asyncio.get_running_loop().create_task(server.serve(sockets=[listener]))
    try:
        yield made
    finally:
        await made.endpoint.aclose()
        await engine.aclose()
        server.should_exit = True
        await serving
        listener.close()


@asynccontextmanager
async def gstreamer(place: Room, codec: str) -> AsyncIterator[Process]:
    command = ("/usr/bin/python3", str(PUBLISHER), "--url", place.url, "--codec", codec)
    process = await asyncio.create_subprocess_exec(
        *command, "--header", "X-Xiangyun-Session=s1", stdin=PIPE, stdout=PIPE, stderr=sys.stderr
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@pytest.mark.parametrize("codec", [Codec.VP8, Codec.H264])
async def test_gstreamer_publishes_picture_and_sound_and_leaves(codec: Codec) -> None:
    async with room() as place, gstreamer(place, codec.value) as process:
        await until(lambda: place.sessions and len(place.sessions[0].peer.publication.tracks) == 2, 20)
        peer = place.sessions[0].peer
        assert place.sessions[0].source == SourceId("participant/p1")
        camera, sound = peer.publication.get(CAMERA), peer.publication.get(MICROPHONE)
        assert camera is not None
        assert sound is not None
        assert camera.layers[0].track.params.codec is codec
        await until(lambda: (camera.layers[0].width, camera.layers[0].height) == (640, 360), 15)
        await until(lambda: camera.layers[0].bitrate_bps > 50_000 and sound.layers[0].bitrate_bps > 10_000, 15)
        await until(
            lambda: camera.layers[0].track.timeline.is_anchored, 40
        )  # a report may be lost, the next is seconds away
        before = peer.stats().tracks["camera"][0].key_frames
        camera.watch("")
        camera.origin.request_key(CAMERA, "")
        await until(lambda: peer.stats().tracks["camera"][0].key_frames > before, 15)
        stats = peer.stats()
        assert (stats.unknown, stats.refused, stats.malformed) == (0, 0, 0)
        assert process.stdin is not None
        process.stdin.close()
        async with asyncio.timeout(15):
            await process.wait()
        assert place.ended == ["deleted"]
        assert peer.publication.is_ended
