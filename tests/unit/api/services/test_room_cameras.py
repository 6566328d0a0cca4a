"""Cameras in a room and the chair over HTTP: who may, who saw it, and the end of both."""

from typing import Any

import pytest
from fastapi.responses import JSONResponse

from tests.fakes.control import Person, Plane, eventually
from tests.fakes.control_fixtures import *  # noqa: F403
from tests.fakes.meeting import *  # noqa: F403
from tests.fakes.meeting import PASSWORD, seat_token
from tests.fakes.page import opened
from tests.fakes.session_worker import StandIn


def person(name: str, user_id: str, role: str = "attendee", **more: Any) -> dict[str, Any]:
    return {
        "id": f"p-{user_id}",
        "name": name,
        "user_id": user_id,
        "role": role,
        "kind": "person",
        "is_online": True,
        **more,
    }


def inside(plane: Plane, *people: dict[str, Any], **room: Any) -> None:
    """Let the worker say who is in the room."""
    body = {"room": {"chair": None, "floor": [], **room}, "participants": list(people)}
    plane.worker.answers["GET /rooms/r1"] = JSONResponse(body)


async def settle(plane: Plane) -> None:
    async with plane.ctx.db.write() as connection:
        await connection.exec_driver_sql("UPDATE rooms SET slot = 'node/0'")


async def rows(admin: Person, action: str) -> list[tuple[str, Any]]:
    items = (await admin.get("/audit", params={"action": action})).json()["items"]
    return [(item["username"], item["details"]) for item in reversed(items)]


async def test_a_speaker_shows_a_camera_and_the_audit_names_to_whom(
    plane: Plane, worker: StandIn, county: Person
) -> None:
    await settle(plane)
    li = await plane.log_in("li", PASSWORD)
    lobby = person("等候者", "zhao", is_in_lobby=True)
    inside(plane, person("李", "li", "speaker"), person("王", "wang", venue="城北村"), lobby)
    shown = await li.post("/rooms/r1/cameras/gate")
    assert (shown.status_code, shown.json()["name"], shown.json()["shown_by"]) == (201, "村口", "li")
    assert ("/rooms/r1/cameras/gate", {"by": "p-li", "name": "村口", "slot": "node/0"}) in plane.worker.told
    ((who, details),) = await rows(county, "room.camera_shown")
    assert (who, details["room"], details["to"]) == ("li", "r1", ["李", "王（城北村）"])
    assert [camera["camera_id"] for camera in (await li.get("/rooms/r1")).json()["cameras"]] == ["gate"]
    assert (await li.post("/rooms/r1/cameras/gate")).status_code == 201
    assert len(await rows(county, "room.camera_shown")) == 1
    assert (await li.delete("/rooms/r1/cameras/gate")).status_code == 204
    ((who, details),) = await rows(county, "room.camera_gone")
    assert (who, details["reason"]) == ("li", "hidden")
    assert (await li.delete("/rooms/r1/cameras/gate")).json()["code"] == "source_not_found"


@pytest.mark.parametrize(
    ("room", "who", "status"),
    [
        ({}, ("attendee", True), 403),
        ({"chair": "p-li"}, ("attendee", True), 201),
        ({"floor": ["p-li"]}, ("attendee", True), 201),
        ({}, ("chair", True), 201),
        ({}, ("speaker", False), 403),
    ],
)
async def test_only_who_has_a_say_shows_a_camera(
    plane: Plane, worker: StandIn, county: Person, room: Any, who: tuple[str, bool], status: int
) -> None:
    await settle(plane)
    li = await plane.log_in("li", PASSWORD)
    role, is_online = who
    inside(plane, person("李", "li", role, is_online=is_online), **room)
    assert (await li.post("/rooms/r1/cameras/gate")).status_code == status
    assert len(await rows(county, "room.camera_shown")) == (1 if status == 201 else 0)


async def test_a_camera_one_may_not_watch_is_not_shown_by_anybody(
    plane: Plane, worker: StandIn, county: Person
) -> None:
    await settle(plane)
    li = await plane.log_in("li", PASSWORD)
    inside(plane, person("李", "li", "chair"))
    assert (await li.post("/rooms/r1/cameras/far")).json()["code"] == "unknown_camera"
    await county.patch("/cameras/gate", {"enabled": False})
    assert (await li.post("/rooms/r1/cameras/gate")).json()["code"] == "camera_disabled"
    assert plane.worker.told == []


async def test_who_manages_the_room_shows_a_camera_from_outside(plane: Plane, worker: StandIn, county: Person) -> None:
    await settle(plane)
    inside(plane)
    assert (await county.post("/rooms/r1/cameras/far")).status_code == 201
    assert plane.worker.told[-1][1]["by"] == "system"


