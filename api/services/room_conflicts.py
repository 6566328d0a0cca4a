"""Who is already expected elsewhere at the time of a meeting: warnings for whoever plans it, never a refusal.

Two members clash when they are the same user or venue, one organisation lies in the other, or a user belongs to an
organisation that was invited as a whole. Called by `services.rooms` when a meeting is made or moved.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from api.auth.principal import Principal
from api.db import orgs, rooms, users
from api.db.engine import Connection
from api.db.rooms import ORG, USER, MemberRow
from api.services.room_access import RoomView, role_of

MAX_CLASHES = 100


@dataclass(frozen=True, slots=True)
class Clash:
    """One member who is expected in another meeting; that meeting is named only to somebody who may know of it."""

    kind: str
    member_id: str
    name: str
    room_id: str | None
    room_name: str | None
    starts_us: int


@dataclass(frozen=True, slots=True)
class _Expected:
    """A member with the place in the tree it stands for."""

    member: MemberRow
    path: str


async def clashes(connection: Connection, view: RoomView, asker: Principal | None) -> tuple[Clash, ...]:
    """Return the clashes of a scheduled meeting with the others."""
    start_us, end_us = view.room.starts_us, view.end_us
    if start_us is None or end_us is None or not view.members:
        return ()
    others = await rooms.overlapping(connection, view.room.id, start_us, end_us)
    members = await rooms.members_of(connection, [room.id for room in others])
    paths = await _paths(connection, [*view.members, *(row for rows in members.values() for row in rows)])
    names = await names_of(connection, view.members)
    mine = [_Expected(row, paths.get(row.member_id, "//")) for row in view.members]
    found: list[Clash] = []
    for other in others:
        theirs = [_Expected(row, paths.get(row.member_id, "//")) for row in members[other.id]]
        is_known = asker is None or role_of(RoomView(other, members[other.id]), asker) is not None
        seen_id, seen_name = (other.id, other.name) if is_known else (None, None)
        found += [
            Clash(
                one.member.kind,
                one.member.member_id,
                names.get(one.member.member_id, ""),
                seen_id,
                seen_name,
                other.begins_us,
            )
            for one in _clashing(mine, theirs)
        ]
    return tuple(found[:MAX_CLASHES])


def _clashing(mine: list[_Expected], theirs: list[_Expected]) -> Iterable[_Expected]:
    return (one for one in mine if any(_clash(one, other) for other in theirs))


def _clash(one: _Expected, other: _Expected) -> bool:
    kinds = {one.member.kind, other.member.kind}
    if kinds == {USER}:
        return one.member.member_id == other.member.member_id
    if kinds == {ORG}:
        return one.path.startswith(other.path) or other.path.startswith(one.path)
    user, org = (one, other) if one.member.kind == USER else (other, one)
    return user.path.startswith(org.path)


async def _paths(connection: Connection, members: Iterable[MemberRow]) -> dict[str, str]:
    wanted = list(members)
    found = await users.get_some(connection, {row.member_id for row in wanted if row.kind == USER})
    paths = {user.id: user.org_path or "/" for user in found.values()}
    return paths | {row.member_id: row.org_path for row in wanted if row.kind == ORG and row.org_path}


async def names_of(connection: Connection, members: Iterable[MemberRow]) -> dict[str, str]:
    """Return the names of members as people know them; one that is gone has none."""
    wanted = list(members)
    people = await users.get_some(connection, {row.member_id for row in wanted if row.kind == USER})
    places = await orgs.some(connection, {row.member_id for row in wanted if row.kind == ORG})
    return {user.id: user.display_name for user in people.values()} | {org.id: org.name for org in places}
