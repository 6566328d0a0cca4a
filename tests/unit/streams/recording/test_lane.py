from media.base.clock import SimulatedClock
from media.codec import opus
from streams.fanout import Packet
from streams.recording.lane import Lane
from streams.recording.order import RESTART_STEP
from streams.webrtc.outlet import SourceTrack

FAR = (5 << 32) + 4_294_967_000
"""A source timestamp whose lower half is about to begin anew."""


class Taker:
    def __init__(self):
        self.clock = SimulatedClock()
        self.track = SourceTrack(opus.opus_params())
        self.units = []
        self.lane = Lane(self.track, 1, self.clock, lambda _, unit: self.units.append(unit))

    def put(self, seq, ticks, data=b"\xfc\x01"):
        self.track.put(seq, Packet(data, FAR + ticks, 0), is_key=False)


def test_units_keep_the_64_bits_of_the_source_across_the_turn_of_32():
    taker = Taker()
    for n in range(5):
        taker.put(65_534 + n, n * 960)
    assert [unit.pts for unit in taker.units] == [FAR + n * 960 for n in range(5)]
    assert [unit.lost_packets for unit in taker.units] == [0] * 5


def test_what_never_comes_is_given_up_by_time_and_counted():
    taker = Taker()
    taker.put(1, 0)
    taker.put(3, 1920)
    assert len(taker.units) == 1
    taker.clock.advance(0.6)
    taker.lane.tick(taker.clock.mono_ns())
    assert [unit.lost_packets for unit in taker.units] == [0, 1]
    assert taker.lane.lost_packets == 1


def test_a_unit_says_when_its_packet_came_not_when_its_turn_was():
    taker = Taker()
    taker.put(1, 0)
    taker.put(3, 1920)
    came_ns, came_us = taker.clock.mono_ns(), taker.clock.wall_us()
    taker.clock.advance(0.2)
    taker.put(2, 960)
    assert taker.units[2].received_mono_ns == came_ns
    assert taker.units[2].received_wall_us == came_us


def test_another_sequence_is_no_loss():
    taker = Taker()
    taker.put(1, 0)
    taker.put(2 + RESTART_STEP, 96_000)
    assert [unit.pts for unit in taker.units] == [FAR, FAR + 96_000]
    assert taker.units[1].lost_packets == 0


def test_a_closed_lane_gives_what_waited_and_hears_no_more():
    taker = Taker()
    taker.put(1, 0)
    taker.put(3, 1920)
    taker.lane.close()
    assert len(taker.units) == 2
    taker.put(4, 2880)
    assert len(taker.units) == 2


def test_a_fault_behind_ends_the_tap_and_never_reaches_the_publisher():
    taker = Taker()
    calls = []

    def fail(_, unit):
        calls.append(unit)
        raise ValueError("disk model on fire")

    lane = Lane(taker.track, 1, taker.clock, fail)
    for n in range(3):
        taker.put(n + 1, n * 960)
    assert lane.is_failed
    assert len(calls) == 1
    assert len(taker.units) == 3
