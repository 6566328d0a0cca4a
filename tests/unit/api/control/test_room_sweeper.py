"""What nobody may have any more in sessions and rooms ends within seconds, once, and is written down."""

import json
from typing import Any

import pytest
from fastapi.responses import JSONResponse

from api.state import WorkerEvent
from tests.fakes.control import Person, Plane, eventually
from tests.fakes.control_fixtures import *  # noqa: F403
from tests.fakes.meeting import *  # noqa: F403
from tests.fakes.meeting import PASSWORD, actions, seat_token, wall_token
from tests.fakes.page import Page, opened
from tests.fakes.session_worker import StandIn


async def ends(page: Page, code: str, number: int) -> None:
    assert (await page.until("closing"))["code"] == code
    await page.until("nothing more")
    assert page.closed == number


@pytest.mark.parametrize(
    ("withdraw", "code", "number"),
    [
        (("PATCH", "/users/li", {"enabled": False}), "unauthenticated", 4001),
        (("DELETE", "/users/li", None), "unauthenticated", 4001),
        (("PATCH", "/users/li", {"roles": []}), "revoked", 4003),
        (("PATCH", "/rooms/r1", {"members": [{"user_id": "wang"}]}), "revoked", 4003),
        (("POST", "/rooms/r1/end", None), "room_ended", 1000),
    ],
)
async def test_a_seat_ends_with_what_it_rests_on(
    plane: Plane, worker: StandIn, county: Person, withdraw: Any, code: str, number: int
) -> None:
    li = await plane.log_in("li", PASSWORD)
    async with opened(plane.app) as page:
        welcome = await page.hello(token=await seat_token(li))
        method, path, body = withdraw
        assert (await county.call(method, path, json=body)).status_code in {200, 204}
        await ends(page, code, number)
        async with opened(plane.app) as again:
            assert (await again.hello(resume=welcome["resume_token"]))["type"] == "error"

        async def is_written() -> bool:
            return await actions(county, "room.leave") == [f"room.leave {code}"]

        await eventually(is_written)
    told = [body for path, body in plane.worker.told if path == "/sessions/revoke"]
    assert told[0]["session_ids"] == [worker.opened[0]["session_id"]]
    assert told[0]["code"] == code


async def test_logging_out_ends_ones_sessions_and_no_others(plane: Plane, worker: StandIn, county: Person) -> None:
    first, second = await plane.log_in("li", PASSWORD), await plane.log_in("li", PASSWORD)
    async with opened(plane.app) as one, opened(plane.app) as other:
        await one.hello(token=await wall_token(first))
        await other.hello(token=await seat_token(second))
        await first.post("/auth/logout")
        await ends(one, "unauthenticated", 4001)
        assert (await other.ask("ping", t=1))["type"] == "ok"


async def test_a_guest_stays_while_the_room_does(plane: Plane, worker: StandIn, county: Person) -> None:
    room = (await county.get("/rooms/r1")).json()
    body = {"display_name": "王婶", "invite": room["invite_url"].partition("invite=")[2], "passcode": room["passcode"]}
    token = (await plane.client.post("/api/v1/rooms/r1/join", json=body)).json()["token"]
    async with opened(plane.app) as page:
        welcome = await page.hello(token=token)
        assert worker.opened[0]["seat"]["user_id"] == ""
        await county.delete("/rooms/r1/invite")
        await plane.app.state.control.sweeper._rooms.sweep()
        assert (await page.ask("ping", t=1))["type"] == "ok"
        answer = await page.ask("subscribe", source="camera/gate", track="video")
        assert answer["code"] == "source_not_found"
        await county.post("/rooms/r1/end")
        await ends(page, "room_ended", 1000)
    async with opened(plane.app) as page:
        assert (await page.hello(resume=welcome["resume_token"]))["code"] in {"resume_unknown", "room_ended"}


async def test_a_camera_right_withdrawn_ends_the_view_and_not_the_session(
    plane: Plane, worker: StandIn, county: Person
) -> None:
    li = await plane.log_in("li", PASSWORD)
    async with opened(plane.app) as page:
        await page.hello(token=await seat_token(li))
        await page.ask("subscribe", source="camera/gate", track="video")
        await county.patch("/users/li", {"roles": ["security-admin"]})

        async def is_revoked() -> bool:
            return await actions(county, "view") == ["view.start", "view.end revoked"]

        await eventually(is_revoked)
        told = [body for path, body in plane.worker.told if path == "/sessions/revoke"]
        assert told == [{"session_ids": [worker.opened[0]["session_id"]], "camera_id": "gate", "code": "revoked"}]
        assert ("xy:session", "gate") in [(channel, data.get("camera_id")) for channel, data in plane.state.said]
        assert (await page.ask("ping", t=1))["type"] == "ok"


async def test_a_revocation_waits_for_a_worker_that_is_away(plane: Plane, worker: StandIn, county: Person) -> None:
    li = await plane.log_in("li", PASSWORD)
    async with opened(plane.app) as page:
        await page.hello(token=await seat_token(li))
        plane.workers.is_down = True
        await county.patch("/users/li", {"enabled": False})
        await ends(page, "unauthenticated", 4001)
        assert await actions(county, "room.leave") == []
        plane.workers.is_down = False

        async def is_written() -> bool:
            return await actions(county, "room.leave") == ["room.leave unauthenticated"]

        await eventually(is_written)


