"""H.265 parameter sets: what ffprobe says of a stream is what we say."""

import pytest

from media.base.errors import LocalProtocolError, RemoteProtocolError
from media.codec import h265
from media.packet import Codec
from tests.unit.media import captures

CAPTURES = (*captures.H265, captures.H265_PLAIN)

# Written by libavformat's MP4 muxer, its SEI array left out.
HVCC_MAIN10 = (
    "0102200000009000000000003ff000fcfdfafa00000f03a00001001840010c01ffff02200000030090000003000003003f959409a100010"
    "02c42010102200000030090000003000003003fa005020171f2b6595952930bc05a020000030002000003003210a2000100064401c073c189"
)


@pytest.mark.parametrize("capture", CAPTURES, ids=lambda capture: capture.name)
def test_sets_of_real_streams_say_what_ffprobe_says(capture):
    params = h265.codec_params(capture.nals)
    assert (params.width, params.height, params.rfc6381) == (capture.width, capture.height, capture.rfc6381)
    assert params.fps == pytest.approx(capture.fps, abs=0.01)
    assert params.parameter_sets == capture.nals
    sps = h265.parse_sps(capture.nals[1])
    assert (sps.profile_idc, sps.level_idc, sps.max_reorder_frames) == (capture.profile, capture.level, capture.reorder)
    assert (sps.chroma_format_idc, sps.bit_depth_luma) == (capture.chroma, capture.depth)
    assert sps.coded_width >= sps.width
    assert sps.coded_height >= sps.height


@pytest.mark.parametrize("capture", CAPTURES, ids=lambda capture: capture.name)
def test_a_set_cut_anywhere_is_read_or_refused(capture):
    for size in range(len(capture.nals[1])):
        try:
            sps = h265.parse_sps(capture.nals[1][:size])
        except RemoteProtocolError:
            continue
        assert (sps.width, sps.height) == (capture.width, capture.height)  # only what follows the sizes was cut


def test_order_and_start_codes_do_not_matter():
    vps, sps, pps = captures.H265_PLAIN.nals
    assert h265.codec_params([b"\0\0\0\1" + pps, sps, b"\0\0\1" + vps]).parameter_sets == (vps, sps, pps)


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_without_one_of_the_three_sets_parameters_are_incomplete(missing):
    sets = [nal for at, nal in enumerate(captures.H265_PLAIN.nals) if at != missing]
    params = h265.codec_params(sets)
    assert params.codec is Codec.H265
    assert not params.is_complete


@pytest.mark.parametrize("sets", [[b""], [b"\x42"], [b"\x42\x01"], [b"\x42\x01\xff\xff\xff"], [b"\x40\x00\x00\x00"]])
def test_broken_sets_make_incomplete_parameters(sets):
    assert not h265.codec_params(sets).is_complete


def test_hvcc_is_what_libavformat_writes_but_for_the_unknown():
    record = bytes.fromhex(HVCC_MAIN10)
    sets = [record[28:52], record[57:101], record[106:112]]
    params = h265.codec_params(sets)
    assert params.parameter_sets == tuple(sets)
    assert h265.hvcc(params) == record


def test_hvcc_without_sets_is_our_mistake():
    with pytest.raises(LocalProtocolError):
        h265.hvcc(h265.codec_params(()))


def test_key_and_slice_types():
    assert [kind for kind in range(64) if h265.is_key(kind)] == [16, 17, 18, 19, 20, 21]
    assert [kind for kind in range(64) if h265.is_slice(kind)] == [*range(10), *range(16, 22)]
    assert h265.nal_type(0x26) == 19


def test_headers_of_other_layers_or_without_temporal_id_are_told():
    assert h265.is_base_layer(b"\x02\x01\x80")
    assert not h265.is_base_layer(b"\x00\x00\x01")  # a start code, not TRAIL_N
    assert not h265.is_base_layer(b"\x03\x01\x80")
    assert not h265.is_base_layer(b"\x02\x09\x80")
    assert not h265.is_base_layer(b"\x02\x01")


def test_codecs_string_of_main_tier_three_one():
    profile = bytes.fromhex("01600000009000000000005d")
    assert h265.codecs_string(profile) == "hvc1.1.6.L93.90"
