"""H.264 out of RTP (RFC 6184): single NAL units, STAP-A, FU-A; packetization modes 0 and 1.

See `media.rtp.depacketize_video` for who calls it and what it promises. Refuses interleaved mode (STAP-B, MTAP,
FU-B), which no camera sends.
"""

from media.base.errors import RemoteProtocolError
from media.codec import h264
from media.codec.h264 import NalType
from media.codec.nal import split_length_prefixed
from media.packet import CodecParams
from media.rtp.depacketize_video import DEFAULT_FPS, MAX_UNIT_BYTES, VideoDepacketizer
from media.rtp.packet import Buffer
from media.rtp.receive import StreamOptions
from media.timing import DecodeOrder

STAP_A = 24
FU_A = 28
FU_START = 0x80
FU_END = 0x40
_MAX_SETS = 64


class H264Depacketizer(VideoDepacketizer):
    """Makes access units of H.264 packets."""

    def __init__(self, track: int, params: CodecParams, options: StreamOptions) -> None:
        """Start with the sets of the SDP, if it has any."""
        super().__init__(track, params, options)
        self._sets: dict[tuple[int, int], bytes] = {}
        self._guesses_order = True
        for nal in params.parameter_sets:
            self._add_set(nal)
        self._renew_params()
        if not self.params.is_complete or not self._sets:
            self.params = h264.codec_params(())

    def _take(self, buf: Buffer, pos: int, end: int) -> None:
        kind = buf[pos] & 0x1F
        if kind == FU_A:
            self._take_fragment(buf, pos, end)
        elif kind == STAP_A:
            self._take_aggregate(bytes(buf[pos + 1 : end]))
        elif kind < STAP_A:
            self._take_nal(bytes(buf[pos:end]))
        else:
            self.malformed += 1

    def _take_fragment(self, buf: Buffer, pos: int, end: int) -> None:
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
        if fu & FU_END:
            self._close_fragment()
        elif len(self._unit) > MAX_UNIT_BYTES:
            self._overflow()

    def _start_fragment(self, header: int, second_byte: int) -> None:
        self._open_fragment(bytes((header,)))
        kind = header & 0x1F
        if h264.is_slice(kind):
            if not self._has_slice:
                self._begin_slice(second_byte & 0x80 != 0)
            if kind == NalType.IDR:
                self._is_key = True

    def _take_aggregate(self, payload: bytes) -> None:
        pos, end = 0, len(payload)
        while pos + 2 < end:
            start = pos + 2
            pos = start + (payload[pos] << 8 | payload[pos + 1])
            if pos > end:
                self.malformed += 1
                return
            if pos > start:
                self._take_nal(payload[start:pos])

    def _add(self, nal: bytes) -> None:
        kind = nal[0] & 0x1F
        if NalType.SLICE <= kind <= NalType.IDR:
            if not self._has_slice:
                self._begin_slice(h264.begins_picture(nal))
            if kind == NalType.IDR:
                self._is_key = True
            self._append(nal)
        elif kind in (NalType.SPS, NalType.PPS):
            if nal not in self._known_sets:
                self._add_set(nal)
        elif kind == NalType.SEI:
            self._append(nal)

    def _is_slice_byte(self, first_byte: int) -> bool:
        return h264.is_slice(first_byte & 0x1F)

    def _is_bidirectional(self) -> bool:
        if not self._guesses_order:
            return False
        slices = [nal for nal in split_length_prefixed(bytes(self._unit)) if h264.is_slice(nal[0] & 0x1F)]
        return h264.is_b_slice(slices[0])

    def _add_set(self, nal: bytes) -> None:
        """Remember a set that is new or changed; the newest SPS goes first, it is the one in use."""
        is_sps = nal[0] & 0x1F == NalType.SPS
        try:
            key = (NalType.SPS, h264.parse_sps(nal).sps_id) if is_sps else (NalType.PPS, h264.parse_pps(nal).pps_id)
        except RemoteProtocolError:
            self.malformed += 1
            return
        if len(self._sets) >= _MAX_SETS and key not in self._sets:
            self.malformed += 1
            return
        if is_sps:
            self._sets = {key: nal} | {other: kept for other, kept in self._sets.items() if other != key}
        else:
            self._sets[key] = nal
        self._known_sets = frozenset(self._sets.values())
        self._sets_changed = True

    def _renew_params(self) -> None:
        self._sets_changed = False
        renewed = h264.codec_params(self._sets.values())
        if renewed.parameter_sets and renewed != self.params:
            self.params = renewed
        if self.params.parameter_sets:
            self._set_order(h264.parse_sps(self.params.parameter_sets[0]))

    def _set_order(self, sps: h264.Sps) -> None:
        """Take from the SPS in use how many pictures are reordered; find out by looking when it does not say."""
        depth = sps.max_reorder_frames
        self._guesses_order = depth is None
        if self._last_pts < 0:
            self._order = DecodeOrder(depth or 0, round(h264.CLOCK_RATE_HZ / (sps.fps or DEFAULT_FPS)))
        else:
            self._order.deepen(depth or 0)
