"""Sessions that come, go, come back and are sent away."""

import asyncio
from pathlib import Path

import pytest

from media.base.errors import HubError
from media.base.ids import SourceId
from streams.publication import TrackName
from streams.rooms.values import Role
from streams.session.accounts import MAX_SESSIONS_OF_ACCOUNT
from streams.session.directory import GRACE_NS, Revocation
from streams.session.identity import Grant, Identity
from tests.unit.streams.session.world import (
    WAIT_S,
    Page,
    World,
    in_room,
    publication,
    seat,
    settled,
    turns,
    wall,
    world,
)

BOTH = {"0": "camera", "1": "microphone"}
MINUTE_S = GRACE_NS / 1e9


async def code_of_opening(at: World, identity: Identity, *, is_resume: bool = False) -> str:
    with pytest.raises(HubError) as caught:
        await at.directory.open(identity, is_resume=is_resume)
    return caught.value.code


def look(at: World) -> None:
    for session in at.directory.all():
        at.directory.look_at(session, at.clock.mono_ns())


async def test_a_break_keeps_media_and_seat_for_a_minute(tmp_path: Path) -> None:
    async with world(tmp_path) as at:
        page, other = await at.join("p-1"), await at.join("p-2")
        await page.ask("publish", sdp="offer", tracks=BOTH)
        await page.ask("slots", sdp="video")
        page.session.detach(page.outgoing)
        await other.person("p-1", lambda who: not who["is_online"])
        at.clock.advance(MINUTE_S - 1)
        look(at)
        again, welcome = await at.open(in_room("p-1"), is_resume=True)
        assert again.session is page.session
        assert (welcome["resumed"], welcome["participant"]["id"]) == (True, "p-1")
        assert not at.peers.publishers[0].ended.is_set()
        assert not at.peers.subscribers[0].ended.is_set()
        await other.person("p-1", lambda who: who["is_online"])
        assert await again.code("ping", t=1) == "pong"
        assert at.directory.resumed == 1


async def test_after_a_minute_the_seat_is_free_and_the_session_forgotten(tmp_path: Path) -> None:
    async with world(tmp_path) as at:
        page, other = await at.join("p-1"), await at.join("p-2")
        await page.ask("publish", sdp="offer", tracks=BOTH)
        page.session.detach(page.outgoing)
        at.clock.advance(MINUTE_S)
        look(at)
        assert (await other.heard("participant_left"))["participant_id"] == "p-1"
        assert at.peers.publishers[0].ended.is_set()
        assert await code_of_opening(at, in_room("p-1"), is_resume=True) == "resume_unknown"
        assert [body["reason"] for body in at.noticed("session.ended")] == ["expired"]
        assert at.directory.ended == {"expired": 1}


async def test_a_seat_whose_minute_ends_in_the_room_first_ends_the_session_as_expired(tmp_path: Path) -> None:
    async with world(tmp_path) as at:
        page = await at.join("p-1")
        page.session.detach(page.outgoing)
        await at.rooms.rooms["room-1"].act("expire", "system", {"target": "p-1"})
        await settled(lambda: at.noticed("session.ended"))
        assert at.noticed("session.ended")[0]["reason"] == "expired"


async def test_a_page_that_is_there_never_expires(tmp_path: Path) -> None:
    async with world(tmp_path) as at:
        await at.join("p-1")
        at.clock.advance(100 * MINUTE_S)
        look(at)
        assert len(at.directory) == 1


async def test_resumed_twice_the_older_socket_is_told_and_the_newer_goes_on(tmp_path: Path) -> None:
    async with world(tmp_path) as at:
        page, other = await at.join("p-1"), await at.join("p-2")
        again, _ = await at.open(in_room("p-1"), is_resume=True)
        told = await page.heard("closing")
        assert (told["code"], told["can_resume"], page.outgoing.close_number) == ("replaced", False, 4000)
        assert await again.code("ping", t=1) == "pong"
        page.session.detach(page.outgoing)
        assert again.session.is_attached
        await other.ask("chat", text="x")
        assert (await again.heard("chat"))["text"] == "x"


async def test_a_takeover_does_not_look_like_a_break_to_the_room(tmp_path: Path) -> None:
    async with world(tmp_path) as at:
        await at.join("p-1")
        version = at.rooms.rooms["room-1"].state.version
        await at.open(in_room("p-1"), is_resume=True)
        await turns()
        assert at.rooms.rooms["room-1"].state.version == version


async def test_opened_by_two_sockets_at_once_it_is_one_session(tmp_path: Path) -> None:
    async with world(tmp_path) as at:
        first, second = await asyncio.gather(at.open(in_room("p-1")), at.open(in_room("p-1")))
        assert first[0].session is second[0].session
        assert first[1]["participant"] == second[1]["participant"]
        assert at.directory.opened == 1


