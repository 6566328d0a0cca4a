"""Seats in rooms, the single-use tokens that lead to a session, and the sessions."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import delete, func, insert, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from api.db.rows import all_of, first_of
from api.db.tables import room_seats, session_tokens, sessions


@dataclass(frozen=True, slots=True, kw_only=True)
class SeatRow:
    """One participant of one room; a guest has no user."""

    room_id: str
    participant_id: str
    user_id: str | None
    login_session_id: str | None
    kind: str
    role: str
    display_name: str
    venue: str
    head_count: int
    org_id: str | None
    org_name: str
    is_guest: bool
    created_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRow:
    """A token that opens one session, once."""

    token_hash: str
    user_id: str | None
    login_session_id: str | None
    room_id: str | None
    participant_id: str | None
    issued_us: int
    expires_us: int
    used_us: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRow:
    """One session of the session protocol: a page in a room, or a wall without one."""

    id: str
    user_id: str | None
    username: str
    login_session_id: str | None
    room_id: str | None
    participant_id: str | None
    slot: str
    resume_hash: str
    address: str
    started_us: int
    ended_us: int | None
    end_reason: str | None


async def put_seat(connection: AsyncConnection, seat: SeatRow) -> None:
    """Insert a seat, or replace the one of the same participant."""
    table = room_seats.c
    query = delete(room_seats).where(table.room_id == seat.room_id, table.participant_id == seat.participant_id)
    await connection.execute(query)
    await connection.execute(insert(room_seats).values(asdict(seat)))


async def seat(connection: AsyncConnection, room_id: str, participant_id: str) -> SeatRow | None:
    """Return a seat."""
    table = room_seats.c
    query = select(room_seats).where(table.room_id == room_id, table.participant_id == participant_id)
    return await first_of(connection, SeatRow, query)


async def seats_of(connection: AsyncConnection, room_id: str) -> tuple[SeatRow, ...]:
    """Return every seat a room ever had, the first first."""
    query = select(room_seats).where(room_seats.c.room_id == room_id)
    return await all_of(connection, SeatRow, query.order_by(room_seats.c.created_us, room_seats.c.participant_id))


async def some_seats(connection: AsyncConnection, places: Iterable[tuple[str, str]]) -> dict[tuple[str, str], SeatRow]:
    """Return the seats at (room, participant)."""
    table = room_seats.c
    query = select(room_seats).where(tuple_(table.room_id, table.participant_id).in_(list(places)))
    return {(row.room_id, row.participant_id): row for row in await all_of(connection, SeatRow, query)}


async def put_out_seat(connection: AsyncConnection, room_id: str, user_id: str) -> str | None:
    """Return the participant as whom the user was last put out of the room by its chair, None when never."""
    table = sessions.c
    query = select(table.participant_id).where(
        table.room_id == room_id, table.user_id == user_id, table.end_reason.in_(("removed", "rejected"))
    )
    row = (await connection.execute(query.order_by(table.ended_us.desc()).limit(1))).first()
    return None if row is None else str(row[0])


async def count_seats(connection: AsyncConnection, room_id: str, user_id: str | None, since_us: int) -> int:
    """Return how many seats of a room were given since then, to the user, or to guests together for None."""
    table = room_seats.c
    query = select(func.count()).select_from(room_seats)
    query = query.where(table.room_id == room_id, table.user_id == user_id, table.created_us >= since_us)
    return int((await connection.execute(query)).scalar_one())


async def add_token(connection: AsyncConnection, token: TokenRow) -> None:
    """Insert a token."""
    await connection.execute(insert(session_tokens).values(asdict(token)))


async def token(connection: AsyncConnection, token_hash: str) -> TokenRow | None:
    """Return a token."""
    query = select(session_tokens).where(session_tokens.c.token_hash == token_hash)
    return await first_of(connection, TokenRow, query)


async def use_token(connection: AsyncConnection, token_hash: str, now_us: int) -> bool:
    """Mark a token used; False when it was used already, also by somebody a moment ago."""
    table = session_tokens.c
    query = update(session_tokens).where(table.token_hash == token_hash, table.used_us.is_(None))
    return (await connection.execute(query.values(used_us=now_us))).rowcount == 1


async def release_token(connection: AsyncConnection, token_hash: str) -> None:
    """Let a token be used after all: what it was spent on never began."""
    query = update(session_tokens).where(session_tokens.c.token_hash == token_hash)
    await connection.execute(query.values(used_us=None))


async def retire_resume(connection: AsyncConnection, session_id: str, resume_hash: str) -> None:
    """Give an ended session another resume hash, so that its own can go on with another session."""
    await connection.execute(update(sessions).where(sessions.c.id == session_id).values(resume_hash=resume_hash))


async def add_session(connection: AsyncConnection, session: SessionRow) -> None:
    """Insert a session."""
    await connection.execute(insert(sessions).values(asdict(session)))


async def session(connection: AsyncConnection, session_id: str) -> SessionRow | None:
    """Return a session."""
    return await first_of(connection, SessionRow, select(sessions).where(sessions.c.id == session_id))


async def session_by_resume(connection: AsyncConnection, resume_hash: str) -> SessionRow | None:
    """Return the session a resume token belongs to."""
    return await first_of(connection, SessionRow, select(sessions).where(sessions.c.resume_hash == resume_hash))


async def change_session(connection: AsyncConnection, session_id: str, values: Mapping[str, Any]) -> bool:
    """Set columns of a session that has not ended; False when it has."""
    query = update(sessions).where(sessions.c.id == session_id, sessions.c.ended_us.is_(None))
    return (await connection.execute(query.values(**values))).rowcount == 1


async def open_sessions(
    connection: AsyncConnection, room_id: str | None = None, participant_id: str | None = None
) -> tuple[SessionRow, ...]:
    """Return the sessions that have not ended: of one seat of a room, of a room, or of all."""
    query = select(sessions).where(sessions.c.ended_us.is_(None))
    if room_id is not None:
        query = query.where(sessions.c.room_id == room_id)
    if participant_id is not None:
        query = query.where(sessions.c.participant_id == participant_id)
    return await all_of(connection, SessionRow, query.order_by(sessions.c.started_us, sessions.c.id))


async def come_to(connection: AsyncConnection, room_id: str) -> tuple[SessionRow, ...]:
    """Return every session a room ever had."""
    return await all_of(connection, SessionRow, select(sessions).where(sessions.c.room_id == room_id))


async def count_open(connection: AsyncConnection, user_id: str) -> int:
    """Return how many sessions of a user are open."""
    table = sessions.c
    query = select(func.count()).select_from(sessions).where(table.ended_us.is_(None), table.user_id == user_id)
    return int((await connection.execute(query)).scalar_one())


async def open_by_slot(connection: AsyncConnection) -> dict[str, int]:
    """Return how many sessions each slot has now."""
    query = select(sessions.c.slot, func.count()).where(sessions.c.ended_us.is_(None)).group_by(sessions.c.slot)
    return {str(row[0]): int(row[1]) for row in await connection.execute(query)}


async def purge(connection: AsyncConnection, token_us: int, session_us: int) -> None:
    """Forget tokens that expired before `token_us` and sessions that ended before `session_us`."""
    await connection.execute(delete(session_tokens).where(session_tokens.c.expires_us < token_us))
    await connection.execute(delete(sessions).where(sessions.c.ended_us < session_us))
