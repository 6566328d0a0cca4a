"""A backup is whole or refused, and comes back as it was."""

import asyncio
import io
import json
import tarfile
from pathlib import Path

import pytest

from api.db.engine import Database
from api.db.migrate import revision_of, upgrade
from api.operations.backup import MANIFEST, read_backup, write_backup
from api.processes.home import DataDirLock, prepare
from api.settings import Settings, load_settings
from media.base.clock import SimulatedClock
from media.base.errors import HubError


def settings(path: Path) -> Settings:
    return load_settings({"data_dir": path}, {}, path.parent)


@pytest.fixture
def source(tmp_path: Path) -> Settings:
    return prepare(settings(tmp_path / "a"))


async def migrate(wanted: Settings) -> None:
    db = Database(wanted.sqlalchemy_url)
    await upgrade(db)
    await db.aclose()


@pytest.fixture
def archive(source: Settings, tmp_path: Path) -> Path:
    asyncio.run(migrate(source))
    write_backup(source, tmp_path / "b.tgz", SimulatedClock())
    return tmp_path / "b.tgz"


def rewritten(archive: Path, change) -> Path:
    """Return a copy of the archive whose members went through `change(name, content)`."""
    target = archive.with_name("changed.tgz")
    with tarfile.open(archive) as old, tarfile.open(target, "w:gz") as new:
        for member in old.getmembers():
            name, content = change(member.name, old.extractfile(member).read())
            info = tarfile.TarInfo(name)
            info.size = len(content)
            new.addfile(info, io.BytesIO(content))
    return target


def test_a_backup_comes_back_in_another_place(source: Settings, archive: Path, tmp_path: Path) -> None:
    assert archive.stat().st_mode & 0o777 == 0o600
    target = settings(tmp_path / "c")
    report = read_backup(target, archive)
    assert report.has_database
    assert prepare(target).secret == source.secret
    assert (target.data_dir / "secret.key").stat().st_mode & 0o777 == 0o600


async def revision(wanted: Settings) -> str | None:
    db = Database(wanted.sqlalchemy_url)
    try:
        return await revision_of(db)
    finally:
        await db.aclose()


def test_the_database_in_it_is_a_whole_one(source: Settings, archive: Path, tmp_path: Path) -> None:
    target = settings(tmp_path / "c")
    read_backup(target, archive)
    assert asyncio.run(revision(target)) == asyncio.run(revision(source)) is not None


def test_what_is_there_is_replaced_only_by_force(source: Settings, archive: Path) -> None:
    with pytest.raises(HubError, match="--force"):
        read_backup(source, archive)
    (source.data_dir / "secret.key").write_text("another secret, twenty chars")
    read_backup(source, archive, is_forced=True)
    assert "another" not in (source.data_dir / "secret.key").read_text()


def test_a_running_hub_is_not_restored_over(source: Settings, archive: Path) -> None:
    with DataDirLock.take(source.data_dir), pytest.raises(HubError, match="another xiangyun runs"):
        read_backup(source, archive, is_forced=True)


def test_an_existing_file_is_not_overwritten(source: Settings, archive: Path) -> None:
    with pytest.raises(HubError, match="exists"):
        write_backup(source, archive, SimulatedClock())


def test_a_damaged_member_changes_nothing(archive: Path, tmp_path: Path) -> None:
    damaged = rewritten(
        archive, lambda name, data: (name, bytes([data[0] ^ 1]) + data[1:] if name == "secret.key" else data)
    )
    target = settings(tmp_path / "c")
    with pytest.raises(HubError, match="damaged"):
        read_backup(target, damaged)
    assert not (target.data_dir / "secret.key").exists()


@pytest.mark.parametrize("name", ["../outside", "/etc/passwd", "run/x", "xiangyun.db-wal"])
def test_a_member_that_is_none_of_ours_is_refused(archive: Path, tmp_path: Path, name: str) -> None:
    def change(member: str, data: bytes) -> tuple[str, bytes]:
        if member == MANIFEST:
            manifest = json.loads(data)
            manifest["sha256"][name] = "0" * 64
            return member, json.dumps(manifest).encode()
        return member, data

    with pytest.raises(HubError, match="unknown members"):
        read_backup(settings(tmp_path / "c"), rewritten(archive, change))


@pytest.mark.parametrize("content", [b"", b"not a tar", b"\x1f\x8b" + b"\0" * 100])
def test_garbage_is_no_backup(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "g.tgz").write_bytes(content)
    with pytest.raises(HubError, match="not a backup"):
        read_backup(settings(tmp_path / "c"), tmp_path / "g.tgz")


def test_a_truncated_backup_is_refused(archive: Path, tmp_path: Path) -> None:
    archive.write_bytes(archive.read_bytes()[:-200])
    with pytest.raises(HubError, match="not a backup"):
        read_backup(settings(tmp_path / "c"), archive)
