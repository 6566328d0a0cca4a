"""Organisations over HTTP."""

from typing import Annotated, Literal

from pydantic import StringConstraints

from api.db.orgs import OrgRow
from api.schemas.base import Id, Input, Name, Output, moment
from api.services.orgs import OrgCounts

Code = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z-]{1,32}$")]


class OrgCreate(Input):
    """A new organisation."""

    id: Id | None = None
    name: Name
    level: Literal["county", "township", "village"]
    parent_id: Id | None = None
    code: Code | None = None


class OrgPatch(Input):
    """What may be changed."""

    name: Name | None = None
    code: Code | None = None


class Org(Output):
    """An organisation with the camera counts of its subtree."""

    id: str
    name: str
    level: str
    parent_id: str | None
    code: str | None
    cameras_total: int
    cameras_online: int
    created_at: str


class OrgPage(Output):
    """Organisations, parents before children."""

    items: list[Org]
    next_cursor: str | None


def org_out(row: OrgRow, counts: OrgCounts) -> Org:
    """Return the row as answered."""
    return Org(
        id=row.id, name=row.name, level=row.level, parent_id=row.parent_id, code=row.code,
        cameras_total=counts.total, cameras_online=counts.online, created_at=moment(row.created_us),
    )  # fmt: skip
