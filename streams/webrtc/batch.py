"""Datagrams in C memory, handed to the kernel many at a time: `sendmmsg` through ctypes.

Owned by `UdpPort`, filled by the pump on the event loop. A batch holds up to `capacity` packets in slots; a message is
one of them, or a run of them to the same viewer which the kernel takes as one and cuts apart (`UDP_SEGMENT`): the way
through its network stack is then walked once for all. `send` gives the messages to the kernel; what it refuses for now
(a full socket buffer) stays, in order, until the next `send`. Never waits, never spins, never drops on its own; a run
it refuses for good goes packet by packet, a packet it refuses for good is counted and skipped.
"""

import ctypes
import errno
import socket
import struct
from array import array

from media.srtp import PacketBuffer

IP_PKTINFO = 8
"""Linux's number; the socket module of Python 3.11 does not name it."""

UDP_SEGMENT = 103
"""Linux 4.18 and later."""

_WORD = 8
_MSGHDR_WORDS = 8
"""`struct mmsghdr` on 64-bit Linux: name, namelen, iov, iovlen, control, controllen, flags, len; 8 bytes each padded."""

_SOCKADDR_IN_BYTES = 16
CONTROL_OFFSET = _SOCKADDR_IN_BYTES
CONTROL_BYTES = 32
_PKTINFO_LEN = 28
_SEGMENT_LEN = 18
_RUN_CONTROL_BYTES = CONTROL_BYTES + 24
_SEGMENT_AT = CONTROL_BYTES + 16
"""Behind the first control message of a run lies a second: the size in bytes of its packets but a smaller last one."""
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

    __slots__ = ("_memory", "host", "local", "pointer", "port", "run_control", "takes_runs")

    def __init__(self, host: str, port: int, local: bytes = ANY_LOCAL) -> None:
        """Build the address; ValueError when `host` is not a dotted IPv4 address."""
        try:
            packed = socket.inet_pton(socket.AF_INET, host)
        except OSError as exc:
            raise ValueError("not an IPv4 address") from exc
        name = struct.pack("=H", socket.AF_INET) + struct.pack("!H", port) + packed + bytes(8)
        control = struct.pack("=QII", _PKTINFO_LEN, socket.IPPROTO_IP, IP_PKTINFO) + packet_info(local) + bytes(4)
        self._memory = ctypes.create_string_buffer(name + control, _SOCKADDR_IN_BYTES + CONTROL_BYTES)
        self.pointer = ctypes.addressof(self._memory)
        self.run_control = control + struct.pack("=QII8x", _SEGMENT_LEN, socket.SOL_UDP, UDP_SEGMENT)
        """The control messages of a run, without the size of its packets."""
        self.host = host
        self.port = port
        self.local = local
        self.takes_runs = True
        """False once the kernel has refused one: a path of a small MTU, a card that cannot sum up."""

    @property
    def pair(self) -> tuple[str, int]:
        """Return host and port."""
        return self.host, self.port


