"""Routes that a `<video>` element opens: declared by verb like all others, proven by a playback grant.

The grant comes as `?grant=` or as a path-scoped cookie; its row names the person, so no bearer token is needed, and
when there is one it must be the same person's. Without any grant the answer is `reason_required`.
"""

from dataclasses import dataclass

from fastapi import Request

from api.auth.actor import Actor
from api.auth.address import network_of
from api.auth.tokens import secret_hash
from api.auth.verbs import Verb
from api.context import ApiContext
from api.control.limits import ACCOUNT, ADDRESS, ANONYMOUS
from api.control.parts import Control
from api.http.permission import Permission, Scope, bearer_token, client_address
from api.services import playback, principals
from api.services.playback import GrantUse
from media.base.errors import ErrorKind, HubError
from media.base.ids import check_id

GRANT_COOKIE = "xy_grant"
GRANT_COOKIE_PATH = "/api/v1/cameras"
_MAX_TOKEN_CHARS = 200


@dataclass(frozen=True, slots=True)
class GrantAccess:
    """A grant presented for the camera of the path."""

    ctx: ApiContext
    control: Control
    actor: Actor
    use: GrantUse
    verb: Verb
    token: str
    is_token_in_url: bool


@dataclass(frozen=True, slots=True)
class GrantPermission(Permission):
    """The declaration of a route under a grant."""

    async def __call__(self, request: Request) -> GrantAccess:  # type: ignore[override]  # another kind of access
        """Return the access, or raise the HubError that says why not."""
        control: Control = request.app.state.control
        assert self.verb is not None
        address = client_address(request)
        network = network_of(address)
        await control.limiter.take(ADDRESS, network)
        camera_id = check_id(str(request.path_params["camera_id"]))
        in_url = request.query_params.get("grant", "")
        token = in_url or request.cookies.get(GRANT_COOKIE, "")
        try:
            use = await self._present(control, request, token[:_MAX_TOKEN_CHARS], camera_id)
        except HubError as error:
            if error.kind in {ErrorKind.DENIED, ErrorKind.UNAUTHENTICATED}:
                await control.limiter.take(ANONYMOUS, network)
            raise
        request.state.user = use.principal.username
        await control.limiter.take(ACCOUNT, use.principal.user_id)
        actor = Actor(principal=use.principal, address=address, trace_id=request.state.trace_id)
        return GrantAccess(control.ctx, control, actor, use, self.verb, token, is_token_in_url=bool(in_url))

    async def _present(self, control: Control, request: Request, token: str, camera_id: str) -> GrantUse:
        assert self.verb is not None
        bearer = await self._bearer(control, request)
        if not token:
            if bearer is None:
                bearer_token(request)  # raises: nobody is logged in, which comes before any reason
            raise HubError(ErrorKind.DENIED, "no grant", code="reason_required")
        use = await playback.present(control.ctx, token, camera_id, self.verb)
        if bearer is not None and bearer != use.principal.user_id:
            raise HubError(ErrorKind.DENIED, "somebody else's grant", code="grant_invalid", hash=secret_hash(token)[:8])
        return use

    async def _bearer(self, control: Control, request: Request) -> str | None:
        """Return the user of the bearer token, None without one; HubError UNAUTHENTICATED for a bad one."""
        if "authorization" not in request.headers:
            return None
        return (await principals.authenticate(control.ctx, bearer_token(request))).user_id


def with_grant(verb: Verb) -> GrantPermission:
    """Return the declaration "this route needs a grant with `verb` on the camera of the path"."""
    return GrantPermission(verb, Scope.GRANT)
