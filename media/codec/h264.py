"""H.264 parameter sets and NAL unit types (ITU-T H.264 §7.3.2, ISO/IEC 14496-15 §5.3).

Called by SDP, the depacketizer, the container writer and the simulator. Pure and total: a broken set raises
RemoteProtocolError from the `parse_*` functions and is left out by `codec_params`, because cameras send wrong sets
in SDP and right ones in band. Decodes no picture; ignores SVC and MVC.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

from media.base.errors import LocalProtocolError, RemoteProtocolError
from media.codec.nal import BitReader, remove_emulation_prevention, split_annexb
from media.codec.vui import plausible_fps, skip_picture_facts
from media.packet import Codec, CodecParams

CLOCK_RATE_HZ = 90_000
MAX_PARAMETER_SET_BYTES = 4096
"""Real sets are 10 to 300 bytes; more is garbage and would only cost time."""
MAX_SIDE_PIXELS = 16_384

_PROFILES_WITH_CHROMA = frozenset({100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135})
_CHROMA_420 = 1
_SEI_RECOVERY_POINT = 6


class NalType(IntEnum):
    """The NAL unit types that matter to a carrier (H.264 table 7-1)."""

    SLICE = 1
    PARTITION_A = 2
    PARTITION_C = 4
    IDR = 5
    SEI = 6
    SPS = 7
    PPS = 8
    AUD = 9
    END_OF_SEQUENCE = 10
    END_OF_STREAM = 11
    FILLER = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Sps:
    """A sequence parameter set; sizes in pixels after cropping. `fps` is 0 when absent or absurd.

    `max_reorder_frames` is None when the set does not say it and pictures might be reordered.
    """

    sps_id: int
    profile_idc: int
    constraint_flags: int
    level_idc: int
    width: int
    height: int
    fps: float
    chroma_format_idc: int
    bit_depth_luma: int
    bit_depth_chroma: int
    log2_max_frame_num: int
    poc_type: int
    log2_max_poc_lsb: int
    max_ref_frames: int
    is_frame_only: bool
    width_mbs: int
    height_mbs: int
    max_reorder_frames: int | None


@dataclass(frozen=True, slots=True)
class Pps:
    """A picture parameter set, as far as a carrier needs it."""

    pps_id: int
    sps_id: int
    is_cabac: bool


@dataclass(frozen=True, slots=True)
class _Geometry:
    width_mbs: int
    height_mbs: int
    is_frame_only: bool
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class _Vui:
    fps: float = 0.0
    max_reorder_frames: int | None = None


def nal_type(first_byte: int) -> int:
    """Return the NAL unit type in the first byte of a NAL unit."""
    return first_byte & 0x1F


def is_key(kind: int) -> bool:
    """Tell whether a NAL unit of type `kind` is a slice of an instantly decodable (IDR) picture."""
    return kind == 5


def is_slice(kind: int) -> bool:
    """Tell whether a NAL unit of type `kind` carries picture data."""
    return 1 <= kind <= 5


def begins_picture(nal: bytes) -> bool:
    """Tell whether a slice NAL unit is the first of its picture: first_mb_in_slice is 0, one bit `1`."""
    return len(nal) > 1 and nal[1] & 0x80 != 0


def is_b_slice(nal: bytes) -> bool:
    """Tell whether a slice NAL unit is bidirectional; False when it cannot be read."""
    return _slice_type(nal) == 1


def is_i_slice(nal: bytes) -> bool:
    """Tell whether a slice NAL unit is intra coded (I, not SI); False when it cannot be read."""
    return _slice_type(nal) == 2


def _slice_type(nal: bytes) -> int:
    """Return slice_type modulo 5 (table 7-6), or -1 when the slice header cannot be read."""
    reader = BitReader(remove_emulation_prevention(nal[1:24]))
    try:
        reader.ue()
        return reader.ue() % 5
    except RemoteProtocolError:
        return -1


def is_recovery_point(nal: bytes) -> bool:
    """Tell whether an SEI NAL unit says that decoding may start at this very picture (D.2.8, recovery_frame_cnt 0).

    Cameras with an open GOP send I pictures with this message where others send IDR pictures.
    """
    body = remove_emulation_prevention(nal[1:256])
    pos = 0
    while pos + 2 < len(body):
        kind, pos = _sei_number(body, pos)
        size, pos = _sei_number(body, pos)
        if kind == _SEI_RECOVERY_POINT and size > 0 and pos < len(body):
            return body[pos] & 0x80 != 0  # ue(v) 0 is a single one bit
        pos += size
    return False


def _sei_number(body: bytes, pos: int) -> tuple[int, int]:
    """Return a payload type or size (7.3.2.3.1) and the position behind it."""
    value = 0
    while pos < len(body):
        value += body[pos]
        pos += 1
        if body[pos - 1] != 0xFF:
            break
    return value, pos


def parse_sps(nal: bytes) -> Sps:
    """Parse an SPS NAL unit with its header byte; RemoteProtocolError when it is not one."""
    reader = _reader(nal, NalType.SPS)
    profile_idc, constraint_flags, level_idc = reader.bits(8), reader.bits(8), reader.bits(8)
    sps_id = _limited(reader.ue(), 31, "sps id")
    chroma, luma_depth, chroma_depth = _parse_chroma(reader, profile_idc)
    log2_max_frame_num = _limited(reader.ue(), 12, "log2_max_frame_num") + 4
    poc_type, log2_max_poc_lsb = _parse_poc(reader)
    max_ref_frames = _limited(reader.ue(), 16, "max_num_ref_frames")
    reader.skip(1)
    geometry = _parse_geometry(reader, chroma)
    vui = _parse_vui_leniently(reader)
    may_reorder = profile_idc != 66 and poc_type != 2 and max_ref_frames > 0
    return Sps(
        sps_id=sps_id,
        profile_idc=profile_idc,
        constraint_flags=constraint_flags,
        level_idc=level_idc,
        width=geometry.width,
        height=geometry.height,
        fps=vui.fps,
        chroma_format_idc=chroma,
        bit_depth_luma=luma_depth,
        bit_depth_chroma=chroma_depth,
        log2_max_frame_num=log2_max_frame_num,
        poc_type=poc_type,
        log2_max_poc_lsb=log2_max_poc_lsb,
        max_ref_frames=max_ref_frames,
        is_frame_only=geometry.is_frame_only,
        width_mbs=geometry.width_mbs,
        height_mbs=geometry.height_mbs,
        max_reorder_frames=vui.max_reorder_frames if may_reorder else 0,
    )


def parse_pps(nal: bytes) -> Pps:
    """Parse a PPS NAL unit with its header byte; RemoteProtocolError when it is not one."""
    reader = _reader(nal, NalType.PPS)
    pps_id = _limited(reader.ue(), 255, "pps id")
    sps_id = _limited(reader.ue(), 31, "sps id")
    return Pps(pps_id, sps_id, reader.flag())


def set_key(nal: bytes) -> tuple[int, int]:
    """Return type and id of a parameter set; RemoteProtocolError when it is broken."""
    if nal and nal_type(nal[0]) == NalType.SPS:
        return NalType.SPS, parse_sps(nal).sps_id
    return NalType.PPS, parse_pps(nal).pps_id


def codec_params(parameter_sets: Iterable[bytes]) -> CodecParams:
    """Return the parameters of a track from its sets, in any order, with or without start codes.

    Broken sets are left out. Without both an SPS and a PPS `parameter_sets` stays empty: incomplete, wait for
    in-band sets. Of several sets with one id the last counts.
    """
    by_key: dict[tuple[int, int], bytes] = {}
    for nal in [nal for given in parameter_sets for nal in split_annexb(given)]:
        try:
            by_key[set_key(nal)] = nal
        except RemoteProtocolError:
            continue
    sps_nals = [nal for (kind, _), nal in by_key.items() if kind == NalType.SPS]
    pps_nals = [nal for (kind, _), nal in by_key.items() if kind == NalType.PPS]
    if not sps_nals or not pps_nals:
        return CodecParams(codec=Codec.H264, clock_rate_hz=CLOCK_RATE_HZ)
    first = parse_sps(sps_nals[0])
    return CodecParams(
        codec=Codec.H264,
        clock_rate_hz=CLOCK_RATE_HZ,
        rfc6381=f"avc1.{first.profile_idc:02x}{first.constraint_flags:02x}{first.level_idc:02x}",
        width=first.width,
        height=first.height,
        fps=first.fps,
        parameter_sets=(*sps_nals, *pps_nals),
    )


def avcc(params: CodecParams) -> bytes:
    """Return the AVCDecoderConfigurationRecord of complete parameters; LocalProtocolError when incomplete."""
    sps_nals = [nal for nal in params.parameter_sets if nal_type(nal[0]) == NalType.SPS][:31]
    pps_nals = [nal for nal in params.parameter_sets if nal_type(nal[0]) == NalType.PPS][:255]
    if not sps_nals or not pps_nals:
        raise LocalProtocolError("no parameter sets to describe", codec=params.codec)
    record = bytearray(b"\x01" + sps_nals[0][1:4] + b"\xff")  # 4-byte lengths
    record.append(0xE0 | len(sps_nals))
    for nal in sps_nals:
        record += len(nal).to_bytes(2, "big") + nal
    record.append(len(pps_nals))
    for nal in pps_nals:
        record += len(nal).to_bytes(2, "big") + nal
    sps = parse_sps(sps_nals[0])
    if sps.profile_idc in _PROFILES_WITH_CHROMA:
        record.append(0xFC | sps.chroma_format_idc)
        record.append(0xF8 | (sps.bit_depth_luma - 8))
        record.append(0xF8 | (sps.bit_depth_chroma - 8))
        record.append(0)
    return bytes(record)


def _reader(nal: bytes, expected: NalType) -> BitReader:
    if not 2 < len(nal) <= MAX_PARAMETER_SET_BYTES or nal_type(nal[0]) != expected:
        raise RemoteProtocolError("not the expected parameter set", expected=expected.name, size=len(nal))
    return BitReader(remove_emulation_prevention(nal[1:]))


def _limited(number: int, limit: int, name: str) -> int:
    if number > limit:
        raise RemoteProtocolError("a parameter set value is out of range", name=name, value=number)
    return number


def _parse_chroma(reader: BitReader, profile_idc: int) -> tuple[int, int, int]:
    if profile_idc not in _PROFILES_WITH_CHROMA:
        return _CHROMA_420, 8, 8
    chroma = _limited(reader.ue(), 3, "chroma_format_idc")
    if chroma == 3:
        reader.skip(1)
    luma_depth = _limited(reader.ue(), 6, "bit_depth_luma") + 8
    chroma_depth = _limited(reader.ue(), 6, "bit_depth_chroma") + 8
    reader.skip(1)
    if reader.flag():
        for index in range(8 if chroma != 3 else 12):
            if reader.flag():
                _skip_scaling_list(reader, 16 if index < 6 else 64)
    return chroma, luma_depth, chroma_depth


def _skip_scaling_list(reader: BitReader, size: int) -> None:
    last, following = 8, 8
    for _ in range(size):
        if following:
            following = (last + reader.se()) % 256
        last = following or last


def _parse_poc(reader: BitReader) -> tuple[int, int]:
    poc_type = _limited(reader.ue(), 2, "pic_order_cnt_type")
    if poc_type == 0:
        return poc_type, _limited(reader.ue(), 12, "log2_max_poc_lsb") + 4
    if poc_type == 1:
        reader.skip(1)
        reader.se()
        reader.se()
        for _ in range(_limited(reader.ue(), 255, "num_ref_frames_in_poc_cycle")):
            reader.se()
    return poc_type, 0


def _parse_geometry(reader: BitReader, chroma: int) -> _Geometry:
    width_mbs = _limited(reader.ue() + 1, MAX_SIDE_PIXELS // 16, "width")
    height_units = _limited(reader.ue() + 1, MAX_SIDE_PIXELS // 16, "height")
    is_frame_only = reader.flag()
    if not is_frame_only:
        reader.skip(1)
    reader.skip(1)
    height_mbs = height_units * (1 if is_frame_only else 2)
    width, height = width_mbs * 16, height_mbs * 16
    if reader.flag():
        step_x = 2 if chroma in (1, 2) else 1
        step_y = (2 if chroma == _CHROMA_420 else 1) * (1 if is_frame_only else 2)
        left, right, top, bottom = reader.ue(), reader.ue(), reader.ue(), reader.ue()
        width -= (left + right) * step_x
        height -= (top + bottom) * step_y
    if width <= 0 or height <= 0:
        raise RemoteProtocolError("a picture is cropped to nothing", width=width, height=height)
    return _Geometry(width_mbs, height_mbs, is_frame_only, width, height)


def _parse_vui_leniently(reader: BitReader) -> _Vui:
    """Read the VUI; a truncated one (Reolink and others cut it) is as good as none."""
    try:
        return _parse_vui(reader) if reader.flag() else _Vui()
    except RemoteProtocolError:
        return _Vui()


def _parse_vui(reader: BitReader) -> _Vui:
    skip_picture_facts(reader)
    fps = 0.0
    if reader.flag():  # timing: two ticks a frame
        units, scale = reader.bits(32), reader.bits(32)
        reader.skip(1)
        fps = plausible_fps(scale, 2 * units)
    return _Vui(fps, _parse_reorder(reader))


def _parse_reorder(reader: BitReader) -> int | None:
    """Read on to the bitstream restriction; None when the set leaves it out or is cut short."""
    try:
        has_nal_hrd = reader.flag()
        if has_nal_hrd:
            _skip_hrd(reader)
        has_vcl_hrd = reader.flag()
        if has_vcl_hrd:
            _skip_hrd(reader)
        if has_nal_hrd or has_vcl_hrd:
            reader.skip(1)
        reader.skip(1)
        if not reader.flag():
            return None
        reader.skip(1)
        for _ in range(4):
            reader.ue()
        return _limited(reader.ue(), 16, "max_num_reorder_frames")
    except RemoteProtocolError:
        return None


def _skip_hrd(reader: BitReader) -> None:
    count = _limited(reader.ue() + 1, 32, "cpb_cnt")
    reader.skip(8)
    for _ in range(count):
        reader.ue()
        reader.ue()
        reader.skip(1)
    reader.skip(20)
