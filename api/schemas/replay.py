"""Playback grants over HTTP."""

from typing import Annotated, Self

from pydantic import AwareDatetime, Field, model_validator

from api.auth.verbs import Verb
from api.db.playback import GrantRow
from api.schemas.base import Id, Input, LongText, Output, ShortText, moment, moment_or_none
from api.services.playback import MAX_CAMERAS


class GrantCreate(Input):
    """The 调阅登记: why, what, for whom. Cameras, or the room of a meeting. `verb` narrows the grant to looking."""

    camera_ids: Annotated[list[Id], Field(default_factory=list, max_length=MAX_CAMERAS)]
    room_id: Id | None = None
    start: AwareDatetime
    end: AwareDatetime
    reason: LongText = ""
    case_no: ShortText | None = None
    unit: ShortText | None = None
    verb: Verb | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if bool(self.camera_ids) is (self.room_id is not None):
            raise ValueError("names cameras or a room")
        return self


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
    room_id: str | None
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
        id=row.id, username=row.username, camera_ids=list(camera_ids), room_id=row.room_id, start=moment(row.start_us), end=moment(row.end_us),
        reason=row.reason, case_no=row.case_no, unit=row.unit, verbs=row.verbs.split(" "),
        created_at=moment(row.created_us), expires_at=moment(row.expires_us), ended_at=moment_or_none(row.ended_us),
    )  # fmt: skip
