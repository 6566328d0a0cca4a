"""The rules of coming and going: opened, configured, joined, away, back, gone, admitted, removed, renamed, ended.

Pure; called by `machine` after the table of rights has let the command through. Who comes back finds the seat as it
was left: leaving is no way out of a mute, and who was removed waits in the lobby.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from streams.publication import TrackName
from streams.rooms import roll_call
from streams.rooms.chairing import target_of
from streams.rooms.changes import with_chair, with_seat, without_claims, without_seat
from streams.rooms.commands import SYSTEM, Command
from streams.rooms.effects import Accepted, Effect, Ended, Left
from streams.rooms.policy import is_entitled_to_share
from streams.rooms.refusals import Code, Refused
from streams.rooms.values import (
    Phase,
    Role,
    RollState,
    RoomConfig,
    RoomKind,
    RoomState,
    Seat,
    SeatKind,
    Speech,
)

MAX_CAMERAS = 64
_REASONS = frozenset({"left", "replaced", "removed", "expired"})


def config_of(values: Mapping[str, Any]) -> RoomConfig:
    """Return the configuration in checked values."""
    given = {name: value for name, value in values.items() if name != "room_id"}
    given["kind"] = RoomKind(given.get("kind", RoomKind.MEETING))
    given["speech"] = Speech(given.get("speech", Speech.OPEN))
    return RoomConfig(**given)


def opened(command: Command, now_us: int) -> RoomState:
    """Return a room nobody is in yet."""
    config = config_of(command.values)
    return RoomState(
        id=command.values["room_id"],
        config=config,
        version=1,
        name=config.name,
        speech=config.speech,
        is_locked=config.locked,
        has_lobby=config.lobby,
        recording_since_us=now_us if config.record else None,
        opened_us=now_us,
    )


def configure(state: RoomState, command: Command, _now_us: int) -> Accepted:
    """Take over what was arranged anew; what the chair changed meanwhile stays unless the arrangement changed."""
    old, new = state.config, config_of(command.values)
    return Accepted(
        replace(
            state,
            config=new,
            name=new.name,
            speech=new.speech if new.speech is not old.speech else state.speech,
            is_locked=new.locked if new.locked != old.locked else state.is_locked,
            has_lobby=new.lobby if new.lobby != old.lobby else state.has_lobby,
        )
    )


def join(state: RoomState, command: Command, now_us: int) -> Accepted:
    """Take a seat, or take up the one that is there."""
    values = command.values
    seat = state.seats.get(values["target"])
    if seat is not None:
        if seat.kind is SeatKind.CAMERA or seat.user_id != values.get("user_id", ""):
            raise Refused(Code.SEAT_TAKEN, "somebody else sits there")
        back = _invited(replace(seat, is_online=True), Role(values["role"]))
        state = without_claims(state, seat.id) if back.role is Role.OBSERVER else state
        return Accepted(with_seat(state, back))
    former = state.gone.get(values["target"])
    if former is not None and former.user_id != values.get("user_id", ""):
        raise Refused(Code.SEAT_TAKEN, "somebody else sat there")
    _check_door(state, Role(values["role"]), former)
    return _seated(state, _new_seat(state, values, former, now_us), now_us)


def _invited(seat: Seat, role: Role) -> Seat:
    """Return the seat in a role that was given anew; a role the chair gave stays otherwise."""
    return seat if seat.claimed_role is role else replace(seat, role=role, claimed_role=role)


def _check_door(state: RoomState, role: Role, former: Seat | None) -> None:
    if role is Role.CHAIR:
        return
    if state.is_locked and (former is None or former.is_removed):
        raise Refused(Code.ROOM_LOCKED, "the room is locked")
    people = sum(1 for seat in state.seats.values() if seat.kind is not SeatKind.CAMERA)
    if people >= state.config.max_participants:
        raise Refused(Code.ROOM_FULL, "no seat is left")


def _new_seat(state: RoomState, values: Mapping[str, Any], former: Seat | None, now_us: int) -> Seat:
    kind, role = SeatKind(values["kind"]), Role(values["role"])
    is_removed = _is_removed(state, former, values.get("user_id", ""))
    seat = Seat(
        id=values["target"],
        kind=kind,
        role=role,
        claimed_role=role,
        name=values["name"],
        venue=values.get("venue", ""),
        head_count=values.get("head_count", 0) or (1 if kind is SeatKind.PERSON else 0),
        user_id=values.get("user_id", ""),
        org_id=values.get("org_id", ""),
        org_name=values.get("org_name", ""),
        joined_us=now_us,
        is_in_lobby=is_removed or (state.has_lobby and role is not Role.CHAIR),
        is_removed=is_removed,
    )
    if former is not None:
        kept = former.role if former.claimed_role is role else role
        seat = replace(
            seat,
            role=kept,
            muted_chair=former.muted_chair,
            muted_self=former.muted_chair,
            head_count=values.get("head_count", 0) or former.head_count,
        )
    if state.is_all_muted and seat.role is not Role.CHAIR:
        seat = replace(seat, muted_self=seat.muted_self | {TrackName.MICROPHONE})
    return seat


def _is_removed(state: RoomState, former: Seat | None, user_id: str) -> bool:
    """Tell whether somebody was sent away, from this seat or from another one of the same account."""
    if former is not None and former.is_removed:
        return True
    return bool(user_id) and any(each.is_removed and each.user_id == user_id for each in state.gone.values())


def check_viewer(state: RoomState, seat_id: str, user_id: str, role: Role) -> None:
    """Refuse who wants to watch without taking a seat, and would wait in the lobby or stand before a locked door.

    Who sits inside, by this seat or another one of the account, may watch anyhow.
    """
    own = [each for each in state.seats.values() if each.id == seat_id or (user_id and each.user_id == user_id)]
    if role is Role.CHAIR or any(not each.is_in_lobby for each in own if each.kind is not SeatKind.CAMERA):
        return
    if state.has_lobby or own or _is_removed(state, state.gone.get(seat_id), user_id):
        raise Refused(Code.IN_LOBBY, "not admitted")
    if state.is_locked and seat_id not in state.gone:
        raise Refused(Code.ROOM_LOCKED, "the room is locked")


def is_sent_away(state: RoomState, seat_id: str, user_id: str) -> bool:
    """Tell whether somebody who watches without a seat was removed from one meanwhile, and sits on no other."""
    is_here = any(each.id == seat_id or (user_id and each.user_id == user_id) for each in state.seats.values())
    return not is_here and _is_removed(state, state.gone.get(seat_id), user_id)


def _seated(state: RoomState, seat: Seat, now_us: int) -> Accepted:
    """Put somebody in the room: an owner takes a free chair, the ledger notes who is late."""
    state = with_seat(state, seat)
    effects: tuple[Effect, ...] = ()
    if not seat.is_in_lobby:
        if seat.role is Role.CHAIR and state.chair is None:
            state = with_chair(state, seat.id)
        state, effects = roll_call.with_arrival(state, seat, now_us)
    gone = {key: each for key, each in state.gone.items() if key != seat.id}
    return Accepted(replace(state, gone=gone), effects)


def reconnect(state: RoomState, command: Command, _now_us: int) -> Accepted:
    """Be back at the seat."""
    return _turned(state, command, is_online=True)


def detach(state: RoomState, command: Command, _now_us: int) -> Accepted:
    """Be away; the seat is kept."""
    return _turned(state, command, is_online=False)


def _turned(state: RoomState, command: Command, *, is_online: bool) -> Accepted:
    seat = target_of(state, command)
    if seat.is_online is is_online or seat.kind is SeatKind.CAMERA:
        raise Refused(Code.WRONG_STATE, "is so already")
    return Accepted(with_seat(state, replace(seat, is_online=is_online)))


def leave(state: RoomState, command: Command, _now_us: int) -> Accepted:
    """Give the seat up."""
    seat = target_of(state, command)
    if seat.kind is SeatKind.CAMERA:
        raise Refused(Code.WRONG_STATE, "a camera is hidden, it does not leave")
    reason = command.values.get("reason", "left")
    return Accepted(without_seat(state, seat), (Left(seat.id, reason if reason in _REASONS else "left"),))


def expire(state: RoomState, command: Command, _now_us: int) -> Accepted:
    """Lose the seat of somebody who did not come back."""
    seat = target_of(state, command)
    if seat.is_online:
        raise Refused(Code.WRONG_STATE, "is here")
    return Accepted(without_seat(state, seat), (Left(seat.id, "expired"),))


def camera_seat(camera_id: str) -> str:
    """Return the participant id of a camera, an id like any other."""
    return (
        f"camera-{camera_id}"
        if len(camera_id) < 58
        else f"camera-{hashlib.sha256(camera_id.encode()).hexdigest()[:32]}"
    )


def show_camera(state: RoomState, command: Command, now_us: int) -> Accepted:
    """Pull a camera in, silent; again only tells where it lives now."""
    values = command.values
    if command.by != SYSTEM and not is_entitled_to_share(state, state.seats[command.by]):
        raise Refused(Code.NOT_PERMITTED, "may not show anything now")
    seat_id = camera_seat(values["camera_id"])
    known = state.seats.get(seat_id)
    if known is not None:
        return Accepted(with_seat(state, replace(known, name=values["name"], slot=values.get("slot", ""))))
    if sum(1 for seat in state.seats.values() if seat.kind is SeatKind.CAMERA) >= MAX_CAMERAS:
        raise Refused(Code.ROOM_FULL, "too many cameras")
    seat = Seat(
        id=seat_id,
        kind=SeatKind.CAMERA,
        role=Role.ATTENDEE,
        claimed_role=Role.ATTENDEE,
        name=values["name"],
        joined_us=now_us,
        muted_chair=frozenset({TrackName.AUDIO}),
        camera_id=values["camera_id"],
        shown_by=command.by,
        slot=values.get("slot", ""),
    )
    return Accepted(with_seat(state, seat), answer={"participant_id": seat_id})


def hide_camera(state: RoomState, command: Command, _now_us: int) -> Accepted:
    """Take a camera out: the chair any, others their own."""
    seat = target_of(state, command)
    if seat.kind is not SeatKind.CAMERA:
        raise Refused(Code.WRONG_STATE, "is no camera")
    if command.by not in {SYSTEM, state.chair, seat.shown_by}:
        raise Refused(Code.NOT_CHAIR, "somebody else shows it")
    return Accepted(without_seat(state, seat), (Left(seat.id, "left"),))


def admit(state: RoomState, command: Command, now_us: int) -> Accepted:
    """Let somebody in from the lobby."""
    return _admitted(state, target_of(state, command), now_us)


def _admitted(state: RoomState, seat: Seat, now_us: int) -> Accepted:
    if seat.is_removed and seat.user_id:
        gone = {
            key: replace(each, is_removed=False) if each.user_id == seat.user_id else each
            for key, each in state.gone.items()
        }
        state = replace(state, gone=gone)
    return _seated(state, replace(seat, is_in_lobby=False, is_removed=False), now_us)


def reject(state: RoomState, command: Command, _now_us: int) -> Accepted:
    """Send somebody away from the lobby."""
    seat = target_of(state, command)
    return Accepted(without_seat(state, seat), (Left(seat.id, "rejected"),))


def set_lobby(state: RoomState, command: Command, now_us: int) -> Accepted:
    """Open or close the lobby; closed, it lets in who waits but for those once removed."""
    state = replace(state, has_lobby=command.values["has_lobby"])
    effects: tuple[Effect, ...] = ()
    if not state.has_lobby:
        for seat in tuple(state.seats.values()):
            if seat.is_in_lobby and not seat.is_removed:
                admitted = _admitted(state, seat, now_us)
                state, effects = admitted.state, (*effects, *admitted.effects)
    return Accepted(state, effects)


def lock(state: RoomState, _command: Command, _now_us: int) -> Accepted:
    """Let nobody new in."""
    return Accepted(replace(state, is_locked=True))


def unlock(state: RoomState, _command: Command, _now_us: int) -> Accepted:
    """Let people in again."""
    return Accepted(replace(state, is_locked=False))


def remove(state: RoomState, command: Command, _now_us: int) -> Accepted:
    """Send somebody out; they come back through the lobby only."""
    seat = target_of(state, command)
    if command.by == seat.id:
        raise Refused(Code.WRONG_STATE, "one leaves by oneself")
    if command.by != SYSTEM and seat.claimed_role is Role.CHAIR:
        raise Refused(Code.NOT_PERMITTED, "the host cannot be removed")
    is_person = seat.kind is not SeatKind.CAMERA
    return Accepted(without_seat(state, seat, is_removed=is_person), (Left(seat.id, "removed"),))


def set_role(state: RoomState, command: Command, _now_us: int) -> Accepted:
    """Give somebody another part; an observer has none in chair, floor or content."""
    seat, role = target_of(state, command), Role(command.values["role"])
    if seat.claimed_role is Role.CHAIR and command.by != SYSTEM:
        raise Refused(Code.NOT_PERMITTED, "the host stays host")
    if role is Role.OBSERVER:
        if seat.id == state.chair:
            raise Refused(Code.WRONG_STATE, "holds the chair")
        state = without_claims(state, seat.id)
    return Accepted(with_seat(state, replace(seat, role=role)))


def set_head_count(state: RoomState, command: Command, _now_us: int) -> Accepted:
    """Say how many people sit there."""
    seat = state.seats[command.target or command.by]
    return Accepted(with_seat(state, replace(seat, head_count=command.values["head_count"])))


def rename(state: RoomState, command: Command, _now_us: int) -> Accepted:
    """Give oneself another name, or another place."""
    seat, values = state.seats[command.target or command.by], command.values
    if "name" not in values and "venue" not in values:
        raise Refused(Code.BAD_MESSAGE, "neither name nor venue", "name")
    renamed = replace(seat, name=values.get("name", seat.name), venue=values.get("venue", seat.venue))
    return Accepted(with_seat(state, renamed))


def end(state: RoomState, command: Command, now_us: int) -> Accepted:
    """End it for everybody."""
    effects: tuple[Effect, ...] = ()
    if state.roll_call.state is RollState.RUNNING:
        closed = roll_call.end(state, command, now_us)
        state, effects = closed.state, closed.effects
    state = replace(
        state,
        phase=Phase.ENDED,
        ended_us=now_us,
        seats={},
        chair=None,
        chair_requests=(),
        floor=(),
        floor_queue=(),
        spotlight=None,
        content=None,
        recording_since_us=None,
    )
    return Accepted(state, (*effects, Ended()))
