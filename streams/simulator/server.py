"""The camera simulator: an RTSP server of many cameras that never encodes while it runs.

`Simulator` is an async context manager for tests and the demo; `run_simulator` serves until cancelled, for the
command line. All of it lives on one event loop; clips are made in an executor thread before the first connection.
Picture n of every camera is taken at wall time n/fps, so that the code in it tells the time modulo the loop; cameras
send one after the other within a picture's duration, as cameras that know nothing of each other do. Not a media
server: it relays nothing and records nothing.
"""

import asyncio
import os
import secrets
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from urllib.parse import quote, unquote, urlsplit

import structlog

from media.base.clock import Clock, SystemClock
from media.base.errors import ErrorKind, HubError
from media.base.ids import Quality
from media.packet import Codec
from media.rtsp.auth import Credentials, ServerAuth
from media.rtsp.server import ServerOptions, ServerSession
from media.sdp.tracks import TrackOffer, describe
from streams.simulator.audio import sound
from streams.simulator.camera import AUDIO_TRACK, CameraStream
from streams.simulator.clips import default_cache_dir, rendition
from streams.simulator.connection import Connection
from streams.simulator.defects import STALE_SESSION_S, DefectSet
from streams.simulator.options import SimulatorOptions
from streams.simulator.pacer import Pacer
from streams.simulator.packets import PAYLOAD_TYPES, VIDEO_PAYLOAD_TYPE, PicturePackets
from streams.simulator.rendition import RenditionSpec
from streams.simulator.udp import PortPair, open_port_pair

__all__ = ["Simulator", "SimulatorOptions", "run_simulator"]

log = structlog.get_logger(__name__)

SESSION_TIMEOUT_S = 60
"""A client not heard of for so long is dropped; the Session header says so."""
_PHASES = 8
"""Groups of cameras that send at the same moment: a timer each, 200 wake-ups per second at 25 fps."""
_SUB_FPS = 10
_OVERHEAD = 0.95
"""The scene's share of the bit rate; strips and headers take the rest."""

StreamId = tuple[int, Quality]


@dataclass(slots=True)
class _Leftover:
    """A session whose connection died without TEARDOWN; kept only by cameras with the stale-session defect."""

    session_id: str
    until_mono_ns: int


