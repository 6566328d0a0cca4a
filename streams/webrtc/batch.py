"""Datagrams in C memory, handed to the kernel many at a time: `sendmmsg` through ctypes.

Owned by `UdpPort`, filled by the pump on the event loop. A batch holds up to `capacity` packets; `send` gives them
to the kernel and tells how many it refused for now (a full socket buffer): those stay, in order, until the next
`send`. Never waits, never spins, never drops on its own; a packet the kernel refuses for good is counted and skipped.
"""

import ctypes
import errno
import socket
import struct

from media.srtp import PacketBuffer

IP_PKTINFO = 8
"""Linux's number; the socket module of Python 3.11 does not name it."""

_WORD = 8
_MSGHDR_WORDS = 8
"""`struct mmsghdr` on 64-bit Linux: name, namelen, iov, iovlen, control, controllen, flags, len; 8 bytes each padded."""

_SOCKADDR_IN_BYTES = 16
CONTROL_OFFSET = _SOCKADDR_IN_BYTES
_CONTROL_BYTES = 32
_PKTINFO_LEN = 28
ANY_LOCAL = bytes(4)
"""A local address of zeros lets the kernel's routing choose."""

_AGAIN = frozenset({errno.EAGAIN, errno.ENOBUFS, errno.EINTR})

# PyDLL keeps the interpreter lock: giving it up for 60 µs can cost 5 ms when another thread is busy.
_sendmmsg = ctypes.PyDLL(None, use_errno=True).sendmmsg
_sendmmsg.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int]
_sendmmsg.restype = ctypes.c_int


def packet_info(local: bytes) -> bytes:
    """Return a `struct in_pktinfo` that makes a packet leave from the local IPv4 address `local` (4 bytes)."""
    return bytes(4) + local + bytes(4)


class PeerAddress:
    """Where packets go and from which of our addresses they leave, in C memory that stays where it is.

    `pointer` is a `sockaddr_in`; right behind it lies the control message. A browser drops what comes from another
    address than the one it checked, and a socket bound to every interface would leave that to the routing table.
    """

    __slots__ = ("_memory", "host", "local", "pointer", "port")

    def __init__(self, host: str, port: int, local: bytes = ANY_LOCAL) -> None:
        """Build the address; ValueError when `host` is not a dotted IPv4 address."""
        try:
            packed = socket.inet_pton(socket.AF_INET, host)
        except OSError as exc:
            raise ValueError("not an IPv4 address") from exc
        name = struct.pack("=H", socket.AF_INET) + struct.pack("!H", port) + packed + bytes(8)
        control = struct.pack("=QII", _PKTINFO_LEN, socket.IPPROTO_IP, IP_PKTINFO) + packet_info(local) + bytes(4)
        self._memory = ctypes.create_string_buffer(name + control, _SOCKADDR_IN_BYTES + _CONTROL_BYTES)
        self.pointer = ctypes.addressof(self._memory)
        self.host = host
        self.port = port
        self.local = local

    @property
    def pair(self) -> tuple[str, int]:
        """Return host and port."""
        return self.host, self.port


class Batch:
    """Preallocated packets and the vector of them. The pump writes its arrays itself."""

    def __init__(self, fd: int, capacity: int = 64) -> None:
        """Hold `capacity` packets for the socket `fd`."""
        self._fd = fd
        self.capacity = capacity
        self.slots = [PacketBuffer() for _ in range(capacity)]
        self._headers = (ctypes.c_uint64 * (capacity * _MSGHDR_WORDS))()
        self._iovecs = (ctypes.c_uint64 * (capacity * 2))()
        self._header_address = ctypes.addressof(self._headers)
        headers = memoryview(self._headers).cast("B").cast("Q")
        iovecs = memoryview(self._iovecs).cast("B").cast("Q")
        for index, slot in enumerate(self.slots):
            headers[index * _MSGHDR_WORDS + 1] = _SOCKADDR_IN_BYTES
            headers[index * _MSGHDR_WORDS + 2] = ctypes.addressof(self._iovecs) + index * 2 * _WORD
            headers[index * _MSGHDR_WORDS + 3] = 1
            headers[index * _MSGHDR_WORDS + 5] = _CONTROL_BYTES
            iovecs[index * 2] = slot.address
        self.names = headers[::_MSGHDR_WORDS]
        """Index i takes the `PeerAddress.pointer` of packet i."""
        self.controls = headers[4::_MSGHDR_WORDS]
        """Index i takes that pointer plus `CONTROL_OFFSET`."""
        self.lengths = iovecs[1::2]
        """Index i takes the length in bytes of packet i."""
        self.used = 0
        """How many slots the writer has filled."""
        self._sent = 0
        self._retired: list[PeerAddress] = []
        self.blocked = 0
        self.failed = 0

    def retire(self, address: PeerAddress) -> None:
        """Keep the memory of a dropped address until no waiting packet points to it."""
        if self.used:
            self._retired.append(address)

    def send(self) -> bool:
        """Hand everything to the kernel; False when it refuses for now and the rest waits for another `send`."""
        sent, used = self._sent, self.used
        while sent < used:
            done = _sendmmsg(self._fd, self._header_address + sent * _MSGHDR_WORDS * _WORD, used - sent, 0)
            if done > 0:
                sent += done
                continue
            number = ctypes.get_errno()
            if number in _AGAIN:
                self._sent = sent
                self.blocked += 1
                return False
            self.failed += 1  # the first one cannot be sent at all (no route, too long): skip it alone
            sent += 1
        self._sent = self.used = 0
        self._retired.clear()
        return True
