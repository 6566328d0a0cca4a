"""Where a key frame begins, seen from one RTP payload: H.264 (RFC 6184), H.265 (RFC 7798), VP8 (RFC 7741).

Called by the WebRTC side for every packet a browser publishes, on its event loop: a few comparisons each. Pure and
total. Tells what *this* payload begins; that a frame has only one beginning is for the caller, who knows timestamps.
"""

from collections.abc import Callable, Mapping

from media.base.errors import RemoteProtocolError
from media.codec import vp8
from media.packet import Codec
from media.rtp.vp8_descriptor import begins_frame, descriptor_end

NO_KEY, KEY_PICTURE, KEY_SETS = 0, 1, 2
"""Nothing; the first bytes of a key picture; parameter sets, from which a decoder can be opened (VP8: the same)."""

Mark = Callable[[bytes], int]

_H264_STAP_A, _H264_FU_A = 24, 28
_H264_IDR, _H264_SPS, _H264_PPS = 5, 7, 8
_H265_AGGREGATE, _H265_FRAGMENT = 48, 49
_H265_IRAP = range(16, 24)
_H265_VPS, _H265_PPS = 32, 34
_START = 0x80
_MAX_SETS = 16


def h264_mark(payload: bytes) -> int:
    """Return what an H.264 payload begins."""
    if len(payload) < 2:
        return NO_KEY
    kind = payload[0] & 0x1F
    if kind == _H264_FU_A:
        second = payload[1]
        return _h264_kind(second & 0x1F) if second & _START else NO_KEY
    if kind != _H264_STAP_A:
        return _h264_kind(kind)
    found, pos, end = NO_KEY, 1, len(payload)
    while pos + 2 < end and found != KEY_SETS:
        found = max(found, _h264_kind(payload[pos + 2] & 0x1F))
        pos += 2 + (payload[pos] << 8 | payload[pos + 1])
    return found


def _h264_kind(kind: int) -> int:
    if kind == _H264_SPS:
        return KEY_SETS
    return KEY_PICTURE if kind == _H264_IDR else NO_KEY


def h265_mark(payload: bytes) -> int:
    """Return what an H.265 payload begins."""
    if len(payload) < 3:
        return NO_KEY
    kind = payload[0] >> 1 & 0x3F
    if kind == _H265_FRAGMENT:
        third = payload[2]
        return _h265_kind(third & 0x3F) if third & _START else NO_KEY
    if kind != _H265_AGGREGATE:
        return _h265_kind(kind)
    found, pos, end = NO_KEY, 2, len(payload)
    while pos + 2 < end and found != KEY_SETS:
        found = max(found, _h265_kind(payload[pos + 2] >> 1 & 0x3F))
        pos += 2 + (payload[pos] << 8 | payload[pos + 1])
    return found


def _h265_kind(kind: int) -> int:
    if kind == _H265_VPS:
        return KEY_SETS
    return KEY_PICTURE if kind in _H265_IRAP else NO_KEY


def vp8_mark(payload: bytes) -> int:
    """Return what a VP8 payload begins; a key frame carries everything a decoder needs."""
    if not payload or not begins_frame(payload[0]):
        return NO_KEY
    at = descriptor_end(payload, 0, len(payload))
    return KEY_SETS if 0 <= at < len(payload) and vp8.is_key(payload[at]) else NO_KEY


MARKS: Mapping[Codec, Mark] = {Codec.H264: h264_mark, Codec.H265: h265_mark, Codec.VP8: vp8_mark}


def parameter_sets(codec: Codec, payload: bytes) -> list[bytes]:
    """Return the whole parameter sets in an H.264 or H.265 payload, at most 16; fragments of sets are not put together."""
    if len(payload) < 3:
        return []
    if codec is Codec.H264:
        kind, head, aggregate = payload[0] & 0x1F, 1, _H264_STAP_A
    else:
        kind, head, aggregate = payload[0] >> 1 & 0x3F, 2, _H265_AGGREGATE
    nals = _aggregated(payload, head) if kind == aggregate else [payload]
    return [nal for nal in nals if nal and _is_set(codec, nal[0])][:_MAX_SETS]


def _is_set(codec: Codec, first_byte: int) -> bool:
    if codec is Codec.H264:
        return first_byte & 0x1F in (_H264_SPS, _H264_PPS)
    return _H265_VPS <= first_byte >> 1 & 0x3F <= _H265_PPS


def _aggregated(payload: bytes, head: int) -> list[bytes]:
    nals, pos = [], head
    while pos + 2 < len(payload):
        size = payload[pos] << 8 | payload[pos + 1]
        nals.append(payload[pos + 2 : pos + 2 + size])
        pos += 2 + size
    return nals


def vp8_size(payload: bytes) -> tuple[int, int] | None:
    """Return width and height in pixels of the key frame a VP8 payload begins; None when it begins none."""
    if vp8_mark(payload) == NO_KEY:
        return None
    at = descriptor_end(payload, 0, len(payload))
    try:
        header = vp8.parse_frame_header(payload[at : at + vp8.KEY_HEADER_BYTES])
    except RemoteProtocolError:
        return None
    return header.width, header.height
