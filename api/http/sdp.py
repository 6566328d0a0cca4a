"""Offers, answers and candidates over HTTP as WHIP and WHEP have them (RFC 9725). Used by the routes of both."""

from collections.abc import Iterable

from starlette.requests import Request

from api.services.turn import IceServer
from media.base.errors import ErrorKind, HubError

MAX_SDP_BYTES = 256 * 1024
SDP = "application/sdp"


async def sdp_body(request: Request, media_type: str) -> bytes:
    """Return the body; HubError INVALID when it is of another type, empty, or too long."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != media_type:
        raise HubError(ErrorKind.INVALID, f"the body must be {media_type}", code="unsupported_media_type")
    body = await request.body()
    if not body or len(body) > MAX_SDP_BYTES:
        raise HubError(ErrorKind.INVALID, "not an offer", code="bad_sdp")
    return body


def check_accepts_sdp(request: Request) -> None:
    """Raise HubError `not_acceptable` when the client says that it does not take SDP for an answer."""
    wanted = request.headers.get("accept", "*/*")
    kinds = {part.partition(";")[0].strip().lower() for part in wanted.split(",")}
    if not kinds & {SDP, "application/*", "*/*", ""}:
        raise HubError(ErrorKind.INVALID, "the answer is SDP", code="not_acceptable")


def ice_links(servers: Iterable[IceServer]) -> list[str]:
    """Return the `Link` headers that tell a client its ICE servers (RFC 9725 §4.6)."""
    found: list[str] = []
    for server in servers:
        secret = f'; username="{server.username}"; credential="{server.credential}"; credential-type="password"'
        found += [f'<{url}>; rel="ice-server"{secret if server.username else ""}' for url in server.urls]
    return found
