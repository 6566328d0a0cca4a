import random

import pytest

from streams.fanout import Packet
from streams.recording.order import RESTART_STEP, WAIT_NS, WINDOW_PACKETS, Order

PACKET = Packet(b"x", 0, 0)
MS = 1_000_000


def seqs(arrived):
    return [each.seq for each in arrived]


def test_packets_in_order_wait_for_nothing():
    order = Order()
    assert [seqs(order.push(seq, PACKET, 0)) for seq in (70_000, 70_001, 70_002)] == [[70_000], [70_001], [70_002]]


def test_a_late_repair_within_half_a_second_fills_its_hole():
    order = Order()
    assert seqs(order.push(10, PACKET, 0)) == [10]
    assert seqs(order.push(12, PACKET, 10 * MS)) == []
    assert seqs(order.push(13, PACKET, 400 * MS)) == []
    assert seqs(order.push(11, PACKET, 500 * MS)) == [11, 12, 13]
    assert order.lost == 0


def test_a_hole_is_given_up_when_the_first_behind_it_has_waited_long_enough():
    order = Order()
    order.push(10, PACKET, 0)
    order.push(12, PACKET, 10 * MS)
    assert seqs(order.expire(10 * MS + WAIT_NS - 1)) == []
    assert seqs(order.expire(10 * MS + WAIT_NS)) == [12]
    assert order.lost == 1
    assert seqs(order.push(11, PACKET, 600 * MS)) == []
    assert order.too_late == 1


def test_the_time_of_arrival_stays_with_the_packet():
    order = Order()
    order.push(1, PACKET, 1)
    order.push(3, PACKET, 2)
    assert [each.arrived_ns for each in order.push(2, PACKET, 3)] == [3, 2]


def test_a_full_window_is_not_waited_for():
    order = Order()
    order.push(0, PACKET, 0)
    released = [seq for seq in range(2, 2 + WINDOW_PACKETS) for _ in order.push(seq, PACKET, 1)]
    assert len(released) == WINDOW_PACKETS
    assert order.lost == 1


def test_another_sequence_lets_what_waits_go_first():
    order = Order()
    order.push(5, PACKET, 0)
    order.push(7, PACKET, 0)
    assert seqs(order.push(8 + RESTART_STEP, PACKET, 1)) == [7, 8 + RESTART_STEP]
    assert seqs(order.push(9 + RESTART_STEP, PACKET, 1)) == [9 + RESTART_STEP]


def test_flush_leaves_nothing_behind():
    order = Order()
    for seq in (1, 3, 6):
        order.push(seq, PACKET, 0)
    assert seqs(order.flush()) == [3, 6]
    assert order.lost == 3
    assert seqs(order.push(7, PACKET, 0)) == [7]


@pytest.mark.parametrize("seed", range(20))
def test_whatever_the_network_does_numbers_only_grow_and_none_comes_twice(seed):
    chance = random.Random(seed)
    sent = [(n * 5 * MS + chance.choice((0, 0, 0, 30, 200, 700)) * MS, n) for n in range(500) if chance.random() > 0.05]
    sent += chance.sample(sent, 30)
    order, out = Order(), []
    for at_ns, seq in sorted(sent):
        out += seqs(order.push(seq, PACKET, at_ns))
    out += seqs(order.flush())
    assert out == sorted(set(out))
    assert len(out) + order.too_late >= len({seq for _, seq in sent})
