"""Tracks with holes, late packets and layers, judged by what their viewers would receive, in random schedules."""

from collections import defaultdict
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streams.fanout import PEOPLE, Packet
from streams.webrtc import extensions
from streams.webrtc.outlet import Outlet, OutletState, SourceTrack
from tests.unit.streams.webrtc.paper import Paper, PaperBatch, Sent, packet
from tests.unit.streams.webrtc.plane import PCMA

LONGEST_RUN = PaperBatch().capacity
LEVEL = extensions.build_block([(1, b"\x05")])


@pytest.fixture
def paper(monkeypatch):
    return Paper(monkeypatch)


def numbers(sent: list[Sent]) -> list[int]:
    return [int.from_bytes(one.payload[:4], "big") for one in sent]


def test_a_hole_is_a_hole_for_every_viewer_and_a_late_packet_fills_it_once(paper):
    track = paper.track()
    one, two = (paper.start(Outlet(track, 96, paper.stream(ssrc))) for ssrc in (1, 2))
    for seq in (500, 501, 503, 504):
        track.put(seq, packet(seq, seq * 10), is_key=seq == 500)
    paper.settle()
    track.put(502, packet(502, 5020), is_key=False)
    track.put(502, packet(999, 5020), is_key=False)
    paper.settle()
    for ssrc in (1, 2):
        sent = [each for each in paper.sent if each.ssrc == ssrc]
        assert numbers(sent) == [500, 501, 503, 504, 502]
        assert [(each.seq - sent[0].seq) & 0xFFFF for each in sent] == [0, 1, 3, 4, 2]
        assert (sent[4].timestamp - sent[1].timestamp) & 0xFFFFFFFF == 10
    assert one.state is two.state is OutletState.LIVE
    assert (track.late_packets, track.ignored_packets) == (1, 1)


def test_a_late_packet_concerns_nobody_who_has_not_come_so_far(paper):
    track = paper.track()
    paper.start(Outlet(track, 96, paper.stream(1)))
    for seq in (10, 12):
        track.put(seq, packet(seq, seq), is_key=seq == 10)
    track.put(11, packet(11, 11), is_key=False)  # the pump has not sent anything yet
    paper.settle()
    assert numbers(paper.sent) == [10, 11, 12]


def test_a_jump_of_the_source_is_no_jump_for_the_viewer(paper):
    track = paper.track()
    paper.start(Outlet(track, 96, paper.stream(1)))
    for seq in (1, 2, 90_000, 90_001, 90_002):
        track.put(seq, packet(seq, seq), is_key=seq in (1, 90_001))
        paper.settle()
    assert numbers(paper.sent) == [1, 2, 90_001, 90_002]
    assert {(b.seq - a.seq) & 0xFFFF for a, b in pairwise(paper.sent)} == {1}


def test_a_late_first_packet_of_a_key_frame_starts_who_waits(paper):
    track = paper.track()
    track.put(1, packet(1, 1), is_key=False)
    outlet = paper.start(Outlet(track, 96, paper.stream(1)))
    track.put(3, packet(3, 2), is_key=False)
    assert outlet.state is OutletState.WAITING
    track.put(2, packet(2, 2), is_key=True)
    paper.settle()
    assert numbers(paper.sent) == [2, 3]


def test_extensions_reach_those_who_take_them(paper):
    track = paper.track()
    for ssrc, takes in ((1, True), (2, False), (3, True)):
        paper.start(Outlet(track, 96, paper.stream(ssrc, takes_extension=takes)))
    track.put(1, packet(1, 1, extension=LEVEL), is_key=True)
    track.put(2, packet(2, 1), is_key=False)
    paper.settle()
    found = {(one.ssrc, numbers([one])[0]): one.whole for one in paper.sent}
    for ssrc in (1, 3):
        assert found[ssrc, 1][0] == 0x90
        assert found[ssrc, 1][12:20] == LEVEL
        assert found[ssrc, 1][20:] == found[2, 1][12:]
    assert found[2, 1][0] == found[1, 2][0] == 0x80


def test_taps_get_everything_in_order_of_arrival_until_they_are_removed(paper):
    track, seen = paper.track(), []

    class Tap:
        def on_packet(self, seq: int, packet: Packet, is_key: bool) -> None:
            seen.append((seq, numbers([packet])[0], is_key))

    tap = Tap()
    track.add_tap(tap)
    for seq in (7, 9, 8, 8):
        track.put(seq, packet(seq, 1), is_key=seq == 7)
    track.remove_tap(tap)
    track.put(10, packet(10, 1), is_key=False)
    assert seen == [(7, 7, True), (9, 9, False), (8, 8, False)]
    dense = SourceTrack(track.params)
    dense.add_tap(tap)
    dense.append([packet(1, 5), packet(2, 5)], is_key=True)
    assert seen[3:] == [(0, 1, True), (1, 2, False)]


