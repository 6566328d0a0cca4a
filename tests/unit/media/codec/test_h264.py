"""H.264 parameter sets: what ffprobe says of a stream is what we say."""

import pytest

from media.base.errors import LocalProtocolError, RemoteProtocolError
from media.codec import h264
from media.codec.nal import BitWriter, add_emulation_prevention
from media.packet import Codec
from tests.unit.media import captures

# Written by libavformat's MP4 muxer for the sets that follow it.
AVCC_HIGH10 = (
    "016e001effe10019676e001ea6cb405017fcb808800000030080000019078b175001000468ce0fc8fdfafa00",
    ("676e001ea6cb405017fcb808800000030080000019078b1750", "68ce0fc8"),
)
AVCC_BASELINE = (
    "0142c01effe100196742c01eda0280bfe5c044000003000400000300c83c58ba8001000468ce0fc8",
    ("6742c01eda0280bfe5c044000003000400000300c83c58ba80", "68ce0fc8"),
)


@pytest.mark.parametrize("capture", captures.H264, ids=lambda capture: capture.name)
def test_sets_of_real_streams_say_what_ffprobe_says(capture):
    params = h264.codec_params(capture.nals)
    assert (params.width, params.height, params.rfc6381) == (capture.width, capture.height, capture.rfc6381)
    assert params.fps == pytest.approx(capture.fps, abs=0.01)
    assert params.parameter_sets == capture.nals
    assert params.is_complete
    sps = h264.parse_sps(capture.nals[0])
    assert (sps.profile_idc, sps.level_idc, sps.max_reorder_frames) == (capture.profile, capture.level, capture.reorder)
    assert (sps.chroma_format_idc, sps.bit_depth_luma) == (capture.chroma, capture.depth)
    assert sps.width_mbs * 16 >= sps.width
    assert sps.height_mbs * 16 >= sps.height


@pytest.mark.parametrize("capture", captures.H264, ids=lambda capture: capture.name)
def test_a_set_cut_anywhere_is_read_or_refused(capture):
    for size in range(len(capture.nals[0])):
        try:
            sps = h264.parse_sps(capture.nals[0][:size])
        except RemoteProtocolError:
            continue
        assert (sps.width, sps.height) == (capture.width, capture.height)  # only the VUI was cut


def test_order_start_codes_and_extra_bytes_do_not_matter():
    sps, pps = captures.H264[0].nals
    params = h264.codec_params([b"\0\0\0\1" + pps, b"\0\0\1" + sps + b"\0\0"])
    assert params == h264.codec_params([sps, pps])
    together = h264.codec_params([b"\0\0\0\1" + sps + b"\0\0\0\1" + pps])
    assert together.parameter_sets == (sps, pps)


@pytest.mark.parametrize(
    "sets", [[], [b""], [b"\x67"], [b"\x68\xce\x0f\xc8"], [b"junk"], [b"\x67\xff\xff\xff\xff\xff"]]
)
def test_missing_or_broken_sets_make_incomplete_parameters(sets):
    params = h264.codec_params(sets)
    assert params.codec is Codec.H264
    assert params.clock_rate_hz == 90_000
    assert not params.is_complete


def test_of_two_sets_with_one_id_the_last_counts():
    small, large = captures.H264[5], captures.H264[0]
    params = h264.codec_params([*small.nals, *large.nals])
    assert (params.width, params.height) == (large.width, large.height)
    assert params.parameter_sets == large.nals


@pytest.mark.parametrize(("expected", "sets"), [AVCC_HIGH10, AVCC_BASELINE])
def test_avcc_is_what_libavformat_writes(expected, sets):
    params = h264.codec_params([bytes.fromhex(text) for text in sets])
    assert h264.avcc(params).hex() == expected


def test_avcc_without_sets_is_our_mistake():
    with pytest.raises(LocalProtocolError):
        h264.avcc(h264.codec_params(()))


def test_key_and_slice_types():
    assert [kind for kind in range(32) if h264.is_key(kind)] == [5]
    assert [kind for kind in range(32) if h264.is_slice(kind)] == [1, 2, 3, 4, 5]
    assert h264.nal_type(0x65) == 5


@pytest.mark.parametrize(("slice_type", "is_b"), [(0, False), (1, True), (2, False), (5, False), (6, True), (7, False)])
def test_b_slices_are_told_from_their_header(slice_type, is_b):
    writer = BitWriter()
    writer.ue(0)
    writer.ue(slice_type)
    writer.ue(0)
    writer.rbsp_trailing()
    nal = b"\x01" + writer.to_bytes()
    assert h264.is_b_slice(nal) is is_b
    assert h264.begins_picture(nal)


def test_an_unreadable_slice_is_no_b_slice():
    assert not h264.is_b_slice(b"\x01\0\0\0\0\0")
    assert not h264.is_b_slice(b"\x01")


def make_sps(*, width_mbs: int = 10, height_mbs: int = 10, crop: tuple[int, int, int, int] | None = None) -> bytes:
    """Return a Main profile SPS without VUI."""
    writer = BitWriter()
    for number in (0, 0, 0, 0, 1):  # id, frame_num, poc type, poc lsb, reference frames
        writer.ue(number)
    writer.flag(claim=False)
    writer.ue(width_mbs - 1)
    writer.ue(height_mbs - 1)
    writer.bits(0b11, 2)  # frames only, direct 8x8
    writer.flag(crop is not None)
    for number in crop or ():
        writer.ue(number)
    writer.flag(claim=False)
    writer.rbsp_trailing()
    return b"\x67\x4d\x00\x1e" + add_emulation_prevention(writer.to_bytes())


def test_a_set_without_vui_leaves_rate_and_reordering_open():
    sps = h264.parse_sps(make_sps())
    assert (sps.width, sps.height, sps.fps, sps.max_reorder_frames) == (160, 160, 0.0, None)


def test_cropping_to_nothing_is_refused():
    with pytest.raises(RemoteProtocolError, match="cropped"):
        h264.parse_sps(make_sps(crop=(40, 40, 0, 0)))


def test_a_picture_larger_than_any_camera_makes_is_refused():
    with pytest.raises(RemoteProtocolError, match="range"):
        h264.parse_sps(make_sps(width_mbs=2000))


def test_an_oversized_set_is_refused():
    with pytest.raises(RemoteProtocolError):
        h264.parse_sps(captures.H264[0].nals[0] + bytes(5000))


@pytest.mark.parametrize(("scale", "units", "fps"), [(50, 2, 25.0), (0, 2, 0.0), (50, 0, 0.0), (10**6, 2, 0.0)])
def test_absurd_frame_rates_are_no_frame_rates(scale, units, fps):
    assert h264.plausible_fps(scale, units) == fps