class Batch:
    """Preallocated packets and the vector of messages. The pump writes packets, lengths and `filled` itself.

    Slots and messages are counted apart: `slots`, `lengths`, `vectors` and `segments` are of slots, the rest of messages.
    """

    def __init__(self, fd: int, capacity: int = 128, *, takes_runs: bool = False) -> None:
        """Hold `capacity` packets for the socket `fd`; `takes_runs` when its kernel knows `UDP_SEGMENT`."""
        self._fd = fd
        self.capacity = capacity
        self.takes_runs = takes_runs
        self.slots = [PacketBuffer() for _ in range(capacity)]
        self._headers = (ctypes.c_uint64 * (capacity * _MSGHDR_WORDS))()
        self._iovecs = (ctypes.c_uint64 * (capacity * 2))()
        run_controls = (ctypes.c_uint64 * (capacity * _RUN_CONTROL_BYTES // _WORD))()
        self._run_control_address = ctypes.addressof(run_controls)
        self._run_controls = memoryview(run_controls).cast("B")
        self.segments = self._run_controls.cast("H")[_SEGMENT_AT // 2 :: _RUN_CONTROL_BYTES // 2]
        """The size in bytes of the packets in the run that begins in a slot."""
        self._header_address = ctypes.addressof(self._headers)
        headers = memoryview(self._headers).cast("B").cast("Q")
        iovecs = memoryview(self._iovecs).cast("B").cast("Q")
        first = ctypes.addressof(self._iovecs)
        self.vectors = memoryview(array("Q", range(first, first + capacity * 2 * _WORD, 2 * _WORD)))
        """Where the vector entry of a slot lies."""
        self.names = headers[::_MSGHDR_WORDS]
        """The `PeerAddress.pointer` of a message."""
        self.firsts = headers[2::_MSGHDR_WORDS]
        """Where the vector entry of its first slot lies."""
        self.counts = headers[3::_MSGHDR_WORDS]
        """How many slots it has."""
        self.controls = headers[4::_MSGHDR_WORDS]
        self.control_lengths = headers[5::_MSGHDR_WORDS]
        self.lengths = iovecs[1::2]
        """The length in bytes of the packet in a slot; 0 leaves it out."""
        self.filled = 0
        """How many slots the writer has filled."""
        self.used = 0
        """How many messages they make."""
        for index, slot in enumerate(self.slots):
            iovecs[index * 2] = slot.address
            self._set(index, 0, self.vectors[index], 1, 0, CONTROL_BYTES)
            headers[index * _MSGHDR_WORDS + 1] = _SOCKADDR_IN_BYTES
        self._laid = bytes(self._headers)
        self._sent, self._has_runs = 0, False
        self._run_addresses: list[PeerAddress | None] = [None] * capacity
        self._retired: list[PeerAddress] = []
        self.blocked = self.failed = self.refused_runs = 0

    def add_singles(self, pointers: list[int], first_slot: int) -> None:
        """Make every slot from `first_slot` on a message, to the `PeerAddress.pointer` given for it."""
        index, count = self.used, len(pointers)
        names, controls = self.names, self.controls
        if index != first_slot:  # behind a run a message lies before its slot
            self.firsts[index : index + count] = self.vectors[first_slot : first_slot + count]
        for name in pointers:
            names[index] = name
            controls[index] = name + CONTROL_OFFSET
            index += 1
        self.used = index

    def add_runs(self, targets: list[tuple[PeerAddress, int]], first_slot: int, count: int) -> None:
        """Make every `count` slots from `first_slot` on a message: to an address, of packets of so many bytes.

        Only the last packet of a run may be smaller; one of no bytes is left out.
        """
        slot = first_slot
        for address, segment_bytes in targets:
            if address.takes_runs:
                offset = slot * _RUN_CONTROL_BYTES
                self._run_controls[offset : offset + _RUN_CONTROL_BYTES] = address.run_control
                self.segments[slot] = segment_bytes
                self._run_addresses[slot] = address
                control = self._run_control_address + offset
                self._add(address.pointer, self.vectors[slot], count, control, _RUN_CONTROL_BYTES)
            else:
                self.add_singles([address.pointer] * count, slot)
            slot += count

    def _add(self, name: int, first: int, count: int, control: int, control_bytes: int) -> None:
        self._set(self.used, name, first, count, control, control_bytes)
        self._has_runs = True
        self.used += 1

    def _set(self, index: int, name: int, first: int, count: int, control: int, control_bytes: int) -> None:
        self.names[index] = name
        self.firsts[index] = first
        self.counts[index] = count
        self.controls[index] = control
        self.control_lengths[index] = control_bytes

    def retire(self, address: PeerAddress) -> None:
        """Keep the memory of a dropped address until no waiting packet points to it."""
        if self.used:
            self._retired.append(address)

    def send(self) -> bool:
        """Hand everything to the kernel; False when it refuses for now and the rest waits for another `send`."""
        while self._sent < self.used:
            sent = self._sent
            done = _sendmmsg(self._fd, self._header_address + sent * _MSGHDR_WORDS * _WORD, self.used - sent, 0)
            if done > 0:
                self._sent += done
                continue
            number = ctypes.get_errno()
            if number in _AGAIN:
                self.blocked += 1
                return False
            if self.counts[sent] > 1:
                self._take_apart()
            else:
                self.failed += 1  # it cannot be sent at all (no route, too long): skip it alone
                self._sent += 1
        self.clear()
        return True

    def clear(self) -> None:
        """Forget everything that is not sent."""
        if self._has_runs:
            self._lay_singles()
        self._sent = self.used = self.filled = 0
        self._retired.clear()

    def _lay_singles(self) -> None:
        """Make every message the single packet of its own slot, so that singles cost nothing but their address."""
        ctypes.memmove(self._headers, self._laid, len(self._laid))
        self._has_runs = False

    def _take_apart(self) -> None:
        """Make the packets of the next message, a run the kernel refused, messages of their own."""
        self.refused_runs += 1
        first, *others = [
            (self.names[i], self.firsts[i], self.counts[i], self.controls[i], self.control_lengths[i])
            for i in range(self._sent, self.used)
        ]
        slot = (first[1] - self.vectors[0]) // (2 * _WORD)
        address = self._run_addresses[slot]
        if address is not None:
            address.takes_runs = False
        self._sent = self.used = 0
        self._lay_singles()
        self.add_singles([first[0]] * first[2], slot)
        for other in others:
            self._add(*other)
