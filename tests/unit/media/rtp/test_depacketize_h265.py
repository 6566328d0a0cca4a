"""What only H.265 does: aggregates, layers, types that look like start codes."""

from media.codec import h265
from media.packet import Codec
from media.rtp.depacketize import make_depacketizer
from tests.unit.media import captures, streams
from tests.unit.media.streams import content, feed, make_packets, nal, payload_packets

PARAMS = h265.codec_params(captures.H265_PLAIN.nals)


def test_trail_n_as_a_single_nal_unit_is_a_picture():
    picture = nal(b"\x00\x01\x88", 90, 1)
    got = feed(make_depacketizer(0, PARAMS), payload_packets([picture]))
    assert content(got) == content([streams.unit_of(Codec.H265, [picture], 0)])


def test_cra_and_bla_are_key_pictures():
    for kind in range(16, 22):
        picture = nal(bytes((kind << 1, 1, 0x80)), 3000, kind)
        packets = make_packets(Codec.H265, [streams.unit_of(Codec.H265, [picture], 0)])
        assert [unit.is_key for unit in feed(make_depacketizer(0, PARAMS), packets)] == [True]


def test_an_aggregate_of_sets_and_picture():
    picture = streams.slice_nal(Codec.H265, 60, 1, is_key=True)
    parts = [len(one).to_bytes(2, "big") + one for one in (*captures.H265_PLAIN.nals, picture)]
    got = feed(make_depacketizer(0, h265.codec_params(())), payload_packets([b"\x60\x01" + b"".join(parts)]))
    assert content(got) == content([streams.unit_of(Codec.H265, [picture], 0, is_key=True)])
    assert got[0].params == PARAMS


def test_other_layers_are_counted_and_left_out():
    base, enhanced = nal(b"\x02\x01\x88", 90, 1), nal(b"\x02\x09\x88", 90, 2)
    depacketizer = make_depacketizer(0, PARAMS)
    got = feed(depacketizer, payload_packets([base, enhanced]))
    assert content(got) == content([streams.unit_of(Codec.H265, [base], 0)])
    assert depacketizer.stats.malformed == 1


def test_announced_reordering_spaces_the_first_decoding_times():
    params = h265.codec_params(captures.H265[0].nals)
    units = [unit._replace(params=params) for unit in streams.make_units(Codec.H265, [[60]] * 5, gop=100)]
    got = feed(make_depacketizer(0, params), make_packets(Codec.H265, units))
    assert [(unit.pts, unit.dts) for unit in got][:3] == [(0, -7200), (3600, -3600), (7200, 0)]
