"""Organisations: rows of the tree 县→乡→村, addressed by a path of ids so that a subtree is a prefix."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import ColumnElement, delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from api.db.rows import Page, all_of, first_of, page_of
from api.db.tables import cameras, orgs, users


@dataclass(frozen=True, slots=True, kw_only=True)
class OrgRow:
    """One organisation."""

    id: str
    name: str
    level: str
    parent_id: str | None
    code: str | None
    path: str
    created_us: int


def under(path: str) -> ColumnElement[bool]:
    """Return the condition that an organisation lies in the subtree of `path`; ids hold no LIKE wildcards."""
    return orgs.c.path.like(f"{path}%")


async def add(connection: AsyncConnection, org: OrgRow) -> None:
    """Insert an organisation."""
    await connection.execute(insert(orgs).values(asdict(org)))


async def get(connection: AsyncConnection, org_id: str) -> OrgRow | None:
    """Return an organisation."""
    return await first_of(connection, OrgRow, select(orgs).where(orgs.c.id == org_id))


async def some(connection: AsyncConnection, org_ids: Iterable[str]) -> tuple[OrgRow, ...]:
    """Return those of the organisations that exist."""
    return await all_of(connection, OrgRow, select(orgs).where(orgs.c.id.in_(list(org_ids))))


async def has_any(connection: AsyncConnection) -> bool:
    """Tell whether there is an organisation at all."""
    return (await connection.execute(select(orgs.c.id).limit(1))).first() is not None


async def page(
    connection: AsyncConnection, path: str, extra_paths: tuple[str, ...], after: str, limit: int
) -> Page[OrgRow]:
    """Return organisations of the subtree (and the single ones in `extra_paths`) by path, parents first."""
    visible = or_(under(path), orgs.c.path.in_(extra_paths))
    query = select(orgs).where(visible, orgs.c.path > after).order_by(orgs.c.path).limit(limit + 1)
    return page_of(await all_of(connection, OrgRow, query), limit, "path")


async def change(connection: AsyncConnection, org_id: str, values: Mapping[str, Any]) -> None:
    """Set columns of an organisation."""
    await connection.execute(update(orgs).where(orgs.c.id == org_id).values(**values))


async def remove(connection: AsyncConnection, org_id: str) -> None:
    """Delete an organisation that nothing refers to."""
    await connection.execute(delete(orgs).where(orgs.c.id == org_id))


async def is_empty(connection: AsyncConnection, org_id: str) -> bool:
    """Tell whether an organisation has no children, users and cameras."""
    for column in (orgs.c.parent_id, users.c.org_id, cameras.c.org_id):
        if (await connection.execute(select(column).where(column == org_id).limit(1))).first() is not None:
            return False
    return True


async def camera_places(connection: AsyncConnection, path: str) -> tuple[tuple[str, str], ...]:
    """Return (camera id, organisation path) of every camera in the subtree."""
    query = select(cameras.c.id, orgs.c.path).join(orgs, orgs.c.id == cameras.c.org_id).where(under(path))
    return tuple((str(row[0]), str(row[1])) for row in await connection.execute(query))


async def count(connection: AsyncConnection) -> int:
    """Return how many organisations there are."""
    return int((await connection.execute(select(func.count()).select_from(orgs))).scalar_one())
