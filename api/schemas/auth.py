"""Log-in, set-up, and who I am."""

from typing import Annotated

from pydantic import StringConstraints

from api.schemas.base import Input, Locale, Name, Output, Password, ShortText

Username = Annotated[str, StringConstraints(min_length=1, max_length=64)]


class SetupState(Output):
    """Whether the first-run page is needed."""

    needed: bool


class SetupRequest(Input):
    """The first administrator and the county."""

    username: Username
    password: Password
    county_name: Name
    display_name: ShortText = ""


class LoginRequest(Input):
    """A log-in; `otp` is reserved for accounts with a second factor."""

    username: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    password: Password
    otp: ShortText | None = None


class RefreshRequest(Input):
    """A refresh token; a browser sends it as a cookie instead."""

    refresh_token: Annotated[str, StringConstraints(max_length=200)] | None = None


class TokenPair(Output):
    """OAuth-style tokens."""

    access_token: str
    refresh_token: str
    token_type: str = "bearer"  # noqa: S105  # the name of a scheme
    expires_in: int


class PasswordChange(Input):
    """One's own new password."""

    current: Password
    new: Password


class Me(Output):
    """The person behind the token."""

    id: str
    username: str
    display_name: str
    org_id: str | None
    org_name: str
    roles: list[str]
    verbs: list[str]
    locale: Locale
