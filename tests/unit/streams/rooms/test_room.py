"""The room at work: what pages are told, what is let through, who is kept and who is let go. In simulated time."""

import asyncio

import pytest

from media.base.ids import SourceId
from streams.publication import TrackName
from streams.rooms import room as room_module
from streams.rooms.journal import load
from streams.rooms.machine import replay
from streams.rooms.values import Role, SeatKind
from tests.unit.streams.rooms.hall import SENDS, claims, code_of, hall, settle
from tests.unit.streams.rooms.meeting import Ear
from tests.unit.streams.simulated_loop import run_simulated

MIC, CAM, SCREEN = TrackName.MICROPHONE, TrackName.CAMERA, TrackName.SCREEN


@pytest.fixture
def simulated():
    """Run the body of a test, an async function, in simulated time."""
    return run_simulated


async def usual(meeting):
    await meeting.seat("chair", Role.CHAIR)
    await meeting.seat("east", kind=SeatKind.VENUE)
    await meeting.seat("west", kind=SeatKind.VENUE)
    await meeting.seat("guest", Role.OBSERVER, sends=frozenset())
    await settle()


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
            before, allowed = meeting.state, dict(meeting.ears)
            for action, fields, code in CRAFTED:
                assert await meeting.do("east", action, **fields) == code, action
            assert meeting.state is before
            assert meeting.ears == allowed
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


def test_a_mute_closes_the_gate_before_the_chair_has_its_answer(simulated, tmp_path) -> None:
    async def body():
        async with hall(tmp_path) as meeting:
            await usual(meeting)
            assert meeting.ears["east"].allowed == {CAM, MIC}
            assert await meeting.do("chair", "mute", target="east") == ""
            assert meeting.ears["east"].allowed == {CAM}
            assert meeting.ears["east"].of("muted") == [
                {"type": "muted", "track": "microphone", "by": "chair", "is_muted": True}
            ]
            await settle()
            seen = meeting.ears["west"].participants()["east"]
            assert seen["tracks"]["microphone"] == {"is_on": False, "muted_by": "chair"}

    simulated(body())


def test_who_waits_in_the_lobby_is_told_nothing(simulated, tmp_path) -> None:
    async def body():
        async with hall(tmp_path, lobby=True) as meeting:
            await meeting.seat("chair", Role.CHAIR)
            _, ear = await meeting.seat("east")
            await meeting.do("chair", "chat", text="开会")
            await meeting.do("chair", "roll_call_start", participant_ids=["chair"])
            await settle()
            assert {m["type"] for m in ear.messages} <= {"participant"}
            assert ear.sources == ()
            assert ear.audible == ()
            assert ear.allowed == frozenset()
            seen = await meeting.ports["east"].snapshot()
            assert [one["id"] for one in seen["participants"]] == ["east"]
            assert seen["room"]["chair"] is None
            assert seen["room"]["roll_call"]["entries"] == []
            assert "east" in meeting.ears["chair"].participants(), "the chair must see who waits"

    simulated(body())


def test_who_is_admitted_is_told_everything(simulated, tmp_path) -> None:
    async def body():
        async with hall(tmp_path, lobby=True) as meeting:
            await meeting.seat("chair", Role.CHAIR)
            await meeting.do("chair", "chat", text="开会")
            _, ear = await meeting.seat("east")
            assert await meeting.do("chair", "admit", target="east") == ""
            await settle()
            assert set(ear.participants()) == {"chair", "east"}
            assert ear.of("room")[-1]["room"]["chair"] == "chair"
            assert ear.of("chat")[0]["text"] == "开会"
            assert "participant/chair" in ear.watchable()
            assert ear.audible == ("participant/chair",)

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


def test_each_hears_the_loudest_few_and_never_oneself(simulated, tmp_path) -> None:
    async def body():
        async with hall(tmp_path, audio_loudest=2) as meeting:
            await usual(meeting)
            for name in ("a", "b", "c"):
                await meeting.seat(name)
            await settle()
            for _ in range(100):
                for name, level in (("a", 20), ("b", 22), ("east", 24), ("west", 90), ("c", 95)):
                    meeting.ports[name].report_level(MIC, level)
                await asyncio.sleep(0.02)
            heard = {name: set(ear.audible) for name, ear in meeting.ears.items()}
            loudest = {"participant/a", "participant/b", "participant/east"}
            assert all(len(sources) == 2 and sources < loudest for sources in heard.values())
            assert all(f"participant/{name}" not in sources for name, sources in heard.items())
            assert meeting.ears["chair"].of("speakers")[-1]["active"] == "a"

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


def test_a_muted_speaker_is_heard_by_nobody_from_that_moment(simulated, tmp_path) -> None:
    async def body():
        async with hall(tmp_path) as meeting:
            await usual(meeting)
            assert "participant/east" in meeting.ears["west"].audible
            await meeting.do("chair", "mute", target="east")
            assert "participant/east" not in meeting.ears["west"].audible

    simulated(body())


