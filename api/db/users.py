"""Users, their roles, and their grants on single cameras."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from api.db import orgs as org_queries
from api.db.rows import Page, all_of, first_of, page_of
from api.db.tables import camera_grants, cameras, orgs, user_roles, users


@dataclass(frozen=True, slots=True, kw_only=True)
class UserRow:
    """One user; `org_path` is `/` for a user of the whole system."""

    id: str
    username: str
    display_name: str
    password_hash: str
    org_id: str | None
    enabled: bool
    locale: str
    created_us: int
    updated_us: int
    org_path: str | None


@dataclass(frozen=True, slots=True)
class CameraGrantRow:
    """One verb on one camera for one user, until `expires_us` (None: until withdrawn)."""

    user_id: str
    camera_id: str
    verb: str
    expires_us: int | None
    created_us: int


_WITH_PATH = select(users, orgs.c.path.label("org_path")).join(orgs, orgs.c.id == users.c.org_id, isouter=True)


async def add(connection: AsyncConnection, values: Mapping[str, Any], roles: Iterable[str]) -> None:
    """Insert a user with roles."""
    await connection.execute(insert(users).values(**values))
    await _add_roles(connection, str(values["id"]), roles)


async def _add_roles(connection: AsyncConnection, user_id: str, roles: Iterable[str]) -> None:
    rows = [{"user_id": user_id, "role": role} for role in roles]
    if rows:
        await connection.execute(insert(user_roles), rows)


async def set_roles(connection: AsyncConnection, user_id: str, roles: Iterable[str]) -> None:
    """Replace the user's roles."""
    await connection.execute(delete(user_roles).where(user_roles.c.user_id == user_id))
    await _add_roles(connection, user_id, roles)


async def change(connection: AsyncConnection, user_id: str, values: Mapping[str, Any]) -> None:
    """Set columns of a user."""
    await connection.execute(update(users).where(users.c.id == user_id).values(**values))


async def remove(connection: AsyncConnection, user_id: str) -> None:
    """Delete a user with roles, grants and log-ins; history keeps the name."""
    await connection.execute(delete(users).where(users.c.id == user_id))


async def get(connection: AsyncConnection, user_id: str) -> UserRow | None:
    """Return a user by id."""
    return await first_of(connection, UserRow, _WITH_PATH.where(users.c.id == user_id))


async def get_some(connection: AsyncConnection, user_ids: Iterable[str]) -> dict[str, UserRow]:
    """Return those of the users that exist, by id."""
    query = _WITH_PATH.where(users.c.id.in_(list(user_ids)))
    return {row.id: row for row in await all_of(connection, UserRow, query)}


async def by_username(connection: AsyncConnection, username: str) -> UserRow | None:
    """Return a user by normalised user name."""
    return await first_of(connection, UserRow, _WITH_PATH.where(users.c.username == username))


async def has_any(connection: AsyncConnection) -> bool:
    """Tell whether there is a user at all."""
    return (await connection.execute(select(users.c.id).limit(1))).first() is not None


async def page(connection: AsyncConnection, path: str, after: str, limit: int) -> Page[UserRow]:
    """Return the users of a subtree by id."""
    query = _WITH_PATH.where(users.c.id > after)
    if path != "/":
        query = query.where(org_queries.under(path))
    return page_of(await all_of(connection, UserRow, query.order_by(users.c.id).limit(limit + 1)), limit, "id")


async def directory(connection: AsyncConnection, path: str, text: str, after: str, limit: int) -> Page[UserRow]:
    """Return the enabled users of a subtree whose name holds `text`, by id."""
    query = _WITH_PATH.where(users.c.id > after, users.c.enabled)
    if path != "/":
        query = query.where(org_queries.under(path))
    if text:
        query = query.where(users.c.display_name.contains(text, autoescape=True))
    return page_of(await all_of(connection, UserRow, query.order_by(users.c.id).limit(limit + 1)), limit, "id")


async def roles_of(connection: AsyncConnection, user_ids: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Return the sorted roles of each user."""
    wanted = list(user_ids)
    found: dict[str, list[str]] = {user_id: [] for user_id in wanted}
    query = select(user_roles).where(user_roles.c.user_id.in_(wanted)).order_by(user_roles.c.role)
    for row in await connection.execute(query):
        found[row.user_id].append(row.role)
    return {user_id: tuple(roles) for user_id, roles in found.items()}


async def enabled_with_role(connection: AsyncConnection, role: str) -> frozenset[str]:
    """Return the enabled users of the whole system that hold `role`."""
    query = (
        select(users.c.id)
        .join(user_roles, user_roles.c.user_id == users.c.id)
        .where(user_roles.c.role == role, users.c.enabled, users.c.org_id.is_(None))
    )
    return frozenset(str(row[0]) for row in await connection.execute(query))


async def add_camera_grants(connection: AsyncConnection, grants: Iterable[CameraGrantRow]) -> None:
    """Insert grants, replacing those of the same user, camera and verb."""
    for grant in grants:
        await connection.execute(_same_grant(grant))
        await connection.execute(
            insert(camera_grants).values(
                user_id=grant.user_id, camera_id=grant.camera_id, verb=grant.verb,
                expires_us=grant.expires_us, created_us=grant.created_us,
            )
        )  # fmt: skip


def _same_grant(grant: CameraGrantRow) -> Any:
    table = camera_grants.c
    return delete(camera_grants).where(
        table.user_id == grant.user_id, table.camera_id == grant.camera_id, table.verb == grant.verb
    )


async def remove_camera_grants(connection: AsyncConnection, user_id: str, camera_id: str) -> int:
    """Withdraw every grant of the user on the camera; return how many there were."""
    query = delete(camera_grants).where(camera_grants.c.user_id == user_id, camera_grants.c.camera_id == camera_id)
    return (await connection.execute(query)).rowcount


async def camera_grants_of(connection: AsyncConnection, user_id: str) -> tuple[CameraGrantRow, ...]:
    """Return every grant of the user, expired ones included."""
    query = select(camera_grants).where(camera_grants.c.user_id == user_id)
    return await all_of(connection, CameraGrantRow, query.order_by(camera_grants.c.camera_id, camera_grants.c.verb))


async def camera_grants_in_force(
    connection: AsyncConnection, user_ids: Iterable[str], now_us: int
) -> dict[str, list[CameraGrantRow]]:
    """Return the grants of each user that have not expired."""
    table = camera_grants.c
    is_in_force = or_(table.expires_us.is_(None), table.expires_us > now_us)
    query = select(camera_grants).where(table.user_id.in_(list(user_ids)), is_in_force)
    found: dict[str, list[CameraGrantRow]] = {}
    for grant in await all_of(connection, CameraGrantRow, query):
        found.setdefault(grant.user_id, []).append(grant)
    return found


async def granted_org_paths(connection: AsyncConnection, camera_ids: Iterable[str]) -> tuple[str, ...]:
    """Return the paths of the organisations these cameras belong to."""
    query = select(orgs.c.path).join(cameras, cameras.c.org_id == orgs.c.id).where(cameras.c.id.in_(list(camera_ids)))
    return tuple(str(row[0]) for row in await connection.execute(query.distinct()))
