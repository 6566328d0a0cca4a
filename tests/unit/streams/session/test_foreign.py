"""WHIP seats and WHEP viewers in a real room, without a socket: who may, what the gate does, what ends when."""

import base64
import json
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from media.base.errors import ErrorKind, HubError
from media.base.ids import SourceId
from streams.publication import TrackName
from streams.rooms.values import Role, SeatKind
from streams.session import foreign as module
from streams.session.foreign import ForeignSoftware, make_router, read_claims
from streams.webrtc.publishing import PublishEnd
from streams.webrtc.whep import WhepAnswer
from tests.unit.streams.session.world import FakePublisher, seat, settled, world

SDP = "v=0"
NAMES = {"0": TrackName.CAMERA, "1": TrackName.MICROPHONE}


class FakeWhep:
    """Answers viewers and remembers who was closed."""

    def __init__(self) -> None:
        self.opened: dict[str, tuple[str, str]] = {}
        self.closed: list[str] = []
        self.listeners: list[Callable[[str], None]] = []

    def listen(self, on_ended: Callable[[str], None]) -> None:
        self.listeners.append(on_ended)

    async def create_for(self, offer: str, source: SourceId, session: str, user: str, *, slot: str = "") -> WhepAnswer:
        self.opened[session] = (source, slot)
        return WhepAnswer(session, "answer", "passthrough")

    async def close_sessions(self, sessions: Iterable[str]) -> int:
        self.closed += sessions
        for name in sessions:
            self.listeners[0](name)
        return len(self.closed)


@asynccontextmanager
async def foreign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **config: Any) -> AsyncIterator[Any]:
    """Run foreign software whose publishers keep only books."""
    publishers: list[FakePublisher] = []

    def make(_engine: object, source: SourceId, events: Any) -> FakePublisher:
        publishers.append(FakePublisher(source, events))
        return publishers[-1]

    def names_of(offer: str) -> Mapping[str, TrackName]:
        if offer != SDP:
            raise HubError(ErrorKind.INVALID, "no offer", code="bad_sdp")
        return NAMES

    monkeypatch.setattr("streams.webrtc.whip.PublishingPeer", make)
    monkeypatch.setattr("streams.webrtc.whip.names_of", names_of)
    monkeypatch.setattr(module, "names_of", names_of)
    async with world(tmp_path, **config) as at:
        whep = FakeWhep()
        made = ForeignSoftware(SimpleNamespace(), at.plane, at.rooms, at.rooms, whep)  # type: ignore[arg-type]
        at.rooms.listen(lambda room: made.room_changed(room.state.id))
        try:
            yield SimpleNamespace(at=at, made=made, whep=whep, publishers=publishers, room=at.rooms.rooms["room-1"])
        finally:
            await made.aclose()


def claims(name: str = "p-9") -> Any:
    return read_claims(encoded(name), "room-1")


def encoded(name: str = "p-9", room_id: str = "room-1") -> str:
    return base64.b64encode(json.dumps(seat(name, Role.SPEAKER, room_id).as_json()).encode()).decode()


async def test_a_publisher_has_a_seat_whose_gate_the_room_sets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with foreign(tmp_path, monkeypatch) as it:
        chair = await it.at.join("p-1", Role.CHAIR)
        assert await it.made.publish(SDP, claims(), "whip-1") == "published"
        assert it.room.state.seats["p-9"].kind is SeatKind.WHIP
        (publisher,) = it.publishers
        assert publisher.allowed == {TrackName.CAMERA, TrackName.MICROPHONE}
        assert it.at.plane.own(publisher.publication.source) is publisher.publication
        await chair.person("p-9", lambda who: set(who["tracks"]) == {"camera", "microphone"})
        await chair.ask("chair", action="mute", target="p-9")
        assert publisher.allowed == {TrackName.CAMERA}


async def test_the_end_of_a_publisher_gives_its_seat_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with foreign(tmp_path, monkeypatch) as it:
        await it.made.publish(SDP, claims(), "whip-1")
        it.publishers[0].finish(PublishEnd.SILENT)
        await settled(lambda: "p-9" not in it.room.state.seats)
        assert it.at.plane.own(SourceId("participant/p-9")) is None


async def test_who_is_removed_is_disconnected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with foreign(tmp_path, monkeypatch) as it:
        chair = await it.at.join("p-1", Role.CHAIR)
        await it.made.publish(SDP, claims(), "whip-1")
        await chair.ask("chair", action="remove", target="p-9")
        await settled(it.publishers[0].ended.is_set)
        assert it.made.whip.stats() == {}


async def test_a_second_session_of_the_seat_takes_the_place_of_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with foreign(tmp_path, monkeypatch) as it:
        await it.made.publish(SDP, claims(), "whip-1")
        await it.made.publish(SDP, claims(), "whip-2")
        first, second = it.publishers
        await settled(first.ended.is_set)
        await settled(lambda: list(it.made.whip.stats()) == ["whip-2"])
        assert "p-9" in it.room.state.seats
        assert it.at.plane.own(SourceId("participant/p-9")) is second.publication
        assert not second.ended.is_set()


