"""The worker's private app on its unix socket: viewing, probing, states, stills, figures.

Reached only by api, which has authenticated, authorised and audited (headers X-Xiangyun-User, X-Trace-Id). Errors are
problem documents with the stable code that api passes on. Handlers parse, call and shape.
"""

import asyncio
import base64
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Annotated, Any

import structlog
from fastapi import APIRouter, FastAPI, Query, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CollectorRegistry, generate_latest
from pydantic import BaseModel, ConfigDict, Field

from api.http.errors import PROBLEM, status_of
from api.processes.deck import Deck
from media.base.clock import rfc3339
from media.base.errors import ErrorKind, HubError
from media.base.ids import CameraId, Quality, StreamKey, camera_source, check_id
from streams.ingest.probe import PROBE_TIMEOUT_S, Prober, ProbeResult
from streams.registry import Registry
from streams.snapshot import Snapshotter
from streams.webrtc.app import make_router
from streams.webrtc.whep import WhepEndpoint

log = structlog.get_logger(__name__)

PROBES_AT_ONCE = 8


class ProbeBody(BaseModel):
    """A source URL to look at; it carries credentials, so it is never logged."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    source_url: str = Field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerParts:
    """What the private app speaks for."""

    slot: str
    deck: Deck
    registry: Registry
    whep: WhepEndpoint
    snapshots: Snapshotter
    prober: Prober
    figures: CollectorRegistry
    is_healthy: Callable[[], bool]
    routers: tuple[APIRouter, ...] = ()
    """Further private routes: of sessions and rooms."""


def create_worker_app(parts: WorkerParts) -> FastAPI:
    """Return the app; nothing in it starts or ends anything."""
    app = FastAPI(title="worker", openapi_url=None, docs_url=None, redoc_url=None)
    app.add_exception_handler(HubError, _on_hub_error)
    for router in (make_router(parts.whep), *parts.routers):
        app.include_router(router)
    _add_camera_routes(app, parts)
    _add_probe(app, parts)

    @app.get("/healthz")
    async def healthz() -> Response:
        body = {"slot": parts.slot, "cameras": len(parts.deck.camera_ids)}
        return JSONResponse(body, 200 if parts.is_healthy() else 503)

    @app.get("/metrics")
    async def metrics() -> Response:
        return Response(generate_latest(parts.figures), media_type="text/plain; version=0.0.4; charset=utf-8")

    return app


async def _on_hub_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HubError)
    body = {key: value for key, value in error.context.items() if isinstance(value, str | int | float | list)}
    body |= {"status": status_of(error), "code": error.code, "detail": error.message}
    if error.kind is ErrorKind.INTERNAL:
        log.error("private request failed", path=request.url.path, code=error.code)
    return JSONResponse(body, status_of(error), media_type=PROBLEM)


def _add_camera_routes(app: FastAPI, parts: WorkerParts) -> None:
    @app.get("/cameras")
    async def cameras() -> dict[str, Any]:
        return {"slot": parts.slot, "items": parts.deck.statuses()}

    @app.get("/cameras/{camera_id}/status")
    async def status(camera_id: str) -> dict[str, Any]:
        found = parts.deck.status(check_id(camera_id))
        if found is None:
            raise HubError(ErrorKind.NOT_FOUND, "another worker holds the camera", code="camera_not_here")
        return found

    @app.post("/cameras/{camera_id}/retry", status_code=204)
    async def retry(camera_id: str) -> Response:
        parts.registry.retry_now(CameraId(check_id(camera_id)))
        return Response(status_code=204)

    @app.get("/cameras/{camera_id}/snapshot.jpg")
    async def snapshot(
        camera_id: str,
        stream: Annotated[Quality, Query()] = Quality.MAIN,
        width: Annotated[int, Query(ge=0, le=4096)] = 0,
    ) -> Response:
        key = StreamKey(camera_source(CameraId(check_id(camera_id))), stream)
        picture = await parts.snapshots.take(key, width)
        headers = {"X-Xiangyun-Taken-At": rfc3339(picture.taken_wall_us), "Cache-Control": "no-store"}
        return Response(picture.jpeg, media_type="image/jpeg", headers=headers)


def _add_probe(app: FastAPI, parts: WorkerParts) -> None:
    turn = asyncio.Semaphore(PROBES_AT_ONCE)

    @app.post("/probe")
    async def look(body: ProbeBody) -> dict[str, Any]:
        if turn.locked():
            raise HubError(ErrorKind.EXHAUSTED, "too many cameras are being probed", code="too_many_probes")
        async with turn:
            return _shown(await parts.prober.probe(body.source_url, PROBE_TIMEOUT_S))


def _shown(result: ProbeResult) -> dict[str, Any]:
    """Return the answer of the camera dialog's probe."""
    shown: dict[str, Any] = {"ok": result.ok, "tracks": list(result.tracks)}
    if result.ok:
        shown |= {"video": result.video and asdict(result.video), "audio": result.audio and asdict(result.audio)}
    else:
        shown |= {"code": result.code, "message": result.message}
    if result.preview_jpeg:
        shown["preview_jpeg_base64"] = base64.b64encode(result.preview_jpeg).decode()
    return shown
