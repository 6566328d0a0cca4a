"""The replay process's private HTTP app: looking at what rests.

Wired by `api.processes.replay`, served on a unix socket; whoever reaches it was authenticated, authorised and audited
by api. Handlers are plain functions on a bounded thread pool, because disks and SQLite block. Reads indexes and
files, writes nothing; pins what it serves.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

from fastapi import Body, Depends, FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from media.base.clock import Clock, rfc3339
from media.base.errors import ErrorKind, HubError
from media.base.ids import Quality, check_id
from recorder.meetings import is_meeting
from recorder.replay.bodies import Replay, mp4_response, segment_response
from recorder.replay.catalog import Located
from recorder.replay.key_pictures import key_response
from recorder.replay.moments import parse_span
from recorder.replay.mp4 import Request as Mp4Request
from recorder.replay.playlist import Links, make_key_playlist, make_playlist
from recorder.replay.spans import days, month_bounds, timeline
from recorder.replay.storage import camera_report, meetings_report, volume_report
from recorder.replay.summaries import parse_pieces, summaries
from recorder.volume import Limits

MAX_LIST_US = 400 * 86_400_000_000
MAX_PLAYLIST_US = 2 * 86_400_000_000
MAX_FILE_US = 32 * 86_400_000_000
"""Longer than a file may be: the refusal should name the spans."""
_STATUS = {
    ErrorKind.INVALID: 400,
    ErrorKind.NOT_FOUND: 404,
    ErrorKind.CONFLICT: 409,
    ErrorKind.UNAVAILABLE: 503,
    ErrorKind.DATA_LOSS: 503,
}
_RANGE_CODES = frozenset({"range_not_satisfiable", "outside_window"})


class Stretch:
    """The part of one camera's time that nearly every request names."""

    def __init__(
        self,
        camera_id: str,
        start: str,
        end: str,
        stream: Annotated[Quality, Query()] = Quality.MAIN,
    ) -> None:
        """Take the query; `bounds` checks the times."""
        self.camera_id = check_id(camera_id)
        self.quality = stream.value
        self._start = start
        self._end = end

    def bounds(self, longest_us: int) -> tuple[int, int]:
        """Return [start, end) in microseconds; HubError INVALID."""
        return parse_span(self._start, self._end, longest_us)


def _replay(request: Request) -> Replay:
    replay: Replay = request.app.state.replay
    return replay


InStretch = Annotated[Stretch, Depends()]
InReplay = Annotated[Replay, Depends(_replay)]


def create_app(volumes: Sequence[Path], clock: Clock, limits: Limits | None = None) -> FastAPI:
    """Return the app over the volumes at `volumes`; `limits` as given to the recorder."""
    replay = Replay(volumes, clock, limits)

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        yield
        replay.close()

    app = FastAPI(title="xiangyun replay", openapi_url=None, docs_url=None, redoc_url=None, lifespan=life)
    app.state.replay = replay
    app.add_exception_handler(HubError, _refuse)
    app.add_exception_handler(RequestValidationError, _refuse_malformed)
    app.add_api_route("/recordings", recordings, methods=["GET"])
    app.add_api_route("/calendar", calendar, methods=["GET"])
    app.add_api_route("/storage", storage, methods=["GET"])
    app.add_api_route("/summaries", pieces, methods=["POST"])
    app.add_api_route("/playback.m3u8", playback_playlist, methods=["GET"])
    both = ["GET", "HEAD"]
    app.add_api_route("/segments/{volume}/{segment_id}.keys.mp4", key_pictures, methods=both, response_model=None)
    app.add_api_route("/segments/{volume}/{segment_id}.mp4", segment, methods=both, response_model=None)
    app.add_api_route("/playback.mp4", playback_file, methods=both, response_model=None)
    app.add_api_route("/healthz", healthz, methods=["GET"])
    return app


async def _refuse(_: Request, error: Exception) -> Response:
    assert isinstance(error, HubError)
    status = 416 if error.code in _RANGE_CODES else _STATUS.get(error.kind, 500)
    body: dict[str, object] = {"code": error.code, "detail": error.message}
    body |= {key: value for key, value in error.context.items() if key in ("spans", "limit", "camera_id")}
    headers = {"Content-Range": f"bytes */{error.context.get('size_bytes', '*')}"} if status == 416 else None
    return JSONResponse(body, status, headers, media_type="application/problem+json")


