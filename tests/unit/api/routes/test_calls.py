"""Calls: rung, taken once, refused, cancelled, timed out; endpoints that answer by themselves."""

from typing import Any

import pytest

from api.control.call_clock import CallClock
from tests.fakes.control import Person, Plane, control_plane, eventually

PASSWORD = "Village-watch-3"


@pytest.fixture
async def county(admin: Person) -> Person:
    """Two townships of one county, and another county."""
    root = (await admin.get("/orgs")).json()["items"][0]["id"]
    await admin.made("/orgs", {"id": "town", "name": "镇", "level": "township", "parent_id": root})
    await admin.made("/orgs", {"id": "abroad", "name": "外县", "level": "county"})
    for name, org, role in (
        ("li", "town", "viewer"), ("wang", "town", "viewer"), ("zhao", "abroad", "viewer"), ("zhen", "town", "operator"),
        ("sec", "town", "maintainer"),
    ):  # fmt: skip
        account = {"id": name, "username": name, "password": PASSWORD, "display_name": f"{name}先生"}
        await admin.made("/users", {**account, "roles": [role], "org_id": org})
    return admin


def told(plane: Plane, event: str) -> list[tuple[str, Any]]:
    """Return (user, reason) of every event of the kind that was said."""
    said = [data for channel, data in plane.state.said if channel == "xy:call" and data["event"] == event]
    return [(data["user_id"], data.get("reason")) for data in said]


async def ring(person: Person, user_id: str = "wang") -> Any:
    return await person.made("/calls", {"user_id": user_id})


async def test_a_call_rings_is_taken_once_and_both_have_a_seat(plane: Plane, county: Person) -> None:
    li, first, second = [await plane.log_in(name, PASSWORD) for name in ("li", "wang", "wang")]
    call = await ring(li)
    assert (call["state"], call["to_name"], call["join"]["role"]) == ("ringing", "wang先生", "speaker")
    assert told(plane, "call_ringing") == [("wang", None)]
    taken = await first.post(f"/calls/{call['id']}/accept")
    assert (taken.status_code, taken.json()["state"]) == (200, "talking")
    assert taken.json()["join"]["room_id"] == call["room_id"]
    late = await second.post(f"/calls/{call['id']}/accept")
    assert (late.status_code, late.json()["code"]) == (409, "already_answered")
    assert told(plane, "call_accepted") == [("li", None)]
    assert told(plane, "call_ended") == [("wang", "answered_elsewhere")]


async def test_only_the_two_know_of_a_call_and_its_room(plane: Plane, county: Person) -> None:
    li, sec = await plane.log_in("li", PASSWORD), await plane.log_in("sec", PASSWORD)
    call = await ring(li)
    for person in (sec, county):
        assert (await person.get(f"/calls/{call['id']}")).json()["code"] == "unknown_call"
        assert (await person.get(f"/rooms/{call['room_id']}")).json()["code"] == "unknown_room"
        assert (await person.post(f"/calls/{call['id']}/accept")).json()["code"] == "unknown_call"
    assert (await li.post(f"/calls/{call['id']}/accept")).status_code == 403


@pytest.mark.parametrize(("who", "does", "reason"), [("wang", "decline", "declined"), ("li", "cancel", "cancelled")])
async def test_a_call_is_refused_or_withdrawn_and_its_room_ends(
    plane: Plane, county: Person, who: str, does: str, reason: str
) -> None:
    people = {name: await plane.log_in(name, PASSWORD) for name in ("li", "wang")}
    call = await ring(people["li"])
    ended = (await people[who].post(f"/calls/{call['id']}/{does}")).json()
    assert (ended["state"], ended["reason"]) == ("ended", reason)
    assert sorted(told(plane, "call_ended")) == [("li", reason), ("wang", reason)]
    assert (await people["li"].get(f"/rooms/{call['room_id']}")).json()["state"] == "ended"
    assert (await people[who].post(f"/calls/{call['id']}/{does}")).json()["reason"] == reason
    assert len(told(plane, "call_ended")) == 2


async def test_whoever_is_in_a_call_is_busy(plane: Plane, county: Person) -> None:
    li, zhen = await plane.log_in("li", PASSWORD), await plane.log_in("zhen", PASSWORD)
    call = await ring(li)
    assert (await zhen.post("/calls", {"user_id": "wang"})).json()["code"] == "busy"
    assert (await li.post("/calls", {"user_id": "zhen"})).json()["code"] == "busy"
    await li.post(f"/calls/{call['id']}/cancel")
    await ring(zhen)


@pytest.mark.parametrize("body", [{"user_id": "li"}, {"user_id": "zhao"}, {"user_id": "nobody"}, {"user_id": "off"}])
async def test_who_cannot_be_rung_is_not_there(plane: Plane, county: Person, body: Any) -> None:
    await county.made(
        "/users", {"id": "off", "username": "off", "password": PASSWORD, "roles": ["viewer"], "org_id": "town"}
    )
    await county.patch("/users/off", {"enabled": False})
    li = await plane.log_in("li", PASSWORD)
    assert (await li.post("/calls", body)).json()["code"] == "unknown_user"


