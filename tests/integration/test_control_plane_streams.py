"""Bytes under way, over real sockets: cut when the right ends, closed when the client goes away."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from starlette.responses import StreamingResponse

from api.app import create_app
from tests.fakes.control import ADMIN, Plane, control_plane, eventually
from tests.fakes.control_fixtures import *  # noqa: F403

RANGE = {"start": "2027-01-15T06:00:00Z", "end": "2027-01-15T07:00:00Z"}


@dataclass
class EndlessReplay:
    """A replay process that never stops sending."""

    open_streams: int = 0
    ended: list[str] = field(default_factory=list)

    def app(self) -> FastAPI:
        app = FastAPI()

        @app.get("/playback.mp4")
        async def send() -> StreamingResponse:
            return StreamingResponse(self._bytes(), media_type="video/mp4", headers={"ETag": '"x"'})

        return app

    async def is_idle(self) -> bool:
        return self.open_streams == 0

    async def _bytes(self) -> AsyncIterator[bytes]:
        self.open_streams += 1
        try:
            while True:
                yield b"m" * 65_536
                await asyncio.sleep(0.01)
        finally:
            self.open_streams -= 1


@asynccontextmanager
async def serving(app: FastAPI, bound: socket.socket) -> AsyncIterator[None]:
    config = uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    server.capture_signals = _no_signals  # type: ignore[method-assign]
    async with asyncio.TaskGroup() as group:
        group.create_task(server.serve(sockets=[bound]))
        await eventually(lambda: _is_up(server))
        yield
        server.should_exit = True


async def _is_up(server: uvicorn.Server) -> bool:
    return server.started


class _NoSignals:
    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...


def _no_signals() -> Any:
    return _NoSignals()


@dataclass
class House:
    replay: EndlessReplay
    url: str
    plane: Plane
    client: httpx.AsyncClient

    async def grant(self) -> str:
        body = {"camera_ids": ["gate"], **RANGE, "reason": "查找"}
        answer = await self.client.post("/api/v1/playback-grants", json=body)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["grant"])


@pytest.fixture
async def house(database_url: str, tmp_path: Path) -> AsyncIterator[House]:
    """The control plane and an endless replay, each behind its own real server."""
    replay = EndlessReplay()
    path = tmp_path / "replay.sock"
    private = socket.socket(socket.AF_UNIX)
    private.bind(str(path))
    public = socket.create_server(("127.0.0.1", 0))
    async with control_plane(database_url) as plane, serving(replay.app(), private):
        upstream = httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(uds=str(path)), base_url="http://replay")
        app = create_app(replace(plane.ctx, replay=upstream))
        url = f"http://127.0.0.1:{public.getsockname()[1]}"
        async with serving(app, public), httpx.AsyncClient(base_url=url) as client:
            await client.post("/api/v1/setup", json={"username": ADMIN[0], "password": ADMIN[1], "county_name": "县"})
            login = await client.post("/api/v1/auth/login", json={"username": ADMIN[0], "password": ADMIN[1]})
            client.headers["Authorization"] = f"Bearer {login.json()['access_token']}"
            root = (await client.get("/api/v1/orgs")).json()["items"][0]["id"]
            camera = {"id": "gate", "name": "c", "org_id": root, "source_url": "rtsp://10.0.0.1/1"}
            assert (await client.post("/api/v1/cameras", json=camera)).status_code == 201
            yield House(replay, url, plane, client)
        await upstream.aclose()


async def test_a_client_that_goes_away_closes_the_stream_behind(house: House) -> None:
    params = {**RANGE, "grant": await house.grant()}
    async with house.client.stream("GET", "/api/v1/cameras/gate/playback.mp4", params=params) as answer:
        assert (answer.status_code, answer.headers["etag"]) == (200, '"x"')
        await anext(answer.aiter_raw())
        assert house.replay.open_streams == 1
    await eventually(house.replay.is_idle)


async def drain(pieces: AsyncIterator[bytes]) -> None:
    async for _ in pieces:
        pass
    raise EOFError


async def test_a_download_under_way_is_cut_within_five_seconds_of_the_grants_end(house: House) -> None:
    params = {**RANGE, "grant": await house.grant()}
    grants = (await house.client.get("/api/v1/playback-grants")).json()["items"]
    async with house.client.stream("GET", "/api/v1/cameras/gate/playback.mp4", params=params) as answer:
        pieces = answer.aiter_raw()
        await anext(pieces)
        assert (await house.client.delete(f"/api/v1/playback-grants/{grants[0]['id']}")).status_code == 204
        async with asyncio.timeout(5):
            with pytest.raises((EOFError, httpx.RemoteProtocolError)):
                await drain(pieces)
    await eventually(house.replay.is_idle)


async def test_the_event_stream_flows_and_ends_with_the_login(house: House) -> None:
    async with house.client.stream("GET", "/api/v1/events") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = answer.aiter_lines()
        seen: list[str] = []
        async with asyncio.timeout(10):
            async for line in lines:
                seen.append(line)
                if "event: ready" in line:
                    await house.client.post("/api/v1/auth/logout")
        assert "event: session.revoked" in seen
