"""H.264 out of RTP (RFC 6184): single NAL units, STAP-A, FU-A; packetization modes 0 and 1.

See `media.rtp.depacketize_video` for who calls it and what it promises. Refuses interleaved mode (STAP-B, MTAP,
FU-B), which no camera sends.
"""

from collections.abc import Iterable
from struct import Struct

from media.codec import h264
from media.codec.h264 import NalType
from media.codec.nal import split_length_prefixed
from media.packet import AccessUnit, CodecParams
from media.rtp.depacketize_video import MAX_UNIT_BYTES, VideoDepacketizer
from media.rtp.packet import Buffer

STAP_A = 24
FU_A = 28
FU_START = 0x80
FU_END = 0x40


class H264Depacketizer(VideoDepacketizer):
    """Makes access units of H.264 packets."""

    _FRAGMENT = Struct("!HHHHQBB")

    __slots__ = ()

    def _take(self, buf: Buffer, pos: int, end: int) -> None:
        if buf[pos] & 0x1F != FU_A:
            self._take_whole(buf, pos, end)
            return
        if end - pos < 3:
            if end - pos == 2 and buf[pos + 1] & FU_END and self._fragment_at >= 0:
                self._close_fragment()
            return
        fu = buf[pos + 1]
        if fu & FU_START:
            self._start_fragment(buf[pos] & 0xE0 | fu & 0x1F, buf[pos + 2])
        elif self._fragment_at < 0:  # its beginning is lost
            self._has_slice = self._is_damaged = True
        if self._is_damaged:
            return
        self._unit += buf[pos + 2 : end]
        if len(self._unit) > MAX_UNIT_BYTES:
            self._overflow()
        elif fu & FU_END:
            self._close_fragment()

    def _middle_headers(self, at: int) -> tuple[int, int]:
        header = self._unit[at]
        return header & 0xE0 | FU_A, header & 0x1F

    def _take_whole(self, buf: Buffer, pos: int, end: int) -> None:
        kind = buf[pos] & 0x1F
        if kind == STAP_A:
            self._take_aggregate(bytes(buf[pos + 1 : end]))
        elif kind < STAP_A:
            self._take_nal(bytes(buf[pos:end]))
        else:
            self.malformed += 1

    def _start_fragment(self, header: int, second_byte: int) -> None:
        self._open_fragment(bytes((header,)))
        kind = header & 0x1F
        if h264.is_slice(kind):
            if not self._has_slice:
                self._begin_slice(second_byte & 0x80 != 0)
            if h264.is_key(kind):
                self._is_key = True

    def _add(self, nal: bytes) -> None:
        kind = nal[0] & 0x1F
        if h264.is_slice(kind):
            if not self._has_slice:
                self._begin_slice(h264.begins_picture(nal))
            if h264.is_key(kind):
                self._is_key = True
            self._append(nal)
        elif kind in (NalType.SPS, NalType.PPS):
            self._add_set(nal)
        elif kind == NalType.SEI:
            self._append(nal)

    def _make_unit(self) -> AccessUnit:
        """Take an I picture with a recovery point for a key picture: some cameras send no IDR after the first."""
        if not self._is_key and self._unit[4] & 0x1F == NalType.SEI:
            nals = split_length_prefixed(bytes(self._unit))
            if any(nal[0] & 0x1F == NalType.SEI and h264.is_recovery_point(nal) for nal in nals):
                self._is_key = all(h264.is_i_slice(nal) for nal in nals if h264.is_slice(nal[0] & 0x1F))
        return super()._make_unit()

    def _is_slice_byte(self, first_byte: int) -> bool:
        return h264.is_slice(first_byte & 0x1F)

    def _is_bidirectional(self) -> bool:
        if not self._guesses_order:
            return False
        slices = [nal for nal in split_length_prefixed(bytes(self._unit)) if h264.is_slice(nal[0] & 0x1F)]
        return h264.is_b_slice(slices[0])

    def _set_key(self, nal: bytes) -> tuple[int, int]:
        return h264.set_key(nal)

    def _codec_params(self, sets: Iterable[bytes]) -> CodecParams:
        return h264.codec_params(sets)

    def _reordering(self) -> tuple[int | None, float]:
        sps = h264.parse_sps(self.params.parameter_sets[0])
        return sps.max_reorder_frames, sps.fps
