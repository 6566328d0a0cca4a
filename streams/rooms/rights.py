"""Who may do what: one table of actions by standing, target and state of the roll call.

Pure. The machine asks `check` before every command; what a rule needs beyond the table (that the floor is free, that
the ledger knows the name) it decides itself. An ended room accepts nothing, whoever asks.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from streams.rooms.commands import SYSTEM, Action, Command
from streams.rooms.refusals import Code, Refused
from streams.rooms.values import Phase, Role, RollState, RoomState, Seat, SeatKind


class Standing(StrEnum):
    """What somebody is at this moment. One of them, the first that fits."""

    SYSTEM = "system"
    LOBBY = "lobby"
    CHAIR = "chair"
    OWNER = "owner"
    """Invited as chair, and somebody else holds it, or nobody."""
    SPEAKER = "speaker"
    ATTENDEE = "attendee"
    OBSERVER = "observer"


class Target(StrEnum):
    """Whom an action may be done to."""

    NONE = "none"
    ANY = "any"
    SEATED = "seated"
    """Not in the lobby; cameras too."""
    PERSON = "person"
    """Not in the lobby, no camera."""
    WAITING = "waiting"
    """In the lobby."""
    OWN = "own"
    """Oneself when left out; another only by chair or system."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One row."""

    who: frozenset[Standing]
    target: Target = Target.NONE
    roll_call: frozenset[RollState] = frozenset(RollState)
    otherwise: Code = Code.NOT_PERMITTED


_SYSTEM = frozenset({Standing.SYSTEM})
_CHAIR = _SYSTEM | {Standing.CHAIR}
_PEOPLE = frozenset({Standing.CHAIR, Standing.OWNER, Standing.SPEAKER, Standing.ATTENDEE})
_ALL = _PEOPLE | {Standing.OBSERVER}
_RUNNING = frozenset({RollState.RUNNING})
_NOT_RUNNING = frozenset({RollState.IDLE, RollState.DONE})
_BEGUN = frozenset({RollState.RUNNING, RollState.DONE})
_NO_CHAIR = Code.NOT_CHAIR

RIGHTS: Mapping[Action, Rule] = {
    Action.OPEN: Rule(frozenset()),
    Action.CONFIGURE: Rule(_SYSTEM),
    Action.JOIN: Rule(_SYSTEM),
    Action.RECONNECT: Rule(_SYSTEM, Target.ANY),
    Action.DETACH: Rule(_SYSTEM, Target.ANY),
    Action.LEAVE: Rule(_SYSTEM, Target.ANY),
    Action.EXPIRE: Rule(_SYSTEM, Target.ANY),
    Action.SHOW_CAMERA: Rule(_SYSTEM | _PEOPLE),
    Action.HIDE_CAMERA: Rule(_SYSTEM | _PEOPLE, Target.SEATED),
    Action.APPLY: Rule(_PEOPLE),
    Action.WITHDRAW: Rule(_PEOPLE),
    Action.GRANT: Rule(_CHAIR | {Standing.OWNER}, Target.PERSON, otherwise=_NO_CHAIR),
    Action.TRANSFER: Rule(_CHAIR, Target.PERSON, otherwise=_NO_CHAIR),
    Action.RELEASE: Rule(frozenset({Standing.CHAIR}), otherwise=_NO_CHAIR),
    Action.DEPRIVE: Rule(_SYSTEM | {Standing.OWNER}, Target.PERSON),
    Action.FLOOR_REQUEST: Rule(_PEOPLE),
    Action.FLOOR_WITHDRAW: Rule(_PEOPLE),
    Action.FLOOR_GRANT: Rule(_CHAIR, Target.PERSON, otherwise=_NO_CHAIR),
    Action.FLOOR_RELEASE: Rule(_PEOPLE),
    Action.FLOOR_REVOKE: Rule(_CHAIR, Target.PERSON, otherwise=_NO_CHAIR),
    Action.MUTE_SELF: Rule(_PEOPLE),
    Action.MUTE: Rule(_CHAIR, Target.SEATED, otherwise=_NO_CHAIR),
    Action.UNMUTE: Rule(_CHAIR, Target.SEATED, otherwise=_NO_CHAIR),
    Action.MUTE_ALL: Rule(_CHAIR, otherwise=_NO_CHAIR),
    Action.UNMUTE_ALL: Rule(_CHAIR, otherwise=_NO_CHAIR),
    Action.SET_SPEECH: Rule(_CHAIR, otherwise=_NO_CHAIR),
    Action.SPOTLIGHT: Rule(_CHAIR, otherwise=_NO_CHAIR),
    Action.SHARE_START: Rule(_PEOPLE),
    Action.SHARE_STOP: Rule(_SYSTEM | _PEOPLE, Target.OWN),
    Action.ROLL_CALL_START: Rule(_CHAIR, roll_call=_NOT_RUNNING, otherwise=_NO_CHAIR),
    Action.ROLL_CALL_CALL: Rule(_CHAIR, roll_call=_RUNNING, otherwise=_NO_CHAIR),
    Action.ROLL_CALL_NEXT: Rule(_CHAIR, roll_call=_RUNNING, otherwise=_NO_CHAIR),
    Action.ROLL_CALL_ANSWER: Rule(_SYSTEM | _ALL, roll_call=_BEGUN),
    Action.ROLL_CALL_END: Rule(_CHAIR, roll_call=_RUNNING, otherwise=_NO_CHAIR),
    Action.ADMIT: Rule(_CHAIR, Target.WAITING, otherwise=_NO_CHAIR),
    Action.REJECT: Rule(_CHAIR, Target.WAITING, otherwise=_NO_CHAIR),
    Action.SET_LOBBY: Rule(_CHAIR, otherwise=_NO_CHAIR),
    Action.LOCK: Rule(_CHAIR, otherwise=_NO_CHAIR),
    Action.UNLOCK: Rule(_CHAIR, otherwise=_NO_CHAIR),
    Action.REMOVE: Rule(_CHAIR, Target.SEATED, otherwise=_NO_CHAIR),
    Action.SET_ROLE: Rule(_CHAIR, Target.PERSON, otherwise=_NO_CHAIR),
    Action.SET_HEAD_COUNT: Rule(_SYSTEM | _ALL, Target.OWN),
    Action.RENAME: Rule(_SYSTEM | _ALL, Target.OWN),
    Action.RECORD_START: Rule(_CHAIR, otherwise=_NO_CHAIR),
    Action.RECORD_STOP: Rule(_CHAIR, otherwise=_NO_CHAIR),
    Action.CHAT: Rule(_ALL),
    Action.END: Rule(_CHAIR, otherwise=_NO_CHAIR),
}
"""The table. People in the lobby stand in no row: they may wait, and leave."""


