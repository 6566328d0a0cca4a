"""Cameras as the control plane knows them; source URLs only sealed and masked."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from api.db.orgs import under
from api.db.rows import Page, all_of, first_of, page_of
from api.db.tables import cameras, orgs


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraRow:
    """One camera with the path of its organisation."""

    id: str
    name: str
    org_id: str
    source_url_enc: str
    sub_source_url_enc: str | None
    source_url_masked: str
    sub_source_url_masked: str | None
    transport: str
    enabled: bool
    recording_mode: str
    retention_days: int
    address: str | None
    longitude: float | None
    latitude: float | None
    gb_code: str | None
    manufacturer: str | None
    model: str | None
    managing_unit: str | None
    note: str | None
    version: int
    created_us: int
    updated_us: int
    recording_schedule: str | None
    org_path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraFilter:
    """Which cameras a list asks for: in the subtree of `path` or among `granted`, narrowed by the rest."""

    path: str
    granted: frozenset[str] = frozenset()
    within: str = "/"
    text: str = ""
    enabled: bool | None = None


_WITH_PATH = select(cameras, orgs.c.path.label("org_path")).join(orgs, orgs.c.id == cameras.c.org_id)


async def add(connection: AsyncConnection, values: Mapping[str, Any]) -> None:
    """Insert a camera."""
    await connection.execute(insert(cameras).values(**values))


async def change(connection: AsyncConnection, camera_id: str, values: Mapping[str, Any]) -> None:
    """Set columns of a camera and count its version up."""
    query = update(cameras).where(cameras.c.id == camera_id)
    await connection.execute(query.values(version=cameras.c.version + 1, **values))


async def remove(connection: AsyncConnection, camera_id: str) -> None:
    """Delete a camera and the grants on it; its recordings age out by the policy written with them."""
    await connection.execute(delete(cameras).where(cameras.c.id == camera_id))


async def get(connection: AsyncConnection, camera_id: str) -> CameraRow | None:
    """Return a camera."""
    return await first_of(connection, CameraRow, _WITH_PATH.where(cameras.c.id == camera_id))


async def some(connection: AsyncConnection, camera_ids: Iterable[str]) -> tuple[CameraRow, ...]:
    """Return those of the cameras that exist."""
    return await all_of(connection, CameraRow, _WITH_PATH.where(cameras.c.id.in_(list(camera_ids))))


async def everything(connection: AsyncConnection) -> tuple[CameraRow, ...]:
    """Return every camera."""
    return await all_of(connection, CameraRow, _WITH_PATH.order_by(cameras.c.id))


async def versions(connection: AsyncConnection) -> dict[str, int]:
    """Return the version of every camera."""
    return {str(row[0]): int(row[1]) for row in await connection.execute(select(cameras.c.id, cameras.c.version))}


async def places(connection: AsyncConnection) -> dict[str, str]:
    """Return camera id → organisation path of every camera."""
    query = select(cameras.c.id, orgs.c.path).join(orgs, orgs.c.id == cameras.c.org_id)
    return {str(row[0]): str(row[1]) for row in await connection.execute(query)}


async def taken(
    connection: AsyncConnection, camera_ids: Iterable[str], gb_codes: Iterable[str]
) -> tuple[set[str], set[str]]:
    """Return which of the ids and which of the GB codes are in use."""
    ids = await connection.execute(select(cameras.c.id).where(cameras.c.id.in_(list(camera_ids))))
    codes = await connection.execute(select(cameras.c.gb_code).where(cameras.c.gb_code.in_(list(gb_codes))))
    return {str(row[0]) for row in ids}, {str(row[0]) for row in codes}


async def page(connection: AsyncConnection, wanted: CameraFilter, after: str, limit: int) -> Page[CameraRow]:
    """Return cameras by id."""
    query = _WITH_PATH.where(cameras.c.id > after)
    if wanted.path != "/":
        query = query.where(or_(under(wanted.path), cameras.c.id.in_(sorted(wanted.granted))))
    if wanted.within != "/":
        query = query.where(under(wanted.within))
    if wanted.text:
        query = query.where(
            or_(
                cameras.c.name.icontains(wanted.text, autoescape=True),
                cameras.c.id.contains(wanted.text, autoescape=True),
            )
        )
    if wanted.enabled is not None:
        query = query.where(cameras.c.enabled.is_(wanted.enabled))
    return page_of(await all_of(connection, CameraRow, query.order_by(cameras.c.id).limit(limit + 1)), limit, "id")
