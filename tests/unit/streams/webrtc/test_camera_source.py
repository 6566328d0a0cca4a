"""A camera as a publication: packets are made of what is watched, and whoever watches keeps the place."""

import asyncio
from collections.abc import Callable

import pytest

from media.base.clock import SystemClock
from media.base.errors import ErrorKind, HubError
from media.base.ids import CameraId, Quality, StreamKey, camera_source
from media.packet import AccessUnit, Codec, CodecParams, EndReason, Kind, Track
from streams.fanout import CAMERA
from streams.hub import Hub
from streams.publication import Publication, TrackName
from streams.webrtc.camera_source import CameraSources
from streams.webrtc.outlet import SourceTrack
from tests.unit.streams.webrtc.plane import H264, PCMA

GATE = camera_source(CameraId("gate"))
MAIN, SUB = StreamKey(GATE), StreamKey(GATE, Quality.SUB)
H265 = CodecParams(codec=Codec.H265, clock_rate_hz=90_000, width=1920, height=1080)
SMALL = CodecParams(codec=Codec.H264, clock_rate_hz=90_000, parameter_sets=(b"\x67",), width=640, height=360)
AAC = CodecParams(codec=Codec.AAC, clock_rate_hz=16_000)


class Pump:
    def wake(self, track: SourceTrack) -> None:
        pass


class Engine:
    def __init__(self) -> None:
        self.pump = Pump()
        self.clock = SystemClock()
        self.ticks: list[Callable[[int], None]] = []

    def make_track(self, params: CodecParams, group: object) -> SourceTrack:
        assert group is CAMERA
        return SourceTrack(params)

    def watch(self, on_tick: Callable[[int], None]) -> Callable[[], None]:
        self.ticks.append(on_tick)
        return lambda: self.ticks.remove(on_tick) if on_tick in self.ticks else None


class Site:
    """A hub with one camera, opened."""

    def __init__(self) -> None:
        self.hub, self.engine = Hub(), Engine()
        self.sources = CameraSources(self.hub, self.engine, linger_s=0.01)
        self.changes: list[list[str]] = []
        self.publication: Publication

    def run(self, key: StreamKey, *params: CodecParams) -> None:
        self.hub.stream(key).begin(Track(index, each) for index, each in enumerate(params))

    async def open(self) -> Publication:
        self.publication = await self.sources.open(GATE, "")
        self.publication.listen(self.changed)
        return self.publication

    def changed(self, publication: Publication) -> None:
        self.changes.append([track.name.value for track in publication.tracks if track.is_live])

    def readers(self) -> tuple[int, int]:
        return self.hub.stream(SUB).reader_count, self.hub.stream(MAIN).reader_count

    def picture(self, key: StreamKey, pts: int, params: CodecParams = H264) -> None:
        data = (6).to_bytes(4, "big") + b"\x65key!!"
        self.hub.stream(key).publish(AccessUnit(0, params, pts, pts, True, data, 1 + pts, 1))


@pytest.fixture
def site():
    return Site()


async def test_layers_are_sub_and_main_and_sound_is_of_main(site):
    site.run(SUB, SMALL, PCMA)
    site.run(MAIN, H265, PCMA)
    publication = await site.open()
    video, audio = publication.get(TrackName.VIDEO), publication.get(TrackName.AUDIO)
    assert [(layer.rid, layer.width, layer.is_flowing) for layer in video.layers] == [
        ("sub", 640, True),
        ("main", 1920, True),
    ]
    assert [layer.rid for layer in audio.layers] == ["main"]
    assert video.is_live
    assert site.readers() == (0, 0)  # nobody watches, nothing is made


async def test_feeds_come_with_the_first_watcher_and_go_a_while_after_the_last(site):
    site.run(SUB, SMALL)
    site.run(MAIN, H264, PCMA)
    publication = await site.open()
    video, audio = publication.get(TrackName.VIDEO), publication.get(TrackName.AUDIO)
    site.picture(MAIN, 0)
    video.watch("main")
    assert video.layer("main").track.history.group_seq == 0  # primed at once
    audio.watch("main")
    assert site.readers() == (0, 2)
    video.watch("main")
    video.unwatch("main")
    video.unwatch("main")
    await asyncio.sleep(0)
    video.watch("main")
    video.watch("sub")
    await asyncio.sleep(0.05)
    assert site.readers() == (1, 2)
    for track, rid in ((video, "main"), (video, "sub"), (audio, "main")):
        track.unwatch(rid)
    await asyncio.sleep(0.05)
    assert site.readers() == (0, 0)
    assert video.layer("main").track.history.group_seq is None