async def test_too_much_chat_in_a_break_is_said_to_be_lost(tmp_path: Path) -> None:
    async with world(tmp_path) as at:
        page, other = await at.join("p-1"), await at.join("p-2")
        page.session.detach(page.outgoing)
        for _ in range(300):
            at.clock.advance(1)
            page.session.on_message({"type": "chat", "from": "p-2", "name": "p-2", "text": "x", "at": ""})
        again, _ = await at.open(in_room("p-1"), is_resume=True)
        assert (await again.heard("notice"))["code"] == "messages_dropped"
        assert len(await again.all_of("chat")) == 128
        assert await other.code("ping", t=1) == "pong"


async def test_what_the_api_was_not_told_over_the_socket_it_is_told_by_notice(tmp_path: Path) -> None:
    async with world(tmp_path) as at:
        at.cameras.cameras["camera/gate"] = publication("camera/gate", TrackName.VIDEO)
        page = await at.watcher("s-1")
        await page.ask("subscribe", source="camera/gate", track="video", grant=Grant(SourceId("camera/gate"), ""))
        at.directory.revoke(Revocation(camera_id="gate"))
        assert at.noticed("session.unsubscribed") == []
        page.session.detach(page.outgoing)
        assert [body["reason"] for body in at.noticed("session.unsubscribed")] == ["revoked"]


async def test_another_persons_session_cannot_be_taken_up(tmp_path: Path) -> None:
    async with world(tmp_path) as at:
        await at.join("p-1")
        stranger = Identity(session_id="s-p-1", user_id="u-2", seat=seat("p-1"))
        seatless = Identity(session_id="s-p-1", user_id="u-p-1")
        other_seat = Identity(session_id="s-p-1", user_id="u-p-1", seat=seat("p-2"))
        for identity in (stranger, seatless, other_seat):
            assert await code_of_opening(at, identity, is_resume=True) == "resume_unknown"
            assert await code_of_opening(at, identity) == "resume_unknown"


async def test_chat_of_the_break_is_told_and_states_come_with_the_welcome(tmp_path: Path) -> None:
    async with world(tmp_path) as at:
        page, other = await at.join("p-1"), await at.join("p-2")
        page.session.detach(page.outgoing)
        await other.ask("chat", text="while you were away")
        await other.ask("publish", sdp="offer", tracks=BOTH)
        await settled(lambda: page.session.sources.shown(SourceId("participant/p-2")))
        again, welcome = await at.open(in_room("p-1"), is_resume=True)
        assert [source["source"] for source in welcome["sources"]] == ["participant/p-2"]
        await again.read()
        assert [m["text"] for m in again.history] == ["while you were away"]


async def test_slots_of_a_resumed_session_are_told(tmp_path: Path) -> None:
    async with world(tmp_path) as at:
        at.cameras.cameras["camera/gate"] = publication("camera/gate", TrackName.VIDEO)
        page = await at.watcher("s-1")
        await page.ask("subscribe", source="camera/gate", track="video", grant=Grant(SourceId("camera/gate"), ""))
        _, welcome = await at.open(wall("s-1"), is_resume=True)
        assert [(slot["mid"], slot["source"]) for slot in welcome["slots"]] == [("0", "camera/gate")]


async def test_the_same_seat_from_another_window_takes_it_over(tmp_path: Path) -> None:
    async with world(tmp_path) as at:
        page = await at.join("p-1")
        await page.ask("publish", sdp="offer", tracks=BOTH)
        newer = await at.page(Identity(session_id="s-new", user_id="u-p-1", seat=seat("p-1")))
        assert (await page.heard("closing"))["code"] == "replaced"
        await settled(lambda: len(at.directory) == 1)
        await settled(at.peers.publishers[0].ended.is_set)
        assert await newer.code("publish", sdp="offer", tracks=BOTH) == "published"
        assert list(at.rooms.rooms["room-1"].state.seats) == ["p-1"]


async def test_a_room_without_a_place_leaves_nothing_behind(tmp_path: Path) -> None:
    async with world(tmp_path, locked=True) as at:
        assert await code_of_opening(at, in_room("p-1")) == "room_locked"
        gone = Identity(session_id="s-x", user_id="u-1", seat=seat("p-1", room_id="room-9"))
        assert await code_of_opening(at, gone) == "room_not_found"
        assert len(at.directory) == 0
        assert at.notices == []


async def test_sixteen_windows_of_an_account_and_one_more_when_one_has_closed(tmp_path: Path) -> None:
    async with world(tmp_path) as at:
        pages = [await at.page(wall(f"s-{n}")) for n in range(MAX_SESSIONS_OF_ACCOUNT)]
        assert await code_of_opening(at, wall("s-more")) == "too_many_sessions"
        await at.page(wall("s-other", "u-2"))
        await pages[0].ask("leave")
        await at.page(wall("s-more"))


async def test_two_hundred_join_in_one_go_and_all_are_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.session.session.COMMAND_TIMEOUT_S", WAIT_S)
    async with world(tmp_path) as at:
        pages: list[Page] = await asyncio.gather(*(at.join(f"p-{n}") for n in range(200)))
        assert len(at.rooms.rooms["room-1"].state.seats) == 200
        assert await pages[0].code("ping", t=1) == "pong"
        await asyncio.gather(*(page.ask("leave") for page in pages))
        await settled(lambda: not at.rooms.rooms["room-1"].state.seats)
        assert len(at.directory) == 0


