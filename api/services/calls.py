"""Calls: one rings another, or a device; the first to accept has it. Called by routes and by `control.call_clock`.

A call is a room of kind `call` with both as members, and a row that says how far it is; moves are compared and set, so
that of two devices one wins, and an api process that restarts finds everything in the database. Browsers hear of it
over their event streams; one that was away asks for its open calls.
"""

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from api.auth.actor import SYSTEM, Actor, Target
from api.auth.principal import ROOT_PATH, Principal
from api.auth.verbs import Verb
from api.context import ApiContext
from api.db import audit, calls, rooms, seats
from api.db.calls import ENDED, RINGING, TALKING, CallRow, EndpointRow
from api.db.engine import Connection
from api.db.rooms import CALL, USER, MemberRow, RoomRow
from api.db.rows import Page
from api.services import endpoints
from api.services import rooms as room_service
from api.services.endpoints import county_of
from api.services.principals import of_users
from api.state.channels import CALL_CHANNEL
from media.base.errors import ErrorKind, HubError
from media.base.ids import new_id

RING_US = 45 * 1_000_000
"""Longer than it takes to cross a village hall."""
CONNECT_US = 60 * 1_000_000
"""So long either side may take to come into the room after the call was answered, or back into it after a break."""
SPEAKER = "speaker"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCall:
    """Whom to ring: a user or an endpoint."""

    user_id: str | None = None
    endpoint_id: str | None = None
    audio_only: bool = False


async def start(ctx: ApiContext, actor: Actor, wanted: NewCall) -> CallRow:
    """Ring somebody.

    HubError NOT_FOUND `unknown_user`/`unknown_endpoint`, CONFLICT `busy` when either side is in a call already.
    """
    assert actor.principal is not None
    me, now_us = actor.principal, ctx.clock.wall_us()
    endpoint = await endpoints.find(ctx, wanted.endpoint_id, me) if wanted.endpoint_id else None
    other = await _callee(ctx, me, endpoint.user_id if endpoint else wanted.user_id or "")
    call = _row(me, other, endpoint, wanted.audio_only, now_us)
    async with ctx.db.write() as connection:
        await audit.take_turn(connection)  # two who ring each other at once must see each other
        await _refuse_busy(connection, (me.user_id, other.user_id))
        await rooms.add(connection, _room(me, call, now_us))
        await rooms.set_members(connection, call.room_id, _members(call, now_us))
        await calls.add(connection, call)
        details: dict[str, Any] = {"to": call.to_user_id, "endpoint": call.endpoint_id, "audio_only": call.audio_only}
        await audit.append(connection, actor.entry(now_us, "call.start", _target(call, me.org_path), **details))
    await tell_ringing(ctx, call)
    ctx.calls_changed.set()
    return call


def _target(call: CallRow, path: str = ROOT_PATH) -> Target:
    return Target("call", call.id, path)


async def _callee(ctx: ApiContext, me: Principal, user_id: str) -> Principal:
    """Return whom to ring: somebody else of one's county who may take part in calls."""
    other = (await of_users(ctx, [user_id])).get(user_id)
    is_near = other is not None and (other.org_path.startswith(county_of(me)) or other.is_everywhere)
    if other is None or not is_near or other.user_id == me.user_id or Verb.ROOM_JOIN not in other.verbs:
        raise HubError(ErrorKind.NOT_FOUND, "nobody to ring there", code="unknown_user")
    return other


def _row(me: Principal, other: Principal, endpoint: EndpointRow | None, audio_only: bool, now_us: int) -> CallRow:
    may_open = endpoint is not None and endpoint.auto_answer and me.may(Verb.ROOM_MANAGE, endpoint.org_path)
    return CallRow(
        id=f"call-{now_us:016x}-{new_id()[:12]}", room_id=new_id("call-room-"), from_user_id=me.user_id,
        from_name=me.display_name, to_user_id=other.user_id, to_name=endpoint.name if endpoint else other.display_name,
        endpoint_id=endpoint.id if endpoint else None, audio_only=audio_only, auto_answer=may_open, state=RINGING,
        reason=None, created_us=now_us, deadline_us=now_us + RING_US, answered_us=None, ended_us=None,
    )  # fmt: skip


async def _refuse_busy(connection: Connection, user_ids: Iterable[str]) -> None:
    for user_id in user_ids:
        if await calls.open_calls(connection, user_id):
            raise HubError(ErrorKind.CONFLICT, "in a call already", code="busy", who=user_id)


def _room(me: Principal, call: CallRow, now_us: int) -> RoomRow:
    return RoomRow(
        id=call.room_id, name=f"{call.from_name} → {call.to_name}"[:100], kind=CALL, org_id=me.org_id,
        org_path=me.org_path, created_by=me.user_id, speech="open", has_lobby=False, is_locked=False,
        is_for_everybody=False,
        is_recorded=False, max_participants=8, starts_us=None, duration_minutes=None, begins_us=now_us, slot=None,
        journal_seq=0, version=1, created_us=now_us, updated_us=now_us, ended_us=None, end_reason=None,
    )  # fmt: skip


def _members(call: CallRow, now_us: int) -> tuple[MemberRow, ...]:
    return tuple(
        MemberRow(room_id=call.room_id, kind=USER, member_id=user_id, org_path=None, role=SPEAKER, added_us=now_us)
        for user_id in (call.from_user_id, call.to_user_id)
    )


