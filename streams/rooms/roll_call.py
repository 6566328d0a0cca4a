"""The rules of the roll call, 点名: one is called at a time, the ledger is only added to, nobody is forgotten.

Pure; called by `machine` after the table of rights has let the command through, and by `seating` when somebody comes.
Who is called and says nothing until the next is called is absent; the chair may correct every line until the next
roll call, and each answer is kept.
"""

from dataclasses import replace

from streams.publication import TrackName
from streams.rooms.commands import MAX_LEDGER, SYSTEM, Command
from streams.rooms.effects import Accepted, Effect, LedgerChanged, UnmuteAsked
from streams.rooms.refusals import Code, Refused
from streams.rooms.values import Mark, Reply, Role, RollCall, RollEntry, RollState, RoomState, Seat, SeatKind

PAST_LIMIT = 20
"""Earlier roll calls a room remembers; the journal keeps all."""

_OF_ONESELF = frozenset({Mark.PRESENT, Mark.SUBSTITUTE})


def start(state: RoomState, command: Command, now_us: int) -> Accepted:
    """Begin with the named ones, or with everybody who takes part but the chair; the named may still be on their way."""
    names = command.values.get("names", {})
    asked = command.values.get("participant_ids")
    if asked is None:
        asked = [seat.id for seat in state.seats.values() if _is_counted(seat) and seat.id != state.chair]
    entries: dict[str, RollEntry] = {}
    for seat_id in asked[:MAX_LEDGER]:
        seat = state.seats.get(seat_id)
        known = seat or state.gone.get(seat_id)
        if (known is not None and known.kind is SeatKind.CAMERA) or (known is None and seat_id not in names):
            raise Refused(Code.TARGET_NOT_FOUND, "nobody of this id can be called", "participant_ids")
        entries[seat_id] = RollEntry(seat_id, known.name if known is not None else names[seat_id])
    if not entries:
        raise Refused(Code.WRONG_STATE, "there is nobody to call")
    past = state.past_roll_calls
    if state.roll_call.state is RollState.DONE:
        past = (*past, state.roll_call)[-PAST_LIMIT:]
    begun = RollCall(RollState.RUNNING, None, entries, now_us)
    return Accepted(replace(state, roll_call=begun, past_roll_calls=past))


def _is_counted(seat: Seat) -> bool:
    return not seat.is_in_lobby and seat.kind is not SeatKind.CAMERA and seat.role is not Role.OBSERVER


def _with_entry(roll: RollCall, entry: RollEntry) -> RollCall:
    return replace(roll, entries={**roll.entries, entry.participant_id: entry})


def settled(roll: RollCall, by: str, now_us: int) -> tuple[RollCall, tuple[Effect, ...]]:
    """Close the line of who was called and said nothing: absent, or what an earlier answer said."""
    entry = None if roll.current is None else roll.entries[roll.current]
    if entry is None or entry.mark is not Mark.CALLED:
        return roll, ()
    if entry.replies:
        entry = replace(entry, mark=entry.replies[-1].mark)
    else:
        entry = replace(entry, mark=Mark.ABSENT, replies=(Reply(Mark.ABSENT, now_us, by),))
    return _with_entry(roll, entry), (LedgerChanged(entry.participant_id),)


def call(state: RoomState, command: Command, now_us: int) -> Accepted:
    """Call one of the ledger, whose turn it is or not."""
    target = command.values["target"]
    entry = state.roll_call.entries.get(target)
    if entry is None:
        raise Refused(Code.TARGET_NOT_FOUND, "not in the ledger")
    if state.roll_call.current == target and entry.mark is Mark.CALLED:
        raise Refused(Code.WRONG_STATE, "is being called")
    return _call(state, target, command.by, now_us)


def call_next(state: RoomState, command: Command, now_us: int) -> Accepted:
    """Call the next who waits; after the last one nobody is called."""
    waiting = (entry.participant_id for entry in state.roll_call.entries.values() if entry.mark is Mark.WAITING)
    target = next(waiting, None)
    if target is not None:
        return _call(state, target, command.by, now_us)
    if state.roll_call.current is None:
        raise Refused(Code.WRONG_STATE, "nobody is left to call")
    roll, effects = settled(state.roll_call, command.by, now_us)
    return Accepted(replace(state, roll_call=replace(roll, current=None)), effects, {"current": None})


def _call(state: RoomState, target: str, by: str, now_us: int) -> Accepted:
    roll, effects = settled(state.roll_call, by, now_us)
    called = replace(roll.entries[target], mark=Mark.CALLED, called_us=now_us)
    roll = replace(_with_entry(roll, called), current=target)
    effects = (*effects, LedgerChanged(target))
    seat = state.seats.get(target)
    if seat is not None and TrackName.MICROPHONE in seat.muted_self:
        effects = (*effects, UnmuteAsked(target, by))
    return Accepted(replace(state, roll_call=roll), effects, {"current": target})


def answer(state: RoomState, command: Command, now_us: int) -> Accepted:
    """Add an answer: the called one of itself, the chair of anybody."""
    roll, mark = state.roll_call, Mark(command.values["state"])
    is_chair = command.by in {SYSTEM, state.chair}
    target = command.target or (roll.current if is_chair else command.by)
    if not is_chair:
        _check_own_answer(roll, command.by, target, mark)
    entry = None if target is None else roll.entries.get(target)
    if entry is None:
        raise Refused(Code.TARGET_NOT_FOUND, "not in the ledger")
    reply = Reply(mark, now_us, command.by, command.values.get("note", ""))
    entry = replace(entry, mark=mark, replies=(*entry.replies, reply))
    return Accepted(replace(state, roll_call=_with_entry(roll, entry)), (LedgerChanged(entry.participant_id),))


def _check_own_answer(roll: RollCall, by: str, target: str | None, mark: Mark) -> None:
    if target != by:
        raise Refused(Code.NOT_CHAIR, "only the chair answers for others")
    is_called = roll.state is RollState.RUNNING and roll.current == by and roll.entries[by].mark is Mark.CALLED
    if not is_called:
        raise Refused(Code.NOT_YOUR_TURN, "is not being called")
    if mark not in _OF_ONESELF:
        raise Refused(Code.NOT_PERMITTED, "nobody says this of oneself")


def end(state: RoomState, command: Command, now_us: int) -> Accepted:
    """End the roll call; who was not called keeps waiting in the ledger."""
    roll, effects = settled(state.roll_call, command.by, now_us)
    roll = replace(roll, state=RollState.DONE, current=None, ended_us=now_us)
    return Accepted(replace(state, roll_call=roll), effects)


def with_arrival(state: RoomState, seat: Seat, now_us: int) -> tuple[RoomState, tuple[Effect, ...]]:
    """Note in the ledger that somebody came who was not there: late, and to be called yet."""
    roll = state.roll_call
    if roll.state is RollState.IDLE or not _is_counted(seat) or seat.id == state.chair:
        return state, ()
    entry = roll.entries.get(seat.id)
    if entry is not None and (entry.late_us is not None or seat.id in state.gone):
        return state, ()
    if entry is None and (seat.id in state.gone or len(roll.entries) >= MAX_LEDGER):
        return state, ()
    late = replace(entry or RollEntry(seat.id, seat.name), late_us=now_us)
    return replace(state, roll_call=_with_entry(roll, late)), (LedgerChanged(seat.id),)
