"""Sessions over their real socket: the envelope, breaks, takeovers, and an api that stops reading."""

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from websockets.asyncio.client import ClientConnection, unix_connect
from websockets.exceptions import ConnectionClosed

from api.processes.private_app import QuietServer, bind_unix, private_config
from streams.publication import TrackName
from streams.session.app import make_router
from tests.unit.streams.session.world import WAIT_S, World, publication, seat, settled, world


@dataclass
class Worker:
    """A world behind its socket."""

    at: World
    path: Path

    @asynccontextmanager
    async def link(self, **opening: Any) -> AsyncIterator["Link"]:
        """Open a socket as the api does, and say the first frame."""
        async with unix_connect(str(self.path), "ws://worker/session", compression=None, close_timeout=1) as socket:
            link = Link(socket)
            if opening:
                await link.send({"open": opening})
            yield link

    def http(self) -> httpx.AsyncClient:
        transport = httpx.AsyncHTTPTransport(uds=str(self.path))
        return httpx.AsyncClient(transport=transport, base_url="http://worker")


class Link:
    """The api's end of a session's socket."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    async def send(self, frame: dict[str, Any]) -> None:
        await self.socket.send(json.dumps(frame))

    async def receive(self) -> dict[str, Any]:
        async with asyncio.timeout(WAIT_S):
            found: dict[str, Any] = json.loads(await self.socket.recv())
            return found

    async def page(self, name: str) -> dict[str, Any]:
        """Return the next message of a type for the page."""
        while True:
            frame = await self.receive()
            message: dict[str, Any] = frame.get("page", {})
            if message.get("type") == name:
                return message

    async def told_api(self) -> dict[str, Any]:
        """Return the next frame for the api itself."""
        while True:
            frame = await self.receive()
            if "api" in frame:
                message: dict[str, Any] = frame["api"]
                return message

    async def ended(self) -> int:
        """Read to the end and return the close code."""
        try:
            while True:
                await self.receive()
        except ConnectionClosed as closed:
            return closed.rcvd.code if closed.rcvd is not None else 1006


@asynccontextmanager
async def worker(tmp_path: Path) -> AsyncIterator[Worker]:
    with tempfile.TemporaryDirectory(prefix="xy-") as folder:
        async with world(tmp_path) as at:
            path = Path(folder) / "worker.sock"
            app = FastAPI(openapi_url=None)
            app.include_router(make_router(at.directory))
            server = QuietServer(private_config(app, lifespan="off", has_sockets=True))
            async with asyncio.TaskGroup() as group:
                serving = group.create_task(server.serve(sockets=[bind_unix(path)]))
                await server.up.wait()
                try:
                    yield Worker(at, path)
                finally:
                    await at.directory.aclose()
                    server.should_exit = True
                    await serving


WALL = {"session_id": "s-1", "user_id": "u-1", "display_name": "", "is_resume": False, "seat": None}


def in_seat(name: str, **more: Any) -> dict[str, Any]:
    return {**WALL, "session_id": f"s-{name}", "user_id": f"u-{name}", "seat": seat(name).as_json(), **more}


async def test_a_session_is_opened_and_spoken_to(tmp_path: Path) -> None:
    async with worker(tmp_path) as made, made.link(**in_seat("p-1")) as link:
        opened = (await link.receive())["opened"]
        assert (opened["session_id"], opened["resumed"], opened["participant"]["id"]) == ("s-p-1", False, "p-1")
        await link.send({"page": {"type": "ping", "id": 1, "t": 7}})
        assert (await link.page("pong"))["t"] == 7
        await link.send({"page": {"type": "leave", "id": 2}})
        assert (await link.page("ok"))["id"] == 2
        assert (await link.receive()) == {"api": {"type": "ended", "reason": "left"}}
        assert (await link.page("closing"))["code"] == "left"
        assert await link.ended() == 1000


@pytest.mark.parametrize(
    ("first", "code"),
    [
        ("{", "bad_message"),
        ("[]", "bad_message"),
        ('{"page":{}}', "bad_message"),
        (json.dumps({"open": {**WALL, "is_resume": True}}), "resume_unknown"),
        (json.dumps({"open": {**WALL, "seat": seat("p-1", room_id="room-9").as_json()}}), "room_not_found"),
    ],
)
async def test_who_cannot_come_in_is_told_why(tmp_path: Path, first: str, code: str) -> None:
    async with worker(tmp_path) as made, made.link() as link:
        await link.socket.send(first)
        assert (await link.receive())["refused"]["code"] == code
        assert await link.ended() == 4001
        assert len(made.at.directory) == 0


async def test_whatever_an_api_sends_the_session_goes_on(tmp_path: Path) -> None:
    async with worker(tmp_path) as made, made.link(**WALL) as link:
        await link.receive()
        for frame in ("{", "[]", "{}", '{"page":7}', '{"revoke":[]}', '{"new":{"thing":1}}', "[" * 50_000):
            await link.socket.send(frame)
        await link.send({"page": {"type": "subscribe", "id": 1, "source": "camera/a", "track": "video"}, "grant": 7})
        assert (await link.page("error"))["code"] == "not_permitted"


async def test_an_offer_of_the_largest_size_passes(tmp_path: Path) -> None:
    async with worker(tmp_path) as made, made.link(**WALL) as link:
        await link.receive()
        await link.send({"page": {"type": "slots", "id": 1, "sdp": "video" + " " * ((256 << 10) - 5)}})
        assert (await link.page("slots"))["sdp"] == "answer to 1"
        await link.send({"page": {"type": "slots", "id": 2, "sdp": "x" * ((256 << 10) + 1)}})
        assert (await link.page("error"))["code"] == "too_long"


async def test_a_broken_socket_leaves_the_session_waiting_and_it_is_taken_up(tmp_path: Path) -> None:
    async with worker(tmp_path) as made:
        async with made.link(**in_seat("p-1")) as link:
            await link.receive()
        await settled(lambda: not made.at.directory.all()[0].is_attached)
        async with made.link(**in_seat("p-1", is_resume=True)) as link:
            assert (await link.receive())["opened"]["resumed"] is True
            await link.send({"page": {"type": "ping", "id": 1, "t": 1}})
            await link.page("pong")
        assert made.at.directory.opened == 1


async def test_opened_twice_the_older_socket_is_closed(tmp_path: Path) -> None:
    async with worker(tmp_path) as made, made.link(**in_seat("p-1")) as older:
        await older.receive()
        async with made.link(**in_seat("p-1", is_resume=True)) as newer:
            await newer.receive()
            assert (await older.page("closing"))["code"] == "replaced"
            assert await older.ended() == 4000
            await newer.send({"page": {"type": "ping", "id": 1, "t": 1}})
            await newer.page("pong")
            assert made.at.directory.all()[0].is_attached


async def test_a_right_withdrawn_over_the_socket(tmp_path: Path) -> None:
    async with worker(tmp_path) as made, made.link(**WALL) as link:
        made.at.cameras.cameras["camera/gate"] = publication("camera/gate", TrackName.VIDEO)
        await link.receive()
        await link.send({"page": {"type": "slots", "id": 1, "sdp": "video"}})
        wish = {"type": "subscribe", "id": 2, "source": "camera/gate", "track": "video"}
        await link.send({"page": wish, "grant": {"id": "v-1", "source": "camera/gate", "slot": "w0"}})
        await link.page("ok")
        await link.send({"revoke": {"source": "camera/gate", "code": "revoked"}})
        told = await link.told_api()
        assert (told["type"], told["source"], told["reason"]) == ("unsubscribed", "camera/gate", "revoked")
        assert (await link.page("unsubscribed"))["code"] == "revoked"
        await link.send({"revoke": {"code": "revoked"}})
        assert (await link.page("closing"))["code"] == "revoked"
        assert await link.ended() == 4003


async def test_an_api_that_stops_reading_holds_up_nobody_and_may_come_back(tmp_path: Path) -> None:
    async with worker(tmp_path) as made, made.link(**in_seat("p-1")) as stuck, made.link(**in_seat("p-2")) as other:
        await stuck.receive()
        await other.receive()
        stuck.socket.transport.pause_reading()
        session = next(each for each in made.at.directory.all() if each.name == "s-p-1")
        text = "x" * 2000
        for number in range(2000):
            made.at.clock.advance(1)
            await other.send({"page": {"type": "chat", "id": number, "text": text}})
            await other.page("ok")
            if not session.is_attached:
                break
        assert not session.is_attached
        async with made.link(**in_seat("p-1", is_resume=True)) as back:
            assert (await back.receive())["opened"]["resumed"] is True
        stuck.socket.transport.resume_reading()


async def test_at_the_end_of_the_worker_every_page_is_told(tmp_path: Path) -> None:
    async with worker(tmp_path) as made, made.link(**in_seat("p-1")) as link, made.link(**WALL) as wall:
        await link.receive()
        await wall.receive()
        await made.at.directory.aclose()
        for each in (link, wall):
            assert (await each.page("closing"))["code"] == "worker_restart"
            assert await each.ended() == 1012


async def test_the_sweeper_asks_and_revokes(tmp_path: Path) -> None:
    async with worker(tmp_path) as made, made.link(**in_seat("p-1")) as link, made.http() as client:
        await link.receive()
        listed = (await client.get("/sessions")).json()
        assert [item["session_id"] for item in listed["items"]] == ["s-p-1"]
        assert listed["opened"] == 1
        what = {"user_id": None, "session_ids": ["s-p-1"], "code": "removed"}
        answer = await client.post("/sessions/revoke", json=what)
        assert answer.json() == {"sessions": 1, "subscriptions": 0}
        assert (await link.page("closing"))["code"] == "removed"
        assert await link.ended() == 4003
        assert (await client.post("/sessions/revoke", json={})).json() == {"sessions": 0, "subscriptions": 0}
