"""Asking for lost packets."""

from hypothesis import given
from hypothesis import strategies as st

from media.rtp.nack import MAX_MISSING, MAX_NACKED, NackTracker, pack_nacks, unpack_nacks


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


def test_what_is_missing_is_asked_for_again_until_given_up():
    tracker = NackTracker(retry_ns=50, max_tries=2)
    for seq in (65534, 65535, 2, 4):
        tracker.received(seq)
    assert tracker.missing == (0, 1, 3)
    assert tracker.due(0) == (0, 1, 3)
    assert tracker.due(49) == ()
    tracker.received(1)
    assert tracker.recovered == 1
    assert tracker.due(50) == (0, 3)
    assert tracker.due(100) == ()
    assert tracker.missing == ()
    assert tracker.given_up == 2


def test_memory_is_bounded_and_a_new_sequence_asks_for_nothing():
    tracker = NackTracker()
    tracker.received(0)
    tracker.received(2000)
    assert len(tracker.missing) == MAX_MISSING
    assert tracker.given_up == 1999 - MAX_MISSING
    tracker.received(30_000)
    assert tracker.missing == ()
    tracker.received(30_002)
    assert tracker.missing == (30_001,)


def test_duplicates_and_strangers_from_the_past_change_nothing():
    tracker = NackTracker()
    for seq in (10, 11, 10, 5):
        tracker.received(seq)
    assert tracker.missing == ()
    assert tracker.recovered == 0
