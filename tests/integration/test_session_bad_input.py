"""What a hostile page sends to a running hub: refused by a code of SIGNALING.md or bounded, and nobody else notices."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from streams.session.codes import ERROR_CODES
from tests.hub_process import HubProcess

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubProcess]:
    with HubProcess(tmp_path_factory.mktemp("hub")) as running:
        running.login()
        running.root_org()
        running.post("/rooms", {"id": "r1", "name": "例会"})
        yield running


class Line:
    """A page's socket, without the page."""

    def __init__(self, connection: ClientConnection) -> None:
        self.socket = connection
        self.number = 0
        self.online: dict[str, bool] = {}

    async def receive(self) -> dict[str, Any]:
        async with asyncio.timeout(15):
            found: dict[str, Any] = json.loads(await self.socket.recv())
            for who in found.get("participants") or [found.get("participant") or {}]:
                self.online[who.get("id", "")] = who.get("is_online", False)
            return found

    async def heard(self, *kinds: str) -> dict[str, Any]:
        while (message := await self.receive())["type"] not in kinds:
            pass
        return message

    async def ask(self, kind: str, **fields: Any) -> dict[str, Any]:
        self.number += 1
        await self.socket.send(json.dumps({"type": kind, "id": self.number, **fields}))
        while (message := await self.receive()).get("id", 0) not in {self.number, None}:
            pass
        return message

    async def code(self, kind: str, **fields: Any) -> str:
        answer = await self.ask(kind, **fields)
        return str(answer["code"]) if answer["type"] == "error" else str(answer["type"])

    async def end(self) -> int:
        """Read to the end and return the close code."""
        try:
            while True:
                await self.receive()
        except ConnectionClosed as closed:
            return closed.rcvd.code if closed.rcvd is not None else 1006


@asynccontextmanager
async def line(hub: HubProcess, **hello: Any) -> AsyncIterator[Line]:
    way = socket.socket()
    way.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # what a page does not read must wait in the hub soon
    way.connect(("127.0.0.1", hub.port))
    address = f"ws://127.0.0.1:{hub.port}/api/v1/session"
    async with connect(address, sock=way, compression=None, close_timeout=1) as connection:
        made = Line(connection)
        if hello:
            welcome = await made.ask("hello", protocol=1, **hello)
            assert welcome["type"] == "welcome", welcome
        yield made
        if hello:
            with contextlib.suppress(ConnectionClosed, TimeoutError):
                await made.ask("leave")


def token(hub: HubProcess) -> str:
    return str(hub.post("/sessions", {})["token"])


def seat(hub: HubProcess, **body: Any) -> str:
    return str(hub.post("/rooms/r1/join", body, 200)["token"])


async def test_tokens_that_are_used_invented_or_missing_open_nothing(hub: HubProcess) -> None:
    good = token(hub)
    async with line(hub, token=good):
        pass
    tries = [({"token": good}, "token_used"), ({"token": "x" * 40}, "token_invalid"), ({}, "token_invalid")]
    tries += [({"resume": "x" * 40}, "resume_unknown"), ({"token": "x"}, "bad_message")]
    for fields, code in tries:
        async with line(hub) as page:
            assert await page.code("hello", protocol=1, **fields) == code
    async with line(hub) as page:
        assert await page.code("hello", protocol=2, token=token(hub)) == "unsupported_protocol"
    async with line(hub) as page:
        assert await page.code("ping", t=1) == "hello_first"


def sdp_of(lines: int) -> str:
    head = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=ice-ufrag:abcd\r\na=ice-pwd:" + "x" * 24 + "\r\n"
    head += "a=fingerprint:sha-256 " + ":".join(["AA"] * 32) + "\r\n"
    return head + "".join("m=video 9 UDP/TLS/RTP/SAVPF 96\r\n" for _ in range(lines))


@pytest.mark.parametrize(
    ("sdp", "codes"),
    [
        (sdp_of(7_000), {"bad_sdp", "too_many_tracks"}),
        (sdp_of(10_000), {"too_long"}),
        ("v=0", {"bad_sdp"}),
        ("\x00" * 1000, {"bad_sdp"}),
        ("v=0\r\n" + "a" * 200_000, {"bad_sdp"}),
        (sdp_of(1), {"bad_sdp", "codec_unsupported", "published"}),
    ],
    ids=["many lines", "too many lines", "nothing", "zeros", "one long line", "no codec"],
)
async def test_malformed_offers_are_refused_and_the_session_goes_on(hub: HubProcess, sdp: str, codes: set[str]) -> None:
    async with line(hub, token=seat(hub)) as page:
        assert await page.code("slots", sdp=sdp) in codes
        assert await page.code("publish", sdp=sdp, tracks={"0": "camera"}) in codes
        assert await page.code("ping", t=1) == "pong"


@pytest.mark.parametrize(
    "frame",
    ["", "{", "[]", "7", "null", "[" * 50_000, '{"type":' * 5000, '{"type":"ping","id":1,"t":1e999}', '{"type":"\\ud800"}', b"\x00\xff", "x" * 300_000],
    ids=["empty", "brace", "list", "number", "null", "deep lists", "deep objects", "infinite", "surrogate", "bytes", "long"],
)  # fmt: skip
async def test_frames_that_are_no_messages_get_a_code_of_the_list(hub: HubProcess, frame: str | bytes) -> None:
    async with line(hub, token=token(hub)) as page:
        await page.socket.send(frame)
        assert (await page.heard("error"))["code"] in ERROR_CODES
        assert await page.code("ping", t=1) == "pong"


async def test_a_flood_ends_its_own_socket_and_nobody_elses(hub: HubProcess) -> None:
    async with line(hub, token=token(hub)) as calm, line(hub, token=token(hub)) as page:
        for number in range(3000):
            try:
                await page.socket.send(json.dumps({"type": "ping", "id": number, "t": 1}))
            except ConnectionClosed:
                break
        assert await page.end() == 4008
        assert await calm.code("ping", t=1) == "pong"


async def test_a_page_that_never_reads_is_left_and_nobody_else_waits(hub: HubProcess) -> None:
    async with line(hub, token=seat(hub)) as chair:
        guest = hub.post("/rooms/r1/join", {"participant_id": "p-deaf"}, 200)
        async with line(hub, token=guest["token"]) as deaf:
            deaf.socket.transport.pause_reading()
            text = "好" * 2000
            async with asyncio.timeout(120):
                while chair.online.get(guest["participant_id"], True):
                    for _ in range(20):
                        assert await chair.code("chat", text=text) == "ok"
                    await asyncio.sleep(0.7)
            assert await chair.code("ping", t=1) == "pong"
            deaf.socket.transport.resume_reading()


async def test_forty_come_in_at_once(hub: HubProcess) -> None:
    tokens = [token(hub) for _ in range(14)]
    hub.post("/rooms", {"id": "r2", "name": "大会"})
    invite = hub.get("/rooms/r2/invite")
    body = {"invite": invite["url"].partition("invite=")[2], "passcode": invite["passcode"]}
    async with httpx.AsyncClient(base_url=hub.url) as guests:
        for number in range(26):
            answer = await guests.post("/api/v1/rooms/r2/join", json={**body, "display_name": f"村民{number}"})
            assert answer.status_code == 200, answer.text
            tokens.append(answer.json()["token"])

    async def come(one: str) -> str:
        async with line(hub, token=one) as page:
            return await page.code("ping", t=1)

    assert await asyncio.gather(*(come(one) for one in tokens)) == ["pong"] * 40
