"""Endpoints (meeting rooms, phones, kiosks) and calls."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import delete, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from api.db.rows import Page, all_of, first_of, page_of
from api.db.tables import calls, endpoints

RINGING, TALKING, ENDED = "ringing", "talking", "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointRow:
    """One device that stands somewhere, with the account it is logged in with."""

    id: str
    name: str
    org_id: str | None
    org_path: str
    kind: str
    user_id: str
    auto_answer: bool
    created_us: int
    updated_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRow:
    """One call, from ringing to its end."""

    id: str
    room_id: str
    from_user_id: str
    from_name: str
    to_user_id: str
    to_name: str
    endpoint_id: str | None
    audio_only: bool
    auto_answer: bool
    state: str
    reason: str | None
    created_us: int
    deadline_us: int
    answered_us: int | None
    ended_us: int | None


async def add_endpoint(connection: AsyncConnection, endpoint: EndpointRow) -> None:
    """Insert an endpoint."""
    await connection.execute(insert(endpoints).values(asdict(endpoint)))


async def change_endpoint(connection: AsyncConnection, endpoint_id: str, values: Mapping[str, Any]) -> None:
    """Set columns of an endpoint."""
    await connection.execute(update(endpoints).where(endpoints.c.id == endpoint_id).values(**values))


async def remove_endpoint(connection: AsyncConnection, endpoint_id: str) -> None:
    """Delete an endpoint."""
    await connection.execute(delete(endpoints).where(endpoints.c.id == endpoint_id))


async def endpoint(connection: AsyncConnection, endpoint_id: str) -> EndpointRow | None:
    """Return an endpoint."""
    return await first_of(connection, EndpointRow, select(endpoints).where(endpoints.c.id == endpoint_id))


async def endpoints_page(connection: AsyncConnection, path: str, after: str, limit: int) -> Page[EndpointRow]:
    """Return the endpoints of a subtree by id."""
    query = select(endpoints).where(endpoints.c.id > after, endpoints.c.org_path.like(f"{path}%"))
    rows = await all_of(connection, EndpointRow, query.order_by(endpoints.c.id).limit(limit + 1))
    return page_of(rows, limit, "id")


async def add(connection: AsyncConnection, call: CallRow) -> None:
    """Insert a call."""
    await connection.execute(insert(calls).values(asdict(call)))


async def get(connection: AsyncConnection, call_id: str) -> CallRow | None:
    """Return a call."""
    return await first_of(connection, CallRow, select(calls).where(calls.c.id == call_id))


async def of_room(connection: AsyncConnection, room_id: str) -> CallRow | None:
    """Return the call a room was made for."""
    return await first_of(connection, CallRow, select(calls).where(calls.c.room_id == room_id))


async def open_calls(connection: AsyncConnection, user_id: str | None = None) -> tuple[CallRow, ...]:
    """Return the calls that ring or are talked in, of one user on either side or of everybody."""
    query = select(calls).where(calls.c.state != ENDED)
    if user_id is not None:
        query = query.where(or_(calls.c.from_user_id == user_id, calls.c.to_user_id == user_id))
    return await all_of(connection, CallRow, query.order_by(calls.c.created_us, calls.c.id))


async def move(connection: AsyncConnection, call_id: str, before: tuple[str, ...], values: Mapping[str, Any]) -> bool:
    """Set columns of a call whose state is one of `before`; False when somebody was first."""
    query = update(calls).where(calls.c.id == call_id, calls.c.state.in_(before))
    return (await connection.execute(query.values(**values))).rowcount == 1


async def page(connection: AsyncConnection, user_id: str, before: str, limit: int) -> Page[CallRow]:
    """Return the calls of a user, the newest first (ids begin with the time)."""
    query = select(calls).where(or_(calls.c.from_user_id == user_id, calls.c.to_user_id == user_id))
    if before:
        query = query.where(calls.c.id < before)
    rows = await all_of(connection, CallRow, query.order_by(calls.c.id.desc()).limit(limit + 1))
    return page_of(rows, limit, "id")
