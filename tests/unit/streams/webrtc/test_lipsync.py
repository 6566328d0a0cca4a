"""One timeline for layers and tracks."""

from itertools import pairwise

from media.timing import ntp_of_us
from streams.webrtc.lipsync import MAX_CLOCK_STEP_NS, LayerClock, SenderClock, TrackClock

MS = 1_000_000
SECOND = 1_000_000_000
WALL_US = 1_700_000_000_000_000
"""What the sender's clock shows when ours shows 0."""


class Sender:
    """Captures at known moments; each layer counts from its own random beginning."""

    def __init__(self, rate: int, offsets: dict[str, int], sender: SenderClock | None = None) -> None:
        self.rate = rate
        self.offsets = offsets
        self.clock = sender or SenderClock()
        self.track = TrackClock(rate, self.clock)
        self.layers = {rid: LayerClock(self.track, self.clock) for rid in offsets}

    def ts32(self, rid: str, captured_ns: int) -> int:
        return (self.offsets[rid] + captured_ns * self.rate // SECOND) & 0xFFFFFFFF

    def stamp(self, rid: str, captured_ns: int, transit_ns: int = 40 * MS) -> int:
        return self.layers[rid].stamp(self.ts32(rid, captured_ns), captured_ns + transit_ns)

    def report(self, rid: str, at_ns: int, transit_ns: int = 40 * MS, wall_us: int = WALL_US) -> None:
        self.layers[rid].report(ntp_of_us(wall_us + at_ns // 1000), self.ts32(rid, at_ns), at_ns + transit_ns)


OFFSETS = {"q": 12_345, "h": 0xFFFFFF00, "f": 0x7FFFFFF0}


def test_timestamps_grow_through_the_wrap_and_late_packets_get_their_pictures_stamp():
    sender = Sender(90_000, OFFSETS)
    first = [sender.stamp("h", n * 33 * MS) for n in range(100)]
    assert [b - a for a, b in pairwise(first)] == [2970] * 99
    assert sender.stamp("h", 50 * 33 * MS) == first[50]
    assert sender.stamp("h", 99 * 33 * MS) == first[99]


def test_layers_agree_once_their_reports_came_whatever_their_transit():
    sender = Sender(90_000, OFFSETS)
    transits = {"q": 40 * MS, "h": 95 * MS, "f": 60 * MS}
    stamps: dict[str, dict[int, int]] = {rid: {} for rid in OFFSETS}
    for n in range(120):
        for rid, transit in transits.items():
            captured = n * 33 * MS
            if n % 30 == 20:
                sender.report(rid, captured, transit)
            stamps[rid][n] = sender.stamp(rid, captured, transit)
    for rid in OFFSETS:
        in_order = [stamps[rid][n] for n in range(120)]
        assert all(b > a for a, b in pairwise(in_order)), "never goes back"
        assert all(abs(stamps[rid][n] - stamps["q"][n]) <= 180 for n in range(60, 120))
    assert [b - a for a, b in pairwise(stamps["q"][n] for n in range(120))] == [2970] * 119, "the first is never moved"


def test_a_layer_is_moved_back_without_going_back_and_its_late_packets_stay_with_their_pictures():
    sender = Sender(90_000, OFFSETS)
    for n in range(30):
        sender.stamp("q", n * 33 * MS, 10 * MS)
    sender.report("q", 30 * 33 * MS, 10 * MS)
    stamps = [sender.stamp("h", n * 33 * MS, 200 * MS) for n in range(30, 60)]
    sender.report("h", 60 * 33 * MS, 200 * MS)
    stamps += [sender.stamp("h", n * 33 * MS, 200 * MS) for n in range(60, 100)]
    assert all(b > a for a, b in pairwise(stamps))
    assert min(b - a for a, b in pairwise(stamps)) == 90
    assert [sender.stamp("h", n * 33 * MS, 900 * MS) for n in range(55, 100)] == stamps[25:]


def test_voice_and_lips_name_the_same_moment():
    clock = SenderClock()
    video, sound = Sender(90_000, OFFSETS, clock), Sender(48_000, {"": 77}, clock)
    for n in range(100):
        captured = n * 20 * MS
        picture, voice = video.stamp("q", captured, 120 * MS), sound.stamp("", captured, 35 * MS)
        if n == 50:
            video.report("q", captured, 120 * MS)
            sound.report("", captured, 35 * MS)
    now = 99 * 20 * MS + 200 * MS
    behind_video = (video.track.at(now) - picture) / 90_000
    behind_sound = (sound.track.at(now) - voice) / 48_000
    assert abs(behind_video - behind_sound) < 0.001


def test_before_any_report_arrival_stands_in():
    track = TrackClock(90_000, SenderClock())
    assert track.at(5 * SECOND) is None
    layer = LayerClock(track, SenderClock())
    for n, transit in enumerate([60, 20, 90, 40]):
        stamp = layer.stamp(1000 + n * 9000, n * 100 * MS + transit * MS)
    assert abs(track.at(320 * MS) - stamp) < 20, "by the least delayed packet"


def test_a_restarted_layer_goes_on_where_the_clock_is():
    sender = Sender(90_000, OFFSETS)
    for n in range(10):
        last = sender.stamp("q", n * 33 * MS)
    sender.layers["q"].restart()
    sender.offsets["q"] = 0xABCDEF
    again = sender.stamp("q", 10 * SECOND)
    assert abs(again - last - 10 * 90_000) < 90_000
    assert sender.stamp("q", 10 * SECOND + 33 * MS) == again + 2970


def test_a_jump_of_timestamps_that_is_no_pause_is_taken_out():
    sender = Sender(90_000, OFFSETS)
    for n in range(10):
        last = sender.stamp("q", n * 33 * MS)
    sender.offsets["q"] += 90_000 * 3600
    jumped = sender.stamp("q", 10 * 33 * MS)
    assert 0 < jumped - last < 9000
    paused = sender.stamp("q", 100 * SECOND)
    assert abs(paused - jumped - 100 * 90_000) < 90_000, "a real pause lasts as long as it lasted"


def test_reports_about_nothing_are_ignored():
    sender = Sender(90_000, OFFSETS)
    sender.report("q", 0)
    sender.stamp("q", 0)
    sender.layers["q"].report(0, sender.ts32("q", 0), 0)
    sender.layers["q"].report(ntp_of_us(WALL_US), sender.ts32("q", 60 * SECOND), 0)
    assert sender.clock.offset_ns is None
    assert not sender.track.is_anchored


def test_a_clock_that_was_set_is_believed_anew_and_slow_drift_is_followed():
    clock = SenderClock()
    clock.take(0, 50 * MS)
    clock.take(SECOND, SECOND + 20 * MS)
    assert clock.offset_ns == 20 * MS
    clock.take(2 * SECOND, 2 * SECOND + 90 * MS)
    assert clock.offset_ns == 20 * MS + SECOND * 107 // 100 // 2000
    assert clock.generation == 0
    clock.take(3 * SECOND + MAX_CLOCK_STEP_NS * 2, 3 * SECOND)
    assert clock.generation == 1
    track = TrackClock(90_000, clock)
    track.anchor(5, 1000)
    assert track.of_sender(5) == 1000
    clock.take(0, 100 * SECOND)
    assert track.of_sender(5) is None
    assert not track.is_anchored
