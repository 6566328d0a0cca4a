"""Supervises one stream of one camera: connect, notice that it ended or fell silent, wait, connect again. For ever.

Owned by the registry, one task per stream on the worker's event loop, so that a bug in one camera hurts one camera.
Knows no protocol: it is given a `Connect`. Never logs a URL.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import structlog

from media.base.clock import Clock
from media.base.ids import CameraId, Quality, StreamKey, camera_source
from media.base.tasks import Backoff
from media.packet import EndReason
from media.rtsp.transport import Transport
from streams.ingest.connection import Connect, SourceConnection, SourceError, SourceRequest, SourceStats
from streams.status import SourceState, SourceStatus, audio_status, video_status

log = structlog.get_logger(__name__)

SILENCE_S = 10.0
"""No complete picture for so long means the source is dead, however alive the connection looks."""

FIRST_RUN_S = 30.0
"""Media that comes but never yields a decodable start (no parameter sets, no key frame) is given up after this."""

GOOD_AFTER_S = 6.0
"""Media for so long forgives earlier failures; less is flapping and keeps the growing wait."""

CLOSE_TIMEOUT_S = 2.0

_RETRY_S: dict[EndReason, tuple[float, float]] = {
    EndReason.UNAUTHORIZED: (300.0, 1200.0),  # cameras lock an account after 5 to 7 wrong passwords in 30 minutes
    EndReason.UNSUPPORTED: (30.0, 300.0),  # the answer will be the same until somebody changes the camera
}
_RETRY_DEFAULT_S = (1.0, 30.0)
_FORGIVEN_REFUSALS = 2
"""A camera that has accepted this password may refuse it twice (rebooting, stale nonce) before the slow retry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraConfig:
    """What a worker must know of a camera. The URLs carry credentials and are kept out of `repr`."""

    camera_id: CameraId
    source_url: str = field(repr=False)
    sub_source_url: str | None = field(default=None, repr=False)
    enabled: bool = True
    transport: Transport = Transport.TCP
    silence_s: float = SILENCE_S

    def request(self, quality: Quality) -> SourceRequest | None:
        """Return what to open for `quality`, or None when the camera has no such stream."""
        url = self.source_url if quality is Quality.MAIN else self.sub_source_url
        return SourceRequest(StreamKey(camera_source(self.camera_id), quality), url, self.transport) if url else None


