"""Put separately encoded H.265 streams one above the other, by rewriting slice headers only.

The same trick as `splice_h264`, for ITU-T H.265: CABAC data begins after byte_alignment() (§7.3.6.1), the place of a
slice is its first coding tree block. Called by `streams.simulator.clips`; pure. Understands only what x265 writes
with the settings of `media.ffmpeg.clips` and refuses anything else.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from media.base.errors import LocalProtocolError
from media.codec.nal import BitReader, BitWriter, add_emulation_prevention, remove_emulation_prevention
from streams.simulator.splice_h264 import Place, copy_rest

_TRAIL_R, _IDR_W_RADL, _IDR_N_LP, _VPS, _SPS, _PPS = 1, 19, 20, 32, 33, 34
_P, _I = 1, 2
_CTB_PX = 16


def _type(nal: bytes) -> int:
    return nal[0] >> 1 & 0x3F


@dataclass(frozen=True, slots=True)
class _Sps:
    """The fields of an SPS that a slice header's layout depends on, and where the height stands."""

    width: int
    poc_bits: int
    height_at_bit: int


@dataclass(frozen=True, slots=True)
class _Slice:
    """A parsed slice: what must survive, and the CABAC bytes."""

    kind: int
    merge_code: int
    qp_delta: int
    data: bytes


