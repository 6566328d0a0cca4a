"""Playback grants over HTTP."""

from typing import Annotated

from pydantic import AwareDatetime, Field

from api.auth.verbs import Verb
from api.db.playback import GrantRow
from api.schemas.base import Id, Input, LongText, Output, ShortText, moment, moment_or_none
from api.services.playback import MAX_CAMERAS


class GrantCreate(Input):
    """The 调阅登记: why, what, for whom. `verb` narrows the grant to looking."""

    camera_ids: Annotated[list[Id], Field(min_length=1, max_length=MAX_CAMERAS)]
    start: AwareDatetime
    end: AwareDatetime
    reason: LongText = ""
    case_no: ShortText | None = None
    unit: ShortText | None = None
    verb: Verb | None = None


class GrantMade(Output):
    """The grant, shown once."""

    id: str
    grant: str
    expires_at: str


class GrantOut(Output):
    """A line of the register."""

    id: str
    username: str
    camera_ids: list[str]
    start: str
    end: str
    reason: str
    case_no: str | None
    unit: str | None
    verbs: list[str]
    created_at: str
    expires_at: str
    ended_at: str | None


class GrantPage(Output):
    """The register, the newest first."""

    items: list[GrantOut]
    next_cursor: str | None


def grant_out(row: GrantRow, camera_ids: tuple[str, ...]) -> GrantOut:
    """Return the line as answered."""
    return GrantOut(
        id=row.id, username=row.username, camera_ids=list(camera_ids), start=moment(row.start_us), end=moment(row.end_us),
        reason=row.reason, case_no=row.case_no, unit=row.unit, verbs=row.verbs.split(" "),
        created_at=moment(row.created_us), expires_at=moment(row.expires_us), ended_at=moment_or_none(row.ended_us),
    )  # fmt: skip
