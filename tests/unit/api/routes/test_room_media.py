"""WHIP and WHEP in rooms: who may, with what, how it ends, and the words of RFC 9725."""

import base64
import json
from typing import Any

import pytest
from fastapi.responses import JSONResponse, Response

from tests.fakes.control import Person, Plane, eventually
from tests.fakes.meeting import *  # noqa: F403
from tests.fakes.meeting import PASSWORD, actions, seat_token
from tests.fakes.session_worker import StandIn

SDP = "application/sdp"


@pytest.fixture(autouse=True)
def answers(plane: Plane, worker: StandIn) -> None:
    """Let the worker answer offers."""
    offer = Response(b"v=0\r\nanswer\r\n", 201, media_type=SDP)
    gone = Response(status_code=204)
    first: dict[str, Any] = {f"POST /rooms/r1/{kind}": offer for kind in ("whip", "whep")}
    first |= {f"{method} /{kind}/sessions": gone for method in ("DELETE", "PATCH") for kind in ("whip", "whep")}
    plane.worker.answers = first | plane.worker.answers


async def send(plane: Plane, path: str, token: str, **headers: str) -> Any:
    found = {"Authorization": f"Bearer {token}", "Content-Type": SDP, **headers}
    return await plane.client.post(f"/api/v1{path}", content=b"v=0\r\noffer\r\n", headers=found)


async def test_a_publisher_comes_by_log_in_and_has_a_seat(plane: Plane, county: Person) -> None:
    li = await plane.log_in("li", PASSWORD)
    answer = await send(plane, "/rooms/r1/whip", li.token)
    assert (answer.status_code, answer.headers["content-type"]) == (201, SDP)
    assert answer.content == b"v=0\r\nanswer\r\n"
    headers = plane.worker.headers[-1]
    seat = json.loads(base64.b64decode(headers["x-xiangyun-seat"]))
    assert (seat["room_id"], seat["kind"], seat["user_id"], seat["home_slot"]) == ("r1", "whip", "li", "node/0")
    location = answer.headers["location"]
    assert location == f"/api/v1/rooms/r1/whip/{headers['x-xiangyun-session']}"
    assert await actions(county, "room.join") == ["room.join"]
    assert (await li.delete(location.removeprefix("/api/v1"))).status_code == 204
    assert plane.worker.asked[-1][:2] == ("DELETE", f"/whip/sessions/{headers['x-xiangyun-session']}")
    assert await actions(county, "room.leave") == ["room.leave left"]
    assert (await li.delete(location.removeprefix("/api/v1"))).status_code == 204


async def test_a_join_token_of_this_room_is_good_once(plane: Plane, county: Person) -> None:
    await county.made("/rooms", {"id": "r2", "name": "别的会", "org_id": "town"})
    other = str((await county.post("/rooms/r2/join", {})).json()["token"])
    assert (await send(plane, "/rooms/r1/whip", other)).json()["code"] == "token_invalid"
    token = await seat_token(county)
    made = await send(plane, "/rooms/r1/whip", token)
    assert made.status_code == 201
    again = await send(plane, "/rooms/r1/whip", token)
    assert (again.status_code, again.json()["code"]) == (401, "token_used")
    path = made.headers["location"]
    stranger = await plane.client.delete(path, headers={"Authorization": f"Bearer {other}"})
    assert (stranger.status_code, stranger.json()["code"]) == (404, "session_not_found")
    mine = {"Authorization": f"Bearer {token}", "Content-Type": "application/trickle-ice-sdpfrag"}
    assert (await plane.client.patch(path, content=b"a=candidate:1", headers=mine)).status_code == 204
    assert (await plane.client.delete(path, headers=mine)).status_code == 204


@pytest.mark.parametrize(
    ("headers", "status"),
    [({"Content-Type": "text/plain"}, 415), ({"Accept": "text/html"}, 406), ({"Accept": "*/*"}, 201)],
)
async def test_what_is_no_sdp_is_refused_before_a_seat_is_taken(
    plane: Plane, county: Person, headers: dict[str, str], status: int
) -> None:
    assert (await send(plane, "/rooms/r1/whip", county.token, **headers)).status_code == status
    assert len(await actions(county, "room.join")) == (1 if status == 201 else 0)


async def test_other_methods_are_not_allowed(plane: Plane, county: Person) -> None:
    for method in ("GET", "PUT", "DELETE"):
        answer = await county.call(method, "/rooms/r1/whip")
        assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
    assert (await plane.client.post("/api/v1/rooms/r1/whip", content=b"v=0")).status_code == 401


async def test_a_refusal_of_the_worker_is_passed_on_and_written(plane: Plane, county: Person) -> None:
    plane.worker.answers["POST /rooms/r1/whip"] = JSONResponse({"code": "codec_unsupported"}, 409)
    assert (await send(plane, "/rooms/r1/whip", county.token)).json()["code"] == "codec_unsupported"
    assert await actions(county, "room.leave") == ["room.leave codec_unsupported"]


async def test_a_viewer_of_a_room_watches_one_source(plane: Plane, county: Person) -> None:
    li = await plane.log_in("li", PASSWORD)
    answer = await send(plane, "/rooms/r1/whep?source=participant/p-1", li.token)
    assert answer.status_code == 201
    assert plane.worker.asked[-1] == ("POST", "/rooms/r1/whep", {"source": "participant/p-1"})
    assert (await send(plane, "/rooms/r1/whep?source=nobody", li.token)).json()["code"] == "invalid_body"
    assert (await send(plane, "/rooms/r1/whep?source=camera/far", li.token)).json()["code"] == "source_not_found"
    assert (await send(plane, "/rooms/r1/whep?source=camera/gate", li.token)).status_code == 201
    assert await actions(county, "view") == ["view.start"]


async def test_foreign_software_goes_with_the_right_of_its_owner(plane: Plane, county: Person) -> None:
    li = await plane.log_in("li", PASSWORD)
    await send(plane, "/rooms/r1/whip", li.token)
    await county.patch("/users/li", {"enabled": False})

    async def is_gone() -> bool:
        return await actions(county, "room.leave") == ["room.leave unauthenticated"]

    await eventually(is_gone)
    assert any(method == "DELETE" and path.startswith("/whip/sessions/whip-") for method, path, _ in plane.worker.asked)


async def test_what_the_worker_still_serves_is_not_written_off(plane: Plane, county: Person) -> None:
    await send(plane, "/rooms/r1/whip", county.token)
    session = plane.worker.headers[-1]["x-xiangyun-session"]
    plane.worker.answers["GET /whip/sessions"] = JSONResponse({"items": {session: {}}})
    plane.clock.advance(60)
    await plane.app.state.control.sweeper._rooms.sweep()
    assert await actions(county, "room.leave") == []
    plane.worker.answers["GET /whip/sessions"] = JSONResponse({"items": {}})
    plane.clock.advance(60)
    await plane.app.state.control.sweeper._rooms.sweep()
    assert await actions(county, "room.leave") == ["room.leave lost"]
