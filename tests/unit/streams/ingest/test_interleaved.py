"""The receive loop: whatever the pieces in which bytes arrive, the same packets and messages come out."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.base.clock import SimulatedClock
from media.base.errors import RemoteProtocolError
from media.rtsp.message import Request, Response, interleaved
from streams.ingest.interleaved import InterleavedReceiver, ReceiveBuffer

BUFFER = ReceiveBuffer()


class FakeTransport:
    aborted = False

    def abort(self) -> None:
        self.aborted = True


class Rig:
    """A receiver whose channels 0 and 1 are taken down, fed in pieces."""

    def __init__(self, buffer: ReceiveBuffer = BUFFER) -> None:
        self.seen: list[object] = []
        self.lost: list[Exception | None] = []
        self.transport = FakeTransport()
        self.receiver = InterleavedReceiver(buffer, SimulatedClock(), self.seen.append)
        self.receiver.on_message = self.seen.append
        self.receiver.on_lost = self.lost.append
        self.receiver.connection_made(self.transport)
        for channel in (0, 1):
            self.receiver.channels[channel] = self.taker(channel)

    def taker(self, channel: int):
        def push(view: memoryview, start: int, end: int, _mono_ns: int, _wall_us: int) -> None:
            self.seen.append((channel, bytes(view[start:end])))

        return push

    def feed(self, data: bytes, sizes=None) -> None:
        pos = 0
        while pos < len(data):
            into = self.receiver.get_buffer(-1)
            size = min(next(sizes) if sizes else len(data), len(data) - pos, len(into))
            into[:size] = data[pos : pos + size]
            self.receiver.buffer_updated(size)
            pos += size


def pieces(largest: int):
    rng = random.Random(largest)
    while True:
        yield rng.randint(1, largest)


OPTIONS = Request("OPTIONS", "rtsp://h/")
OK = Response(200, body=b"v=0\r\n")
PACKETS = [bytes([0x80 + n]) * (40 * n) for n in range(1, 6)]
STREAM = b"".join(
    [
        interleaved(0, PACKETS[0]),
        OK.to_bytes(),
        interleaved(1, PACKETS[1]),
        b"\r\n",
        OPTIONS.to_bytes(),
        interleaved(0, PACKETS[2]),
    ]
)


@pytest.mark.parametrize("largest", [1, 2, 3, 7, 50, 1000])
def test_the_cut_of_the_pieces_does_not_matter(largest: int) -> None:
    whole, cut = Rig(), Rig()
    whole.feed(STREAM)
    cut.feed(STREAM, pieces(largest))
    assert [type(item).__name__ for item in whole.seen] == ["tuple", "Response", "tuple", "Request", "tuple"]
    assert whole.seen[0] == (0, PACKETS[0])
    assert cut.seen == whole.seen


def test_connections_share_a_buffer_without_seeing_each_others_bytes() -> None:
    first, second = Rig(), Rig()
    streams = [interleaved(0, b"a" * 300) * 20, interleaved(0, b"b" * 211) * 20]
    at = [0, 0]
    rng = random.Random(1)
    while any(pos < len(data) for pos, data in zip(at, streams, strict=True)):
        who = rng.randrange(2)
        size = rng.randint(1, 200)
        piece = streams[who][at[who] : at[who] + size]
        at[who] += len(piece)
        (first, second)[who].feed(piece)
    assert first.seen == [(0, b"a" * 300)] * 20
    assert second.seen == [(0, b"b" * 211)] * 20


def test_frames_on_channels_nobody_set_up_are_stepped_over() -> None:
    rig = Rig()
    rig.feed(interleaved(6, b"$\x00\x00\x04RTSP") + interleaved(0, b"packet"))
    assert rig.seen == [(0, b"packet")]


def test_a_follower_takes_what_it_likes_and_the_rest_is_pushed() -> None:
    rig = Rig()
    asked: list[tuple[bytes, int]] = []

    def follow(view: memoryview, pos: int, end: int, lead: int) -> int:
        asked.append((bytes(view[pos:end]), lead))
        return pos + 5 if view[pos + 4] == 0x62 else pos

    rig.receiver.followers[1] = follow
    rig.feed(b"".join(interleaved(1, letter) for letter in (b"a", b"b", b"c")))
    assert rig.seen == [(1, b"a"), (1, b"c")]
    assert asked == [(interleaved(1, b"b") + interleaved(1, b"c"), 0x2401)]
    rig.receiver.silence()
    assert not rig.receiver.followers


def test_garbage_is_skipped_and_counted() -> None:
    rig = Rig()
    garbage = bytes(range(0x80, 0x100)) * 3
    rig.feed(interleaved(0, b"before") + garbage + interleaved(0, b"after"), pieces(100))
    assert rig.seen == [(0, b"before"), (0, b"after")]
    assert rig.receiver.garbage_bytes == len(garbage)


def test_a_dollar_on_an_impossible_channel_is_garbage() -> None:
    rig = Rig()
    rig.feed(b"$\xc8\xff\xff" + interleaved(0, b"after"))
    assert rig.seen == [(0, b"after")]


def test_a_peer_that_speaks_no_rtsp_is_given_up() -> None:
    rig = Rig()
    rig.feed(b"\x00" * (300 << 10), pieces(9000))
    assert rig.transport.aborted
    assert isinstance(rig.lost[0], RemoteProtocolError)


def test_an_endless_message_is_given_up() -> None:
    rig = Rig()
    rig.feed(b"RTSP/1.0 200 OK\r\n" + b"A: b\r\n" * 5000, pieces(1000))
    assert rig.transport.aborted
    assert rig.lost[0].code == "message_too_large"


def test_silencing_lets_messages_through_only() -> None:
    rig = Rig()
    rig.receiver.silence()
    rig.feed(interleaved(0, b"late") + OK.to_bytes())
    assert [type(item).__name__ for item in rig.seen] == ["Response"]


@given(st.binary(max_size=400), st.integers(1, 60))
def test_any_bytes_are_survived(data: bytes, largest: int) -> None:
    rig = Rig()
    rig.feed(data + b"$" + data, pieces(largest))
    assert rig.receiver.garbage_bytes <= 2 * len(data) + 1
