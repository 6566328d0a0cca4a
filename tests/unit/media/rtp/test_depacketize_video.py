"""Access units out of RTP packets, of both codecs: what comes in whole comes out whole, whatever the camera does."""

import random
from dataclasses import replace
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.codec.nal import to_annexb
from media.packet import Codec
from media.rtp.depacketize import StreamOptions, make_depacketizer
from media.rtp.depacketize_video import MAX_UNIT_BYTES
from media.rtp.packet import RtpPacket, parse_packet
from media.rtp.reorder import ReorderBuffer
from tests.unit.media import streams
from tests.unit.media.streams import (
    content,
    feed,
    feed_framed,
    make_packets,
    make_units,
    payload_packets,
    sei_nal,
    slice_nal,
)

CODECS = pytest.mark.parametrize("codec", [Codec.H264, Codec.H265])
ANY_CODEC = st.sampled_from([Codec.H264, Codec.H265])
SIZES = st.lists(st.lists(st.integers(8, 3000), min_size=1, max_size=3), min_size=1, max_size=12)


def make(codec: Codec, **options):
    return make_depacketizer(0, streams.params(codec), StreamOptions(**options))


def changed(packet: bytes, **fields) -> bytes:
    return replace(parse_packet(packet), **fields).to_bytes()


@given(ANY_CODEC, SIZES, st.integers(16, 2000), st.integers(0, 0xFFFF), st.integers(0, 0xFFFF_FFFF))
def test_units_round_trip_for_any_packet_size(codec, sizes, mtu, first_seq, ts_offset):
    units = make_units(codec, sizes)
    packets = make_packets(codec, units, mtu=mtu, first_seq=first_seq, ts_offset=ts_offset)
    depacketizer = make(codec, payload_type=96)
    got = feed(depacketizer, packets)
    assert content(got) == content(units)
    assert {unit.params for unit in got} == {streams.params(codec)}
    assert all(unit.dts == unit.pts and unit.lost_packets == 0 for unit in got)
    assert depacketizer.stats.received == len(packets)
    assert depacketizer.stats.highest_sequence == first_seq + len(packets) - 1


@given(ANY_CODEC, SIZES, st.integers(16, 1400), st.floats(0, 0.3), st.randoms(use_true_random=False))
def test_following_changes_nothing_but_the_time_it_takes(codec, sizes, mtu, rate, rng):
    packets = make_packets(codec, make_units(codec, sizes), mtu=mtu, first_seq=65_500)
    came = []
    for packet in packets:
        if rng.random() >= rate:
            odd = {"payload_type": 97} if rng.random() < rate else {"ssrc": 9} if rng.random() < rate else {}
            came += [changed(packet, **odd)] * (1 + (rng.random() < rate))
    one_by_one, together = make(codec), make(codec)
    got = feed(one_by_one, came, step_ns=0)
    assert content(feed_framed(together, came)) == content(got)
    assert together.stats == one_by_one.stats


@CODECS
def test_most_packets_of_a_large_picture_are_followed(codec):
    packets = make_packets(codec, make_units(codec, [[50_000]]), mtu=1200)
    depacketizer, pushed = make(codec), []
    push = depacketizer.push
    counting = SimpleNamespace(push=lambda *args: pushed.append(1) or push(*args), follow=depacketizer.follow)
    assert len(feed_framed(counting, packets)) == 1
    assert len(packets) > 40
    assert len(pushed) == 3  # the parameter sets, the first fragment and the last


@CODECS
def test_frames_of_another_channel_are_not_followed(codec):
    sets, first, *rest = make_packets(codec, make_units(codec, [[5_000]]), mtu=1200)
    depacketizer = make(codec)
    framed = b"".join(b"$\x02" + len(packet).to_bytes(2, "big") + packet for packet in rest)
    assert feed(depacketizer, [sets, first]) == []
    assert depacketizer.follow(framed, 0, len(framed), 0x2400) == 0
    assert depacketizer.follow(framed, 0, len(framed), 0x2402) == len(framed) - len(rest[-1]) - 4