async def test_a_refusal_of_the_worker_is_written_as_the_end(plane: Plane, worker: StandIn, county: Person) -> None:
    await settle(plane)
    inside(plane)
    body = {"code": "wrong_state", "detail": "no"}
    plane.worker.answers = {"POST /rooms/r1/cameras": JSONResponse(body, 409), **plane.worker.answers}
    assert (await county.post("/rooms/r1/cameras/gate")).json()["code"] == "wrong_state"
    assert [details["reason"] for _, details in await rows(county, "room.camera_gone")] == ["wrong_state"]


async def test_a_camera_leaves_with_the_right_of_who_showed_it_and_with_the_room(
    plane: Plane, worker: StandIn, county: Person
) -> None:
    await settle(plane)
    li = await plane.log_in("li", PASSWORD)
    inside(plane, person("李", "li", "chair"))
    await li.post("/rooms/r1/cameras/gate")
    await county.post("/rooms/r1/cameras/far")
    await county.patch("/users/li", {"roles": ["security-admin"]})

    async def reasons() -> list[str]:
        return [details["reason"] for _, details in await rows(county, "room.camera_gone")]

    async def is_gone() -> bool:
        return await reasons() == ["revoked"]

    await eventually(is_gone)
    assert ("DELETE", "/rooms/r1/cameras/gate", {}) in plane.worker.asked
    await county.post("/rooms/r1/end")

    async def are_gone() -> bool:
        return await reasons() == ["revoked", "room_ended"]

    await eventually(are_gone)


async def test_whoever_is_in_the_room_watches_what_it_shows_and_no_longer(
    plane: Plane, worker: StandIn, county: Person
) -> None:
    await settle(plane)
    inside(plane)
    await county.post("/rooms/r1/cameras/far")
    li = await plane.log_in("li", PASSWORD)
    async with opened(plane.app) as page:
        await page.hello(token=await seat_token(li))
        assert (await page.ask("subscribe", source="camera/far", track="video"))["type"] == "ok"
        assert "grant" not in worker.frames[-1]
        ((who, details),) = await rows(county, "view.start")
        assert (who, details["room"]) == ("li", "r1")
        await county.delete("/rooms/r1/cameras/far")
        assert [details["reason"] for _, details in await rows(county, "view.end")] == ["hidden"]
        assert (await page.ask("subscribe", source="camera/far", track="audio"))["type"] == "ok", "the worker decides"
        await page.ask("unsubscribe", source="camera/far", track="audio")
        await page.ask("unsubscribe", source="camera/far", track="video")
        assert (await page.ask("subscribe", source="camera/far", track="video"))["code"] == "source_not_found"


async def test_the_chair_panel_over_http_acts_as_who_one_is(plane: Plane, worker: StandIn, county: Person) -> None:
    li = await plane.log_in("li", PASSWORD)
    plane.worker.answers = {"POST /rooms/r1/commands": JSONResponse({"done": True}), **plane.worker.answers}
    assert (await li.post("/rooms/r1/chair", {"action": "apply"})).json()["code"] == "not_in_room"
    async with opened(plane.app) as page:
        await page.hello(token=await seat_token(li))
        mine = worker.opened[0]["seat"]["participant_id"]
        assert (await li.post("/rooms/r1/chair", {"action": "mute_all", "by": "system"})).json() == {"done": True}
        assert plane.worker.told[-1] == ("/rooms/r1/commands", {"action": "mute_all", "by": mine})
        other = {"action": "apply", "participant_id": "p-somebody"}
        assert (await li.post("/rooms/r1/chair", other)).json()["code"] == "not_in_room"
    await county.post("/rooms/r1/chair", {"action": "deprive", "target": mine})
    assert plane.worker.told[-1][1] == {"action": "deprive", "target": mine, "by": "system"}
    assert [who for who, _ in await rows(county, "room.chair")] == ["admin"]
    wang = await plane.log_in("wang", PASSWORD)
    await county.patch("/rooms/r1", {"members": [{"user_id": "li"}]})
    assert (await wang.post("/rooms/r1/chair", {"action": "apply"})).json()["code"] == "unknown_room"


async def test_the_chair_ends_the_meeting_as_far_as_the_room_allows(
    plane: Plane, worker: StandIn, county: Person
) -> None:
    li = await plane.log_in("li", PASSWORD)
    async with opened(plane.app) as page:
        await page.hello(token=await seat_token(li))
        refused = JSONResponse({"code": "not_chair", "detail": "no"}, 403)
        plane.worker.answers = {"POST /rooms/r1/commands": refused, **plane.worker.answers}
        answer = await li.post("/rooms/r1/chair", {"action": "end"})
        assert (answer.status_code, answer.json()["code"]) == (403, "not_chair")
        assert (await county.get("/rooms/r1")).json()["state"] == "running"
        plane.worker.answers["POST /rooms/r1/commands"] = JSONResponse({})
        assert (await li.post("/rooms/r1/chair", {"action": "end"})).status_code == 200
        assert (await county.get("/rooms/r1")).json()["state"] in {"running", "ended"}
        assert (await county.get("/rooms/r1")).json()["ended_at"] is not None
