"""Live viewing sessions: who watches what now, and since when."""

from dataclasses import asdict, dataclass

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from api.db.rows import Page, all_of, first_of, page_of
from api.db.tables import live_sessions


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveSessionRow:
    """One camera watched: a WHEP session, or part of a session of the session protocol (`session_id`)."""

    id: str
    user_id: str
    username: str
    login_session_id: str
    camera_id: str
    org_path: str
    quality: str
    slot: str
    address: str
    started_us: int
    ended_us: int | None
    end_reason: str | None
    session_id: str | None = None
    room_id: str | None = None


async def add(connection: AsyncConnection, session: LiveSessionRow) -> None:
    """Insert a session."""
    await connection.execute(insert(live_sessions).values(asdict(session)))


async def get(connection: AsyncConnection, session_id: str) -> LiveSessionRow | None:
    """Return a session."""
    return await first_of(connection, LiveSessionRow, select(live_sessions).where(live_sessions.c.id == session_id))


async def open_ones(connection: AsyncConnection) -> tuple[LiveSessionRow, ...]:
    """Return the sessions that have not ended."""
    query = select(live_sessions).where(live_sessions.c.ended_us.is_(None)).order_by(live_sessions.c.id)
    return await all_of(connection, LiveSessionRow, query)


async def count_open(connection: AsyncConnection, user_id: str | None = None) -> int:
    """Return how many sessions are open, of everybody or of one user."""
    query = select(func.count()).select_from(live_sessions).where(live_sessions.c.ended_us.is_(None))
    if user_id is not None:
        query = query.where(live_sessions.c.user_id == user_id)
    return int((await connection.execute(query)).scalar_one())


async def end(connection: AsyncConnection, session_id: str, now_us: int, reason: str) -> bool:
    """Mark a session ended; False when it had ended already."""
    query = update(live_sessions).where(live_sessions.c.id == session_id, live_sessions.c.ended_us.is_(None))
    return (await connection.execute(query.values(ended_us=now_us, end_reason=reason[:40]))).rowcount == 1


async def page_open(connection: AsyncConnection, after: str, limit: int) -> Page[LiveSessionRow]:
    """Return open sessions by id."""
    query = select(live_sessions).where(live_sessions.c.ended_us.is_(None), live_sessions.c.id > after)
    rows = await all_of(connection, LiveSessionRow, query.order_by(live_sessions.c.id).limit(limit + 1))
    return page_of(rows, limit, "id")


async def open_of_session(connection: AsyncConnection, session_id: str) -> tuple[LiveSessionRow, ...]:
    """Return what is watched in a session of the session protocol now."""
    table = live_sessions.c
    query = select(live_sessions).where(table.session_id == session_id, table.ended_us.is_(None))
    return await all_of(connection, LiveSessionRow, query.order_by(table.id))


async def purge(connection: AsyncConnection, before_us: int) -> None:
    """Forget sessions that ended before `before_us`."""
    await connection.execute(delete(live_sessions).where(live_sessions.c.ended_us < before_us))
