"""Sessions of foreign viewers: of cameras and of anybody else, and what is said when there is nothing to see."""

import asyncio

import pytest

from media.base.errors import ErrorKind, HubError
from media.base.ids import CameraId, Quality, SourceId, StreamKey, camera_source
from media.packet import Codec, CodecParams, EndReason, Track
from streams.hub import Hub
from streams.plane import Plane
from streams.publication import Publication, TrackName
from streams.webrtc.camera_source import CameraSources
from streams.webrtc.outlet import SourceTrack
from streams.webrtc.whep import WhepEndpoint
from tests.unit.streams.webrtc.plane import H264, PCMA, plane
from tests.unit.streams.webrtc.subscribers import OFFER, StandInEngine, publish

GATE = StreamKey(camera_source(CameraId("gate")))
ANNA = SourceId("participant/anna")
VP8 = CodecParams(codec=Codec.VP8, clock_rate_hz=90_000)
OPUS = CodecParams(codec=Codec.OPUS, clock_rate_hz=48_000)


class Site:
    def __init__(self, engine: StandInEngine) -> None:
        engine.make_track = SourceTrack
        self.hub, self.engine = Hub(), engine
        self.plane = Plane("w1", CameraSources(self.hub, engine, linger_s=0), None, linger_s=0)
        self.ends: list[tuple[str, ...]] = []
        self.endpoint = WhepEndpoint(engine, self.plane, lambda *end: self.ends.append(end[:4]), max_viewers=3)

    async def ended(self) -> None:
        """Wait until no session is left."""
        async with asyncio.timeout(5):
            while self.endpoint.sessions() or len(self.endpoint._owner):  # noqa: ASYNC110  # no event to wait for
                await asyncio.sleep(0.001)

    async def code_of(self, work) -> tuple[ErrorKind, str]:
        with pytest.raises(HubError) as error:
            await work
        return error.value.kind, error.value.code


@pytest.fixture
async def site():
    async with plane() as p:
        made = Site(StandInEngine(p))
        yield made
        await made.endpoint.aclose()
        made.plane.close()


async def test_a_camera_is_shown_in_the_quality_asked_for_with_the_sound_of_its_main_stream(site):
    site.hub.stream(GATE).begin([Track(0, H264), Track(1, PCMA)])
    site.hub.stream(StreamKey(GATE.source, Quality.SUB)).begin([Track(0, H264)])
    answer = await site.endpoint.create(OFFER, StreamKey(GATE.source, Quality.SUB), "s1", "u1")
    assert answer.audio == "passthrough"
    assert "m=video 9 UDP/TLS/RTP/SAVPF 102\r\n" in answer.sdp
    (viewer,) = site.endpoint._viewers.values()
    assert [slot.shown[1] for slot in viewer.connection.slots.values()] == ["sub", "main"]
    assert await site.endpoint.delete("s1")
    assert site.ends == [("s1", "u1", "gate", "deleted")]


async def test_a_participant_is_watched_like_a_camera(site):
    own = Publication(ANNA)
    site.plane.publish(own)
    publish({"q": SourceTrack(VP8), "f": SourceTrack(VP8)}, TrackName.CAMERA, publication=own)
    publish({"": SourceTrack(OPUS)}, TrackName.MICROPHONE, publication=own)
    answer = await site.endpoint.create_for(OFFER, ANNA, "s1", "u1")
    assert "m=video 9 UDP/TLS/RTP/SAVPF 96\r\n" in answer.sdp
    assert "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n" in answer.sdp
    own.drop(TrackName.CAMERA)
    assert site.ends == []
    own.end()
    await site.ended()
    assert site.ends == [("s1", "u1", "anna", "source_ended")]
    assert site.endpoint.sessions() == ()
    assert site.endpoint.ended == {"source_ended": 1}


async def test_who_cannot_be_seen_is_said_and_nothing_is_held(site):
    assert await site.code_of(site.endpoint.create_for(OFFER, ANNA, "s", "u")) == (
        ErrorKind.NOT_FOUND,
        "source_not_found",
    )
    offline = (ErrorKind.UNAVAILABLE, "camera_offline")
    assert await site.code_of(site.endpoint.create(OFFER, GATE, "s", "u")) == offline
    site.hub.stream(GATE).begin([Track(0, H264)])
    assert await site.code_of(site.endpoint.create(OFFER, StreamKey(GATE.source, Quality.SUB), "s", "u")) == offline
    site.hub.stream(GATE).end(EndReason.DISCONNECTED)
    assert await site.code_of(site.endpoint.create(OFFER, GATE, "s", "u")) == offline
    own = Publication(ANNA)
    site.plane.publish(own)
    assert (await site.code_of(site.endpoint.create_for(OFFER, ANNA, "s", "u")))[1] == "source_offline"
    async with asyncio.timeout(5):
        while site.plane._held:  # noqa: ASYNC110  # as above
            await asyncio.sleep(0.001)
    assert site.engine.peers == []


async def test_no_more_than_so_many_and_each_session_once(site):
    site.hub.stream(GATE).begin([Track(0, H264)])
    for number in range(3):
        await site.endpoint.create(OFFER, GATE, f"s{number}", "u")
        if number == 0:
            assert (await site.code_of(site.endpoint.create(OFFER, GATE, "s0", "u")))[1] == "session_exists"
    assert (await site.code_of(site.endpoint.create(OFFER, GATE, "s9", "u")))[1] == "too_many_viewers"
    assert await site.endpoint.close_sessions(["s0", "s9"]) == 1
    assert await site.endpoint.close_user("u") == 2
    assert {end[3] for end in site.ends} == {"revoked"}


async def test_another_codec_and_a_removed_camera_end_the_session(site):
    for change, cause in (
        (None, "camera_removed"),
        (CodecParams(codec=Codec.H265, clock_rate_hz=90_000), "codec_changed"),
    ):
        site.hub.stream(GATE).begin([Track(0, H264)])
        await site.endpoint.create(OFFER, GATE, cause, "u")
        if change is None:
            site.hub.drop(GATE)
        else:
            site.hub.stream(GATE).end(EndReason.DISCONNECTED)
            assert len(site.endpoint.sessions()) == 1
            site.hub.stream(GATE).begin([Track(0, change)])
        await site.ended()
        assert site.ends[-1] == (cause, "u", "gate", cause)
