"""What only H.264 does: aggregates of pictures, and B pictures nobody announced."""

from itertools import pairwise

from media.codec import h264
from media.codec.nal import BitWriter, add_emulation_prevention
from media.packet import Codec
from media.rtp.depacketize import make_depacketizer
from tests.unit.media import captures, streams
from tests.unit.media.codec.test_h264 import make_sps
from tests.unit.media.streams import content, feed, payload_packets

PPS = captures.H264[0].nals[1]


def slice_of_type(slice_type: int) -> bytes:
    writer = BitWriter()
    for number in (0, slice_type, 0):
        writer.ue(number)
    writer.bits(0x5A5A, 16)
    writer.rbsp_trailing()
    return b"\x41" + add_emulation_prevention(writer.to_bytes())


def times(sets: tuple[bytes, ...], pictures: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return pts and dts of pictures given as presentation number and slice type."""
    depacketizer = make_depacketizer(0, h264.codec_params(sets))
    packets = []
    for number, kind in pictures:
        packets += payload_packets([slice_of_type(kind)], ts=number * 3600, first_seq=len(packets))
    return [(unit.pts, unit.dts) for unit in feed(depacketizer, packets)]


IBBP = [(0, 2), (3, 0), (1, 1), (2, 1), (6, 0), (4, 1), (5, 1), (9, 0)]


def test_announced_b_pictures_are_decoded_before_they_are_shown():
    announced = captures.H264[3]
    assert announced.reorder == 2
    got = times(announced.nals, IBBP)
    assert all(dts <= pts for pts, dts in got)
    assert got[0] == (0, -7200)
    assert all(later[1] > earlier[1] for earlier, later in pairwise(got))


def test_b_pictures_nobody_announced_are_found_by_looking():
    got = times((make_sps(), PPS), IBBP)
    assert [pts for pts, _ in got] == [number * 3600 for number, _ in IBBP]
    assert all(later[1] > earlier[1] for earlier, later in pairwise(got))
    assert all(dts <= pts for pts, dts in got[4:])


def test_a_clock_that_goes_back_is_not_taken_for_b_pictures():
    got = times((make_sps(), PPS), [(0, 2), (3, 0), (1, 0), (2, 0)])
    assert [pts == dts for pts, dts in got] == [True] * 4


def test_a_picture_may_come_in_an_aggregate_with_its_sets():
    sets = captures.H264[0].nals
    picture = streams.slice_nal(Codec.H264, 60, 1, is_key=True)
    payload = b"\x78" + b"".join([len(nal).to_bytes(2, "big") + nal for nal in (*sets, picture)])
    got = feed(make_depacketizer(0, h264.codec_params(())), payload_packets([payload]))
    assert content(got) == content([streams.unit_of(Codec.H264, [picture], 0, is_key=True)])
    assert got[0].params == h264.codec_params(sets)


def test_a_second_picture_size_under_another_id_comes_into_use():
    writer = BitWriter()
    for number in (1, 0, 0, 0, 1):
        writer.ue(number)
    writer.bits(0, 1)
    writer.ue(19)
    writer.ue(9)
    writer.bits(0b110000, 6)
    writer.rbsp_trailing()
    other_sps = b"\x67\x4d\x00\x1e" + add_emulation_prevention(writer.to_bytes())
    depacketizer = make_depacketizer(0, h264.codec_params((make_sps(), PPS)))
    got = feed(depacketizer, payload_packets([other_sps, slice_of_type(2)]))
    assert (got[0].params.width, got[0].params.height) == (320, 160)


def test_endless_different_sets_are_bounded():
    depacketizer = make_depacketizer(0, h264.codec_params(()))
    for number in range(300):
        writer = BitWriter()
        writer.ue(number % 256)
        writer.ue(number % 32)
        writer.rbsp_trailing()
        feed(depacketizer, payload_packets([b"\x68" + writer.to_bytes()], first_seq=number))
    assert len(depacketizer._sets) == 64


def keys(pictures: list[list[bytes]]) -> list[bool]:
    depacketizer = make_depacketizer(0, h264.codec_params(captures.H264[0].nals))
    packets = []
    for number, nals in enumerate(pictures):
        packets += payload_packets(nals, ts=number * 3600, first_seq=len(packets))
    return [unit.is_key for unit in feed(depacketizer, packets)]


RECOVERY_POINT = b"\x06\x06\x01\xc4\x80"
RECOVERY_LATER = b"\x06\x06\x02\x40\x80\x80"


def test_an_i_picture_with_a_recovery_point_is_a_key_picture():
    i, p = slice_of_type(7), slice_of_type(5)
    assert keys([[RECOVERY_POINT, i], [p], [RECOVERY_POINT, p], [i], [RECOVERY_LATER, i]]) == [
        True,
        False,
        False,
        False,
        False,
    ]


def test_a_recovery_point_may_follow_other_messages():
    timing = streams.sei_nal(Codec.H264)
    long_message = b"\x06\x05\xff\x10" + b"\x55" * 0x10F + b"\x80"
    several = b"\x06\x05\x02\xaa\xbb\x06\x01\xc4\x80"
    i = slice_of_type(2)
    assert keys([[timing, RECOVERY_POINT, i], [several, i], [long_message, i]]) == [True, True, False]
