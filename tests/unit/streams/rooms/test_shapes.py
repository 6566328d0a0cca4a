"""What rooms say has the shapes of the session protocol."""

import json

import pytest
from pydantic import TypeAdapter

from streams.publication import TrackName
from streams.rooms import shapes
from streams.rooms.policy import leave_of
from streams.rooms.refusals import Code
from streams.rooms.values import SeatKind
from streams.session.codes import ERROR_CODES
from streams.session.events import EVENTS, Participant, Room
from tests.unit.streams.rooms.hall import hall, settle
from tests.unit.streams.rooms.hall import usual as usual_hall
from tests.unit.streams.rooms.meeting import usual
from tests.unit.streams.simulated_loop import run_simulated

BOTH = frozenset({TrackName.CAMERA, TrackName.MICROPHONE})


def busy():
    """A room in which as much as possible is set."""
    meeting = usual(starts_at="2026-12-01T08:00:00.000Z")
    meeting.do("show_camera", "chair", camera_id="gate", name="大门")
    for action, by, body in [
        ("apply", "east", {}),
        ("floor_request", "west", {}),
        ("floor_grant", "chair", {"target": "east"}),
        ("share_start", "speaker", {}),
        ("spotlight", "chair", {"source": "participant/speaker", "track": "screen"}),
        ("mute", "chair", {"target": "west"}),
        ("record_start", "chair", {}),
        ("roll_call_start", "chair", {}),
        ("roll_call_next", "chair", {}),
        ("roll_call_answer", "chair", {"state": "leave", "note": "病假"}),
        ("mute_all", "chair", {"is_locked": True}),
    ]:
        assert meeting.do(action, by, **body) == ""
    meeting.join("late", kind=SeatKind.VENUE)
    return meeting


def shape_of(meeting, who, published=BOTH):
    state, seat = meeting.state, meeting.seat(who)
    return shapes.participant(seat, leave_of(state, seat), published, dict(state.floor_queue).get(who))


def known_only(kind, shape):
    return set(shape) <= set(kind.__dataclass_fields__)


def test_a_room_and_everybody_in_it_are_as_the_protocol_says() -> None:
    meeting = busy()
    room = shapes.room(meeting.state)
    TypeAdapter(Room).validate_python(room)
    assert known_only(Room, room)
    for who in meeting.state.seats:
        shape = shape_of(meeting, who)
        TypeAdapter(Participant).validate_python(shape)
        assert known_only(Participant, shape)
    TypeAdapter(Room).validate_python(shapes.room_from_lobby(meeting.state))
    assert set(shapes.room_from_lobby(meeting.state)) == set(room)


def test_the_shape_of_a_busy_room() -> None:
    room = shapes.room(busy().state)
    assert room["spotlight"] == {"source": "participant/speaker", "track": "screen"}
    assert room["content"] == {"source": "participant/speaker"}
    assert room["recording"]["is_on"]
    assert room["roll_call"]["current"] == "speaker"
    first = room["roll_call"]["entries"][0]
    assert (first["state"], first["note"], first["late_at"]) == ("leave", "病假", None)
    assert room["roll_call"]["entries"][-1]["late_at"] is not None


def test_a_track_says_who_muted_it() -> None:
    meeting = usual(speech="floor")
    assert shape_of(meeting, "east")["tracks"]["microphone"] == {"is_on": False, "muted_by": "chair"}
    assert shape_of(meeting, "east")["tracks"]["camera"] == {"is_on": True, "muted_by": None}
    meeting.do("mute_self", "speaker", track="microphone", muted=True)
    assert shape_of(meeting, "speaker")["tracks"]["microphone"] == {"is_on": False, "muted_by": "self"}
    meeting.do("mute", "chair", target="speaker")
    assert shape_of(meeting, "speaker")["tracks"]["microphone"] == {"is_on": False, "muted_by": "chair"}
    assert shape_of(meeting, "speaker", frozenset())["tracks"].keys() == {"microphone"}, "a mute shows without a track"


def test_everything_a_meeting_says_is_an_event_of_the_protocol(tmp_path) -> None:
    async def body():
        async with hall(tmp_path, lobby=True) as meeting:
            meeting_usual = usual_hall(meeting)
            await meeting_usual
            for who in ("east", "west"):
                await meeting.do("chair", "admit", target=who)
            await settle()
            for action, fields in [
                ("chat", {"text": "好"}), ("mute", {"target": "east"}), ("unmute", {"target": "east"}),
                ("roll_call_start", {}), ("roll_call_next", {}), ("roll_call_end", {}), ("mute_all", {}),
                ("share_start", {}), ("remove", {"target": "west"}), ("chat", {"text": "x", "to": "east"}),
            ]:  # fmt: skip
                assert await meeting.do("chair", action, **fields) == ""
            for _ in range(40):
                meeting.ports["chair"].report_level(TrackName.MICROPHONE, 20)
                await settle() if _ % 20 == 0 else None
            meeting.ports["east"].report_published(frozenset({TrackName.SCREEN}), "0")
            await settle()
            await meeting.do("chair", "end")
            said = [message for ear in meeting.ears.values() for message in ear.messages]
            for message in said:
                TypeAdapter(EVENTS[message["type"]]).validate_python(dict(message))
                assert known_only(EVENTS[message["type"]], {key for key in message if key != "from"})
            return {message["type"] for message in said}

    assert run_simulated(body()) >= {
        "participant", "participants", "participant_left", "room", "speakers", "chat", "roll_call", "muted",
        "unmute_asked", "notice",
    }  # fmt: skip


def test_a_message_for_many_is_written_once() -> None:
    said = shapes.Said({"type": "chat", "text": "好"})
    assert json.loads(said.text) == said
    assert said.text is said.text


@pytest.mark.parametrize("code", list(Code))
def test_every_refusal_is_of_the_closed_list(code: Code) -> None:
    assert code.value in ERROR_CODES
