"""The gate of sessions: tokens, cameras, breaks, ends. A stand-in worker speaks the envelope on a unix socket."""

import asyncio
import json
from typing import Any

import pytest

from api.control import gate, page_socket
from tests.fakes.control import Person, Plane, eventually
from tests.fakes.control_fixtures import *  # noqa: F403
from tests.fakes.meeting import *  # noqa: F403
from tests.fakes.meeting import PASSWORD, actions, seat_token, wall_token
from tests.fakes.page import Page, opened
from tests.fakes.session_worker import StandIn


async def test_a_token_opens_one_session_and_the_worker_learns_who_sits_there(
    plane: Plane, worker: StandIn, county: Person
) -> None:
    li = await plane.log_in("li", PASSWORD)
    token = await seat_token(li, display_name="李主任", venue="城北村", head_count=12)
    async with opened(plane.app) as page:
        welcome = await page.hello(token=token)
        assert (welcome["type"], welcome["resumed"]) == ("welcome", False)
        assert len(welcome["resume_token"]) > 30
        assert (await page.ask("ping", t=1))["type"] == "ok"
    seat = worker.opened[0]["seat"]
    assert (seat["display_name"], seat["venue"], seat["head_count"], seat["kind"]) == ("李主任", "城北村", 12, "venue")
    assert (seat["room_id"], seat["home_slot"], seat["role"], seat["user_id"]) == ("r1", "node/0", "attendee", "li")
    assert worker.frames[-1] == {"page": {"type": "ping", "id": 102, "t": 1}}
    asked = [(method, path) for method, path, _ in plane.worker.asked]
    assert asked.count(("PUT", "/rooms/r1")) == 1
    assert await actions(county, "room.join") == ["room.join"]


async def test_the_token_may_stand_in_the_address(plane: Plane, worker: StandIn, county: Person) -> None:
    async with opened(plane.app, f"token={await wall_token(county)}") as page:
        assert (await page.hello())["type"] == "welcome"
    assert worker.opened[0]["seat"] is None


@pytest.mark.parametrize(
    ("use", "code"), [("twice", "token_used"), ("late", "token_expired"), ("wrong", "token_invalid")]
)
async def test_a_token_that_is_not_good_is_refused_with_its_reason(
    plane: Plane, worker: StandIn, county: Person, use: str, code: str
) -> None:
    token = await wall_token(county)
    if use == "twice":
        async with opened(plane.app) as page:
            await page.hello(token=token)
    if use == "late":
        plane.clock.advance(121)
    if use == "wrong":
        token = "x" * 43
    async with opened(plane.app) as page:
        assert (await page.hello(token=token))["code"] == code
        assert (await page.until("closing"))["code"] == "refused"
        await page.until("nothing more")
        assert page.closed == 4001
    assert len(worker.opened) == (1 if use == "twice" else 0)


async def test_a_token_outlives_neither_its_log_in_nor_its_membership_nor_the_room(
    plane: Plane, worker: StandIn, county: Person
) -> None:
    li, wang = await plane.log_in("li", PASSWORD), await plane.log_in("wang", PASSWORD)
    tokens = {"out": await seat_token(li), "gone": await seat_token(wang), "over": await seat_token(county)}
    await li.post("/auth/logout")
    await county.patch("/rooms/r1", {"members": [{"user_id": "li"}]})
    for name, code in (("out", "token_invalid"), ("gone", "not_permitted")):
        async with opened(plane.app) as page:
            assert (await page.hello(token=tokens[name]))["code"] == code
    await county.post("/rooms/r1/end")
    async with opened(plane.app) as page:
        assert (await page.hello(token=tokens["over"]))["code"] == "room_ended"
    assert worker.opened == []


