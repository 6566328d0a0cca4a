"""H.265 parameter sets and NAL unit types (ITU-T H.265 §7.3, ISO/IEC 14496-15 §8.3).

Called by SDP, the depacketizer, the container writer and the simulator. Pure and total: a broken set raises
RemoteProtocolError from the `parse_*` functions and is left out by `codec_params`. Decodes no picture; ignores layers
above the base.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

from media.base.errors import LocalProtocolError, RemoteProtocolError
from media.codec.h264 import MAX_PARAMETER_SET_BYTES, MAX_SIDE_PIXELS
from media.codec.h265_vui import parse_vui_timing
from media.codec.nal import BitReader, remove_emulation_prevention, split_annexb
from media.codec.vui import plausible_fps
from media.packet import Codec, CodecParams

CLOCK_RATE_HZ = 90_000
_PROFILE_BYTES = 12
"""General profile, tier and level: 2 + 1 + 5 bits, 32 flags, 48 constraint bits, 8 bits of level."""


class NalType(IntEnum):
    """The NAL unit types that matter to a carrier (H.265 table 7-1)."""

    LAST_TRAILING = 9
    FIRST_IRAP = 16
    LAST_IRAP = 21
    VPS = 32
    SPS = 33
    PPS = 34
    AUD = 35
    END_OF_SEQUENCE = 36
    END_OF_BITSTREAM = 37
    FILLER = 38
    PREFIX_SEI = 39
    SUFFIX_SEI = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Sps:
    """A sequence parameter set; sizes in pixels after cropping. `fps` is 0 when absent or absurd.

    `profile` holds the 12 bytes of general profile, tier and level as coded.
    """

    sps_id: int
    vps_id: int
    max_sub_layers: int
    is_temporal_nested: bool
    profile: bytes
    width: int
    height: int
    coded_width: int
    coded_height: int
    fps: float
    chroma_format_idc: int
    bit_depth_luma: int
    bit_depth_chroma: int
    log2_max_poc_lsb: int
    log2_ctb_size: int
    max_reorder_frames: int

    @property
    def profile_idc(self) -> int:
        """Return general_profile_idc: 1 Main, 2 Main 10."""
        return self.profile[0] & 0x1F

    @property
    def level_idc(self) -> int:
        """Return general_level_idc, thirty times the level."""
        return self.profile[11]


def nal_type(first_byte: int) -> int:
    """Return the NAL unit type in the first byte of a NAL unit."""
    return first_byte >> 1 & 0x3F


def is_key(kind: int) -> bool:
    """Tell whether a NAL unit of type `kind` is a slice of a picture to start from (IDR, CRA, BLA)."""
    return 16 <= kind <= 21


def is_slice(kind: int) -> bool:
    """Tell whether a NAL unit of type `kind` carries picture data."""
    return kind <= 9 or 16 <= kind <= 21


def is_base_layer(nal: bytes) -> bool:
    """Tell whether a NAL unit has a whole, valid header of layer 0."""
    return len(nal) > 2 and nal[0] & 0x81 == 0 and nal[1] & 0xF8 == 0 and nal[1] & 0x07 != 0


def begins_picture(nal: bytes) -> bool:
    """Tell whether a slice NAL unit is the first of its picture: first_slice_segment_in_pic_flag."""
    return len(nal) > 2 and nal[2] & 0x80 != 0


def parse_sps(nal: bytes) -> Sps:
    """Parse an SPS NAL unit with its header bytes; RemoteProtocolError when it is not one."""
    reader = _reader(nal, NalType.SPS)
    vps_id = reader.bits(4)
    max_sub_layers = reader.bits(3) + 1
    is_nested = reader.flag()
    profile = _read_profile(reader, max_sub_layers)
    sps_id = _limited(reader.ue(), 15, "sps id")
    chroma = _limited(reader.ue(), 3, "chroma_format_idc")
    if chroma == 3:
        reader.skip(1)
    coded_width = _limited(reader.ue(), MAX_SIDE_PIXELS, "width")
    coded_height = _limited(reader.ue(), MAX_SIDE_PIXELS, "height")
    width, height = _crop(reader, coded_width, coded_height, chroma)
    luma_depth = _limited(reader.ue(), 8, "bit_depth_luma") + 8
    chroma_depth = _limited(reader.ue(), 8, "bit_depth_chroma") + 8
    log2_max_poc_lsb = _limited(reader.ue(), 12, "log2_max_poc_lsb") + 4
    reorder = _read_ordering(reader, max_sub_layers)
    log2_ctb_size = _limited(reader.ue(), 3, "log2_min_cb") + 3 + _limited(reader.ue(), 6, "log2_diff_cb")
    return Sps(
        sps_id=sps_id,
        vps_id=vps_id,
        max_sub_layers=max_sub_layers,
        is_temporal_nested=is_nested,
        profile=profile,
        width=width,
        height=height,
        coded_width=coded_width,
        coded_height=coded_height,
        fps=_fps(reader, log2_max_poc_lsb),
        chroma_format_idc=chroma,
        bit_depth_luma=luma_depth,
        bit_depth_chroma=chroma_depth,
        log2_max_poc_lsb=log2_max_poc_lsb,
        log2_ctb_size=log2_ctb_size,
        max_reorder_frames=reorder,
    )


def parse_pps(nal: bytes) -> tuple[int, int]:
    """Return the ids of a PPS NAL unit and of its SPS; RemoteProtocolError when it is not one."""
    reader = _reader(nal, NalType.PPS)
    return _limited(reader.ue(), 63, "pps id"), _limited(reader.ue(), 15, "sps id")


def parse_vps(nal: bytes) -> int:
    """Return the id of a VPS NAL unit; RemoteProtocolError when it is not one."""
    return _reader(nal, NalType.VPS).bits(4)


def set_key(nal: bytes) -> tuple[int, int]:
    """Return type and id of a parameter set; RemoteProtocolError when it is broken."""
    kind = nal_type(nal[0]) if nal else -1
    if kind == NalType.VPS:
        return kind, parse_vps(nal)
    if kind == NalType.SPS:
        return kind, parse_sps(nal).sps_id
    return NalType.PPS, parse_pps(nal)[0]


def codec_params(parameter_sets: Iterable[bytes]) -> CodecParams:
    """Return the parameters of a track from its sets, in any order, with or without start codes.

    Broken sets are left out. Without a VPS, an SPS and a PPS `parameter_sets` stays empty: incomplete, wait for
    in-band sets. Of several sets with one id the last counts.
    """
    by_key: dict[tuple[int, int], bytes] = {}
    for nal in [nal for given in parameter_sets for nal in split_annexb(given)]:
        try:
            by_key[set_key(nal)] = nal
        except RemoteProtocolError:
            continue
    ordered = sorted(by_key.items(), key=lambda item: item[0][0])
    if {kind for (kind, _), _ in ordered} != {NalType.VPS, NalType.SPS, NalType.PPS}:
        return CodecParams(codec=Codec.H265, clock_rate_hz=CLOCK_RATE_HZ)
    first = parse_sps(next(nal for (kind, _), nal in ordered if kind == NalType.SPS))
    return CodecParams(
        codec=Codec.H265,
        clock_rate_hz=CLOCK_RATE_HZ,
        rfc6381=codecs_string(first.profile),
        width=first.width,
        height=first.height,
        fps=first.fps,
        parameter_sets=tuple(nal for _, nal in ordered),
    )


def codecs_string(profile: bytes) -> str:
    """Return the codecs string of general profile, tier and level (ISO/IEC 14496-15 annex E), such as hvc1.1.6.L93.B0."""
    space = ("", "A", "B", "C")[profile[0] >> 6]
    tier = "H" if profile[0] & 0x20 else "L"
    flags = int(f"{int.from_bytes(profile[1:5], 'big'):032b}"[::-1], 2)
    constraints = [f"{byte:X}" for byte in profile[5:11].rstrip(b"\x00")]
    return ".".join(["hvc1", f"{space}{profile[0] & 0x1F}", f"{flags:X}", f"{tier}{profile[11]}", *constraints])


def hvcc(params: CodecParams) -> bytes:
    """Return the HEVCDecoderConfigurationRecord of complete parameters; LocalProtocolError when incomplete."""
    arrays = [
        (kind, [nal for nal in params.parameter_sets if nal_type(nal[0]) == kind])
        for kind in (NalType.VPS, NalType.SPS, NalType.PPS)
    ]
    if not all(nals for _, nals in arrays):
        raise LocalProtocolError("no parameter sets to describe", codec=params.codec)
    sps = parse_sps(arrays[1][1][0])
    record = bytearray(b"\x01" + sps.profile)
    record += b"\xf0\x00\xfc"  # no spatial segmentation, parallelism unknown
    record += bytes((0xFC | sps.chroma_format_idc, 0xF8 | sps.bit_depth_luma - 8, 0xF8 | sps.bit_depth_chroma - 8))
    record += b"\x00\x00"  # average frame rate unknown
    record.append(sps.max_sub_layers << 3 | sps.is_temporal_nested << 2 | 3)  # 4-byte lengths
    record.append(len(arrays))
    for kind, nals in arrays:
        record += bytes((0x80 | kind, 0, len(nals)))
        for nal in nals:
            record += len(nal).to_bytes(2, "big") + nal
    return bytes(record)


def _reader(nal: bytes, expected: NalType) -> BitReader:
    if len(nal) > MAX_PARAMETER_SET_BYTES or not is_base_layer(nal) or nal_type(nal[0]) != expected:
        raise RemoteProtocolError("not the expected parameter set", expected=expected.name, size=len(nal))
    return BitReader(remove_emulation_prevention(nal[2:]))


def _limited(number: int, limit: int, name: str) -> int:
    if number > limit:
        raise RemoteProtocolError("a parameter set value is out of range", name=name, value=number)
    return number


def _read_profile(reader: BitReader, max_sub_layers: int) -> bytes:
    """Read general profile, tier and level; step over those of the sub-layers (§7.3.3)."""
    profile = reader.bits(_PROFILE_BYTES * 8).to_bytes(_PROFILE_BYTES, "big")
    below = max_sub_layers - 1
    present = [(reader.flag(), reader.flag()) for _ in range(below)]
    if below:
        reader.skip(2 * (8 - below))
    for has_profile, has_level in present:
        reader.skip(88 * has_profile + 8 * has_level)
    return profile


def _crop(reader: BitReader, width: int, height: int, chroma: int) -> tuple[int, int]:
    if reader.flag():
        step_x = 2 if chroma in (1, 2) else 1
        step_y = 2 if chroma == 1 else 1
        left, right, top, bottom = reader.ue(), reader.ue(), reader.ue(), reader.ue()
        width -= (left + right) * step_x
        height -= (top + bottom) * step_y
    if width <= 0 or height <= 0:
        raise RemoteProtocolError("a picture is cropped to nothing", width=width, height=height)
    return width, height


def _read_ordering(reader: BitReader, max_sub_layers: int) -> int:
    """Return sps_max_num_reorder_pics of the highest sub-layer."""
    reorder = 0
    for _ in range(max_sub_layers if reader.flag() else 1):
        reader.ue()
        reorder = _limited(reader.ue(), 16, "max_num_reorder_pics")
        reader.ue()
    return reorder


def _fps(reader: BitReader, log2_max_poc_lsb: int) -> float:
    """Return the frame rate of the VUI; 0 when it is missing or cannot be read, as in many a camera."""
    try:
        scale, units = parse_vui_timing(reader, log2_max_poc_lsb)
    except RemoteProtocolError:
        return 0.0
    return plausible_fps(scale, units)
