"""A session that shows one source: it follows its tracks, and ends when what was negotiated cannot be had any more."""

from media.packet import Codec, CodecParams, Kind
from streams.publication import Layer, TrackName
from streams.webrtc.outlet import SourceTrack
from streams.webrtc.subscribing import EndCause
from streams.webrtc.viewer import Viewer, ViewerIdentity
from tests.unit.streams.webrtc.plane import H264, PCMA, Plane, plane
from tests.unit.streams.webrtc.subscribers import Page, publish, subscribe

H265 = CodecParams(codec=Codec.H265, clock_rate_hz=90_000)
NAMES = {"0": TrackName.VIDEO, "1": TrackName.AUDIO}


async def session(p: Plane, quality: str = "main") -> tuple[Viewer, Page, list[EndCause]]:
    p.begin(H264, PCMA)
    page = await subscribe(p)
    video, _ = publish({"sub": SourceTrack(H264), "main": p.feed.tracks[Kind.VIDEO]})
    publish({"main": p.feed.tracks[Kind.AUDIO]}, TrackName.AUDIO, publication=video.publication)
    causes = []
    identity = ViewerIdentity("s", "u", video.publication.source, quality, 7, "passthrough")
    viewer = Viewer(identity, page.connection, video.publication, lambda _, cause: causes.append(cause))
    viewer.show(NAMES)
    return viewer, page, causes


async def test_it_shows_its_layer_and_tells_its_figures():
    async with plane() as p:
        viewer, page, _ = await session(p)
        p.picture(is_key=True)
        p.sound(0)
        await p.settle()
        assert page.connection.slots["0"].shown[1] == "main"
        stats = viewer.stats()
        assert (stats.state, stats.quality, stats.source) == ("live", "main", "camera/gate")
        assert stats.packets_sent == len(page.read()) + 1
        await viewer.aclose(EndCause.DELETED)


async def test_without_a_wish_it_takes_the_best_layer():
    async with plane() as p:
        viewer, page, _ = await session(p, "")
        assert page.connection.slots["0"].shown[1] == "main"
        await viewer.aclose(EndCause.DELETED)


async def test_a_source_that_ends_ends_it():
    async with plane() as p:
        viewer, _, causes = await session(p)
        viewer.publication.end()
        assert causes == [EndCause.CAMERA_REMOVED]
        await viewer.aclose(causes[0])


async def test_another_codec_ends_it_and_sound_that_is_gone_does_not():
    async with plane() as p:
        viewer, _, causes = await session(p)
        publication = viewer.publication
        publication.drop(TrackName.AUDIO)
        assert causes == []
        video = publication.get(TrackName.VIDEO)
        video.layers = (Layer("sub", SourceTrack(H265)), video.layers[1])
        publication.changed()
        assert causes == []  # it insists on main
        video.layers = (video.layers[0], Layer("main", SourceTrack(H265)))
        publication.changed()
        assert causes == [EndCause.CODEC_CHANGED]
        await viewer.aclose(causes[0])


async def test_after_its_end_it_listens_no_more():
    async with plane() as p:
        viewer, _, causes = await session(p)
        await viewer.aclose(EndCause.REVOKED)
        viewer.publication.end()
        assert causes == []