async def test_a_camera_that_is_away_keeps_its_tracks_and_those_who_watch(site):
    site.run(MAIN, H264, PCMA)
    publication = await site.open()
    video = publication.get(TrackName.VIDEO)
    video.watch("main")
    track = video.layer("main").track
    site.hub.stream(MAIN).end(EndReason.DISCONNECTED)
    assert not video.is_live
    assert not video.layer("main").is_flowing
    site.run(MAIN, H264, PCMA)
    assert video.is_live
    assert video.layer("main").track is track
    assert site.changes == [[], ["video", "audio"]]
    site.picture(MAIN, 0)
    assert track.history.next_seq > 0


async def test_one_that_has_never_been_there_gets_its_layers_when_it_comes(site):
    site.hub.stream(MAIN)
    publication = await site.open()
    video = publication.get(TrackName.VIDEO)
    assert (video.layers, video.is_live) == ((), False)
    assert publication.get(TrackName.AUDIO) is None
    site.run(MAIN, H264, PCMA)
    assert [layer.rid for layer in video.layers] == ["main"]
    assert publication.get(TrackName.AUDIO).is_live


async def test_another_codec_is_another_track_in_the_same_layer(site):
    site.run(MAIN, H264, PCMA)
    publication = await site.open()
    video = publication.get(TrackName.VIDEO)
    video.watch("main")
    before = video.layer("main").track
    site.hub.stream(MAIN).end(EndReason.DISCONNECTED)
    site.run(MAIN, H265, AAC)
    after = video.layer("main")
    assert after.track is not before
    assert (after.track.params.codec, after.width) == (Codec.H265, 1920)
    assert publication.get(TrackName.AUDIO) is None
    assert publication.left_out == {Codec.AAC}
    site.run(MAIN, H265, PCMA)
    assert publication.get(TrackName.AUDIO) is not None
    assert publication.left_out == frozenset()


async def test_a_stream_made_anew_is_followed_and_a_sub_stream_may_come_and_go(site):
    site.run(MAIN, H264)
    publication = await site.open()
    video = publication.get(TrackName.VIDEO)
    video.watch("main")
    site.run(SUB, SMALL)
    site.engine.ticks[0](0)
    assert [layer.rid for layer in video.layers] == ["sub", "main"]
    site.hub._streams.pop(MAIN)
    site.run(MAIN, H264)
    site.engine.ticks[0](0)
    assert site.readers() == (0, 1)
    site.hub.drop(SUB)
    assert [layer.rid for layer in video.layers] == ["main"]


async def test_a_camera_that_is_removed_ends_its_publication(site):
    site.run(MAIN, H264)
    publication = await site.open()
    publication.get(TrackName.VIDEO).watch("main")
    stream = site.hub.stream(MAIN)
    site.hub.drop(MAIN)
    assert publication.is_ended
    assert stream.reader_count == 0
    assert site.engine.ticks == []
    site.sources.close(publication)


async def test_closing_ends_it_and_an_unknown_camera_is_not_opened(site):
    site.run(MAIN, H264)
    publication = await site.open()
    publication.get(TrackName.VIDEO).watch("main")
    site.sources.close(publication)
    site.sources.close(publication)
    assert publication.is_ended
    assert site.readers() == (0, 0)
    with pytest.raises(HubError) as error:
        await site.sources.open(camera_source(CameraId("nobody")), "")
    assert (error.value.kind, error.value.code) == (ErrorKind.NOT_FOUND, "source_not_found")


async def test_a_camera_of_one_kind_has_no_other(site):
    site.run(MAIN, PCMA)
    publication = await site.open()
    assert publication.get(TrackName.VIDEO).layers == ()
    assert [layer.track.kind for layer in publication.get(TrackName.AUDIO).layers] == [Kind.AUDIO]
