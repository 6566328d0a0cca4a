"""Put separately encoded H.264 streams one above the other, by rewriting slice headers only.

A picture of the simulator is three slices: a strip with the camera's number, a strip with the time, and the scene.
Each was encoded alone; CABAC data begins at a byte border after the slice header (ITU-T H.264 §7.3.4), so a new
header and the old bytes make a slice of the tall picture. Called by `streams.simulator.clips`; pure. Understands only
what x264 writes with the settings of `media.ffmpeg.clips` and refuses anything else.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from media.base.errors import LocalProtocolError
from media.codec.h264 import NalType, nal_type, parse_sps
from media.codec.nal import BitReader, BitWriter, add_emulation_prevention, remove_emulation_prevention

MB_PX = 16
_P, _I = 0, 2
_DEBLOCK_WITHIN_SLICES = 2
_HIGH = 100


@dataclass(frozen=True, slots=True)
class Place:
    """Where a slice goes: its first macroblock row, and the picture it belongs to (`index` within its GOP)."""

    first_row: int
    index: int


@dataclass(frozen=True, slots=True)
class _Format:
    """What a slice header's layout depends on."""

    frame_num_bits: int
    pps_id: int
    first_qp: int
    width_mbs: int


@dataclass(frozen=True, slots=True)
class _Slice:
    """A parsed slice: what must survive, and the CABAC bytes."""

    kind: int
    cabac_init_idc: int
    qp: int
    is_unfiltered: bool
    offsets: tuple[int, int]
    data: bytes


class H264Splicer:
    """Makes slices of one tall picture. All streams given to it must have been encoded with the same settings."""

    def __init__(self, parameter_sets: Sequence[bytes], height: int) -> None:
        """`parameter_sets` (SPS, PPS) are those of the scene; `height` that of the whole picture, in pixels."""
        sps, pps = _pick(parameter_sets)
        self._format = _format(sps, pps)
        self._pps = pps
        self.parameter_sets = (_with_height(sps, height), pps)

    def slices(self, nals: Sequence[bytes]) -> list[bytes]:
        """Return the slice NAL units of a stream, after checking that its pictures can be joined with ours."""
        sps, pps = _pick(nals)
        if _format(sps, pps) != self._format or pps != self._pps:
            raise LocalProtocolError("the streams were encoded with different settings")
        return [nal for nal in nals if nal_type(nal[0]) in (NalType.SLICE, NalType.IDR)]

    def place(self, nal: bytes, place: Place) -> bytes:
        """Return slice `nal` as part of the tall picture; an intra slice fits key and other pictures alike."""
        found = _parse_slice(nal, self._format)
        is_key = place.index == 0
        if is_key and found.kind != _I:
            raise LocalProtocolError("a key picture takes intra slices only")
        writer = BitWriter()
        writer.ue(place.first_row * self._format.width_mbs)
        writer.ue(found.kind)
        writer.ue(self._format.pps_id)
        writer.bits(place.index % (1 << self._format.frame_num_bits), self._format.frame_num_bits)
        if is_key:
            writer.ue(0)  # idr_pic_id: two key pictures never follow each other
        if found.kind == _P:
            writer.bits(0b00, 2)  # no reference count override, no list modification
        writer.bits(0, 2 if is_key else 1)  # dec_ref_pic_marking: sliding window
        if found.kind == _P:
            writer.ue(found.cabac_init_idc)
        writer.se(found.qp - self._format.first_qp)
        if found.is_unfiltered:
            writer.ue(1)
        else:
            writer.ue(_DEBLOCK_WITHIN_SLICES)
            writer.se(found.offsets[0])
            writer.se(found.offsets[1])
        while writer.position_bits % 8:
            writer.bits(1, 1)  # cabac_alignment_one_bit
        header = 0x65 if is_key else 0x41  # nal_ref_idc 3 and 2, alike in all slices of a picture
        return bytes((header,)) + add_emulation_prevention(writer.to_bytes() + found.data)