@given(ANY_CODEC, SIZES, st.integers(50, 1400), st.floats(0.01, 0.5), st.randoms(use_true_random=False))
def test_lost_packets_cost_only_their_own_pictures(codec, sizes, mtu, rate, rng):
    units = make_units(codec, sizes)
    packets = make_packets(codec, units, mtu=mtu)
    kept = [packet for packet in packets if rng.random() >= rate]
    whole = {
        unit.pts
        for unit in units
        if all(packet in kept for packet in packets if parse_packet(packet).timestamp == unit.pts)
    }
    depacketizer = make(codec, origin_ts32=0)
    got = feed(depacketizer, kept)
    by_pts = {unit.pts: unit for unit in units}
    assert all(unit.data == by_pts[unit.pts].data for unit in got)
    delivered = {unit.pts for unit in got}
    assert whole <= delivered
    only_sets_missing = {unit.pts for unit in got} - whole
    assert all(by_pts[pts].is_key for pts in only_sets_missing)
    assert sum([unit.lost_packets for unit in got]) <= depacketizer.stats.lost
    assert depacketizer.stats.received == len(kept)


@given(ANY_CODEC, SIZES, st.integers(100, 1400), st.integers(0, 0xFFFF), st.randoms(use_true_random=False))
def test_reordering_and_duplicates_are_healed_by_the_window(codec, sizes, mtu, first_seq, rng):
    units = make_units(codec, sizes)
    packets = make_packets(codec, units, mtu=mtu, first_seq=first_seq)
    head, tail = packets[:1], packets[1:]
    shuffled = sorted(enumerate(tail), key=lambda item: item[0] + rng.uniform(0, 6))
    arriving = head + [packet for _, packet in shuffled for _ in range(rng.choice([1, 1, 2]))]
    window = ReorderBuffer(window=64)
    ordered = [packet for number, one in enumerate(arriving) for packet in window.push(one, number)]
    assert content(feed(make(codec), ordered)) == content(units)


@CODECS
def test_duplicates_and_late_packets_are_dropped_without_a_window(codec):
    units = make_units(codec, [[3000]] * 6)
    packets = make_packets(codec, units)
    depacketizer = make(codec)
    assert content(feed(depacketizer, [packet for packet in packets for _ in range(2)])) == content(units)
    assert depacketizer.stats.late == len(packets)
    assert depacketizer.stats.lost == 0


@CODECS
def test_without_markers_a_new_timestamp_ends_the_picture(codec):
    units = make_units(codec, [[3000], [500, 700], [20], [900]])
    packets = [changed(packet, has_marker=False) for packet in make_packets(codec, units)]
    assert content(feed(make(codec), packets)) == content(units[:-1])


@CODECS
def test_a_lost_marker_and_a_new_picture_in_one_packet_give_two_units(codec):
    units = make_units(codec, [[200], [300]])
    first, second = make_packets(codec, units)[-2:]
    depacketizer = make(codec)
    assert depacketizer.push(changed(first, has_marker=False), 0, len(first), 1, 1) is None
    done = depacketizer.push(second, 0, len(second), 2, 2)
    assert [unit.received_mono_ns for unit in done] == [1, 2]
    assert [unit.data for unit in done] == [unit.data for unit in units]


@CODECS
def test_markers_on_parameter_sets_and_sei_end_nothing(codec):
    sets = streams.SETS[codec]
    picture = slice_nal(codec, 400, 1, is_key=True)
    sei = sei_nal(codec)
    packets = []
    for nal in [*sets, sei, picture]:
        packets += payload_packets([nal], first_seq=len(packets))
    got = feed(make(codec), packets)
    assert content(got) == content([streams.unit_of(codec, [sei, picture], 0, is_key=True)])


@CODECS
def test_markers_on_every_slice_are_seen_through(codec):
    units = make_units(codec, [[300, 300, 300]] * 4, gop=100)
    packets = [changed(packet, has_marker=True) for packet in make_packets(codec, units)]
    depacketizer = make(codec)
    got = feed(depacketizer, packets)
    assert depacketizer.has_bad_markers
    assert content(got)[1:] == content(units[1:-1])


@CODECS
def test_a_whole_access_unit_with_start_codes_in_one_packet(codec):
    picture = slice_nal(codec, 400, 1, is_key=True)
    annexb = to_annexb([*streams.SETS[codec], picture])
    for payload in (annexb, annexb[4:], annexb[1:]):
        depacketizer = make_depacketizer(0, replace(streams.params(codec), parameter_sets=()))
        got = feed(depacketizer, payload_packets([payload]))
        assert content(got) == content([streams.unit_of(codec, [picture], 0, is_key=True)])
        assert got[0].params == streams.params(codec)


@CODECS
def test_a_whole_access_unit_with_start_codes_in_fragments(codec):
    picture = slice_nal(codec, 4000, 1, is_key=True)
    annexb = to_annexb([*streams.SETS[codec], picture])[4:]
    as_one_nal = streams.unit_of(codec, [annexb], 0)
    got = feed(make(codec), make_packets(codec, [as_one_nal]))
    assert content(got) == content([streams.unit_of(codec, [picture], 0, is_key=True)])


