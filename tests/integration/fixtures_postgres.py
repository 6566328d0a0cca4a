"""A throw-away PostgreSQL: its own cluster in a temporary folder, on a unix socket, stopped by its process id."""

import asyncio
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from api.db.engine import Database
from api.db.migrate import upgrade

__all__ = ["Cluster", "database_url", "postgres_cluster"]

TEMPLATE = "empty_hub"


def binaries() -> Path | None:
    """Return the folder of the newest Debian PostgreSQL, or None."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return found[-1].parent if found else None


@dataclass
class Cluster:
    """A running cluster; only a local user may connect, by the socket in `folder`."""

    folder: Path
    process: subprocess.Popen[bytes]
    port: int = 5432
    made: int = 0

    def url(self, name: str) -> str:
        return f"postgresql://postgres@/{name}?host={self.folder}&port={self.port}"

    def run(self, sql: str) -> None:
        command = ["psql", "-h", self.folder, "-p", str(self.port), "-U", "postgres", "-d", "postgres", "-qc", sql]
        subprocess.run([str(part) for part in command], check=True, capture_output=True)

    def fresh(self) -> str:
        """Return the URL of a new migrated, empty database."""
        self.made += 1
        name = f"hub_{self.made}"
        self.run(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
        return self.url(name)

    def drop(self, url: str) -> None:
        self.run(f"DROP DATABASE IF EXISTS {url.partition('@/')[2].partition('?')[0]} WITH (FORCE)")


def _as_postgres() -> dict[str, object]:
    """PostgreSQL refuses to run as root: become its own user then."""
    if os.getuid() != 0:
        return {}
    user = pwd.getpwnam("postgres")
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def _start(folder: Path) -> Cluster:
    tools = binaries()
    assert tools is not None
    data = folder / "data"
    options: dict[str, object] = {**_as_postgres(), "cwd": folder}
    command = [tools / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"]
    subprocess.run([str(part) for part in command], check=True, capture_output=True, **options)  # type: ignore[call-overload]
    settings = {"listen_addresses": "", "unix_socket_directories": folder, "fsync": "off", "max_connections": 60}
    arguments = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
    process = subprocess.Popen(  # type: ignore[call-overload]
        [str(tools / "postgres"), "-D", str(data), *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        **options,
    )
    return Cluster(folder, process)


def _wait(cluster: Cluster) -> None:
    deadline_s = time.monotonic() + 30
    while True:
        try:
            cluster.run("SELECT 1")
        except subprocess.CalledProcessError:
            assert time.monotonic() < deadline_s, "PostgreSQL did not start"
            time.sleep(0.1)
        else:
            return


async def _migrate(url: str) -> None:
    db = Database(url)
    await upgrade(db)
    await db.aclose()


@pytest.fixture(scope="session")
def postgres_cluster() -> Iterator[Cluster]:
    """A cluster for the whole session, with a migrated template."""
    if binaries() is None:
        pytest.skip("PostgreSQL is not installed (apt-get install postgresql)")
    folder = Path(tempfile.mkdtemp(prefix="xy-pg-", dir="/tmp"))
    if os.getuid() == 0:
        shutil.chown(folder, "postgres")
    cluster = _start(folder)
    try:
        _wait(cluster)
        cluster.run(f"CREATE DATABASE {TEMPLATE}")
        asyncio.run(_migrate(cluster.url(TEMPLATE)))
        yield cluster
    finally:
        os.kill(cluster.process.pid, signal.SIGINT)  # the "fast" shutdown of PostgreSQL
        try:
            cluster.process.wait(10)
        except subprocess.TimeoutExpired:
            cluster.process.kill()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def database_url(postgres_cluster: Cluster) -> Iterator[str]:
    """A fresh database of this test's own, on PostgreSQL."""
    url = postgres_cluster.fresh()
    yield url
    postgres_cluster.drop(url)
