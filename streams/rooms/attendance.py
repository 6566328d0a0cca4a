"""Who was there, from when to when, with gaps: counted from the history of a room.

Pure. `restored` folds journal entries, for the worker and for the record the api writes. Present is who is in the
room itself, not in its lobby; away is a gap as long as the seat is kept. A hall's head count is what was entered, never
assumed; cameras attend nothing.
"""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, field

from media.base.clock import us_of_utc
from streams.rooms.machine import Entry, step
from streams.rooms.policy import head_count_total
from streams.rooms.values import RoomState, Seat, SeatKind


@dataclass(slots=True)
class Stay:
    """One time in the room, microseconds of wall time; `end_us` None while it lasts."""

    start_us: int
    end_us: int | None = None
    gaps: list[tuple[int, int | None]] = field(default_factory=list)
    """Times away within the stay, the last one open while it lasts."""

    def present_us(self, now_us: int) -> int:
        """Return how long somebody was really there."""
        end_us = now_us if self.end_us is None else self.end_us
        away_us = sum((end_us if till is None else till) - since for since, till in self.gaps)
        return max(0, end_us - self.start_us - away_us)


@dataclass(slots=True)
class Attendee:
    """One line of the list."""

    seat: Seat
    stays: list[Stay] = field(default_factory=list)
    late_minutes: int = 0
    head_count_most: int = 0

    def present_us(self, now_us: int) -> int:
        """Return how long somebody was there in all."""
        return sum(stay.present_us(now_us) for stay in self.stays)


class Attendance:
    """The list of one room, kept up with its states."""

    def __init__(self) -> None:
        """Begin empty."""
        self.attendees: dict[str, Attendee] = {}
        self.most_heads = 0
        """The largest total of heads at any moment."""

    def follow(self, old: RoomState | None, new: RoomState, now_us: int) -> None:
        """Take over one step of the room."""
        before = {} if old is None else old.seats
        if before is new.seats:
            return
        for seat in new.seats.values():
            former = before.get(seat.id)
            if former is not seat and seat.kind is not SeatKind.CAMERA:
                self._changed(former, seat, new, now_us)
        for seat in before.values():
            if seat.id not in new.seats and seat.kind is not SeatKind.CAMERA:
                self._went(seat, now_us)
        self.most_heads = max(self.most_heads, head_count_total(new))

    def _changed(self, former: Seat | None, seat: Seat, state: RoomState, now_us: int) -> None:
        if seat.is_in_lobby:
            return
        attendee = self.attendees.get(seat.id)
        if attendee is None:
            attendee = self.attendees[seat.id] = Attendee(seat, late_minutes=late_minutes(state, now_us))
        attendee.seat = seat
        attendee.head_count_most = max(attendee.head_count_most, seat.head_count)
        if former is None or former.is_in_lobby:
            attendee.stays.append(Stay(now_us))
        gaps = attendee.stays[-1].gaps
        is_away = bool(gaps) and gaps[-1][1] is None
        if is_away and seat.is_online:
            gaps[-1] = (gaps[-1][0], now_us)
        elif not is_away and not seat.is_online:
            gaps.append((now_us, None))

    def _went(self, seat: Seat, now_us: int) -> None:
        """Close a stay; who was away when the seat was given up has left at the beginning of that gap."""
        attendee = self.attendees.get(seat.id)
        if attendee is None or seat.is_in_lobby or attendee.stays[-1].end_us is not None:
            return
        stay = attendee.stays[-1]
        if stay.gaps and stay.gaps[-1][1] is None:
            now_us = stay.gaps.pop()[0]
        stay.end_us = now_us


def late_minutes(state: RoomState, now_us: int) -> int:
    """Return whole minutes after the arranged beginning, 0 when there is none or it is yet to come."""
    if not state.config.starts_at:
        return 0
    begin_us = us_of_utc(dt.datetime.fromisoformat(state.config.starts_at.replace("Z", "+00:00")))
    return max(0, now_us - begin_us) // 60_000_000


def restored(entries: Iterable[Entry]) -> tuple[RoomState | None, Attendance]:
    """Return the room a history leads to, None when there is none, and its list."""
    attendance = Attendance()
    state: RoomState | None = None
    for entry in entries:
        after = step(state, entry)
        if after is not None:
            attendance.follow(state, after, entry.at_us)
        state = after
    return state, attendance
