"""What the kernel makes of a batch: single packets, runs it cuts apart, and runs it will not take."""

import errno
import socket

import pytest

from streams.webrtc import batch as batch_module
from streams.webrtc.batch import UDP_SEGMENT, Batch, PeerAddress


class Place:
    """A batch and two receivers."""

    def __init__(self) -> None:
        self.sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sender.bind(("127.0.0.1", 0))
        self.sender.setblocking(False)
        self.receivers = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
        for receiver in self.receivers:
            receiver.bind(("127.0.0.1", 0))
            receiver.setblocking(False)
        self.addresses = [PeerAddress(*receiver.getsockname()) for receiver in self.receivers]
        self.batch = Batch(self.sender.fileno(), 12, takes_runs=True)

    def put(self, which: int, *packets: bytes) -> None:
        """Add a run to receiver `which`."""
        batch, first = self.batch, self.batch.filled
        for packet in packets:
            batch.slots[batch.filled].view[: len(packet)] = packet
            batch.lengths[batch.filled] = len(packet)
            batch.filled += 1
        if len(packets) > 1:
            batch.add_runs([(self.addresses[which], len(packets[0]))], first, len(packets))
        else:
            batch.add_singles([self.addresses[which].pointer], first)

    def received(self, which: int) -> list[bytes]:
        """Return what has arrived."""
        found = []
        while True:
            try:
                found.append(self.receivers[which].recv(4096))
            except BlockingIOError:
                return found


@pytest.fixture
def place():
    made = Place()
    yield made
    for sock in (made.sender, *made.receivers):
        sock.close()


def refusing(monkeypatch, *, number: int, times: int, run_only: bool, batch: Batch) -> list[int]:
    """Let the kernel refuse what comes first in a call, `times` times."""
    real, refused = batch_module._sendmmsg, []

    def send(fd, vector, count, flags):
        first = (vector - batch._header_address) // 64
        if len(refused) < times and (batch.counts[first] > 1 or not run_only):
            refused.append(first)
            batch_module.ctypes.set_errno(number)
            return -1
        return real(fd, vector, 1, flags)

    monkeypatch.setattr(batch_module, "_sendmmsg", send)
    return refused


def test_a_run_arrives_as_its_packets_and_the_last_may_be_smaller(place):
    place.put(0, b"a" * 900, b"b" * 900, b"c" * 30)
    place.put(1, b"one")
    place.put(0, b"d" * 40, b"e" * 40)
    assert place.batch.send()
    assert place.received(0) == [b"a" * 900, b"b" * 900, b"c" * 30, b"d" * 40, b"e" * 40]
    assert place.received(1) == [b"one"]
    assert (place.batch.used, place.batch.filled, place.batch.failed) == (0, 0, 0)


def test_a_packet_of_a_run_that_could_not_be_protected_is_left_out_alone(place):
    place.put(0, b"a" * 50, b"b" * 50, b"c" * 50)
    place.batch.lengths[1] = 0
    assert place.batch.send()
    assert place.received(0) == [b"a" * 50, b"c" * 50]


@pytest.mark.parametrize("number", [errno.EIO, errno.EINVAL, errno.EMSGSIZE])
def test_a_run_the_kernel_will_not_take_goes_packet_by_packet_and_no_other_is_tried_there(place, monkeypatch, number):
    refused = refusing(monkeypatch, number=number, times=1, run_only=True, batch=place.batch)
    place.put(1, b"x")
    place.put(0, b"a" * 50, b"b" * 50, b"c" * 50)
    place.put(1, b"y" * 9, b"z" * 9)
    place.put(0, b"d" * 50, b"e" * 50)
    assert place.batch.send()
    place.put(0, b"f" * 50, b"g" * 50)
    assert place.batch.send()
    assert refused == [1]
    assert place.received(0) == [letter * 50 for letter in (b"a", b"b", b"c", b"d", b"e", b"f", b"g")]
    assert place.received(1) == [b"x", b"y" * 9, b"z" * 9]
    assert (place.batch.refused_runs, place.batch.failed) == (1, 0)
    assert [address.takes_runs for address in place.addresses] == [False, True]


def test_a_full_kernel_keeps_the_rest_in_order(place, monkeypatch):
    place.put(0, b"a" * 50, b"b" * 50)
    place.put(1, b"x")
    refusing(monkeypatch, number=errno.EAGAIN, times=3, run_only=False, batch=place.batch)
    assert [place.batch.send() for _ in range(4)] == [False, False, False, True]
    assert place.received(0) == [b"a" * 50, b"b" * 50]
    assert place.received(1) == [b"x"]
    assert place.batch.blocked == 3


def test_packets_nobody_can_send_are_counted_one_by_one_and_hurt_nobody(place):
    place.addresses[0] = PeerAddress("255.255.255.255", 9)  # a broadcast nobody allowed
    place.put(0, b"a" * 50, b"b" * 50)
    place.put(1, b"x", b"y")
    assert place.batch.send()
    assert place.received(1) == [b"x", b"y"]
    assert place.batch.failed == 2


def test_this_kernel_knows_segments(place):
    assert place.sender.getsockopt(socket.SOL_UDP, UDP_SEGMENT) == 0