@CODECS
def test_units_are_withheld_until_in_band_sets_come(codec):
    units = make_units(codec, [[300]] * 8, gop=4)
    packets = make_packets(codec, units)
    depacketizer = make_depacketizer(0, replace(streams.params(codec), parameter_sets=(), rfc6381=""))
    got = feed(depacketizer, packets[1:])  # without the first sets
    assert content(got) == [(unit.pts - units[4].pts, unit.is_key, unit.data) for unit in units[4:]]
    assert got[0].params == streams.params(codec)
    assert depacketizer.stats.withheld_units == 4


@CODECS
def test_wrong_sets_in_sdp_are_replaced_by_those_in_band(codec):
    wrong = replace(streams.params(codec), parameter_sets=(b"\x67junk", b"\x42\x01junk", b"\x68"))
    depacketizer = make_depacketizer(0, wrong)
    assert not depacketizer.params.is_complete
    got = feed(depacketizer, make_packets(codec, make_units(codec, [[300]])))
    assert got[0].params == streams.params(codec)


@CODECS
def test_sets_changed_in_band_make_new_parameters_on_the_units_that_follow(codec):
    before = make_units(codec, [[300]] * 3)
    other = streams.MODULES[codec].codec_params(streams.OTHER_SETS[codec])
    after = [unit._replace(params=other, pts=unit.pts + 3 * 3600) for unit in before]
    again = [unit._replace(pts=unit.pts + 6 * 3600) for unit in before]
    depacketizer = make(codec)
    got = feed(depacketizer, make_packets(codec, [*before, *after, *again]))
    assert content(got) == content([*before, *after, *again])
    assert [unit.params for unit in got] == [streams.params(codec)] * 3 + [other] * 3 + [streams.params(codec)] * 3
    assert got[3].params is got[5].params


@CODECS
def test_repeated_sets_make_no_new_parameters(codec):
    given_params = replace(streams.params(codec), fps=7.0)
    depacketizer = make_depacketizer(0, given_params)
    got = feed(depacketizer, make_packets(codec, make_units(codec, [[300]] * 11)))
    assert len(got) == 11
    assert all(unit.params is given_params for unit in got)


@CODECS
def test_broken_sets_in_band_are_counted_and_ignored(codec):
    broken = b"\x67\x64\x00" if codec is Codec.H264 else b"\x42\x01\x01"
    packets = payload_packets([broken, slice_nal(codec, 90, 1)])
    depacketizer = make(codec)
    assert [unit.params for unit in feed(depacketizer, packets)] == [streams.params(codec)]
    assert depacketizer.stats.malformed == 1


def fragments(codec: Codec, nal: bytes) -> list[bytes]:
    return [parse_packet(packet).payload for packet in make_packets(codec, [streams.unit_of(codec, [nal], 0)])]


@CODECS
def test_a_type_that_changes_inside_a_fragment_is_that_of_its_start(codec):
    nal = slice_nal(codec, 5000, 1)
    at = 1 if codec is Codec.H264 else 2
    payloads = fragments(codec, nal)
    payloads[1:] = [part[:at] + bytes((part[at] & 0xC0 | 5,)) + part[at + 1 :] for part in payloads[1:]]
    got = feed(make(codec), payload_packets(payloads))
    assert content(got) == content([streams.unit_of(codec, [nal], 0)])


@CODECS
def test_fragments_without_end_bit_end_with_the_next_or_the_marker(codec):
    nals = [slice_nal(codec, 3000, 1), slice_nal(codec, 3000, 2, is_first=False)]
    at = 1 if codec is Codec.H264 else 2
    payloads = [
        part[:at] + bytes((part[at] & 0xBF,)) + part[at + 1 :] for nal in nals for part in fragments(codec, nal)
    ]
    got = feed(make(codec), payload_packets(payloads))
    assert content(got) == content([streams.unit_of(codec, nals, 0)])


@CODECS
def test_a_whole_nal_unit_ends_a_fragment_without_end_bit(codec):
    picture = slice_nal(codec, 90, 1)
    cut_set = fragments(codec, streams.SETS[codec][0] + bytes(2000))[0]
    got = feed(make(codec), payload_packets([cut_set, picture]))
    assert content(got) == content([streams.unit_of(codec, [picture], 0)])


