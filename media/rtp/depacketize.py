"""Access units out of RTP packets: the door to the payload formats.

Called by ingest: one depacketizer per track of a run, one `push` per packet, on its event loop. Pure; takes the packet
where it lies in the receive buffer, and time as arguments. Never raises for what a camera sends: it counts.
"""

from typing import Protocol

from media.codec.aac import AuHeaderLayout
from media.packet import Codec, CodecParams
from media.rtp.depacketize_audio import AacDepacketizer, AudioDepacketizer
from media.rtp.depacketize_h264 import H264Depacketizer
from media.rtp.depacketize_h265 import H265Depacketizer
from media.rtp.depacketize_vp8 import Vp8Depacketizer
from media.rtp.packet import Buffer
from media.rtp.receive import ReceptionStats, StreamOptions, Units
from media.timing import RtpTimeline

__all__ = [
    "AacDepacketizer",
    "AudioDepacketizer",
    "Depacketizer",
    "G711Depacketizer",
    "H264Depacketizer",
    "H265Depacketizer",
    "OpusDepacketizer",
    "ReceptionStats",
    "StreamOptions",
    "Units",
    "Vp8Depacketizer",
    "make_depacketizer",
]

G711Depacketizer = AudioDepacketizer
OpusDepacketizer = AudioDepacketizer


class Depacketizer(Protocol):
    """Makes access units of the RTP packets of one track."""

    params: CodecParams
    timeline: RtpTimeline
    pts_offset: int

    def push(self, buf: Buffer, start: int, end: int, now_mono_ns: int, now_wall_us: int) -> Units:
        """Take the RTP packet in `buf[start:end]`; return None, the unit it completes, or a list of units.

        `start <= end <= len(buf)` is the caller's to ensure. A memoryview as `buf` saves a copy; nothing of it is kept.
        """
        ...

    def follow(self, buf: Buffer, pos: int, end: int, lead: int) -> int:
        """Take those of the framed packets in `buf[pos:end]` that plainly continue the last one; see `RtpReceiver`."""
        ...

    @property
    def stats(self) -> ReceptionStats:
        """Return the counters as they stand."""
        ...


_NO_OPTIONS = StreamOptions()
_AAC_HBR = AuHeaderLayout()


def make_depacketizer(
    track: int,
    params: CodecParams,
    options: StreamOptions = _NO_OPTIONS,
    *,
    au_headers: AuHeaderLayout = _AAC_HBR,
) -> Depacketizer:
    """Return the depacketizer for `params.codec`. `au_headers` is for AAC only (`media.codec.aac.au_header_layout`)."""
    match params.codec:
        case Codec.H264:
            return H264Depacketizer(track, params, options)
        case Codec.H265:
            return H265Depacketizer(track, params, options)
        case Codec.VP8:
            return Vp8Depacketizer(track, params, options)
        case Codec.AAC:
            return AacDepacketizer(track, params, options, au_headers)
        case Codec.PCMU | Codec.PCMA | Codec.OPUS:
            return AudioDepacketizer(track, params, options)
