"""The receive loop of an interleaved RTSP connection: bytes of the socket to packets on channels, in place.

One per connection, on the event loop; all connections of a worker share one receive buffer, because between the
kernel's read and the end of `buffer_updated` nobody else runs. No object is made per packet: a channel's receiver is
told where in the buffer its packet lies. Messages, strays and resynchronisation are the slow path.
"""

import asyncio
from collections.abc import Callable
from typing import cast

from media.base.clock import Clock
from media.base.errors import RemoteProtocolError
from media.packet import AccessUnit
from media.rtp.receive import Units
from media.rtsp.message import (
    MAX_BODY_BYTES,
    MAX_CHANNEL,
    MAX_GARBAGE_BYTES,
    MAX_HEAD_BYTES,
    Message,
    find_resync,
    read_message,
)

BUFFER_BYTES = 512 << 10
"""Shared by all connections: the largest unfinished rest (a message, 144 kB) and room to read a large key frame."""
_MAX_REST_BYTES = MAX_HEAD_BYTES + MAX_BODY_BYTES + 4096
_DOLLAR = 0x24

Push = Callable[[memoryview, int, int, int, int], Units]
"""Take the packet in `buf[start:end]` that came at (mono_ns, wall_us); nothing of the buffer may be kept."""
Follow = Callable[[memoryview, int, int, int], int]
"""Take those of the frames in `buf[start:end]` that plainly continue what `Push` took; return where others begin."""


def _ignore(_view: memoryview, _start: int, _end: int, _now_mono_ns: int, _now_wall_us: int) -> None:
    """Step over a packet nobody asked for: a stale session's, or a camera's own channel numbering."""


class ReceiveBuffer:
    """The one buffer into which all connections of an event loop read."""

    def __init__(self, size_bytes: int = BUFFER_BYTES) -> None:
        """Allocate it."""
        self.bytes = bytearray(size_bytes)
        self.view = memoryview(self.bytes)


class InterleavedReceiver(asyncio.BufferedProtocol):
    """Cuts the stream; `channels` says who takes the packets of which channel."""

    def __init__(self, buffer: ReceiveBuffer, clock: Clock, take: Callable[[AccessUnit], None]) -> None:
        """Give completed units to `take`."""
        self._view = buffer.view
        self._bytes = buffer.bytes
        self._clock = clock
        self.take = take
        self._rest = b""
        self._garbage_run_bytes = 0
        self._transport: asyncio.Transport | None = None
        self.channels: list[Push | None] = []
        self.followers: dict[int, Follow] = {}
        self.silence()
        self.on_message: Callable[[Message], None] = lambda _message: None
        self.on_lost: Callable[[Exception | None], None] = lambda _error: None
        self.garbage_bytes = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport, to stop it when the peer speaks no RTSP."""
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the owner."""
        self._rest = b""
        self.on_lost(exc)

    def get_buffer(self, _sizehint: int) -> memoryview:
        """Return where the next bytes go: behind the rest of the last read."""
        rest = self._rest
        if not rest:
            return self._view
        size = len(rest)
        self._bytes[:size] = rest
        return self._view[size:]

    def buffer_updated(self, nbytes: int) -> None:
        """Take every whole packet and message in the buffer; keep the rest."""
        view, buf, channels, followers = self._view, self._bytes, self.channels, self.followers
        pos, end = 0, len(self._rest) + nbytes
        now_mono_ns, now_wall_us = self._clock.mono_ns(), self._clock.wall_us()
        while end - pos >= 4:
            channel = buf[pos + 1]
            push = channels[channel]
            if buf[pos] != _DOLLAR or push is None:
                go_on_at = self._slow(pos, end)
                if go_on_at == pos:
                    break
                pos = go_on_at
                continue
            start = pos + 4
            after = start + (buf[pos + 2] << 8 | buf[pos + 3])
            if after > end:
                break
            units = push(view, start, after, now_mono_ns, now_wall_us)
            if units is not None:
                self._deliver(units)
            elif after < end and channel in followers:
                after = followers[channel](view, after, end, _DOLLAR << 8 | channel)
            pos = after
        self._rest = bytes(view[pos:end]) if pos < end else b""

    def _deliver(self, units: AccessUnit | list[AccessUnit]) -> None:
        self._garbage_run_bytes = 0
        if isinstance(units, list):
            for unit in units:
                self.take(unit)
        else:
            self.take(units)

    def _slow(self, pos: int, end: int) -> int:
        """Take a message, or skip garbage; return where to go on, `pos` when more bytes must come."""
        if self._bytes[pos] == _DOLLAR:  # on a channel no frame can have
            return self._skip(pos, end)
        if self._bytes[pos] in b"\r\n":
            return pos + 1
        try:
            found = read_message(self._bytes, pos, end)
        except RemoteProtocolError as error:
            if error.code != "not_rtsp":
                self._give_up(error)
                return end
            return self._skip(pos, end)
        if found is None:
            if end - pos > _MAX_REST_BYTES:
                self._give_up(RemoteProtocolError("message is too long", code="message_too_large"))
                return end
            return pos
        message, after = found
        self.on_message(message)
        return after

    def _skip(self, pos: int, end: int) -> int:
        """Go on at the next thing that looks like a frame or a message; give up after too much garbage."""
        to = find_resync(self._bytes, pos, end)
        self.garbage_bytes += to - pos
        self._garbage_run_bytes += to - pos
        if self._garbage_run_bytes > MAX_GARBAGE_BYTES:
            self._give_up(RemoteProtocolError("too much that is not RTSP", code="not_rtsp", bytes=self.garbage_bytes))
            return end
        return to

    def silence(self) -> None:
        """Let no packet through: frames on channels that can be are stepped over, others are taken for garbage."""
        self.followers.clear()
        self.channels[:] = [*[_ignore] * (MAX_CHANNEL + 1), *[None] * (255 - MAX_CHANNEL)]

    def _give_up(self, error: RemoteProtocolError) -> None:
        """Stop reading a peer that broke the protocol; `on_lost` hears why."""
        self.silence()
        if self._transport is not None:
            self._transport.abort()
        self.on_lost(error)

    def eof_received(self) -> bool:
        """Close when the peer does."""
        return False
