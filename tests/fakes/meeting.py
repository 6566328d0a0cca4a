"""A county with a meeting and a stand-in worker behind the plane's only slot, for tests of sessions and rooms."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.responses import JSONResponse

from tests.fakes.control import Person, Plane
from tests.fakes.session_worker import StandIn, stand_in

__all__ = ["county", "worker"]

PASSWORD = "Village-watch-3"


@pytest.fixture
async def worker(plane: Plane, tmp_path: Path) -> AsyncIterator[StandIn]:
    """A worker behind the plane's only slot."""
    plane.workers.socket = str(tmp_path / "w.sock")
    for path in ("PUT /rooms", "POST /rooms", "DELETE /rooms", "POST /sessions/revoke"):
        plane.worker.answers[path] = JSONResponse({})
    for path in ("GET /whip/sessions", "GET /whep/sessions", "GET /rooms/r1/events"):
        plane.worker.answers[path] = JSONResponse({"items": []})
    async with stand_in(Path(plane.workers.socket)) as running:
        plane.worker.answers["GET /sessions"] = lambda: JSONResponse({"items": running.listed()})
        yield running


@pytest.fixture
async def county(admin: Person) -> Person:
    root = (await admin.get("/orgs")).json()["items"][0]["id"]
    for org in ("town", "other"):
        await admin.made("/orgs", {"id": org, "name": org, "level": "township", "parent_id": root})
    await admin.made("/cameras", {"id": "gate", "name": "村口", "org_id": "town", "source_url": "rtsp://10.0.0.1/1"})
    await admin.made("/cameras", {"id": "far", "name": "远处", "org_id": "other", "source_url": "rtsp://10.0.0.2/1"})
    for name in ("li", "wang"):
        account = {"id": name, "username": name, "password": PASSWORD, "roles": ["viewer"], "org_id": "town"}
        await admin.made("/users", account)
    await admin.made("/rooms", {"id": "r1", "name": "推进会", "org_id": "town"})
    return admin


async def wall_token(person: Person) -> str:
    return str((await person.made("/sessions", {}))["token"])


async def seat_token(person: Person, **body: Any) -> str:
    return str((await person.post("/rooms/r1/join", body)).json()["token"])


async def actions(admin: Person, prefix: str) -> list[str]:
    rows = (await admin.get("/audit", params={"action": prefix})).json()["items"]
    return [f"{row['action']} {row['details'].get('reason', '')}".strip() for row in reversed(rows)]
