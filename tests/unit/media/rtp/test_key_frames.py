"""Where key frames begin."""

import pytest

from media.packet import Codec
from media.rtp.key_frames import KEY_PICTURE, KEY_SETS, MARKS, NO_KEY, parameter_sets, vp8_size
from media.rtp.packetize import VideoPacketizer
from media.rtp.vp8_descriptor import build_descriptor
from tests.unit.media import streams
from tests.unit.media.codec.test_vp8 import KEY

H264_SPS, H264_PPS = streams.SETS[Codec.H264][:2]


def aggregate(head: bytes, *nals: bytes) -> bytes:
    return head + b"".join(len(nal).to_bytes(2, "big") + nal for nal in nals)


@pytest.mark.parametrize("codec", [Codec.H264, Codec.H265])
@pytest.mark.parametrize("size", [200, 5000])
def test_a_key_picture_as_we_packetise_it_has_one_beginning(codec, size):
    units = streams.make_units(codec, [[size], [size], [size]], gop=2)
    packetizer = VideoPacketizer(codec)
    marks = [[MARKS[codec](payload) for payload in packetizer.payloads(unit)] for unit in units]
    assert marks[0][0] == KEY_SETS
    assert marks[0].count(KEY_SETS) == 1
    assert set(marks[1]) == {NO_KEY}
    assert marks[2][0] == KEY_SETS


@pytest.mark.parametrize(
    ("payload", "mark"),
    [
        (H264_SPS, KEY_SETS),
        (H264_PPS, NO_KEY),
        (b"\x65\x88\x84", KEY_PICTURE),
        (b"\x41\x9a\x00", NO_KEY),
        (b"\x7c\x85\x88", KEY_PICTURE),
        (b"\x7c\x05\x88", NO_KEY),
        (b"\x7c\x87\x88", KEY_SETS),
        (b"\x7c\x81\x88", NO_KEY),
        (aggregate(b"\x78", b"\x09\xf0", H264_SPS, H264_PPS, b"\x65\x88"), KEY_SETS),
        (aggregate(b"\x78", b"\x06\x05", b"\x65\x88"), KEY_PICTURE),
        (aggregate(b"\x78", b"\x41\x9a", b"\x41\x9a"), NO_KEY),
        (b"\x78\x00", NO_KEY),
        (b"\x78\xff\xff\x67", KEY_SETS),
        (b"\x65", NO_KEY),
        (b"", NO_KEY),
    ],
)
def test_h264(payload, mark):
    assert MARKS[Codec.H264](payload) == mark


@pytest.mark.parametrize(
    ("payload", "mark"),
    [
        (b"\x40\x01\x0c", KEY_SETS),
        (b"\x42\x01\x01", NO_KEY),
        (b"\x26\x01\xaf", KEY_PICTURE),
        (b"\x02\x01\xd0", NO_KEY),
        (b"\x62\x01\x93\xaf", KEY_PICTURE),
        (b"\x62\x01\x13\xaf", NO_KEY),
        (b"\x62\x01\x81\xaf", NO_KEY),
        (aggregate(b"\x60\x01", b"\x46\x01\x50", b"\x40\x01\x0c"), KEY_SETS),
        (aggregate(b"\x60\x01", b"\x02\x01\xd0"), NO_KEY),
        (b"\x26\x01", NO_KEY),
    ],
)
def test_h265(payload, mark):
    assert MARKS[Codec.H265](payload) == mark


def test_vp8():
    start, more = build_descriptor(is_start=True, picture_id=7, tl0=1), build_descriptor(is_start=False)
    mark = MARKS[Codec.VP8]
    assert mark(start + KEY) == KEY_SETS
    assert mark(start + b"\x31\0\0") == NO_KEY
    assert mark(more + KEY) == NO_KEY
    assert mark(start) == NO_KEY
    assert mark(b"") == NO_KEY
    assert vp8_size(start + KEY) == (640, 360)
    assert vp8_size(start + KEY[:8]) is None
    assert vp8_size(more + KEY) is None


def test_sets_are_found_in_single_units_and_aggregates():
    assert parameter_sets(Codec.H264, H264_SPS) == [H264_SPS]
    payload = aggregate(b"\x78", H264_SPS, H264_PPS, b"\x65\x88")
    assert parameter_sets(Codec.H264, payload) == [H264_SPS, H264_PPS]
    assert parameter_sets(Codec.H264, b"\x65\x88\x84") == []
    assert parameter_sets(Codec.H264, b"\x67") == []
    sets = streams.SETS[Codec.H265]
    assert parameter_sets(Codec.H265, aggregate(b"\x60\x01", *sets, b"\x26\x01\xaf")) == list(sets)
    assert len(parameter_sets(Codec.H264, aggregate(b"\x78", *[H264_PPS] * 40))) == 16
