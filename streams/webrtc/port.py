"""All ICE sessions of a worker on one UDP port.

Opened once per worker; lives on its event loop. Reads the socket itself (asyncio's datagram transport reads one
packet per loop turn) and hands each datagram to the link it belongs to: by the STUN user name before an address is
known, by the peer's address afterwards. An address is bound to a link only after the STUN integrity check, so a
stranger can neither inject nor divert. Everything else is counted and forgotten. Knows nothing of SRTP.
"""

import asyncio
import os
import socket
from dataclasses import asdict, dataclass
from typing import Protocol

import structlog

from media.base.clock import Clock
from streams.webrtc.batch import ANY_LOCAL, IP_PKTINFO, UDP_SEGMENT, Batch, packet_info

log = structlog.get_logger(__name__)

SOCKET_BUFFER_BYTES = 4 << 20
"""A key frame to 300 viewers is 6 MB on the wire; the kernel doubles what is asked."""

READS_PER_TURN = 64
MAX_DATAGRAM_BYTES = 2048
ADDRESSES_PER_LINK = 16
"""A browser with four interfaces and two address families makes eight; more is a peer that plays games."""

Address = tuple[str, int]


class Link(Protocol):
    """What the port needs of a peer's ICE session."""

    def on_stun_request(self, data: bytes, address: Address) -> bool:
        """Answer a binding request; True when its integrity held and the address may be bound."""
        ...

    def on_stun_response(self, data: bytes, address: Address) -> bool:
        """Take an answer to one of our checks; False when it is malformed."""
        ...

    def on_path(self, address: Address) -> None:
        """Learn that a bound address is now reached from another local address."""
        ...

    def on_dtls(self, data: bytes) -> None:
        """Take a DTLS record from a bound address."""
        ...

    def on_media(self, data: bytes) -> None:
        """Take an SRTP or SRTCP packet from a bound address."""
        ...


@dataclass(slots=True)
class PortCounters:
    """What came in and what of it was nobody's."""

    received: int = 0
    empty: int = 0
    unknown_address: int = 0
    unknown_kind: int = 0
    stun_malformed: int = 0
    stun_unknown_user: int = 0
    stun_refused: int = 0
    stun_stray_response: int = 0
    send_errors: int = 0

    def as_dict(self) -> dict[str, int]:
        """Return the counters by name."""
        return asdict(self)


