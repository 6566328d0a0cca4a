"""Asking for lost packets."""

from hypothesis import given
from hypothesis import strategies as st

from media.rtp.nack import (
    GIVE_UP_NS,
    MAX_MISSING,
    MAX_NACKED,
    MIN_RETRY_NS,
    REORDER_WAIT_NS,
    NackTracker,
    RoundTrip,
    pack_nacks,
    unpack_nacks,
)

MS = 1_000_000


@given(st.sets(st.integers(0, 3000), max_size=200), st.integers(0, 0xFFFF))
def test_pairs_round_trip_across_the_wrap(offsets, first):
    sequences = tuple((first + offset) & 0xFFFF for offset in sorted(offsets))
    assert unpack_nacks(pack_nacks(sequences)) == sequences


def test_seventeen_in_a_row_are_one_pair():
    assert pack_nacks(range(10, 27)) == b"\x00\x0a\xff\xff"
    assert pack_nacks([5, 5]) == b"\x00\x05\x00\x00"


def test_a_flood_is_cut():
    assert len(unpack_nacks(b"\x00\x0a\xff\xff" * 1000)) == MAX_NACKED
    assert unpack_nacks(b"\x00\x0a\xff") == ()


def tracker_of(round_trip_ns: int = 100 * MS) -> NackTracker:
    return NackTracker(RoundTrip(round_trip_ns))


def test_what_only_came_out_of_order_is_not_asked_for():
    tracker = tracker_of()
    tracker.skipped(10, 12, 0)
    assert tracker.due(REORDER_WAIT_NS - 1) == []
    assert tracker.arrived(10, REORDER_WAIT_NS - 1, is_repair=False)
    assert tracker.due(REORDER_WAIT_NS) == [11]
    assert (tracker.reordered, tracker.recovered, tracker.asked) == (1, 0, 1)


def test_what_is_missing_is_asked_for_once_a_round_trip_until_given_up():
    tracker = tracker_of(200 * MS)
    tracker.skipped(7, 10, 0)
    asked = [(now // MS, tracker.due(now)) for now in range(0, GIVE_UP_NS + 1, 10 * MS)]
    assert [(at, numbers) for at, numbers in asked if numbers] == [(at, [7, 8, 9]) for at in range(10, 1000, 200)]
    assert tracker.missing == ()
    assert tracker.given_up == 3
    assert tracker.misses(8)
    assert tracker.arrived(8, GIVE_UP_NS, is_repair=True), "better late than never"
    assert not tracker.misses(8)
    assert not tracker.arrived(8, GIVE_UP_NS, is_repair=True), "a repeat"


def test_the_first_answer_tells_the_round_trip_and_later_ones_tell_nothing():
    trip = RoundTrip()
    tracker = NackTracker(trip)
    tracker.skipped(1, 3, 0)
    tracker.due(10 * MS)
    tracker.arrived(1, 50 * MS, is_repair=True)
    assert (trip.is_measured, trip.smoothed_ns) == (True, 40 * MS)
    assert trip.retry_ns == 60 * MS
    tracker.due(200 * MS)
    tracker.arrived(2, 201 * MS, is_repair=True)
    assert trip.smoothed_ns == 40 * MS


def test_the_round_trip_is_smoothed_and_the_wait_has_limits():
    trip = RoundTrip()
    for took_ms in [80, 100, 60] * 50:
        trip.sample(took_ms * MS)
    assert 70 * MS < trip.smoothed_ns < 90 * MS
    assert 90 * MS < trip.retry_ns < 140 * MS
    for _ in range(100):
        trip.sample(1 * MS)
    assert trip.retry_ns == MIN_RETRY_NS
    trip.sample(10**12)
    assert trip.smoothed_ns < 1000 * MS


def test_memory_is_bounded_and_the_oldest_are_given_up():
    tracker = tracker_of()
    tracker.skipped(0, 2000, 0)
    assert tracker.missing == tuple(range(2000 - MAX_MISSING, 2000))
    assert tracker.given_up == 2000 - MAX_MISSING
    tracker.skipped(2001, 2011, 0)
    assert len(tracker) == MAX_MISSING
    assert tracker.misses(2000 - MAX_MISSING), "given up, not forgotten"
    tracker.forget()
    assert len(tracker) == 0
    assert not tracker.misses(2000)


def test_what_was_never_missing_is_a_repeat():
    assert not tracker_of().arrived(5, 0, is_repair=False)


def test_where_packets_overtake_one_another_asking_waits_longer_and_the_round_trip_stays():
    trip = RoundTrip()
    tracker = NackTracker(trip)
    tracker.skipped(1, 2, 0)
    assert tracker.due(REORDER_WAIT_NS) == [1]
    tracker.arrived(1, 20 * MS, is_repair=False)
    assert not trip.is_measured
    tracker.skipped(5, 6, 100 * MS)
    assert tracker.due(119 * MS) == []
    assert tracker.due(120 * MS) == [5]
    for number in range(10, 1000, 2):
        tracker.skipped(number, number + 1, 200 * MS)
        tracker.arrived(number, 200 * MS, is_repair=False)
    tracker.skipped(2000, 2001, 300 * MS)
    assert tracker.due(301 * MS)[-1:] == [2000], "forgotten where they stopped"
