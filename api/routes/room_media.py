"""WHIP and WHEP in rooms, for foreign software: offers and answers pass through; media never comes here (RFC 9725)."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from api.http.permission import Access, Seated, bearer_token
from api.http.sdp import check_accepts_sdp, ice_links, sdp_body
from api.schemas.base import Id
from api.services import live, room_media
from api.services.room_media import Bearer, MediaAnswer
from api.services.turn import ice_servers
from media.base.errors import ErrorKind, HubError

router = APIRouter(prefix="/rooms/{room_id}", tags=["rooms"])

RoomId = Annotated[Id, Path()]
SessionId = Annotated[Id, Path()]
Source = Annotated[str, Query(pattern=r"^(camera|participant)/[a-z0-9-]{1,64}$")]
FRAGMENT = "application/trickle-ice-sdpfrag"


def _bearer(access: Seated, request: Request) -> Bearer:
    token = None if access.principal is not None else bearer_token(request)
    return Bearer(access.actor, token)


Holder = Annotated[Bearer, Depends(_bearer)]


def _created(access: Access, answer: MediaAnswer, location: str) -> Response:
    response = Response(answer.sdp, 201, media_type=live.SDP)
    response.headers["Location"] = location
    response.headers["X-Xiangyun-Audio"] = answer.audio
    servers = ice_servers(access.ctx.options, access.actor.user_id or answer.session_id, access.ctx.clock.wall_us())
    for link in ice_links(servers):
        response.headers.append("Link", link)
    return response


@router.post("/whip", status_code=201)
async def start_whip(access: Seated, holder: Holder, request: Request, room_id: RoomId) -> Response:
    """Publish into a room: SDP offer in, SDP answer out; `Location` is deleted to end. Bearer: log-in or join token."""
    check_accepts_sdp(request)
    offer = await sdp_body(request, live.SDP)
    answer = await room_media.publish(access.ctx, holder, room_id, offer)
    return _created(access, answer, f"/api/v1/rooms/{room_id}/whip/{answer.session_id}")


@router.post("/whep", status_code=201)
async def start_whep_in_room(
    access: Seated, holder: Holder, request: Request, room_id: RoomId, source: Source
) -> Response:
    """Watch one source of a room, a participant or a camera it shows."""
    check_accepts_sdp(request)
    offer = await sdp_body(request, live.SDP)
    answer = await room_media.watch(access.ctx, holder, room_id, source, offer)
    return _created(access, answer, f"/api/v1/rooms/{room_id}/whep/{answer.session_id}")


@router.api_route("/whip", methods=["GET", "HEAD"], include_in_schema=False)
@router.api_route("/whep", methods=["GET", "HEAD"], include_in_schema=False)
async def refuse_reading(access: Seated) -> None:
    """Say that there is nothing to read: RFC 9725 wants 405, not the console's 404."""
    del access
    raise HubError(ErrorKind.INVALID, "offers are posted", code="method_not_allowed")


@router.patch("/whip/{session_id}", status_code=204)
@router.patch("/whep/{session_id}", status_code=204)
async def trickle_in_room(
    access: Seated, holder: Holder, request: Request, room_id: RoomId, session_id: SessionId
) -> None:
    """Pass late ICE candidates on."""
    session = await room_media.find(access.ctx, holder, room_id, session_id)
    await room_media.trickle(access.ctx, session, await sdp_body(request, FRAGMENT))


@router.delete("/whip/{session_id}", status_code=204)
@router.delete("/whep/{session_id}", status_code=204)
async def stop_in_room(access: Seated, holder: Holder, room_id: RoomId, session_id: SessionId) -> None:
    """End publishing or watching."""
    session = await room_media.find(access.ctx, holder, room_id, session_id)
    await room_media.stop(access.ctx, session, "left")
