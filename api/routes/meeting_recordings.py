"""Recordings of meetings: what there is, and the bytes of each track under a grant for the room."""

from typing import Annotated
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from api.auth.verbs import Verb
from api.http.grant_permission import GrantAccess, with_room_grant
from api.http.permission import Access, Scope, require
from api.routes.playback import Moment, Place, Ticks, granted_span, send
from api.schemas.base import Id
from api.schemas.meeting_recordings import MeetingRecordingOut, meeting_recording_out
from api.services import meeting_playback, meeting_recordings
from api.services.ranges import TimeRange

router = APIRouter(prefix="/rooms/{room_id}/recordings", tags=["rooms"])

RoomId = Annotated[Id, Path()]
Reader = Annotated[Access, Depends(require(Verb.ROOM_JOIN, Scope.SOMEWHERE))]
"""Who may look at which room's recordings the service tells."""
Looker = Annotated[GrantAccess, Depends(with_room_grant(Verb.REPLAY_VIEW))]
Taker = Annotated[GrantAccess, Depends(with_room_grant(Verb.REPLAY_DOWNLOAD))]


@router.get("")
async def list_recordings(access: Reader, room_id: RoomId) -> MeetingRecordingOut:
    """List the tracks that were recorded, each with its stretches and why others are missing."""
    return meeting_recording_out(room_id, await meeting_recordings.read(access.ctx, access.actor, room_id))


def _span(access: GrantAccess, start: Moment, end: Moment) -> TimeRange:
    """Return the asked range as far as the track belongs to the room; refused outside of the grant."""
    asked = granted_span(access, start, end)
    return asked if access.window is None else meeting_playback.within(access.window, asked)


@router.get("/{track_id}/playback.m3u8", response_class=Response)
async def playlist(
    access: Looker,
    request: Request,
    start: Moment = None,
    end: Moment = None,
    *,
    keys: Annotated[bool, Query()] = False,
) -> Response:
    """Give an HLS playlist of a track; its segments need the same grant. With `keys` it holds key pictures only."""
    footage = access.use.footage
    base = f"/api/v1/rooms/{quote(footage.room_id or '')}/recordings/{quote(footage.id)}/segments"
    appended = urlencode({"grant": access.token}) if access.is_token_in_url else ""
    more = {"base": base, "query": appended} | ({"keys": "true"} if keys else {})
    return await send(access, request, "/playback.m3u8", _span(access, start, end), more)


@router.get("/{track_id}/segments/{volume}/{segment}.keys.mp4", response_class=Response)
async def key_pictures(
    access: Looker, request: Request, place: Place, start: Moment = None, end: Moment = None, ticks: Ticks = None
) -> Response:
    """Give the key pictures of a part of one segment as a fragment, or, without `ticks`, the map they need."""
    more = {} if ticks is None else {"ticks": ticks}
    return await send(access, request, f"{place}.keys.mp4", _span(access, start, end), more)


@router.get("/{track_id}/segments/{volume}/{segment}.mp4", response_class=Response)
async def segment(access: Looker, request: Request, place: Place, start: Moment = None, end: Moment = None) -> Response:
    """Give bytes of one segment, as far as the range reaches."""
    return await send(access, request, f"{place}.mp4", _span(access, start, end), {})


@router.get("/{track_id}/playback.mp4", response_class=Response)
async def download(access: Taker, request: Request, start: Moment = None, end: Moment = None) -> Response:
    """Give a track as one MP4 with `ETag` and ranges, for those who may take footage away."""
    return await send(access, request, "/playback.mp4", _span(access, start, end), {})


@router.head("/{track_id}/playback.mp4", response_class=Response)
async def download_head(access: Taker, request: Request, start: Moment = None, end: Moment = None) -> Response:
    """Tell size and `ETag` of the MP4."""
    return await send(access, request, "/playback.mp4", _span(access, start, end), {})
