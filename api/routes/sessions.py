"""Sessions: a token for one without a room, and the gate itself, one WebSocket per browser."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, WebSocket

from api.control.gate import Gate
from api.control.page_socket import PageSocket
from api.http.permission import ByToken, LoggedIn
from api.http.place import is_same_host, session_url
from api.messages import locale_of
from api.schemas.live import ice_out
from api.schemas.rooms import SessionMade
from api.services import joining
from api.services.turn import ice_servers
from media.base.errors import ErrorKind, HubError

router = APIRouter(tags=["sessions"])

Token = Annotated[str | None, Query(max_length=200)]


@router.post("/sessions", status_code=201)
async def create_session(access: LoggedIn, request: Request) -> SessionMade:
    """Get a token for a session of one's own: live pictures without a room."""
    token = await joining.wall_token(access.ctx, access.actor)
    servers = ice_out(ice_servers(access.ctx.options, access.me.user_id, access.ctx.clock.wall_us()))
    return SessionMade(
        token=token, session_url=session_url(request), ice_servers=servers.ice_servers,
        expires_in=joining.TOKEN_LIFETIME_US // 1_000_000,
    )  # fmt: skip


@router.websocket("/session")
async def serve_session(access: ByToken, socket: WebSocket, token: Token = None) -> None:
    """Serve one browser: every message is in `streams/SIGNALING.md`."""
    if not is_same_host(socket):
        raise HubError(ErrorKind.DENIED, "opened by a page of another host", code="foreign_origin")
    await socket.accept()
    locale = locale_of(socket.headers.get("accept-language", ""))
    gate = Gate(access.ctx, access.control.gates, PageSocket(socket), access.actor, locale)
    await gate.run(token)