async def _refuse_malformed(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    named = ", ".join(str(item["loc"][-1]) for item in error.errors()[:5])
    body = {"code": "invalid", "detail": f"not understood: {named}"}
    return JSONResponse(body, 400, media_type="application/problem+json")


def healthz() -> dict[str, str]:
    """Answer that the process lives."""
    return {"status": "ok"}


def recordings(stretch: InStretch, replay: InReplay) -> dict[str, Any]:
    """Return spans, gaps with reasons, and completeness."""
    start_us, end_us = stretch.bounds(MAX_LIST_US)
    extents = replay.catalog.extents(stretch.camera_id, stretch.quality, start_us, end_us)
    history = replay.catalog.history(stretch.camera_id, stretch.quality, start_us, end_us)
    found = timeline(extents, history, (start_us, end_us), replay.clock.wall_us())
    return {
        "spans": [{"start": rfc3339(s.start_us), "end": rfc3339(s.end_us), "bytes": s.size_bytes} for s in found.spans],
        "gaps": [{"start": rfc3339(g.start_us), "end": rfc3339(g.end_us), "reason": g.reason} for g in found.gaps],
        "planned_s": round(found.planned_us / 1e6, 3),
        "recorded_s": round(found.recorded_us / 1e6, 3),
        "completeness": round(found.completeness, 6),
    }


def calendar(
    camera_id: str,
    month: str,
    replay: InReplay,
    stream: Quality = Quality.MAIN,
    utc_offset_minutes: Annotated[int, Query(ge=-840, le=840)] = 480,
) -> dict[str, Any]:
    """Return the local days of a month that have footage."""
    bounds = month_bounds(month, utc_offset_minutes)
    extents = replay.catalog.extents(check_id(camera_id), stream.value, *bounds)
    found = days(extents, bounds, utc_offset_minutes)
    return {
        "month": month,
        "days": [{"date": d.date, "recorded_s": round(d.recorded_us / 1e6), "bytes": d.size_bytes} for d in found],
    }


def pieces(replay: InReplay, body: Annotated[Any, Body()]) -> list[dict[str, Any]]:
    """Return spans, gaps and codecs of many pieces of footage."""
    return summaries(replay.catalog, parse_pieces(body), replay.clock.wall_us())


def storage(replay: InReplay) -> dict[str, Any]:
    """Return the volumes' room, every camera's stock and forecast, and what meetings hold together."""
    now_us = replay.clock.wall_us()
    volumes = []
    cameras = []
    of_meetings = []
    for volume, stock in replay.catalog.stock():
        try:
            space = volume.space()
        except OSError:
            continue
        report = volume_report(space, replay.limits or Limits.of(space.total_bytes), stock, now_us)
        volumes.append({"id": volume.uuid, "name": volume.root.name, **report})
        meetings = [item for item in stock if is_meeting(item[0].camera_id)]
        if meetings:
            of_meetings.append({"volume": volume.uuid, **meetings_report(meetings, now_us)})
        for row, bounds in stock:
            if is_meeting(row.camera_id):
                continue
            cameras.append({"volume": volume.uuid, **camera_report(row, bounds, report["days_left"], now_us)})
    return {"volumes": volumes, "cameras": cameras, "meetings": of_meetings}


def playback_playlist(
    stretch: InStretch, replay: InReplay, base: str = "segments", query: str = "", *, keys: bool = False
) -> Response:
    """Return the HLS VOD playlist, of key pictures only with `keys`; addresses begin with `base`, end with `query`."""
    start_us, end_us = stretch.bounds(MAX_PLAYLIST_US)
    items = replay.catalog.segments(stretch.camera_id, stretch.quality, start_us, end_us)
    if not items:
        raise HubError(ErrorKind.NOT_FOUND, "nothing was recorded in this range", code="no_footage")
    if any(ord(character) < 0x21 or character == '"' for character in base + query):
        raise HubError(ErrorKind.INVALID, "an address has no such characters", code="invalid_url")
    if keys and not any(item.has_pictures for item in items):
        raise HubError(ErrorKind.NOT_FOUND, "only sound was recorded in this range", code="no_key_picture")
    text = (make_key_playlist if keys else make_playlist)(items, Links(base, query, start_us, end_us))
    return Response(text, media_type="application/vnd.apple.mpegurl", headers={"Cache-Control": "no-store"})


def _segment(volume: str, segment_id: int, camera_id: str, replay: Replay) -> Located:
    found = replay.catalog.segment(volume, segment_id, camera_id) if 0 < segment_id < 1 << 62 else None
    if found is None:
        raise HubError(ErrorKind.NOT_FOUND, "no such segment of this camera", code="segment_gone")
    return found


def segment(volume: str, segment_id: int, stretch: InStretch, replay: InReplay, request: Request) -> Response:
    """Return bytes of a segment file within the chunks of the stretch."""
    bounds = stretch.bounds(MAX_LIST_US)
    return segment_response(_segment(volume, segment_id, stretch.camera_id, replay), bounds, request)


def key_pictures(
    volume: str,
    segment_id: int,
    stretch: InStretch,
    replay: InReplay,
    request: Request,
    ticks: str | None = None,
) -> Response:
    """Return the key pictures of a part of a segment within the chunks of the stretch, or their init segment."""
    bounds = stretch.bounds(MAX_LIST_US)
    return key_response(_segment(volume, segment_id, stretch.camera_id, replay), bounds, ticks, request)


def playback_file(stretch: InStretch, replay: InReplay, request: Request) -> Response:
    """Return the stretch as one MP4 file, or a range of it."""
    start_us, end_us = stretch.bounds(MAX_FILE_US)
    return mp4_response(replay, Mp4Request(stretch.camera_id, stretch.quality, start_us, end_us), request)
