"""VP8: what the first bytes of a frame say (RFC 6386 §9.1), and the parameters of a track.

Called by the depacketizer, by key-frame detection and by the recorder of meetings. Pure and total: a broken header
raises RemoteProtocolError. Decodes nothing.
"""

from dataclasses import dataclass

from media.base.errors import RemoteProtocolError
from media.packet import Codec, CodecParams

CLOCK_RATE_HZ = 90_000
KEY_HEADER_BYTES = 10
"""Frame tag, start code and both sizes; only key frames have more than the tag."""

_TAG_BYTES = 3
_START_CODE = b"\x9d\x01\x2a"
_SIZE_MASK = 0x3FFF
"""Of 16 bits; the upper two ask the player to scale."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameHeader:
    """The uncompressed beginning of a frame. Sizes in pixels, 0 for anything but a key frame."""

    is_key: bool
    is_shown: bool
    version: int
    first_partition_bytes: int
    width: int = 0
    height: int = 0


def is_key(first_byte: int) -> bool:
    """Tell whether the frame that begins with this byte is a key frame."""
    return not first_byte & 1


def parse_frame_header(data: bytes) -> FrameHeader:
    """Parse the beginning of a frame; RemoteProtocolError when it is cut short or a key frame lacks its start code."""
    if len(data) < _TAG_BYTES:
        raise RemoteProtocolError("a VP8 frame is too short", size=len(data))
    tag = data[0] | data[1] << 8 | data[2] << 16
    width = height = 0
    if is_key(data[0]):
        if len(data) < KEY_HEADER_BYTES or data[3:6] != _START_CODE:
            raise RemoteProtocolError("a VP8 key frame without start code", size=len(data))
        width = int.from_bytes(data[6:8], "little") & _SIZE_MASK
        height = int.from_bytes(data[8:10], "little") & _SIZE_MASK
        if not width or not height:
            raise RemoteProtocolError("a VP8 key frame without size", width=width, height=height)
    return FrameHeader(
        is_key=is_key(data[0]),
        is_shown=bool(tag >> 4 & 1),
        version=tag >> 1 & 7,
        first_partition_bytes=tag >> 5,
        width=width,
        height=height,
    )


def vp8_params(width: int = 0, height: int = 0) -> CodecParams:
    """Return the parameters of a track; the sizes are those of its last key frame, 0 before."""
    return CodecParams(codec=Codec.VP8, clock_rate_hz=CLOCK_RATE_HZ, rfc6381="vp8", width=width, height=height)
