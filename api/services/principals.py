"""From a token to the person behind it, asked of the database each time: a right withdrawn is gone at once."""

from collections.abc import Iterable
from dataclasses import dataclass

from api.auth.principal import ROOT_PATH, Principal
from api.auth.roles import verbs_of
from api.auth.verbs import CAMERA_VERBS, Verb
from api.context import ApiContext
from api.db import logins, users
from api.db.logins import LoginSessionRow
from api.db.users import CameraGrantRow, UserRow
from media.base.errors import ErrorKind, HubError


@dataclass(frozen=True, slots=True)
class Login:
    """A user by way of one log-in: what tokens, live sessions and playback grants are bound to."""

    user_id: str
    session_id: str


async def authenticate(ctx: ApiContext, token: str) -> Principal:
    """Return the principal of an access token; HubError UNAUTHENTICATED when the log-in or the user is no more."""
    claims = ctx.signer.read(token, ctx.clock.wall_us())
    principal = await load(ctx, Login(claims.user_id, claims.session_id))
    if principal is None:
        raise HubError(ErrorKind.UNAUTHENTICATED, "the log-in has ended", code="token_invalid")
    return principal


async def load(ctx: ApiContext, login: Login) -> Principal | None:
    """Return the user with today's rights, or None when the user is gone or disabled, or the log-in has ended."""
    return (await load_all(ctx, [login])).get(login)


async def load_all(ctx: ApiContext, wanted: Iterable[Login]) -> dict[Login, Principal]:
    """Return those of the log-ins that still stand, each with today's rights; four queries however many they are."""
    asked = set(wanted)
    if not asked:
        return {}
    now_us = ctx.clock.wall_us()
    user_ids = {login.user_id for login in asked}
    async with ctx.db.read() as connection:
        sessions = await logins.get_sessions(connection, [login.session_id for login in asked])
        found = await users.get_some(connection, user_ids)
        roles = await users.roles_of(connection, user_ids)
        grants = await users.camera_grants_in_force(connection, user_ids, now_us)
    return {
        login: _principal(found[login.user_id], login.session_id, roles[login.user_id], grants.get(login.user_id, ()))
        for login in asked
        if _stands(login, sessions.get(login.session_id), found.get(login.user_id), now_us)
    }


async def of_users(ctx: ApiContext, user_ids: Iterable[str]) -> dict[str, Principal]:
    """Return the enabled users of these with today's rights, whether they are logged in or not."""
    wanted, now_us = set(user_ids), ctx.clock.wall_us()
    if not wanted:
        return {}
    async with ctx.db.read() as connection:
        found = await users.get_some(connection, wanted)
        roles = await users.roles_of(connection, wanted)
        grants = await users.camera_grants_in_force(connection, wanted, now_us)
    return {
        user_id: _principal(user, "", roles[user_id], grants.get(user_id, ()))
        for user_id, user in found.items()
        if user.enabled
    }


def _stands(login: Login, session: LoginSessionRow | None, user: UserRow | None, now_us: int) -> bool:
    if session is None or user is None or not user.enabled:
        return False
    return session.revoked_us is None and session.expires_us > now_us and session.user_id == login.user_id


def _principal(user: UserRow, session_id: str, roles: tuple[str, ...], grants: Iterable[CameraGrantRow]) -> Principal:
    return Principal(
        user_id=user.id,
        username=user.username,
        display_name=user.display_name,
        session_id=session_id,
        org_id=user.org_id,
        org_path=user.org_path or ROOT_PATH,
        roles=roles,
        verbs=verbs_of(roles),
        locale=user.locale,
        camera_grants=_grants_by_camera(grants),
    )


def _grants_by_camera(grants: Iterable[CameraGrantRow]) -> dict[str, frozenset[Verb]]:
    """Return the verbs by camera; whoever may do anything with a camera may also read it."""
    found: dict[str, frozenset[Verb]] = {}
    known = {verb.value: verb for verb in CAMERA_VERBS}
    for grant in grants:
        if grant.verb in known:
            held = found.get(grant.camera_id, frozenset({Verb.CAMERA_READ}))
            found[grant.camera_id] = held | {known[grant.verb]}
    return found
