"""The room at work: what pages are told, what is let through, who is kept and who is let go. In simulated time."""

import asyncio

import pytest

from media.base.ids import SourceId
from streams.publication import TrackName
from streams.rooms import room as room_module
from streams.rooms.journal import load
from streams.rooms.machine import replay
from streams.rooms.values import Role, SeatKind
from tests.unit.streams.rooms.hall import SENDS, claims, code_of, hall, settle, usual
from tests.unit.streams.rooms.meeting import Ear
from tests.unit.streams.simulated_loop import run_simulated

MIC, CAM, SCREEN = TrackName.MICROPHONE, TrackName.CAMERA, TrackName.SCREEN


@pytest.fixture
def simulated():
    """Run the body of a test, an async function, in simulated time."""
    return run_simulated


CRAFTED = [
    ("mute_all", {}, "not_chair"),
    ("mute", {"target": "chair"}, "not_chair"),
    ("unmute", {"target": "east"}, "not_chair"),
    ("unmute_all", {}, "not_chair"),
    ("set_speech", {"speech": "open"}, "not_chair"),
    ("floor_grant", {"target": "east"}, "not_chair"),
    ("floor_revoke", {"target": "west"}, "not_chair"),
    ("grant", {"target": "east"}, "not_chair"),
    ("transfer", {"target": "east"}, "not_chair"),
    ("release", {}, "not_chair"),
    ("deprive", {"target": "chair"}, "not_permitted"),
    ("spotlight", {"source": "participant/east"}, "not_chair"),
    ("roll_call_start", {}, "not_chair"),
    ("roll_call_answer", {"state": "present"}, "wrong_state"),
    ("admit", {"target": "west"}, "not_chair"),
    ("set_lobby", {"has_lobby": False}, "not_chair"),
    ("lock", {}, "not_chair"),
    ("unlock", {}, "not_chair"),
    ("remove", {"target": "west"}, "not_chair"),
    ("set_role", {"target": "east", "role": "speaker"}, "not_chair"),
    ("set_head_count", {"target": "west", "head_count": 9}, "not_chair"),
    ("rename", {"target": "west", "name": "x"}, "not_chair"),
    ("record_start", {}, "not_chair"),
    ("end", {}, "not_chair"),
    ("share_start", {}, "not_permitted"),
    ("share_stop", {"target": "chair"}, "not_chair"),
    ("mute_self", {"track": "microphone", "muted": False}, "not_your_turn"),
    ("join", {"target": "x", "name": "x", "role": "chair", "kind": "person"}, "bad_message"),
    ("leave", {"target": "chair"}, "bad_message"),
    ("expire", {"target": "chair"}, "bad_message"),
    ("detach", {"target": "chair"}, "bad_message"),
    ("configure", {"name": "x"}, "bad_message"),
    ("open", {"room_id": "r", "name": "x"}, "bad_message"),
    ("show_camera", {"camera_id": "gate", "name": "x"}, "bad_message"),
    ("hide_camera", {"target": "camera-gate"}, "bad_message"),
    ("dance", {}, "bad_message"),
]


def test_an_attendee_s_crafted_commands_change_nothing(simulated, tmp_path) -> None:
    async def body():
        async with hall(tmp_path, speech="floor") as meeting:
            await usual(meeting)
            before = meeting.state
            allowed = {name: ear.allowed for name, ear in meeting.ears.items()}
            for action, fields, code in CRAFTED:
                assert await meeting.do("east", action, **fields) == code, action
            assert meeting.state is before
            assert {name: ear.allowed for name, ear in meeting.ears.items()} == allowed
            assert meeting.ears["east"].allowed == {CAM}

    simulated(body())


def test_an_attendee_cannot_speak_by_publishing_unmuting_or_shouting(simulated, tmp_path) -> None:
    async def body():
        async with hall(tmp_path, speech="floor") as meeting:
            await usual(meeting)
            port, ear = meeting.ports["east"], meeting.ears["east"]
            port.report_published(frozenset(TrackName), "0")
            for _ in range(100):
                port.report_level(MIC, 10)
                await asyncio.sleep(0.02)
            assert ear.allowed == {CAM}
            assert SourceId("participant/east") not in meeting.ears["chair"].audible
            assert not any(m["active"] == "east" or m["levels"] for m in meeting.ears["chair"].of("speakers"))

    simulated(body())


def test_an_attendee_cannot_share_by_publishing_a_screen(simulated, tmp_path) -> None:
    async def body():
        async with hall(tmp_path, speech="floor") as meeting:
            await usual(meeting)
            meeting.ports["east"].report_published(SENDS | {SCREEN}, "0")
            await settle()
            assert meeting.state.content is None
            assert SCREEN not in meeting.ears["east"].allowed
            tracks = {source.participant_id: source.tracks for source in meeting.ears["chair"].sources}
            assert SCREEN not in tracks["east"]
            assert [m["code"] for m in meeting.ears["east"].of("notice")] == ["not_permitted"]

    simulated(body())