def test_during_a_roll_call_only_the_called_and_the_chair_are_heard(simulated, tmp_path) -> None:
    async def body():
        async with hall(tmp_path) as meeting:
            await usual(meeting)
            await meeting.do("chair", "roll_call_start")
            await meeting.do("chair", "roll_call_call", target="east")
            assert meeting.ears["west"].audible == ("participant/chair", "participant/east")
            assert meeting.ears["east"].audible == ("participant/chair",)
            assert meeting.ears["west"].allowed == {CAM}
            entry = meeting.ears["west"].of("roll_call")[-1]["entry"]
            assert (entry["participant_id"], entry["state"]) == ("east", "called")
            assert await meeting.do("east", "roll_call_answer", state="present") == ""
            assert meeting.ears["west"].of("roll_call")[-1]["entry"]["state"] == "present"

    simulated(body())


def test_a_camera_is_shown_heard_only_when_let_in_and_leaves_cleanly(simulated, tmp_path) -> None:
    async def body():
        async with hall(tmp_path) as meeting:
            await usual(meeting)
            fields = {"camera_id": "gate", "name": "大门", "slot": "3"}
            assert await meeting.room.act("show_camera", "east", fields) == {"participant_id": "camera-gate"}
            await settle()
            source = next(s for s in meeting.ears["west"].sources if s.source == "camera/gate")
            assert (source.slot, source.tracks) == ("3", {TrackName.VIDEO})
            seen = meeting.ears["west"].participants()["camera-gate"]
            assert (seen["kind"], seen["shown_by"], seen["source"]) == ("camera", "east", "camera/gate")
            assert "camera/gate" not in meeting.ears["west"].audible
            await meeting.do("chair", "unmute", target="camera-gate")
            await settle()
            assert "camera/gate" in meeting.ears["west"].audible
            await meeting.room.act("hide_camera", "east", {"target": "camera-gate"})
            await settle()
            assert "camera/gate" not in meeting.ears["west"].watchable()
            assert "camera/gate" not in meeting.ears["west"].audible
            assert "camera-gate" not in meeting.ears["west"].participants()

    simulated(body())


def test_private_chat_reaches_two(simulated, tmp_path) -> None:
    async def body():
        async with hall(tmp_path) as meeting:
            await usual(meeting)
            await meeting.do("east", "chat", text="悄悄", to="west")
            await meeting.do("chair", "chat", text="大家好")
            lines = {name: [m["text"] for m in ear.of("chat")] for name, ear in meeting.ears.items()}
            assert lines["east"] == lines["west"] == ["悄悄", "大家好"]
            assert lines["chair"] == lines["guest"] == ["大家好"]
            _, ear = await meeting.seat("late")
            assert [m["text"] for m in ear.of("chat")] == ["大家好"], "who comes later reads what all have read"

    simulated(body())


def test_one_receiver_that_fails_hurts_nobody_else(simulated, tmp_path) -> None:
    class Broken(Ear):
        def on_message(self, message):
            raise RuntimeError("broken page")

    async def body():
        async with hall(tmp_path) as meeting:
            await usual(meeting)
            await meeting.directory.join(claims("broken"), Broken())
            assert await meeting.do("chair", "mute_all") == ""
            await settle()
            assert meeting.ears["west"].of("room")[-1]["room"]["is_all_muted"]
            assert "broken" in meeting.ears["west"].participants()

    simulated(body())


def test_two_hundred_joins_at_once_are_told_in_a_few_messages(simulated, tmp_path) -> None:
    async def body():
        async with hall(tmp_path) as meeting:
            await meeting.seat("chair", Role.CHAIR)

            async def come(number):
                await asyncio.sleep(number * 0.005)
                await meeting.seat(f"v-{number}", kind=SeatKind.VENUE)

            await asyncio.gather(*(come(number) for number in range(200)))
            await settle()
            chair = meeting.ears["chair"]
            assert len(chair.participants()) == 201
            assert len(chair.watchable()) == 201
            assert len(chair.messages) < 40
            assert max(len(ear.messages) for ear in meeting.ears.values()) < 40
            longest = max(len(m["participants"]) for m in chair.of("participants"))
            assert longest <= 100

    simulated(body())


def test_what_all_see_in_the_end_is_what_the_room_is(simulated, tmp_path) -> None:
    async def body():
        async with hall(tmp_path) as meeting:
            await usual(meeting)
            start = {name: await port.snapshot() for name, port in meeting.ports.items()}
            for ear in meeting.ears.values():
                ear.messages.clear()
            for who, action, fields in [
                ("east", "floor_request", {}),
                ("chair", "set_speech", {"speech": "floor"}),
                ("chair", "floor_grant", {"target": "east"}),
                ("west", "rename", {"name": "西村"}),
                ("chair", "mute_all", {"is_locked": True}),
                ("chair", "roll_call_start", {}),
                ("chair", "roll_call_next", {}),
                ("chair", "roll_call_end", {}),
            ]:
                assert await meeting.do(who, action, **fields) == ""
            await settle()
            for name, port in meeting.ports.items():
                now, ear = await port.snapshot(), meeting.ears[name]
                known = {one["id"]: one for one in start[name]["participants"]} | ear.participants()
                assert known == {one["id"]: one for one in now["participants"]}
                room = {**ear.of("room")[-1]["room"], "version": 0}
                assert room == {**now["room"], "version": 0}

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
