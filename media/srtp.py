"""SRTP on preallocated memory: the one door to pylibsrtp's binding.

Called by `streams.webrtc` on its event loop; libsrtp sessions are not thread-safe and stay on that loop. The fan-out
takes the raw pieces (`protect_rtp`, handles, `PacketBuffer`) because a method call per packet and viewer would cost
as much as the header rewrite; everybody else uses `SrtpSession`. Refuses to negotiate keys: that is DTLS's work.
"""

from collections.abc import Callable
from typing import Any, NewType

import pylibsrtp
from pylibsrtp._binding import ffi, lib

from media.base.errors import RemoteProtocolError

Handle = NewType("Handle", object)
"""A libsrtp session, as libsrtp's functions take it."""

Memory = NewType("Memory", object)
"""The C memory of a `PacketBuffer`."""

Length = NewType("Length", object)
"""A C int holding the length of a packet, before and after the call. Read and written as `length[0]`."""

TRAILER_BYTES = 148
"""Room libsrtp may need after a packet: 4 of SRTCP index, 16 of tag, 128 of key identifier."""

MAX_PACKET_BYTES = 1500
"""No larger plain packet is protected: it would not fit a path's MTU anyway."""

protect_rtp: Callable[[Handle, Memory, Length], int] = lib.srtp_protect
"""Protect the RTP packet in the memory in place; 0 when done, else libsrtp's error number."""


class PacketBuffer:
    """Memory for one packet and its SRTP trailer, seen from Python (`view`) and from C (`memory`, `address`)."""

    __slots__ = ("address", "memory", "view")

    def __init__(self, size_bytes: int = MAX_PACKET_BYTES + TRAILER_BYTES) -> None:
        """Allocate `size_bytes`, zeroed."""
        self.memory = Memory(ffi.new("char[]", size_bytes))
        self.view = memoryview(ffi.buffer(self.memory)).cast("B")
        self.address = int(ffi.cast("uintptr_t", self.memory))


def new_length() -> Any:
    """Return a fresh C int for `protect_rtp`; index 0 is the length in bytes."""
    return ffi.new("int *")


class SrtpSession:
    """One direction of one peer's keys."""

    __slots__ = ("_buffer", "_length", "_session", "handle", "plain")

    def __init__(self, session: pylibsrtp.Session) -> None:
        """Wrap a session that DTLS made; it lives as long as this object."""
        self._session = session
        self.handle = Handle(session._srtp[0])  # noqa: SLF001  # pinned by tests/unit/streams/webrtc/test_private_names.py
        self._buffer = PacketBuffer()
        self._length = new_length()
        self.plain = self._buffer.view
        """Where `open_rtp` leaves a packet, until the next call of anything here."""

    def protect(self, packet: bytes) -> bytes:
        """Return the protected RTP packet; RemoteProtocolError when libsrtp refuses it."""
        return self._run(lib.srtp_protect, packet)

    def protect_rtcp(self, packet: bytes) -> bytes:
        """Return the protected compound RTCP packet; RemoteProtocolError when libsrtp refuses it."""
        return self._run(lib.srtp_protect_rtcp, packet)

    def unprotect(self, packet: bytes) -> bytes:
        """Return the plain RTP packet; RemoteProtocolError for a forged, replayed or malformed one."""
        return self._run(lib.srtp_unprotect, packet)

    def open_rtp(self, packet: bytes) -> int:
        """Decrypt an RTP packet into `plain`; return its size there, -1 for a forged, replayed or malformed one.

        For receivers of many packets: nothing is raised, and nothing is copied that the caller does not take.
        """
        size_bytes = len(packet)
        if size_bytes > MAX_PACKET_BYTES:
            return -1
        self.plain[:size_bytes] = packet
        self._length[0] = size_bytes
        if lib.srtp_unprotect(self.handle, self._buffer.memory, self._length):
            return -1
        return int(self._length[0])

    def unprotect_rtcp(self, packet: bytes) -> bytes:
        """Return the plain RTCP packet; RemoteProtocolError for a forged, replayed or malformed one."""
        return self._run(lib.srtp_unprotect_rtcp, packet)

    def _run(self, call: Callable[[Handle, Memory, Length], int], packet: bytes) -> bytes:
        size_bytes = len(packet)
        if size_bytes > MAX_PACKET_BYTES:
            raise RemoteProtocolError("packet longer than an MTU", code="srtp_packet_too_long", size_bytes=size_bytes)
        self._buffer.view[:size_bytes] = packet
        self._length[0] = size_bytes
        if status := call(self.handle, self._buffer.memory, self._length):
            raise RemoteProtocolError("SRTP refused the packet", code="srtp_refused", status=status)
        return bytes(self._buffer.view[: self._length[0]])