@CODECS
def test_empty_fragments_and_payloads_are_stepped_over(codec):
    nal = slice_nal(codec, 3000, 1)
    header = 2 if codec is Codec.H264 else 3
    payloads = fragments(codec, nal)
    middle = payloads[1][: header - 1] + b"\x01"
    payloads[1:1] = [middle, b"", payloads[1][:1]]
    got = feed(make(codec), payload_packets(payloads))
    assert content(got) == content([streams.unit_of(codec, [nal], 0)])


@CODECS
def test_an_empty_last_fragment_ends_the_nal_unit(codec):
    nals = [slice_nal(codec, 3000, 1), slice_nal(codec, 100, 2, is_first=False)]
    at = 1 if codec is Codec.H264 else 2
    payloads = fragments(codec, nals[0])
    end = payloads[-1]
    payloads[-1] = end[:at] + bytes((end[at] & 0xBF,)) + end[at + 1 :]
    got = feed(make(codec), payload_packets([*payloads, end[: at + 1], nals[1]]))
    assert content(got) == content([streams.unit_of(codec, nals, 0)])


@CODECS
def test_joining_in_the_middle_of_a_picture_drops_that_picture(codec):
    units = make_units(codec, [[5000], [300], [300]])
    got = feed(make(codec), make_packets(codec, units)[3:])
    assert content(got) == [(0, False, units[1].data), (3600, False, units[2].data)]


@CODECS
def test_loss_is_told_with_the_next_unit(codec):
    units = make_units(codec, [[300], [300], [3000], [300]], gop=100)
    packets = make_packets(codec, units)
    del packets[-3]
    depacketizer = make(codec)
    got = feed(depacketizer, packets)
    assert content(got) == content([units[0], units[1], units[3]])
    assert [unit.lost_packets for unit in got] == [0, 0, 1]
    assert depacketizer.stats.dropped_units == 1
    assert depacketizer.stats.expected == depacketizer.stats.received + 1


@CODECS
def test_a_new_sequence_is_believed_after_two_packets_in_order(codec):
    units = make_units(codec, [[300]] * 10, gop=100)
    packets = make_packets(codec, units[:5]) + make_packets(codec, units[5:], first_seq=40_000)
    depacketizer = make(codec)
    assert content(feed(depacketizer, packets)) == content([*units[:5], *units[6:]])
    assert depacketizer.stats.resets == 1
    assert depacketizer.stats.lost == 0
    assert depacketizer.stats.highest_sequence == 40_004


@CODECS
def test_strays_of_another_type_or_source_disturb_nothing(codec):
    units = make_units(codec, [[2000]] * 5)
    packets = []
    for number, packet in enumerate(make_packets(codec, units)):
        stray = RtpPacket(payload_type=50, sequence=number, timestamp=7, ssrc=0x1234, payload=b"x").to_bytes()
        packets += [changed(packet, ssrc=99), stray, packet]
    depacketizer = make(codec, payload_type=96, ssrc=0x1234)
    assert content(feed(depacketizer, packets)) == content(units)
    assert depacketizer.stats.strays == 2 * len(packets) // 3


@CODECS
def test_strays_that_take_a_sequence_number_are_no_loss(codec):
    packets = make_packets(codec, make_units(codec, [[2000]] * 3))
    numbered = []
    for packet in packets:
        numbered += [packet, changed(packet, payload_type=50)]
    numbered = [changed(packet, sequence=at) for at, packet in enumerate(numbered)]
    depacketizer = make(codec)
    assert len(feed(depacketizer, numbered)) == 3
    assert depacketizer.stats.lost == 0


@CODECS
def test_another_source_is_believed_when_ours_has_been_silent_for_a_second(codec):
    units = make_units(codec, [[300]] * 8, gop=100)
    packets = make_packets(codec, units[:4])
    other = [changed(packet, ssrc=77) for packet in make_packets(codec, units[4:], ts_offset=123_456_789)]
    depacketizer = make(codec)
    feed(depacketizer, packets)
    last_ns = (len(packets) - 1) * 1_000_000
    assert depacketizer.push(other[0], 0, len(other[0]), last_ns + 10**9, 0) is None
    unit = depacketizer.push(other[1], 0, len(other[1]), last_ns + 2 * 10**9, 0)
    assert unit.data == units[5].data
    assert unit.pts == units[3].pts + 180_000  # the time it was silent
    assert depacketizer.stats.ssrc == 77


@CODECS
def test_a_wrong_ssrc_in_setup_costs_a_second(codec):
    packets = make_packets(codec, make_units(codec, [[300]] * 120, gop=1000))
    got = feed(make(codec, ssrc=5), packets, step_ns=10_000_000)
    assert len(got) == 120 - 100