async def test_nobody_answers_for_forty_five_seconds(plane: Plane, county: Person) -> None:
    li, wang = await plane.log_in("li", PASSWORD), await plane.log_in("wang", PASSWORD)
    call = await ring(li)
    plane.clock.advance(44)
    assert (await wang.get(f"/calls/{call['id']}")).json()["state"] == "ringing"
    plane.clock.advance(2)

    async def is_over() -> bool:
        return bool((await li.get(f"/calls/{call['id']}")).json()["reason"] == "timeout")

    await eventually(is_over)
    assert (await wang.post(f"/calls/{call['id']}/accept")).json()["code"] == "already_answered"


async def test_a_call_that_was_answered_but_never_met_ends(plane: Plane, county: Person) -> None:
    li, wang = await plane.log_in("li", PASSWORD), await plane.log_in("wang", PASSWORD)
    call = await ring(li)
    await wang.post(f"/calls/{call['id']}/accept")
    plane.clock.advance(61)

    async def is_over() -> bool:
        return bool((await li.get(f"/calls/{call['id']}")).json()["reason"] == "no_answer")

    await eventually(is_over)


async def test_a_page_that_was_away_finds_what_rings(plane: Plane, county: Person) -> None:
    li, wang = await plane.log_in("li", PASSWORD), await plane.log_in("wang", PASSWORD)
    call = await ring(li)
    listed = (await wang.get("/calls")).json()["items"]
    assert [(one["id"], one["state"], one["from_name"]) for one in listed] == [(call["id"], "ringing", "li先生")]


async def test_a_kiosk_answers_by_itself_only_to_who_manages_the_place(plane: Plane, county: Person) -> None:
    zhen, li = await plane.log_in("zhen", PASSWORD), await plane.log_in("li", PASSWORD)
    kiosk = {"id": "hall", "name": "村委会终端", "kind": "kiosk", "user_id": "wang", "auto_answer": True}
    assert (await li.post("/endpoints", kiosk)).status_code == 403
    assert (await zhen.made("/endpoints", kiosk))["org_id"] == "town"
    assert (await zhen.post("/endpoints", kiosk)).json()["code"] == "duplicate_id"
    call = await zhen.made("/calls", {"endpoint_id": "hall"})
    assert (call["auto_answer"], call["to_name"]) == (True, "村委会终端")
    await zhen.post(f"/calls/{call['id']}/cancel")
    assert (await li.made("/calls", {"endpoint_id": "hall", "audio_only": True}))["auto_answer"] is False
    assert [data["auto_answer"] for _, data in plane.state.said if data.get("event") == "call_ringing"] == [True, False]


async def test_endpoints_are_listed_changed_and_removed(plane: Plane, county: Person) -> None:
    zhen = await plane.log_in("zhen", PASSWORD)
    await zhen.made("/endpoints", {"id": "hall", "name": "终端", "user_id": "wang"})
    assert (await zhen.post("/endpoints", {"name": "x", "user_id": "nobody"})).json()["code"] == "unknown_user"
    changed = await zhen.patch("/endpoints/hall", {"name": "新终端", "auto_answer": True})
    assert (changed.json()["name"], changed.json()["auto_answer"]) == ("新终端", True)
    assert [one["id"] for one in (await zhen.get("/endpoints")).json()["items"]] == ["hall"]
    abroad = await plane.log_in("zhao", PASSWORD)
    assert (await abroad.get("/endpoints")).json()["items"] == []
    assert (await abroad.get("/endpoints/hall")).json()["code"] == "unknown_endpoint"
    assert (await zhen.delete("/endpoints/hall")).status_code == 204
    assert (await zhen.get("/endpoints/hall")).status_code == 404


async def test_the_directory_shows_names_of_ones_county_and_nothing_else(plane: Plane, county: Person) -> None:
    li = await plane.log_in("li", PASSWORD)
    found = (await li.get("/people", params={"q": "先生"})).json()["items"]
    assert [one["id"] for one in found] == ["li", "sec", "wang", "zhen"]
    assert found[0] == {"id": "li", "display_name": "li先生", "org_id": "town", "org_name": "镇"}
    assert (await li.get("/people", params={"q": "%"})).json()["items"] == []


async def test_a_call_goes_on_where_a_killed_api_left_it(plane: Plane, county: Person) -> None:
    li = await plane.log_in("li", PASSWORD)
    call = await ring(li)
    async with control_plane(str(plane.ctx.db.url)) as successor:
        again = await successor.log_in("wang", PASSWORD)
        assert (await again.get("/calls")).json()["items"][0]["state"] == "ringing"
        successor.clock.advance(46)

        async def is_over() -> bool:
            await CallClock(successor.ctx, successor.app.state.control.metrics).look()
            return bool((await li.get(f"/calls/{call['id']}")).json()["reason"] == "timeout")

        await eventually(is_over)
