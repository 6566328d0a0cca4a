"""Users, roles, and grants on single cameras over HTTP."""

from typing import Annotated

from pydantic import AwareDatetime, Field

from api.auth.verbs import Verb
from api.db.users import CameraGrantRow
from api.schemas.auth import Username
from api.schemas.base import Id, Input, Locale, Name, Output, Password, ShortText, moment, moment_or_none
from api.services.users import UserView

Roles = Annotated[list[Annotated[str, Field(max_length=32)]], Field(max_length=16)]


class UserCreate(Input):
    """A new account; without `org_id` it is one of the whole system."""

    id: Id | None = None
    username: Username
    password: Password
    display_name: ShortText = ""
    org_id: Id | None = None
    roles: Roles = Field(default_factory=list)
    locale: Locale = "zh-CN"


class UserPatch(Input):
    """What may be changed; a new password ends every log-in of the user."""

    display_name: Name | None = None
    org_id: Id | None = None
    roles: Roles | None = None
    enabled: bool | None = None
    password: Password | None = None
    locale: Locale | None = None


class User(Output):
    """An account."""

    id: str
    username: str
    display_name: str
    org_id: str | None
    roles: list[str]
    enabled: bool
    locale: str
    created_at: str
    updated_at: str


class UserPage(Output):
    """Accounts by id."""

    items: list[User]
    next_cursor: str | None


class RoleOut(Output):
    """A role and its verbs."""

    id: str
    name: str
    name_zh: str
    name_en: str
    verbs: list[str]


class RoleList(Output):
    """Every role."""

    items: list[RoleOut]


class CameraGrantPut(Input):
    """Verbs for one person on one camera, until `expires_at` or until withdrawn."""

    verbs: Annotated[list[Verb], Field(min_length=1, max_length=8)]
    expires_at: AwareDatetime | None = None


class CameraGrant(Output):
    """One grant."""

    camera_id: str
    verb: str
    expires_at: str | None
    created_at: str


class CameraGrantList(Output):
    """The grants of one user."""

    items: list[CameraGrant]


def user_out(view: UserView) -> User:
    """Return the account as answered; the password hash stays inside."""
    user = view.user
    return User(
        id=user.id, username=user.username, display_name=user.display_name, org_id=user.org_id,
        roles=list(view.roles), enabled=user.enabled, locale=user.locale,
        created_at=moment(user.created_us), updated_at=moment(user.updated_us),
    )  # fmt: skip


def grant_out(row: CameraGrantRow) -> CameraGrant:
    """Return the grant as answered."""
    return CameraGrant(
        camera_id=row.camera_id,
        verb=row.verb,
        expires_at=moment_or_none(row.expires_us),
        created_at=moment(row.created_us),
    )
