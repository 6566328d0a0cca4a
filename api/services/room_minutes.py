"""What happened in a room, read out of its journal: who was there, what was answered and said. Pure.

The journal is replayed by the rules that made it (`streams.rooms`), so the record says what the room was. A line said
to one person only is counted, not shown. Called by `services.room_record`.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from media.base.errors import HubError
from streams.rooms.attendance import Attendance
from streams.rooms.commands import Action, parse
from streams.rooms.journal import JournalEntry
from streams.rooms.machine import step
from streams.rooms.refusals import Refused
from streams.rooms.values import ChatLine, RollCall, RollState, RoomState


@dataclass(slots=True)
class Span:
    """A stretch of time; `end_us` None while it lasts."""

    start_us: int
    end_us: int | None = None


@dataclass(slots=True)
class Minutes:
    """The room as it was."""

    state: RoomState | None = None
    attendance: Attendance = field(default_factory=Attendance)
    chat: list[ChatLine] = field(default_factory=list)
    private_lines: int = 0
    recordings: list[Span] = field(default_factory=list)
    entries: int = 0

    @property
    def roll_calls(self) -> tuple[RollCall, ...]:
        """Return every roll call that was begun, the first first."""
        if self.state is None:
            return ()
        last = self.state.roll_call
        return (*self.state.past_roll_calls, *(() if last.state is RollState.IDLE else (last,)))

    def follow(self, entry: JournalEntry) -> None:
        """Take over one entry."""
        after = step(self.state, entry)
        self.entries += 1
        if after is None:
            return
        self.attendance.follow(self.state, after, entry.at_us)
        if entry.command.action is Action.CHAT and after.chat:
            self._say(after.chat[-1])
        self._record(self.state, after, entry.at_us)
        self.state = after

    def _say(self, line: ChatLine) -> None:
        if line.to:
            self.private_lines += 1
        else:
            self.chat.append(line)

    def _record(self, before: RoomState | None, after: RoomState, now_us: int) -> None:
        was_on = before is not None and before.recording_since_us is not None
        is_on = after.recording_since_us is not None and after.ended_us is None
        if is_on and not was_on:
            self.recordings.append(Span(now_us))
        elif not is_on and self.recordings and self.recordings[-1].end_us is None:
            self.recordings[-1].end_us = now_us


def entry_of(seq: int, at_us: int, kind: str, by: str, data: dict[str, object]) -> JournalEntry | None:
    """Return a journal entry, None for one that these rules do not know."""
    try:
        return JournalEntry(seq, at_us, parse(kind, by, data))
    except (Refused, HubError):
        return None


def minutes_of(entries: Iterable[JournalEntry]) -> Minutes:
    """Return the room a journal tells of."""
    minutes = Minutes()
    for entry in entries:
        minutes.follow(entry)
    return minutes
