"""Is it alive, is it ready, how is it doing. Outside `/api/v1`; says nothing about cameras by name."""

import asyncio
from collections import Counter

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from api.control.metrics import CONTENT_TYPE
from api.forward.figures import gather_figures
from api.http.permission import Public
from api.services.presence import told
from media.base.errors import HubError

router = APIRouter(tags=["health"])

READY_TIMEOUT_S = 3.0


@router.get("/healthz")
async def healthz(access: Public) -> dict[str, str]:
    """Answer while the process lives."""
    del access
    return {"status": "ok"}


@router.get("/readyz")
async def readyz(access: Public) -> JSONResponse:
    """Answer 200 when database, shared state and a worker are there; else 503 with what is missing."""
    ctx = access.ctx
    checks = {"database": ctx.db.ping, "state": ctx.state.ping, "worker": ctx.workers.any}
    found = {name: await _is_up(check) for name, check in checks.items()}
    is_ready = all(found.values())
    return JSONResponse({"status": "ready" if is_ready else "waiting", "checks": found}, 200 if is_ready else 503)


async def _is_up(check: object) -> bool:
    assert callable(check)
    try:
        async with asyncio.timeout(READY_TIMEOUT_S):
            await check()
    except (HubError, TimeoutError):
        return False
    return True


@router.get("/metrics")
async def metrics(access: Public) -> Response:
    """Give the figures of every process for Prometheus."""
    figures = access.control.metrics
    try:
        states = (await told(access.ctx)).values()
    except HubError:
        states = {}.values()
    figures.cameras.clear()
    for state, number in Counter(str(status.get("state", "unknown")) for status in states).items():
        figures.cameras.labels(state).set(number)
    figures.recording.set(sum((status.get("recording") or {}).get("state") == "recording" for status in states))
    others = await gather_figures(access.ctx)
    return Response(figures.render() + others, media_type=CONTENT_TYPE)