async def find(ctx: ApiContext, actor: Actor, call_id: str) -> CallRow:
    """Return a call of one's own; HubError NOT_FOUND `unknown_call`."""
    async with ctx.db.read() as connection:
        call = await calls.get(connection, call_id)
    if call is None or actor.user_id not in {call.from_user_id, call.to_user_id}:
        raise HubError(ErrorKind.NOT_FOUND, "no such call", code="unknown_call")
    return call


async def page(ctx: ApiContext, actor: Actor, before: str, limit: int) -> Page[CallRow]:
    """Return one's own calls, the newest first."""
    async with ctx.db.read() as connection:
        return await calls.page(connection, actor.user_id or "", before, limit)


async def accept(ctx: ApiContext, actor: Actor, call_id: str) -> CallRow:
    """Take a call; HubError CONFLICT `already_answered` when another device was first or it has ended."""
    call = await find(ctx, actor, call_id)
    if actor.user_id != call.to_user_id:
        raise HubError(ErrorKind.DENIED, "it rings elsewhere", code="denied")
    now_us = ctx.clock.wall_us()
    values = {"state": TALKING, "answered_us": now_us, "deadline_us": now_us + CONNECT_US}
    async with ctx.db.write() as connection:
        is_mine = call.deadline_us > now_us and await calls.move(connection, call_id, (RINGING,), values)
        after = await calls.get(connection, call_id) or call
        if is_mine:
            await audit.append(connection, actor.entry(now_us, "call.accept", _target(call)))
    if not is_mine:
        raise HubError(ErrorKind.CONFLICT, "answered or over", code="already_answered")
    await _tell(ctx, call.from_user_id, "call_accepted", after)
    await _tell(ctx, call.to_user_id, "call_ended", after, reason="answered_elsewhere")
    ctx.calls_changed.set()
    return after


async def decline(ctx: ApiContext, actor: Actor, call_id: str) -> CallRow:
    """Refuse a call that rings; nothing when it is over."""
    call = await find(ctx, actor, call_id)
    if actor.user_id != call.to_user_id:
        raise HubError(ErrorKind.DENIED, "it rings elsewhere", code="denied")
    return await finish(ctx, call, "declined", actor=actor, before=(RINGING,))


async def hang_up(ctx: ApiContext, actor: Actor, call_id: str) -> CallRow:
    """End a call from either side: cancelled while it rings, ended later; nothing when it is over."""
    call = await find(ctx, actor, call_id)
    if call.state == RINGING and actor.user_id == call.to_user_id:
        return await decline(ctx, actor, call_id)
    return await finish(ctx, call, "cancelled" if call.state == RINGING else "ended", actor=actor)


async def finish(
    ctx: ApiContext, call: CallRow, reason: str, *, actor: Actor = SYSTEM, before: tuple[str, ...] = (RINGING, TALKING)
) -> CallRow:
    """End a call, once, with its room; both sides hear of it."""
    now_us = ctx.clock.wall_us()
    async with ctx.db.write() as connection:
        values = {"state": ENDED, "reason": reason[:40], "ended_us": now_us}
        is_first = await calls.move(connection, call.id, before, values)
        after = await calls.get(connection, call.id) or call
        if is_first:
            talked_s = round((now_us - call.answered_us) / 1e6, 1) if call.answered_us else 0.0
            entry = actor.entry(now_us, "call.end", _target(call), reason=reason, talked_s=talked_s)
            await audit.append(connection, entry)
    if is_first:
        with contextlib.suppress(HubError):  # the sweeper ends what the worker could not be told
            await room_service.end(ctx, SYSTEM, call.room_id, reason)
        for user_id in (call.from_user_id, call.to_user_id):
            await _tell(ctx, user_id, "call_ended", after, reason=reason)
    ctx.calls_changed.set()
    return after


async def tell_ringing(ctx: ApiContext, call: CallRow) -> None:
    """Ring: tell every event stream of the called user."""
    await _tell(ctx, call.to_user_id, "call_ringing", call)


async def _tell(ctx: ApiContext, user_id: str, event: str, call: CallRow, **more: Any) -> None:
    told = {
        "user_id": user_id, "event": event, "call_id": call.id, "room_id": call.room_id, "from": call.from_user_id,
        "from_name": call.from_name, "to": call.to_user_id, "to_name": call.to_name, "auto_answer": call.auto_answer,
        "audio_only": call.audio_only, "endpoint_id": call.endpoint_id, **more,
    }  # fmt: skip
    with contextlib.suppress(HubError):  # who hears nothing asks for open calls when its stream is back
        await ctx.state.publish(CALL_CHANNEL, told)


async def move_on(ctx: ApiContext, call: CallRow) -> None:
    """End a call that nobody answered in time, or whose room one side has left for good."""
    now_us = ctx.clock.wall_us()
    if call.state == RINGING:
        if now_us >= call.deadline_us:
            await finish(ctx, call, "timeout", before=(RINGING,))
        return
    async with ctx.db.read() as connection:
        room = await rooms.get(connection, call.room_id)
        present = {one.user_id for one in await seats.open_sessions(connection, call.room_id)}
        came = {seat.user_id for seat in await seats.come_to(connection, call.room_id)}
    both = {call.from_user_id, call.to_user_id}
    if room is None or room.ended_us is not None:
        await finish(ctx, call, "ended")
    elif any(user_id in came and user_id not in present for user_id in both):
        await finish(ctx, call, "left")
    elif now_us >= call.deadline_us and both - came:
        await finish(ctx, call, "no_answer")
