"""Rooms: made, planned, changed, listed, ended. Called by routes, calls and the demo.

The database says what a room is; the worker it lives in (`services.room_homes`) says what goes on in it. A change is
committed first and told to the worker afterwards; a worker that is away is told when the next person comes in.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import structlog

from api.auth.actor import Actor, Target
from api.auth.principal import ROOT_PATH, Principal
from api.auth.verbs import Verb
from api.context import ApiContext
from api.db import audit, rooms, users
from api.db.engine import Connection
from api.db.rooms import CALL, ORG, USER, MemberRow, RoomFilter, RoomRow
from api.db.rows import Page
from api.services import invites, room_homes
from api.services.orgs import existing as existing_org
from api.services.orgs import find as find_org
from api.services.room_access import RoomView, check_known, check_lead, check_manage, check_open
from api.services.room_conflicts import Clash, clashes
from media.base.errors import ErrorKind, HubError
from media.base.ids import new_id

log = structlog.get_logger(__name__)

MAX_MEMBERS = 1000
KINDS = ("meeting", "call", "consultation", "broadcast")


@dataclass(frozen=True, slots=True)
class NewMember:
    """Somebody to be expected: a user, or an organisation with its subtree."""

    kind: str
    member_id: str
    role: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRoom:
    """A room to be made."""

    name: str
    kind: str = "meeting"
    id: str | None = None
    org_id: str | None = None
    starts_us: int | None = None
    duration_minutes: int | None = None
    speech: str = "open"
    has_lobby: bool = False
    is_locked: bool = False
    is_for_everybody: bool = False
    is_recorded: bool = False
    max_participants: int = 300
    members: tuple[NewMember, ...] = ()
    passcode: str | None = None


@dataclass(frozen=True, slots=True)
class Planned:
    """A room as it was stored, and who is expected elsewhere at its time."""

    view: RoomView
    clashes: tuple[Clash, ...]


async def find(ctx: ApiContext, room_id: str) -> RoomView:
    """Return a room; HubError NOT_FOUND `unknown_room`."""
    async with ctx.db.read() as connection:
        return await existing(connection, room_id)


async def existing(connection: Connection, room_id: str) -> RoomView:
    """Return a room; HubError NOT_FOUND `unknown_room`."""
    room = await rooms.get(connection, room_id)
    if room is None:
        raise HubError(ErrorKind.NOT_FOUND, "no such room", code="unknown_room")
    return RoomView(room, (await rooms.members_of(connection, [room_id]))[room_id])


async def find_known(ctx: ApiContext, principal: Principal, room_id: str) -> RoomView:
    """Return a room the principal may know of; HubError NOT_FOUND otherwise."""
    view = await find(ctx, room_id)
    check_known(view, principal)
    return view


async def subtree(ctx: ApiContext, reader: Principal, org_id: str | None) -> str:
    """Return the path below which a list stays; HubError NOT_FOUND `unknown_org`."""
    return (await find_org(ctx, org_id, reader)).path if org_id else ROOT_PATH


async def page(
    ctx: ApiContext, principal: Principal, before: tuple[int, str] | None, limit: int, **narrowed: Any
) -> tuple[Page[RoomRow], dict[str, tuple[MemberRow, ...]]]:
    """Return the rooms the principal may know of, with their members."""
    managed = principal.org_path if Verb.ROOM_MANAGE in principal.verbs else None
    wanted = RoomFilter(
        user_id=principal.user_id, org_path=principal.org_path, managed=managed, now_us=ctx.clock.wall_us(), **narrowed
    )
    async with ctx.db.read() as connection:
        found = await rooms.page(connection, wanted, before, limit)
        return found, await rooms.members_of(connection, [room.id for room in found.items])


async def create(ctx: ApiContext, actor: Actor, wanted: NewRoom) -> Planned:
    """Make a room; HubError CONFLICT `duplicate_id`, INVALID for members or times that cannot be, or DENIED."""
    now_us = ctx.clock.wall_us()
    async with ctx.db.write() as connection:
        org_id = wanted.org_id or (actor.principal.org_id if actor.principal else None)
        path = (await existing_org(connection, org_id, within=actor)).path if org_id else ROOT_PATH
        actor.check(Verb.ROOM_MANAGE, path)
        room = _row(wanted, actor, org_id, path, now_us)
        if await rooms.get(connection, room.id) is not None:
            raise HubError(ErrorKind.CONFLICT, "the id is taken", code="duplicate_id")
        await rooms.add(connection, room)
        members = await _members(connection, actor, room.id, wanted.members, now_us)
        await rooms.set_members(connection, room.id, members)
        if room.kind != CALL:
            await rooms.put_invite(connection, invites.make(ctx, room.id, wanted.passcode))
        view = RoomView(room, members)
        found = await clashes(connection, view, actor.principal)
        details: dict[str, Any] = {
            "name": room.name,
            "kind": room.kind,
            "members": len(members),
            "starts_us": room.starts_us,
        }
        await audit.append(connection, actor.entry(now_us, "room.create", target_of(room), **details))
    return Planned(view, found)


def target_of(room: RoomRow) -> Target:
    """Return the room as audit rows name it."""
    return Target("room", room.id, room.org_path)


def _row(wanted: NewRoom, actor: Actor, org_id: str | None, path: str, now_us: int) -> RoomRow:
    return RoomRow(
        id=wanted.id or new_id("room-"), name=wanted.name, kind=wanted.kind, org_id=org_id, org_path=path,
        created_by=actor.user_id, speech=wanted.speech, has_lobby=wanted.has_lobby, is_locked=wanted.is_locked,
        is_for_everybody=wanted.is_for_everybody,
        is_recorded=wanted.is_recorded, max_participants=wanted.max_participants, starts_us=wanted.starts_us,
        duration_minutes=wanted.duration_minutes,
        begins_us=now_us if wanted.starts_us is None else wanted.starts_us, slot=None, journal_seq=0, version=1,
        created_us=now_us, updated_us=now_us, ended_us=None, end_reason=None,
    )  # fmt: skip


async def _members(
    connection: Connection, actor: Actor, room_id: str, wanted: Iterable[NewMember], now_us: int
) -> tuple[MemberRow, ...]:
    """Return the rows; HubError INVALID `unknown_user`/`unknown_org` for one that is not there."""
    unique = {(one.kind, one.member_id): one for one in wanted}
    if len(unique) > MAX_MEMBERS:
        raise HubError(ErrorKind.INVALID, "too many members", code="too_many_members", limit=MAX_MEMBERS)
    people = await users.get_some(connection, {one.member_id for one in unique.values() if one.kind == USER})
    found: list[MemberRow] = []
    for one in unique.values():
        path: str | None = None
        if one.kind == ORG:
            path = (await existing_org(connection, one.member_id)).path
        elif one.member_id not in people:
            raise HubError(ErrorKind.INVALID, "no such user", code="unknown_user")
        found.append(
            MemberRow(
                room_id=room_id, kind=one.kind, member_id=one.member_id, org_path=path, role=one.role, added_us=now_us
            )
        )
    return tuple(found)


async def change(
    ctx: ApiContext, actor: Actor, room_id: str, values: Mapping[str, Any], members: tuple[NewMember, ...] | None
) -> Planned:
    """Set columns of a room, and its members unless None; HubError as for `create`, CONFLICT `room_ended`."""
    now_us = ctx.clock.wall_us()
    async with ctx.db.write() as connection:
        before = await existing(connection, room_id)
        if actor.principal is not None:
            check_manage(before, actor.principal)
        check_open(before.room)
        settings = dict(values)
        if "starts_us" in settings:
            starts_us = settings["starts_us"]
            settings["begins_us"] = before.room.created_us if starts_us is None else starts_us
        if members is not None:
            rows = await _members(connection, actor, room_id, members, now_us)
            await rooms.set_members(connection, room_id, rows)
            if rows:
                settings.setdefault("is_for_everybody", False)
        await rooms.change(connection, room_id, settings | {"updated_us": now_us})
        after = await existing(connection, room_id)
        found = await clashes(connection, after, actor.principal)
        details: dict[str, Any] = {
            "changes": sorted(values),
            "members": None if members is None else len(after.members),
        }
        await audit.append(connection, actor.entry(now_us, "room.change", target_of(after.room), **details))
    await _tell(ctx, actor, after.room)
    ctx.access_changed.set()
    return Planned(after, found)


async def _tell(ctx: ApiContext, actor: Actor, room: RoomRow) -> None:
    """Tell the room's worker what the room is now, if it lives anywhere."""
    try:
        await room_homes.refresh(ctx, actor, room)
    except HubError as error:
        log.info("the room's worker is told later", room=room.id, cause=error.code)


