"""RTP over datagrams: a pair of ports per track, packets put back into order.

Owned by one RTSP connection that asked for UDP, on the event loop. Takes packets of the camera's address only.
"""

import asyncio
import socket
from collections.abc import Callable
from typing import Self

from media.base.clock import Clock
from media.packet import AccessUnit, EndReason
from media.rtp.reorder import ReorderBuffer
from streams.ingest.connection import SourceError
from streams.ingest.interleaved import Push

RECEIVE_BUFFER_BYTES = 1 << 20
"""Holds a large key frame while the loop is busy; the kernel caps it at net.core.rmem_max."""
_TRIES = 20


class _Receiver(asyncio.DatagramProtocol):
    """Hands the datagrams of one port on."""

    def __init__(self, take: Callable[[bytes, str], None]) -> None:
        self._take = take

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._take(data, addr[0])


class UdpPair:
    """The two ports of one track. Silent until `listen`."""

    def __init__(self, clock: Clock) -> None:
        """Use `open`."""
        self._clock = clock
        self._transports: list[asyncio.DatagramTransport] = []
        self._camera = ""
        self._push: Push | None = None
        self._push_rtcp: Push | None = None
        self._take: Callable[[AccessUnit], None] = lambda _unit: None
        self._order = ReorderBuffer()
        self.port = 0

    @classmethod
    async def open(cls, family: socket.AddressFamily, clock: Clock) -> Self:
        """Bind an even port and the one above; SourceError when there is none."""
        pair = cls(clock)
        for _ in range(_TRIES):
            sockets = _bind(family)
            if sockets is None:
                continue
            loop = asyncio.get_running_loop()
            for sock, take in zip(sockets, (pair._on_rtp, pair._on_rtcp), strict=True):
                transport, _ = await loop.create_datagram_endpoint(lambda take=take: _Receiver(take), sock=sock)  # type: ignore[misc]
                pair._transports.append(transport)
            pair.port = sockets[0].getsockname()[1]
            return pair
        raise SourceError(EndReason.UNREACHABLE, "no pair of UDP ports is free", code="unreachable")

    def listen(self, camera: str, push: Push, push_rtcp: Push, take: Callable[[AccessUnit], None]) -> None:
        """Let the packets of address `camera` through to the track's receivers and its units to `take`."""
        self._camera, self._push, self._push_rtcp, self._take = camera, push, push_rtcp, take

    def _on_rtp(self, data: bytes, address: str) -> None:
        if address == self._camera:
            self._release(self._order.push(data, self._clock.mono_ns()))

    def _on_rtcp(self, data: bytes, address: str) -> None:
        if address == self._camera and self._push_rtcp is not None:
            self._push_rtcp(memoryview(data), 0, len(data), self._clock.mono_ns(), self._clock.wall_us())

    def expire(self) -> None:
        """Give up waiting for packets that do not come; called by the connection's tick."""
        self._release(self._order.expire(self._clock.mono_ns()))

    def _release(self, packets: list[bytes]) -> None:
        push = self._push
        if push is None:
            return
        now_mono_ns, now_wall_us = self._clock.mono_ns(), self._clock.wall_us()
        for packet in packets:
            units = push(memoryview(packet), 0, len(packet), now_mono_ns, now_wall_us)
            if units is not None:
                for unit in units if isinstance(units, list) else (units,):
                    self._take(unit)

    def send_rtcp(self, data: bytes, port: int) -> None:
        """Send `data` to the camera's RTCP port; nothing happens when it named none."""
        if port and self._transports and self._camera:
            self._transports[1].sendto(data, (self._camera, port))

    def close(self) -> None:
        """Close both ports. Idempotent."""
        self._push = self._push_rtcp = None
        for transport in self._transports:
            transport.close()
        self._transports = []


def _bind(family: socket.AddressFamily) -> tuple[socket.socket, socket.socket] | None:
    """Return two sockets on an even port and the next, or None when this draw does not fit."""
    first, second = socket.socket(family, socket.SOCK_DGRAM), socket.socket(family, socket.SOCK_DGRAM)
    try:
        for sock in (first, second):
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        first.bind(("", 0))
        port = first.getsockname()[1]
        if port % 2 == 0 and port < 65_535:
            second.bind(("", port + 1))
            return first, second
    except OSError:
        pass
    first.close()
    second.close()
    return None
