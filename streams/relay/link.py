"""One connection between two workers: frames in, frames out, batched; who the other is has been proved.

Made by `node` for both sides, on the event loop. What is sent in one turn of the loop leaves in one write. The write
buffer is bounded: above `CONGESTED_BYTES` taps drop video to the next key frame, above `MAX_BUFFER_BYTES` the link is
given up. A peer silent for `SILENCE_S` is gone.
"""

import asyncio
from collections.abc import Callable
from typing import Any, cast

import structlog

from media.base.errors import HubError, RemoteProtocolError
from streams.relay.frames import Frame, FrameReader, FrameType, build, build_json

log = structlog.get_logger(__name__)

CONGESTED_BYTES = 4 << 20
"""Two seconds of sixteen 1 Mbit/s sources: another worker on the same machine never lets it come to that."""

MAX_BUFFER_BYTES = 32 << 20
MAX_EARLY_FRAMES = 8
"""Before the handshake a peer has one frame to say."""

WRITE_BYTES = 32 << 10
"""So much is written at once, so that the other side works on the beginning of a burst while the rest is made."""

PING_S = 2.0
SILENCE_S = 7.0
"""Three pings lost: below the ten seconds in which a meeting is whole again."""

OnFrame = Callable[[Frame], None]


class Link(asyncio.Protocol):
    """A framed connection. `on_frame` and `on_lost` are set by whoever uses it; until `listen`, frames wait."""

    def __init__(self) -> None:
        """Begin unconnected."""
        self.on_frame: OnFrame = self._keep
        self.on_lost: Callable[[], None] = _nothing
        self.on_connected: Callable[[Link], None] = _ignore
        self.is_lost = False
        self.transport: asyncio.Transport | None = None
        self._early: list[Frame] = []
        self._reader = FrameReader()
        self._out: list[bytes] = []
        self._out_bytes = 0
        self._flush_handle: asyncio.Handle | None = None
        self._ping_handle: asyncio.TimerHandle | None = None
        self._heard_s = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to ping."""
        self.transport = cast(asyncio.Transport, transport)  # uvloop's are none by class
        self.transport.set_write_buffer_limits(high=MAX_BUFFER_BYTES)
        self._heard_s = asyncio.get_running_loop().time()
        self._ping()
        self.on_connected(self)

    def listen(self, on_frame: OnFrame, on_lost: Callable[[], None]) -> None:
        """Hand frames to `on_frame` from now on, first those that came before anybody listened."""
        self.on_frame, self.on_lost = on_frame, on_lost
        early, self._early = self._early, []
        for frame in early:
            on_frame(frame)

    def _keep(self, frame: Frame) -> None:
        """Keep a frame for who will listen: a loop may read before it tells that the connection is made."""
        if len(self._early) >= MAX_EARLY_FRAMES:
            raise RemoteProtocolError("a relay peer speaks before it is heard")
        self._early.append(frame)

    def data_received(self, data: bytes) -> None:
        """Hand on what is complete; a malformed or mishandled frame ends the link."""
        self._heard_s = asyncio.get_running_loop().time()
        try:
            for frame in self._reader.feed(data):
                if frame.type == FrameType.PING:
                    self.send(build(FrameType.PONG, b""))
                elif frame.type != FrameType.PONG:
                    self.on_frame(frame)
                if self.is_lost:
                    return
        except HubError as error:
            log.warning("relay link given up", cause=str(error))
            self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the user, once."""
        del exc
        self._end()

    def send(self, frame: bytes) -> None:
        """Send a frame with the others of this turn of the loop."""
        if self.is_lost:
            return
        self._out.append(frame)
        self._out_bytes += len(frame)
        if self._out_bytes >= WRITE_BYTES:
            self._write()
        elif self._flush_handle is None:
            self._flush_handle = asyncio.get_running_loop().call_soon(self._flush)

    def send_json(self, kind: FrameType, message: dict[str, Any]) -> None:
        """Send a JSON frame."""
        self.send(build_json(kind, message))

    @property
    def is_congested(self) -> bool:
        """Tell whether the other side does not keep up."""
        return self.transport is None or self.transport.get_write_buffer_size() > CONGESTED_BYTES

    def abort(self) -> None:
        """End at once, without sending what waits."""
        if self.transport is not None:
            self.transport.abort()
        self._end()

    def _flush(self) -> None:
        self._flush_handle = None
        if self._out:
            self._write()

    def _write(self) -> None:
        out, self._out, self._out_bytes = self._out, [], 0
        if self.is_lost or self.transport is None:
            return
        self.transport.write(b"".join(out))
        if self.transport.get_write_buffer_size() > MAX_BUFFER_BYTES:
            log.warning("relay link given up, the other worker does not read")
            self.abort()

    def _ping(self) -> None:
        loop = asyncio.get_running_loop()
        if loop.time() - self._heard_s > SILENCE_S:
            log.warning("relay link given up, the other worker is silent")
            self.abort()
            return
        self.send(build(FrameType.PING, b""))
        self._ping_handle = loop.call_later(PING_S, self._ping)

    def _end(self) -> None:
        if self.is_lost:
            return
        self.is_lost = True
        for handle in (self._flush_handle, self._ping_handle):
            if handle is not None:
                handle.cancel()
        self.on_lost()


def _ignore(_: object) -> None:
    """Ignore what comes before anybody asked for it."""


def _nothing() -> None:
    """Do nothing."""
