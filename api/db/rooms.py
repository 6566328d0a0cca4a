"""Rooms, who belongs to them, and their invitations.

A member is a user, or an organisation with everybody in its subtree. A room may be for everybody
in the subtree of its own organisation as well; it is never so by having lost its members. Calls are seen by the two who talk only.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    and_,
    cast,
    delete,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from api.db.rows import Page, all_of, first_of
from api.db.tables import room_invites, room_members, rooms, sessions

USER, ORG = "user", "org"
CALL = "call"


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomRow:
    """One room; `starts_us` None is a room that is always there."""

    id: str
    name: str
    kind: str
    org_id: str | None
    org_path: str
    created_by: str | None
    speech: str
    has_lobby: bool
    is_locked: bool
    is_for_everybody: bool
    is_recorded: bool
    max_participants: int
    starts_us: int | None
    duration_minutes: int | None
    begins_us: int
    slot: str | None
    journal_seq: int
    version: int
    created_us: int
    updated_us: int
    ended_us: int | None
    end_reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberRow:
    """One member of a room."""

    room_id: str
    kind: str
    member_id: str
    org_path: str | None
    role: str
    added_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class InviteRow:
    """The invitation of a room."""

    room_id: str
    token_hash: str
    passcode_hash: str
    sealed: str
    created_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomFilter:
    """Which rooms a list asks for: those `user_id` at `org_path` may know, or all below `managed`, narrowed."""

    user_id: str
    org_path: str
    managed: str | None
    now_us: int
    within: str = "/"
    kind: str | None = None
    state: str | None = None
    from_us: int | None = None
    to_us: int | None = None


async def add(connection: AsyncConnection, room: RoomRow) -> None:
    """Insert a room."""
    await connection.execute(insert(rooms).values(asdict(room)))


async def get(connection: AsyncConnection, room_id: str) -> RoomRow | None:
    """Return a room."""
    return await first_of(connection, RoomRow, select(rooms).where(rooms.c.id == room_id))


async def some(connection: AsyncConnection, room_ids: Iterable[str]) -> dict[str, RoomRow]:
    """Return those of the rooms that exist, by id."""
    query = select(rooms).where(rooms.c.id.in_(list(room_ids)))
    return {row.id: row for row in await all_of(connection, RoomRow, query)}


async def change(connection: AsyncConnection, room_id: str, values: Mapping[str, Any]) -> None:
    """Set columns of a room and count its version up."""
    query = update(rooms).where(rooms.c.id == room_id)
    await connection.execute(query.values(version=rooms.c.version + 1, **values))


async def settle(connection: AsyncConnection, room_id: str, slot: str | None) -> None:
    """Note the slot a room lives in."""
    await connection.execute(update(rooms).where(rooms.c.id == room_id).values(slot=slot))


async def note_journal(connection: AsyncConnection, room_id: str, seq: int) -> None:
    """Note up to which entry the journal has been copied; it never goes back."""
    query = update(rooms).where(rooms.c.id == room_id, rooms.c.journal_seq < seq)
    await connection.execute(query.values(journal_seq=seq))


async def end(connection: AsyncConnection, room_id: str, now_us: int, reason: str) -> bool:
    """Mark a room ended; False when it had ended already."""
    query = update(rooms).where(rooms.c.id == room_id, rooms.c.ended_us.is_(None))
    values = {"ended_us": now_us, "end_reason": reason[:40], "version": rooms.c.version + 1}
    return (await connection.execute(query.values(values))).rowcount == 1


async def placed(connection: AsyncConnection) -> dict[str, str]:
    """Return room id → slot of every room that has not ended and has one."""
    query = select(rooms.c.id, rooms.c.slot).where(rooms.c.ended_us.is_(None), rooms.c.slot.is_not(None))
    return {str(row[0]): str(row[1]) for row in await connection.execute(query)}


async def unclosed(connection: AsyncConnection, limit: int = 50) -> tuple[str, ...]:
    """Return ended rooms whose worker has not been let go yet."""
    query = select(rooms.c.id).where(rooms.c.ended_us.is_not(None), rooms.c.slot.is_not(None))
    return tuple(str(row[0]) for row in await connection.execute(query.order_by(rooms.c.ended_us).limit(limit)))


async def page(
    connection: AsyncConnection, wanted: RoomFilter, before: tuple[int, str] | None, limit: int
) -> Page[RoomRow]:
    """Return rooms, the latest first; `next_key` is `begins_us:id`."""
    query = select(rooms).where(_visible(wanted), *_narrowed(wanted))
    if before is not None:
        query = query.where(tuple_(rooms.c.begins_us, rooms.c.id) < tuple_(literal(before[0]), literal(before[1])))
    query = query.order_by(rooms.c.begins_us.desc(), rooms.c.id.desc()).limit(limit + 1)
    rows = await all_of(connection, RoomRow, query)
    kept = rows[:limit]
    return Page(kept, f"{kept[-1].begins_us}:{kept[-1].id}" if len(rows) > limit else None)


def _visible(wanted: RoomFilter) -> ColumnElement[bool]:
    table = room_members.c
    is_user = and_(table.kind == USER, table.member_id == wanted.user_id)
    is_org = and_(table.kind == ORG, literal(wanted.org_path).like(table.org_path + "%"))
    is_member = exists().where(table.room_id == rooms.c.id, or_(is_user, is_org))
    is_open = and_(rooms.c.is_for_everybody, literal(wanted.org_path).like(rooms.c.org_path + "%"))
    found = [rooms.c.created_by == wanted.user_id, is_member, is_open]
    if wanted.managed is not None:
        found.append(and_(rooms.c.kind != CALL, rooms.c.org_path.like(f"{wanted.managed}%")))
    return or_(*found)


def _narrowed(wanted: RoomFilter) -> list[ColumnElement[bool]]:
    table = rooms.c
    is_running = exists().where(sessions.c.room_id == table.id, sessions.c.ended_us.is_(None))
    found: list[ColumnElement[bool]] = []
    if wanted.within != "/":
        found.append(table.org_path.like(f"{wanted.within}%"))
    found.append(table.kind == wanted.kind if wanted.kind else table.kind != CALL)
    if wanted.state == "ended":
        found.append(table.ended_us.is_not(None))
    elif wanted.state is not None:
        found.append(table.ended_us.is_(None))
    if wanted.state == "running":
        found.append(is_running)
    if wanted.state == "scheduled":
        found.append(table.starts_us > wanted.now_us)
    if wanted.from_us is not None:
        found.append(_ends_us() > wanted.from_us)
    if wanted.to_us is not None:
        found.append(table.begins_us < wanted.to_us)
    return found


def _ends_us() -> ColumnElement[int]:
    minutes = cast(func.coalesce(rooms.c.duration_minutes, 60), BigInteger)  # PostgreSQL would count in 32 bits
    planned = rooms.c.starts_us + minutes * 60_000_000
    return func.coalesce(rooms.c.ended_us, planned, literal(2**62))


async def overlapping(
    connection: AsyncConnection, room_id: str, start_us: int, end_us: int, limit: int = 200
) -> tuple[RoomRow, ...]:
    """Return the other scheduled meetings that have not ended and share time with `[start_us, end_us)`."""
    table = rooms.c
    query = select(rooms).where(
        table.id != room_id, table.starts_us.is_not(None), table.ended_us.is_(None), table.kind != CALL,
        table.starts_us < end_us, _ends_us() > start_us,
    )  # fmt: skip
    return await all_of(connection, RoomRow, query.order_by(table.starts_us, table.id).limit(limit))


async def running_of(connection: AsyncConnection, room_ids: Iterable[str]) -> dict[str, int]:
    """Return how many sessions each of the rooms has now; rooms with none are missing."""
    table = sessions.c
    query = select(table.room_id, func.count()).where(table.ended_us.is_(None), table.room_id.in_(list(room_ids)))
    return {str(row[0]): int(row[1]) for row in await connection.execute(query.group_by(table.room_id))}


async def set_members(connection: AsyncConnection, room_id: str, members: Iterable[MemberRow]) -> None:
    """Replace the members of a room."""
    await connection.execute(delete(room_members).where(room_members.c.room_id == room_id))
    rows = [asdict(member) for member in members]
    if rows:
        await connection.execute(insert(room_members), rows)


async def put_member(connection: AsyncConnection, member: MemberRow) -> None:
    """Add one member, or change its role."""
    await remove_member(connection, member.room_id, member.kind, member.member_id)
    await connection.execute(insert(room_members).values(asdict(member)))


async def remove_member(connection: AsyncConnection, room_id: str, kind: str, member_id: str) -> bool:
    """Remove one member; False when there was none."""
    table = room_members.c
    query = delete(room_members).where(table.room_id == room_id, table.kind == kind, table.member_id == member_id)
    return (await connection.execute(query)).rowcount > 0


async def members_of(connection: AsyncConnection, room_ids: Iterable[str]) -> dict[str, tuple[MemberRow, ...]]:
    """Return the members of each room, in the order they were added."""
    wanted = list(room_ids)
    query = select(room_members).where(room_members.c.room_id.in_(wanted))
    query = query.order_by(room_members.c.added_us, room_members.c.kind.desc(), room_members.c.member_id)
    found: dict[str, list[MemberRow]] = {room_id: [] for room_id in wanted}
    for row in await all_of(connection, MemberRow, query):
        found[row.room_id].append(row)
    return {room_id: tuple(rows) for room_id, rows in found.items()}


async def put_invite(connection: AsyncConnection, invite: InviteRow) -> None:
    """Store the invitation of a room; one before it is no longer good."""
    await remove_invite(connection, invite.room_id)
    await connection.execute(insert(room_invites).values(asdict(invite)))


async def remove_invite(connection: AsyncConnection, room_id: str) -> None:
    """Withdraw the invitation of a room."""
    await connection.execute(delete(room_invites).where(room_invites.c.room_id == room_id))


async def invite_of(connection: AsyncConnection, room_id: str) -> InviteRow | None:
    """Return the invitation of a room."""
    return await first_of(connection, InviteRow, select(room_invites).where(room_invites.c.room_id == room_id))
