"""A control plane for tests: real database, real HTTP through ASGI; shared state, worker and replay are fakes."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
from argon2 import PasswordHasher
from fastapi import FastAPI, Request, Response

from api.app import create_app
from api.auth.passwords import Passwords
from api.auth.tokens import TokenSigner
from api.context import ApiContext, ControlOptions, WorkerLink
from api.db.engine import Database
from api.secrets.cipher import Cipher
from api.state import CameraDesired, EventBatch, Message, SlotInfo, WorkerEvent
from api.state.buckets import Taken
from media.base.clock import SimulatedClock
from media.base.errors import ErrorKind, HubError
from streams.ingest.networks import SourceNetworks

NOW_US = 1_800_000_000_000_000
QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
ADMIN = ("admin", "Correct-horse-9")


class FakeState:
    """The shared state in memory; `is_down` makes every call fail as an unreachable Redis does."""

    def __init__(self) -> None:
        self.desired: dict[str, CameraDesired] | None = None
        self.reported: dict[str, dict[str, Any]] = {}
        self.is_down = False
        self.buckets: dict[str, float] = {}
        self.is_limiting = False
        self.events: list[WorkerEvent] = []
        self.acked: list[str] = []
        self.room_slots: dict[str, str] = {}
        self.said: list[tuple[str, dict[str, Any]]] = []
        self._ears: list[asyncio.Queue[Message]] = []

    def _up(self) -> None:
        if self.is_down:
            raise HubError(ErrorKind.UNAVAILABLE, "the shared state cannot be reached", code="state_unavailable")

    async def put_camera(self, camera: CameraDesired) -> None:
        self._up()
        self.desired = {**(self.desired or {}), camera.id: camera}

    async def remove_camera(self, camera_id: str) -> None:
        self._up()
        (self.desired or {}).pop(camera_id, None)

    async def replace_cameras(self, cameras: Iterable[CameraDesired]) -> None:
        self._up()
        self.desired = {camera.id: camera for camera in cameras}

    async def cameras(self) -> dict[str, CameraDesired] | None:
        self._up()
        return None if self.desired is None else dict(self.desired)

    async def statuses(self, camera_ids: Iterable[str] | None = None) -> dict[str, dict[str, Any]]:
        self._up()
        wanted = self.reported.keys() if camera_ids is None else set(camera_ids)
        return {key: value for key, value in self.reported.items() if key in wanted}

    async def slot_of_camera(self, camera_id: str) -> SlotInfo | None:
        self._up()
        return (await self.slots())["node/0"]

    async def slots(self) -> dict[str, SlotInfo]:
        self._up()
        return {"node/0": SlotInfo(slot="node/0", node="node", number=0, workers=1, socket="/none", is_manned=True)}

    async def put_room_slot(self, room_id: str, slot: str) -> None:
        self._up()
        self.room_slots[room_id] = slot

    async def replace_room_slots(self, slots: Mapping[str, str]) -> None:
        self._up()
        self.room_slots = dict(slots)

    async def publish(self, channel: str, data: dict[str, Any]) -> None:
        self._up()
        self.said.append((channel, data))
        for ear in self._ears:
            ear.put_nowait(Message(channel, data))

    async def listen(self, *channels: str) -> AsyncIterator[Message]:
        ear: asyncio.Queue[Message] = asyncio.Queue()
        self._ears.append(ear)
        try:
            yield Message("connected", {})
            while True:
                message = await ear.get()
                if message.channel in channels:
                    yield message
        finally:
            self._ears.remove(ear)

    async def take_token(self, key: str, *, rate_per_s: float, burst: float, cost: float = 1.0) -> Taken:
        self._up()
        left = self.buckets.get(key, burst) - cost
        if self.is_limiting and left < 0:
            return Taken(is_allowed=False, retry_after_s=1 / rate_per_s)
        self.buckets[key] = left
        return Taken(is_allowed=True, retry_after_s=0.0)

    async def read_events(
        self, consumer: str, *, is_unacknowledged: bool = False, limit: int = 100, wait_s: float = 1.0
    ) -> EventBatch:
        self._up()
        if is_unacknowledged:
            return EventBatch(())
        taken, self.events = self.events[:limit], self.events[limit:]
        if not taken:
            await asyncio.sleep(min(wait_s, 0.01))
        return EventBatch(tuple(taken))

    async def ack_events(self, events: Iterable[WorkerEvent]) -> None:
        self._up()
        self.acked.extend(event.id for event in events)

    async def ping(self) -> None:
        self._up()


@dataclass
class FakePrivate:
    """What the fake worker and replay were asked, and how they answer."""

    asked: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    told: list[tuple[str, Any]] = field(default_factory=list)
    """Path and JSON body of what was told."""
    headers: list[dict[str, str]] = field(default_factory=list)
    answers: dict[str, Response | Callable[[], Response]] = field(default_factory=dict)
    live: set[str] = field(default_factory=set)
    before_answer: list[Any] = field(default_factory=list)

    def app(self) -> FastAPI:
        app = FastAPI(openapi_url=None)

        @app.api_route("/{path:path}", methods=["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH"])
        async def anything(request: Request, path: str) -> Response:
            self.asked.append((request.method, f"/{path}", {**request.query_params}))
            self.headers.append(dict(request.headers))
            if request.headers.get("content-type") == "application/json":
                self.told.append((f"/{path}", await request.json()))
            for look in self.before_answer:
                await look()
            for start, answer in self.answers.items():
                method, _, prefix = start.rpartition(" ")
                if f"/{path}".startswith(prefix) and method in ("", request.method):
                    return answer if isinstance(answer, Response) else answer()
            if path == "whep/revoke":
                self.live -= set((await request.json())["session_ids"])
                return Response('{"ended":1}', 200, media_type="application/json")
            return self._usual(request, path)

        return app

    def _usual(self, request: Request, path: str) -> Response:
        session = request.headers.get("x-xiangyun-session", "")
        if request.method == "POST" and path.startswith("whep/"):
            self.live.add(session)
            headers = {"Location": f"/whep/sessions/{session}", "X-Xiangyun-Audio": "passthrough"}
            return Response("v=0\r\nanswer\r\n", 201, headers, media_type="application/sdp")
        if request.method == "DELETE":
            self.live.discard(path.rpartition("/")[2])
            return Response(status_code=204)
        return Response('{"code":"not_found"}', 404, media_type="application/json")


class FakeWorkers:
    """One worker behind ASGI."""

    def __init__(self, app: FastAPI) -> None:
        self.client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://worker")
        self.is_down = False
        self.socket = "/none"

    async def of_camera(self, camera_id: str) -> WorkerLink:
        return self._link()

    async def any(self) -> WorkerLink:
        return self._link()

    async def all(self) -> list[WorkerLink]:
        return [] if self.is_down else [self._link()]

    async def of_slot(self, slot: str) -> WorkerLink:
        return self._link()

    def _link(self) -> WorkerLink:
        if self.is_down:
            raise HubError(ErrorKind.UNAVAILABLE, "no worker is up", code="worker_unavailable")
        return WorkerLink("node/0", self.client, self.socket)


@dataclass
class Plane:
    """A running control plane and its surroundings."""

    app: FastAPI
    ctx: ApiContext
    clock: SimulatedClock
    state: FakeState
    worker: FakePrivate
    replay: FakePrivate
    workers: FakeWorkers
    client: httpx.AsyncClient

    async def set_up(self) -> "Person":
        """Make the administrator `ADMIN` with a county, and log in."""
        body = {"username": ADMIN[0], "password": ADMIN[1], "county_name": "延寿县"}
        answer = await self.client.post("/api/v1/setup", json=body)
        assert answer.status_code == 201, answer.text
        return await self.log_in(*ADMIN)

    async def log_in(self, username: str, password: str) -> "Person":
        answer = await self.client.post("/api/v1/auth/login", json={"username": username, "password": password})
        assert answer.status_code == 200, answer.text
        self.client.cookies.clear()
        return Person(self.client, answer.json()["access_token"], answer.json()["refresh_token"])


@dataclass
class Person:
    """Somebody logged in."""

    client: httpx.AsyncClient
    token: str
    refresh_token: str

    async def call(self, method: str, path: str, **more: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.token}", **more.pop("headers", {})}
        return await self.client.request(method, f"/api/v1{path}", headers=headers, **more)

    async def get(self, path: str, **more: Any) -> httpx.Response:
        return await self.call("GET", path, **more)

    async def post(self, path: str, body: Any = None, **more: Any) -> httpx.Response:
        return await self.call("POST", path, json=body, **more)

    async def patch(self, path: str, body: Any) -> httpx.Response:
        return await self.call("PATCH", path, json=body)

    async def put(self, path: str, body: Any) -> httpx.Response:
        return await self.call("PUT", path, json=body)

    async def delete(self, path: str) -> httpx.Response:
        return await self.call("DELETE", path)

    async def made(self, path: str, body: Any) -> Any:
        answer = await self.post(path, body)
        assert answer.status_code == 201, answer.text
        return answer.json()


@asynccontextmanager
async def control_plane(url: str, **options: Any) -> AsyncIterator[Plane]:
    """Run a control plane on the migrated database at `url`."""
    clock, state, worker, replay = SimulatedClock(wall_us=NOW_US), FakeState(), FakePrivate(), FakePrivate()
    workers = FakeWorkers(worker.app())
    db, passwords = Database(url), Passwords(QUICK)
    replay_client = httpx.AsyncClient(transport=httpx.ASGITransport(replay.app()), base_url="http://replay")
    ctx = ApiContext(
        options=ControlOptions(sweep_every_s=0.2, **options), db=db, state=state, cipher=Cipher("a secret for tests"),
        signer=TokenSigner(b"k" * 32), passwords=passwords, networks=SourceNetworks.parse(), clock=clock,
        workers=workers, replay=replay_client,
    )  # fmt: skip
    app = create_app(ctx)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    try:
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://hub") as client,
        ):
            yield Plane(app, ctx, clock, state, worker, replay, workers, client)
    finally:
        await workers.client.aclose()
        await replay_client.aclose()
        passwords.close()
        await db.aclose()


async def eventually(claim: Any, within_s: float = 20.0) -> None:
    """Wait until the async `claim()` is true."""
    deadline_s = time.monotonic() + within_s
    while not await claim():
        assert time.monotonic() < deadline_s, "did not come true in time"
        await asyncio.sleep(0.02)
