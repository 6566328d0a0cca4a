"""`xiangyun backup` and `restore`: what cannot be made anew — accounts, cameras, audit, keys — in one file.

Called by the command line. A backup is a tar.gz (mode 0600, it holds the secret key) with a manifest of SHA-256
sums. The SQLite database is copied consistently while the hub runs; a PostgreSQL database has its own tools and is
left out, which the manifest says. Footage stays on its volumes, which carry their own index.
"""

import asyncio
import hashlib
import io
import json
import os
import shutil
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from api.db.engine import Database
from api.processes.home import DataDirLock
from api.settings import Settings
from media.base.clock import Clock, rfc3339
from media.base.errors import ErrorKind, HubError

MANIFEST = "manifest.json"
FORMAT = 1
MEMBER_LIMIT_BYTES = 8 << 30
KEPT = ("secret.key", "demo.json", "tls/ca.key", "tls/ca.crt", "tls/server.key", "tls/server.crt")
DATABASE = "xiangyun.db"


def _error(message: str) -> HubError:
    return HubError(ErrorKind.INVALID, message, code="backup")


@dataclass(frozen=True, slots=True)
class BackupReport:
    """What went into, or came out of, a backup."""

    files: tuple[str, ...]
    has_database: bool


def write_backup(settings: Settings, target: Path, clock: Clock) -> BackupReport:
    """Write the backup to `target`, whole or not at all; HubError INVALID when there is nothing, or it exists."""
    if target.exists():
        raise _error(f"{target} exists; choose another name")
    if not settings.data_dir.is_dir():
        raise _error(f"there is no data directory {settings.data_dir}")
    with tempfile.TemporaryDirectory(prefix=".backup-", dir=settings.data_dir) as staging:
        members = {name: settings.data_dir / name for name in KEPT if (settings.data_dir / name).is_file()}
        has_database = settings.database_url is None and (settings.data_dir / DATABASE).is_file()
        if has_database:
            members[DATABASE] = Path(staging) / DATABASE
            asyncio.run(_copy_database(settings.sqlalchemy_url, members[DATABASE]))
        manifest = {
            "format": FORMAT,
            "made_at": rfc3339(clock.wall_us()),
            "node": settings.node,
            "has_database": has_database,
            "sha256": {name: _sha256(path) for name, path in members.items()},
        }
        _write_archive(target, members, manifest)
    return BackupReport(tuple(members), has_database)


async def _copy_database(url: str, target: Path) -> None:
    """Copy the SQLite database as it is at one moment, beside its writers."""
    db = Database(url)
    try:
        async with db.engine.connect() as connection:
            raw: Any = (await connection.get_raw_connection()).driver_connection
            await raw.execute("VACUUM INTO ?", (str(target),))  # beside SQLAlchemy, which would begin a transaction
    finally:
        await db.aclose()


def _write_archive(target: Path, members: dict[str, Path], manifest: dict[str, Any]) -> None:
    fresh = target.with_name(target.name + ".part")
    try:
        with (
            os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as raw,
            tarfile.open(fileobj=raw, mode="w:gz", compresslevel=6) as archive,
        ):
            text = json.dumps(manifest, ensure_ascii=False, indent=1).encode()
            head = tarfile.TarInfo(MANIFEST)
            head.size, head.mode = len(text), 0o600
            archive.addfile(head, io.BytesIO(text))
            for name, path in members.items():
                archive.add(path, name, recursive=False)
        fresh.replace(target)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        raise _error(f"cannot write {target}: {error.strerror}") from error


def read_backup(settings: Settings, source: Path, *, is_forced: bool = False) -> BackupReport:
    """Put a backup into the data directory. HubError when it is damaged, the hub runs, or something is there already.

    Everything is unpacked and checked beside the directory before the first file is replaced.
    """
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (
        DataDirLock.take(settings.data_dir, wait_s=1.0),
        tempfile.TemporaryDirectory(prefix=".restore-", dir=settings.data_dir) as staging,
    ):
        report = _unpack(source, Path(staging))
        there = [name for name in report.files if (settings.data_dir / name).exists()]
        if there and not is_forced:
            raise _error(f"{settings.data_dir} holds {', '.join(there)} already; --force replaces them")
        if report.has_database:
            for suffix in ("-wal", "-shm"):
                (settings.data_dir / (DATABASE + suffix)).unlink(missing_ok=True)
        for name in report.files:
            place = settings.data_dir / name
            place.parent.mkdir(mode=0o700, exist_ok=True)
            (Path(staging) / name).replace(place)
        shutil.rmtree(settings.data_dir / "valkey", ignore_errors=True)  # a projection of what was replaced
    return report


def _unpack(source: Path, staging: Path) -> BackupReport:
    try:
        with tarfile.open(source, "r:gz") as archive:
            manifest = _manifest(archive)
            sums: dict[str, str] = manifest["sha256"]
            for name, expected in sums.items():
                _extract(archive, name, staging / name)
                if _sha256(staging / name) != expected:
                    raise _error(f"{source}: {name} is damaged")
    except (OSError, EOFError, tarfile.TarError, KeyError, ValueError) as error:
        raise _error(f"{source} is not a backup of ours, or it is damaged ({error})") from error
    return BackupReport(tuple(sums), bool(manifest.get("has_database")))


def _manifest(archive: tarfile.TarFile) -> dict[str, Any]:
    file = archive.extractfile(MANIFEST)
    value = json.loads(file.read(1 << 20)) if file else None
    if not isinstance(value, dict) or value.get("format") != FORMAT or not isinstance(value.get("sha256"), dict):
        raise ValueError("no manifest of a format this version knows")
    unknown = set(value["sha256"]) - {*KEPT, DATABASE}
    if unknown:
        raise ValueError(f"unknown members {', '.join(sorted(unknown))}")
    return value


def _extract(archive: tarfile.TarFile, name: str, target: Path) -> None:
    """Write one regular member; names were checked against our own list, so no path leads anywhere else."""
    member = archive.getmember(name)
    file = archive.extractfile(member)
    if file is None or not member.isreg() or member.size > MEMBER_LIMIT_BYTES:
        raise ValueError(f"{name} is not a plain file")
    target.parent.mkdir(mode=0o700, exist_ok=True)
    with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        shutil.copyfileobj(file, out, 1 << 20)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
