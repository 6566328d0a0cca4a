"""Runs: when they begin, what they carry, and what ends them."""

import pytest

from media.base.ids import SourceId, StreamKey
from media.packet import AccessUnit, Codec, CodecParams, EndReason, Kind, Track
from streams.hub import Stream
from streams.ingest.publisher import RunPublisher

VIDEO = CodecParams(codec=Codec.H264, clock_rate_hz=90_000, parameter_sets=(b"\x67", b"\x68"), width=640, height=360)
UNKNOWN = CodecParams(codec=Codec.H264, clock_rate_hz=90_000)
AUDIO = CodecParams(codec=Codec.PCMA, clock_rate_hz=8_000, sample_rate_hz=8_000, channels=1)


class Tape:
    """A reader that writes everything down."""

    def __init__(self) -> None:
        self.events: list[object] = []

    def on_run(self, tracks: tuple[Track, ...]) -> None:
        self.events.append(tracks)

    def on_unit(self, unit: AccessUnit) -> None:
        self.events.append(unit)

    def on_end(self, reason: EndReason) -> None:
        self.events.append(reason)

    @property
    def units(self) -> list[AccessUnit]:
        return [event for event in self.events if isinstance(event, AccessUnit)]

    def stamps(self, track: int = 0) -> list[tuple[int, int]]:
        return [(unit.pts, unit.dts) for unit in self.units if unit.track == track]


class Rig:
    """A publisher, its stream and a tape; units are made by `picture` and `sound`."""

    def __init__(self, *params: CodecParams) -> None:
        self.stream = Stream(StreamKey(SourceId("camera/a")))
        self.tape = Tape()
        self.stream.attach(self.tape)
        self.reordered: list[int] = []
        self.publisher = RunPublisher(self.stream, params or (VIDEO, AUDIO), on_reorder_lost=self.reordered.append)

    def picture(self, n: int, *, at: int | None = None, key: bool = False, **changes) -> None:
        """Picture number `n` of 25 a second comes; `at` is its stamp."""
        stamp = n * 3_600 if at is None else at
        fields = {"params": VIDEO, "pts": stamp, "dts": stamp} | changes
        self.publisher.take(
            AccessUnit(
                track=0, is_key=key, data=b"picture", received_mono_ns=n * 40_000_000, received_wall_us=0, **fields
            )
        )

    def sound(self, at_ms: float, stamp: int) -> None:
        self.publisher.take(AccessUnit(1, AUDIO, stamp, stamp, True, b"sound", round(at_ms * 1e6), 0))


def test_a_run_begins_with_the_first_key_picture_and_at_zero() -> None:
    rig = Rig()
    rig.sound(5, 77)
    rig.picture(3)
    rig.picture(4, key=True)
    rig.picture(5)
    assert [type(event).__name__ for event in rig.tape.events] == ["tuple", "AccessUnit", "AccessUnit"]
    assert rig.tape.events[0] == (Track(0, VIDEO), Track(1, AUDIO))
    assert rig.tape.stamps() == [(0, 0), (3_600, 3_600)]


def test_pictures_wait_for_their_parameter_sets() -> None:
    rig = Rig(UNKNOWN)
    rig.picture(0, key=True, params=UNKNOWN)
    assert rig.tape.events == []
    rig.picture(25, key=True)
    assert rig.tape.events[0] == (Track(0, VIDEO),)


def test_sound_is_placed_by_its_arrival() -> None:
    rig = Rig()
    rig.picture(0, at=900_000, key=True)
    rig.sound(100, 123_456)
    rig.sound(120, 123_456 + 160)
    assert rig.tape.stamps(1) == [(800, 800), (960, 960)]


def test_sound_alone_makes_a_run() -> None:
    rig = Rig(AUDIO)
    rig.publisher.take(AccessUnit(0, AUDIO, 500, 500, True, b"a", 0, 0))
    assert rig.tape.stamps() == [(0, 0)]


def test_new_parameters_go_with_the_units_and_to_late_readers_without_a_new_run() -> None:
    rig = Rig()
    wide = CodecParams(codec=Codec.H264, clock_rate_hz=90_000, parameter_sets=(b"\x67w",), width=1280, height=720)
    rig.picture(0, key=True)
    rig.picture(1, key=True, params=wide)
    assert [unit.params for unit in rig.tape.units] == [VIDEO, wide]
    assert rig.publisher.runs == 1
    late = Tape()
    rig.stream.attach(late)
    assert late.events == [(Track(0, wide), Track(1, AUDIO))]
    assert rig.publisher.params_of(Kind.VIDEO) is wide


