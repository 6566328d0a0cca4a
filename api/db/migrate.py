"""Bring the database to the present shape, forward only.

Called by `xiangyun migrate`, at the start of `xiangyun run`, and by tests. One transaction: a step that fails leaves
the database as it was. Refuses a database written by a newer version.
"""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy.engine import Connection

from api.db.engine import Database
from media.base.errors import ErrorKind, HubError


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    return config


def newest_revision() -> str:
    """Return the revision this program was written for."""
    return str(ScriptDirectory.from_config(_config()).get_current_head())


async def revision_of(db: Database) -> str | None:
    """Return the revision the database is at, None for an empty one."""
    async with db.read() as connection:
        return await connection.run_sync(lambda plain: MigrationContext.configure(plain).get_current_revision())


async def upgrade(db: Database) -> str:
    """Run every missing step and return the revision reached; HubError CONFLICT for a database of a newer program."""
    async with db.write() as connection:
        await connection.run_sync(_upgrade)
    return newest_revision()


def _upgrade(connection: Connection) -> None:
    config = _config()
    config.attributes["connection"] = connection
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7260311)")
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise HubError(
            ErrorKind.CONFLICT, "the database was written by a newer version", code="database_newer", cause=str(error)
        ) from error