@pytest.mark.parametrize(
    "what",
    [Revocation(session_ids=["s-p-1"]), Revocation(user_id="u-p-1"), Revocation(participant_id="p-1")],
)
async def test_who_is_revoked_is_told_and_gone_and_nobody_else(tmp_path: Path, what: Revocation) -> None:
    async with world(tmp_path) as at:
        page, other = await at.join("p-1"), await at.join("p-2")
        await page.ask("publish", sdp="offer", tracks=BOTH)
        assert at.directory.revoke(what) == (1, 0)
        assert (await page.heard("closing"))["code"] == "revoked"
        assert page.outgoing.close_number == 4003
        await settled(at.peers.publishers[0].ended.is_set)
        assert (await other.heard("participant_left"))["participant_id"] == "p-1"
        assert await other.code("ping", t=1) == "pong"
        assert await code_of_opening(at, in_room("p-1"), is_resume=True) == "resume_unknown"


async def test_nobody_is_meant_by_an_empty_revocation(tmp_path: Path) -> None:
    async with world(tmp_path) as at:
        await at.join("p-1")
        await at.page(Identity(session_id="s-guest", user_id=""))
        assert at.directory.revoke(Revocation()) == (0, 0)


@pytest.mark.parametrize(
    ("what", "ended"),
    [
        (Revocation(camera_id="gate"), 2),
        (Revocation(camera_id="gate", user_id="u-1"), 1),
        (Revocation(camera_id="gate", session_ids=["s-1"]), 1),
        (Revocation(camera_id="yard"), 0),
    ],
)
async def test_a_camera_is_revoked_alone(tmp_path: Path, what: Revocation, ended: int) -> None:
    async with world(tmp_path) as at:
        at.cameras.cameras["camera/gate"] = publication("camera/gate", TrackName.VIDEO)
        for name, user in (("s-1", "u-1"), ("s-2", "u-2")):
            page = await at.page(wall(name, user))
            await page.ask("slots", sdp="video")
            await page.ask("subscribe", source="camera/gate", track="video", grant=Grant(SourceId("camera/gate"), ""))
        assert at.directory.revoke(what) == (0, ended)
        assert len(at.directory) == 2


async def test_a_camera_the_room_shows_needs_no_right_and_loses_none(tmp_path: Path) -> None:
    async with world(tmp_path) as at:
        at.cameras.cameras["camera/gate"] = publication("camera/gate", TrackName.VIDEO)
        room = at.rooms.rooms["room-1"]
        page = await at.join("p-1", Role.CHAIR)
        await room.act("show_camera", "system", {"camera_id": "gate", "name": "Gate", "slot": "w0"})
        await page.wait_for(lambda m: m["type"] == "source")
        await page.ask("slots", sdp="video")
        await page.ask("subscribe", source="camera/gate", track="video")
        assert at.directory.revoke(Revocation(camera_id="gate")) == (0, 0)
        assert page.session.watching.count == 1


async def test_what_ends_without_a_page_is_told_to_the_api_by_notice(tmp_path: Path) -> None:
    async with world(tmp_path) as at:
        at.cameras.cameras["camera/gate"] = publication("camera/gate", TrackName.VIDEO)
        page = await at.watcher("s-1")
        await page.ask("subscribe", source="camera/gate", track="video", grant=Grant(SourceId("camera/gate"), ""))
        page.session.detach(page.outgoing)
        at.clock.advance(MINUTE_S)
        look(at)
        await settled(lambda: at.noticed("session.unsubscribed"))
        (notice,) = at.noticed("session.unsubscribed")
        assert (notice["session_id"], notice["source"], notice["reason"]) == ("s-1", "camera/gate", "expired")


async def test_at_the_end_of_the_worker_pages_are_told_and_seats_wait(tmp_path: Path) -> None:
    async with world(tmp_path) as at:
        page = await at.join("p-1", Role.CHAIR)
        closing = asyncio.get_running_loop().create_task(at.directory.aclose())
        told = await page.heard("closing")
        await closing
        assert (told["code"], told["can_resume"], page.outgoing.close_number) == ("worker_restart", True, 1012)
        state = at.rooms.rooms["room-1"].state
        await settled(lambda: not at.rooms.rooms["room-1"].state.seats["p-1"].is_online)
        assert state.chair == "p-1"
        assert await code_of_opening(at, in_room("p-1")) == "worker_unavailable"


async def test_figures_tell_of_every_session(tmp_path: Path) -> None:
    async with world(tmp_path) as at:
        await at.join("p-1")
        await at.page(wall("s-2"))
        first, second = at.directory.figures()
        assert (first["session_id"], first["room_id"], first["participant_id"]) == ("s-p-1", "room-1", "p-1")
        assert (second["room_id"], second["is_attached"], second["subscriptions"]) == (None, True, 0)


async def test_the_clockwork_looks_after_sessions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.session.directory.TICK_S", 0.01)
    async with world(tmp_path) as at:
        at.directory.start()
        page = await at.page(wall("s-1"))
        page.session.detach(page.outgoing)
        at.clock.advance(MINUTE_S)
        await settled(lambda: len(at.directory) == 0)
