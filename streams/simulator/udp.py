"""An even/odd pair of UDP ports for RTP and RTCP (RFC 3550 §11), shared by all clients of a simulator.

Opened by `streams.simulator.server` on its loop. What clients send there (receiver reports) is thrown away.
"""

import asyncio
import socket
from dataclasses import dataclass

_TRIES = 50
_SEND_BUFFER_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class PortPair:
    """Two bound sockets."""

    rtp: asyncio.DatagramTransport
    rtcp: asyncio.DatagramTransport
    ports: tuple[int, int]

    def close(self) -> None:
        """Close both."""
        self.rtp.close()
        self.rtcp.close()


async def open_port_pair(host: str) -> PortPair:
    """Bind a free even port and the one above it; OSError when none is found."""
    loop = asyncio.get_running_loop()
    pair = _bind_pair(host)
    rtp, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, sock=pair[0])
    rtcp, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, sock=pair[1])
    port = int(pair[0].getsockname()[1])
    return PortPair(rtp, rtcp, (port, port + 1))


def _bind_pair(host: str) -> tuple[socket.socket, socket.socket]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for _ in range(_TRIES):
        first, second = socket.socket(family, socket.SOCK_DGRAM), socket.socket(family, socket.SOCK_DGRAM)
        try:
            first.bind((host, 0))
            port = int(first.getsockname()[1])
            if port % 2 == 0:
                second.bind((host, port + 1))
                for sock in (first, second):
                    sock.setblocking(False)
                first.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
                return first, second
        except OSError:
            pass  # the odd neighbour is taken; try another
        first.close()
        second.close()
    raise OSError("no free pair of UDP ports")
