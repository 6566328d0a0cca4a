"""RTP packets (RFC 3550 §5.1) and their header extensions (RFC 8285).

`RtpPacket` is for tests, tools and slow paths; the hot paths use the header struct and `payload_bounds` on the
receive buffer itself. Pure and total: malformed bytes raise RemoteProtocolError or give None.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass

from media.base.errors import LocalProtocolError, RemoteProtocolError

Buffer = bytes | bytearray | memoryview

HEADER = struct.Struct("!BBHII")
"""Flags, marker and payload type, sequence number, timestamp, ssrc."""
HEADER_BYTES = HEADER.size
PLAIN_FLAGS = 0x80
"""First byte of a packet of version 2 without padding, extension and contributing sources."""
PADDING_FLAG = 0x20
EXTENSION_FLAG = 0x10
MARKER = 0x80
ONE_BYTE_PROFILE = 0xBEDE
TWO_BYTE_PROFILE = 0x1000

_VERSION_MASK = 0xC0


@dataclass(frozen=True, slots=True, kw_only=True)
class RtpPacket:
    """One RTP packet. `extension` is the raw body (whole 32-bit words) and is sent when `extension_profile` is given."""

    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes = b""
    has_marker: bool = False
    csrcs: tuple[int, ...] = ()
    extension_profile: int | None = None
    extension: bytes = b""
    padding_bytes: int = 0

    def to_bytes(self) -> bytes:
        """Return the packet as sent; LocalProtocolError when a field does not fit the format."""
        if len(self.csrcs) > 15 or len(self.extension) % 4 or not 0 <= self.padding_bytes <= 255:
            raise LocalProtocolError("a field does not fit an RTP packet", seq=self.sequence)
        flags = PLAIN_FLAGS | len(self.csrcs)
        tail = b""
        if self.padding_bytes:
            flags |= PADDING_FLAG
            tail = bytes(self.padding_bytes - 1) + bytes([self.padding_bytes])
        head = b"".join([ssrc.to_bytes(4, "big") for ssrc in self.csrcs])
        if self.extension_profile is not None:
            flags |= EXTENSION_FLAG
            head += struct.pack("!HH", self.extension_profile, len(self.extension) // 4) + self.extension
        second = self.payload_type | (MARKER if self.has_marker else 0)
        return HEADER.pack(flags, second, self.sequence, self.timestamp, self.ssrc) + head + self.payload + tail


def parse_packet(data: bytes) -> RtpPacket:
    """Parse one packet; RemoteProtocolError when malformed."""
    start, end = payload_bounds(data, 0, len(data))
    if start < 0:
        raise RemoteProtocolError("not an RTP packet", size=len(data))
    flags, second, sequence, timestamp, ssrc = HEADER.unpack_from(data)
    csrc_end = HEADER_BYTES + 4 * (flags & 0x0F)
    profile, extension = None, b""
    if flags & EXTENSION_FLAG:
        profile = int.from_bytes(data[csrc_end : csrc_end + 2], "big")
        extension = data[csrc_end + 4 : start]
    return RtpPacket(
        payload_type=second & 0x7F,
        sequence=sequence,
        timestamp=timestamp,
        ssrc=ssrc,
        payload=data[start:end],
        has_marker=bool(second & MARKER),
        csrcs=tuple(int.from_bytes(data[at : at + 4], "big") for at in range(HEADER_BYTES, csrc_end, 4)),
        extension_profile=profile,
        extension=extension,
        padding_bytes=len(data) - end,
    )


def payload_bounds(buf: Buffer, start: int, end: int) -> tuple[int, int]:
    """Return where the payload of the packet in `buf[start:end]` begins and ends; (-1, -1) when malformed."""
    if end - start < HEADER_BYTES:
        return -1, -1
    flags = buf[start]
    if flags & _VERSION_MASK != PLAIN_FLAGS:
        return -1, -1
    pos = start + HEADER_BYTES + 4 * (flags & 0x0F)
    if flags & EXTENSION_FLAG:
        if pos + 4 > end:
            return -1, -1
        pos += 4 + 4 * (buf[pos + 2] << 8 | buf[pos + 3])
    if flags & PADDING_FLAG and pos < end:
        padding = buf[end - 1]
        if padding == 0:
            return -1, -1
        end -= padding
    return (pos, end) if pos <= end else (-1, -1)


def is_rtcp(second_byte: int) -> bool:
    """Tell whether a packet is RTCP by its second byte, where RTP and RTCP share a port (RFC 5761 §4)."""
    return 192 <= second_byte <= 223


def parse_extension(profile: int | None, body: bytes) -> dict[int, bytes]:
    """Return the elements of an RFC 8285 header extension by id; a malformed rest is ignored."""
    if profile == ONE_BYTE_PROFILE:
        return _parse_one_byte(body)
    if profile is not None and profile & 0xFFF0 == TWO_BYTE_PROFILE:
        return _parse_two_byte(body)
    return {}


def _parse_one_byte(body: bytes) -> dict[int, bytes]:
    elements: dict[int, bytes] = {}
    pos, end = 0, len(body)
    while pos < end:
        key, size = body[pos] >> 4, (body[pos] & 0x0F) + 1
        pos += 1
        if key == 0:
            continue
        if key == 15 or pos + size > end:
            break
        elements[key] = body[pos : pos + size]
        pos += size
    return elements


def _parse_two_byte(body: bytes) -> dict[int, bytes]:
    elements: dict[int, bytes] = {}
    pos, end = 0, len(body)
    while pos + 1 < end:
        key = body[pos]
        if key == 0:
            pos += 1
            continue
        size = body[pos + 1]
        pos += 2
        if pos + size > end:
            break
        elements[key] = body[pos : pos + size]
        pos += size
    return elements


def build_extension(elements: Mapping[int, bytes]) -> tuple[int, bytes]:
    """Return profile and body for the elements; one-byte form when all fit it. LocalProtocolError when none does."""
    if any(not 1 <= key <= 255 or len(value) > 255 for key, value in elements.items()):
        raise LocalProtocolError("a header extension element does not fit")
    if all(key <= 14 and 1 <= len(value) <= 16 for key, value in elements.items()):
        profile = ONE_BYTE_PROFILE
        body = b"".join([bytes([key << 4 | len(value) - 1]) + value for key, value in elements.items()])
    else:
        profile = TWO_BYTE_PROFILE
        body = b"".join([bytes([key, len(value)]) + value for key, value in elements.items()])
    return profile, body + bytes(-len(body) % 4)
