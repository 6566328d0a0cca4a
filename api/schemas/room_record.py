"""The record of a meeting over HTTP."""

from api.db.room_history import RoomCameraRow
from api.schemas.base import Output, moment, moment_or_none
from api.services.room_record import Expected, Record
from streams.rooms.attendance import Attendee
from streams.rooms.values import RollCall


class GapOut(Output):
    """A time away within a stay."""

    start: str
    end: str | None


class StayOut(Output):
    """One time in the room."""

    joined_at: str
    left_at: str | None
    gaps: list[GapOut]


class AttendeeOut(Output):
    """Somebody who came."""

    participant_id: str
    user_id: str | None
    name: str
    venue: str
    org_name: str
    kind: str
    role: str
    head_count: int
    late_minutes: int
    joined_at: str | None
    left_at: str | None
    present_s: int
    away_s: int
    stays: list[StayOut]


class ExpectedOut(Output):
    """A member, and whether anybody of theirs came."""

    user_id: str | None = None
    org_id: str | None = None
    name: str
    role: str
    present: bool


class LedgerEntry(Output):
    """One line of a roll call."""

    participant_id: str
    name: str
    state: str
    called_at: str | None
    answered_at: str | None
    late_at: str | None
    note: str


class RollCallOut(Output):
    """One roll call."""

    started_at: str | None
    ended_at: str | None
    entries: list[LedgerEntry]


class ChatOut(Output):
    """A line said to everybody."""

    at: str
    participant_id: str
    name: str
    text: str


class RecordingOut(Output):
    """A time during which the room was recorded."""

    started_at: str
    ended_at: str | None


class ShownCamera(Output):
    """A camera somebody showed, and to whom."""

    camera_id: str
    name: str
    shown_by: str
    shown_at: str
    gone_at: str | None
    reason: str | None
    viewers: list[str]


class RoomRecord(Output):
    """The record; `complete` is false while the room's worker cannot be asked."""

    room_id: str
    name: str
    kind: str
    org_name: str
    created_by: str
    starts_at: str | None
    opened_at: str | None
    ended_at: str | None
    complete: bool
    expected_count: int
    present_count: int
    most_heads: int
    expected: list[ExpectedOut]
    attendance: list[AttendeeOut]
    roll_calls: list[RollCallOut]
    chat: list[ChatOut]
    private_lines: int
    recordings: list[RecordingOut]
    cameras: list[ShownCamera]


def attendee_out(one: Attendee, now_us: int) -> AttendeeOut:
    """Return somebody who came as answered."""
    seat, stays = one.seat, one.stays
    whole_us = sum((now_us if stay.end_us is None else stay.end_us) - stay.start_us for stay in stays)
    present_us = one.present_us(now_us)
    return AttendeeOut(
        participant_id=seat.id, user_id=seat.user_id or None, name=seat.name, venue=seat.venue, org_name=seat.org_name,
        kind=seat.kind.value, role=seat.role.value, head_count=one.head_count_most, late_minutes=one.late_minutes,
        joined_at=moment(stays[0].start_us) if stays else None,
        left_at=moment_or_none(stays[-1].end_us) if stays else None, present_s=present_us // 1_000_000,
        away_s=max(0, whole_us - present_us) // 1_000_000,
        stays=[
            StayOut(
                joined_at=moment(stay.start_us), left_at=moment_or_none(stay.end_us),
                gaps=[GapOut(start=moment(since), end=moment_or_none(till)) for since, till in stay.gaps],
            )
            for stay in stays
        ],
    )  # fmt: skip


def _roll_call_out(roll: RollCall) -> RollCallOut:
    entries = [
        LedgerEntry(
            participant_id=entry.participant_id, name=entry.name, state=entry.mark.value,
            called_at=moment_or_none(entry.called_us),
            answered_at=moment(entry.replies[-1].at_us) if entry.replies else None,
            late_at=moment_or_none(entry.late_us), note=entry.replies[-1].note if entry.replies else "",
        )
        for entry in roll.entries.values()
    ]  # fmt: skip
    return RollCallOut(
        started_at=moment(roll.started_us) if roll.started_us else None,
        ended_at=moment(roll.ended_us) if roll.ended_us else None, entries=entries,
    )  # fmt: skip


def _expected_out(one: Expected) -> ExpectedOut:
    is_user = one.member.kind == "user"
    return ExpectedOut(
        user_id=one.member.member_id if is_user else None, org_id=None if is_user else one.member.member_id,
        name=one.name, role=one.member.role, present=one.is_here,
    )  # fmt: skip


def _camera_out(row: RoomCameraRow) -> ShownCamera:
    return ShownCamera(
        camera_id=row.camera_id, name=row.camera_name, shown_by=row.username, shown_at=moment(row.started_us),
        gone_at=moment_or_none(row.ended_us), reason=row.end_reason, viewers=row.viewer_names,
    )  # fmt: skip


def record_out(record: Record) -> RoomRecord:
    """Return the record as answered."""
    room, minutes = record.view.room, record.minutes
    state = minutes.state
    return RoomRecord(
        room_id=room.id, name=room.name, kind=room.kind, org_name=record.org_name, created_by=record.creator,
        starts_at=moment_or_none(room.starts_us), opened_at=moment(state.opened_us) if state else None,
        ended_at=moment_or_none(room.ended_us), complete=record.is_complete, expected_count=len(record.expected),
        present_count=len(record.present), most_heads=record.most_heads,
        expected=[_expected_out(one) for one in record.expected],
        attendance=[attendee_out(one, room.ended_us or record.now_us) for one in record.present],
        roll_calls=[_roll_call_out(roll) for roll in minutes.roll_calls],
        chat=[ChatOut(at=moment(line.at_us), participant_id=line.by, name=line.name, text=line.text) for line in minutes.chat],
        private_lines=minutes.private_lines,
        recordings=[
            RecordingOut(started_at=moment(span.start_us), ended_at=moment_or_none(span.end_us))
            for span in minutes.recordings
        ],
        cameras=[_camera_out(row) for row in record.cameras],
    )  # fmt: skip
