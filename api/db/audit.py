"""The audit log: appended to, read, verified. Triggers in the database refuse everything else.

Each row carries the SHA-256 over its own content and the hash of the row before, so a row changed behind the
database's back breaks the chain. `append` must be the last thing a transaction does: it serialises writers.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, insert, or_, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from api.db.rows import Page, all_of, page_of
from api.db.tables import audit_log

GENESIS = "0" * 64
_CHAIN_LOCK = 7_260_312


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """What somebody did to something, and how it went."""

    at_us: int
    user_id: str | None
    username: str
    address: str
    action: str
    target_kind: str
    target_id: str
    org_path: str = "/"
    outcome: str = "ok"
    details: Mapping[str, Any] = field(default_factory=dict)
    trace_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRow:
    """One row as stored; `details` is JSON text."""

    seq: int
    at_us: int
    user_id: str | None
    username: str
    address: str
    action: str
    target_kind: str
    target_id: str
    org_path: str
    outcome: str
    details: str
    trace_id: str
    prev_hash: str
    hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFilter:
    """Which rows a list asks for; None and empty mean any."""

    path: str = "/"
    user_id: str | None = None
    action: str | None = None
    target_id: str | None = None
    start_us: int | None = None
    end_us: int | None = None


def row_hash(values: Mapping[str, Any]) -> str:
    """Return the hash of a row without its own `hash`: SHA-256 of canonical JSON, `prev_hash` included."""
    content = {key: value for key, value in values.items() if key != "hash"}
    return hashlib.sha256(
        json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()
    ).hexdigest()


async def take_turn(connection: AsyncConnection) -> None:
    """Let one writer at a time through until its transaction ends; on SQLite every write is alone anyway.

    `append` does so itself. Call it first where what is read must still be true when the row is appended.
    """
    if connection.dialect.name == "postgresql":
        await connection.execute(text(f"SELECT pg_advisory_xact_lock({_CHAIN_LOCK})"))


async def append(connection: AsyncConnection, *entries: AuditEntry) -> None:
    """Append rows to the chain, in the caller's transaction."""
    await take_turn(connection)
    last = (
        await connection.execute(select(audit_log.c.seq, audit_log.c.hash).order_by(audit_log.c.seq.desc()).limit(1))
    ).first()
    seq, previous = (int(last[0]), str(last[1])) if last else (0, GENESIS)
    rows: list[dict[str, Any]] = []
    for entry in entries:
        seq += 1
        values = asdict(entry) | {"seq": seq, "prev_hash": previous}
        values["details"] = json.dumps(entry.details, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        values["hash"] = previous = row_hash(values)
        rows.append(values)
    if rows:
        await connection.execute(insert(audit_log), rows)


async def page(connection: AsyncConnection, wanted: AuditFilter, before: int | None, limit: int) -> Page[AuditRow]:
    """Return rows, the newest first, older than row `before`."""
    query = select(audit_log).where(*_conditions(wanted)).order_by(audit_log.c.seq.desc()).limit(limit + 1)
    if before is not None:
        query = query.where(audit_log.c.seq < before)
    return page_of(await all_of(connection, AuditRow, query), limit, "seq")


def _conditions(wanted: AuditFilter) -> list[ColumnElement[bool]]:
    table = audit_log.c
    found: list[ColumnElement[bool]] = []
    if wanted.path != "/":
        found.append(table.org_path.like(f"{wanted.path}%"))
    if wanted.user_id:
        found.append(table.user_id == wanted.user_id)
    if wanted.action:
        found.append(or_(table.action == wanted.action, table.action.startswith(f"{wanted.action}.", autoescape=True)))
    if wanted.target_id:
        found.append(table.target_id == wanted.target_id)
    if wanted.start_us is not None:
        found.append(table.at_us >= wanted.start_us)
    if wanted.end_us is not None:
        found.append(table.at_us < wanted.end_us)
    return found


async def first_broken(connection: AsyncConnection, batch: int = 1000) -> int | None:
    """Return the number of the first row that does not fit the chain, or None when all do."""
    seq, previous = 0, GENESIS
    while True:
        query = select(audit_log).where(audit_log.c.seq > seq).order_by(audit_log.c.seq).limit(batch)
        rows = await all_of(connection, AuditRow, query)
        for row in rows:
            if row.seq != seq + 1 or row.prev_hash != previous or row_hash(asdict(row)) != row.hash:
                return seq + 1
            seq, previous = row.seq, row.hash
        if len(rows) < batch:
            return None