def standing_of(state: RoomState, by: str) -> Standing:
    """Return what `by` is; Refused NOT_IN_ROOM when it has no seat or is a camera."""
    if by == SYSTEM:
        return Standing.SYSTEM
    seat = state.seats.get(by)
    if seat is None or seat.kind is SeatKind.CAMERA:
        raise Refused(Code.NOT_IN_ROOM, "no seat in this room")
    if seat.is_in_lobby:
        return Standing.LOBBY
    if state.chair == by:
        return Standing.CHAIR
    return Standing.OWNER if seat.role is Role.CHAIR else Standing(seat.role.value)


def check(state: RoomState, command: Command) -> None:
    """Refuse what the table does not allow."""
    if state.phase is Phase.ENDED:
        raise Refused(Code.ROOM_ENDED, "the room has ended")
    rule = RIGHTS[command.action]
    standing = standing_of(state, command.by)
    if standing is Standing.LOBBY:
        raise Refused(Code.IN_LOBBY, "not admitted yet")
    if standing not in rule.who:
        raise Refused(rule.otherwise, "this standing may not do this")
    if state.roll_call.state not in rule.roll_call:
        raise Refused(Code.WRONG_STATE, "the roll call does not stand so")
    _check_target(state, command, rule, standing)


def _check_target(state: RoomState, command: Command, rule: Rule, standing: Standing) -> None:
    if rule.target is Target.NONE:
        return
    target = command.target
    if rule.target is Target.OWN:
        if target is None and standing is not Standing.SYSTEM:
            return
        if target != command.by and standing not in _CHAIR:
            raise Refused(Code.NOT_CHAIR, "only the chair may do this to others")
    seat = None if target is None else state.seats.get(target)
    if seat is None:
        raise Refused(Code.TARGET_NOT_FOUND, "nobody of this id is here")
    if not _fits(seat, rule.target):
        raise Refused(Code.WRONG_STATE, "this cannot be done to them")


def _fits(seat: Seat, target: Target) -> bool:
    match target:
        case Target.WAITING:
            return seat.is_in_lobby
        case Target.SEATED:
            return not seat.is_in_lobby
        case Target.PERSON | Target.OWN:
            return not seat.is_in_lobby and seat.kind is not SeatKind.CAMERA
        case _:
            return True