@pytest.mark.parametrize(
    "text",
    ["", "null", "[]", "{", "{\"type\":\"ping\",\"id\":1,\"t\":1}", "{\"type\":\"hello\",\"id\":1,\"protocol\":9}", "{\"type\":\"hello\"}",
     "{\"type\":\"hello\",\"id\":1,\"protocol\":1,\"token\":\"\\ud800aaaaaaaaaaaaaaaaaaaaaaaaa\"}", "[" * 5000, "9" * 5000],
)  # fmt: skip
async def test_who_does_not_say_hello_is_told_and_put_out(plane: Plane, worker: StandIn, text: str) -> None:
    async with opened(plane.app) as page:
        for _ in range(gate.FIRST_FRAMES):
            await page.text(text)
            assert (await page.next())["type"] == "error"
        assert (await page.until("closing"))["code"] == "refused"


async def test_who_says_nothing_is_put_out(plane: Plane, worker: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "HELLO_TIMEOUT_S", 0.05)
    async with opened(plane.app) as page:
        assert (await page.until("closing"))["code"] == "refused"


@pytest.mark.parametrize(
    ("origin", "is_let_in"),
    [("http://hub", True), ("https://hub", False), ("http://evil.example", False), ("null", False), ("http://hub:81", False), ("HTTP://HUB", False)],
)  # fmt: skip
async def test_a_page_of_another_host_is_not_let_in(
    plane: Plane, worker: StandIn, origin: str, is_let_in: bool
) -> None:
    async with opened(plane.app, headers={"origin": origin, "host": "hub:80"}) as page:
        await page.say("ping", t=1)
        answer = await page.next()
        assert (answer.get("code") == "hello_first") is is_let_in
        assert page.denied == (None if is_let_in else 403)


async def watch(page: Page, camera: str, track: str = "video") -> dict[str, Any]:
    return await page.ask("subscribe", source=f"camera/{camera}", track=track)


async def test_a_camera_is_written_down_before_the_worker_hears_of_it(
    plane: Plane, worker: StandIn, county: Person
) -> None:
    li = await plane.log_in("li", PASSWORD)
    worker.is_mute = True
    async with opened(plane.app) as page:
        await page.hello(token=await wall_token(li))
        await page.say("subscribe", source="camera/gate", track="video")

        async def is_passed_on() -> bool:
            return len(worker.frames) > 0

        await eventually(is_passed_on)
        assert await actions(county, "view") == ["view.start"]
        (row,) = (await county.get("/live-sessions")).json()["items"]
        assert worker.frames[-1]["grant"] == {"id": row["id"], "source": "camera/gate", "slot": "node/0"}


async def test_both_tracks_of_a_camera_are_one_view_that_ends_with_the_last(
    plane: Plane, worker: StandIn, county: Person
) -> None:
    li = await plane.log_in("li", PASSWORD)
    async with opened(plane.app) as page:
        await page.hello(token=await wall_token(li))
        assert (await watch(page, "gate"))["type"] == "ok"
        assert (await watch(page, "gate", "audio"))["type"] == "ok"
        assert [row["camera_id"] for row in (await county.get("/live-sessions")).json()["items"]] == ["gate"]
        await page.ask("unsubscribe", source="camera/gate", track="video")
        assert await actions(county, "view") == ["view.start"]
        await page.ask("unsubscribe", source="camera/gate", track="audio")
        assert await actions(county, "view") == ["view.start", "view.end viewer"]


async def test_a_refusal_of_the_worker_ends_the_view(plane: Plane, worker: StandIn, county: Person) -> None:
    worker.answers["subscribe"] = {"type": "error", "code": "source_offline", "message": "off"}
    async with opened(plane.app) as page:
        await page.hello(token=await wall_token(county))
        assert (await watch(page, "gate"))["code"] == "source_offline"
        assert await actions(county, "view") == ["view.start", "view.end source_offline"]


async def test_a_camera_one_may_not_see_is_never_asked_for(plane: Plane, worker: StandIn, county: Person) -> None:
    li = await plane.log_in("li", PASSWORD)
    async with opened(plane.app) as page:
        await page.hello(token=await wall_token(li))
        assert (await watch(page, "far"))["code"] == "source_not_found"
        assert (await watch(page, "nowhere"))["code"] == "source_not_found"
        await county.patch("/users/li", {"roles": ["auditor"]})
        assert (await watch(page, "gate"))["code"] == "not_permitted"
    assert worker.frames == []
    assert await actions(county, "view") == []