def test_a_screen_is_a_claim_to_the_content_and_gives_it_back(simulated, tmp_path) -> None:
    async def body():
        async with hall(tmp_path) as meeting:
            await usual(meeting)
            meeting.ports["east"].report_published(SENDS | {SCREEN}, "0")
            await settle()
            assert meeting.state.content == "east"
            assert SCREEN in meeting.ears["east"].allowed
            meeting.ports["west"].report_published(SENDS | {SCREEN}, "0")
            await settle()
            assert [m["code"] for m in meeting.ears["west"].of("notice")] == ["already_sharing"]
            assert SCREEN not in meeting.ears["west"].allowed
            meeting.ports["east"].report_published(SENDS, "0")
            await settle()
            assert meeting.state.content is None
            assert SCREEN not in meeting.ears["east"].allowed

    simulated(body())


def test_who_is_rejected_or_removed_is_let_go_at_once(simulated, tmp_path) -> None:
    async def body():
        async with hall(tmp_path, lobby=True) as meeting:
            await meeting.seat("chair", Role.CHAIR)
            await meeting.seat("east")
            await meeting.seat("west")
            await meeting.do("chair", "admit", target="west")
            await meeting.do("chair", "reject", target="east")
            await meeting.do("chair", "remove", target="west")
            assert meeting.ears["east"].ended == "rejected"
            assert meeting.ears["west"].ended == "removed"
            await settle()
            assert meeting.ears["chair"].watchable() == {"participant/chair"}
            left = [(m["participant_id"], m["reason"]) for m in meeting.ears["chair"].of("participant_left")]
            assert left == [("east", "rejected"), ("west", "removed")]
            assert await meeting.do("west", "chat", text="?") == "not_in_room"

    simulated(body())


def test_a_seat_is_kept_for_a_minute_and_then_lost(simulated, tmp_path) -> None:
    async def body():
        async with hall(tmp_path) as meeting:
            await usual(meeting)
            meeting.ports["east"].detached()
            await asyncio.sleep(room_module.GRACE_S - 1)
            assert not meeting.state.seats["east"].is_online
            assert "participant/east" in meeting.ears["chair"].watchable(), "media go on"
            assert MIC in meeting.ears["east"].allowed
            meeting.ports["east"].attached()
            await asyncio.sleep(room_module.GRACE_S * 3)
            assert meeting.state.seats["east"].is_online
            meeting.ports["east"].detached()
            await asyncio.sleep(room_module.GRACE_S + 1)
            assert "east" not in meeting.state.seats
            assert meeting.ears["east"].ended == "expired"

    simulated(body())


def test_a_page_opened_again_takes_up_the_seat_and_the_old_one_is_told(simulated, tmp_path) -> None:
    async def body():
        async with hall(tmp_path) as meeting:
            await usual(meeting)
            await meeting.do("east", "floor_request")
            old_port, old_ear = meeting.ports["east"], meeting.ears["east"]
            await meeting.seat("east", kind=SeatKind.VENUE, sends=frozenset())
            assert old_ear.ended == "replaced"
            assert await code_of(old_port.command("chat", {"text": "?"})) == "not_in_room"
            old_port.report_published(SENDS, "7")
            old_port.detached()
            await old_port.leave("replaced")
            await settle()
            assert meeting.state.seats["east"].is_online
            assert [who for who, _ in meeting.state.floor_queue] == ["east"]
            assert "participant/east" not in meeting.ears["chair"].watchable(), "the new page sends nothing yet"

    simulated(body())


def test_a_page_opened_again_does_not_share_any_more(simulated, tmp_path) -> None:
    async def body():
        async with hall(tmp_path) as meeting:
            await usual(meeting)
            meeting.ports["east"].report_published(SENDS | {SCREEN}, "0")
            await settle()
            await meeting.seat("east", kind=SeatKind.VENUE)
            await settle()
            assert meeting.state.content is None

    simulated(body())


def test_the_end_is_told_and_lets_everybody_go(simulated, tmp_path) -> None:
    async def body():
        async with hall(tmp_path) as meeting:
            await usual(meeting)
            assert await meeting.do("chair", "end") == ""
            for ear in meeting.ears.values():
                assert ear.ended == "room_ended"
                assert ear.of("room")[-1]["room"]["phase"] == "ended"
            assert await meeting.do("east", "chat", text="?") == "room_ended"
            assert await code_of(meeting.directory.join(claims("late"), Ear())) == "room_ended"

    simulated(body())


