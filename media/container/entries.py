"""Sample entries: what a codec configuration looks like inside `stsd`.

Called when a segment is opened and when a virtual MP4 is built. Pure. One entry is made from one `CodecParams` and
nothing else, so equal parameters give equal bytes. Refuses G.711, which MP4 players do not expect (it is recorded as
AAC). VP8 of meetings is stored, though browsers play it in WebM only: other players do, and nothing is encoded anew.
"""

import struct

from media.base.errors import ErrorKind, HubError
from media.codec import h264, h265, opus
from media.container.boxes import box, full_box
from media.packet import Codec, CodecParams, Kind

AAC_FRAME_SAMPLES = 1024


def sample_entry(params: CodecParams) -> bytes:
    """Return the `avc1`, `hvc1`, `vp08`, `mp4a` or `Opus` entry; HubError INVALID `codec_unsupported` for other codecs.

    Parameter sets live in the entry only (`avc1`/`hvc1`, not `avc3`/`hev1`): Safari and hardware decoders ask for it.
    """
    match params.codec:
        case Codec.H264:
            return _visual(b"avc1", params, box(b"avcC", h264.avcc(params)))
        case Codec.H265:
            return _visual(b"hvc1", params, box(b"hvcC", h265.hvcc(params)))
        case Codec.VP8:
            return _visual(b"vp08", params, _vpcc())
        case Codec.AAC:
            return _audio(b"mp4a", params, params.sample_rate_hz, _esds(params.config))
        case Codec.OPUS:
            return _audio(b"Opus", params, 48_000, box(b"dOps", opus.dops(params.channels or 2)))
        case _:
            raise HubError(ErrorKind.INVALID, "codec cannot be stored", code="codec_unsupported", codec=params.codec)


def is_storable(params: CodecParams) -> bool:
    """Tell whether `sample_entry` would accept `params`."""
    if params.codec is Codec.VP8:
        return params.width > 0  # known from the first key frame on
    return params.is_complete and params.codec in (Codec.H264, Codec.H265, Codec.AAC, Codec.OPUS)


def _visual(kind: bytes, params: CodecParams, config: bytes) -> bytes:
    """ISO 14496-12 §12.1.3: 72 dpi, one frame per sample, depth 24."""
    fields = struct.pack(">6xH16xHHIIIH32xHh", 1, params.width, params.height, 72 << 16, 72 << 16, 0, 1, 24, -1)
    return box(kind, fields, config)


def _vpcc() -> bytes:
    """VP Codec ISO Media File Format Binding §2.2: profile 0, level 1, 8 bit 4:2:0, colours unspecified."""
    return full_box(b"vpcC", 1, 0, struct.pack(">BBBBBBH", 0, 10, 8 << 4 | 1 << 1, 2, 2, 2, 0))


def _audio(kind: bytes, params: CodecParams, rate_hz: int, config: bytes) -> bytes:
    """ISO 14496-12 §12.2.3; a rate above 65535 Hz does not fit 16.16 and is written as 0."""
    fields = struct.pack(">6xH8xHHHHI", 1, params.channels or 1, 16, 0, 0, (rate_hz << 16) if rate_hz < 65_536 else 0)
    return box(kind, fields, config)


def _descriptor(tag: int, body: bytes) -> bytes:
    """Return an MPEG-4 descriptor with its length in the four-byte form (ISO 14496-1 §8.3.3)."""
    n = len(body)
    return bytes((tag, n >> 21 & 0x7F | 0x80, n >> 14 & 0x7F | 0x80, n >> 7 & 0x7F | 0x80, n & 0x7F)) + body


def _esds(config: bytes) -> bytes:
    """ISO 14496-14 §5.6: object type 0x40 (MPEG-4 audio), stream type 5 (audio), bit rates unknown."""
    decoder = _descriptor(4, struct.pack(">BBBHII", 0x40, 5 << 2 | 1, 0, 0, 0, 0) + _descriptor(5, config))
    return full_box(b"esds", 0, 0, _descriptor(3, struct.pack(">HB", 0, 0) + decoder + _descriptor(6, b"\x02")))


def dimensions(params: CodecParams) -> tuple[int, int]:
    """Return width and height in pixels; zeros for audio."""
    return (params.width, params.height) if params.codec.kind is Kind.VIDEO else (0, 0)
