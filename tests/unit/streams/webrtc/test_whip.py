"""Foreign software that publishes: sessions, their places, their routes."""

import asyncio

import httpx
import pytest
from fastapi import FastAPI

from media.base.errors import ErrorKind, HubError
from media.base.ids import SourceId
from streams.publication import TrackName
from streams.webrtc import whip
from streams.webrtc.peer import PeerEnd
from streams.webrtc.whip import WhipEndpoint, WhipEvents, WhipSession, make_whip_router, names_of
from tests.unit.streams.webrtc.engine import PlainEngine
from tests.unit.streams.webrtc.publisher import (
    CAMERA,
    MICROPHONE,
    OPUS,
    SOURCE,
    Encoder,
    audio_line,
    offer_of,
    video_line,
)

OFFER = offer_of(video_line("0"), audio_line("1"))


class Room:
    """An endpoint and what the room was told."""

    def __init__(self) -> None:
        self.engine = PlainEngine()
        self.started: list[WhipSession] = []
        self.ended: list[tuple[str, str]] = []
        self.levels: list[tuple[SourceId, TrackName, int]] = []
        events = WhipEvents(
            self.started.append,
            lambda session, cause: self.ended.append((session.session_id, cause)),
            lambda source, name, level, _at: self.levels.append((source, name, level)),
        )
        self.endpoint = WhipEndpoint(self.engine, events)  # type: ignore[arg-type]


@pytest.fixture
async def room():
    made = Room()
    yield made
    await made.endpoint.aclose()


async def ended(room: Room, count: int = 1) -> None:
    async with asyncio.timeout(5):
        while len(room.ended) < count:  # noqa: ASYNC110  # a list has no event
            await asyncio.sleep(0.001)


def test_the_first_picture_is_the_camera_and_the_first_sound_the_microphone():
    text = offer_of(audio_line("0"), video_line("1"), video_line("2"), audio_line("3"))
    assert names_of(text) == {"0": MICROPHONE, "1": CAMERA}
    assert names_of(offer_of(video_line("0").replace("video 9", "video 0"), video_line("1"))) == {"1": CAMERA}


async def test_what_the_room_allows_is_published(room):
    await room.endpoint.create(OFFER, SOURCE, "s1")
    (session,) = room.started
    assert (session.session_id, session.source) == ("s1", SOURCE)
    session.peer.allow(frozenset({MICROPHONE}))
    await asyncio.sleep(0)
    room.engine.peers[0].secure()
    on_media = room.engine.peers[0].events.on_media
    on_media(Encoder(10, "0").picture(0, 1, is_key=True)[0].to_bytes())
    on_media(Encoder(20, "1", payload_type=OPUS).packet(b"sound", 0, level=9).to_bytes())
    assert [track.name for track in session.peer.publication.tracks] == [MICROPHONE]
    assert room.levels == [(SOURCE, MICROPHONE, 9)]
    assert room.endpoint.stats()["s1"].gated == 1


async def test_a_second_session_of_a_participant_takes_the_place_of_the_first(room):
    await room.endpoint.create(OFFER, SOURCE, "s1")
    await room.endpoint.create(OFFER, SOURCE, "s2")
    assert room.ended == [("s1", "replaced")]
    assert list(room.endpoint.stats()) == ["s2"]
    assert room.started[0].peer.publication.is_ended


async def test_an_ended_path_ends_the_session_once(room):
    await room.endpoint.create(OFFER, SOURCE, "s1")
    await asyncio.sleep(0)
    room.engine.peers[0].end.set_result(PeerEnd.CONSENT_LOST)
    await ended(room)
    assert room.ended == [("s1", "consent_lost")]
    with pytest.raises(HubError) as error:
        await room.endpoint.delete("s1")
    assert error.value.kind is ErrorKind.NOT_FOUND


async def test_refused_offers_leave_no_session_and_tell_nobody(room):
    for text, code in (
        ("x", "bad_sdp"),
        (offer_of(video_line("0").replace("H264/", "A/").replace("VP8/", "B/")), "codec_unsupported"),
    ):
        with pytest.raises(HubError) as error:
            await room.endpoint.create(text, SOURCE, "s1")
        assert error.value.code == code
    assert (room.endpoint.stats(), room.started, room.ended) == ({}, [], [])


async def test_sessions_are_counted_and_their_ids_unique(room, monkeypatch):
    monkeypatch.setattr(whip, "MAX_PUBLISHERS", 1)
    await room.endpoint.create(OFFER, SOURCE, "s1")
    with pytest.raises(HubError) as twice:
        await room.endpoint.create(OFFER, SOURCE, "s1")
    assert twice.value.code == "session_exists"
    with pytest.raises(HubError) as many:
        await room.endpoint.create(OFFER, SourceId("participant/p2"), "s2")
    assert (many.value.kind, many.value.code) == (ErrorKind.EXHAUSTED, "too_many_publishers")


async def test_closing_ends_every_session(room):
    await room.endpoint.create(OFFER, SOURCE, "s1")
    await room.endpoint.create(OFFER, SourceId("participant/p2"), "s2")
    await room.endpoint.aclose()
    assert sorted(room.ended) == [("s1", "shutdown"), ("s2", "shutdown")]
    assert all(peer.is_closed for peer in room.engine.peers)


async def test_the_routes_create_trickle_list_and_delete(room):
    app = FastAPI()
    app.include_router(make_whip_router(room.endpoint))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://worker") as client:
        made = await client.post("/whip/p1", content=OFFER, headers={"X-Xiangyun-Session": "s1"})
        assert (made.status_code, made.headers["content-type"]) == (201, "application/sdp")
        assert made.headers["location"] == "/whip/sessions/s1"
        assert made.text.startswith("v=0")
        assert room.started[0].source == "participant/p1"
        line = "a=ice-ufrag:abcd\r\na=candidate:1 1 udp 5 10.0.0.7 5000 typ host\r\n"
        assert (await client.patch("/whip/sessions/s1", content=line)).status_code == 204
        assert room.engine.peers[0].candidates[0].host == "10.0.0.7"
        assert list((await client.get("/whip/sessions")).json()["items"]) == ["s1"]
        assert (await client.delete("/whip/sessions/s1")).status_code == 204
    assert room.ended == [("s1", "deleted")]
