"""What every route declares: a verb and a scope, or openly that it is public. There is no third way.

`require(verb, scope)` is a dependency: it authenticates, limits, finds the thing the path names, and checks the verb
there, so that a handler runs only when all of that went well and gets it as `Access`. What one may not even read is answered as
if it did not exist. A test walks all routes and
fails on one without such a declaration.
"""

import secrets
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from fastapi import Depends
from starlette.requests import HTTPConnection

from api.auth.actor import Actor
from api.auth.address import network_of, plain_address
from api.auth.principal import Principal
from api.auth.verbs import Verb
from api.context import ApiContext
from api.control.limits import ACCOUNT, ADDRESS, ANONYMOUS
from api.control.parts import Control
from api.db.cameras import CameraRow
from api.db.orgs import OrgRow
from api.services import cameras, orgs, principals
from media.base.errors import ErrorKind, HubError
from media.base.ids import check_id


class Scope(StrEnum):
    """Where the verb must be held."""

    PUBLIC = "public"
    """Nobody needs to be logged in."""
    SELF = "self"
    """The thing belongs to the caller; being logged in is enough."""
    SOMEWHERE = "somewhere"
    """Held anywhere; the service narrows lists to the subtree, or checks the place a body names."""
    EVERYWHERE = "everywhere"
    """Held on the whole system."""
    ORG = "org"
    """Held at the organisation of the path."""
    CAMERA = "camera"
    """Held at the camera of the path or of `?camera_id=`, by role or by personal grant."""
    INVITED = "invited"
    """A member of the room of the path, or a guest with link and passcode; the service tells which."""
    SEATED = "seated"
    """A member of the room of the path by log-in, or whoever holds a join token of it; the service tells which."""
    ONCE = "once"
    """A single-use token is presented in the conversation that follows; it names person and seat."""
    GRANT = "grant"
    """Held at the camera of the path, and a playback grant for it is presented (`api.http.grant_permission`)."""
    ROOM_GRANT = "room_grant"
    """A playback grant for the room of the path is presented; the service tells who may have one."""


_DOTS_OF_ACCESS_TOKEN = 2
"""An access token is a JWT; opaque tokens have no dots."""
_OPEN = frozenset({Scope.PUBLIC, Scope.ONCE})


@dataclass(frozen=True, slots=True)
class Access:
    """Who asks, and the thing the path names when the scope found one."""

    ctx: ApiContext
    control: Control
    actor: Actor
    principal: Principal | None = None
    org: OrgRow | None = None
    camera: CameraRow | None = None

    @property
    def me(self) -> Principal:
        """Return the principal of a route that is not public."""
        assert self.principal is not None
        return self.principal

    @property
    def the_org(self) -> OrgRow:
        """Return the organisation of a route of scope ORG."""
        assert self.org is not None
        return self.org

    @property
    def the_camera(self) -> CameraRow:
        """Return the camera of a route of scope CAMERA."""
        assert self.camera is not None
        return self.camera


@dataclass(frozen=True, slots=True)
class Permission:
    """The declaration of one route, and its enforcement."""

    verb: Verb | None
    scope: Scope

    async def __call__(self, request: HTTPConnection) -> Access:
        """Return the access, or raise the HubError that says why not."""
        control: Control = request.app.state.control
        address = client_address(request)
        network = network_of(address)
        await control.limiter.take(ADDRESS, network)
        actor = Actor(username="", address=address, trace_id=trace_of(request))
        if self.scope in _OPEN or self._is_stranger(request):
            await control.limiter.take(ANONYMOUS, network)
            return Access(control.ctx, control, actor)
        principal = await self._authenticate(control, request, network)
        request.state.user = principal.username
        await control.limiter.take(ACCOUNT, principal.user_id)
        actor = Actor(principal=principal, address=address, trace_id=trace_of(request))
        return await self._in_scope(request, Access(control.ctx, control, actor, principal))

    def _is_stranger(self, request: HTTPConnection) -> bool:
        """Tell whether nobody logged in asks where one need not be: a guest, or the holder of a join token."""
        if self.scope is Scope.INVITED:
            return "authorization" not in request.headers
        return self.scope is Scope.SEATED and bearer_token(request).count(".") != _DOTS_OF_ACCESS_TOKEN

    async def _authenticate(self, control: Control, request: HTTPConnection, network: str) -> Principal:
        try:
            return await principals.authenticate(control.ctx, bearer_token(request))
        except HubError as error:
            if error.kind is ErrorKind.UNAUTHENTICATED:
                await control.limiter.take(ANONYMOUS, network)
            raise

    async def _in_scope(self, request: HTTPConnection, access: Access) -> Access:
        principal, verb = access.me, self.verb
        if verb is None or self.scope in {Scope.SELF, Scope.INVITED, Scope.SEATED}:
            return access
        if not principal.may_somewhere(verb):
            raise denied(verb)
        if self.scope is Scope.EVERYWHERE and not (principal.is_everywhere and verb in principal.verbs):
            raise denied(verb)
        if self.scope is Scope.ORG:
            org = await orgs.find(access.ctx, _named(request, "org_id"))
            principal.check_known(Verb.ORG_READ, org.path, code="unknown_org")
            principal.check(verb, org.path)
            return Access(access.ctx, access.control, access.actor, principal, org=org)
        if self.scope is Scope.CAMERA:
            camera = await cameras.find(access.ctx, _named(request, "camera_id"))
            principal.check_known(Verb.CAMERA_READ, camera.org_path, camera.id, code="unknown_camera")
            principal.check(verb, camera.org_path, camera.id)
            return Access(access.ctx, access.control, access.actor, principal, camera=camera)
        return access


def denied(verb: Verb) -> HubError:
    """Return the refusal of a verb."""
    return HubError(ErrorKind.DENIED, "not allowed", code="denied", verb=verb.value)


def _named(request: HTTPConnection, name: str) -> str:
    found = request.path_params.get(name) or request.query_params.get(name) or ""
    return check_id(str(found))


def bearer_token(request: HTTPConnection) -> str:
    """Return the bearer token; HubError UNAUTHENTICATED `token_missing`."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise HubError(ErrorKind.UNAUTHENTICATED, "no token", code="token_missing")
    return token.strip()


def client_address(request: HTTPConnection) -> str:
    """Return the peer's address as the server (which may trust a proxy) sees it."""
    return plain_address(request.client.host) if request.client else "local"


def trace_of(request: HTTPConnection) -> str:
    """Return the trace id of a request; a WebSocket, which passes no middleware of ours, gets one here."""
    found = getattr(request.state, "trace_id", None)
    if found is None:
        found = request.state.trace_id = secrets.token_hex(16)
    return str(found)


PUBLIC = Permission(None, Scope.PUBLIC)
INVITED = Permission(Verb.ROOM_JOIN, Scope.INVITED)
SEATED = Permission(Verb.ROOM_JOIN, Scope.SEATED)
BY_TOKEN = Permission(None, Scope.ONCE)
LOGGED_IN = Permission(None, Scope.SELF)

Public = Annotated[Access, Depends(PUBLIC)]
LoggedIn = Annotated[Access, Depends(LOGGED_IN)]
Invited = Annotated[Access, Depends(INVITED)]
Seated = Annotated[Access, Depends(SEATED)]
ByToken = Annotated[Access, Depends(BY_TOKEN)]


def require(verb: Verb, scope: Scope) -> Permission:
    """Return the declaration "this route needs `verb` in `scope`", to be used with `Depends`."""
    return Permission(verb, scope)