async def test_sessions_a_worker_has_forgotten_are_written_off_and_may_come_back(
    plane: Plane, worker: StandIn, county: Person
) -> None:
    async with opened(plane.app) as page:
        welcome = await page.hello(token=await seat_token(county))
        worker.known.clear()

        async def is_lost() -> bool:
            plane.clock.advance(10)
            return await actions(county, "room.leave") == ["room.leave lost"]

        await eventually(is_lost)
    async with opened(plane.app) as page:
        assert (await page.hello(resume=welcome["resume_token"]))["resumed"] is False


async def hear(plane: Plane, *events: WorkerEvent) -> None:
    plane.state.events += events

    async def is_heard() -> bool:
        return set(plane.state.acked) >= {event.id for event in events}

    await eventually(is_heard)


async def test_the_workers_word_ends_session_and_views_once(plane: Plane, worker: StandIn, county: Person) -> None:
    async with opened(plane.app) as page:
        await page.hello(token=await seat_token(county))
        await page.ask("subscribe", source="camera/gate", track="video")
    session = worker.opened[0]["session_id"]
    (row,) = (await county.get("/live-sessions")).json()["items"]
    ended = {"session_id": session, "reason": "expired"}
    await hear(
        plane,
        WorkerEvent("1-0", "session.unsubscribed", {"session_id": session, "source": "camera/gate", "grant": row["id"], "reason": "viewer"}),
        WorkerEvent("2-0", "session.ended", ended),
        WorkerEvent("3-0", "session.ended", ended),
        WorkerEvent("4-0", "session.unsubscribed", {}),
    )  # fmt: skip
    assert await actions(county, "view") == ["view.start", "view.end viewer"]
    assert await actions(county, "room.leave") == ["room.leave expired"]


async def test_a_room_that_ended_at_its_worker_is_ended_copied_and_let_go(
    plane: Plane, worker: StandIn, county: Person
) -> None:
    async with opened(plane.app) as page:
        await page.hello(token=await seat_token(county))
        line = {"seq": 1, "at_wall_us": plane.clock.wall_us(), "kind": "open", "by": "system", "data": {"name": "会"}}
        plane.worker.answers["GET /rooms/r1/events"] = JSONResponse({"items": [line]})
        await hear(plane, WorkerEvent("1-0", "room.ended", {"room_id": "r1", "seq": 1}))
        await ends(page, "room_ended", 1000)
    assert (await county.get("/rooms/r1")).json()["state"] == "ended"
    async with plane.ctx.db.read() as connection:
        assert (await connection.exec_driver_sql("SELECT seq, kind FROM room_events")).all() == [(1, "open")]
        assert (await connection.exec_driver_sql("SELECT slot FROM rooms")).all() == [(None,)]
    assert ("DELETE", "/rooms/r1", {}) in plane.worker.asked
    assert ("xy:room", {"room_id": "r1"}) in plane.state.said


async def test_many_announcements_of_one_room_are_one_fetch(plane: Plane, worker: StandIn, county: Person) -> None:
    async with opened(plane.app) as page:
        await page.hello(token=await seat_token(county))
        lines = [
            {"seq": n, "at_wall_us": 1, "kind": "chat", "by": "x", "data": {"text": json.dumps(n)}}
            for n in range(1, 31)
        ]
        plane.worker.answers["GET /rooms/r1/events"] = JSONResponse({"items": lines})
        await hear(plane, *(WorkerEvent(f"{n}-0", "room.changed", {"room_id": "r1", "seq": n}) for n in range(1, 31)))
    fetched = [query for _, path, query in plane.worker.asked if path == "/rooms/r1/events"]
    assert [query["since"] for query in fetched] == ["0", "30"]


async def test_rooms_are_where_the_shared_state_says_again_after_it_was_emptied(
    plane: Plane, worker: StandIn, county: Person
) -> None:
    async with opened(plane.app) as page:
        await page.hello(token=await seat_token(county))
        assert plane.state.room_slots == {"r1": "node/0"}
        plane.state.room_slots = {"old": "node/9"}

        async def is_there() -> bool:
            plane.clock.advance(2)
            return plane.state.room_slots == {"r1": "node/0"}

        await eventually(is_there)


async def test_either_side_that_leaves_ends_a_call(plane: Plane, worker: StandIn, county: Person) -> None:
    li, wang = await plane.log_in("li", PASSWORD), await plane.log_in("wang", PASSWORD)
    call = await li.made("/calls", {"user_id": "wang"})
    taken = (await wang.post(f"/calls/{call['id']}/accept")).json()
    async with opened(plane.app) as caller, opened(plane.app) as called:
        await caller.hello(token=call["join"]["token"])
        await called.hello(token=taken["join"]["token"])
        await called.ask("leave")

        async def is_over() -> bool:
            return bool((await li.get(f"/calls/{call['id']}")).json()["reason"] == "left")

        await eventually(is_over)
        await ends(caller, "room_ended", 1000)
