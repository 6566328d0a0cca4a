"""Looks at a source once: is it a camera, what does it carry, and a picture to recognise it by.

Called by the worker's private app for the camera dialog, on the event loop. Opens a connection of its own with a hub of
its own, so nothing it does is seen by readers; everything is closed within the timeout and 2 s. Stores nothing.
"""

import asyncio
from dataclasses import dataclass

from media.base.clock import Clock
from media.base.errors import HubError
from media.base.ids import SourceId, StreamKey, new_id
from media.ffmpeg.decoder import KeyFrameDecoder
from media.packet import AccessUnit, EndReason, Kind, Track
from media.rtsp.transport import Transport
from streams.hub import Hub
from streams.ingest.connection import SourceError, SourceRequest
from streams.ingest.connector import RtspConnector
from streams.ingest.networks import SourceNetworks
from streams.ingest.rtsp import RtspSource
from streams.status import AudioStatus, VideoStatus, audio_status, video_status

PROBE_TIMEOUT_S = 10.0
PREVIEW_WIDTH = 640
FPS_SAMPLE_S = 1.0
"""How long to count pictures for the frame rate, after the first."""


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """What was found. When `ok` is false, `code` and `message` say why and the rest is empty.

    Codes: unreachable refused unauthorized not_found not_a_camera timeout unsupported network_not_allowed bad_url.
    """

    ok: bool
    code: str = ""
    message: str = ""
    tracks: tuple[str, ...] = ()
    video: VideoStatus | None = None
    audio: AudioStatus | None = None
    preview_jpeg: bytes = b""


@dataclass(frozen=True, slots=True)
class Prober:
    """Probes sources. Made by the wiring; `decoder` makes the preview."""

    networks: SourceNetworks
    clock: Clock
    decoder: KeyFrameDecoder

    async def probe(
        self, url: str, timeout_s: float = PROBE_TIMEOUT_S, transport: Transport = Transport.TCP
    ) -> ProbeResult:
        """Look at `url`, which may carry credentials; never raises for what the camera does."""
        try:
            async with asyncio.timeout(timeout_s):
                return await self._look(url, timeout_s, transport)
        except SourceError as error:
            return ProbeResult(ok=False, code=_code(error), message=error.message)
        except TimeoutError:
            return ProbeResult(ok=False, code="timeout", message="the camera did not answer in time")

    async def _look(self, url: str, timeout_s: float, transport: Transport) -> ProbeResult:
        hub = Hub()
        key = StreamKey(SourceId(f"camera/{new_id('probe-')}"))
        sample = _Sample()
        hub.stream(key).attach(sample)
        source = await RtspConnector(hub, self.clock, self.networks)(SourceRequest(key, url, transport))
        try:
            await self._wait_for_picture(source, sample, timeout_s)
            return await self._describe(source, sample)
        finally:
            await source.aclose(EndReason.SHUTDOWN)

    async def _wait_for_picture(self, source: RtspSource, sample: "_Sample", timeout_s: float) -> None:
        """Wait for a key picture (of a source without video: for a sound) and then a second more, for the rate."""
        limit_s = max(1.0, timeout_s - 3.0)  # leaves time to decode the preview and say goodbye
        await asyncio.wait((sample.begun, source.ended), timeout=limit_s, return_when=asyncio.FIRST_COMPLETED)
        if source.ended.done():
            raise SourceError(source.ended.result(), "the camera ended the connection at once")
        if not sample.begun.done():
            if source.stats().packets_received:
                raise SourceError(EndReason.UNSUPPORTED, "no picture can be decoded from what the camera sends")
            raise SourceError(EndReason.SILENT, "the camera accepts but sends nothing", code="timeout")
        await asyncio.sleep(FPS_SAMPLE_S)

    async def _describe(self, source: RtspSource, sample: "_Sample") -> ProbeResult:
        stats = source.stats()
        video = video_status(stats.video, sample.fps)
        audio = audio_status(stats.audio)
        preview = b""
        if sample.key is not None:
            unit = sample.key
            try:
                picture = await self.decoder.jpeg(
                    unit.params.codec, unit.params.parameter_sets, unit.data, PREVIEW_WIDTH
                )
                preview = picture.data
            except HubError:
                preview = b""  # a camera that plays but whose key picture libav refuses is still a camera
        return ProbeResult(ok=True, tracks=sample.tracks, video=video, audio=audio, preview_jpeg=preview)


class _Sample:
    """A reader that keeps the first key picture and measures the frame rate."""

    def __init__(self) -> None:
        self.begun: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.tracks: tuple[str, ...] = ()
        self.key: AccessUnit | None = None
        self._first_pts: int | None = None
        self._last_pts = self._pictures = 0
        self._clock_rate_hz = 1

    @property
    def fps(self) -> float:
        """Return pictures per second of media time; 0 before the second."""
        elapsed = self._last_pts - (self._first_pts or 0)
        return round((self._pictures - 1) * self._clock_rate_hz / elapsed, 2) if self._pictures > 1 and elapsed else 0.0

    def on_run(self, tracks: tuple[Track, ...]) -> None:
        """Note the tracks."""
        self.tracks = tuple(track.params.codec.value for track in tracks)
        if not self.begun.done():
            self.begun.set_result(None)

    def on_unit(self, unit: AccessUnit) -> None:
        """Keep the first key picture; count."""
        if unit.kind is not Kind.VIDEO:
            return
        if self.key is None and unit.is_key:
            self.key = unit
        if self._first_pts is None:
            self._first_pts, self._clock_rate_hz = unit.dts, unit.params.clock_rate_hz
        self._last_pts = unit.dts
        self._pictures += 1

    def on_end(self, _reason: EndReason) -> None:
        """Nothing: what was seen was seen."""


_CODES = frozenset(
    {"unreachable", "refused", "unauthorized", "not_found", "not_a_camera", "timeout", "unsupported",
     "network_not_allowed", "bad_url"}
)  # fmt: skip


def _code(error: SourceError) -> str:
    """Return the error's code, or the nearest that the camera dialog knows."""
    return error.code if error.code in _CODES else "not_a_camera"