async def test_what_the_worker_ends_is_ended_once(plane: Plane, worker: StandIn, county: Person) -> None:
    async with opened(plane.app) as page:
        await page.hello(token=await wall_token(county))
        await watch(page, "gate")
        for _ in range(2):
            await worker.tell({"api": {"type": "unsubscribed", "source": "camera/gate", "reason": "source_gone"}})
        await page.ask("ping", t=1)
        assert await actions(county, "view") == ["view.start", "view.end source_gone"]


async def test_a_break_is_resumed_in_the_same_session(plane: Plane, worker: StandIn, county: Person) -> None:
    async with opened(plane.app) as page:
        welcome = await page.hello(token=await seat_token(county))
        await watch(page, "gate")
    async with opened(plane.app) as page:
        again = await page.hello(resume=welcome["resume_token"])
        assert (again["resumed"], again["session_id"]) == (True, welcome["session_id"])
        assert again["resume_token"] == welcome["resume_token"]
        assert worker.opened[-1]["is_resume"] is True
        await page.ask("unsubscribe", source="camera/gate", track="video")
    assert await actions(county, "room") == ["room.create", "room.join"]
    assert await actions(county, "view") == ["view.start", "view.end viewer"]


async def test_a_worker_that_was_killed_is_waited_for_and_the_seat_taken_anew(
    plane: Plane, worker: StandIn, county: Person
) -> None:
    async with opened(plane.app) as page:
        welcome = await page.hello(token=await seat_token(county, display_name="老王"))
        await watch(page, "gate")
        await worker.die()
        closing = await page.until("closing")
        assert (closing["code"], closing["can_resume"]) == ("worker_restart", True)
        await page.until("nothing more")
        assert page.closed == 1012
    async with opened(plane.app) as page:
        number = await page.say("hello", protocol=1, resume=welcome["resume_token"])
        await asyncio.sleep(0.1)
        await worker.start()
        again = await page.next()
        assert (again["id"], again["resumed"], again["resume_token"]) == (number, False, welcome["resume_token"])
        assert again["session_id"] != welcome["session_id"]
    assert worker.opened[-1]["seat"]["participant_id"] == worker.opened[0]["seat"]["participant_id"]
    assert worker.opened[-1]["seat"]["display_name"] == "老王"
    assert await actions(county, "view") == ["view.start", "view.end lost"]
    async with opened(plane.app) as page:
        assert (await page.hello(resume=welcome["resume_token"]))["resumed"] is True


async def test_a_worker_that_stays_away_leaves_the_token_good(
    plane: Plane, worker: StandIn, county: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate, "WORKER_WAIT_S", 0.1)
    token = await seat_token(county)
    await worker.die()
    async with opened(plane.app) as page:
        assert (await page.hello(token=token))["code"] == "worker_unavailable"
        assert (await page.until("closing"))["can_resume"] is True
    await worker.start()
    async with opened(plane.app) as page:
        assert (await page.hello(token=token))["type"] == "welcome"


async def test_a_refusal_of_the_room_is_shown_and_spends_the_token(
    plane: Plane, worker: StandIn, county: Person
) -> None:
    worker.refuse = {"code": "room_locked", "message": "locked"}
    token = await seat_token(county)
    async with opened(plane.app) as page:
        assert (await page.hello(token=token))["code"] == "room_locked"
    async with opened(plane.app) as page:
        assert (await page.hello(token=token))["code"] == "token_used"


async def test_a_room_its_worker_has_forgotten_is_told_again(plane: Plane, worker: StandIn, county: Person) -> None:
    await county.post("/rooms/r1/join", {})
    worker.refuse = {"code": "room_not_found", "message": "never heard of it"}
    async with opened(plane.app) as page:
        answer = await page.hello(token=await seat_token(county))
        assert answer["code"] == "room_not_found"
    puts = [path for method, path, _ in plane.worker.asked if method == "PUT"]
    assert puts == ["/rooms/r1"] * 2


