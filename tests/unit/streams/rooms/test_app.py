"""The private routes of rooms, as the api calls them."""

from contextlib import asynccontextmanager

import httpx
import pytest
from fastapi import FastAPI
from fastapi.responses import JSONResponse

from media.base.errors import HubError
from streams.rooms.app import make_router
from streams.rooms.values import Role, SeatKind
from tests.unit.streams.rooms.hall import hall, settle
from tests.unit.streams.simulated_loop import run_simulated

CONFIG = {
    "name": "推进会", "kind": "meeting", "speech": "open", "lobby": False, "locked": False, "max_participants": 300,
    "audio_loudest": 3, "record": False, "org_id": "", "org_name": "", "starts_at": "",
}  # fmt: skip


@asynccontextmanager
async def served(folder, **config):
    async with hall(folder, **config) as meeting:
        app = FastAPI()

        @app.exception_handler(HubError)
        async def on_error(_request, error):
            return JSONResponse({"code": error.code}, 400)

        app.include_router(make_router(meeting.directory))
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://worker") as client:
            yield meeting, client


@pytest.fixture
def run():
    return run_simulated


def test_a_room_is_opened_looked_at_and_ended(run, tmp_path) -> None:
    async def body():
        async with served(tmp_path, opens=False) as (meeting, client):
            for _ in range(2):
                opened = await client.put("/rooms/r", json=CONFIG)
                assert (opened.status_code, opened.json()["room"]["version"]) == (200, 1)
            await meeting.seat("chair", Role.CHAIR)
            await meeting.seat("east", kind=SeatKind.VENUE)
            await settle()
            seen = (await client.get("/rooms/r")).json()
            assert seen["room"]["chair"] == "chair"
            assert [one["id"] for one in seen["participants"]] == ["chair", "east"]
            assert seen["participants"][1]["tracks"]["camera"]["is_on"]
            assert [line["participant_id"] for line in seen["attendance"]["items"]] == ["chair", "east"]
            assert (await client.get("/rooms")).json()["items"][0]["people"] == 2
            assert (await client.post("/rooms/r/end", json={})).status_code == 204
            await settle()
            seen = (await client.get("/rooms/r")).json()
            assert seen["ended_at"]
            assert seen["participants"] == []
            assert all(line["stays"][0]["left_at"] for line in seen["attendance"]["items"])
            events = (await client.get("/rooms/r/events", params={"since": 1})).json()
            assert [item["kind"] for item in events["items"]] == ["join", "join", "end"]
            assert (events["seq"], events["phase"]) == (4, "ended")
            assert (await client.delete("/rooms/r")).status_code == 204
            assert (await client.get("/rooms/r")).json() == {"code": "room_not_found"}

    run(body())


def test_the_api_acts_for_seats_and_for_the_system(run, tmp_path) -> None:
    async def body():
        async with served(tmp_path) as (meeting, client):
            await meeting.seat("chair", Role.CHAIR)
            await meeting.seat("east")

            async def act(**fields):
                return (await client.post("/rooms/r/commands", json=fields)).json()

            assert await act(by="east", action="mute_all") == {"code": "not_chair"}
            assert await act(by="stranger", action="mute_all") == {"code": "not_in_room"}
            assert await act(by="chair", action="mute_all", is_locked=True) == {}
            assert meeting.state.is_all_locked
            assert await act(by="system", action="deprive", target="chair") == {}
            assert await act(by="east", action="join", target="x") == {"code": "bad_message"}
            assert await act(by="east", action="show_camera", camera_id="gate", name="x") == {"code": "bad_message"}
            assert await act(by="chair", action="dance") == {"code": "bad_message"}
            assert (await client.post("/rooms/r/commands", json={"by": "chair"})).status_code == 422

    run(body())


def test_cameras_come_and_go(run, tmp_path) -> None:
    async def body():
        async with served(tmp_path, speech="floor") as (meeting, client):
            await meeting.seat("chair", Role.CHAIR)
            await meeting.seat("east")
            shown = {"by": "chair", "name": "大门", "slot": "1"}
            refused = await client.post("/rooms/r/cameras/gate", json=shown | {"by": "east"})
            assert refused.json() == {"code": "not_permitted"}
            assert (await client.post("/rooms/r/cameras/Gate!", json=shown)).json() == {"code": "invalid_id"}
            for slot in ("1", "2"):
                posted = await client.post("/rooms/r/cameras/gate", json=shown | {"slot": slot})
                assert posted.json() == {"participant_id": "camera-gate"}
            await settle()
            assert next(s.slot for s in meeting.ears["east"].sources if s.source == "camera/gate") == "2"
            assert (await client.delete("/rooms/r/cameras/gate", params={"by": "east"})).json() == {"code": "not_chair"}
            assert (await client.delete("/rooms/r/cameras/gate")).status_code == 204
            assert (await client.delete("/rooms/r/cameras/gate")).json() == {"code": "target_not_found"}

    run(body())


def test_unknown_rooms_are_not_found(run, tmp_path) -> None:
    async def body():
        async with served(tmp_path) as (_, client):
            assert (await client.get("/rooms/other")).json() == {"code": "room_not_found"}
            assert (await client.get("/rooms/Other!")).json() == {"code": "invalid_id"}
            assert (await client.get("/rooms/other/events")).json() == {"code": "room_not_found"}
            assert (await client.delete("/rooms/r")).json() == {"code": "wrong_state"}
            assert (await client.put("/rooms/x", json={"name": 7})).json() == {"code": "bad_message"}

    run(body())
