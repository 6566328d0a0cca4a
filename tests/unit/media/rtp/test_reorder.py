"""The reordering window."""

from hypothesis import given
from hypothesis import strategies as st

from media.rtp.reorder import ReorderBuffer


def packet(seq: int) -> bytes:
    return b"\x80\x60" + (seq & 0xFFFF).to_bytes(2, "big") + bytes(8)


def numbers(packets: list[bytes]) -> list[int]:
    return [int.from_bytes(one[2:4], "big") for one in packets]


def test_packets_in_order_pass_at_once():
    window = ReorderBuffer()
    assert [numbers(window.push(packet(seq), 0)) for seq in (65534, 65535, 65536)] == [[65534], [65535], [0]]
    assert len(window) == 0


def test_a_missing_packet_is_waited_for_and_then_all_pass():
    window = ReorderBuffer()
    window.push(packet(0), 0)
    assert window.push(packet(2), 0) == []
    assert window.push(packet(3), 0) == []
    assert numbers(window.push(packet(1), 0)) == [1, 2, 3]
    assert window.reordered == 2


def test_a_missing_packet_is_given_up_after_the_wait():
    window = ReorderBuffer(max_wait_ns=100)
    window.push(packet(0), 0)
    window.push(packet(2), 10)
    assert window.expire(109) == []
    assert numbers(window.expire(110)) == [2]
    window.push(packet(5), 200)
    assert numbers(window.push(packet(7), 300)) == [5]
    assert window.push(packet(1), 301) == []
    assert window.late == 1


def test_a_missing_packet_is_given_up_when_the_window_is_full():
    window = ReorderBuffer(window=4)
    window.push(packet(0), 0)
    got = [numbers(window.push(packet(seq), 0)) for seq in (2, 3, 5, 6)]
    assert got == [[], [], [], [2, 3]]
    assert numbers(window.push(packet(4), 0)) == [4, 5, 6]


def test_duplicates_are_dropped_waiting_or_gone():
    window = ReorderBuffer()
    for seq in (0, 0, 2, 2):
        window.push(packet(seq), 0)
    assert window.late == 2


def test_a_new_sequence_releases_what_waits():
    window = ReorderBuffer()
    window.push(packet(0), 0)
    window.push(packet(3), 0)
    window.push(packet(2), 0)
    assert numbers(window.push(packet(30_000), 0)) == [2, 3, 30_000]
    assert numbers(window.push(packet(30_001), 0)) == [30_001]


def test_what_is_no_packet_is_handed_on():
    assert ReorderBuffer().push(b"abc", 0) == [b"abc"]


@given(st.lists(st.tuples(st.integers(0, 0xFFFF), st.integers(0, 50))), st.integers(1, 20))
def test_any_input_keeps_the_window_small_and_loses_nothing_uncounted(arrivals, size):
    window = ReorderBuffer(window=size, max_wait_ns=100)
    now, released = 0, 0
    for seq, wait in arrivals:
        now += wait
        released += len(window.push(packet(seq), now))
        assert len(window) < max(size, 1)
    assert released + window.late + len(window) == len(arrivals)
