"""The rooms of a worker: opened, restored after a kill, kept until fetched, told to the api."""

import asyncio
import json

import pytest

from streams.rooms import directory as directory_module
from streams.rooms import room as room_module
from streams.rooms.values import Mark, Phase, Role, SeatKind
from tests.unit.streams.rooms.hall import SENDS, Hall, claims, code_of, hall, settle
from tests.unit.streams.rooms.meeting import Ear
from tests.unit.streams.simulated_loop import run_simulated

CONFIG = {"name": "推进会"}


async def long_meeting(meeting):
    await meeting.seat("chair", Role.CHAIR)
    await meeting.seat("east", kind=SeatKind.VENUE)
    await meeting.seat("west", kind=SeatKind.VENUE)
    for who, action, body in [
        ("east", "set_head_count", {"head_count": 31}),
        ("west", "floor_request", {}),
        ("east", "apply", {}),
        ("chair", "roll_call_start", {}),
        ("chair", "roll_call_call", {"target": "east"}),
        ("east", "roll_call_answer", {"state": "present"}),
        ("chair", "roll_call_call", {"target": "west"}),
        ("chair", "mute", {"target": "east"}),
        ("west", "chat", {"text": "听到"}),
    ]:
        assert await meeting.do(who, action, **body) == ""


def test_a_killed_worker_finds_its_rooms_as_they_were(tmp_path) -> None:
    async def killed():
        meeting = Hall(tmp_path)
        await meeting.directory.start()
        await meeting.directory.put("r", CONFIG)
        await long_meeting(meeting)
        return meeting.state  # and nothing is closed

    async def restarted(before):
        async with hall(tmp_path, opens=False) as meeting:
            assert meeting.state == before
            await settle()
            assert not any(seat.is_online for seat in meeting.state.seats.values())
            assert meeting.state.chair == "chair"
            assert [who for who, _ in meeting.state.floor_queue] == ["west"]
            assert meeting.state.roll_call.current == "west"
            assert meeting.state.roll_call.entries["east"].mark is Mark.PRESENT
            _, ear = await meeting.seat("east", kind=SeatKind.VENUE)
            assert [m["text"] for m in ear.of("chat")] == ["听到"]
            assert meeting.state.seats["east"].is_online
            assert meeting.state.seats["east"].head_count == 31
            assert await meeting.do("east", "mute_self", track="microphone", muted=False) == "not_your_turn"
            attendee = meeting.room.attendance.attendees["east"]
            assert len(attendee.stays) == 1
            assert len(attendee.stays[0].gaps) == 1
            await asyncio.sleep(room_module.GRACE_S + 2)
            assert set(meeting.state.seats) == {"east"}, "who does not come back has lost the seat"
            assert meeting.state.chair is None

    run_simulated(restarted(run_simulated(killed())))


