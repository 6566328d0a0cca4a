"""The chair machine against ten thousand random meetings, judged by a second account of the rules and by invariants."""

from collections import Counter

import pytest

from streams.publication import TrackName
from streams.rooms.commands import SYSTEM, Action, parse
from streams.rooms.effects import Left, Muted, UnmuteAsked
from streams.rooms.journal import JournalEntry
from streams.rooms.machine import RULES, open_room, replay
from streams.rooms.policy import allowed
from streams.rooms.refusals import Refused
from streams.rooms.rights import RIGHTS
from streams.rooms.seating import check_viewer, is_sent_away
from streams.rooms.values import Mark, Role, SeatKind
from tests.unit.streams.rooms.meeting import Meeting, usual
from tests.unit.streams.rooms.schedules import ACTIONS, run

SCHEDULES = 10_000
SHARDS = 20


@pytest.mark.parametrize("shard", range(SHARDS))
def test_random_meetings_keep_the_rules(shard: int) -> None:
    done: Counter[str] = Counter()
    for seed in range(shard, SCHEDULES, SHARDS):
        done += run(seed)
    assert [action for action in ACTIONS if not done[action]] == [], "the schedules never got that far"


def test_every_action_has_its_row_and_its_rule() -> None:
    assert set(RIGHTS) == set(Action)
    assert set(RULES) == set(Action) - {Action.OPEN}


def test_a_refused_command_leaves_the_very_state() -> None:
    meeting = usual()
    before = meeting.state
    assert meeting.do("mute_all", "east") == "not_chair"
    assert meeting.do("floor_grant", "chair", target="stranger") == "target_not_found"
    assert meeting.state is before


def test_an_accepted_command_leaves_the_former_state_as_it_was() -> None:
    meeting = usual()
    before, seats = meeting.state, dict(meeting.state.seats)
    assert meeting.do("remove", "chair", target="east") == ""
    assert before.seats == seats
    assert "east" not in meeting.state.seats


@pytest.mark.parametrize("action", sorted(RULES))
def test_an_ended_room_accepts_nothing(action: str) -> None:
    meeting = usual()
    assert meeting.do("end", "chair") == ""
    kind = "meeting" if action == "configure" else "person"
    body = {"target": "east", "name": "x", "kind": kind, "role": "speaker", "camera_id": "gate", "text": "x"}
    body |= {
        "track": "microphone",
        "muted": True,
        "speech": "open",
        "state": "present",
        "has_lobby": True,
        "head_count": 2,
    }
    assert meeting.do(action, SYSTEM, **body) == "room_ended"
    assert meeting.do(action, "chair", **body) == "room_ended"


def test_the_host_gets_the_chair_by_coming_and_takes_it_back() -> None:
    meeting = Meeting()
    meeting.join("deputy", Role.SPEAKER)
    assert meeting.do("apply", "deputy") == ""
    assert meeting.state.chair == "deputy"
    meeting.join("chair", Role.CHAIR)
    assert meeting.state.chair == "deputy"
    assert meeting.do("mute_all", "chair") == "not_chair"
    assert meeting.do("deprive", "chair", target="deputy") == ""
    assert meeting.state.chair == "chair"


def test_nobody_but_the_host_takes_the_chair_from_its_holder() -> None:
    meeting = usual()
    assert meeting.do("deprive", "speaker", target="chair") == "not_permitted"
    assert meeting.do("deprive", SYSTEM, target="chair") == ""
    assert meeting.state.chair is None


def test_an_attendee_waits_for_the_chair_even_while_it_is_free() -> None:
    meeting = usual()
    meeting.do("release", "chair")
    assert meeting.do("apply", "east") == ""
    assert meeting.state.chair is None
    assert meeting.do("grant", "speaker", target="east") == "not_chair"
    assert meeting.do("grant", "chair", target="east") == "", "the host may give a free chair away"
    assert meeting.state.chair == "east"
    assert meeting.do("grant", "chair", target="east") == "not_chair"


def test_the_chair_stays_with_who_is_away_and_is_free_when_the_seat_is_lost() -> None:
    meeting = usual()
    meeting.do("detach", target="chair")
    assert meeting.state.chair == "chair"
    meeting.do("expire", target="chair")
    assert meeting.state.chair is None
    assert meeting.effects == (Left("chair", "expired"),)
    meeting.join("chair", Role.CHAIR)
    assert meeting.state.chair == "chair"