@CODECS
def test_padding_extensions_and_contributing_sources_are_stepped_over(codec):
    units = make_units(codec, [[3000], [100]])
    packets = [
        changed(packet, padding_bytes=7, csrcs=(1, 2), extension_profile=0xBEDE, extension=b"\x10\xaa\0\0")
        for packet in make_packets(codec, units)
    ]
    assert content(feed(make(codec), packets)) == content(units)


@CODECS
def test_a_picture_that_never_ends_is_cut_off_at_the_limit(codec):
    start, middle, _ = fragments(codec, slice_nal(codec, 3000, 1))
    big = middle + bytes(random.Random(1).randbytes(60_000))
    depacketizer = make(codec)
    sizes = []
    for number in range(300):
        packet = payload_packets([start if number == 0 else big], first_seq=number, marker=False)[0]
        feed(depacketizer, [packet])
        sizes.append(len(depacketizer._unit))
    assert max(sizes) <= MAX_UNIT_BYTES + 70_000
    assert depacketizer.stats.malformed == 1
    last = payload_packets([slice_nal(codec, 90, 3)], ts=3600, first_seq=300)
    assert len(feed(depacketizer, last)) == 1
    assert depacketizer.stats.dropped_units == 1


@CODECS
def test_many_wraps_of_the_timestamp_leave_no_mark(codec):
    units = make_units(codec, [[60]] * 40, gop=100)
    spread = [unit._replace(pts=number * (2**31 - 1), dts=0) for number, unit in enumerate(units)]
    got = feed(make(codec), make_packets(codec, spread, ts_offset=2**32 - 1))
    assert [unit.pts for unit in got] == [unit.pts for unit in spread]


@CODECS
def test_pts_offset_and_origin_place_the_track_on_the_common_timeline(codec):
    packets = make_packets(codec, make_units(codec, [[60]] * 2), ts_offset=5000)
    got = feed(make(codec, origin_ts32=4000, pts_offset=50), packets)
    assert [(unit.pts, unit.dts) for unit in got] == [(1050, 1050), (4650, 4650)]


@CODECS
def test_jitter_of_even_arrival_is_nothing_and_of_uneven_something(codec):
    packets = make_packets(codec, make_units(codec, [[60]] * 50, gop=100))
    even, uneven = make(codec), make(codec)
    feed(even, packets, step_ns=40_000_000)
    for number, packet in enumerate(packets):
        uneven.push(packet, 0, len(packet), number * 40_000_000 + (number % 2) * 10_000_000, 0)
    assert even.stats.jitter < 200  # the sets of the first picture came 40 ms earlier
    assert 500 < uneven.stats.jitter < 1000  # 10 ms are 900 ticks


@CODECS
def test_malformed_packets_are_counted(codec):
    depacketizer = make(codec)
    unknown = bytes((0x1F,)) if codec is Codec.H264 else bytes((50 << 1, 1, 0))
    cut_aggregate = b"\x18\x00\x09\x67" if codec is Codec.H264 else b"\x60\x01\x00\x09\x40"
    for payload in (unknown, cut_aggregate):
        feed(depacketizer, payload_packets([payload], first_seq=depacketizer.stats.received))
    depacketizer.push(b"", 0, 0, 0, 0)
    depacketizer.push(b"\x40" + bytes(20), 0, 21, 0, 0)
    assert depacketizer.stats.malformed == 4


@CODECS
def test_filler_and_delimiters_are_left_out(codec):
    junk = [b"\x09\x10", b"\x0c\xff\xff\x80"] if codec is Codec.H264 else [b"\x46\x01\x10", b"\x4c\x01\xff\x80"]
    picture = slice_nal(codec, 100, 1)
    got = feed(make(codec), payload_packets([junk[0], picture, junk[1]]))
    assert content(got) == content([streams.unit_of(codec, [picture], 0)])


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_any_buffer_will_do_and_nothing_of_it_is_kept(kind):
    units = make_units(Codec.H264, [[3000]])
    depacketizer = make(Codec.H264)
    got = []
    for packet in make_packets(Codec.H264, units):
        backing = bytearray(packet)
        buffer = backing if kind is bytearray else kind(backing)
        got.append(depacketizer.push(buffer, 0, len(packet), 0, 0))
        backing[:] = bytes(len(backing))
    assert content([unit for unit in got if unit]) == content(units)
    assert type(got[-1].data) is bytes
