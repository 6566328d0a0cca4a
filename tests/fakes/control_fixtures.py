"""Fixtures of the control plane; a module that overrides `database_url` runs the same tests on another database."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from api.db.engine import Database
from api.db.migrate import upgrade
from tests.fakes.control import Person, Plane, control_plane

__all__ = ["admin", "database_url", "migrated_sqlite", "plane"]


async def migrate(url: str) -> None:
    db = Database(url)
    await upgrade(db)
    await db.aclose()


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated, empty database to copy."""
    path = tmp_path_factory.mktemp("db") / "empty.db"
    asyncio.run(migrate(f"sqlite:///{path}"))
    return path


@pytest.fixture
def database_url(migrated_sqlite: Path, tmp_path: Path) -> Iterator[str]:
    """A fresh database of this test's own, in memory where the system has such a folder: fsync is not under test."""
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else tmp_path) as folder:
        path = Path(folder) / "hub.db"
        shutil.copy(migrated_sqlite, path)
        yield f"sqlite:///{path}"


@pytest.fixture
async def plane(database_url: str) -> AsyncIterator[Plane]:
    """A running control plane."""
    async with control_plane(database_url) as running:
        yield running


@pytest.fixture
async def admin(plane: Plane) -> Person:
    """The administrator of a county just set up."""
    return await plane.set_up()
