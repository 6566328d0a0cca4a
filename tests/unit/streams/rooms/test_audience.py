"""Who is told what: gates at once, news together, nothing to the lobby. In simulated time."""

import asyncio

import pytest

from streams.publication import TrackName
from streams.rooms.values import Role, SeatKind
from tests.unit.streams.rooms.hall import claims, hall, settle, usual
from tests.unit.streams.rooms.meeting import Ear
from tests.unit.streams.simulated_loop import run_simulated

MIC, CAM, SCREEN = TrackName.MICROPHONE, TrackName.CAMERA, TrackName.SCREEN


@pytest.fixture
def simulated():
    """Run the body of a test, an async function, in simulated time."""
    return run_simulated


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
