"""From a token to the person behind it, asked of the database each time: a right withdrawn is gone at once."""

from api.auth.principal import ROOT_PATH, Principal
from api.auth.roles import verbs_of
from api.auth.verbs import CAMERA_VERBS, Verb
from api.context import ApiContext
from api.db import logins, users
from api.db.users import CameraGrantRow
from media.base.errors import ErrorKind, HubError


async def authenticate(ctx: ApiContext, token: str) -> Principal:
    """Return the principal of an access token; HubError UNAUTHENTICATED when the log-in or the user is no more."""
    claims = ctx.signer.read(token, ctx.clock.wall_us())
    principal = await load(ctx, claims.user_id, claims.session_id)
    if principal is None:
        raise HubError(ErrorKind.UNAUTHENTICATED, "the log-in has ended", code="token_invalid")
    return principal


async def load(ctx: ApiContext, user_id: str, session_id: str) -> Principal | None:
    """Return the user with today's rights, or None when the user is gone or disabled, or the log-in has ended."""
    now_us = ctx.clock.wall_us()
    async with ctx.db.read() as connection:
        session = await logins.get_session(connection, session_id)
        user = await users.get(connection, user_id)
        is_over = session is None or session.revoked_us is not None or session.expires_us <= now_us
        if is_over or session is None or user is None or not user.enabled or session.user_id != user.id:
            return None
        roles = (await users.roles_of(connection, [user_id]))[user_id]
        grants = await users.camera_grants_of(connection, user_id, now_us)
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


def _grants_by_camera(grants: tuple[CameraGrantRow, ...]) -> dict[str, frozenset[Verb]]:
    """Return the verbs by camera; whoever may do anything with a camera may also read it."""
    found: dict[str, frozenset[Verb]] = {}
    known = {verb.value: verb for verb in CAMERA_VERBS}
    for grant in grants:
        if grant.verb in known:
            held = found.get(grant.camera_id, frozenset({Verb.CAMERA_READ}))
            found[grant.camera_id] = held | {known[grant.verb]}
    return found
