"""A camera made of an encoded file, published into a hub in real time, for tests of what viewers see."""

import asyncio
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from tempfile import mkdtemp

from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from media.base.clock import SystemClock
from media.base.ids import CameraId, StreamKey, camera_source
from media.codec import g711, h264, opus
from media.codec.nal import split_annexb, to_length_prefixed
from media.packet import AccessUnit, Codec, CodecParams, EndReason, Kind, Track
from streams.hub import Hub, Stream
from streams.plane import Plane
from streams.webrtc.camera_source import CameraSources
from streams.webrtc.engine import EngineSettings, WebRtcEngine
from streams.webrtc.whep import WhepEndpoint

KEY = StreamKey(camera_source(CameraId("gate")))
FPS = 25
FRAME_TICKS = 90_000 // FPS
AUDIO_TICKS = {Codec.PCMA: 160, Codec.PCMU: 160, Codec.OPUS: 960}


async def until(condition: Callable[[], object], within_s: float = 20.0) -> None:
    """Wait until `condition` holds; TimeoutError when it does not within `within_s` seconds."""
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110  # what is waited for is foreign state without an event
            await asyncio.sleep(0.01)


@dataclass(frozen=True)
class Clip:
    """Pictures of an encoded file, in order; the first is a key picture."""

    params: CodecParams
    pictures: tuple[tuple[bytes, bool], ...]
    audio: tuple[bytes, ...] = ()
    audio_params: CodecParams | None = None


@lru_cache
def encode(size: str = "320x240", seconds: int = 4, gop_s: float = 2, kbps: int = 1000, profile: str = "main") -> Clip:
    """Encode a test picture with Debian's ffmpeg into access units."""
    path = Path(mkdtemp(prefix="xiangyun-clip-")) / "clip.h264"
    gop = int(FPS * gop_s)
    subprocess.run(
        ["/usr/bin/ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", f"testsrc2=s={size}:r={FPS}", "-t", str(seconds),
         "-c:v", "libx264", "-profile:v", profile, "-pix_fmt", "yuv420p", "-preset", "ultrafast" if profile == "baseline" else "veryfast",
         "-g", str(gop), "-keyint_min", str(gop), "-sc_threshold", "0", "-bf", "0", "-b:v", f"{kbps}k", "-maxrate", f"{kbps}k",
         "-bufsize", f"{kbps}k", "-x264-params", "slices=1:aud=1", "-f", "h264", str(path)],
        check=True,
    )  # fmt: skip
    pictures: list[tuple[bytes, bool]] = []
    sets: list[bytes] = []
    for nal in split_annexb(path.read_bytes()):
        kind = nal[0] & 0x1F
        if kind in (7, 8) and nal not in sets:
            sets.append(nal)
        elif kind in (1, 5):
            pictures.append((to_length_prefixed([nal]), kind == 5))
    return Clip(h264.codec_params(sets), tuple(pictures))


@lru_cache
def opus_frames(seconds: int = 4) -> tuple[bytes, ...]:
    """Encode a tone as 20 ms Opus frames."""
    path = Path(mkdtemp(prefix="xiangyun-clip-")) / "tone.ogg"
    subprocess.run(
        ["/usr/bin/ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", "sine=f=440:r=48000", "-t", str(seconds),
         "-c:a", "libopus", "-b:a", "32k", "-frame_duration", "20", "-page_duration", "20000", str(path)],
        check=True,
    )  # fmt: skip
    return tuple(ogg_packets(path.read_bytes())[2:])


def ogg_packets(data: bytes) -> list[bytes]:
    """Return the packets of an Ogg file."""
    packets: list[bytes] = []
    pos, rest = 0, b""
    while pos + 27 <= len(data):
        count = data[pos + 26]
        body = pos + 27 + count
        for size in data[pos + 27 : body]:
            rest += data[body : body + size]
            body += size
            if size < 255:
                packets.append(rest)
                rest = b""
        pos = body
    return packets


