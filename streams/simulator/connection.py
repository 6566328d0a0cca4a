"""One client of the simulator: an RTSP connection, and the ways its media takes.

Made by `streams.simulator.server` for every TCP connection; lives on its loop. Speaks through
`media.rtsp.server.ServerSession`; receives ready packets from `CameraStream` and puts them into the connection or
into datagrams. A client that does not read is skipped until the next key picture, never waited for.
"""

import asyncio
import socket
import struct
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Protocol, cast

from media.base.errors import RemoteProtocolError
from media.rtsp.message import InterleavedFrame, MessageParser, Request, interleaved
from media.rtsp.server import Change, Delivery, ServerSession
from media.rtsp.transport import Transport
from streams.simulator.camera import CameraStream
from streams.simulator.defects import DefectSet
from streams.simulator.pacer import Pacer
from streams.simulator.packets import FRAME_BYTES

_BACKLOG_BYTES = 4 << 20
_DRIP_BACKLOG_BYTES = 64 << 10
_DRIP_EVERY_S = 0.25
_RESET_AT_CLOSE = struct.pack("ii", 1, 0)


class House(Protocol):
    """What a connection asks of the simulator it belongs to."""

    @property
    def pacer(self) -> Pacer:
        """Return what sends packets later."""
        ...

    def open_session(self, connection: "Connection") -> ServerSession:
        """Return the RTSP session of a new connection."""
        ...

    def stream_of(self, url_or_path: str) -> CameraStream | None:
        """Return the stream a URL or path names."""
        ...

    def send_datagram(self, data: bytes, host: str, port: int, *, is_rtcp: bool) -> None:
        """Send from our RTP or RTCP port."""
        ...

    def played(self, connection: "Connection") -> None:
        """Begin to send."""
        ...

    def closed(self, connection: "Connection") -> None:
        """Forget a connection that ended."""
        ...


