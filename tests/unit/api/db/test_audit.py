"""The audit log refuses to be rewritten, by the database itself, and shows when it was."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text

from api.db import audit
from api.db.audit import AuditEntry, AuditFilter
from api.db.engine import Database
from media.base.errors import HubError


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url)
    yield database
    await database.aclose()


def entry(number: int, **more: str) -> AuditEntry:
    return AuditEntry(
        at_us=1_000_000 + number, user_id="u", username="王", address="10.0.0.1", action=more.get("action", "camera.create"),
        target_kind="camera", target_id=f"c{number}", org_path=more.get("org_path", "/a/"), details={"名": "值", "n": number},
    )  # fmt: skip


async def write(db: Database, *entries: AuditEntry) -> None:
    async with db.write() as connection:
        await audit.append(connection, *entries)


async def test_rows_are_numbered_and_chained(db: Database) -> None:
    await write(db, entry(1), entry(2))
    await write(db, entry(3))
    async with db.read() as connection:
        rows = (await audit.page(connection, AuditFilter(), None, 10)).items
        assert await audit.first_broken(connection) is None
    assert [row.seq for row in rows] == [3, 2, 1]
    assert rows[2].prev_hash == audit.GENESIS
    assert rows[0].prev_hash == rows[1].hash


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_log SET username = 'nobody' WHERE seq = 1",
        "DELETE FROM audit_log WHERE seq = 1",
        "DELETE FROM audit_log",
        "UPDATE audit_log SET hash = 'x'",
    ],
)
async def test_the_database_refuses_to_rewrite_it(db: Database, statement: str) -> None:
    await write(db, entry(1), entry(2))
    with pytest.raises(HubError) as caught:
        async with db.write() as connection:
            await connection.execute(text(statement))
    assert caught.value.code == "conflict"
    async with db.read() as connection:
        assert len((await audit.page(connection, AuditFilter(), None, 10)).items) == 2


async def test_nothing_slips_in_unseen_even_where_no_trigger_looks(db: Database) -> None:
    await write(db, entry(1), entry(2))
    guards = ("no_update", "no_delete", "in_order") if db.is_sqlite else ("no_change", "no_truncate")
    async with db.write() as connection:
        for name in guards:
            on = "" if db.is_sqlite else " ON audit_log"
            await connection.execute(text(f"DROP TRIGGER audit_log_{name}{on}"))
        await connection.execute(text("UPDATE audit_log SET username = 'nobody' WHERE seq = 1"))
    async with db.read() as connection:
        assert await audit.first_broken(connection) == 1
    async with db.write() as connection:
        await connection.execute(text("DELETE FROM audit_log WHERE seq = 1"))
    async with db.read() as connection:
        assert await audit.first_broken(connection) == 1


async def test_writers_at_the_same_moment_make_one_chain(db: Database) -> None:
    await asyncio.gather(*(write(db, entry(number)) for number in range(20)))
    async with db.read() as connection:
        assert await audit.first_broken(connection) is None
        assert (await audit.page(connection, AuditFilter(), None, 100)).items[0].seq == 20


async def test_a_failed_change_leaves_no_row(db: Database) -> None:
    async def half_a_change() -> None:
        async with db.write() as connection:
            await audit.append(connection, entry(1))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await half_a_change()
    async with db.read() as connection:
        assert (await audit.page(connection, AuditFilter(), None, 10)).items == ()


async def test_pages_and_filters(db: Database) -> None:
    await write(db, *(entry(number, action=f"view.{'start' if number % 2 else 'end'}") for number in range(6)))
    await write(db, entry(9, org_path="/b/"))
    async with db.read() as connection:
        page = await audit.page(connection, AuditFilter(path="/a/", action="view"), None, 4)
        assert [row.seq for row in page.items] == [6, 5, 4, 3]
        assert page.next_key == "3"
        rest = await audit.page(connection, AuditFilter(path="/a/", action="view"), 3, 4)
        assert ([row.seq for row in rest.items], rest.next_key) == ([2, 1], None)
        assert len((await audit.page(connection, AuditFilter(action="view.start"), None, 10)).items) == 3
        one = await audit.page(connection, AuditFilter(target_id="c9", start_us=1_000_009, end_us=1_000_010), None, 10)
        assert [row.target_id for row in one.items] == ["c9"]
