"""What the chair, and who keeps a room, do over HTTP; the page of a participant does the same over its session.

Somebody in the room acts as the participant they are; who manages the room acts as its keeper (`system` for the
worker) and is named in the audit log. What is allowed is decided by the room's state, in its worker.
"""

from collections.abc import Mapping
from typing import Any

from api.auth.actor import Actor
from api.context import ApiContext
from api.db import audit, seats
from api.services import room_homes, rooms
from api.services.room_access import RoomView, check_open, may_manage
from media.base.errors import ErrorKind, HubError

SYSTEM = "system"
OF_ONESELF = frozenset(
    {
        "apply", "withdraw", "release", "floor_request", "floor_withdraw", "floor_release", "set_head_count", "rename",
        "share_start",
    }
)  # fmt: skip
"""Actions that are about whoever acts; nobody does them from outside."""
NOTED = frozenset({"grant", "transfer", "deprive", "remove", "record_start", "record_stop", "set_role", "lock"})
"""Actions of a keeper from outside that leave an audit row; the rest is in the room's journal like everything."""


async def act(ctx: ApiContext, actor: Actor, room_id: str, participant_id: str | None, body: Mapping[str, Any]) -> Any:
    """Do something in a room; HubError with a code of SIGNALING.md."""
    assert actor.principal is not None
    view = await rooms.find_known(ctx, actor.principal, room_id)
    check_open(view.room)
    by = await _speaker(ctx, actor, view, participant_id, str(body.get("action")))
    if by == SYSTEM and body.get("action") in NOTED:
        details = {key: value for key, value in body.items() if isinstance(value, str | bool | int)}
        async with ctx.db.write() as connection:
            entry = actor.entry(ctx.clock.wall_us(), "room.chair", rooms.target_of(view.room), command=details)
            await audit.append(connection, entry)
    done = await room_homes.command(ctx, actor, view.room, by, body)
    if body.get("action") == "end":
        await rooms.end(ctx, actor, room_id, is_allowed=True)
    return done


async def _speaker(ctx: ApiContext, actor: Actor, view: RoomView, participant_id: str | None, action: str) -> str:
    """Return as whom the actor acts: a participant of theirs that is in the room, or its keeper."""
    assert actor.principal is not None
    async with ctx.db.read() as connection:
        mine = [one for one in await seats.open_sessions(connection, view.room.id) if one.user_id == actor.user_id]
    present = [one.participant_id for one in mine if one.participant_id]
    if participant_id is not None:
        if participant_id not in present:
            raise HubError(ErrorKind.DENIED, "not a participant of yours", code="not_in_room")
        return participant_id
    if may_manage(view.room, actor.principal) and action not in OF_ONESELF:
        return SYSTEM
    if not present:
        raise HubError(ErrorKind.DENIED, "come in first", code="not_in_room")
    return present[-1]


async def participants(ctx: ApiContext, actor: Actor, view: RoomView) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return room and participants as the worker has them now; nothing while nobody was ever in it."""
    if view.room.slot is None:
        return {}, []
    state = await room_homes.ask(ctx, actor, view.room, "GET")
    listed = state.get("participants", ()) if isinstance(state, dict) else ()
    room = state.get("room") if isinstance(state, dict) else None
    return (room if isinstance(room, dict) else {}), [one for one in listed if isinstance(one, dict)]
