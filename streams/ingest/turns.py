"""Read every playing connection of a worker in turns of 20 ms, instead of waking for each arrival.

Made with the connector, used by `streams.ingest.rtsp` on the event loop. A camera sends 25 to 200 times a second; a
process woken for each finds its caches cold and pays for a picture three times what it costs among others. Only plain
TCP: under TLS the bytes of the socket are not the protocol's. The transports go on writing, and are told to read again
where a connection ends, so that ends and errors are told in one place.
"""

import asyncio
import os
import select

TURN_S = 0.020
"""Longest wait of a packet: half a picture's duration, and at 20 Mbit/s 50 kB in the kernel's buffer, which holds 128."""


class ReadTurns:
    """Reads for the connections given to it, as long as they are open."""

    def __init__(self) -> None:
        """Start without connections and without a timer."""
        self._epoll = select.epoll()
        self._open: dict[int, tuple[asyncio.Transport, asyncio.BufferedProtocol]] = {}
        self._timer: asyncio.TimerHandle | None = None

    def add(self, transport: asyncio.Transport, protocol: asyncio.BufferedProtocol) -> None:
        """Read for `transport` from now on; to be removed before it closes its socket."""
        transport.pause_reading()
        fd = transport.get_extra_info("socket").fileno()
        self._open[fd] = transport, protocol
        self._epoll.register(fd, select.EPOLLIN)
        if self._timer is None:
            self._set_timer()

    def remove(self, transport: asyncio.Transport) -> None:
        """Read no more for `transport`; nothing happens when it is not there."""
        for fd in [fd for fd, (known, _) in self._open.items() if known is transport]:
            self._forget(fd)

    def _forget(self, fd: int) -> None:
        del self._open[fd]
        self._epoll.unregister(fd)
        if not self._open and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _set_timer(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(TURN_S, self._turn)

    def _turn(self) -> None:
        self._set_timer()
        for fd, _ in self._epoll.poll(0):
            if fd in self._open:  # what an earlier one brought may have ended it
                self._read(fd)

    def _read(self, fd: int) -> None:
        """Read once; what does not fit the buffer waits for the next turn."""
        transport, protocol = self._open[fd]
        try:
            size_bytes = os.readv(fd, (protocol.get_buffer(-1),))
        except OSError:
            size_bytes = 0
        if not size_bytes:
            self._forget(fd)
            transport.resume_reading()  # it finds the same end or error and tells the protocol
            return
        try:
            protocol.buffer_updated(size_bytes)
        except BaseException:
            transport.abort()  # the loop hears of the error; the other connections are read in the next turn
            raise
