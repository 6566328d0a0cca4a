"""Playback grants (调阅登记) and the replay views opened under them."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass

from sqlalchemy import func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from api.db.rows import Page, all_of, first_of, page_of
from api.db.tables import playback_grant_cameras, playback_grants, replay_views


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantRow:
    """One grant; `verbs` are separated by blanks."""

    id: str
    token_hash: str
    user_id: str
    username: str
    login_session_id: str
    verbs: str
    start_us: int
    end_us: int
    reason: str
    case_no: str | None
    unit: str | None
    created_us: int
    expires_us: int
    ended_us: int | None
    room_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayViewRow:
    """One camera looked at, or a span of it taken away, under a grant, from the first to the last request.

    With `room_id`, `camera_id` is a track of that meeting.
    """

    id: str
    grant_id: str
    user_id: str
    username: str
    login_session_id: str
    camera_id: str
    org_path: str
    address: str
    verb: str
    span: str
    opened_us: int
    last_us: int
    ended_us: int | None
    room_id: str | None = None


async def add(connection: AsyncConnection, grant: GrantRow, camera_ids: Iterable[str]) -> None:
    """Insert a grant for the cameras, or for the room it names."""
    await connection.execute(insert(playback_grants).values(asdict(grant)))
    rows = [{"grant_id": grant.id, "camera_id": camera_id} for camera_id in camera_ids]
    if rows:
        await connection.execute(insert(playback_grant_cameras), rows)


async def by_token(connection: AsyncConnection, token_hash: str) -> GrantRow | None:
    """Return the grant behind an opaque token."""
    return await first_of(
        connection, GrantRow, select(playback_grants).where(playback_grants.c.token_hash == token_hash)
    )


async def get(connection: AsyncConnection, grant_id: str) -> GrantRow | None:
    """Return a grant by its public id."""
    return await first_of(connection, GrantRow, select(playback_grants).where(playback_grants.c.id == grant_id))


async def cameras_of(connection: AsyncConnection, grant_ids: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Return the cameras of each grant."""
    wanted = list(grant_ids)
    found: dict[str, list[str]] = {grant_id: [] for grant_id in wanted}
    table = playback_grant_cameras.c
    query = select(playback_grant_cameras).where(table.grant_id.in_(wanted)).order_by(table.camera_id)
    for row in await connection.execute(query):
        found[row.grant_id].append(row.camera_id)
    return {grant_id: tuple(cameras) for grant_id, cameras in found.items()}


async def page(connection: AsyncConnection, user_id: str | None, before: str, limit: int) -> Page[GrantRow]:
    """Return grants, the newest first (ids begin with the time), of one user or of everybody."""
    query = select(playback_grants)
    if user_id is not None:
        query = query.where(playback_grants.c.user_id == user_id)
    if before:
        query = query.where(playback_grants.c.id < before)
    rows = await all_of(connection, GrantRow, query.order_by(playback_grants.c.id.desc()).limit(limit + 1))
    return page_of(rows, limit, "id")


async def open_grants(connection: AsyncConnection) -> tuple[GrantRow, ...]:
    """Return the grants that have not ended."""
    return await all_of(connection, GrantRow, select(playback_grants).where(playback_grants.c.ended_us.is_(None)))


async def count_open(connection: AsyncConnection, user_id: str, now_us: int) -> int:
    """Return how many grants of the user are in force."""
    table = playback_grants.c
    query = select(func.count()).select_from(playback_grants)
    query = query.where(table.user_id == user_id, table.ended_us.is_(None), table.expires_us > now_us)
    return int((await connection.execute(query)).scalar_one())


async def extend(connection: AsyncConnection, grant_id: str, expires_us: int) -> None:
    """Let a grant that has not ended live until `expires_us`."""
    query = update(playback_grants).where(playback_grants.c.id == grant_id, playback_grants.c.ended_us.is_(None))
    await connection.execute(query.values(expires_us=expires_us))


async def end(connection: AsyncConnection, grant_id: str, now_us: int) -> bool:
    """End a grant; False when it had ended already."""
    query = update(playback_grants).where(playback_grants.c.id == grant_id, playback_grants.c.ended_us.is_(None))
    return (await connection.execute(query.values(ended_us=now_us))).rowcount == 1


async def add_view(connection: AsyncConnection, view: ReplayViewRow) -> None:
    """Insert a replay view."""
    await connection.execute(insert(replay_views).values(asdict(view)))


async def open_view(
    connection: AsyncConnection, grant_id: str, camera_id: str, verb: str, span: str
) -> ReplayViewRow | None:
    """Return the open view of a camera (for downloads: of this span) under a grant."""
    table = replay_views.c
    query = select(replay_views).where(table.grant_id == grant_id, table.camera_id == camera_id, table.span == span)
    return await first_of(connection, ReplayViewRow, query.where(table.verb == verb, table.ended_us.is_(None)))


async def open_views(connection: AsyncConnection) -> tuple[ReplayViewRow, ...]:
    """Return every open view."""
    return await all_of(connection, ReplayViewRow, select(replay_views).where(replay_views.c.ended_us.is_(None)))


async def touch_view(connection: AsyncConnection, view_id: str, now_us: int) -> None:
    """Note that the view was used just now."""
    await connection.execute(update(replay_views).where(replay_views.c.id == view_id).values(last_us=now_us))


async def end_view(connection: AsyncConnection, view_id: str, now_us: int) -> bool:
    """End a view; False when it had ended already."""
    query = update(replay_views).where(replay_views.c.id == view_id, replay_views.c.ended_us.is_(None))
    return (await connection.execute(query.values(ended_us=now_us))).rowcount == 1
