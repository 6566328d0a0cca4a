"""G.711 to AAC without libav in this process: the asking side of one child for all cameras of a worker.

Owned by the recorder, used on its event loop. `open` starts the child when the first such camera comes. Nothing here
ever waits: what the child cannot take is dropped and counted, and a child that dies is started again with back-off;
recorded video goes on without sound meanwhile. MP4 does not hold G.711, hence all this.
"""

import asyncio
import contextlib
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable
from pathlib import Path

import structlog

import media
from media.base.errors import ErrorKind, HubError
from media.base.tasks import Backoff, Owner
from media.codec.aac import SAMPLE_RATES_HZ, aac_params
from media.codec.aac import build_audio_specific_config as config_of
from media.ffmpeg.aac_protocol import CLOSE, FRAME_SAMPLES, HEAD, MAX_PAYLOAD, PCMA, PCMU
from media.packet import AccessUnit, Codec, CodecParams, Track

log = structlog.get_logger(__name__)

PENDING_BYTES = 256 << 10
"""What may wait in the pipe: half a second of 64 cameras."""
OnUnit = Callable[[AccessUnit], None]


def is_transcodable(params: CodecParams) -> bool:
    """Tell whether `AudioTranscoder.open` accepts a track: G.711, mono, at a rate AAC knows."""
    is_g711 = params.codec in (Codec.PCMU, Codec.PCMA)
    return is_g711 and params.channels in (0, 1) and params.sample_rate_hz in SAMPLE_RATES_HZ


class TranscodedTrack:
    """One camera's sound on its way. `params` are those of the AAC that comes out."""

    def __init__(self, transcoder: "AudioTranscoder", number: int, track: Track, on_unit: OnUnit) -> None:
        """Made by `AudioTranscoder.open`."""
        self.params = aac_params(config_of(track.params.sample_rate_hz, 1))
        self._transcoder = transcoder
        self._number = number
        self._track = track
        self._kind = PCMU if track.params.codec is Codec.PCMU else PCMA
        self._on_unit = on_unit
        self._first = 0
        self._parts: list[bytes] = []
        self._samples = 0
        self._last: AccessUnit | None = None

    def push(self, unit: AccessUnit) -> None:
        """Take one packet's samples; they are sent on by the frame, for a message costs more than a sample."""
        if self._samples and unit.dts != self._first + self._samples:
            self._send()
        if not self._samples:
            self._first = unit.dts
        self._parts.append(unit.data)
        self._samples += len(unit.data)
        self._last = unit
        if self._samples >= FRAME_SAMPLES:
            self._send()

    def _send(self) -> None:
        data = b"".join(self._parts)
        self._parts.clear()
        self._samples = 0
        self._transcoder.send(self._number, self._kind, self._track.params.sample_rate_hz, (self._first, data))

    def deliver(self, timestamp: int, data: bytes) -> None:
        """Hand on one AAC frame from the child; its arrival is that of the newest packet."""
        if self._last is not None:
            last = self._last
            unit = AccessUnit(
                self._track.index, self.params, timestamp, timestamp, True, data, last.received_mono_ns, last.received_wall_us
            )  # fmt: skip
            self._on_unit(unit)

    def close(self) -> None:
        """End the stream; frames still in the child are dropped (at most 0.3 s)."""
        self._transcoder.forget(self._number)


class AudioTranscoder:
    """All G.711 cameras of a worker, one child process."""

    def __init__(self) -> None:
        """Start nothing yet."""
        self._owner = Owner("audio transcoder")
        self._tracks: dict[int, TranscodedTrack] = {}
        self._next = 1
        self._child: Process | None = None
        self._is_started = False
        self.dropped = 0
        self.delivered = 0
        self.restarts = 0

    @property
    def pid(self) -> int | None:
        """Return the child's process id while it lives."""
        return self._child.pid if self._child is not None else None

    def open(self, track: Track, on_unit: OnUnit) -> TranscodedTrack:
        """Begin a stream whose AAC units carry the index of `track`; HubError INVALID when it cannot be done."""
        if not is_transcodable(track.params):
            raise HubError(ErrorKind.INVALID, "sound cannot be transcoded", code="codec_unsupported")
        made = TranscodedTrack(self, self._next, track, on_unit)
        self._tracks[self._next] = made
        self._next += 1
        if not self._is_started:
            self._is_started = True
            self._owner.start(self._supervise(), "child")
        return made

    def send(self, number: int, kind: int, rate_hz: int, samples: tuple[int, bytes]) -> None:
        """Send one message to the child, or drop it when the child is away or behind."""
        first, data = samples
        stdin = self._child.stdin if self._child is not None else None
        if stdin is None or stdin.is_closing() or stdin.transport.get_write_buffer_size() > PENDING_BYTES:
            self.dropped += 1
            return
        stdin.write(HEAD.pack(number, kind, rate_hz, first, len(data)) + data)

    def forget(self, number: int) -> None:
        """End a stream."""
        if self._tracks.pop(number, None) is not None:
            self.send(number, CLOSE, 0, (0, b""))

    async def close(self) -> None:
        """End the child."""
        await self._owner.aclose()
        self._tracks.clear()

    async def _supervise(self) -> None:
        """Keep a child alive."""
        backoff = Backoff()
        while True:
            try:
                await self._run_child()
            except OSError as error:
                log.error("audio transcoder cannot be started", error=str(error))
            self.restarts += 1
            log.warning("audio transcoder ended, sound is missing until it is back", restarts=self.restarts)
            await asyncio.sleep(backoff.next_s())

    async def _run_child(self) -> None:
        environment = os.environ | {"PYTHONPATH": str(Path(media.__file__).parent.parent)}
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "media.ffmpeg.aac_encoder", stdin=PIPE, stdout=PIPE, env=environment
        )
        self._child = child
        try:
            await self._receive(child)
        finally:
            self._child = None
            if child.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    child.kill()
            await child.wait()

    async def _receive(self, child: Process) -> None:
        """Hand frames on until the child ends or talks nonsense."""
        assert child.stdout is not None
        try:
            while True:
                head = await child.stdout.readexactly(HEAD.size)
                number, _, _, timestamp, size = HEAD.unpack(head)
                if size > MAX_PAYLOAD:
                    return
                data = await child.stdout.readexactly(size)
                track = self._tracks.get(number)
                if track is not None:
                    self.delivered += 1
                    track.deliver(timestamp, data)
        except asyncio.IncompleteReadError:
            return
