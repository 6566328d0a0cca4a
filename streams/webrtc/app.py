"""The worker's private WHEP routes, mounted by the wiring into its private app.

Reached only over the worker's unix socket by the control plane, which has authenticated, authorised and audited the
request and says who it is for in `X-Xiangyun-User` and `X-Xiangyun-Session`. Handlers parse, call and shape; errors
are `HubError`s, mapped by the app they are mounted in.
"""

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response
from pydantic import BaseModel, ConfigDict

from media.base.errors import ErrorKind, HubError
from media.base.ids import CameraId, Quality, StreamKey, camera_source, check_id
from streams.webrtc.offer import MAX_OFFER_BYTES
from streams.webrtc.whep import WhepEndpoint

SDP = "application/sdp"
MAX_SESSION_CHARS = 128


class Revocation(BaseModel):
    """Whose sessions, or which, end at once."""

    model_config = ConfigDict(extra="forbid")
    user_id: str | None = None
    session_ids: list[str] = []


async def text_of(request: Request) -> str:
    """Return the body as text; HubError INVALID when it is too long or no UTF-8."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MAX_OFFER_BYTES:
            raise HubError(ErrorKind.INVALID, "the body is too long", code="bad_sdp")
    try:
        return body.decode()
    except UnicodeDecodeError as exc:
        raise HubError(ErrorKind.INVALID, "the body is not text", code="bad_sdp") from exc


def check_session(session_id: str) -> str:
    """Return a session id of the control plane as it is; HubError INVALID when it is none."""
    if not 1 <= len(session_id) <= MAX_SESSION_CHARS or not session_id.replace("-", "").replace("_", "").isalnum():
        raise HubError(ErrorKind.INVALID, "not a session id", code="invalid_id")
    return session_id


def make_router(endpoint: WhepEndpoint) -> APIRouter:
    """Return the routes of one endpoint."""
    router = APIRouter()

    @router.post("/whep/revoke")
    async def revoke(body: Revocation) -> dict[str, int]:
        ended = await endpoint.close_user(body.user_id) if body.user_id is not None else 0
        return {"ended": ended + await endpoint.close_sessions(body.session_ids)}

    @router.get("/whep/sessions")
    async def sessions() -> dict[str, Any]:
        return {
            "items": [asdict(stats) for stats in endpoint.sessions()],
            "ended": endpoint.ended,
            "port": endpoint.engine.port.counters.as_dict(),
            "longest_turn_ms": endpoint.engine.pump.longest_turn_ns / 1e6,
        }

    @router.delete("/whep/sessions/{session_id}", status_code=204)
    async def delete(session_id: str) -> Response:
        if not await endpoint.delete(session_id):
            raise HubError(ErrorKind.NOT_FOUND, "no such session", code="session_not_found")
        return Response(status_code=204)

    @router.patch("/whep/sessions/{session_id}", status_code=204)
    async def trickle(session_id: str, request: Request) -> Response:
        await endpoint.trickle(session_id, await text_of(request))
        return Response(status_code=204)

    @router.post("/whep/{camera_id}", status_code=201)
    async def create(
        camera_id: str,
        request: Request,
        user: Annotated[str, Header(alias="X-Xiangyun-User")],
        session: Annotated[str, Header(alias="X-Xiangyun-Session")],
        stream: Annotated[Quality, Query()] = Quality.MAIN,
    ) -> Response:
        key = StreamKey(camera_source(CameraId(check_id(camera_id))), stream)
        answer = await endpoint.create(await text_of(request), key, check_session(session), user)
        response = Response(answer.sdp, status_code=201, media_type=SDP)
        response.headers["Location"] = f"/whep/sessions/{session}"
        response.headers["X-Xiangyun-Audio"] = answer.audio
        for server in endpoint.engine.ice_servers(user):
            response.headers.append("Link", server.as_link())
        return response

    return router
