"""The hub: fan-out, the GOP cache, and readers that fail."""

import pytest

from media.base.ids import SourceId, StreamKey
from media.packet import AccessUnit, Codec, CodecParams, EndReason, Track
from streams.hub import GopCache, Hub, Stream

VIDEO = CodecParams(codec=Codec.H264, clock_rate_hz=90_000, parameter_sets=(b"\x67",), width=640)
AUDIO = CodecParams(codec=Codec.PCMA, clock_rate_hz=8_000)
TRACKS = (Track(0, VIDEO), Track(1, AUDIO))
KEY = StreamKey(SourceId("camera/a"))


def picture(n: int, *, key: bool = False, size: int = 10) -> AccessUnit:
    return AccessUnit(0, VIDEO, n, n, key, bytes(size), n, n)


def sound(n: int) -> AccessUnit:
    return AccessUnit(1, AUDIO, n, n, True, b"a", n, n)


class Tape:
    def __init__(self, fails_on: str = "") -> None:
        self.seen: list[object] = []
        self.fails_on = fails_on

    def _take(self, what: str, item: object) -> None:
        if what == self.fails_on:
            raise ValueError(what)
        self.seen.append(item)

    def on_run(self, tracks: tuple[Track, ...]) -> None:
        self._take("run", tracks)

    def on_unit(self, unit: AccessUnit) -> None:
        self._take("unit", unit)

    def on_end(self, reason: EndReason) -> None:
        self._take("end", reason)


def live() -> Stream:
    stream = Stream(KEY)
    stream.begin(TRACKS)
    return stream


def test_every_reader_gets_every_unit_and_the_same_object() -> None:
    stream = live()
    tapes = [Tape(), Tape()]
    for tape in tapes:
        stream.attach(tape)
    unit = picture(0, key=True)
    stream.publish(unit)
    stream.end(EndReason.DISCONNECTED)
    for tape in tapes:
        assert tape.seen[0] == TRACKS
        assert tape.seen[1] is unit
        assert tape.seen[2] is EndReason.DISCONNECTED


def test_a_reader_of_a_stream_that_is_not_live_waits_for_the_run() -> None:
    stream = Stream(KEY)
    tape = Tape()
    assert stream.attach(tape) == ()
    assert tape.seen == []
    stream.begin(TRACKS)
    assert tape.seen == [TRACKS]


def test_a_late_reader_is_given_the_gop_and_not_sent_it() -> None:
    stream = live()
    units = [picture(0, key=True), sound(1), picture(2), picture(3, key=True), sound(4), picture(5)]
    for unit in units:
        stream.publish(unit)
    tape = Tape()
    assert stream.attach(tape) == tuple(units[3:])
    assert tape.seen == [TRACKS]


@pytest.mark.parametrize("moment", ["unit", "run", "end"])
def test_a_reader_that_raises_is_detached_and_the_others_go_on(moment: str) -> None:
    stream = Stream(KEY)
    bad, good = Tape(fails_on=moment), Tape()
    stream.attach(bad)
    stream.attach(good)
    stream.begin(TRACKS)
    stream.publish(picture(0, key=True))
    stream.publish(picture(1))
    stream.end(EndReason.SILENT)
    assert stream.reader_count == 1
    assert len(good.seen) == 4


def test_detaching_is_idempotent() -> None:
    stream = live()
    tape = Tape()
    stream.attach(tape)
    stream.detach(tape)
    stream.detach(tape)
    stream.publish(picture(0, key=True))
    assert tape.seen == [TRACKS]


def test_a_gop_over_the_cap_is_not_kept_but_its_key_picture_is() -> None:
    cache = GopCache(limit_bytes=100)
    key = picture(0, key=True, size=60)
    cache.add(key)
    cache.add(picture(1, size=60))
    cache.add(picture(2, size=1))
    assert cache.units() == ()
    assert cache.overflows == 1
    assert cache.key is key
    cache.add(picture(3, key=True, size=60))
    assert len(cache.units()) == 1
    assert cache.size_bytes == 60


def test_nothing_of_the_old_run_is_in_the_cache_of_the_new() -> None:
    stream = live()
    stream.publish(picture(0, key=True))
    stream.end(EndReason.DISCONNECTED)
    assert stream.gop.units() == ()
    assert stream.gop.key is None
    assert not stream.is_live
    assert stream.last_end is EndReason.DISCONNECTED


def test_ending_twice_tells_readers_once() -> None:
    stream = live()
    tape = Tape()
    stream.attach(tape)
    stream.end(EndReason.SILENT)
    stream.end(EndReason.SHUTDOWN)
    assert tape.seen[1:] == [EndReason.SILENT]


def test_retuning_is_heard_by_late_readers_only() -> None:
    stream = live()
    early, late = Tape(), Tape()
    stream.attach(early)
    wide = CodecParams(codec=Codec.H264, clock_rate_hz=90_000, parameter_sets=(b"\x67",), width=1920)
    stream.retune(wide, 0)
    stream.attach(late)
    assert early.seen == [TRACKS]
    assert late.seen == [(Track(0, wide), TRACKS[1])]


def test_dropping_a_stream_ends_its_run() -> None:
    hub = Hub()
    stream = hub.stream(KEY)
    assert hub.stream(KEY) is stream
    tape = Tape()
    stream.attach(tape)
    stream.begin(TRACKS)
    hub.drop(KEY)
    hub.drop(KEY)
    assert tape.seen[-1] is EndReason.DISABLED
    assert hub.get(KEY) is None
    assert hub.streams() == ()


def test_a_listener_hears_of_runs_only_and_until_it_stops() -> None:
    stream = Stream(KEY)
    seen = []
    stop = stream.listen(lambda: seen.append(stream.is_live))
    stream.begin(TRACKS)
    stream.publish(picture(0, key=True))
    stream.end(EndReason.DISCONNECTED)
    stream.end(EndReason.DISCONNECTED)
    stop()
    stream.begin(TRACKS)
    assert seen == [True, False]