def test_the_old_layer_goes_on_until_the_new_one_has_a_key_frame(paper):
    low, high, stream = paper.track(group=PEOPLE), paper.track(group=PEOPLE), paper.stream(1)
    low.put(100, packet(100, 1000), is_key=True)
    high.put(900, packet(900, 1000), is_key=True)
    first = paper.start(Outlet(low, 96, stream))
    second = Outlet(high, 96, stream)
    paper.settle()
    second.await_key(paper.path)
    for number in range(1, 4):
        low.put(100 + number, packet(100 + number, 1000 + 3000 * number), is_key=False)
        paper.settle()
        high.put(900 + number, packet(900 + number, 1000 + 3000 * number), is_key=number == 3)
        paper.settle()
    assert numbers(paper.sent) == [100, 101, 102, 103, 903]
    assert (first.state, second.state, stream.holder) == (OutletState.IDLE, OutletState.LIVE, second)
    assert {(b.seq - a.seq) & 0xFFFF for a, b in pairwise(paper.sent)} == {1}
    assert paper.sent[3].timestamp < paper.sent[4].timestamp < paper.sent[3].timestamp + 200
    for one in paper.sent:  # all of it can still be sent again
        assert stream.repeat(one.seq).packet.payload == one.payload
    assert stream.totals() == (5, 100)


def test_sound_that_pauses_goes_on_at_once(paper):
    track = paper.track(PCMA)
    outlet = paper.start(Outlet(track, 111, paper.stream(1)))
    track.put(40, packet(40, 960), is_key=False)
    paper.settle()
    track.pause()
    track.put(41, packet(41, 1920), is_key=False)
    paper.settle()
    track.put(60_000, packet(60_000, 90_000), is_key=False)
    paper.settle()
    assert outlet.state is OutletState.LIVE
    assert numbers(paper.sent) == [40, 41, 60_000]


@dataclass
class Viewer:
    """A stream, its outlets in turn, and what of it was asked again."""

    stream: object
    outlets: list[Outlet] = field(default_factory=list)
    repeated: int = 0


