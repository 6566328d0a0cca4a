"""One way in, and clear words when it is shut."""

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import text

from api.db.engine import Database, normal_url
from media.base.errors import ErrorKind, HubError


@pytest.mark.parametrize(
    ("given", "driver"),
    [
        ("sqlite:///x.db", "sqlite+aiosqlite"),
        ("postgres://u@h/d", "postgresql+asyncpg"),
        ("postgresql+psycopg2://u@h/d", "postgresql+asyncpg"),
    ],
)
def test_the_driver_is_ours(given: str, driver: str) -> None:
    assert normal_url(given).drivername == driver


@pytest.mark.parametrize("given", ["", "mysql://u@h/d", "nonsense"])
def test_other_databases_are_refused(given: str) -> None:
    with pytest.raises(HubError) as caught:
        normal_url(given)
    assert caught.value.code == "database_url"


async def test_a_database_that_is_away_is_unavailable(tmp_path: Path) -> None:
    for url in (f"sqlite:///{tmp_path}/no/such/folder/x.db", f"postgresql://u@/d?host={tmp_path}&port=1"):
        db = Database(url)
        with pytest.raises(HubError) as caught:
            await db.ping()
        assert (caught.value.kind, caught.value.code) == (ErrorKind.UNAVAILABLE, "database_unavailable")
        await db.aclose()


async def test_writers_wait_for_each_other_and_readers_do_not(tmp_path: Path) -> None:
    db = Database(f"sqlite:///{tmp_path}/x.db")
    async with db.write() as connection:
        await connection.execute(text("CREATE TABLE n (v INTEGER NOT NULL)"))
        await connection.execute(text("INSERT INTO n VALUES (0)"))

    async def count_up() -> None:
        async with db.write() as connection:
            value = (await connection.execute(text("SELECT v FROM n"))).scalar_one()
            await asyncio.sleep(0)
            await connection.execute(text("UPDATE n SET v = :v"), {"v": value + 1})

    async with db.write() as connection:
        await connection.execute(text("UPDATE n SET v = 100"))
        async with db.read() as other:
            assert (await other.execute(text("SELECT v FROM n"))).scalar_one() == 0
    await asyncio.gather(*(count_up() for _ in range(20)))
    async with db.read() as connection:
        assert (await connection.execute(text("SELECT v FROM n"))).scalar_one() == 120
    await db.aclose()
