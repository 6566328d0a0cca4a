"""The private routes of sessions: one WebSocket for each browser's session, what the sweeper asks, and revocation.

Mounted by the wiring into the worker's private app, behind its unix socket. The api has authenticated; the envelope of
frames stands in SIGNALING.md, "Between api and worker". A socket that breaks leaves its session waiting; a session that
ends closes its socket with the code of its end.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import structlog
from fastapi import APIRouter, WebSocket
from pydantic import BaseModel, ConfigDict, Field
from starlette.websockets import WebSocketDisconnect, WebSocketState

from media.base.errors import ErrorKind, HubError
from media.base.tasks import Owner
from streams.session.codes import CLOSE_NUMBERS, code_of
from streams.session.directory import Revocation, SessionDirectory
from streams.session.identity import read_grant, read_identity
from streams.session.outgoing import Outgoing
from streams.session.session import Session
from streams.session.wire import read_envelope

log = structlog.get_logger(__name__)

OPEN_TIMEOUT_S = 5.0
LAST_SEND_TIMEOUT_S = 2.0


class RevocationBody(BaseModel):
    """See `directory.Revocation`."""

    model_config = ConfigDict(extra="ignore")
    session_ids: list[str] | None = Field(None, max_length=5000)
    user_id: str | None = None
    participant_id: str | None = None
    camera_id: str | None = None
    code: str | None = None


def make_router(directory: SessionDirectory) -> APIRouter:
    """Return the routes of one directory."""
    router = APIRouter()

    @router.websocket("/session")
    async def session(socket: WebSocket) -> None:
        await socket.accept()
        try:
            await _serve(socket, directory)
        except WebSocketDisconnect:
            return

    @router.get("/sessions")
    async def sessions() -> dict[str, Any]:
        return {
            "items": directory.figures(),
            "opened": directory.opened,
            "resumed": directory.resumed,
            "ended": dict(directory.ended),
        }

    @router.post("/sessions/revoke")
    async def revoke(body: RevocationBody) -> dict[str, int]:
        given = {name: value for name, value in body.model_dump().items() if value}
        sessions_ended, subscriptions_ended = directory.revoke(Revocation(**given))
        return {"sessions": sessions_ended, "subscriptions": subscriptions_ended}

    return router


async def _serve(socket: WebSocket, directory: SessionDirectory) -> None:
    """Serve one socket from its first frame to its end."""
    try:
        async with asyncio.timeout(OPEN_TIMEOUT_S):
            first = read_envelope(await socket.receive_text())
        session, outgoing, opened = await _open(first, directory)
    except TimeoutError:
        await _refuse(socket, HubError(ErrorKind.TIMEOUT, "nothing came in time", code="worker_unavailable"))
        return
    except HubError as error:
        await _refuse(socket, error)
        return
    try:
        await socket.send_json({"opened": opened})
        await _relay(socket, session, outgoing)
    finally:
        session.detach(outgoing)


async def _open(first: Mapping[str, Any], directory: SessionDirectory) -> tuple[Session, Outgoing, dict[str, Any]]:
    identity, is_resume = read_identity(first.get("open"))
    session, is_resumed = await directory.open(identity, is_resume=is_resume)
    outgoing = session.attach()
    try:
        opened = await session.welcome(is_resumed=is_resumed)
    except BaseException:
        session.detach(outgoing)
        raise
    return session, outgoing, opened


async def _refuse(socket: WebSocket, error: HubError) -> None:
    if error.kind is ErrorKind.INTERNAL:
        log.error("a session was refused", code=error.code, cause=str(error))
    await socket.send_json({"refused": {"code": code_of(error), "message": error.message}})
    await socket.close(CLOSE_NUMBERS["refused"])


async def _relay(socket: WebSocket, session: Session, outgoing: Outgoing) -> None:
    """Pass frames both ways until the socket breaks, the session ends or another socket has taken its place."""
    async with Owner(f"socket/{session.name}") as owner:
        reading = owner.start(_read(socket, session, outgoing), "in")
        writing = owner.start(_write(socket, outgoing), "out")
        finished = owner.start(outgoing.finished.wait(), "end")
        await asyncio.wait({reading, writing, finished}, return_when=asyncio.FIRST_COMPLETED)
        if outgoing.close_number is not None and not writing.done():
            await asyncio.wait({writing}, timeout=LAST_SEND_TIMEOUT_S)
    if outgoing.close_number is not None and socket.application_state is WebSocketState.CONNECTED:
        with suppress(TimeoutError, WebSocketDisconnect, RuntimeError, OSError):
            async with asyncio.timeout(LAST_SEND_TIMEOUT_S):
                await socket.close(outgoing.close_number)


async def _read(socket: WebSocket, session: Session, outgoing: Outgoing) -> None:
    """Hand on what comes; whoever's socket was replaced is not heard any more."""
    while True:
        try:
            frame = read_envelope(await socket.receive_text())
        except (WebSocketDisconnect, KeyError):
            return
        except HubError as error:
            log.error("the api sent a frame that cannot be read", session=session.name, cause=str(error))
            continue
        if outgoing is not session.outgoing:
            return
        await _take(frame, session)


async def _take(frame: Mapping[str, Any], session: Session) -> None:
    message, revoked = frame.get("page"), frame.get("revoke")
    if isinstance(message, Mapping):
        try:
            grant = read_grant(frame.get("grant"))
        except HubError as error:
            log.error("the api sent a grant that cannot be read", session=session.name, cause=str(error))
            grant = None
        await session.requests.handle(message, grant)
    elif isinstance(revoked, Mapping):
        session.take_revocation(revoked)


async def _write(socket: WebSocket, outgoing: Outgoing) -> None:
    while (frame := await outgoing.take()) is not None:
        try:
            await socket.send_text(frame)
        except (WebSocketDisconnect, RuntimeError, OSError):
            return