async def test_whoever_comes_last_has_the_seat(plane: Plane, worker: StandIn, county: Person) -> None:
    joined = (await county.post("/rooms/r1/join", {})).json()
    async with opened(plane.app) as first:
        await first.hello(token=joined["token"])
        again = await seat_token(county, participant_id=joined["participant_id"])
        async with opened(plane.app) as second:
            assert (await second.hello(token=again))["type"] == "welcome"
            assert (await first.until("closing"))["code"] == "replaced"
            await first.until("nothing more")
            assert first.closed == 4000


async def test_leaving_ends_the_session_for_good(plane: Plane, worker: StandIn, county: Person) -> None:
    async with opened(plane.app) as page:
        welcome = await page.hello(token=await seat_token(county))
        assert (await page.ask("leave"))["type"] == "ok"
        await page.until("nothing more")
        assert page.closed == 1000
    assert await actions(county, "room.leave") == ["room.leave left"]
    async with opened(plane.app) as page:
        assert (await page.hello(resume=welcome["resume_token"]))["code"] == "resume_unknown"


async def test_a_page_that_talks_too_fast_is_refused_and_then_put_out(
    plane: Plane, worker: StandIn, county: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate, "BURST", 3.0)
    monkeypatch.setattr(gate, "FLOOD", 5)
    worker.is_mute = True
    async with opened(plane.app) as page:
        await page.hello(token=await wall_token(county))
        for _ in range(12):
            await page.say("ping", t=1)
        assert (await page.until("closing"))["code"] == "too_fast"
    assert len(worker.frames) <= 400
    assert {message.get("code") for message in page.told if message["type"] == "error"} == {"too_fast"}


async def test_a_page_that_never_reads_is_given_up(
    plane: Plane, worker: StandIn, county: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_socket.PageSocket.__init__, "__defaults__", (0.05,))
    async with opened(plane.app) as page:
        await page.hello(token=await wall_token(county))
        page.is_stuck = True
        await worker.tell({"page": {"type": "notice", "code": "x", "message": "y"}})

        async def is_gone() -> bool:
            return len(plane.app.state.control.gates) == 0

        await eventually(is_gone)


async def test_bad_frames_are_answered_and_hurt_nothing(plane: Plane, worker: StandIn, county: Person) -> None:
    async with opened(plane.app) as page:
        await page.hello(token=await wall_token(county))
        for text, code in (
            ("{", "bad_message"), ("[]", "bad_message"), (json.dumps({"type": "hello", "id": 7, "protocol": 1}), "wrong_state"),
            (json.dumps({"type": "subscribe", "id": 8, "source": "camera/../x", "track": "video"}), "bad_message"),
            (json.dumps({"type": "chat", "id": 9, "text": "x" * 70_000}), "too_long"),
        ):  # fmt: skip
            await page.text(text)
            assert (await page.next())["code"] == code
        assert (await page.ask("ping", t=1))["type"] == "ok"


async def test_more_cameras_than_one_person_may_watch(
    plane: Plane, worker: StandIn, county: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.services.session_views.MAX_STREAMS", 1)
    async with opened(plane.app) as page:
        await page.hello(token=await wall_token(county))
        assert (await watch(page, "gate"))["type"] == "ok"
        assert (await watch(page, "far"))["code"] == "too_many_subscriptions"


async def test_a_page_that_talks_while_it_is_put_out_still_hears_why(
    plane: Plane, worker: StandIn, county: Person
) -> None:
    async with opened(plane.app) as page:
        await page.hello(token=await seat_token(county))
        await worker.tell({"api": {"type": "ended", "reason": "removed"}})
        await worker.tell({"page": {"type": "closing", "code": "removed", "message": "out", "can_resume": False}})
        await worker.links[-1].close()
        for _ in range(20):
            await page.say("ping", t=1)
        assert (await page.until("closing"))["code"] == "removed"
        await page.until("nothing more")
        assert page.closed == 4003
