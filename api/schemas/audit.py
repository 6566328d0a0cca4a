"""The audit log and live sessions over HTTP."""

import json
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, Field

from api.db.audit import AuditFilter, AuditRow
from api.db.live import LiveSessionRow
from api.schemas.base import Id, Output, moment
from api.schemas.paging import DEFAULT_LIMIT, Cursor, Limit
from media.base.clock import us_of_utc


class AuditQuery(BaseModel):
    """What to list; `action` may be the first word of an action, such as `view`."""

    limit: Limit = DEFAULT_LIMIT
    cursor: Cursor = None
    user_id: Id | None = None
    action: Annotated[str, Field(pattern=r"^[a-z_.]{1,40}$")] | None = None
    target_id: Id | None = None
    start: AwareDatetime | None = None
    end: AwareDatetime | None = None

    def in_subtree(self, path: str) -> AuditFilter:
        """Return the filter for rows of the subtree `path`."""
        return AuditFilter(
            path=path, user_id=self.user_id, action=self.action, target_id=self.target_id,
            start_us=us_of_utc(self.start) if self.start else None, end_us=us_of_utc(self.end) if self.end else None,
        )  # fmt: skip


class AuditItem(Output):
    """One row."""

    seq: int
    at: str
    user_id: str | None
    username: str
    address: str
    action: str
    target_kind: str
    target_id: str
    outcome: str
    details: dict[str, Any]
    trace_id: str
    hash: str


class AuditPage(Output):
    """Rows, the newest first."""

    items: list[AuditItem]
    next_cursor: str | None


class ChainState(Output):
    """Whether the hash chain holds; `first_broken` is the number of the first row that does not fit."""

    intact: bool
    first_broken: int | None


class LiveSession(Output):
    """Somebody watching something now."""

    id: str
    user_id: str
    username: str
    camera_id: str
    stream: str
    address: str
    started_at: str


class LiveSessionPage(Output):
    """Open live sessions."""

    items: list[LiveSession]
    next_cursor: str | None


def audit_out(row: AuditRow) -> AuditItem:
    """Return the row as answered."""
    return AuditItem(
        seq=row.seq, at=moment(row.at_us), user_id=row.user_id, username=row.username, address=row.address,
        action=row.action, target_kind=row.target_kind, target_id=row.target_id, outcome=row.outcome,
        details=json.loads(row.details), trace_id=row.trace_id, hash=row.hash,
    )  # fmt: skip


def live_out(row: LiveSessionRow) -> LiveSession:
    """Return the session as answered."""
    return LiveSession(
        id=row.id, user_id=row.user_id, username=row.username, camera_id=row.camera_id, stream=row.quality,
        address=row.address, started_at=moment(row.started_us),
    )  # fmt: skip