def test_leaving_and_coming_back_is_no_way_out_of_a_mute() -> None:
    meeting = usual()
    meeting.do("mute", "chair", target="east")
    meeting.do("leave", target="east")
    meeting.join("east", kind=SeatKind.VENUE)
    assert TrackName.MICROPHONE not in allowed(meeting.state, meeting.seat("east"))
    assert meeting.do("mute_self", "east", track="microphone", muted=False) == "not_your_turn"


def test_who_was_made_observer_comes_back_as_observer() -> None:
    meeting = usual()
    meeting.do("set_role", "chair", target="west", role="observer")
    meeting.do("leave", target="west")
    meeting.join("west", kind=SeatKind.VENUE)
    assert meeting.seat("west").role is Role.OBSERVER
    meeting.do("leave", target="west")
    meeting.join("west", Role.SPEAKER, SeatKind.VENUE)
    assert meeting.seat("west").role is Role.SPEAKER, "but for a new invitation"


def test_who_was_removed_waits_in_the_lobby() -> None:
    meeting = usual()
    assert meeting.do("remove", "chair", target="east") == ""
    assert meeting.effects == (Left("east", "removed"),)
    meeting.join("east", kind=SeatKind.VENUE)
    assert meeting.seat("east").is_in_lobby
    meeting.do("set_lobby", "chair", has_lobby=False)
    assert meeting.seat("east").is_in_lobby, "opening the lobby is not meant for them"
    assert meeting.do("chat", "east", text="好") == "in_lobby"
    assert meeting.do("admit", "chair", target="east") == ""
    assert meeting.do("chat", "east", text="好") == ""


def test_who_was_removed_waits_in_the_lobby_with_another_seat_of_the_account_as_well() -> None:
    meeting = usual()
    again = {"name": "x", "role": Role.ATTENDEE, "kind": SeatKind.PERSON, "user_id": "u-east"}
    meeting.do("remove", "chair", target="east")
    assert meeting.do("join", target="east-2", **again) == ""
    assert meeting.seat("east-2").is_in_lobby
    assert meeting.do("admit", "chair", target="east-2") == ""
    assert meeting.do("join", target="east-3", **again) == ""
    assert not meeting.seat("east-3").is_in_lobby, "let in again, it is forgotten"
    assert meeting.do("join", target="stranger", **{**again, "user_id": ""}) == ""
    assert not meeting.seat("stranger").is_in_lobby


def test_who_watches_without_a_seat_stands_before_the_same_door() -> None:
    meeting = usual()

    def refusal(seat: str, user: str = "", role: Role = Role.ATTENDEE) -> str:
        try:
            check_viewer(meeting.state, seat, user, role)
        except Refused as refused:
            return refused.refusal.code.value
        return ""

    assert refusal("new") == ""
    meeting.do("remove", "chair", target="west")
    assert (refusal("west"), refusal("new", "u-west")) == ("in_lobby", "in_lobby")
    assert is_sent_away(meeting.state, "new", "u-west")
    assert not is_sent_away(meeting.state, "new", "u-east")
    meeting.do("lock", "chair")
    assert (refusal("new"), refusal("new", "u-east"), refusal("new", "u-9", Role.CHAIR)) == ("room_locked", "", "")
    meeting.do("set_lobby", "chair", has_lobby=True)
    meeting.do("unlock", "chair")
    meeting.join("late")
    assert (refusal("new"), refusal("late"), refusal("east")) == ("in_lobby", "in_lobby", "")


def test_the_host_cannot_be_removed_by_whom_it_gave_the_chair() -> None:
    meeting = usual()
    meeting.do("transfer", "chair", target="east")
    assert meeting.do("remove", "east", target="chair") == "not_permitted"
    assert meeting.do("set_role", "east", target="chair", role="observer") == "not_permitted"


def test_a_locked_room_lets_back_in_who_was_there_and_the_host() -> None:
    meeting = usual()
    meeting.do("lock", "chair")
    assert meeting.join("new") == "room_locked"
    meeting.do("detach", target="east")
    meeting.do("expire", target="east")
    assert meeting.join("east", kind=SeatKind.VENUE) == ""
    meeting.do("remove", "chair", target="west")
    assert meeting.join("west", kind=SeatKind.VENUE) == "room_locked"
    assert meeting.join("host", Role.CHAIR) == ""