def test_a_kill_in_the_middle_of_a_write_loses_that_command_only(tmp_path) -> None:
    async def killed():
        meeting = Hall(tmp_path)
        await meeting.directory.start()
        await meeting.directory.put("r", CONFIG)
        await long_meeting(meeting)
        before = meeting.state
        await meeting.do("west", "chat", text="torn")
        return before

    before = run_simulated(killed())
    path = tmp_path / "r.jsonl"
    whole = path.read_bytes()
    last = whole[:-1].rindex(b"\n") + 1

    async def restarted():
        async with hall(tmp_path, opens=False) as meeting:
            assert meeting.state == before
            await meeting.seat("chair", Role.CHAIR)
            assert await meeting.do("chair", "chat", text="weiter") == ""
        async with hall(tmp_path, opens=False) as meeting:
            assert meeting.state.chat[-1].text == "weiter"

    for cut in (last + 1, (last + len(whole)) // 2, len(whole) - 1):
        path.write_bytes(whole[:cut])
        run_simulated(restarted())


def test_the_same_arrangement_again_changes_nothing(tmp_path) -> None:
    async def body():
        async with hall(tmp_path) as meeting:
            await meeting.seat("chair", Role.CHAIR)
            await meeting.do("chair", "lock")
            version = meeting.state.version
            await meeting.directory.put("r", CONFIG)
            assert meeting.state.version == version
            await meeting.directory.put("r", CONFIG | {"name": "新名"})
            assert meeting.state.name == "新名"
            assert meeting.state.is_locked
            await settle()
            assert meeting.ears["chair"].of("room")[-1]["room"]["name"] == "新名"

    run_simulated(body())


def test_rooms_opened_at_once_are_opened_once(tmp_path) -> None:
    async def body():
        async with hall(tmp_path, opens=False) as meeting:
            rooms = await asyncio.gather(*(meeting.directory.put("r", CONFIG) for _ in range(5)))
            assert len(set(map(id, rooms))) == 1
            assert len((tmp_path / "r.jsonl").read_text().splitlines()) == 1

    run_simulated(body())


@pytest.mark.parametrize(
    "config",
    [{}, {"name": ""}, {"name": "x", "kind": "party"}, {"name": "x", "max_participants": 0}, {"name": "x", "starts_at": "soon"},
     {"name": "x", "locked": "yes"}, {"name": "x\x00"}],
)  # fmt: skip
def test_a_malformed_arrangement_opens_nothing(tmp_path, config) -> None:
    async def body():
        async with hall(tmp_path, opens=False) as meeting:
            assert await code_of(meeting.directory.put("r", config)) == "bad_message"
            assert meeting.directory.rooms == {}
            assert list(tmp_path.iterdir()) == []

    run_simulated(body())


def test_an_ended_room_is_kept_until_it_is_fetched(tmp_path) -> None:
    async def body():
        async with hall(tmp_path) as meeting:
            await meeting.seat("chair", Role.CHAIR)
            await meeting.do("chair", "end")
            await settle()
            assert meeting.directory.rooms == {}
            assert ("room.ended", {"room_id": "r", "seq": 3}) in meeting.told
        async with hall(tmp_path, opens=False) as meeting:
            kept = meeting.directory.find("r")
            assert kept.state.phase is Phase.ENDED
            assert [item["kind"] for item in await kept.journal.read(0)] == ["open", "join", "end"]
            assert await code_of(meeting.directory.put("r", CONFIG)) == "room_ended"
            assert await code_of(meeting.directory.join(claims("late"), Ear())) == "room_ended"
            await meeting.directory.delete("r")
            await meeting.directory.delete("r")
            assert list(tmp_path.iterdir()) == []
            assert await code_of(meeting.directory.join(claims("late"), Ear())) == "room_not_found"

    run_simulated(body())


def test_an_ended_room_nobody_fetches_is_forgotten_after_a_week(tmp_path) -> None:
    async def body():
        async with hall(tmp_path) as meeting:
            await meeting.seat("chair", Role.CHAIR)
            await meeting.do("chair", "end")
            await asyncio.sleep(directory_module.KEEP_S - 10)
            assert "r" in meeting.directory.kept
            await asyncio.sleep(directory_module.SWEEP_EVERY_S + 20)
            assert meeting.directory.kept == {}
            assert list(tmp_path.iterdir()) == []

    run_simulated(body())


def test_an_open_room_cannot_be_deleted(tmp_path) -> None:
    async def body():
        async with hall(tmp_path) as meeting:
            assert await code_of(meeting.directory.delete("r")) == "wrong_state"

    run_simulated(body())


def test_the_api_hears_of_changes_once_a_second(tmp_path) -> None:
    async def body():
        async with hall(tmp_path) as meeting:
            await meeting.seat("chair", Role.CHAIR)
            for number in range(100):
                await meeting.do("chair", "chat", text=str(number))
                await asyncio.sleep(0.05)
            await asyncio.sleep(2)
            changed = [data["seq"] for kind, data in meeting.told if kind == "room.changed"]
            assert 4 <= len(changed) <= 8
            assert changed[-1] == meeting.state.version

    run_simulated(body())


def test_listeners_hear_of_every_change_at_once(tmp_path) -> None:
    async def body():
        async with hall(tmp_path) as meeting:
            heard = []
            meeting.directory.listen(lambda room: heard.append((room.state.version, len(room.sources))))
            await meeting.seat("chair", Role.CHAIR, sends=frozenset())
            await meeting.do("chair", "record_start")
            assert heard == [(2, 0), (3, 0)]
            await settle()
            meeting.ports["chair"].report_published(SENDS, "0")
            await settle()
            assert heard[2:] == [(3, 1)], "of what may be watched, too"

    run_simulated(body())


def test_a_file_that_is_no_journal_is_left_alone(tmp_path) -> None:
    (tmp_path / "noise.jsonl").write_bytes(b"\x00\x01\x02")
    (tmp_path / "empty.jsonl").write_bytes(b"")

    async def body():
        async with hall(tmp_path) as meeting:
            assert set(meeting.directory.rooms) == {"r"}

    run_simulated(body())


def test_a_seat_on_another_worker_needs_the_way_there(tmp_path) -> None:
    async def body():
        async with hall(tmp_path) as meeting:
            assert await code_of(meeting.directory.join(claims("a", home_slot="5"), Ear())) == "worker_unavailable"

    run_simulated(body())


def test_the_figures_of_a_room(tmp_path) -> None:
    async def body():
        async with hall(tmp_path) as meeting:
            await long_meeting(meeting)
            await settle()
            figures = meeting.room.figures()
            assert (figures["people"], figures["online"], figures["cameras"], figures["sources"]) == (3, 3, 0, 3)
            assert json.dumps(figures)

    run_simulated(body())