@pytest.mark.parametrize("jump", [90_000 * 60, -90_000 * 60])
def test_a_jump_of_the_picture_ends_the_run_and_the_next_key_picture_begins_another(jump: int) -> None:
    rig = Rig()
    rig.picture(0, key=True)
    rig.picture(1, at=3_600 + jump)
    rig.picture(2, at=7_200 + jump)
    rig.picture(3, at=10_800 + jump, key=True)
    rig.picture(4, at=14_400 + jump)
    kinds = [event if isinstance(event, EndReason) else type(event).__name__ for event in rig.tape.events]
    assert kinds == ["tuple", "AccessUnit", EndReason.TIMESTAMPS, "tuple", "AccessUnit", "AccessUnit"]
    assert rig.tape.stamps() == [(0, 0), (0, 0), (3_600, 3_600)]


def test_a_jump_at_a_key_picture_loses_nothing() -> None:
    rig = Rig()
    rig.picture(0, key=True)
    rig.picture(1, at=900_000_000, key=True)
    assert rig.tape.stamps() == [(0, 0), (0, 0)]
    assert rig.publisher.runs == 2


def test_a_jump_of_reordered_pictures_asks_for_a_new_decoding_order() -> None:
    rig = Rig()
    rig.picture(0, key=True, dts=-7_200)
    rig.picture(1, at=900_000_000, dts=-3_600, key=True)
    assert rig.reordered == [0]
    assert rig.tape.events[-1] is EndReason.TIMESTAMPS


def test_a_jump_of_the_sound_is_put_back_and_the_run_goes_on() -> None:
    rig = Rig()
    rig.picture(0, key=True)
    rig.sound(0, 1_000)
    rig.sound(20, 5_000_000)
    rig.sound(40, 5_000_160)
    assert rig.tape.stamps(1) == [(0, 0), (160, 160), (320, 320)]
    assert rig.publisher.runs == 1


def test_a_small_step_back_is_repaired_and_counted_and_never_shown_before_it_is_decoded() -> None:
    rig = Rig()
    rig.picture(0, key=True)
    rig.picture(1)
    rig.picture(2, at=3_000)
    assert rig.tape.stamps() == [(0, 0), (3_600, 3_600), (3_601, 3_601)]
    assert rig.publisher.timestamps_repaired == 1


def camera_clock(audio_late_us: int):
    """Both sender reports are in; the sound's says it was captured `audio_late_us` after its arrival suggests."""

    def wall_us_of(track: int, pts: int) -> int | None:
        return pts * 1_000_000 // 90_000 if track == 0 else pts * 125 + audio_late_us

    return wall_us_of


@pytest.mark.parametrize(
    ("late_ms", "third"),
    [(300, 320 + 2_400), (30, 320), (5_000, 320)],
    ids=["believed", "too small to matter", "too much to believe"],
)
def test_sender_reports_bring_sound_and_picture_together_once(late_ms: int, third: int) -> None:
    rig = Rig()
    rig.picture(0, key=True)
    rig.sound(0, 0)
    rig.sound(20, 160)
    for _ in range(2):
        rig.publisher.synchronise(camera_clock(late_ms * 1000))
    rig.sound(40, 320)
    assert rig.tape.stamps(1)[-1] == (third, third)


def test_sound_that_came_too_late_steps_back_by_dropping_what_was_heard() -> None:
    rig = Rig()
    rig.picture(0, key=True)
    for i in range(5):
        rig.sound(400 + 20 * i, 160 * i)
    rig.publisher.synchronise(camera_clock(200_000))  # placed at 400 ms, captured at 200 ms
    for i in range(5, 20):
        rig.sound(400 + 20 * i, 160 * i)
    stamps = [dts for _, dts in rig.tape.stamps(1)]
    assert stamps == sorted(set(stamps))
    assert stamps[-1] == 1_600 + 160 * 19
    assert rig.publisher.units_dropped == 10


def test_ending_twice_ends_once() -> None:
    rig = Rig()
    rig.picture(0, key=True)
    rig.publisher.end(EndReason.SILENT)
    rig.publisher.end(EndReason.SHUTDOWN)
    assert rig.tape.events[-1] is EndReason.SILENT
    assert rig.tape.events.count(EndReason.SHUTDOWN) == 0