class H265Splicer:
    """Makes slices of one tall picture. All streams given to it must have been encoded with the same settings."""

    def __init__(self, parameter_sets: Sequence[bytes], height: int) -> None:
        """`parameter_sets` (VPS, SPS, PPS) are those of the scene; `height` that of the whole picture, in pixels."""
        vps, sps, pps = _pick(parameter_sets)
        self._sps, self._pps = _parse_sps(sps), pps
        _check_pps(pps)
        columns, rows = -(-self._sps.width // _CTB_PX), -(-height // _CTB_PX)
        self._columns, self._address_bits = columns, (columns * rows - 1).bit_length()
        self.parameter_sets = (vps, _with_height(sps, height), pps)

    def slices(self, nals: Sequence[bytes]) -> list[bytes]:
        """Return the slice NAL units of a stream, after checking that its pictures can be joined with ours."""
        _, sps, pps = _pick(nals)
        if pps != self._pps or _parse_sps(sps) != self._sps:
            raise LocalProtocolError("the streams were encoded with different settings")
        return [nal for nal in nals if _type(nal) < _VPS]

    def place(self, nal: bytes, place: Place) -> bytes:
        """Return slice `nal` as part of the tall picture; an intra slice fits key and other pictures alike."""
        found = _parse_slice(nal, self._sps)
        is_key = place.index == 0
        if is_key and found.kind != _I:
            raise LocalProtocolError("a key picture takes intra slices only")
        writer = BitWriter()
        writer.flag(place.first_row == 0)
        if is_key:
            writer.bits(0, 1)  # no_output_of_prior_pics_flag
        writer.ue(0)
        if place.first_row:
            writer.bits(place.first_row * self._columns, self._address_bits)
        writer.ue(found.kind)
        if not is_key:
            writer.bits(place.index % (1 << self._sps.poc_bits), self._sps.poc_bits)
            writer.bits(0, 1)  # the reference picture set stands here:
            for code in (1, 0, 0):  # one picture before, none after, one step away
                writer.ue(code)
            writer.bits(1, 1)
        if found.kind == _P:
            writer.bits(0, 1)
            writer.ue(found.merge_code)
        writer.se(found.qp_delta)
        writer.bits(0, 1)  # slice_loop_filter_across_slices_enabled_flag
        writer.rbsp_trailing()  # byte_alignment() looks the same
        kind = _IDR_W_RADL if is_key else _TRAIL_R
        return bytes((kind << 1, 1)) + add_emulation_prevention(writer.to_bytes() + found.data)


def _pick(nals: Sequence[bytes]) -> tuple[bytes, bytes, bytes]:
    by_type = {_type(nal): nal for nal in reversed(nals)}
    try:
        return by_type[_VPS], by_type[_SPS], by_type[_PPS]
    except KeyError:
        raise LocalProtocolError("a stream without parameter sets") from None


def _refuse() -> LocalProtocolError:
    return LocalProtocolError("a stream with settings this splicer does not know")


def _parse_sps(nal: bytes) -> _Sps:
    reader = BitReader(remove_emulation_prevention(nal[2:]))
    reader.skip(4)
    if reader.bits(3) != 0:  # one temporal layer
        raise _refuse()
    reader.skip(1 + 96)  # nesting flag, profile_tier_level without sub-layers
    reader.ue()
    if reader.ue() != 1:  # 4:2:0
        raise _refuse()
    width, height_at_bit = reader.ue(), reader.position_bits
    reader.ue()
    if reader.flag():
        for _ in range(4):
            reader.ue()
    reader.ue()
    reader.ue()
    poc_bits = reader.ue() + 4
    reader.skip(1)
    for _ in range(3):  # ordering info of the one layer
        reader.ue()
    min_cb_log2, ctb_diff = reader.ue() + 3, reader.ue()
    for _ in range(4):  # transform sizes and depths
        reader.ue()
    has_lists, _, has_sao, has_pcm = reader.flag(), reader.flag(), reader.flag(), reader.flag()
    sets, has_long_term, has_temporal_mvp = reader.ue(), reader.flag(), reader.flag()
    if (has_lists, has_sao, has_pcm, sets, has_long_term, has_temporal_mvp) != (False, False, False, 0, False, False):
        raise _refuse()
    if 1 << (min_cb_log2 + ctb_diff) != _CTB_PX:
        raise _refuse()
    return _Sps(width, poc_bits, height_at_bit)


def _check_pps(nal: bytes) -> None:
    """Refuse a PPS with which slice headers would look other than `place` writes them."""
    reader = BitReader(remove_emulation_prevention(nal[2:]))
    ids = (reader.ue(), reader.ue())
    dependent, has_output, extra, _, has_cabac_init = (
        reader.flag(), reader.flag(), reader.bits(3), reader.flag(), reader.flag()
    )  # fmt: skip
    references = (reader.ue(), reader.ue())
    reader.se()
    reader.skip(2)  # constrained intra, transform skip
    if reader.flag():
        reader.ue()
    reader.se()
    reader.se()
    slice_chroma, weights, _, tiles, wavefront = (
        reader.flag(), reader.bits(2), reader.flag(), reader.flag(), reader.flag()
    )  # fmt: skip
    across_slices, has_deblocking_control = reader.flag(), reader.flag()
    plain = (ids, dependent, has_output, extra, has_cabac_init, references, slice_chroma, weights, tiles, wavefront)
    if plain != ((0, 0), False, False, 0, False, (0, 0), False, 0, False, False):
        raise _refuse()
    if not across_slices or has_deblocking_control:
        raise _refuse()


def _parse_slice(nal: bytes, sps: _Sps) -> _Slice:
    rbsp = remove_emulation_prevention(nal[2:])
    reader = BitReader(rbsp)
    reader.skip(1)
    is_key = _type(nal) in (_IDR_W_RADL, _IDR_N_LP)
    if is_key:
        reader.skip(1)
    reader.ue()
    kind = reader.ue()
    if not is_key:
        reader.skip(sps.poc_bits)
        if reader.flag():
            raise _refuse()
        before, after = reader.ue(), reader.ue()
        for _ in range(min(before + after, 16)):
            reader.ue()
            reader.skip(1)
    merge_code = 0
    if kind == _P:
        if reader.flag():
            raise _refuse()
        merge_code = reader.ue()
    qp_delta = reader.se()
    reader.skip(1)
    start = reader.position_bits // 8 + 1  # at least the one stop bit
    return _Slice(kind, merge_code, qp_delta, rbsp[start:])


def _with_height(sps_nal: bytes, height: int) -> bytes:
    """Return the SPS with another picture height; heights are multiples of 8, so nothing is cropped."""
    rbsp = remove_emulation_prevention(sps_nal[2:])
    at = _parse_sps(sps_nal).height_at_bit
    reader, writer = BitReader(rbsp), BitWriter()
    while reader.position_bits < at:
        writer.bits(reader.bits(1), 1)
    reader.ue()
    writer.ue(height)
    if reader.flag() or height % 8:
        raise _refuse()
    writer.bits(0, 1)
    return sps_nal[:2] + add_emulation_prevention(copy_rest(reader, writer, rbsp))
