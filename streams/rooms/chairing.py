"""The rules of chair and floor: 主席 and 发言 applied for, granted, handed on, given back, taken.

Pure; called by `machine` after the table of rights has let the command through.
"""

from dataclasses import replace

from streams.publication import TrackName
from streams.rooms.changes import with_chair, with_seat, without_floor
from streams.rooms.commands import SYSTEM, Command
from streams.rooms.effects import Accepted, Effect, Muted, UnmuteAsked
from streams.rooms.refusals import Code, Refused
from streams.rooms.rights import Standing, standing_of
from streams.rooms.values import Role, RoomState, Seat

FLOOR_LIMIT = 3
"""Most who hold the floor at once: as many as are heard."""


def target_of(state: RoomState, command: Command) -> Seat:
    """Return the seat it is done to; the table has seen to its being there."""
    assert command.target is not None
    return state.seats[command.target]


def _needs(is_so: bool, message: str) -> None:
    if not is_so:
        raise Refused(Code.WRONG_STATE, message)


def _not_observer(seat: Seat) -> None:
    if seat.role is Role.OBSERVER:
        raise Refused(Code.NOT_PERMITTED, "an observer takes no part")


def apply_for_chair(state: RoomState, command: Command, _now_us: int) -> Accepted:
    """Ask for the chair; when it is free, owners and speakers get it at once."""
    _needs(command.by != state.chair and command.by not in state.chair_requests, "asked already")
    is_at_once = standing_of(state, command.by) in {Standing.OWNER, Standing.SPEAKER}
    if state.chair is None and is_at_once:
        return Accepted(with_chair(state, command.by))
    return Accepted(replace(state, chair_requests=(*state.chair_requests, command.by)))


def withdraw(state: RoomState, command: Command, _now_us: int) -> Accepted:
    """Ask no more."""
    _needs(command.by in state.chair_requests, "nothing was asked")
    return Accepted(replace(state, chair_requests=tuple(r for r in state.chair_requests if r != command.by)))


def grant(state: RoomState, command: Command, _now_us: int) -> Accepted:
    """Give the chair to somebody who asked; an owner may while it is free."""
    if standing_of(state, command.by) is Standing.OWNER and state.chair is not None:
        raise Refused(Code.NOT_CHAIR, "somebody else holds the chair")
    seat = target_of(state, command)
    _needs(seat.id in state.chair_requests, "nothing was asked")
    return Accepted(with_chair(state, seat.id))


def transfer(state: RoomState, command: Command, _now_us: int) -> Accepted:
    """Give the chair to somebody who did not ask."""
    seat = target_of(state, command)
    _not_observer(seat)
    _needs(seat.id != state.chair and seat.is_online, "has it, or is away")
    return Accepted(with_chair(state, seat.id))


def release(state: RoomState, _command: Command, _now_us: int) -> Accepted:
    """Give the chair back."""
    return Accepted(replace(state, chair=None))


def deprive(state: RoomState, command: Command, _now_us: int) -> Accepted:
    """Take the chair: an owner has it then, after the system it is free."""
    seat = target_of(state, command)
    _needs(seat.id == state.chair, "does not hold the chair")
    return Accepted(replace(state, chair=None) if command.by == SYSTEM else with_chair(state, command.by))


def request_floor(state: RoomState, command: Command, now_us: int) -> Accepted:
    """Raise the hand."""
    is_waiting = any(each == command.by for each, _ in state.floor_queue)
    _needs(command.by != state.chair and command.by not in state.floor and not is_waiting, "has it, or asked already")
    return Accepted(replace(state, floor_queue=(*state.floor_queue, (command.by, now_us))))


def withdraw_floor(state: RoomState, command: Command, _now_us: int) -> Accepted:
    """Lower the hand."""
    _needs(any(each == command.by for each, _ in state.floor_queue), "nothing was asked")
    return Accepted(replace(state, floor_queue=tuple(each for each in state.floor_queue if each[0] != command.by)))


def grant_floor(state: RoomState, command: Command, _now_us: int) -> Accepted:
    """Let somebody speak, who asked or not; the chair's mute of the microphone ends with it."""
    seat = target_of(state, command)
    _not_observer(seat)
    _needs(seat.id != state.chair and seat.id not in state.floor, "needs no floor")
    _needs(len(state.floor) < FLOOR_LIMIT, "the floor is full")
    effects: tuple[Effect, ...] = ()
    if TrackName.MICROPHONE in seat.muted_chair:
        effects = (Muted(seat.id, TrackName.MICROPHONE, is_muted=False),)
    if TrackName.MICROPHONE in seat.muted_self:
        effects = (*effects, UnmuteAsked(seat.id, command.by))
    state = with_seat(state, replace(seat, muted_chair=seat.muted_chair - {TrackName.MICROPHONE}))
    return Accepted(replace(without_floor(state, seat.id), floor=(*state.floor, seat.id)), effects)


def release_floor(state: RoomState, command: Command, _now_us: int) -> Accepted:
    """Give the floor back."""
    _needs(command.by in state.floor, "does not hold the floor")
    return Accepted(without_floor(state, command.by))


def revoke_floor(state: RoomState, command: Command, _now_us: int) -> Accepted:
    """Take the floor."""
    seat = target_of(state, command)
    _needs(seat.id in state.floor, "does not hold the floor")
    return Accepted(without_floor(state, seat.id))