async def put_member(ctx: ApiContext, actor: Actor, room_id: str, wanted: NewMember) -> RoomView:
    """Add one member or change its role; HubError as for `change`."""
    now_us = ctx.clock.wall_us()
    async with ctx.db.write() as connection:
        before = await existing(connection, room_id)
        if actor.principal is not None:
            check_lead(before, actor.principal)
        check_open(before.room)
        if len(before.members) >= MAX_MEMBERS:
            raise HubError(ErrorKind.INVALID, "too many members", code="too_many_members", limit=MAX_MEMBERS)
        (row,) = await _members(connection, actor, room_id, [wanted], now_us)
        await rooms.put_member(connection, row)
        if before.room.is_for_everybody:
            await rooms.change(connection, room_id, {"is_for_everybody": False})
        await audit.append(connection, actor.entry(now_us, "room.member", target_of(before.room), **asdict(wanted)))
        return await existing(connection, room_id)


async def remove_member(ctx: ApiContext, actor: Actor, room_id: str, kind: str, member_id: str) -> None:
    """Remove one member, whose seat ends within five seconds; HubError NOT_FOUND when there is no such member."""
    now_us = ctx.clock.wall_us()
    async with ctx.db.write() as connection:
        before = await existing(connection, room_id)
        if actor.principal is not None:
            check_lead(before, actor.principal)
        if not await rooms.remove_member(connection, room_id, kind, member_id):
            raise HubError(ErrorKind.NOT_FOUND, "no such member", code="not_found")
        target = target_of(before.room)
        await audit.append(connection, actor.entry(now_us, "room.member_removed", target, kind=kind, member=member_id))
    ctx.access_changed.set()


async def end(
    ctx: ApiContext, actor: Actor, room_id: str, reason: str = "ended", *, is_allowed: bool = False
) -> RoomView:
    """End a room, once; everybody in it is told by its worker, or put out by the sweeper when that is away.

    `is_allowed` when the room itself has said that the actor may, as its chair.
    """
    now_us = ctx.clock.wall_us()
    async with ctx.db.write() as connection:
        view = await existing(connection, room_id)
        if actor.principal is not None and not is_allowed:
            check_lead(view, actor.principal)
        if await rooms.end(connection, room_id, now_us, reason):
            await audit.append(connection, actor.entry(now_us, "room.end", target_of(view.room), reason=reason))
        after = await existing(connection, room_id)
    try:
        await room_homes.end(ctx, actor, view.room)
    except HubError as error:
        log.info("the room's worker does not answer, the sweeper ends the seats", room=room_id, cause=error.code)
    ctx.access_changed.set()
    return after
