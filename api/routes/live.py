"""Live viewing by WHEP, and stills. Offers and answers pass through; media never comes here."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from api.auth.verbs import Verb
from api.http.permission import Access, LoggedIn, Scope, require
from api.http.sdp import sdp_body
from api.schemas.base import Id
from api.schemas.live import IceServers, ice_out
from api.services import live, stills
from api.services.stills import StillRequest
from api.services.turn import ice_servers
from media.base.ids import Quality

router = APIRouter(tags=["live"])

SessionId = Annotated[Id, Path()]
Viewer = Annotated[Access, Depends(require(Verb.LIVE_VIEW, Scope.CAMERA))]
SNAPSHOT_NOTED_S = 60.0
"""A tile that shows stills instead of video is one row a minute, not one a second."""


@router.post("/cameras/{camera_id}/whep", status_code=201)
async def start_whep(access: Viewer, request: Request, stream: Annotated[Quality, Query()] = Quality.MAIN) -> Response:
    """Begin to watch: SDP offer in, SDP answer out; `Location` is deleted to end."""
    offer = await sdp_body(request, live.SDP)
    answer = await live.start(access.ctx, access.actor, access.the_camera, stream, offer)
    response = Response(answer.sdp, 201, media_type=live.SDP)
    response.headers["Location"] = f"/api/v1/whep/{answer.session_id}"
    response.headers["X-Xiangyun-Audio"] = answer.audio
    for link in answer.links:
        response.headers.append("Link", link)
    return response


@router.delete("/whep/{session_id}", status_code=204)
async def stop_whep(access: LoggedIn, session_id: SessionId) -> None:
    """Stop watching."""
    session = await live.find_own(access.ctx, access.actor, session_id)
    await live.stop(access.ctx, session, live.BY_VIEWER)


@router.patch("/whep/{session_id}", status_code=204)
async def trickle_whep(access: LoggedIn, request: Request, session_id: SessionId) -> None:
    """Pass late ICE candidates on."""
    session = await live.find_own(access.ctx, access.actor, session_id)
    await live.trickle(access.ctx, session, await sdp_body(request, "application/trickle-ice-sdpfrag"))


@router.get("/ice-servers", response_model_exclude_none=True)
async def list_ice_servers(access: LoggedIn) -> IceServers:
    """List the TURN servers a browser may use, with credentials for some hours."""
    return ice_out(ice_servers(access.ctx.options, access.me.user_id, access.ctx.clock.wall_us()))


@router.get("/cameras/{camera_id}/snapshot.jpg", response_class=Response)
async def snapshot(
    access: Viewer,
    stream: Annotated[Quality, Query()] = Quality.MAIN,
    width: Annotated[int, Query(ge=0, le=4096)] = 0,
) -> Response:
    """Show the latest key picture as JPEG, scaled down to `width` when given."""
    recent, key = access.control.recent, f"{access.me.session_id}/{access.the_camera.id}"
    is_noted = recent.has(key, SNAPSHOT_NOTED_S)
    still = await stills.take(access.ctx, access.actor, access.the_camera, StillRequest(stream, width, is_noted))
    if not is_noted:
        recent.note(key)
    return Response(still.jpeg, media_type="image/jpeg", headers={"X-Xiangyun-Taken-At": still.taken_at})
