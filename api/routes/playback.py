"""Replay: the register of reasons, and the bytes under a grant. Looking and taking away are different verbs."""

from typing import Annotated
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import AwareDatetime

from api.auth.verbs import Verb
from api.forward.streams import STREAM_TIMEOUT, conditional_headers, pass_through
from api.http.grant_permission import GRANT_COOKIE, GRANT_COOKIE_PATH, GrantAccess, room_cookie_path, with_grant
from api.http.permission import Access, LoggedIn, Scope, denied, require
from api.schemas.base import Id
from api.schemas.paging import DEFAULT_LIMIT, Cursor, Limit, decode_cursor, encode_cursor
from api.schemas.replay import GrantCreate, GrantMade, GrantPage, grant_out
from api.services import meeting_playback, playback
from api.services.playback import GrantTerms
from api.services.ranges import TimeRange, time_range
from media.base.ids import Quality

router = APIRouter(tags=["replay"])

Asker = Annotated[Access, Depends(require(Verb.REPLAY_VIEW, Scope.SOMEWHERE))]
Looker = Annotated[GrantAccess, Depends(with_grant(Verb.REPLAY_VIEW))]
Taker = Annotated[GrantAccess, Depends(with_grant(Verb.REPLAY_DOWNLOAD))]
Part = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{1,80}$")]
Moment = Annotated[AwareDatetime | None, Query()]
Stream = Annotated[Quality, Query()]
Ticks = Annotated[str | None, Query(pattern=r"^[0-9]{1,18}-[0-9]{1,18}$")]


@router.post("/playback-grants", status_code=201)
async def create_grant(access: LoggedIn, request: Request, response: Response, body: GrantCreate) -> GrantMade:
    """Register why recordings are looked at, and get a grant for cameras, or for a room one may look back at."""
    span = time_range(body.start, body.end, access.ctx.clock.wall_us())
    verbs = frozenset({body.verb} if body.verb else {Verb.REPLAY_VIEW, Verb.REPLAY_DOWNLOAD})
    terms = GrantTerms(
        span=span, reason=body.reason, case_no=body.case_no, unit=body.unit, verbs=verbs | {Verb.REPLAY_VIEW}
    )
    if body.room_id is not None:
        made = await meeting_playback.grant(access.ctx, access.actor, body.room_id, terms)
        path = room_cookie_path(body.room_id)
    else:
        if not access.me.may_somewhere(Verb.REPLAY_VIEW):
            raise denied(Verb.REPLAY_VIEW)
        made = await playback.grant(access.ctx, access.actor, tuple(dict.fromkeys(body.camera_ids)), terms)
        path = GRANT_COOKIE_PATH
    response.set_cookie(
        GRANT_COOKIE, made.token, path=path, httponly=True, samesite="strict", secure=request.url.scheme == "https"
    )
    return GrantMade(id=made.id, grant=made.token, expires_at=playback.expiry(made))


@router.get("/playback-grants")
async def list_grants(access: Asker, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None) -> GrantPage:
    """List one's own lines of the register; an auditor of the whole system sees everybody's."""
    page, covered = await playback.register(access.ctx, access.me, decode_cursor(cursor), limit)
    items = [grant_out(row, covered[row.id]) for row in page.items]
    return GrantPage(items=items, next_cursor=encode_cursor(page.next_key))


@router.delete("/playback-grants/{grant_id}", status_code=204)
async def end_grant(access: LoggedIn, grant_id: Annotated[Id, Path()]) -> None:
    """End a grant; streams under it are cut."""
    row = await playback.find_grant(access.ctx, access.me, grant_id)
    await playback.end_grant(access.ctx, access.actor, row, "withdrawn")


def granted_span(access: GrantAccess, start: Moment, end: Moment) -> TimeRange:
    """Return the asked range, by default the whole of the grant; refused outside of it."""
    row = access.use.grant
    whole = TimeRange(row.start_us, row.end_us)
    if start is None and end is None:
        return whole
    asked = time_range(start or whole.start(), end or whole.end(), access.ctx.clock.wall_us())
    playback.check_span(access.use, asked)
    return asked


async def send(access: GrantAccess, request: Request, path: str, span: TimeRange, more: dict[str, str]) -> Response:
    """Pass on what the replay process gives of the footage, after the view is written down."""
    view_id = await playback.open_view(access.ctx, access.use, access.verb, access.actor, span)
    params = {"camera_id": access.footage_id, **span.params(), **more}
    replay = access.ctx.replay
    upstream = replay.build_request(
        request.method, path, params=params, headers=conditional_headers(request.headers), timeout=STREAM_TIMEOUT
    )
    return await pass_through(replay, upstream, access.control.streams, view_id)


@router.get("/cameras/{camera_id}/playback.m3u8", response_class=Response)
async def playlist(
    access: Looker,
    request: Request,
    start: Moment = None,
    end: Moment = None,
    stream: Stream = Quality.MAIN,
    *,
    keys: Annotated[bool, Query()] = False,
) -> Response:
    """Give an HLS playlist of the range for looking; its segments need the same grant.

    With `keys` the playlist holds key pictures only and no sound: about a tenth of the bytes, for fast search.
    """
    span = granted_span(access, start, end)
    base = f"/api/v1/cameras/{quote(access.use.footage.id)}/segments"
    appended = urlencode({"grant": access.token}) if access.is_token_in_url else ""
    more = {"base": base, "query": appended, "stream": stream.value} | ({"keys": "true"} if keys else {})
    return await send(access, request, "/playback.m3u8", span, more)


def _place(volume: Part, segment: Part) -> str:
    return f"/segments/{volume}/{segment}"


Place = Annotated[str, Depends(_place)]


@router.get("/cameras/{camera_id}/segments/{volume}/{segment}.keys.mp4", response_class=Response)
async def key_pictures(
    access: Looker, request: Request, place: Place, start: Moment = None, end: Moment = None, ticks: Ticks = None
) -> Response:
    """Give the key pictures of a part of one segment as a fragment, or, without `ticks`, the map they need."""
    more = {} if ticks is None else {"ticks": ticks}
    return await send(access, request, f"{place}.keys.mp4", granted_span(access, start, end), more)


@router.api_route("/cameras/{camera_id}/segments/{volume}/{segment}.mp4", methods=["GET"], response_class=Response)
async def segment(access: Looker, request: Request, place: Place, start: Moment = None, end: Moment = None) -> Response:
    """Give bytes of one segment, as far as the range reaches."""
    return await send(access, request, f"{place}.mp4", granted_span(access, start, end), {})


@router.get("/cameras/{camera_id}/playback.mp4", response_class=Response)
async def download(
    access: Taker, request: Request, start: Moment = None, end: Moment = None, stream: Stream = Quality.MAIN
) -> Response:
    """Give the range as one MP4 with `ETag` and ranges, for those who may take footage away."""
    return await send(access, request, "/playback.mp4", granted_span(access, start, end), {"stream": stream.value})


@router.head("/cameras/{camera_id}/playback.mp4", response_class=Response)
async def download_head(
    access: Taker, request: Request, start: Moment = None, end: Moment = None, stream: Stream = Quality.MAIN
) -> Response:
    """Tell size and `ETag` of the MP4."""
    return await send(access, request, "/playback.mp4", granted_span(access, start, end), {"stream": stream.value})
