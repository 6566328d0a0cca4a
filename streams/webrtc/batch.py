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

_WORD = 8
_MSGHDR_WORDS = 8
"""`struct mmsghdr` on 64-bit Linux: name, namelen, iov, iovlen, control, controllen, flags, len; 8 bytes each padded."""

_SOCKADDR_IN_BYTES = 16
_AGAIN = frozenset({errno.EAGAIN, errno.ENOBUFS, errno.EINTR})

# PyDLL keeps the interpreter lock: giving it up for 60 µs can cost 5 ms when another thread is busy.
_sendmmsg = ctypes.PyDLL(None, use_errno=True).sendmmsg
_sendmmsg.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int]
_sendmmsg.restype = ctypes.c_int


class PeerAddress:
    """An IPv4 address and port as a `sockaddr_in` that stays where it is; `pointer` is what a batch wants."""

    __slots__ = ("_memory", "host", "pointer", "port")

    def __init__(self, host: str, port: int) -> None:
        """Build the address; ValueError when `host` is not a dotted IPv4 address."""
        try:
            packed = socket.inet_pton(socket.AF_INET, host)
        except OSError as exc:
            raise ValueError("not an IPv4 address") from exc
        raw = struct.pack("=H", socket.AF_INET) + struct.pack("!H", port) + packed + bytes(8)
        self._memory = ctypes.create_string_buffer(raw, _SOCKADDR_IN_BYTES)
        self.pointer = ctypes.addressof(self._memory)
        self.host = host
        self.port = port

    @property
    def pair(self) -> tuple[str, int]:
        """Return host and port."""
        return self.host, self.port


class Batch:
    """Preallocated packets and the vector of them. The pump writes `slots`, `names` and `lengths` itself."""

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
            iovecs[index * 2] = slot.address
        self.names = headers[::_MSGHDR_WORDS]
        """Index i takes the `PeerAddress.pointer` of packet i."""
        self.lengths = iovecs[1::2]
        """Index i takes the length in bytes of packet i."""
        self.used = 0
        """How many slots the writer has filled."""
        self._sent = 0
        self._retired: list[PeerAddress] = []
        self.blocked = 0
        self.failed = 0

    @property
    def room(self) -> int:
        """Return how many slots are free; 0 also while the kernel still owes us some of the last packets."""
        return 0 if self._sent else self.capacity - self.used

    def add(self, packet: bytes, address: PeerAddress) -> None:
        """Put one finished datagram into the next slot; the caller has checked `room`."""
        index = self.used
        self.slots[index].view[: len(packet)] = packet
        self.lengths[index] = len(packet)
        self.names[index] = address.pointer
        self.used = index + 1

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
