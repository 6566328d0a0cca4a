"""The database: one engine, short transactions, foreign exceptions translated.

SQLite (WAL, foreign keys, one writer at a time) or PostgreSQL behind the same calls. `read` and `write` are the only
ways in; a write begins `IMMEDIATE` on SQLite so that it never fails half-way for a lock. Runs on the event loop;
refuses to hold a transaction over anything but SQL, which its callers keep to.
"""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext
from typing import Any

from sqlalchemy import event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.engine import Connection as SyncConnection
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from media.base.errors import ErrorKind, HubError

Connection = AsyncConnection
"""A connection inside a transaction, under a name that the services may know."""

_DRIVERS = {
    "sqlite": "sqlite+aiosqlite",
    "postgres": "postgresql+asyncpg",
    "postgresql": "postgresql+asyncpg",
}
BUSY_TIMEOUT_MS = 10_000
POOL_SIZE = 10
POOL_TIMEOUT_S = 5.0
CONNECT_TIMEOUT_S = 3.0
ACQUIRE_TIMEOUT_S = 5.0
"""A pooled connection is pinged before use: to a server that stands still this would last as long as a command."""
COMMAND_TIMEOUT_S = 5.0
CLOSE_TIMEOUT_S = 1.0


def normal_url(text_url: str) -> URL:
    """Return the URL with the driver we use; HubError INVALID for a database we do not know."""
    try:
        url = make_url(text_url)
    except SQLAlchemyError as error:
        raise HubError(ErrorKind.INVALID, "DATABASE_URL is not a URL", code="database_url") from error
    name = url.drivername.partition("+")[0]
    if name not in _DRIVERS:
        raise HubError(ErrorKind.INVALID, "the database must be SQLite or PostgreSQL", code="database_url")
    return url.set(drivername=_DRIVERS[name])


class Database:
    """Gives connections with a transaction around them."""

    def __init__(self, url: str) -> None:
        """Prepare for `url` (`sqlite:///path` or `postgresql://…`); connects at the first use."""
        self.url = normal_url(url)
        self.is_sqlite = self.url.drivername.startswith("sqlite")
        options: dict[str, Any] = {"pool_size": POOL_SIZE, "max_overflow": 5, "pool_timeout": POOL_TIMEOUT_S}
        if not self.is_sqlite:
            limits = {"timeout": CONNECT_TIMEOUT_S, "command_timeout": COMMAND_TIMEOUT_S}
            options |= {"pool_pre_ping": True, "connect_args": limits}
        self.engine = create_async_engine(self.url, **options)
        self._writer = asyncio.Lock() if self.is_sqlite else None
        if self.is_sqlite:
            event.listen(self.engine.sync_engine, "connect", _set_up_sqlite)
            event.listen(self.engine.sync_engine, "begin", _begin_sqlite)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """Give a connection for reading one consistent picture."""
        async with self._translated(), self._connection() as connection:
            yield connection

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """Give a connection whose changes are committed together at the end, or not at all."""
        async with self._translated(), self._writer or nullcontext(), self._connection() as plain:
            connection = await plain.execution_options(is_write=True)
            async with connection.begin():
                yield connection

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[AsyncConnection]:
        async with AsyncExitStack() as stack:
            async with asyncio.timeout(ACQUIRE_TIMEOUT_S):
                connection = await stack.enter_async_context(self.engine.connect())
            yield connection

    @asynccontextmanager
    async def _translated(self) -> AsyncIterator[None]:
        try:
            yield
        except IntegrityError as error:
            raise HubError(ErrorKind.CONFLICT, "the change contradicts what is stored", code="conflict") from error
        except DataError as error:
            raise HubError(ErrorKind.INVALID, "a value does not fit", code="invalid_value") from error
        except (DBAPIError, OSError, TimeoutError, SQLAlchemyError) as error:
            raise HubError(
                ErrorKind.UNAVAILABLE,
                "the database cannot be reached",
                code="database_unavailable",
                cause=type(error).__name__,
            ) from error

    async def ping(self) -> None:
        """Return when the database answers; HubError UNAVAILABLE otherwise."""
        async with self.read() as connection:
            await connection.execute(text("SELECT 1"))

    async def aclose(self) -> None:
        """Close every connection, and wait for the driver's threads: one still busy would speak to a closed loop."""
        await self.engine.dispose()
        if self.is_sqlite:
            await asyncio.to_thread(_join_driver_threads, CLOSE_TIMEOUT_S)


def _join_driver_threads(timeout_s: float) -> None:
    """Wait for the threads of aiosqlite, one per connection; a cancelled query may keep one for a moment."""
    for thread in threading.enumerate():
        if "_connection_worker_thread" in thread.name:
            thread.join(timeout_s)


def _set_up_sqlite(connection: Any, _record: object) -> None:
    """Leave transactions to us (the driver would begin them late) and set what SQLite forgets per connection."""
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "foreign_keys=ON", "synchronous=FULL", f"busy_timeout={BUSY_TIMEOUT_MS}"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: SyncConnection) -> None:
    is_write = connection.get_execution_options().get("is_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if is_write else "BEGIN")