async def test_an_offer_that_fails_leaves_no_seat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with foreign(tmp_path, monkeypatch) as it:
        with pytest.raises(HubError, match="no offer"):
            await it.made.publish("nonsense", claims(), "whip-1")
        assert it.room.state.seats == {}

        async def broken(*_: object) -> str:
            raise HubError(ErrorKind.CONFLICT, "nothing to carry", code="codec_unsupported")

        monkeypatch.setattr(FakePublisher, "answer", broken)
        with pytest.raises(HubError, match="nothing to carry"):
            await it.made.publish(SDP, claims(), "whip-1")
        assert it.room.state.seats == {}


async def test_a_locked_room_takes_no_publisher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with foreign(tmp_path, monkeypatch, locked=True) as it:
        with pytest.raises(HubError) as caught:
            await it.made.publish(SDP, claims(), "whip-1")
        assert caught.value.code == "room_locked"
        assert it.publishers == []


async def test_a_viewer_sees_what_the_room_shows_as_long_as_it_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with foreign(tmp_path, monkeypatch) as it:
        source = SourceId("participant/p-9")
        with pytest.raises(HubError) as caught:
            await it.made.watch(claims("p-8"), source, SDP, "whep-1", "u-1")
        assert caught.value.code == "not_permitted"
        await it.made.publish(SDP, claims(), "whip-1")
        await settled(lambda: it.room.sources)
        answer = await it.made.watch(claims("p-8"), source, SDP, "whep-1", "u-1")
        assert answer.sdp == "answer"
        assert it.whep.opened == {"whep-1": (source, "w0")}
        await it.made.whip.delete("whip-1")
        await settled(lambda: it.whep.closed == ["whep-1"])
        assert it.made._viewers == {}, "what is over is not remembered"


@pytest.mark.parametrize(("config", "code"), [({"lobby": True}, "in_lobby"), ({"locked": True}, "room_locked")])
async def test_a_viewer_stands_before_the_same_door_as_everybody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: dict[str, Any], code: str
) -> None:
    async with foreign(tmp_path, monkeypatch, **config) as it:
        await it.at.join("p-1", Role.CHAIR)
        source = SourceId("participant/p-1")
        with pytest.raises(HubError) as caught:
            await it.made.watch(claims("p-8"), source, SDP, "whep-1", "u-p-8")
        assert caught.value.code == code
        with pytest.raises(HubError) as caught:
            await it.made.watch(claims("p-1"), source, SDP, "whep-1", "u-p-1")
        assert caught.value.code == "not_permitted", "who sits inside is judged by what is shown"


async def test_who_is_removed_watches_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with foreign(tmp_path, monkeypatch) as it:
        chair = await it.at.join("p-1", Role.CHAIR)
        await it.at.join("p-8", Role.ATTENDEE)
        await it.made.publish(SDP, claims(), "whip-1")
        await settled(lambda: it.room.sources)
        await it.made.watch(claims("p-8"), SourceId("participant/p-9"), SDP, "whep-1", "u")
        await chair.ask("chair", action="remove", target="p-8")
        await settled(lambda: it.whep.closed == ["whep-1"])
        with pytest.raises(HubError) as caught:
            await it.made.watch(claims("p-8"), SourceId("participant/p-9"), SDP, "whep-2", "u")
        assert caught.value.code == "in_lobby"


async def test_at_the_end_of_the_worker_the_seat_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with foreign(tmp_path, monkeypatch) as it:
        await it.made.publish(SDP, claims(), "whip-1")
        await it.made.aclose()
        await settled(lambda: not it.room.state.seats["p-9"].is_online)


@pytest.mark.parametrize(
    "text", ["", "%%%", "bm90IGpzb24=", base64.b64encode(b"[]").decode(), base64.b64encode(b"{}").decode()]
)
def test_claims_that_cannot_be_read_are_refused(text: str) -> None:
    with pytest.raises(HubError) as caught:
        read_claims(text, "room-1")
    assert caught.value.code == "bad_message"


def test_claims_of_another_room_are_refused() -> None:
    with pytest.raises(HubError) as caught:
        read_claims(encoded(room_id="room-2"), "room-1")
    assert caught.value.code == "not_in_room"


async def test_the_routes_answer_as_the_protocols_want(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with foreign(tmp_path, monkeypatch) as it:
        client = routes(it.made)
        headers = {"X-Xiangyun-Session": "whip-1", "X-Xiangyun-Seat": encoded(), "X-Xiangyun-User": "u-1"}
        answer = await client.post("/rooms/room-1/whip", content=SDP, headers=headers)
        assert (answer.status_code, answer.headers["Location"]) == (201, "/whip/sessions/whip-1")
        assert (await client.post("/rooms/room-1/whip", content=SDP, headers=headers)).json()[
            "code"
        ] == "session_exists"
        await settled(lambda: it.room.sources)
        watched = await client.post("/rooms/room-1/whep?source=participant/p-9", content=SDP, headers=headers)
        assert (watched.status_code, watched.text) == (201, "answer")
        assert (await client.patch("/whip/sessions/whip-1", content="a=x")).status_code == 204
        assert it.publishers[0].candidates == ["a=x"]
        assert (await client.delete("/whip/sessions/whip-1")).status_code == 204
        assert (await client.delete("/whip/sessions/whip-1")).json()["code"] == "session_not_found"


def routes(made: ForeignSoftware) -> httpx.AsyncClient:
    app = FastAPI()
    app.include_router(make_router(made))

    async def on_hub_error(_request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HubError)
        return JSONResponse({"code": error.code}, 400)

    app.add_exception_handler(HubError, on_hub_error)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://worker")
