"""Numbering for many viewers: nobody sees a hole, a repeat or a step back, however they come and go."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.fanout import (
    CATCH_UP_SPAN_TICKS,
    GROUP_MAX_PACKETS,
    LEAST_SPAN_TICKS,
    PEOPLE,
    GroupLimit,
    History,
    Packet,
    Place,
    RunTimeline,
    SplicePoint,
    splice_group,
    splice_live,
)


def unit(timestamp: int, count: int = 2, size: int = 10) -> list[Packet]:
    return [Packet(bytes(size), timestamp, 0x80 if n == count - 1 else 0) for n in range(count)]


def test_history_keeps_the_group_and_at_least_what_nack_needs():
    history = History(nack_packets=4)
    history.append(unit(0, 3), is_key=True)
    history.append(unit(3600, 3), is_key=False)
    assert history.group_seq == 0
    assert len(history) == 6
    history.append(unit(7200, 2), is_key=True)
    assert history.group_seq == 6
    assert history.get(3) is None
    assert [history.get(seq) is not None for seq in range(4, 8)] == [True] * 4
    assert history.octets == 80


def test_a_group_over_the_cap_is_given_up_but_nack_history_stays():
    history = History(GroupLimit(max_bytes=100), nack_packets=4)
    history.append(unit(0, 2), is_key=True)
    history.append(unit(3600, 9), is_key=False)
    assert history.group_seq is None
    assert len(history) == 4
    assert splice_group(SplicePoint(0, 0), history, history.next_seq) is None
    history.append(unit(7200, 1), is_key=True)
    assert history.group_seq == 11


def test_a_group_of_too_many_packets_is_given_up():
    history = History()
    history.append(unit(0, 1), is_key=True)
    for n in range(GROUP_MAX_PACKETS):
        history.append(unit(n, 1), is_key=False)
    assert history.group_seq is None
    assert len(history) == 1024


def test_end_of_run_leaves_nothing_to_start_from():
    history = History()
    history.append(unit(0), is_key=True)
    history.end_group()
    assert splice_group(SplicePoint(0, 0), history, history.next_seq) is None


@given(
    frames=st.integers(2, 400),
    gap=st.integers(1, 9000),
    first_seq=st.integers(0, 70_000),
    first_ts=st.integers(0, 2**33),
    before=st.integers(0, 100_000),
)
def test_a_spliced_group_is_contiguous_increasing_and_ends_live(frames, gap, first_seq, first_ts, before):
    history = History()
    for n in range(before % 50):
        history.append(unit(n), is_key=False)
    for n in range(frames):
        history.append(unit(before + n * gap, 2), is_key=n == 0)
    splice = splice_group(SplicePoint(first_seq, first_ts), history, history.next_seq)
    seqs = range(splice.start_seq, history.next_seq)
    assert [splice.out_seq(seq) for seq in seqs] == [(first_seq + n) & 0xFFFF for n in range(len(seqs))]
    stamps = [splice.out_ts(history.get(seq).timestamp) for seq in seqs][::2]
    assert stamps[0] == first_ts
    span = min((frames - 1) * gap, CATCH_UP_SPAN_TICKS)
    assert stamps[-1] == first_ts + span
    if frames <= span:
        assert all(a < b for a, b in pairwise(stamps))
    live_ts = before + frames * gap
    assert splice.out_ts(live_ts) - stamps[-1] == gap
    next_seq = history.next_seq
    for seq in seqs:
        assert splice.source_seq(splice.out_seq(seq), next_seq) == seq
    assert splice.source_seq((first_seq - 1) & 0xFFFF, next_seq) is None


def test_only_what_the_live_viewers_have_had_is_squeezed():
    history = History()
    for n in range(50):
        history.append(unit(n * 3600, 1), is_key=n == 0)
    splice = splice_group(SplicePoint(0, 0), history, live_seq=20)
    stamps = [splice.out_ts(history.get(seq).timestamp) for seq in range(50)]
    assert stamps[19] == CATCH_UP_SPAN_TICKS
    assert {b - a for a, b in pairwise(stamps[19:])} == {3600}
    unsqueezed = splice_group(SplicePoint(0, 0), history, live_seq=0)
    assert unsqueezed.out_ts(3600) == 3600


def test_numbers_asked_for_from_the_future_or_before_the_splice_find_nothing_of_ours():
    splice = splice_live(SplicePoint(10, 1000), start_seq=500, start_ts=90_000)
    assert splice.out_seq(500) == 10
    assert splice.out_ts(90_000) == 1000
    assert splice.source_seq(9, 520) is None
    assert splice.source_seq(29, 520) == 519
    assert splice.source_seq(30, 520) is None  # not sent yet: it would be 65 515 before the head


def test_a_pause_lasts_as_long_in_timestamps():
    before = splice_live(SplicePoint(0, 5000), start_seq=0, start_ts=100)
    point = SplicePoint(7, before.out_ts(3700) + 90, before.ts_offset)
    after = splice_live(point, start_seq=7, start_ts=900_000)
    assert after.out_ts(900_000) - before.out_ts(3700) == 900_000 - 3700


class TestRunTimeline:
    def test_runs_are_joined_by_the_clock_and_never_go_back(self):
        timeline = RunTimeline(90_000)
        assert timeline.stamp(0, 1_000_000_000) == 0
        assert timeline.stamp(3600, 1_040_000_000) == 3600
        timeline.begin_run(90_000)
        assert timeline.stamp(0, 11_040_000_000) == 3600 + 900_000
        timeline.begin_run(90_000)
        assert timeline.stamp(0, 11_040_000_000) == 3600 + 900_000 + 1

    def test_tells_the_time_by_the_least_delayed_unit(self):
        timeline = RunTimeline(90_000)
        assert timeline.at(5) is None
        timeline.stamp(0, 10_000_000_000)
        timeline.stamp(3600, 10_090_000_000)  # 50 ms late
        assert timeline.at(10_040_000_000) == pytest.approx(3600, abs=5)

    def test_follows_a_slow_camera_clock_at_500_ppm_at_most(self):
        timeline = RunTimeline(1000)
        for second in range(101):
            timeline.stamp(second * 1000, 1_000_000_000 + second * 1_001_000_000)  # 1000 ppm slow
        now_ns = 1_000_000_000 + 100 * 1_001_000_000
        assert timeline.at(now_ns) == pytest.approx(100_000 + 50, abs=3)


class TestNumberedPackets:
    """Packets that bring their number, as people's do."""

    def put(self, history: History, seq: int, *, is_key: bool = False, size: int = 10, ts: int | None = None) -> Place:
        place = history.place_of(seq)
        history.put(seq, Packet(bytes(size), seq * 100 if ts is None else ts, 0), place, is_key=is_key)
        return place

    def test_each_packet_has_its_place(self):
        history = History(nack_packets=50)
        places = [self.put(history, seq) for seq in (700, 701, 704, 702, 702, 699, 705, 755, 756)]
        assert places == [
            Place.JUMP, Place.NEXT, Place.NEXT, Place.LATE, Place.IGNORED, Place.IGNORED, Place.NEXT, Place.NEXT, Place.NEXT,
        ]  # fmt: skip
        assert history.get(703) is None
        assert self.put(history, 807) is Place.JUMP
        assert (history.first_seq, history.next_seq, len(history)) == (807, 808, 1)
        assert self.put(history, 806) is Place.IGNORED

    def test_a_group_is_whole_when_nothing_is_missing_in_it(self):
        history = History(PEOPLE)
        assert not history.is_group_whole()
        self.put(history, 1, is_key=True)
        self.put(history, 3)
        assert not history.is_group_whole()
        self.put(history, 2)
        assert history.is_group_whole()
        assert history.group_bytes == 30

    def test_a_late_first_packet_of_a_key_frame_begins_its_group(self):
        history = History(PEOPLE)
        self.put(history, 1, is_key=True)
        self.put(history, 3)
        self.put(history, 4)
        self.put(history, 2, is_key=True)
        assert (history.group_seq, history.group_bytes) == (2, 30)
        self.put(history, 5)
        assert history.group_bytes == 40

    @pytest.mark.parametrize(
        ("limit", "size", "step"),
        [(GroupLimit(max_bytes=50), 10, 1), (GroupLimit(max_packets=5), 1, 1), (GroupLimit(span_s=5), 1, 90_000)],
    )
    def test_a_group_over_any_limit_is_given_up_until_the_next_key_frame(self, limit, size, step):
        history = History(limit)
        kept = []
        for seq in range(8):
            self.put(history, seq, is_key=seq in (0, 7), size=size, ts=seq * step)
            kept.append(history.group_seq)
        given_up = kept.index(None)
        assert 5 <= given_up <= 6
        assert kept == [0] * given_up + [None] * (7 - given_up) + [7]

    def test_a_group_with_a_hole_at_the_head_is_spliced_at_what_there_is(self):
        history = History(PEOPLE)
        for seq in (10, 11, 14):
            self.put(history, seq, is_key=seq == 10)
        splice = splice_group(SplicePoint(0, 0), history, live_seq=13)  # 12 and 13 are missing
        assert splice.live_ts == 1100
        assert splice.out_seq(14) == 4

    def test_what_was_shown_before_leaves_room_for_the_group(self):
        history = History(PEOPLE)
        for seq in range(10, 20):
            self.put(history, seq, is_key=seq == 10, ts=(seq - 10) * 3000)
        wished = splice_group(SplicePoint(0, 1000, ts_offset=5000), history, 20)
        assert wished.out_ts(27_000) == 32_000  # where it belongs
        assert wished.out_ts(0) == 32_000 - CATCH_UP_SPAN_TICKS
        tight = splice_group(SplicePoint(0, 31_500, ts_offset=5000), history, 20)
        assert (tight.out_ts(0), tight.out_ts(27_000)) == (31_500, 31_500 + LEAST_SPAN_TICKS)