class UdpPort:
    """One bound UDP socket, its demultiplexer, and the way out."""

    def __init__(self, clock: Clock, *, send_buffer_bytes: int = SOCKET_BUFFER_BYTES) -> None:
        """Prepare; nothing is bound until `open`."""
        self.clock = clock
        self.counters = PortCounters()
        self.host = ""
        self.port = 0
        self._send_buffer_bytes = send_buffer_bytes
        self._by_fragment: dict[str, Link] = {}
        self._by_address: dict[Address, Link] = {}
        self._locals: dict[Address, bytes] = {}
        self._asked_at = ANY_LOCAL
        """The local address of the request being answered."""
        self._addresses: dict[str, list[Address]] = {}
        self._by_transaction: dict[bytes, Link] = {}
        self._socket: socket.socket | None = None
        self._writer_fd = -1
        self.batch: Batch

    def open(self, host: str = "0.0.0.0", port: int = 0) -> None:  # noqa: S104  # media must reach every interface
        """Bind and start reading on the running loop; OSError when the port is taken."""
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SOCKET_BUFFER_BYTES)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self._send_buffer_bytes)
            sock.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
            sock.bind((host, port))
        except OSError:
            sock.close()
            raise
        self.host, self.port = sock.getsockname()
        self._socket = sock
        self._writer_fd = os.dup(sock.fileno())  # a second number, so that reading and writing are watched apart
        self.batch = Batch(self._writer_fd, takes_runs=_knows_segments(sock))
        asyncio.get_running_loop().add_reader(sock.fileno(), self._readable)

    def close(self) -> None:
        """Stop reading and unbind. Idempotent."""
        if self._socket is None:
            return
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._socket.fileno())
        loop.remove_writer(self._writer_fd)
        os.close(self._writer_fd)
        self._socket.close()
        self._socket = None
        self._writer_fd = -1

    @property
    def is_open(self) -> bool:
        """Tell whether the port is bound."""
        return self._socket is not None

    @property
    def link_count(self) -> int:
        """Return how many peers are routed to."""
        return len(self._by_fragment)

    @property
    def fd(self) -> int:
        """Return the descriptor to send on and to watch for writability."""
        return self._writer_fd

    def register(self, fragment: str, link: Link) -> None:
        """Route STUN requests for the local user fragment `fragment` to `link`."""
        self._by_fragment[fragment] = link
        self._addresses[fragment] = []

    def unregister(self, fragment: str) -> None:
        """Forget a link and every address bound to it."""
        link = self._by_fragment.pop(fragment, None)
        for address in self._addresses.pop(fragment, ()):
            if self._by_address.get(address) is link:
                del self._by_address[address]
                self._locals.pop(address, None)

    def expect(self, transaction: bytes, link: Link) -> None:
        """Route the STUN answer with this transaction id to `link` until `forget`."""
        self._by_transaction[transaction] = link

    def forget(self, transaction: bytes) -> None:
        """Expect no answer to this transaction any more."""
        self._by_transaction.pop(transaction, None)

    def local_of(self, address: Address) -> bytes:
        """Return our address as this peer knows it, zeros while unknown."""
        return self._locals.get(address, ANY_LOCAL)

    def send(self, data: bytes, address: Address) -> None:
        """Send one datagram now; a refusal is counted, never raised: UDP may lose it anyway."""
        if self._socket is None:
            return
        local = self._asked_at if self._asked_at != ANY_LOCAL else self.local_of(address)
        try:
            self._socket.sendmsg([data], [(socket.IPPROTO_IP, IP_PKTINFO, packet_info(local))], 0, address)
        except OSError:
            self.counters.send_errors += 1

    def _readable(self) -> None:
        sock = self._socket
        for _ in range(READS_PER_TURN):
            if sock is None or sock.fileno() < 0:
                return
            try:
                data, ancillary, _, address = sock.recvmsg(MAX_DATAGRAM_BYTES, 64)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                self.counters.send_errors += 1  # an ICMP answer to something we sent
                continue
            self.receive(data, address, ancillary[0][2][4:8] if ancillary else ANY_LOCAL)

    def receive(self, data: bytes, address: Address, local: bytes = ANY_LOCAL) -> None:
        """Route one datagram that came to our address `local`. Anything at all may be in it."""
        counters = self.counters
        counters.received += 1
        if not data:
            counters.empty += 1
            return
        first = data[0]
        if first < 4:
            self._receive_stun(data, address, local)
            return
        link = self._by_address.get(address)
        if link is None:
            counters.unknown_address += 1
        elif 128 <= first < 192:
            link.on_media(data)
        elif 20 <= first < 64:
            link.on_dtls(data)
        else:
            counters.unknown_kind += 1

    def _receive_stun(self, data: bytes, address: Address, local: bytes) -> None:
        size = len(data)
        if size < 20 or size & 3 or data[4:8] != b"\x21\x12\xa4\x42" or int.from_bytes(data[2:4], "big") != size - 20:
            self.counters.stun_malformed += 1
            return
        message_type = int.from_bytes(data[:2], "big")
        if message_type == 0x0001:
            self._receive_request(data, address, local)
        elif message_type in (0x0101, 0x0111):
            link = self._by_transaction.get(data[8:20])
            if link is None or not link.on_stun_response(data, address):
                self.counters.stun_stray_response += 1
        elif message_type != 0x0011:  # a binding indication keeps a NAT open and wants no answer
            self.counters.unknown_kind += 1

    def _receive_request(self, data: bytes, address: Address, local: bytes) -> None:
        fragment, is_nominating = _request_facts(data)
        link = self._by_fragment.get(fragment)
        if link is None:
            self.counters.stun_unknown_user += 1
            return
        bound = self._addresses[fragment]
        is_new = self._by_address.get(address) is not link
        if is_new and len(bound) >= ADDRESSES_PER_LINK:
            self.counters.stun_refused += 1
            return
        before = self._locals.get(address)
        self._asked_at = local
        if before is None or is_nominating:
            self._locals[address] = local  # aioice may nominate while it answers, and asks for the path at once
        is_genuine = link.on_stun_request(data, address)
        self._asked_at = ANY_LOCAL
        if not is_genuine or fragment not in self._addresses:
            self.counters.stun_refused += 1
            self._restore_local(address, before)
        elif is_new:
            self._by_address[address] = link
            bound.append(address)
        elif before is not None and self._locals[address] != before:
            link.on_path(address)

    def _restore_local(self, address: Address, before: bytes | None) -> None:
        if before is None:
            self._locals.pop(address, None)
        else:
            self._locals[address] = before


def _knows_segments(sock: socket.socket) -> bool:
    """Tell whether the kernel cuts runs apart; one that does not know how would send them as one."""
    try:
        sock.getsockopt(socket.SOL_UDP, UDP_SEGMENT)
    except OSError:
        return False
    return True


def _request_facts(data: bytes) -> tuple[str, bool]:
    """Return the part of a STUN USERNAME before the colon, our own fragment, and whether USE-CANDIDATE is there."""
    fragment, is_nominating, position = "", False, 20
    while position + 4 <= len(data):
        kind = int.from_bytes(data[position : position + 2], "big")
        size = int.from_bytes(data[position + 2 : position + 4], "big")
        if kind == 0x0006 and not fragment:
            name = data[position + 4 : position + 4 + size]
            fragment = name.partition(b":")[0].decode("ascii", "replace")
        elif kind == 0x0025:
            is_nominating = True
        position += 4 + (size + 3 & ~3)
    return fragment, is_nominating