class Storm:
    """Two layers of one track and a camera, some viewers, and a script that does everything at once."""

    def __init__(self, paper: Paper, script: list[tuple[int, int, int]]) -> None:
        self.paper = paper
        self.tracks = [paper.track(group=PEOPLE), paper.track(group=PEOPLE), paper.track()]
        self.heads = [1000, 65_500, 0]
        self.holes: list[list[tuple[int, int]]] = [[], [], []]
        self.stamps = [5000, 7000, 0]
        self.had: set[tuple[int, int]] = set()
        self.owed: set[tuple[int, int]] = set()
        """Late packets, by stream and number, that viewers had passed when they came."""
        self.viewers: list[Viewer] = []
        for what, which, how in script:
            self.do(what, which, how)

    def do(self, what: int, which: int, how: int) -> None:
        paper, number = self.paper, which % 3
        if what < 8:
            self.put(number, is_key=what == 0)
        elif what == 8 and number < 2:
            missing = range(self.heads[number], self.heads[number] + 1 + how % 3)
            self.holes[number] += [(seq, self.stamps[number]) for seq in missing]
            self.heads[number] += len(missing)
        elif what == 9 and self.holes[number]:
            seq, stamp = self.holes[number].pop(how % len(self.holes[number]))
            self.owe(number, seq)
            self.put_one(number, seq, stamp, is_key=how % 5 == 0)
        elif what == 10:
            paper.port.batch.is_full = how % 4 == 0
        elif what == 11 and len(self.viewers) < 5:
            self.viewers.append(Viewer(paper.stream(len(self.viewers) + 1, takes_extension=how % 2 == 0)))
        elif what in (12, 13) and self.viewers:
            self.switch(self.viewers[how % len(self.viewers)], self.tracks[number], is_patient=what == 13)
        elif what == 14 and self.viewers:
            self.again(self.viewers[which % len(self.viewers)], how)
        elif what == 15:
            self.tracks[number].pause()
        elif what == 16 and how % 8 == 0 and number < 2:
            self.heads[number] += 2048  # another stream of the publisher's
        else:
            paper.clock.now_ns += how * 100_000
            paper.clock.step_ns = which * 30_000
            paper.pump.turn()

    def put(self, number: int, *, is_key: bool) -> None:
        self.stamps[number] += 3000
        for part in range(3 if is_key else 1):
            if number == 2:
                self.append(is_key=is_key and part == 0)
            else:
                self.put_one(number, self.heads[number], self.stamps[number], is_key=is_key and part == 0)
                self.heads[number] += 1

    def append(self, *, is_key: bool) -> None:
        track = self.tracks[2]
        self.had.add((2, self.heads[2]))
        for outlet in track.append([self.packet(2, self.heads[2], self.stamps[2])], is_key=is_key):
            self.paper.pump.catch_up(outlet)
        self.paper.pump.wake(track)
        self.heads[2] += 1

    def owe(self, number: int, seq: int) -> None:
        track = self.tracks[number]
        if seq < track.history.first_seq:
            return
        for viewer in self.viewers:
            holder = viewer.stream.holder
            if holder is not None and holder.track is track and holder.has_passed(seq):
                self.owed.add((viewer.stream.ssrc, holder.splice.out_seq(seq)))

    def put_one(self, number: int, seq: int, stamp: int, *, is_key: bool) -> None:
        self.had.add((number, seq))
        self.tracks[number].put(seq, self.packet(number, seq, stamp), is_key=is_key)

    def packet(self, number: int, seq: int, stamp: int) -> Packet:
        size = 12 if seq % 5 == 4 else 20
        return packet(number << 24 | seq, stamp, size=size, extension=LEVEL if seq // 4 % 2 else b"")

    def switch(self, viewer: Viewer, track: SourceTrack, *, is_patient: bool) -> None:
        outlet = Outlet(track, 96 + self.tracks.index(track), viewer.stream)
        for other in viewer.outlets:  # at most one that waits beside the one that sends
            if other is not viewer.stream.holder:
                other.stop()
        viewer.outlets = [*([viewer.stream.holder] if viewer.stream.holder else []), outlet]
        if is_patient:
            outlet.await_key(self.paper.path)
        else:
            self.paper.start(outlet)

    def again(self, viewer: Viewer, how: int) -> None:
        holder = viewer.stream.holder
        if holder is None:
            return
        if how % 3 == 0:
            if not holder.restart():
                self.paper.pump.catch_up(holder)
            return
        mine = [one for one in self.paper.sent if one.ssrc == viewer.stream.ssrc]
        if mine and (found := viewer.stream.repeat(mine[-1 - how % min(len(mine), 30)].seq)) is not None:
            self.paper.pump.repeat(holder, found)


def judge(storm: Storm, ssrc: int) -> None:
    """No number twice for different bytes, no hole the source has not, no step back."""
    by_seq: dict[int, set[bytes]] = defaultdict(set)
    fresh: list[Sent] = []
    for one in (one for one in storm.paper.sent if one.ssrc == ssrc):
        by_seq[one.seq].add(one.whole)
        if not fresh or 0 < (one.seq - fresh[-1].seq) & 0xFFFF < 1 << 15:
            fresh.append(one)
    assert all(len(found) == 1 for found in by_seq.values()), "one number, two packets"
    assert {seq for stream, seq in storm.owed if stream == ssrc} <= set(by_seq), "a late packet was not passed on"
    for a, b in pairwise(fresh):
        assert (b.timestamp - a.timestamp) & 0xFFFFFFFF < 1 << 31, "time went back"
        (track, seq), (next_track, next_seq) = (divmod(n, 1 << 24) for n in numbers([a, b]))
        missing = ((b.seq - a.seq) & 0xFFFF) - 1
        if track != next_track or next_seq - seq != missing + 1:  # a run half-sent at the switch is skipped
            known = next((n - 1 for n in range(1, missing + 1) if (track, seq + n) in storm.had), missing)
            assert missing - known <= LONGEST_RUN, "numbers were skipped at a switch"
        elif track == 2:
            assert missing == 0, "a camera has no holes"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.integers(0, 22), st.integers(0, 8), st.integers(0, 60)), min_size=60, max_size=300),
)
def test_whatever_happens_every_viewer_gets_a_stream_without_a_seam(monkeypatch, script):
    storm = Storm(Paper(monkeypatch), script)
    storm.paper.port.batch.is_full = False
    storm.paper.settle()
    for ssrc in range(1, len(storm.viewers) + 1):
        judge(storm, ssrc)