def test_who_speaks_is_told_four_times_a_second_at_most_and_silence_not_at_all(simulated, tmp_path) -> None:
    async def body():
        async with hall(tmp_path) as meeting:
            await usual(meeting)
            for number in range(500):
                meeting.ports["east"].report_level(MIC, 20 + number % 40)
                await asyncio.sleep(0.02)
            told = meeting.ears["west"].of("speakers")
            assert 3 < len(told) <= 42
            await asyncio.sleep(10)
            assert meeting.ears["west"].of("speakers")[-1]["levels"] == {}
            before = len(meeting.ears["west"].of("speakers"))
            await asyncio.sleep(100)
            assert len(meeting.ears["west"].of("speakers")) == before

    simulated(body())


def test_the_journal_is_the_room(simulated, tmp_path) -> None:
    async def body():
        async with hall(tmp_path) as meeting:
            await usual(meeting)
            await asyncio.gather(*(meeting.do("east", "chat", text=str(n)) for n in range(50)))
            state = meeting.state
            history = load(tmp_path / "r.jsonl")
            assert replay(history.entries) == state
            assert [entry.seq for entry in history.entries] == list(range(1, state.version + 1))

    simulated(body())


def test_nothing_is_announced_before_it_is_written(simulated, tmp_path) -> None:
    class Reader(Ear):
        def on_message(self, message):
            super().on_message(message)
            if message["type"] == "chat":
                assert message["text"] in (tmp_path / "r.jsonl").read_text()
                self.is_checked = True

    async def body():
        async with hall(tmp_path) as meeting:
            await usual(meeting)
            reader = Reader()
            await meeting.directory.join(claims("reader"), reader)
            await meeting.do("chair", "chat", text="written-first")
            assert reader.is_checked

    simulated(body())


def test_a_bug_in_a_rule_ends_with_its_command(simulated, tmp_path, monkeypatch) -> None:
    async def body():
        async with hall(tmp_path) as meeting:
            await usual(meeting)
            real = room_module.apply

            def broken(state, command, now_us):
                if command.action == "lock":
                    raise ZeroDivisionError
                return real(state, command, now_us)

            monkeypatch.setattr(room_module, "apply", broken)
            assert await meeting.do("chair", "lock") == "internal"
            assert await meeting.do("chair", "mute_all") == ""

    simulated(body())


def test_too_many_waiting_commands_are_refused(simulated, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(room_module, "INBOX_LIMIT", 5)

    async def body():
        async with hall(tmp_path) as meeting:
            await usual(meeting)
            codes = await asyncio.gather(*(meeting.do("east", "chat", text="x") for _ in range(8)))
            assert codes == [""] * 5 + ["too_fast"] * 3

    simulated(body())


def test_malformed_commands_name_the_field(simulated, tmp_path) -> None:
    async def body():
        async with hall(tmp_path) as meeting:
            await usual(meeting)
            assert await meeting.do("chair", "mute") == "bad_message"
            assert await meeting.do("chair", "mute", target="../x") == "bad_message"
            assert await meeting.do("chair", "chat", text="x" * 2001) == "too_long"
            assert await meeting.do("chair", "chat", text="\ud800") == "bad_message"
            assert await meeting.do("chair", "set_head_count", head_count=True) == "bad_message"

    simulated(body())


def test_away_and_back_in_one_breath_is_back(simulated, tmp_path) -> None:
    async def body():
        async with hall(tmp_path) as meeting:
            await usual(meeting)
            meeting.ports["east"].detached()
            meeting.ports["east"].attached()
            await asyncio.sleep(room_module.GRACE_S * 2)
            assert meeting.state.seats["east"].is_online

    simulated(body())


def test_a_screen_shown_and_hidden_in_one_breath_is_hidden(simulated, tmp_path) -> None:
    async def body():
        async with hall(tmp_path) as meeting:
            await usual(meeting)
            meeting.ports["east"].report_published(SENDS | {SCREEN}, "0")
            meeting.ports["east"].report_published(SENDS, "0")
            await settle()
            assert meeting.state.content is None

    simulated(body())


def test_what_waits_while_the_room_ends_is_refused(simulated, tmp_path) -> None:
    async def body():
        async with hall(tmp_path) as meeting:
            await usual(meeting)
            asked = [meeting.do("chair", "end"), meeting.do("east", "chat", text="?"), meeting.do("west", "apply")]
            assert await asyncio.gather(*asked) == ["", "room_ended", "room_ended"]

    simulated(body())


def test_a_worker_that_ends_leaves_no_request_waiting(simulated, tmp_path) -> None:
    async def body():
        async with hall(tmp_path) as meeting:
            await usual(meeting)
            asked = asyncio.ensure_future(meeting.do("east", "chat", text="?"))
            await asyncio.sleep(0)
            await meeting.directory.aclose()
            assert await asked in {"", "internal", "worker_unavailable"}

    simulated(body())
