"""One track: what is wanted of it, and whether it is there."""

import pytest

from media.packet import Codec
from media.rtp.nack import RoundTrip
from streams.fanout import Packet
from streams.publication import PublishedTrack
from streams.webrtc.lipsync import SenderClock
from streams.webrtc.outlet import SourceTrack
from streams.webrtc.uplink import AWAY_AFTER_NS, PAUSE_AFTER_NS, UplinkEvents, UplinkPlane, UplinkTrack, params_of
from tests.unit.streams.webrtc.publisher import (
    CAMERA,
    MICROPHONE,
    OPUS,
    SECOND,
    VP8_KEY,
    audio_line,
    lines_of,
    offer_of,
    video_line,
)


class Watched:
    """An uplink track and what it told."""

    def __init__(self, *, rids: tuple[str, ...] = ("q", "h", "f"), is_sound: bool = False) -> None:
        self.wanted: list[frozenset[str]] = []
        self.key_wishes = self.changes = 0
        text = offer_of(audio_line("0") if is_sound else video_line("0", rids=rids))
        (line,) = lines_of(text, {"0": MICROPHONE if is_sound else CAMERA})
        events = UplinkEvents(lambda: None, self._key, lambda _name, rids: self.wanted.append(rids), self._changed)
        plane = UplinkPlane(SourceTrack, SenderClock(), RoundTrip())
        codec = line.codecs[OPUS] if is_sound else Codec.VP8
        self.track = UplinkTrack(line, codec, plane, events, SECOND)
        self.published: PublishedTrack = self.track.published

    def _key(self) -> None:
        self.key_wishes += 1

    def _changed(self) -> None:
        self.changes += 1

    def arrive(self, rid: str, seq: int, now_ns: int) -> None:
        self.track.incoming[rid].take((seq, seq * 3000, 0x80), VP8_KEY, b"", now_ns)

    def review(self, first_s: int, last_s: int, *flowing: str) -> None:
        for second in range(first_s, last_s + 1):
            for rid in flowing:
                self.arrive(rid, second, second * SECOND)
            self.track.review(second * SECOND)


def test_layers_nobody_watches_are_let_go_after_a_while():
    watched = Watched()
    watched.published.watch("h")
    watched.review(1, PAUSE_AFTER_NS // SECOND, "q", "h", "f")
    assert watched.wanted == []
    watched.review(4, 5, "q", "h", "f")
    assert watched.wanted == [frozenset({"h"})]


def test_a_track_nobody_watches_pauses_and_is_not_away():
    watched = Watched()
    watched.review(1, 4, "q", "h", "f")
    assert watched.wanted == [frozenset()]
    watched.review(5, 60)
    assert watched.published.is_live
    assert not any(layer.is_flowing for layer in watched.published.layers)


def test_what_somebody_wants_is_wanted_at_once_with_a_key_frame():
    watched = Watched()
    watched.review(1, 5, "q")
    watched.published.watch("f")
    assert watched.wanted == [frozenset(), frozenset({"f"})]
    assert watched.track.incoming["f"].keys.is_wished
    assert watched.key_wishes == 1


def test_a_glance_away_pauses_nothing():
    watched = Watched(rids=("q",))
    for second in range(1, 20):
        watched.published.watch("q")
        watched.review(second, second, "q")
        watched.published.unwatch("q")
        watched.review(second, second, "q")
    assert watched.wanted == []


def test_sound_is_never_paused():
    watched = Watched(is_sound=True)
    watched.review(1, 20)
    assert watched.wanted == []


def test_a_wanted_track_without_packets_is_away_until_they_come_again():
    watched = Watched(rids=("q",))
    watched.published.watch("q")
    watched.review(1, 3, "q")
    away_s = 3 + AWAY_AFTER_NS // SECOND
    watched.review(4, away_s - 1)
    assert watched.published.is_live
    watched.review(away_s, away_s + 1)
    assert not watched.published.is_live
    watched.review(away_s + 2, away_s + 2, "q")
    assert watched.published.is_live


def test_liveness_size_and_rate_of_layers_are_kept_up_and_changes_told():
    watched = Watched(rids=("q", "h"))
    watched.track.mark_flowing("q")
    assert watched.changes == 1
    watched.review(1, 3, "q")
    low, high = watched.published.layers
    assert (low.rid, low.width, low.height, low.is_flowing, high.is_flowing) == ("q", 640, 360, True, False)
    assert low.bitrate_bps == 8 * len(VP8_KEY)
    before = watched.changes
    watched.review(4, 10)
    assert not low.is_flowing
    assert watched.changes > before


def test_layers_are_put_in_order_of_size_once_sizes_are_known():
    watched = Watched(rids=("f", "q"))
    big = VP8_KEY[:-4] + bytes([0x00, 0x05, 0xD0, 0x02])
    watched.track.incoming["f"].take((1, 0, 0), big, b"", SECOND)
    assert [layer.rid for layer in watched.published.layers] == ["f", "q"]
    watched.arrive("q", 1, SECOND)
    assert [(layer.rid, layer.width) for layer in watched.published.layers] == [("q", 640), ("f", 1280)]
    assert [stats.rid for stats in watched.track.stats(SECOND)] == ["q", "f"]


def test_a_shut_track_forgets_its_pictures_and_an_opened_one_asks_for_a_new_one():
    watched = Watched(rids=("q",))
    watched.published.watch("q")
    watched.arrive("q", 1, SECOND)
    history = watched.published.layers[0].track.history
    assert history.group_seq is not None
    watched.track.shut()
    assert history.group_seq is None
    assert not watched.published.is_live
    watched.track.review(SECOND)
    assert not watched.published.is_live
    watched.track.open(2 * SECOND)
    assert watched.published.is_live
    assert watched.key_wishes == 1


def test_mute_is_a_change_told_once():
    watched = Watched()
    for is_muted in (True, True, False):
        watched.track.set_muted(is_muted=is_muted, now_ns=SECOND)
    assert watched.changes == 2
    assert watched.published.is_live


def test_wishes_for_layers_there_are_not_and_for_sound_mean_nothing():
    watched = Watched()
    watched.track.request_key(CAMERA, "zz")
    assert watched.key_wishes == 0
    sound = Watched(is_sound=True)
    sound.track.request_key(MICROPHONE, "")
    assert sound.key_wishes == 0


@pytest.mark.parametrize("codec", [Codec.H264, Codec.VP8, Codec.OPUS, Codec.PCMA, Codec.PCMU])
def test_every_codec_has_parameters_to_begin_with(codec):
    assert params_of(codec).codec is codec
    assert params_of(codec).clock_rate_hz in (90_000, 48_000, 8_000)


def test_packets_reach_the_published_layer():
    watched = Watched(rids=("q",))
    watched.arrive("q", 9, SECOND)
    packet = watched.published.layers[0].track.history.get(9)
    assert isinstance(packet, Packet)
