"""Tracks by name, watched layers by count, and listeners that hear of every change."""

from media.base.ids import SourceId
from media.packet import Codec, CodecParams, Kind
from streams.publication import Layer, Publication, PublishedTrack, TrackName
from streams.webrtc.outlet import SourceTrack

VP8 = CodecParams(codec=Codec.VP8, clock_rate_hz=90_000)


class Origin:
    def __init__(self) -> None:
        self.demands: list[frozenset[str]] = []
        self.track: PublishedTrack | None = None

    def request_key(self, name: TrackName, rid: str) -> None:
        raise AssertionError

    def demand_changed(self, name: TrackName) -> None:
        self.demands.append(self.track.watched)


def camera() -> tuple[PublishedTrack, Origin]:
    origin = Origin()
    origin.track = PublishedTrack(TrackName.CAMERA, [Layer(rid, SourceTrack(VP8)) for rid in "qhf"], origin)
    return origin.track, origin


def test_names_tell_what_is_seen_and_what_is_heard():
    heard = {name for name in TrackName if name.kind is Kind.AUDIO}
    assert heard == {TrackName.AUDIO, TrackName.MICROPHONE, TrackName.SCREEN_AUDIO}


def test_the_origin_hears_of_first_watchers_and_last_ones_only():
    track, origin = camera()
    track.watch("h")
    track.watch("h")
    track.watch("q")
    track.unwatch("h")
    track.unwatch("h")
    assert origin.demands == [frozenset("h"), frozenset("hq"), frozenset("q")]
    assert track.layer("f").rid == "f"
    assert track.layer("x") is None


def test_listeners_hear_of_every_change_until_they_stop_and_one_may_stop_another():
    publication, seen = Publication(SourceId("participant/a")), []
    stops = []
    stops.append(publication.listen(lambda p: (seen.append(("a", len(p.tracks))), stops[1]())))
    stops.append(publication.listen(lambda p: seen.append(("b", len(p.tracks)))))
    track, _ = camera()
    publication.put(track)
    assert track.publication is publication
    assert publication.get(TrackName.CAMERA) is track
    publication.changed()
    publication.drop(TrackName.CAMERA)
    publication.drop(TrackName.CAMERA)
    stops[0]()
    publication.end()
    assert seen == [("a", 1), ("b", 1), ("a", 1), ("a", 0)]


def test_the_end_is_told_once_and_leaves_no_tracks():
    publication, seen = Publication(SourceId("participant/a")), []
    publication.put(camera()[0])
    publication.listen(lambda p: seen.append(p.is_ended))
    publication.end()
    publication.end()
    assert seen == [True]
    assert publication.tracks == ()