class ConnectGate:
    """Spreads the handshakes when five hundred cameras come back in the same second.

    At most `limit` handshakes at a time, first come first served. A camera that accepts and then says nothing holds
    its place for `hold_s` only, so the dead cannot keep the living waiting.
    """

    def __init__(self, limit: int = 32, hold_s: float = 2.0) -> None:
        """Let `limit` in at a time."""
        self._free = asyncio.Semaphore(limit)
        self._hold_s = hold_s

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Hold a place, for `hold_s` at most."""
        await self._free.acquire()
        held = [True]

        def release() -> None:
            if held:
                held.clear()
                self._free.release()

        expiry = asyncio.get_running_loop().call_later(self._hold_s, release)
        try:
            yield
        finally:
            expiry.cancel()
            release()


class RetryPolicy:
    """How long to wait before the next attempt: 1 to 30 s, jittered; slower where haste does harm."""

    def __init__(self, rng: random.Random | None = None) -> None:
        """Use `rng` for the jitter."""
        self._rng = rng
        self._backoffs: dict[tuple[float, float], Backoff] = {}
        self._was_accepted = False
        self._refusals = 0

    def succeeded(self) -> None:
        """Media has come for a good while: forget the failures."""
        self._was_accepted = True
        self._refusals = 0
        self._backoffs.clear()

    def wait_s(self, reason: EndReason) -> float:
        """Return the wait after an attempt or a connection that ended with `reason`."""
        limits = _RETRY_S.get(reason, _RETRY_DEFAULT_S)
        if reason is EndReason.UNAUTHORIZED:
            self._refusals += 1
            if self._was_accepted and self._refusals <= _FORGIVEN_REFUSALS:
                limits = _RETRY_DEFAULT_S
        backoff = self._backoffs.setdefault(limits, Backoff(*limits))
        return backoff.next_s(self._rng)


@dataclass(frozen=True, slots=True)
class SupervisorWorld:
    """What every supervisor of a worker shares."""

    connect: Connect
    clock: Clock
    gate: ConnectGate
    rng: random.Random | None = None


class SourceSupervisor:
    """Keeps one stream coming. `run` is the task; `status` may be read at any time."""

    def __init__(
        self,
        request: SourceRequest,
        world: SupervisorWorld,
        on_status: Callable[[SourceStatus], None],
        *,
        silence_s: float = SILENCE_S,
    ) -> None:
        """Start in state connecting; nothing happens before `run`."""
        self._request = request
        self._world = world
        self._on_status = on_status
        self._silence_s = silence_s
        self._retry = RetryPolicy(world.rng)
        self._connection: SourceConnection | None = None
        self._state = SourceState.CONNECTING
        self._reason = ""
        self._since_wall_us = world.clock.wall_us()
        self._last_stats = SourceStats()
        self._attempts = 0
        self._hurry = asyncio.Event()
        self.stop_reason = EndReason.DISABLED

    def retry_now(self) -> None:
        """Cut the present wait short: somebody asks to try again."""
        self._hurry.set()

    async def run(self) -> None:
        """Keep the stream coming until cancelled; the run then ends with `stop_reason`."""
        while True:
            try:
                reason, code = await self._attempt()
            except Exception:  # a bug in one camera's path ends here, as one more failed attempt
                log.exception("source failed", stream=str(self._request.key))
                reason, code = EndReason.UNKNOWN, "internal"
            wait_s = self._retry.wait_s(reason)
            self._failed(code, wait_s)
            self._hurry.clear()
            try:
                async with asyncio.timeout(wait_s):
                    await self._hurry.wait()
            except TimeoutError:
                pass

    async def _attempt(self) -> tuple[EndReason, str]:
        """Connect once and stay as long as media comes. Return why it ended, and the code for people."""
        self._attempts += 1
        try:
            async with self._world.gate.place():
                connection = await self._world.connect(self._request)
        except SourceError as error:
            if self._attempts == 1:
                log.warning("source not reached", stream=str(self._request.key), code=error.code, why=error.message)
            return error.reason, error.code
        self._connection = connection
        ended = None
        try:
            ended, code = await self._watch(connection)
        finally:
            self._last_stats = _what_remains(connection.stats())
            self._connection = None
            await _close(connection, ended or self.stop_reason)
        return ended, code

    async def _watch(self, connection: SourceConnection) -> tuple[EndReason, str]:
        """Wait until the connection ends, falls silent, or gives media nobody can decode."""
        opened_ns = self._world.clock.mono_ns()
        while True:
            await asyncio.wait((connection.ended,), timeout=1.0 if self._state is SourceState.ONLINE else 0.25)
            if connection.ended.done():
                reason = connection.ended.result()
                return reason, reason.value
            verdict = self._judge(connection, opened_ns)
            if verdict is not None:
                return verdict, verdict.value

    def _judge(self, connection: SourceConnection, opened_ns: int) -> EndReason | None:
        """Look about once a second: silence, a start that never comes, and the turn of the state to online."""
        now_ns = self._world.clock.mono_ns()
        age_s = (now_ns - opened_ns) / 1e9
        if now_ns - connection.last_media_mono_ns > self._silence_s * 1e9:
            return EndReason.SILENT
        if not connection.is_publishing:
            return EndReason.UNSUPPORTED if age_s > FIRST_RUN_S else None
        if age_s >= GOOD_AFTER_S:
            self._retry.succeeded()
        if self._state is not SourceState.ONLINE:
            log.info("source online", stream=str(self._request.key), attempts=self._attempts)
            self._attempts = 0
            self._set(SourceState.ONLINE, "")
        return None

    def _failed(self, code: str, wait_s: float) -> None:
        """Go from online to connecting, from anything else to offline; a lasting outage keeps its beginning."""
        if self._state is SourceState.ONLINE:
            log.warning("source lost", stream=str(self._request.key), code=code, retry_s=round(wait_s, 1))
            self._set(SourceState.CONNECTING, code)
        elif self._state is SourceState.CONNECTING or self._reason != code:
            self._set(SourceState.OFFLINE, code)

    def _set(self, state: SourceState, reason: str) -> None:
        if state is not self._state:
            self._since_wall_us = self._world.clock.wall_us()
        self._state, self._reason = state, reason
        self._on_status(self.status())

    def status(self) -> SourceStatus:
        """Return the status of now; while offline codecs and the last packet's time are those of the last connection."""
        stats = self._connection.stats() if self._connection is not None else self._last_stats
        return SourceStatus(
            quality=self._request.key.quality,
            state=self._state,
            reason=self._reason,
            since_wall_us=self._since_wall_us,
            last_packet_wall_us=stats.last_packet_wall_us or self._last_stats.last_packet_wall_us,
            video=video_status(stats.video, stats.fps),
            audio=audio_status(stats.audio),
            bitrate_bps=stats.bitrate_bps,
            clock_offset_ms=stats.clock_offset_ms,
            packets_received=stats.packets_received,
            packets_lost=stats.packets_lost,
            timestamps_repaired=stats.timestamps_repaired,
            units_dropped=stats.units_dropped,
            attempts=self._attempts,
        )


async def _close(connection: SourceConnection, reason: EndReason) -> None:
    """Close within the limit; a camera that does not answer TEARDOWN is not waited for."""
    try:
        async with asyncio.timeout(CLOSE_TIMEOUT_S):
            await connection.aclose(reason)
    except TimeoutError:
        log.warning("source close timed out")


def _what_remains(stats: SourceStats) -> SourceStats:
    """Return what is still true of a connection that is gone."""
    return SourceStats(video=stats.video, audio=stats.audio, last_packet_wall_us=stats.last_packet_wall_us)
