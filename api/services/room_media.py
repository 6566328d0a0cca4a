"""Foreign software in rooms: WHIP publishers (RFC 9725) and WHEP viewers, each with a seat and a session of its own.

Whoever comes by log-in gets a seat as somebody who joins; a join token of the room does as well, once. The session row
and the audit rows are committed before the worker is asked; later requests about a session must show the same token.
Called by routes.
"""

import base64
import json
from dataclasses import dataclass

from api.auth.actor import Actor
from api.auth.tokens import secret_hash
from api.context import ApiContext, WorkerLink
from api.db import seats
from api.db.seats import SessionRow
from api.forward.private_apps import error_of, private_headers, translated
from api.services import joining, session_views, sessions
from api.services.joining import JoinRequest
from api.services.live import SDP
from api.services.sessions import Opening
from media.base.errors import ErrorKind, HubError
from media.base.ids import parse_source

WHIP, WHEP = "whip", "whep"
CAMERA = "camera"
STOP_TIMEOUT_S = 2.0


@dataclass(frozen=True, slots=True)
class MediaAnswer:
    """The worker's answer to an offer."""

    session_id: str
    sdp: bytes
    audio: str


@dataclass(frozen=True, slots=True)
class Bearer:
    """Who asks: an actor logged in, or somebody with a join token."""

    actor: Actor
    token: str | None = None


async def publish(ctx: ApiContext, bearer: Bearer, room_id: str, offer: bytes) -> MediaAnswer:
    """Take a seat for a publisher and answer its offer; HubError as for joining, or of the worker."""
    opening, link = await _begin(ctx, bearer, room_id, WHIP)
    return await _offer(ctx, bearer, opening, (link, f"/rooms/{room_id}/whip"), offer)


async def watch(ctx: ApiContext, bearer: Bearer, room_id: str, source: str, offer: bytes) -> MediaAnswer:
    """Answer a viewer of one source of a room; HubError `not_permitted` for what the room does not show."""
    kind, resource = parse_source(source)
    opening, link = await _begin(ctx, bearer, room_id, WHEP)
    try:
        if kind == CAMERA:
            await session_views.begin(ctx, opening.session, resource, bearer.actor.trace_id)
    except HubError as error:
        await sessions.note_end(ctx, opening.session.id, error.code)
        raise
    return await _offer(ctx, bearer, opening, (link, f"/rooms/{room_id}/whep?source={source}"), offer)


async def _begin(ctx: ApiContext, bearer: Bearer, room_id: str, kind: str) -> tuple[Opening, WorkerLink]:
    token = bearer.token
    if token is None:
        joined = await joining.join(
            ctx, bearer.actor, room_id, JoinRequest(kind=joining.WHIP if kind == WHIP else None)
        )
        token = joined.token
    else:
        await _check_room(ctx, token, room_id)
    opening = await sessions.begin(ctx, token, bearer.actor, foreign=kind)
    return opening, await ctx.workers.of_slot(opening.session.slot)


async def _check_room(ctx: ApiContext, token: str, room_id: str) -> None:
    """Refuse a token of another room, or of none, before it is spent."""
    async with ctx.db.read() as connection:
        row = await seats.token(connection, secret_hash(token))
    if row is None or row.room_id != room_id:
        raise HubError(ErrorKind.UNAUTHENTICATED, "no token of this room", code="token_invalid")


async def _offer(
    ctx: ApiContext, bearer: Bearer, opening: Opening, way: tuple[WorkerLink, str], offer: bytes
) -> MediaAnswer:
    link, path = way
    session = opening.session
    claims = json.dumps(opening.frame(link.slot, {})["open"]["seat"], ensure_ascii=False)
    headers = {**private_headers(bearer.actor, session.id), "Content-Type": SDP}
    headers["X-Xiangyun-Seat"] = base64.b64encode(claims.encode()).decode()
    headers["X-Xiangyun-User"] = session.user_id or session.participant_id or ""
    try:
        async with translated("worker"):
            response = await link.client.post(path, content=offer, headers=headers)
        if response.status_code != 201:
            raise error_of(response, "worker")
    except HubError as error:
        await sessions.note_end(ctx, session.id, error.code)
        raise
    return MediaAnswer(session.id, response.content, response.headers.get("X-Xiangyun-Audio", "none"))


async def find(ctx: ApiContext, bearer: Bearer, room_id: str, session_id: str) -> SessionRow:
    """Return a session of the bearer; HubError NOT_FOUND `session_not_found`, also for somebody else's."""
    async with ctx.db.read() as connection:
        session = await seats.session(connection, session_id)
        row = await seats.token(connection, secret_hash(bearer.token)) if bearer.token else None
    if session is not None and session.room_id == room_id:
        by_token = row is not None and (row.room_id, row.participant_id) == (room_id, session.participant_id)
        by_login = bearer.token is None and session.user_id is not None and session.user_id == bearer.actor.user_id
        if by_token or by_login:
            return session
    raise HubError(ErrorKind.NOT_FOUND, "no such session", code="session_not_found")


async def trickle(ctx: ApiContext, session: SessionRow, fragment: bytes) -> None:
    """Pass late candidates on; HubError of the worker, such as `ice_restart_unsupported`."""
    link = await ctx.workers.of_slot(session.slot)
    headers = {"Content-Type": "application/trickle-ice-sdpfrag"}
    async with translated("worker"):
        response = await link.client.patch(_path(session), content=fragment, headers=headers)
    if response.status_code != 204:
        raise error_of(response, "worker")


def _path(session: SessionRow) -> str:
    return f"/{session.id.partition('-')[0]}/sessions/{session.id}"


def is_foreign(session_id: str) -> bool:
    """Tell whether a session belongs to foreign software: it has no gate, and the worker lists it apart."""
    return session_id.startswith((f"{WHIP}-", f"{WHEP}-"))


async def stop(ctx: ApiContext, session: SessionRow, reason: str) -> None:
    """End a session at its worker and write it down; HubError when the worker cannot be told."""
    link = await ctx.workers.of_slot(session.slot)
    async with translated("worker"):
        response = await link.client.delete(_path(session), timeout=STOP_TIMEOUT_S)
    if response.status_code not in {200, 204, 404}:
        raise error_of(response, "worker")
    await sessions.note_end(ctx, session.id, reason)
