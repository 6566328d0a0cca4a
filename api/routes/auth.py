"""Logging in and out, and who I am. The refresh token also lives in an HttpOnly cookie for browsers."""

from typing import Annotated

from fastapi import APIRouter, Cookie, Request, Response

from api.auth.address import network_of
from api.control.limits import LOGIN, PASSWORD
from api.http.permission import Access, LoggedIn, Public
from api.schemas.auth import LoginRequest, Me, PasswordChange, RefreshRequest, TokenPair
from api.services import login, users
from api.services.login import Device, Tokens
from media.base.errors import ErrorKind, HubError

router = APIRouter(prefix="/auth", tags=["auth"])

COOKIE = "xy_refresh"
COOKIE_PATH = "/api/v1/auth"
_OWN_SITE = frozenset({"same-origin", "none"})
"""SameSite does not tell the ports of a host apart; browsers say in `Sec-Fetch-Site` whose page is asking."""


def _device(access: Access, request: Request) -> Device:
    agent = request.headers.get("user-agent", "").encode("ascii", "replace").decode()
    return Device(access.actor.address, agent, access.actor.trace_id)


def _answer(request: Request, response: Response, tokens: Tokens) -> TokenPair:
    response.set_cookie(
        COOKIE, tokens.refresh_token, max_age=tokens.refresh_s, path=COOKIE_PATH, httponly=True, samesite="strict",
        secure=request.url.scheme == "https",
    )  # fmt: skip
    return TokenPair(
        access_token=tokens.access_token, refresh_token=tokens.refresh_token, expires_in=tokens.expires_in_s
    )


@router.post("/login")
async def log_in(access: Public, request: Request, response: Response, body: LoginRequest) -> TokenPair:
    """Exchange user name and password for tokens."""
    await access.control.limiter.take(LOGIN, network_of(access.actor.address))
    tokens = await login.log_in(access.ctx, body.username, body.password, _device(access, request))
    return _answer(request, response, tokens)


@router.post("/refresh")
async def refresh(
    access: Public,
    request: Request,
    response: Response,
    body: RefreshRequest | None = None,
    xy_refresh: Annotated[str | None, Cookie(max_length=200)] = None,
) -> TokenPair:
    """Exchange a refresh token, from the body or the cookie, for new tokens; it is good once."""
    given = body.refresh_token if body else None
    token = given or xy_refresh
    if not token or (not given and request.headers.get("sec-fetch-site", "same-origin") not in _OWN_SITE):
        raise HubError(ErrorKind.UNAUTHENTICATED, "no refresh token", code="refresh_invalid")
    tokens = await login.refresh(access.ctx, token, _device(access, request), is_cookie=not given)
    return _answer(request, response, tokens)


@router.post("/logout", status_code=204)
async def log_out(access: LoggedIn, response: Response) -> None:
    """End this log-in: its tokens, its live sessions, its playback grants."""
    await login.log_out(access.ctx, access.actor)
    response.delete_cookie(COOKIE, path=COOKIE_PATH, httponly=True, samesite="strict")


@router.post("/password", status_code=204)
async def change_password(access: LoggedIn, body: PasswordChange) -> None:
    """Set one's own password; other log-ins end."""
    await access.control.limiter.take(PASSWORD, access.me.user_id)
    await login.change_password(access.ctx, access.actor, body.current, body.new)


@router.get("/me")
async def me(access: LoggedIn) -> Me:
    """Tell who I am and what I may do."""
    mine = access.me
    return Me(
        id=mine.user_id, username=mine.username, display_name=mine.display_name, org_id=mine.org_id,
        org_name=await users.org_name(access.ctx, mine), roles=list(mine.roles),
        verbs=sorted(verb.value for verb in mine.verbs), locale=mine.locale,
    )  # fmt: skip
