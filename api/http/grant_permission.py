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
from api.services import meeting_playback, playback, principals
from api.services.playback import GrantUse
from api.services.ranges import TimeRange
from media.base.errors import ErrorKind, HubError
from media.base.ids import check_id

GRANT_COOKIE = "xy_grant"
GRANT_COOKIE_PATH = "/api/v1/cameras"
_MAX_TOKEN_CHARS = 200

Found = tuple[GrantUse, str, TimeRange | None]
"""The use, what the recorder calls the footage, and within which time it belongs to what the path names."""


@dataclass(frozen=True, slots=True)
class GrantAccess:
    """A grant presented for the camera, or the track of a meeting, of the path.

    `footage_id` is what the recorder calls it; `window` is when a track belongs to its room.
    """

    ctx: ApiContext
    control: Control
    actor: Actor
    use: GrantUse
    verb: Verb
    token: str
    is_token_in_url: bool
    footage_id: str
    window: TimeRange | None = None


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
        in_url = request.query_params.get("grant", "")
        token = in_url or request.cookies.get(GRANT_COOKIE, "")
        try:
            use, footage_id, window = await self._present(control, request, token[:_MAX_TOKEN_CHARS])
        except HubError as error:
            if error.kind in {ErrorKind.DENIED, ErrorKind.UNAUTHENTICATED}:
                await control.limiter.take(ANONYMOUS, network)
            raise
        request.state.user = use.principal.username
        await control.limiter.take(ACCOUNT, use.principal.user_id)
        actor = Actor(principal=use.principal, address=address, trace_id=request.state.trace_id)
        return GrantAccess(control.ctx, control, actor, use, self.verb, token, bool(in_url), footage_id, window)

    async def _present(self, control: Control, request: Request, token: str) -> Found:
        bearer = await self._bearer(control, request)
        if not token:
            if bearer is None:
                bearer_token(request)  # raises: nobody is logged in, which comes before any reason
            raise HubError(ErrorKind.DENIED, "no grant", code="reason_required")
        found = await self._find(control.ctx, token, request)
        if bearer is not None and bearer != found[0].principal.user_id:
            raise HubError(ErrorKind.DENIED, "somebody else's grant", code="grant_invalid", hash=secret_hash(token)[:8])
        return found

    async def _find(self, ctx: ApiContext, token: str, request: Request) -> Found:
        """Return the use of the grant for what the path names."""
        assert self.verb is not None
        camera_id = check_id(str(request.path_params["camera_id"]))
        return await playback.present(ctx, token, camera_id, self.verb), camera_id, None

    async def _bearer(self, control: Control, request: Request) -> str | None:
        """Return the user of the bearer token, None without one; HubError UNAUTHENTICATED for a bad one."""
        if "authorization" not in request.headers:
            return None
        return (await principals.authenticate(control.ctx, bearer_token(request))).user_id


class RoomGrantPermission(GrantPermission):
    """The declaration of a route under a grant for the room of the path."""

    async def _find(self, ctx: ApiContext, token: str, request: Request) -> Found:
        assert self.verb is not None
        room_id, track_id = (check_id(str(request.path_params[name])) for name in ("room_id", "track_id"))
        found = await meeting_playback.present(ctx, token, room_id, track_id, self.verb)
        return found.use, found.track.footage_id, found.window


def with_room_grant(verb: Verb) -> RoomGrantPermission:
    """Return the declaration "this route needs a grant with `verb` for the room of the path"."""
    return RoomGrantPermission(verb, Scope.ROOM_GRANT)


def room_cookie_path(room_id: str) -> str:
    """Return where the cookie of a room's grant is sent."""
    return f"/api/v1/rooms/{room_id}/recordings"


def with_grant(verb: Verb) -> GrantPermission:
    """Return the declaration "this route needs a grant with `verb` on the camera of the path"."""
    return GrantPermission(verb, Scope.GRANT)
