"""H.265 out of RTP (RFC 7798): single NAL units, aggregation packets, fragmentation units.

See `media.rtp.depacketize_video` for who calls it and what it promises. Refuses decoding order numbers
(sprop-max-don-diff > 0), which no camera sends.
"""

from collections.abc import Iterable
from struct import Struct

from media.codec import h265
from media.codec.h265 import NalType
from media.packet import CodecParams
from media.rtp.depacketize_video import MAX_UNIT_BYTES, VideoDepacketizer
from media.rtp.packet import Buffer

AGGREGATE = 48
FRAGMENT = 49
FU_START = 0x80
FU_END = 0x40


class H265Depacketizer(VideoDepacketizer):
    """Makes access units of H.265 packets."""

    _FRAGMENT = Struct("!HHHHQHB")

    __slots__ = ()

    def _take(self, buf: Buffer, pos: int, end: int) -> None:
        if buf[pos] >> 1 & 0x3F != FRAGMENT:
            self._take_whole(buf, pos, end)
            return
        if end - pos < 4:
            if end - pos == 3 and buf[pos + 2] & FU_END and self._fragment_at >= 0:
                self._close_fragment()
            return
        fu = buf[pos + 2]
        if fu & FU_START:
            self._start_fragment(buf[pos] & 0x81 | (fu & 0x3F) << 1, buf[pos + 1], buf[pos + 3])
        elif self._fragment_at < 0:  # its beginning is lost
            self._has_slice = self._is_damaged = True
        if self._is_damaged:
            return
        self._unit += buf[pos + 3 : end]
        if len(self._unit) > MAX_UNIT_BYTES:
            self._overflow()
        elif fu & FU_END:
            self._close_fragment()

    def _middle_headers(self, at: int) -> tuple[int, int]:
        first, second = self._unit[at], self._unit[at + 1]
        return (first & 0x81 | FRAGMENT << 1) << 8 | second, first >> 1 & 0x3F

    def _take_whole(self, buf: Buffer, pos: int, end: int) -> None:
        kind = buf[pos] >> 1 & 0x3F
        if kind == AGGREGATE:
            self._take_aggregate(bytes(buf[pos + 2 : end]))
        elif kind < AGGREGATE:
            self._take_nal(bytes(buf[pos:end]))
        else:
            self.malformed += 1  # 50 is PACI; Geovision's strays look like it

    def _start_fragment(self, first_byte: int, second_byte: int, third_byte: int) -> None:
        self._open_fragment(bytes((first_byte, second_byte)))
        kind = first_byte >> 1 & 0x3F
        if h265.is_slice(kind):
            if not self._has_slice:
                self._begin_slice(third_byte & 0x80 != 0)
            if h265.is_key(kind):
                self._is_key = True

    def _add(self, nal: bytes) -> None:
        if not h265.is_base_layer(nal):
            self.malformed += 1
            return
        kind = nal[0] >> 1 & 0x3F
        if h265.is_slice(kind):
            if not self._has_slice:
                self._begin_slice(h265.begins_picture(nal))
            if h265.is_key(kind):
                self._is_key = True
            self._append(nal)
        elif NalType.VPS <= kind <= NalType.PPS:
            self._add_set(nal)
        elif kind in (NalType.PREFIX_SEI, NalType.SUFFIX_SEI):
            self._append(nal)

    def _is_slice_byte(self, first_byte: int) -> bool:
        return h265.is_slice(first_byte >> 1 & 0x3F)

    def _set_key(self, nal: bytes) -> tuple[int, int]:
        return h265.set_key(nal)

    def _codec_params(self, sets: Iterable[bytes]) -> CodecParams:
        return h265.codec_params(sets)

    def _reordering(self) -> tuple[int | None, float]:
        nals = self.params.parameter_sets
        sps = h265.parse_sps(next(nal for nal in nals if h265.nal_type(nal[0]) == NalType.SPS))
        return sps.max_reorder_frames, sps.fps
