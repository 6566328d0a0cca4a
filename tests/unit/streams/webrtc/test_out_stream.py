"""Numbers of one stream, handed from outlet to outlet."""

from itertools import pairwise

import pytest

from streams.webrtc.out_stream import PAST_SPANS, RESPLICE_GAP_TICKS
from streams.webrtc.outlet import Outlet
from tests.unit.streams.webrtc.paper import Paper, packet
from tests.unit.streams.webrtc.plane import PCMA


@pytest.fixture
def paper(monkeypatch):
    return Paper(monkeypatch)


def show(paper: Paper, stream, number: int, *, pictures: int = 2):
    """Show a new source's group on the stream."""
    track = paper.track()
    for n in range(pictures):
        track.put(number * 1000 + n, packet(number * 1000 + n, n * 3000), is_key=n == 0)
    outlet = paper.start(Outlet(track, 90 + number, stream))
    paper.settle()
    return outlet


def test_numbers_go_on_from_source_to_source_and_each_is_told_once(paper):
    stream, told = paper.stream(5), []
    stream.on_switch = told.append
    outlets = [show(paper, stream, number) for number in range(8)]
    assert told == outlets
    assert stream.holder is outlets[-1]
    assert {(b.seq - a.seq) & 0xFFFF for a, b in pairwise(paper.sent)} == {1}
    assert all(0 < (b.timestamp - a.timestamp) & 0xFFFFFFFF < 1 << 31 for a, b in pairwise(paper.sent))
    assert stream.totals() == (16, 320)


def test_packets_of_the_last_few_sources_are_sent_again_as_they_were(paper):
    stream = paper.stream(5)
    for number in range(8):
        show(paper, stream, number)
    found = [stream.repeat(one.seq) for one in paper.sent]
    kept = 2 * (PAST_SPANS + 1)
    assert found[:-kept] == [None] * (16 - kept)
    for one, repeat in zip(paper.sent[-kept:], found[-kept:], strict=True):
        assert (repeat.out_seq, repeat.out_ts, repeat.payload_type, repeat.packet.payload) == (
            one.seq, one.timestamp, one.payload_type, one.payload
        )  # fmt: skip
    assert stream.repeat(paper.sent[-1].seq + 1 & 0xFFFF) is None
    assert stream.repeat(paper.sent[0].seq - 1 & 0xFFFF) is None


def test_nobody_sends_after_a_stop_and_the_next_goes_on(paper):
    stream = paper.stream(5)
    first = show(paper, stream, 1)
    first.stop()
    assert stream.holder is None
    assert stream.repeat(paper.sent[-1].seq) is not None
    show(paper, stream, 2)
    assert {(b.seq - a.seq) & 0xFFFF for a, b in pairwise(paper.sent)} == {1}


def test_repeated_groups_push_time_forward_only_as_far_as_they_must(paper):
    stream = paper.stream(5)
    outlet = show(paper, stream, 1)
    for _ in range(20):
        if not outlet.restart():
            paper.pump.catch_up(outlet)
        paper.settle()
    pushed = (paper.sent[-1].timestamp - paper.sent[1].timestamp) & 0xFFFFFFFF
    assert pushed <= 20 * (900 + RESPLICE_GAP_TICKS)


def test_another_clock_rate_begins_a_clock_of_its_own(paper):
    stream = paper.stream(5)
    show(paper, stream, 1)
    voice = paper.track(PCMA)
    paper.start(Outlet(voice, 8, stream))
    voice.put(1, packet(1, 160), is_key=False)
    paper.settle()
    gap = (paper.sent[-1].timestamp - paper.sent[-2].timestamp) & 0xFFFFFFFF
    assert 0 < gap < 90_000
