"""The control plane's app: routes, errors, middleware and background tasks, joined.

`create_app` is called by the api process and by tests; it starts nothing before the lifespan begins. What it is
given (`ApiContext`) stays the giver's to close.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute, APIWebSocketRoute

from api.context import ApiContext
from api.control.parts import make_control
from api.http import errors
from api.http.middleware import RequestScope
from api.http.permission import Permission
from api.routes import (
    audit,
    auth,
    calls,
    camera_import,
    cameras,
    events,
    health,
    live,
    meeting_recordings,
    orgs,
    pages,
    playback,
    recordings,
    room_media,
    room_record,
    rooms,
    sessions,
    setup,
    users,
)
from api.services.setup import ensure_admin
from media.base.tasks import Owner

VERSION = "0.1.0"
PREFIX = "/api/v1"

API_ROUTERS = (
    setup.router,
    auth.router,
    orgs.router,
    users.router,
    camera_import.router,
    cameras.router,
    live.router,
    recordings.router,
    playback.router,
    rooms.router,
    room_media.router,
    room_record.router,
    meeting_recordings.router,
    sessions.router,
    calls.router,
    audit.router,
    events.router,
)
PAGE_ROUTERS = (health.router, pages.docs_router, pages.console_router)
"""Outside `/api/v1`; the console's catch-all comes last."""


def create_app(ctx: ApiContext) -> FastAPI:
    """Return the app on `ctx`."""
    control = make_control(ctx)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        if ctx.options.admin_password:
            await ensure_admin(ctx, ctx.options.admin_password)
        async with Owner("control plane") as owner:
            control.start(owner)
            yield

    app = FastAPI(
        title="Xiangyun 乡云", version=VERSION, lifespan=lifespan, openapi_url=None, docs_url=None, redoc_url=None,
        redirect_slashes=False,
    )  # fmt: skip
    app.state.control = control
    for router in (*API_ROUTERS, *PAGE_ROUTERS):
        declare(router)
        app.include_router(router, prefix=PREFIX if router in API_ROUTERS else "")
    errors.install(app)
    app.add_middleware(RequestScope, ctx=ctx, metrics=control.metrics)
    setattr(app, "openapi", lambda: describe(app))  # noqa: B010  # FastAPI's documented way to extend the schema
    return app


def permission_of(route: APIRoute | APIWebSocketRoute) -> Permission | None:
    """Return what a route declares, or None: a test fails on such a route."""
    found = [part.call for part in route.dependant.dependencies if isinstance(part.call, Permission)]
    return found[0] if len(found) == 1 else None


def declare(router: APIRouter) -> None:
    """Write each route's declaration into its OpenAPI operation."""
    for route in router.routes:
        if isinstance(route, APIRoute) and (permission := permission_of(route)) is not None:
            verb = {"verb": permission.verb.value} if permission.verb else {}
            route.openapi_extra = {"x-permission": {**verb, "scope": permission.scope.value}}
            if permission.scope.value not in {"public", "invited"}:
                route.openapi_extra["security"] = [{"bearer": []}]


def describe(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI document, made once."""
    if app.openapi_schema is None:
        schema = get_openapi(title=app.title, version=app.version, routes=app.routes)
        schema.setdefault("components", {})["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer"}}
        app.openapi_schema = schema
    return app.openapi_schema
