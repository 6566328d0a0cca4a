"""Opening an index: creating it, checking its version, setting its pragmas.

Called by the writer thread of a volume, by the replay process (read only) and by `check`. The schema version is
SQLite's `user_version`. Refuses a newer version than it knows: an older program must not write a newer volume.
"""

import sqlite3
from importlib import resources
from pathlib import Path

from media.base.errors import ErrorKind, HubError

SCHEMA_VERSION = 1
INDEX_NAME = "index.sqlite3"


def schema() -> str:
    """Return the text of schema.sql."""
    return resources.files("recorder.index").joinpath("schema.sql").read_text(encoding="utf-8")


def schema_objects() -> set[str]:
    """Return the schema as SQLite would remember it, white space folded; compare with IndexQueries.schema_objects."""
    db = sqlite3.connect(":memory:")
    try:
        db.executescript(schema())
        return {
            " ".join(str(row[0]).split()) for row in db.execute("select sql from sqlite_schema where sql is not null")
        }
    finally:
        db.close()


def open_writable(path: Path) -> sqlite3.Connection:
    """Open the index at `path` for its one writer, creating it when absent. HubError DATA_LOSS when it is damaged."""
    try:
        db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        db.execute("pragma journal_mode=wal")
        db.execute("pragma synchronous=normal")
        db.execute("pragma foreign_keys=on")
        db.execute("pragma journal_size_limit=16777216")
        _migrate(db)
    except sqlite3.Error as exc:
        raise HubError(ErrorKind.DATA_LOSS, "index cannot be opened", code="index_damaged", path=path.name) from exc
    return db


def open_readable(path: Path) -> sqlite3.Connection:
    """Open the index at `path` for reading; may be used by several threads one at a time. HubError UNAVAILABLE."""
    if not path.exists():
        raise HubError(ErrorKind.UNAVAILABLE, "volume has no index", code="volume_unavailable", path=path.name)
    try:
        db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=2.0)
        db.execute("pragma query_only=on")
        _check_version(_version(db))
    except sqlite3.Error as exc:
        raise HubError(ErrorKind.UNAVAILABLE, "index cannot be read", code="index_damaged", path=path.name) from exc
    return db


def _version(db: sqlite3.Connection) -> int:
    return int(db.execute("pragma user_version").fetchone()[0])


def _check_version(version: int) -> None:
    if version != SCHEMA_VERSION:
        raise HubError(ErrorKind.CONFLICT, "index has another version", code="index_version", version=version)


def _migrate(db: sqlite3.Connection) -> None:
    version = _version(db)
    if version == 0:
        db.executescript(f"begin;\n{schema()}\npragma user_version={SCHEMA_VERSION};\ncommit;")
        return
    _check_version(version)