def _pick(nals: Sequence[bytes]) -> tuple[bytes, bytes]:
    by_type = {nal_type(nal[0]): nal for nal in reversed(nals)}
    if NalType.SPS not in by_type or NalType.PPS not in by_type:
        raise LocalProtocolError("a stream without parameter sets")
    return by_type[NalType.SPS], by_type[NalType.PPS]


def _format(sps_nal: bytes, pps_nal: bytes) -> _Format:
    sps = parse_sps(sps_nal)
    reader = BitReader(remove_emulation_prevention(pps_nal[1:]))
    pps_id, _, is_cabac, has_bottom, groups = reader.ue(), reader.ue(), reader.flag(), reader.flag(), reader.ue()
    references = (reader.ue(), reader.ue())
    is_weighted = reader.bits(3)
    first_qp = 26 + reader.se()
    reader.se()
    reader.se()
    has_deblocking_control, _, has_redundant = reader.flag(), reader.flag(), reader.flag()
    understood = (is_cabac, has_bottom, groups, references, is_weighted, has_deblocking_control, has_redundant)
    if understood != (True, False, 0, (0, 0), 0, True, False) or sps.poc_type != 2 or not sps.is_frame_only:
        raise LocalProtocolError("a stream with settings this splicer does not know")
    return _Format(sps.log2_max_frame_num, pps_id, first_qp, sps.width_mbs)


def _parse_slice(nal: bytes, layout: _Format) -> _Slice:
    rbsp = remove_emulation_prevention(nal[1:])
    reader = BitReader(rbsp)
    reader.ue()
    kind = reader.ue() % 5
    reader.ue()
    reader.skip(layout.frame_num_bits)
    is_key = nal_type(nal[0]) == NalType.IDR
    if is_key:
        reader.ue()
    if kind == _P and reader.bits(2) != 0:
        raise LocalProtocolError("a slice that changes its references")
    reader.skip(2 if is_key else 1)
    cabac_init_idc = reader.ue() if kind == _P else 0
    qp = layout.first_qp + reader.se()
    filtering = reader.ue()
    offsets = (0, 0) if filtering == 1 else (reader.se(), reader.se())
    start = (reader.position_bits + 7) // 8
    return _Slice(kind, cabac_init_idc, qp, filtering == 1, offsets, rbsp[start:])


def _with_height(sps_nal: bytes, height: int) -> bytes:
    """Return the SPS with another picture height, cropped to the pixel."""
    rbsp = remove_emulation_prevention(sps_nal[1:])
    reader, writer = BitReader(rbsp), BitWriter()
    writer.bits(profile := reader.bits(8), 8)
    writer.bits(reader.bits(16), 16)
    writer.ue(reader.ue())
    if profile >= _HIGH:
        for _ in range(3):
            writer.ue(reader.ue())
        writer.bits(reader.bits(2), 2)
    for _ in range(3):  # log2_max_frame_num, poc type 2, reference frames
        writer.ue(reader.ue())
    writer.bits(reader.bits(1), 1)
    writer.ue(reader.ue())
    reader.ue()
    rows = -(-height // MB_PX)
    writer.ue(rows - 1)
    writer.bits(reader.bits(2), 2)  # frame_mbs_only (1, checked by `_format`), direct_8x8_inference
    crop = [reader.ue() for _ in range(4)] if reader.flag() else [0, 0, 0, 0]
    crop[3] = (rows * MB_PX - height) // 2
    writer.flag(any(crop))
    for edge in crop if any(crop) else ():
        writer.ue(edge)
    return sps_nal[:1] + add_emulation_prevention(copy_rest(reader, writer, rbsp))


def copy_rest(reader: BitReader, writer: BitWriter, rbsp: bytes) -> bytes:
    """Copy the bits up to the stop bit, then stop and align anew."""
    last = rbsp.rstrip(b"\0")
    stop = len(last) * 8 - 1 - ((last[-1] & -last[-1]).bit_length() - 1)
    while reader.position_bits < stop:
        writer.bits(reader.bits(1), 1)
    writer.rbsp_trailing()
    return writer.to_bytes()
