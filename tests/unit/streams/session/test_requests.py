"""What a page sends: in order, one answer each, nothing that breaks it, and an attendee who tries everything."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from media.base.errors import ErrorKind, HubError
from media.base.ids import SourceId
from streams.publication import TrackName
from streams.rooms.values import Role
from streams.session.identity import Grant
from streams.session.messages import PAGE_MESSAGES
from streams.session.rate import BURST, PATIENCE
from tests.unit.streams.session.test_messages import VALID
from tests.unit.streams.session.world import publication, wall, world

BOTH = {"0": "camera", "1": "microphone"}


async def test_every_message_gets_exactly_one_answer_but_a_report_gets_none(tmp_path: Path) -> None:
    async with world(tmp_path) as at:
        page = await at.page(wall("s-1"))
        for number, name in enumerate(PAGE_MESSAGES):
            at.clock.advance(1)
            if name != "leave":
                await page.session.requests.handle({"type": name, "id": number, **VALID[name]})
        await page.session.requests.handle({"type": "leave", "id": 99})
        await page.heard("closing")
        answered = [m["id"] for m in page.history if "id" in m]
        expected = [n for n, name in enumerate(PAGE_MESSAGES) if name not in {"report", "leave"}]
        assert sorted(answered) == [*expected, 99]


async def test_answers_come_in_the_order_of_the_requests(tmp_path: Path) -> None:
    async with world(tmp_path) as at:
        page = await at.join("p-1")
        async with asyncio.TaskGroup() as group:
            for number in range(30):
                body = {"type": "ping", "id": number, "t": number} if number % 2 else chat(number)
                group.create_task(page.session.requests.handle(body))
        await page.read()
        assert [m["id"] for m in page.history if "id" in m] == list(range(30))


def chat(number: int) -> dict[str, Any]:
    return {"type": "chat", "id": number, "text": "x"}


async def test_unknown_messages_are_refused_politely(tmp_path: Path) -> None:
    async with world(tmp_path) as at:
        page = await at.page(wall("s-1"))
        assert await page.code("telepathy") == "unknown_type"
        assert await page.code("ping", t="x") == "bad_message"
        await page.session.requests.handle({"id": [], "type": "ping", "t": 1})
        assert (await page.heard("error"))["id"] is None
        assert await page.code("ping", t=1) == "pong"


async def test_a_second_hello_is_refused(tmp_path: Path) -> None:
    async with world(tmp_path) as at:
        page = await at.page(wall("s-1"))
        assert await page.code("hello", protocol=1) == "wrong_state"


async def test_blank_chat_is_nothing(tmp_path: Path) -> None:
    async with world(tmp_path) as at:
        page = await at.join("p-1")
        assert (await page.ask("chat", text=" \n\t "))["field"] == "text"


async def test_too_fast_is_told_and_heard_again_after_a_rest(tmp_path: Path) -> None:
    async with world(tmp_path) as at:
        page = await at.page(wall("s-1"))
        for _ in range(BURST):
            assert await page.code("ping", t=1) == "pong"
        assert await page.code("ping", t=1) == "too_fast"
        at.clock.advance(1)
        assert await page.code("ping", t=1) == "pong"


async def test_a_flood_is_hung_up_on_and_the_session_waits(tmp_path: Path) -> None:
    async with world(tmp_path) as at:
        page, other = await at.page(wall("s-1")), await at.page(wall("s-2"))
        for _ in range(BURST + PATIENCE):
            await page.send("ping", t=1)
        told = await page.heard("closing")
        assert (told["code"], told["can_resume"], page.outgoing.close_number) == ("too_fast", True, 4008)
        assert not page.session.is_attached
        assert len(at.directory) == 2
        assert await other.code("ping", t=1) == "pong"


async def test_a_page_that_never_reads_is_hung_up_on(tmp_path: Path) -> None:
    async with world(tmp_path) as at:
        page = await at.page(wall("s-1"))
        for _ in range(300):
            at.clock.advance(1)
            await page.session.requests.handle({"type": "ping", "id": 1, "t": 1})
        assert page.outgoing.close_number == 4008
        assert len(page.outgoing) == 1
        assert (await page.heard("closing"))["code"] == "too_slow"
        assert len(page.session.outgoing) == 0


async def test_a_fault_of_ours_ends_with_the_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with world(tmp_path) as at:
        page = await at.page(wall("s-1"))

        async def broken(_sdp: str, *, is_fresh: bool) -> str:
            raise ZeroDivisionError

        monkeypatch.setattr(page.session.watching, "answer", broken)
        assert await page.code("slots", sdp="video") == "internal"
        assert await page.code("ping", t=1) == "pong"


async def test_a_room_that_does_not_answer_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with world(tmp_path) as at:
        page = await at.join("p-1")
        monkeypatch.setattr("streams.session.session.COMMAND_TIMEOUT_S", 0.01)
        monkeypatch.setattr(page.session.room, "command", lambda *_: asyncio.Event().wait())
        assert await page.code("chat", text="x") == "worker_unavailable"


async def test_a_page_reports_how_it_is_and_not_too_often(tmp_path: Path) -> None:
    async with world(tmp_path) as at:
        page = await at.page(wall("s-1"))
        for fps in (10, 20):
            await page.session.requests.handle({"type": "report", "fps": fps, "visible": True})
        assert page.session.requests.report == {"fps": 10, "visible": True}
        at.clock.advance(5)
        await page.session.requests.handle({"type": "report", "fps": 30})
        assert page.session.requests.report == {"fps": 30}


async def test_a_grant_that_came_with_something_else_is_not_held(tmp_path: Path) -> None:
    async with world(tmp_path) as at:
        page = await at.page(wall("s-1"))
        grant = Grant(SourceId("camera/gate"), "")
        await page.ask("ping", t=1, grant=grant)
        await page.ask("subscribe", source="camera/yard", track="video", grant=grant)
        await page.ask("subscribe", source="camera/gate", track="nothing", grant=grant)
        assert page.session.grants.all() == ()


# --- somebody who is not asked to ------------------------------------------------------------------------------------

CHAIRS_OWN = [
    {"action": "grant", "target": "p-2"},
    {"action": "transfer", "target": "p-2"},
    {"action": "release"},
    {"action": "floor_grant", "target": "p-2"},
    {"action": "floor_revoke", "target": "p-1"},
    {"action": "mute", "target": "p-3"},
    {"action": "unmute", "target": "p-2"},
    {"action": "mute_all", "is_locked": True},
    {"action": "unmute_all"},
    {"action": "set_speech", "speech": "open"},
    {"action": "spotlight", "source": "participant/p-2"},
    {"action": "roll_call_start"},
    {"action": "roll_call_next"},
    {"action": "roll_call_end"},
    {"action": "admit", "target": "p-3"},
    {"action": "reject", "target": "p-3"},
    {"action": "set_lobby", "has_lobby": False},
    {"action": "lock"},
    {"action": "unlock"},
    {"action": "remove", "target": "p-3"},
    {"action": "set_role", "target": "p-2", "role": "speaker"},
    {"action": "record_start"},
    {"action": "record_stop"},
    {"action": "share_stop", "target": "p-1"},
    {"action": "end"},
]


@pytest.mark.parametrize("action", CHAIRS_OWN, ids=lambda each: str(each["action"]))
async def test_an_attendee_cannot_act_as_chair(tmp_path: Path, action: dict[str, Any]) -> None:
    async with world(tmp_path, speech="floor") as at:
        await at.join("p-1", Role.CHAIR)
        page = await at.join("p-2")
        await at.join("p-3")
        before = at.rooms.rooms["room-1"].state
        assert await page.code("chair", **action) in {"not_chair", "not_permitted"}
        assert at.rooms.rooms["room-1"].state is before


@pytest.mark.parametrize("role", [Role.ATTENDEE, Role.OBSERVER])
async def test_who_may_not_take_the_chair_cannot_deprive_anybody_of_it(tmp_path: Path, role: Role) -> None:
    async with world(tmp_path) as at:
        await at.join("p-1", Role.CHAIR)
        page = await at.join("p-2", role)
        assert await page.code("chair", action="deprive", target="p-1") in {"not_chair", "not_permitted"}
        assert at.rooms.rooms["room-1"].state.chair == "p-1"


@pytest.mark.parametrize("action", ["join", "leave", "expire", "show_camera", "open", "configure", "chat", "mute_self"])
async def test_what_the_server_does_is_no_action_of_a_page(tmp_path: Path, action: str) -> None:
    async with world(tmp_path) as at:
        page = await at.join("p-1", Role.CHAIR)
        assert await page.code("chair", action=action, target="p-1", by="system") == "bad_message"


async def test_an_attendee_cannot_speak_without_the_floor(tmp_path: Path) -> None:
    async with world(tmp_path, speech="floor") as at:
        await at.join("p-1", Role.CHAIR)
        page = await at.join("p-2")
        await page.ask("publish", sdp="offer", tracks=BOTH)
        assert at.peers.publishers[0].allowed == {TrackName.CAMERA}
        assert await page.code("mute", track="microphone", muted=True) == "ok"
        assert await page.code("mute", track="microphone", muted=False) == "not_your_turn"
        assert await page.code("chair", action="floor_grant", target="p-2") == "not_chair"
        assert at.peers.publishers[0].allowed == {TrackName.CAMERA}


async def test_an_attendee_cannot_share_where_the_rules_say_no(tmp_path: Path) -> None:
    async with world(tmp_path, speech="floor") as at:
        await at.join("p-1", Role.CHAIR)
        page = await at.join("p-2")
        assert await page.code("publish", sdp="offer", tracks={"0": "screen"}) in {"not_permitted", "not_your_turn"}
        assert at.peers.publishers == []
        await page.ask("publish", sdp="offer", tracks={"0": "screen-audio"})
        assert at.peers.publishers[0].allowed == {TrackName.CAMERA}


async def test_an_observer_publishes_nothing(tmp_path: Path) -> None:
    async with world(tmp_path) as at:
        page = await at.join("p-2", Role.OBSERVER)
        assert await page.code("publish", sdp="offer", tracks=BOTH) == "not_permitted"
        assert await page.code("mute", track="camera", muted=False) == "not_permitted"
        assert at.peers.publishers == []


async def test_an_attendee_cannot_watch_what_the_room_does_not_show(tmp_path: Path) -> None:
    async with world(tmp_path) as at:
        at.cameras.cameras["camera/gate"] = publication("camera/gate", TrackName.VIDEO)
        talker, page = await at.join("p-1"), await at.join("p-2")
        await talker.ask("publish", sdp="offer", tracks=BOTH)
        await page.ask("slots", sdp="video audio")
        await page.wait_for(lambda m: m["type"] == "source" and m["state"] == "live")
        tries = [
            ("camera/gate", "video"),
            ("participant/p-2", "camera"),
            ("participant/p-9", "camera"),
            ("participant/p-1", "microphone"),
        ]
        assert [await page.code("subscribe", source=s, track=t) for s, t in tries] == ["not_permitted"] * 4
        assert at.cameras.opened == []


async def test_slots_and_seats_of_others_are_out_of_reach(tmp_path: Path) -> None:
    async with world(tmp_path) as at:
        await at.join("p-1", Role.CHAIR)
        page = await at.join("p-2")
        assert await page.code("chair", action="rename", target="p-1", name="Mallory") == "ok"
        assert at.rooms.rooms["room-1"].state.seats["p-1"].name == "p-1"
        assert at.rooms.rooms["room-1"].state.seats["p-2"].name == "Mallory"
        assert await page.code("chair", action="set_head_count", target="p-1", head_count=9) == "ok"
        assert at.rooms.rooms["room-1"].state.seats["p-1"].head_count != 9
        assert await page.code("unpublish", track="camera") == "wrong_state"
        assert await page.code("quality", source="participant/p-1", track="camera", width=1, height=1) == "wrong_state"


async def test_somebody_who_was_removed_is_heard_no_more(tmp_path: Path) -> None:
    async with world(tmp_path) as at:
        chair, page = await at.join("p-1", Role.CHAIR), await at.join("p-2")
        await page.ask("publish", sdp="offer", tracks=BOTH)
        await chair.ask("chair", action="remove", target="p-2")
        assert at.peers.publishers[0].allowed == frozenset()
        told = await page.heard("closing")
        assert (told["code"], page.outgoing.close_number) == ("removed", 4003)
        await page.session.requests.handle({"type": "chat", "id": 50, "text": "still here"})
        assert len(page.outgoing) == 0
        room = page.session.room
        assert room is not None
        with pytest.raises(HubError) as caught:
            await room.command("chat", {"text": "still here"})
        assert caught.value.kind is ErrorKind.DENIED