def with_audio(clip: Clip, codec: Codec) -> Clip:
    """Return the clip with a tone (Opus) or a buzz (G.711) of 20 ms frames."""
    if codec is Codec.OPUS:
        return replace(clip, audio=opus_frames(), audio_params=opus.opus_params(2))
    buzz = bytes((0x20 if i // 20 % 2 else 0xA0) for i in range(160))
    return replace(clip, audio=(buzz,) * 50, audio_params=g711.g711_params(codec))


@dataclass
class FileCamera:
    """Publishes a clip into a stream, in real time, over and over."""

    stream: Stream
    clip: Clip
    clock: SystemClock = field(default_factory=SystemClock)
    frame: int = 0
    run_frame: int = 0
    run_samples: int = 0
    audio_frame: int = 0

    def begin(self) -> None:
        """Begin a run."""
        self.run_frame = self.run_samples = 0
        tracks = [Track(0, self.clip.params)]
        if self.clip.audio_params is not None:
            tracks.append(Track(1, self.clip.audio_params))
        self.stream.begin(tracks)

    def end(self, reason: EndReason = EndReason.DISCONNECTED) -> None:
        """End the run; the next begins with a key picture."""
        self.stream.end(reason)
        while not self.clip.pictures[self.frame % len(self.clip.pictures)][1]:
            self.frame += 1

    def step(self) -> None:
        """Publish one picture and the sound until then."""
        data, is_key = self.clip.pictures[self.frame % len(self.clip.pictures)]
        self._publish(0, self.clip.params, self.run_frame * FRAME_TICKS, is_key, data)
        self.frame += 1
        self.run_frame += 1
        params = self.clip.audio_params
        while params is not None and self.run_samples * FPS < self.run_frame * params.clock_rate_hz:
            self._publish(1, params, self.run_samples, True, self.clip.audio[self.audio_frame % len(self.clip.audio)])
            self.audio_frame += 1
            self.run_samples += AUDIO_TICKS[params.codec]

    def _publish(self, track: int, params: CodecParams, pts: int, is_key: bool, data: bytes) -> None:
        now, wall = self.clock.mono_ns(), self.clock.wall_us()
        self.stream.publish(AccessUnit(track, params, pts, pts, is_key, data, now, wall))

    async def play(self) -> None:
        """Publish for ever."""
        next_s = asyncio.get_running_loop().time()
        while True:
            if self.stream.is_live:
                self.step()
            next_s += 1 / FPS
            await asyncio.sleep(max(0.0, next_s - asyncio.get_running_loop().time()))


@dataclass
class Scene:
    """A hub with one camera and an endpoint."""

    hub: Hub
    camera: FileCamera
    endpoint: WhepEndpoint
    ends: list[tuple[str, str, str, str]]


@asynccontextmanager
async def scene(
    clip: Clip, *, playing: bool = True, max_viewers: int = 500, **settings: object
) -> AsyncIterator[Scene]:
    """Run a hub, a camera and an endpoint on the loopback address."""
    hub = Hub()
    camera = FileCamera(hub.stream(KEY), clip)
    ends: list[tuple[str, str, str, str]] = []
    engine = WebRtcEngine(EngineSettings(**{"public_addresses": ("127.0.0.1",), **settings}), SystemClock())
    plane = Plane("w1", CameraSources(hub, engine, linger_s=0), None, linger_s=0)
    endpoint = WhepEndpoint(engine, plane, lambda *end: ends.append(end[:4]), max_viewers=max_viewers)
    await engine.start()
    camera.begin()
    task = asyncio.get_running_loop().create_task(camera.play()) if playing else None
    try:
        yield Scene(hub, camera, endpoint, ends)
    finally:
        if task is not None:
            task.cancel()
        await endpoint.aclose()
        plane.close()
        await engine.aclose()


@dataclass
class AiortcViewer:
    """A foreign viewer: aiortc as a WHEP client."""

    pc: RTCPeerConnection
    tracks: dict[Kind, object]
    answer: str = ""

    @classmethod
    async def watch(
        cls,
        endpoint: WhepEndpoint,
        session_id: str,
        *,
        audio: bool = False,
        user: str = "u1",
        change: Callable[[str], str] = str,
    ) -> "AiortcViewer":
        """Offer, hand the offer over, and take the answer."""
        viewer = cls(RTCPeerConnection(RTCConfiguration(iceServers=[])), {})
        viewer.pc.addTransceiver("video", direction="recvonly")
        if audio:
            viewer.pc.addTransceiver("audio", direction="recvonly")
        viewer.pc.on("track", lambda track: viewer.tracks.__setitem__(Kind(track.kind), track))
        await viewer.pc.setLocalDescription(await viewer.pc.createOffer())
        answer = await endpoint.create(change(viewer.pc.localDescription.sdp), KEY, session_id, user)
        viewer.answer = answer.sdp
        await viewer.pc.setRemoteDescription(RTCSessionDescription(answer.sdp, "answer"))
        return viewer

    async def frames(self, count: int, kind: Kind = Kind.VIDEO, timeout_s: float = 15) -> list[object]:
        """Return the next decoded frames."""
        async with asyncio.timeout(timeout_s):
            return [await self.tracks[kind].recv() for _ in range(count)]