def test_a_seat_is_one_persons() -> None:
    meeting = usual()
    stolen = {"target": "east", "name": "x", "role": "chair", "kind": "person", "user_id": "u-thief"}
    assert meeting.do("join", **stolen) == "seat_taken"
    meeting.do("leave", target="east")
    assert meeting.do("join", **stolen) == "seat_taken"


def test_a_mute_opens_no_microphone_when_it_is_lifted() -> None:
    meeting = usual()
    meeting.do("mute", "chair", target="east")
    assert meeting.effects == (Muted("east", TrackName.MICROPHONE),)
    assert meeting.do("unmute", "chair", target="east") == ""
    assert meeting.effects == (Muted("east", TrackName.MICROPHONE, is_muted=False), UnmuteAsked("east", "chair"))
    assert TrackName.MICROPHONE not in allowed(meeting.state, meeting.seat("east"))
    assert meeting.do("mute_self", "east", track="microphone", muted=False) == ""
    assert TrackName.MICROPHONE in allowed(meeting.state, meeting.seat("east"))


def test_who_comes_while_all_are_muted_is_muted() -> None:
    meeting = usual()
    meeting.do("mute_all", "chair", is_locked=True)
    meeting.join("late")
    assert TrackName.MICROPHONE not in allowed(meeting.state, meeting.seat("late"))
    assert meeting.do("mute_self", "late", track="microphone", muted=False) == "not_your_turn"
    assert TrackName.MICROPHONE in allowed(meeting.state, meeting.seat("speaker"))
    meeting.do("unmute_all", "chair")
    assert meeting.do("mute_self", "late", track="microphone", muted=False) == ""


def test_one_shares_at_a_time_and_loses_it_with_the_right() -> None:
    meeting = usual()
    assert meeting.do("share_start", "east") == ""
    assert meeting.do("share_start", "chair") == "already_sharing"
    assert meeting.do("set_speech", "chair", speech="floor") == ""
    assert meeting.state.content is None
    assert meeting.effects == (Muted("east", TrackName.SCREEN),)
    assert meeting.do("share_start", "east") == "not_permitted"
    assert meeting.do("share_start", "speaker") == ""


def test_a_camera_comes_silent_and_goes_with_its_shower_or_the_chair() -> None:
    meeting = usual()
    assert meeting.do("show_camera", "east", camera_id="gate", name="大门") == ""
    assert meeting.seat("camera-gate").source == "camera/gate"
    assert allowed(meeting.state, meeting.seat("camera-gate")) == {TrackName.VIDEO}
    assert meeting.do("unmute", "chair", target="camera-gate") == ""
    assert allowed(meeting.state, meeting.seat("camera-gate")) == {TrackName.VIDEO, TrackName.AUDIO}
    assert meeting.do("hide_camera", "west", target="camera-gate") == "not_chair"
    assert meeting.do("spotlight", "chair", source="camera/gate") == ""
    assert meeting.do("hide_camera", "east", target="camera-gate") == ""
    assert meeting.state.spotlight is None
    assert meeting.do("apply", "camera-gate") == "not_in_room"


def test_a_camera_of_the_longest_id_has_a_seat() -> None:
    meeting = usual()
    assert meeting.do("show_camera", camera_id="g" * 64, name="大门") == ""
    seat = next(seat for seat in meeting.state.seats.values() if seat.kind is SeatKind.CAMERA)
    assert seat.source == "camera/" + "g" * 64
    assert len(seat.id) <= 64