class Connection(asyncio.Protocol):
    """One connection. `camera` is the one it last named, `stream` what it plays, `heard_mono_ns` its last sign of life."""

    def __init__(self, house: House, read_mono_ns: Callable[[], int]) -> None:
        """Belong to `house`; `read_mono_ns` reads its clock."""
        self.stream: CameraStream | None = None
        self.camera = 0
        self.playing_since_ns = 0
        self.has_started = False
        self.heard_mono_ns = read_mono_ns()
        self.host = ""
        self._read_mono_ns = read_mono_ns
        self._house = house
        self._parser = MessageParser()
        self._transport: asyncio.Transport | None = None
        self._drip = bytearray()
        self._drip_timer: asyncio.TimerHandle | None = None
        self._paced_until_s = 0.0
        self._defects = DefectSet()
        self.session = house.open_session(self)

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but its class
        self._transport.set_write_buffer_limits(high=_BACKLOG_BYTES)
        peer = transport.get_extra_info("peername")
        self.host = str(peer[0]) if peer else ""

    def data_received(self, data: bytes) -> None:
        """Answer requests; a client's RTCP only shows that it lives."""
        self.heard_mono_ns = self._read_mono_ns()
        try:
            self._parser.feed(data)
            while (message := self._parser.next()) is not None:
                if isinstance(message, Request):
                    self._answer(message)
                elif isinstance(message, InterleavedFrame):
                    continue
        except RemoteProtocolError:
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop sending."""
        del exc
        if self._drip_timer is not None:
            self._drip_timer.cancel()
        self._house.closed(self)
        self._transport = None

    # Requests.

    def _answer(self, request: Request) -> None:
        named = self._house.stream_of(request.url)
        if named is not None:
            self.camera, self._defects = named.camera, named.defects
        self.session.is_nonce_single_use = self._defects.changes_nonce
        step = self.session.receive(request)
        self._write(step.reply.to_bytes())
        if step.change is Change.PLAY:
            self.stream = self._house.stream_of(self.session.path)
            self.playing_since_ns, self.has_started = self._read_mono_ns(), False
            self._house.played(self)
        elif step.change is Change.TEARDOWN and self.stream is not None:
            self.stream.remove(self)
            self.stream = None

    # Media.

    def send_media(self, track: int, data: bytearray, starts: Sequence[int], pace_s: float) -> bool:
        """See `camera.Viewer`."""
        delivery = self.session.deliveries.get(track)
        if delivery is None or self._transport is None:
            return True
        if self._backlog_bytes() > (_DRIP_BACKLOG_BYTES if self._defects.bytes_per_s else _BACKLOG_BYTES):
            return False
        if delivery.transport is Transport.TCP and not pace_s:
            self._write(bytes(data) if delivery.rtp == 0 else _readdressed(data, starts, delivery.rtp))
            return True
        if not pace_s:
            for packet in _packets(data, starts):
                self._send_packet(delivery, packet, None)
            return True
        # A picture that is late must not overtake the end of the one before.
        at_s = max(self._house.pacer.now_s(), self._paced_until_s)
        for packet in _packets(data, starts):
            self._send_packet(delivery, packet, at_s)
            self._paced_until_s = at_s
            at_s += pace_s / len(starts)
        return True

    def _send_packet(self, delivery: Delivery, frame: bytes, at_s: float | None) -> None:
        """Send one interleaved frame, now or at `at_s`, as it is or as a datagram."""
        if delivery.transport is Transport.TCP:
            send, data = self._write, frame if delivery.rtp == 0 else _readdressed(frame, (0,), delivery.rtp)
        else:
            send = partial(self._house.send_datagram, host=self.host, port=delivery.rtp, is_rtcp=False)
            data = frame[FRAME_BYTES:]
        if at_s is None:
            send(data)
        else:
            self._house.pacer.add(at_s, send, data)

    def send_report(self, track: int, packet: bytes) -> None:
        """See `camera.Viewer`."""
        delivery = self.session.deliveries.get(track)
        if delivery is None:
            return
        if delivery.transport is Transport.TCP:
            self._write(interleaved(delivery.rtcp, packet))
        else:
            self._house.send_datagram(packet, self.host, delivery.rtcp, is_rtcp=True)

    # Bytes out.

    def _backlog_bytes(self) -> int:
        return (self._transport.get_write_buffer_size() if self._transport else 0) + len(self._drip)

    def _write(self, data: bytes) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        if not self._defects.bytes_per_s and not self._drip:
            self._transport.write(data)
            return
        self._drip += data
        if self._drip_timer is None:
            self._trickle()

    def _trickle(self) -> None:
        """Write a few of the bytes that wait; all of them once the defect is over."""
        self._drip_timer = None
        if self._transport is None or self._transport.is_closing():
            return
        rate = self._defects.bytes_per_s
        count = max(1, round(rate * _DRIP_EVERY_S)) if rate else len(self._drip)
        self._transport.write(bytes(self._drip[:count]))
        del self._drip[:count]
        if self._drip:
            self._drip_timer = asyncio.get_running_loop().call_later(_DRIP_EVERY_S, self._trickle)

    def set_defects(self, defects: DefectSet) -> None:
        """Behave so from now on."""
        self._defects = defects

    def close(self) -> None:
        """Close after what was written."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Reset the connection: the client gets RST, not FIN."""
        if self._transport is not None:
            sock = self._transport.get_extra_info("socket")
            if sock is not None and not self._transport.is_closing():
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_AT_CLOSE)
            self._transport.abort()


def _packets(data: bytearray, starts: Sequence[int]) -> Iterator[bytes]:
    """Yield the interleaved frames of a burst."""
    for start, end in zip(starts, [*starts[1:], len(data)], strict=True):
        yield bytes(data[start:end])


def _readdressed(data: bytes | bytearray, starts: Sequence[int], channel: int) -> bytes:
    """Return the frames for another channel."""
    copy = bytearray(data)
    for start in starts:
        copy[start + 1] = channel
    return bytes(copy)
