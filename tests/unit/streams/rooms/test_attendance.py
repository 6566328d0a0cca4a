"""Who was there, from when to when."""

from streams.rooms.attendance import Attendance, late_minutes, restored
from streams.rooms.commands import SYSTEM, parse
from streams.rooms.journal import JournalEntry
from streams.rooms.machine import apply, open_room
from streams.rooms.refusals import Refusal
from tests.unit.streams.rooms.meeting import START_US

MINUTE_US = 60_000_000


class Diary:
    """A meeting by the minute."""

    def __init__(self, **config):
        command, self.state = open_room("r", {"name": "会", **config}, START_US)
        self.entries = [JournalEntry(1, START_US, command)]
        self.live = Attendance()

    def at(self, minute, action, by=SYSTEM, **body):
        now_us = START_US + minute * MINUTE_US
        command = parse(action, by, body)
        outcome = apply(self.state, command, now_us)
        assert not isinstance(outcome, Refusal), outcome
        self.live.follow(self.state, outcome.state, now_us)
        self.state = outcome.state
        self.entries.append(JournalEntry(self.state.version, now_us, command))

    def join(self, minute, who, **more):
        more = {"name": who, "role": "attendee", "kind": "person", "user_id": who} | more
        self.at(minute, "join", target=who, **more)

    def read(self):
        state, attendance = restored(self.entries)
        assert state == self.state
        assert attendance.attendees == self.live.attendees
        assert attendance.most_heads == self.live.most_heads
        return attendance


def minutes(stay):
    def of(at_us):
        return None if at_us is None else (at_us - START_US) // MINUTE_US

    return of(stay.start_us), of(stay.end_us), [(of(since), of(till)) for since, till in stay.gaps]


def test_a_stay_with_a_gap_is_one_stay() -> None:
    diary = Diary()
    diary.join(0, "a")
    diary.at(10, "detach", target="a")
    diary.at(11, "reconnect", target="a")
    diary.at(30, "leave", target="a")
    line = diary.read().attendees["a"]
    assert [minutes(stay) for stay in line.stays] == [(0, 30, [(10, 11)])]
    assert line.present_us(START_US + 99 * MINUTE_US) == 29 * MINUTE_US


def test_who_did_not_come_back_left_when_last_seen() -> None:
    diary = Diary()
    diary.join(0, "a")
    diary.at(10, "detach", target="a")
    diary.at(11, "expire", target="a")
    diary.join(20, "a")
    line = diary.read().attendees["a"]
    assert [minutes(stay) for stay in line.stays] == [(0, 10, []), (20, None, [])]
    assert line.present_us(START_US + 25 * MINUTE_US) == 15 * MINUTE_US


def test_a_gap_that_lasts_counts_as_away() -> None:
    diary = Diary()
    diary.join(0, "a")
    diary.at(10, "detach", target="a")
    line = diary.read().attendees["a"]
    assert line.present_us(START_US + 12 * MINUTE_US) == 10 * MINUTE_US


def test_the_lobby_is_not_the_room() -> None:
    diary = Diary(lobby=True)
    diary.join(0, "chair", role="chair")
    diary.join(1, "a")
    diary.join(2, "b")
    diary.at(5, "admit", "chair", target="a")
    diary.at(6, "reject", "chair", target="b")
    attendees = diary.read().attendees
    assert minutes(attendees["a"].stays[0]) == (5, None, [])
    assert "b" not in attendees


def test_somebody_away_in_the_lobby_is_let_in_with_a_gap() -> None:
    diary = Diary(lobby=True)
    diary.join(1, "a")
    diary.at(2, "detach", target="a")
    diary.at(5, "set_lobby", has_lobby=False)
    diary.at(7, "reconnect", target="a")
    assert minutes(diary.read().attendees["a"].stays[0]) == (5, None, [(5, 7)])


def test_the_end_of_the_room_ends_every_stay() -> None:
    diary = Diary()
    diary.join(0, "a")
    diary.join(1, "b")
    diary.at(4, "detach", target="b")
    diary.at(9, "end")
    attendees = diary.read().attendees
    assert minutes(attendees["a"].stays[0]) == (0, 9, [])
    assert minutes(attendees["b"].stays[0]) == (1, 4, [])


def test_cameras_attend_nothing() -> None:
    diary = Diary()
    diary.at(0, "show_camera", camera_id="gate", name="大门")
    diary.at(1, "hide_camera", target="camera-gate")
    assert diary.read().attendees == {}


def test_the_most_heads_at_once_are_remembered() -> None:
    diary = Diary()
    diary.join(0, "a")
    diary.join(1, "hall", kind="venue")
    diary.at(2, "set_head_count", "hall", head_count=30)
    diary.at(3, "set_head_count", "hall", head_count=12)
    diary.at(4, "leave", target="hall")
    attendance = diary.read()
    assert attendance.most_heads == 31
    assert attendance.attendees["hall"].head_count_most == 30


def test_late_is_counted_in_whole_minutes_after_the_arranged_beginning() -> None:
    diary = Diary(starts_at="2023-11-14T22:13:20.000Z")  # START_US
    diary.join(-5, "early")
    diary.at(7, "leave", target="early")
    diary.join(3, "late")
    diary.join(30, "early")
    attendees = diary.read().attendees
    assert attendees["early"].late_minutes == 0, "the first coming counts"
    assert attendees["late"].late_minutes == 3


def test_without_an_arranged_beginning_nobody_is_late() -> None:
    diary = Diary()
    assert late_minutes(diary.state, START_US + 10**12) == 0


def test_nothing_happened_is_no_room() -> None:
    state, attendance = restored([])
    assert state is None
    assert attendance.attendees == {}