def test_a_roll_call_keeps_every_answer_and_names_who_came_late() -> None:
    meeting = usual()
    assert meeting.do("roll_call_start", "chair") == ""
    assert list(meeting.state.roll_call.entries) == ["speaker", "east", "west"]
    assert meeting.do("roll_call_call", "chair", target="east") == ""
    assert meeting.do("roll_call_answer", "west", state="present") == "not_your_turn"
    assert meeting.do("roll_call_answer", "east", state="leave") == "not_permitted"
    assert meeting.do("roll_call_answer", "east", state="present") == ""
    assert meeting.do("roll_call_answer", "east", state="present") == "not_your_turn", "once called, once answered"
    assert meeting.do("roll_call_next", "chair") == ""
    assert meeting.answer == {"current": "speaker"}
    assert meeting.do("roll_call_next", "chair") == ""
    marks = {pid: entry.mark for pid, entry in meeting.state.roll_call.entries.items()}
    assert marks == {"speaker": Mark.ABSENT, "east": Mark.PRESENT, "west": Mark.CALLED}
    meeting.join("north", kind=SeatKind.VENUE)
    assert meeting.state.roll_call.entries["north"].late_us == meeting.now_us
    assert meeting.do("roll_call_end", "chair") == ""
    assert meeting.do("roll_call_answer", "chair", target="speaker", state="leave", note="病假") == ""
    entry = meeting.state.roll_call.entries["speaker"]
    assert [reply.mark for reply in entry.replies] == [Mark.ABSENT, Mark.LEAVE]
    assert entry.replies[-1].note == "病假"


def test_a_recalled_venue_that_is_silent_keeps_its_former_answer() -> None:
    meeting = usual()
    meeting.do("roll_call_start", "chair", participant_ids=["east", "west"])
    meeting.do("roll_call_call", "chair", target="east")
    meeting.do("roll_call_answer", "east", state="present")
    meeting.do("roll_call_call", "chair", target="west")
    meeting.do("roll_call_call", "chair", target="east")
    meeting.do("roll_call_end", "chair")
    assert meeting.state.roll_call.entries["east"].mark is Mark.PRESENT


def test_a_ledger_may_name_who_is_not_there_yet() -> None:
    meeting = usual()
    asked = {"participant_ids": ["east", "north"], "names": {"north": "北村"}}
    assert meeting.do("roll_call_start", "chair", participant_ids=["north"]) == "target_not_found"
    assert meeting.do("roll_call_start", "chair", **asked) == ""
    meeting.join("north", kind=SeatKind.VENUE)
    assert meeting.state.roll_call.entries["north"].late_us == meeting.now_us
    meeting.do("leave", target="east")
    meeting.join("east", kind=SeatKind.VENUE)
    assert meeting.state.roll_call.entries["east"].late_us is None, "who was there is not late"


def test_a_second_roll_call_keeps_the_first() -> None:
    meeting = usual()
    meeting.do("roll_call_start", "chair")
    assert meeting.do("roll_call_start", "chair") == "wrong_state"
    meeting.do("roll_call_end", "chair")
    first = meeting.state.roll_call
    assert meeting.do("roll_call_start", "chair") == ""
    assert meeting.state.past_roll_calls == (first,)


def test_an_arrangement_changes_only_what_was_arranged_anew() -> None:
    meeting = usual(locked=False)
    meeting.do("lock", "chair")
    config = {"name": "推进会", "locked": False}
    assert meeting.do("configure", **config) == ""
    assert meeting.state.is_locked, "the chair's lock stays"
    assert meeting.do("configure", **config, lobby=True, max_participants=2) == ""
    assert meeting.state.has_lobby
    assert meeting.join("new") == "room_locked"
    meeting.do("unlock", "chair")
    assert meeting.join("new") == "room_full"


def test_a_hall_counts_when_it_told_and_a_person_is_one() -> None:
    meeting = usual()
    assert meeting.seat("east").head_count == 0
    assert meeting.seat("chair").head_count == 1
    assert meeting.do("set_head_count", "east", head_count=23) == ""
    assert meeting.do("set_head_count", "east", target="west", head_count=23) == "not_chair"
    assert meeting.do("set_head_count", "chair", target="west", head_count=7) == ""
    assert (meeting.seat("east").head_count, meeting.seat("west").head_count) == (23, 7)


def test_an_entry_of_other_rules_is_passed_over() -> None:
    meeting = usual()
    command, state = open_room("r", {"name": "会"}, 1)
    entries = [JournalEntry(1, 1, command), JournalEntry(2, 2, parse("mute_all", "nobody", {}))]
    restored = replay(entries)
    assert restored is not None
    assert restored.version == 2, "the next entry is the third"
    assert restored.seats == state.seats
    assert replay([JournalEntry(1, 1, parse("lock", SYSTEM, {}))]) is None
    assert meeting.state.version == 6