class Simulator:
    """A running simulator. `port` is known once entered; everything else may be called from its loop at any time."""

    def __init__(self, options: SimulatorOptions, clock: Clock | None = None) -> None:
        """Nothing happens before `async with`."""
        self._options = options
        self._clock = clock or SystemClock()
        self._streams: dict[StreamId, CameraStream] = {}
        self._connections: set[Connection] = set()
        self._leftovers: dict[StreamId, _Leftover] = {}
        self._groups: dict[tuple[int, int], list[CameraStream]] = {}
        self._timers: dict[tuple[int, int], asyncio.TimerHandle] = {}
        self._pacer: Pacer | None = None
        self._server: asyncio.Server | None = None
        self._udp: PortPair | None = None
        self._auth = self._make_auth()
        self.port = options.port

    def _make_auth(self) -> ServerAuth | None:
        options = self._options
        if not options.username:
            return None
        credentials = Credentials(options.username, options.password)
        return ServerAuth(credentials=credentials, schemes=options.schemes)

    # Life.

    async def __aenter__(self) -> Self:
        """Make or load the clips, then listen. HubError UNAVAILABLE (`port_in_use`) when the port is taken."""
        self._streams = await asyncio.to_thread(self._build_streams)
        for camera, names in self._options.defects.items():
            for number in [camera] if camera else range(1, self._options.cameras + 1):
                self.set_defect(number, *names)
        self._pacer = Pacer()
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(self._accept, self._options.host, self._options.port, backlog=512)
            if self._options.has_udp:
                self._udp = await open_port_pair(self._options.host)
        except OSError as error:
            if self._server is not None:
                self._server.close()
            raise HubError(ErrorKind.UNAVAILABLE, "the port is in use", code="port_in_use") from error
        self.port = int(self._server.sockets[0].getsockname()[1])
        for stream in self._streams.values():
            self._groups.setdefault(self._group_of(stream), []).append(stream)
        for group in self._groups:
            self._schedule(group)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Drop every client and stop listening."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        if self._pacer is not None:
            self._pacer.close()
        if self._server is not None:
            self._server.close()
        for connection in tuple(self._connections):
            connection.abort()
        if self._server is not None:
            await self._server.wait_closed()
        if self._udp is not None:
            self._udp.close()

    def _accept(self) -> Connection:
        return Connection(self, self._clock.mono_ns)

    def _build_streams(self) -> dict[StreamId, CameraStream]:
        """Load the clips and build every stream; blocks."""
        options = self._options
        cache_dir = options.cache_dir or default_cache_dir()
        ids = [(camera, quality) for camera in range(1, options.cameras + 1) for quality in Quality]
        specs = list(dict.fromkeys(self._spec(*stream_id) for stream_id in ids))
        with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
            made = pool.map(lambda spec: rendition(spec, cache_dir), specs)
            shared = {spec: PicturePackets(clip) for spec, clip in zip(specs, made, strict=True)}
        return {(camera, quality): self._build_stream(camera, quality, shared) for camera, quality in ids}

    def _build_stream(
        self, camera: int, quality: Quality, shared: Mapping[RenditionSpec, PicturePackets]
    ) -> CameraStream:
        options = self._options
        pictures, sub = shared[self._spec(camera, quality)], shared[self._spec(camera, Quality.SUB)]
        audio = options.audio_of(camera)
        can_change = quality is Quality.MAIN and pictures.params.codec is sub.params.codec
        return CameraStream(
            camera,
            quality,
            pictures,
            sound(audio) if audio is not None else None,
            sub if can_change else None,
            clock_offset_us=round(options.clock_offset_s.get(camera, 0.0) * 1e6),
            is_paced=options.is_paced,
        )

    def _spec(self, camera: int, quality: Quality) -> RenditionSpec:
        options = self._options
        is_main = quality is Quality.MAIN
        codec = options.codec_of(camera) if is_main else Codec.H264
        fps = options.fps if is_main else min(options.fps, _SUB_FPS)
        width, height = options.size if is_main else options.sub_size
        return RenditionSpec(
            codec=codec,
            width=width,
            height=height,
            fps=fps,
            gop_frames=fps * options.gop_s,
            rate_bps=round((options.rate_bps if is_main else options.sub_rate_bps) * _OVERHEAD),
            loop_s=options.main_loop_s if is_main else options.sub_loop_s,
            body_s=options.body_s_of(codec),
            cameras=options.painted_cameras,
            footage=options.footage_of(camera),
        )

    # The pulse.

    def _group_of(self, stream: CameraStream) -> tuple[int, int]:
        return stream.fps, (stream.camera - 1) % _PHASES

    def _schedule(self, group: tuple[int, int]) -> None:
        """Call `_tick` when the group's next picture is due."""
        fps, phase = group
        now_us = self._clock.wall_us()
        delay_us = phase * 1_000_000 // (fps * _PHASES)
        frame = (now_us - delay_us) * fps // 1_000_000 + 1
        due_us = frame * 1_000_000 // fps + delay_us
        loop = asyncio.get_running_loop()
        self._timers[group] = loop.call_later((due_us - now_us) / 1e6, self._tick, group, frame)

    def _tick(self, group: tuple[int, int], frame: int) -> None:
        self._schedule_after(group, frame)
        now_ns = self._clock.mono_ns()
        for stream in self._groups[group]:
            if stream.viewers:
                stream.tick(frame, now_ns)
        if frame % group[0] == 0:
            self._drop_dead(now_ns)

    def _schedule_after(self, group: tuple[int, int], frame: int) -> None:
        """Schedule the picture after `frame`; a late loop makes up for a second at most."""
        fps, phase = group
        due_us = (frame + 1) * 1_000_000 // fps + phase * 1_000_000 // (fps * _PHASES)
        wait_us = due_us - self._clock.wall_us()
        if not -1_000_000 < wait_us < 2_000_000:
            self._schedule(group)
            return
        loop = asyncio.get_running_loop()
        self._timers[group] = loop.call_later(max(0, wait_us) / 1e6, self._tick, group, frame + 1)

    def _drop_dead(self, now_ns: int) -> None:
        for connection in tuple(self._connections):
            if now_ns - connection.heard_mono_ns > SESSION_TIMEOUT_S * 1e9:
                connection.abort()

    # What tests and people call.

    def url(self, camera: int, quality: str = "main", *, with_credentials: bool = True) -> str:
        """Return the RTSP URL of a camera's stream."""
        options = self._options
        user = f"{quote(options.username, safe='')}:{quote(options.password, safe='')}@" if options.username else ""
        path = f"cam{camera}" + ("/sub" if quality == "sub" else "")
        return f"rtsp://{user if with_credentials else ''}{options.host}:{self.port}/{path}"

    def set_defect(self, camera: int, *names: str | None) -> None:
        """Give a camera exactly these defects from now on; none, or None, makes it healthy.

        HubError NOT_FOUND for an unknown camera, INVALID for an unknown defect.
        """
        if (camera, Quality.MAIN) not in self._streams:
            raise HubError(ErrorKind.NOT_FOUND, "no such camera", camera=camera)
        wanted = [name for name in names if name is not None]
        try:
            defects = DefectSet(wanted, seed=camera, since_mono_ns=self._clock.mono_ns())
        except KeyError as error:
            raise HubError(ErrorKind.INVALID, "no such defect", code="bad_simulator_options", defect=error) from error
        for quality in Quality:
            stream = self._streams[camera, quality]
            stream.defects = defects
        for connection in self._connections:
            if connection.camera == camera:
                connection.set_defects(defects)
        if not defects.refuses_second_session:
            self._leftovers = {key: left for key, left in self._leftovers.items() if key[0] != camera}

    def disconnect(self, camera: int) -> int:
        """Reset every connection of a camera, as when its cable is pulled; return how many there were."""
        found = [connection for connection in self._connections if connection.camera == camera]
        for connection in found:
            connection.abort()
        return len(found)

    def viewers(self, camera: int, quality: str = "main") -> int:
        """Return how many clients play a stream."""
        return len(self._streams[camera, Quality(quality)].viewers)

    # Connections (the `House` protocol).

    @property
    def pacer(self) -> Pacer:
        """Return what sends packets later."""
        assert self._pacer is not None  # made before the first connection
        return self._pacer

    def open_session(self, connection: Connection) -> ServerSession:
        """Return the RTSP session of a new connection."""
        self._connections.add(connection)
        options = ServerOptions(
            make_token=lambda: secrets.token_hex(16), auth=self._auth, session_timeout_s=SESSION_TIMEOUT_S
        )
        return ServerSession(self, options)

    def stream_of(self, url_or_path: str) -> CameraStream | None:
        """Return the stream of `rtsp://…/cam1/sub/track0` or `cam1/sub`."""
        try:
            path = unquote(urlsplit(url_or_path).path)
        except ValueError:
            return None
        words = [word for word in path.split("/") if word]
        number = words[0].removeprefix("cam") if words and words[0].startswith("cam") else ""
        if not (number.isascii() and number.isdigit() and len(number) <= 6):
            return None
        is_sub = len(words) > 1 and words[1] == "sub"
        return self._streams.get((int(number), Quality.SUB if is_sub else Quality.MAIN))

    def send_datagram(self, data: bytes, host: str, port: int, *, is_rtcp: bool) -> None:
        """Send from our RTP or RTCP port."""
        if self._udp is not None:
            (self._udp.rtcp if is_rtcp else self._udp.rtp).sendto(data, (host, port))

    def played(self, connection: Connection) -> None:
        """Begin to send."""
        if connection.stream is not None:
            connection.stream.add(connection, self._clock.wall_us())

    def closed(self, connection: Connection) -> None:
        """Forget a connection; a camera that keeps stale sessions does not."""
        self._connections.discard(connection)
        stream = connection.stream
        if stream is None:
            return
        stream.remove(connection)
        if stream.defects.refuses_second_session and connection.session.session_id:
            until_ns = self._clock.mono_ns() + round(STALE_SESSION_S * 1e9)
            self._leftovers[stream.camera, stream.quality] = _Leftover(connection.session.session_id, until_ns)

    # Sessions (the `Stage` protocol of media.rtsp.server).

    def describe(self, path: str) -> str | None:
        """Return the session description of a path."""
        stream = self.stream_of(path)
        if stream is None or path.strip("/").count("/") > 1:
            return None
        offers = [
            TrackOffer(
                params=stream.pictures.params,
                payload_type=VIDEO_PAYLOAD_TYPE,
                control="track0",
                with_parameter_sets=stream.defects.describes_parameter_sets,
            )
        ]
        if stream.sound is not None:
            params = stream.sound.params
            offers.append(TrackOffer(params=params, payload_type=PAYLOAD_TYPES[params.codec], control="track1"))
        return describe(offers, session_id=stream.camera, name=f"cam{stream.camera}")

    def has_track(self, path: str, track: int) -> bool:
        """Tell whether a path has that track."""
        stream = self.stream_of(path)
        return stream is not None and (track == 0 or (track == AUDIO_TRACK and stream.sound is not None))

    def udp_ports(self) -> tuple[int, int] | None:
        """Return our RTP and RTCP ports."""
        return self._udp.ports if self._udp is not None else None

    def may_set_up(self, path: str) -> bool:
        """Tell whether one more session may be opened."""
        stream = self.stream_of(path)
        if stream is None or not stream.defects.refuses_second_session:
            return True
        left = self._leftovers.get((stream.camera, stream.quality))
        return not stream.viewers and (left is None or left.until_mono_ns <= self._clock.mono_ns())

    def end_session(self, session_id: str) -> bool:
        """End a session of another connection, or one that its connection left behind."""
        for key, left in tuple(self._leftovers.items()):
            if left.session_id == session_id:
                del self._leftovers[key]
                return True
        for connection in tuple(self._connections):
            if connection.session.session_id == session_id:
                connection.abort()
                return True
        return False


async def run_simulator(options: SimulatorOptions, on_ready: Callable[[Simulator], None] | None = None) -> None:
    """Serve until cancelled; `on_ready` is called once it listens."""
    async with Simulator(options) as simulator:
        log.info("cameras are up", port=simulator.port, cameras=options.cameras, first=_public_url(simulator, options))
        if on_ready is not None:
            on_ready(simulator)
        await asyncio.Event().wait()


def _public_url(simulator: Simulator, options: SimulatorOptions) -> str:
    return simulator.url(1, with_credentials=False) if options.cameras else ""
