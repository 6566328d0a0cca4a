"""The packet history."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.rtp.cache import PacketHistory


@given(st.integers(0, 0xFFFF), st.integers(1, 300))
def test_the_last_packets_are_found_and_no_others(first, count):
    history = PacketHistory(64)
    for number in range(count):
        history.store((first + number) & 0xFFFF, b"%d" % number)
    for number in range(count):
        found = history.get((first + number) & 0xFFFF)
        assert found == (b"%d" % number if number >= count - 64 else None)
    assert history.get((first + count) & 0xFFFF) is None


def test_a_cleared_history_is_empty():
    history = PacketHistory(2)
    history.store(1, b"x")
    history.clear()
    assert history.get(1) is None
    assert history.capacity == 2


@pytest.mark.parametrize("capacity", [0, 3, 65536, -1])
def test_odd_capacities_are_refused(capacity):
    with pytest.raises(ValueError, match="power of two"):
        PacketHistory(capacity)
