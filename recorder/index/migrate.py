"""Opening an index: creating it, bringing its schema up to date, setting its pragmas.

Called by the writer thread of a volume, by the replay process (read only) and by `check`. The schema version is
SQLite's `user_version`. An index whose tables are those of today gets today's indexes; one with other tables is
`index_outdated`, and the writer builds it anew from the files. Refuses a newer version than it knows: an older program
must not write a newer volume. Tells damage (`index_damaged`) from a disk that fails (`index_unreadable`).
"""

import re
import sqlite3
from importlib import resources
from pathlib import Path

from media.base.errors import ErrorKind, HubError

SCHEMA_VERSION = 1
INDEX_NAME = "index.sqlite3"
_COMMENT = re.compile(r"--[^\n]*")
_INDEX = re.compile(r"create (unique )?index ", re.IGNORECASE)
_DAMAGE = frozenset({sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CONSTRAINT})
"""SQLITE_ERROR: a table, column or index that the question names is not there."""


def schema() -> str:
    """Return the text of schema.sql."""
    return resources.files("recorder.index").joinpath("schema.sql").read_text(encoding="utf-8")


def schema_objects() -> dict[str, str]:
    """Return today's schema; see `objects_of`."""
    db = sqlite3.connect(":memory:")
    try:
        db.executescript(schema())
        return objects_of(db)
    finally:
        db.close()


def objects_of(db: sqlite3.Connection) -> dict[str, str]:
    """Return the statements that made the schema of `db` by name, without comments and with white space folded."""
    rows = db.execute("select name, sql from sqlite_schema where sql is not null").fetchall()
    return {str(name): " ".join(_COMMENT.sub("", str(sql)).split()) for name, sql in rows}


def trouble(exc: sqlite3.Error) -> str:
    """Return the code of an error: `index_damaged` is cured by building the index anew, `index_unreadable` is not."""
    return "index_damaged" if exc.sqlite_errorcode & 0xFF in _DAMAGE else "index_unreadable"


def open_writable(path: Path) -> sqlite3.Connection:
    """Open the index at `path` for its one writer, creating it when absent.

    HubError DATA_LOSS when it is damaged, CONFLICT `index_outdated` or `index_version` (newer than this program).
    """
    try:
        db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        try:
            db.execute("pragma journal_mode=wal")
            db.execute("pragma synchronous=normal")
            db.execute("pragma foreign_keys=on")
            db.execute("pragma journal_size_limit=16777216")
            _migrate(db)
        except BaseException:
            db.close()
            raise
    except sqlite3.Error as exc:
        raise HubError(
            ErrorKind.DATA_LOSS, f"index cannot be opened: {exc}", code=trouble(exc), path=path.name
        ) from exc
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
        raise HubError(
            ErrorKind.UNAVAILABLE, f"index cannot be read: {exc}", code=trouble(exc), path=path.name
        ) from exc
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
    if version > SCHEMA_VERSION:
        _check_version(version)
    steps = _steps(objects_of(db), schema_objects())
    if steps or version != SCHEMA_VERSION:
        db.executescript(f"begin;\n{';'.join(steps)};\npragma user_version={SCHEMA_VERSION};\ncommit;")


def _steps(present: dict[str, str], wanted: dict[str, str]) -> list[str]:
    """Return the statements from one schema to the other; HubError CONFLICT when tables differ."""
    changed = {name for name in present.keys() | wanted.keys() if present.get(name) != wanted.get(name)}
    for name in changed:
        if not _INDEX.match(present.get(name, wanted.get(name, ""))):
            raise HubError(ErrorKind.CONFLICT, "index has the tables of another version", code="index_outdated")
    dropped = [f'drop index "{name}"' for name in sorted(changed & present.keys())]
    return [*dropped, *(wanted[name] for name in sorted(changed & wanted.keys()))]
