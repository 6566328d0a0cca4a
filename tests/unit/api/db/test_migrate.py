"""Migrations make exactly the tables the program knows."""

from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text

from api.db.engine import Database
from api.db.migrate import newest_revision, revision_of, upgrade
from api.db.tables import metadata
from media.base.errors import HubError


async def test_the_migrated_database_is_the_one_the_program_knows(database_url: str) -> None:
    db = Database(database_url)
    assert await revision_of(db) == newest_revision()

    def differences(connection: Any) -> list[Any]:
        return list(compare_metadata(MigrationContext.configure(connection), metadata))

    async with db.read() as connection:
        assert await connection.run_sync(differences) == []
    await db.aclose()


async def test_migrating_twice_changes_nothing(database_url: str) -> None:
    db = Database(database_url)
    assert await upgrade(db) == newest_revision()
    await db.aclose()


async def test_a_database_of_a_newer_program_is_left_alone(database_url: str) -> None:
    db = Database(database_url)
    async with db.write() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(HubError) as caught:
        await upgrade(db)
    assert caught.value.code == "database_newer"
    await db.aclose()
