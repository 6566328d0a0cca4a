"""Log-in sessions, their refresh tokens (hashes only), and failed log-ins per account and address."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from api.db.rows import all_of, first_of
from api.db.tables import login_failures, login_sessions, refresh_tokens, users


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginSessionRow:
    """One log-in of one user on one device."""

    id: str
    user_id: str
    address: str
    user_agent: str
    created_us: int
    expires_us: int
    revoked_us: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshRow:
    """A refresh token joined with its session."""

    token_hash: str
    session_id: str
    user_id: str
    expires_us: int
    used_us: int | None
    session_expires_us: int
    revoked_us: int | None


@dataclass(frozen=True, slots=True)
class FailureRow:
    """Failed log-ins of one account from one address."""

    failures: int
    last_us: int
    locked_until_us: int


async def add_session(connection: AsyncConnection, values: Mapping[str, Any]) -> None:
    """Insert a log-in session."""
    await connection.execute(insert(login_sessions).values(**values))


async def get_sessions(connection: AsyncConnection, session_ids: Iterable[str]) -> dict[str, LoginSessionRow]:
    """Return those of the log-in sessions that exist."""
    query = select(login_sessions).where(login_sessions.c.id.in_(list(session_ids)))
    return {row.id: row for row in await all_of(connection, LoginSessionRow, query)}


async def revoke_session(connection: AsyncConnection, session_id: str, now_us: int) -> None:
    """End one log-in."""
    query = update(login_sessions).where(login_sessions.c.id == session_id, login_sessions.c.revoked_us.is_(None))
    await connection.execute(query.values(revoked_us=now_us))


async def revoke_user(connection: AsyncConnection, user_id: str, now_us: int, *, but: str = "") -> None:
    """End every log-in of a user, except the session `but`."""
    table = login_sessions.c
    query = update(login_sessions).where(table.user_id == user_id, table.revoked_us.is_(None), table.id != but)
    await connection.execute(query.values(revoked_us=now_us))


async def add_refresh(connection: AsyncConnection, values: Mapping[str, Any]) -> None:
    """Insert a refresh token."""
    await connection.execute(insert(refresh_tokens).values(**values))


async def get_refresh(connection: AsyncConnection, token_hash: str) -> RefreshRow | None:
    """Return a refresh token with its session."""
    query = (
        select(
            refresh_tokens.c.token_hash, refresh_tokens.c.session_id, refresh_tokens.c.expires_us, refresh_tokens.c.used_us,
            login_sessions.c.user_id, login_sessions.c.expires_us.label("session_expires_us"), login_sessions.c.revoked_us,
        )
        .join(login_sessions, login_sessions.c.id == refresh_tokens.c.session_id)
        .where(refresh_tokens.c.token_hash == token_hash)
    )  # fmt: skip
    return await first_of(connection, RefreshRow, query)


async def use_refresh(connection: AsyncConnection, token_hash: str, now_us: int) -> bool:
    """Mark a token used; False when it was used already, also by somebody a moment ago."""
    query = update(refresh_tokens).where(refresh_tokens.c.token_hash == token_hash, refresh_tokens.c.used_us.is_(None))
    return (await connection.execute(query.values(used_us=now_us))).rowcount == 1


async def get_failures(connection: AsyncConnection, username: str, address: str) -> FailureRow | None:
    """Return the failures of an account from an address."""
    table = login_failures.c
    query = select(table.failures, table.last_us, table.locked_until_us)
    return await first_of(connection, FailureRow, query.where(table.username == username, table.address == address))


async def put_failures(connection: AsyncConnection, username: str, address: str, row: FailureRow) -> None:
    """Store the failures of an account from an address."""
    await clear_failures(connection, username, address)
    await connection.execute(
        insert(login_failures).values(
            username=username, address=address, failures=row.failures, last_us=row.last_us,
            locked_until_us=row.locked_until_us,
        )
    )  # fmt: skip


async def total_failures(connection: AsyncConnection, username: str, since_us: int) -> int:
    """Return the recent failures of an account from all addresses together."""
    table = login_failures.c
    query = select(func.coalesce(func.sum(table.failures), 0)).where(
        table.username == username, table.last_us >= since_us
    )
    return int((await connection.execute(query)).scalar_one())


async def has_come_from(connection: AsyncConnection, username: str, address: str) -> bool:
    """Tell whether the user has logged in from the address before, as far back as log-ins are kept."""
    query = select(login_sessions.c.id).join(users, users.c.id == login_sessions.c.user_id)
    query = query.where(users.c.username == username, login_sessions.c.address == address).limit(1)
    return (await connection.execute(query)).first() is not None


async def clear_failures(connection: AsyncConnection, username: str, address: str) -> None:
    """Forget the failures of an account from an address."""
    table = login_failures.c
    await connection.execute(delete(login_failures).where(table.username == username, table.address == address))


async def purge(connection: AsyncConnection, before_us: int) -> None:
    """Forget failures and log-ins that ended before `before_us`; the audit log remembers what matters."""
    await connection.execute(delete(login_failures).where(login_failures.c.last_us < before_us))
    await connection.execute(delete(login_sessions).where(login_sessions.c.expires_us < before_us))
    await connection.execute(delete(refresh_tokens).where(refresh_tokens.c.expires_us < before_us))
