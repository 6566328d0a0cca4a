"""The payload descriptor in front of every piece of a VP8 frame (RFC 7741 §4.2).

Called by key-frame detection and the depacketizer, for each packet, on the event loop. Pure and total: a descriptor
that is cut short raises RemoteProtocolError, or gives -1 where the hot path asks.
"""

from dataclasses import dataclass

from media.base.errors import RemoteProtocolError
from media.rtp.packet import Buffer

EXTENDED = 0x80
NON_REFERENCE = 0x20
PARTITION_START = 0x10
PARTITION_MASK = 0x07
_HAS_PICTURE_ID, _HAS_TL0, _HAS_TEMPORAL, _HAS_KEY_INDEX = 0x80, 0x40, 0x20, 0x10
_LONG_PICTURE_ID = 0x80


@dataclass(frozen=True, slots=True, kw_only=True)
class Vp8Descriptor:
    """One descriptor; None where a field is absent. `size_bytes` is where the frame's bytes begin."""

    size_bytes: int
    is_reference: bool
    is_partition_start: bool
    partition: int
    picture_id: int | None = None
    is_picture_id_long: bool = False
    tl0_picture_index: int | None = None
    temporal_layer: int | None = None
    is_layer_sync: bool = False
    key_index: int | None = None

    @property
    def begins_frame(self) -> bool:
        """Tell whether the packet carries the first bytes of a frame."""
        return self.is_partition_start and self.partition == 0


def descriptor_end(buf: Buffer, start: int, end: int) -> int:
    """Return where the frame's bytes begin in the payload `buf[start:end]`; -1 when it is cut short."""
    if start >= end:
        return -1
    pos = start + 1
    if buf[start] & EXTENDED:
        if pos >= end:
            return -1
        fields = buf[pos]
        pos += 1
        if fields & _HAS_PICTURE_ID:
            if pos >= end:
                return -1
            pos += 2 if buf[pos] & _LONG_PICTURE_ID else 1
        pos += bool(fields & _HAS_TL0) + bool(fields & (_HAS_TEMPORAL | _HAS_KEY_INDEX))
    return pos if pos <= end else -1


def begins_frame(first_byte: int) -> bool:
    """Tell by the first byte of a payload whether it carries the first bytes of a frame."""
    return first_byte & (PARTITION_START | PARTITION_MASK) == PARTITION_START


def parse_descriptor(payload: bytes) -> Vp8Descriptor:
    """Parse the descriptor of a payload; RemoteProtocolError when it is cut short."""
    size = descriptor_end(payload, 0, len(payload))
    if size < 0:
        raise RemoteProtocolError("a VP8 descriptor is cut short", size=len(payload))
    first, pos = payload[0], 2
    fields = payload[1] if first & EXTENDED else 0
    picture_id = tl0 = None
    is_long = False
    if fields & _HAS_PICTURE_ID:
        is_long = bool(payload[pos] & _LONG_PICTURE_ID)
        picture_id = (payload[pos] & 0x7F) << 8 | payload[pos + 1] if is_long else payload[pos]
        pos += 1 + is_long
    if fields & _HAS_TL0:
        tl0 = payload[pos]
        pos += 1
    last = payload[pos] if fields & (_HAS_TEMPORAL | _HAS_KEY_INDEX) else 0
    return Vp8Descriptor(
        size_bytes=size,
        is_reference=not first & NON_REFERENCE,
        is_partition_start=bool(first & PARTITION_START),
        partition=first & PARTITION_MASK,
        picture_id=picture_id,
        is_picture_id_long=is_long,
        tl0_picture_index=tl0,
        temporal_layer=last >> 6 if fields & _HAS_TEMPORAL else None,
        is_layer_sync=bool(fields & _HAS_TEMPORAL and last & 0x20),
        key_index=last & 0x1F if fields & _HAS_KEY_INDEX else None,
    )


def build_descriptor(*, is_start: bool, picture_id: int | None = None, tl0: int | None = None, layer: int = 0) -> bytes:
    """Return a descriptor as browsers write it: 15 bits of picture id, and both layer fields or none. For tests."""
    first = PARTITION_START if is_start else 0
    if picture_id is None and tl0 is None:
        return bytes([first])
    fields, tail = 0, b""
    if picture_id is not None:
        fields |= _HAS_PICTURE_ID
        tail += (0x8000 | picture_id & 0x7FFF).to_bytes(2, "big")
    if tl0 is not None:
        fields |= _HAS_TL0 | _HAS_TEMPORAL
        tail += bytes([tl0 & 0xFF, layer << 6])
    return bytes([first | EXTENDED, fields]) + tail
