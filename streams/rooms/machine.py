"""The chair state machine: a command and a state make the next state, or a refusal.

Pure and deterministic, so that a journal of commands is the room: `replay` makes the state again. Called by the
room's actor (`room`), by restoration and by the record. Rights stand in `rights`, the rules by action in `chairing`,
`hearing`, `roll_call` and `seating`; here they are put together in one table.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Protocol

from streams.rooms import chairing, hearing, roll_call, seating
from streams.rooms.changes import settled
from streams.rooms.commands import SYSTEM, Action, Command, parse
from streams.rooms.effects import Accepted
from streams.rooms.refusals import Refusal, Refused
from streams.rooms.rights import check
from streams.rooms.values import RoomState

Rule = Callable[[RoomState, Command, int], Accepted]

RULES: Mapping[Action, Rule] = {
    Action.CONFIGURE: seating.configure,
    Action.JOIN: seating.join,
    Action.RECONNECT: seating.reconnect,
    Action.DETACH: seating.detach,
    Action.LEAVE: seating.leave,
    Action.EXPIRE: seating.expire,
    Action.SHOW_CAMERA: seating.show_camera,
    Action.HIDE_CAMERA: seating.hide_camera,
    Action.APPLY: chairing.apply_for_chair,
    Action.WITHDRAW: chairing.withdraw,
    Action.GRANT: chairing.grant,
    Action.TRANSFER: chairing.transfer,
    Action.RELEASE: chairing.release,
    Action.DEPRIVE: chairing.deprive,
    Action.FLOOR_REQUEST: chairing.request_floor,
    Action.FLOOR_WITHDRAW: chairing.withdraw_floor,
    Action.FLOOR_GRANT: chairing.grant_floor,
    Action.FLOOR_RELEASE: chairing.release_floor,
    Action.FLOOR_REVOKE: chairing.revoke_floor,
    Action.MUTE_SELF: hearing.mute_self,
    Action.MUTE: hearing.mute,
    Action.UNMUTE: hearing.unmute,
    Action.MUTE_ALL: hearing.mute_all,
    Action.UNMUTE_ALL: hearing.unmute_all,
    Action.SET_SPEECH: hearing.set_speech,
    Action.SPOTLIGHT: hearing.spotlight,
    Action.SHARE_START: hearing.share_start,
    Action.SHARE_STOP: hearing.share_stop,
    Action.ROLL_CALL_START: roll_call.start,
    Action.ROLL_CALL_CALL: roll_call.call,
    Action.ROLL_CALL_NEXT: roll_call.call_next,
    Action.ROLL_CALL_ANSWER: roll_call.answer,
    Action.ROLL_CALL_END: roll_call.end,
    Action.ADMIT: seating.admit,
    Action.REJECT: seating.reject,
    Action.SET_LOBBY: seating.set_lobby,
    Action.LOCK: seating.lock,
    Action.UNLOCK: seating.unlock,
    Action.REMOVE: seating.remove,
    Action.SET_ROLE: seating.set_role,
    Action.SET_HEAD_COUNT: seating.set_head_count,
    Action.RENAME: seating.rename,
    Action.RECORD_START: hearing.record_start,
    Action.RECORD_STOP: hearing.record_stop,
    Action.CHAT: hearing.chat,
    Action.END: seating.end,
}


def open_room(room_id: str, config: Mapping[str, Any], now_us: int) -> tuple[Command, RoomState]:
    """Return the command that opens a room, and the room; Refused when the configuration is malformed."""
    command = parse(Action.OPEN, SYSTEM, {**config, "room_id": room_id})
    return command, seating.opened(command, now_us)


def apply(state: RoomState, command: Command, now_us: int) -> Accepted | Refusal:
    """Return the next state with what is to be said, or why not. The state given is never changed."""
    try:
        check(state, command)
        accepted = RULES[command.action](state, command, now_us)
    except Refused as refused:
        return refused.refusal
    after, more = settled(accepted.state)
    after = replace(after, version=state.version + 1)
    return Accepted(after, (*accepted.effects, *more), accepted.answer)


class Entry(Protocol):
    """A command in its place in the history of a room."""

    @property
    def seq(self) -> int:
        """Return its number, 1 for the first."""
        ...

    @property
    def at_us(self) -> int:
        """Return when it was accepted."""
        ...

    @property
    def command(self) -> Command:
        """Return what was done."""
        ...


def replay(entries: Iterable[Entry]) -> RoomState | None:
    """Return the state a history leads to, None when there is none.

    A command this version of the rules would refuse is passed over: the meeting goes on with what is understood.
    """
    state: RoomState | None = None
    for entry in entries:
        state = step(state, entry)
    return state


def step(state: RoomState | None, entry: Entry) -> RoomState | None:
    """Return the state after one more entry."""
    if state is None:
        return seating.opened(entry.command, entry.at_us) if entry.command.action is Action.OPEN else None
    outcome = apply(state, entry.command, entry.at_us)
    return replace(state, version=entry.seq) if isinstance(outcome, Refusal) else outcome.state
