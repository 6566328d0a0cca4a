"""The wire format between two workers: length, type, body; JSON for control, fixed binary for packets.

Pure: bytes in, values out; used by `link`. Bodies are bounded, malformed bytes raise RemoteProtocolError and the
connection is given up: the peer is another worker of the same hub, so nothing but a broken or foreign one sends them.
"""

import json
import struct
from collections.abc import Iterator
from enum import IntEnum
from typing import Any, NamedTuple

from media.base.errors import RemoteProtocolError
from streams.fanout import Packet

HEAD = struct.Struct("!IB")
"""Bytes of the body, type."""

MAX_BODY_BYTES = 1 << 20
"""A room's full state with 300 seats is about 100 KB."""

_PACKET = struct.Struct("!HHqqBH")
"""Stream, layer, source sequence, source timestamp, flags, bytes of the header extension block; the payload is the rest."""

_CLOCK = struct.Struct("!HHqq")
"""Stream, layer, source timestamp, its age in nanoseconds."""

MARKER = 0x80
KEY = 0x01


class FrameType(IntEnum):
    """What a frame is. The one who connected is the puller; requests go from it, media comes to it."""

    HELLO = 1
    PROOF = 2
    PING = 3
    PONG = 4
    OPEN = 10
    CLOSE = 11
    WANT = 12
    KEY = 13
    SOURCE = 20
    REFUSED = 21
    PACKET = 22
    CLOCK = 23
    CHANNEL_OPEN = 30
    CHANNEL_MESSAGE = 31
    CHANNEL_CLOSE = 32


_KNOWN = frozenset(int(kind) for kind in FrameType)


class Frame(NamedTuple):
    """One frame."""

    type: int
    body: bytes


class RelayedPacket(NamedTuple):
    """A packet of a layer on its way to another worker."""

    stream: int
    layer: int
    seq: int
    is_key: bool
    packet: Packet


class ClockReading(NamedTuple):
    """Which source timestamp a layer had how long ago."""

    stream: int
    layer: int
    timestamp: int
    age_ns: int


class FrameReader:
    """Cuts a byte stream into frames."""

    def __init__(self) -> None:
        """Begin empty."""
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Take bytes and yield the frames they complete; RemoteProtocolError for a frame that is too long or unknown."""
        self._buffer += data
        position, size = 0, len(self._buffer)
        while size - position >= HEAD.size:
            length, kind = HEAD.unpack_from(self._buffer, position)
            if length > MAX_BODY_BYTES or kind not in _KNOWN:
                raise RemoteProtocolError("not a relay frame", size_bytes=length, type=kind)
            end = position + HEAD.size + length
            if end > size:
                break
            yield Frame(kind, bytes(self._buffer[position + HEAD.size : end]))
            position = end
        del self._buffer[:position]


def build(kind: FrameType, body: bytes) -> bytes:
    """Return a frame."""
    return HEAD.pack(len(body), kind) + body


def build_json(kind: FrameType, message: dict[str, Any]) -> bytes:
    """Return a frame with a JSON object."""
    return build(kind, json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode())


def parse_json(body: bytes) -> dict[str, Any]:
    """Return the JSON object of a body; RemoteProtocolError when it is none."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RemoteProtocolError("not a relay message") from error
    if not isinstance(found, dict):
        raise RemoteProtocolError("not a relay message")
    return found


def build_packet(stream: int, layer: int, seq: int, packet: Packet, *, is_key: bool) -> bytes:
    """Return the frame of one packet; about 1 µs."""
    payload, timestamp, marker, extension = packet
    flags = marker | KEY if is_key else marker
    size = _PACKET.size + len(extension) + len(payload)
    head = HEAD.pack(size, FrameType.PACKET) + _PACKET.pack(stream, layer, seq, timestamp, flags, len(extension))
    return b"".join((head, extension, payload))


def parse_packet(body: bytes) -> RelayedPacket:
    """Return the packet of a PACKET body; RemoteProtocolError when it is cut short."""
    if len(body) < _PACKET.size:
        raise RemoteProtocolError("a relayed packet is cut short", size_bytes=len(body))
    stream, layer, seq, timestamp, flags, size = _PACKET.unpack_from(body)
    start = _PACKET.size + size
    if start > len(body):
        raise RemoteProtocolError("a relayed packet is cut short", size_bytes=len(body))
    packet = Packet(body[start:], timestamp, flags & MARKER, body[_PACKET.size : start])
    return RelayedPacket(stream, layer, seq, bool(flags & KEY), packet)


def build_clock(reading: ClockReading) -> bytes:
    """Return the frame of a clock reading."""
    return build(FrameType.CLOCK, _CLOCK.pack(*reading))


def parse_clock(body: bytes) -> ClockReading:
    """Return the reading of a CLOCK body; RemoteProtocolError when it is of another size."""
    if len(body) != _CLOCK.size:
        raise RemoteProtocolError("not a clock reading", size_bytes=len(body))
    return ClockReading(*_CLOCK.unpack(body))
