"""The link to a worker's socket: opened, asked, broken; never an exception the gate does not know."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from websockets.asyncio.server import ServerConnection, unix_serve

from api.forward import session_link
from api.forward.session_link import LinkEndedError, SessionLink
from media.base.errors import ErrorKind


@pytest.fixture
async def worker(tmp_path: Path) -> AsyncIterator[str]:
    """A worker that answers what it is told to say, hangs up, or says nothing."""

    async def serve(link: ServerConnection) -> None:
        async for text in link:
            wanted = json.loads(text)
            for said in wanted.get("say", ()):
                await link.send(said)
            if wanted.get("go"):
                return

    path = str(tmp_path / "w.sock")
    async with unix_serve(serve, path):
        yield path


async def test_objects_go_both_ways_and_what_is_none_is_passed_over(worker: str) -> None:
    async with await SessionLink.open(worker) as link:
        answer = await link.ask({"say": ["no json", "[1]", '{"opened":{"字":1}}']})
        assert answer == {"opened": {"字": 1}}


async def test_a_worker_that_hangs_up_is_one_that_is_gone(worker: str) -> None:
    async with await SessionLink.open(worker) as link:
        await link.send({"go": True})
        with pytest.raises(LinkEndedError) as caught:
            await link.receive()
        assert (caught.value.kind, caught.value.code) == (ErrorKind.UNAVAILABLE, "worker_unavailable")
        with pytest.raises(LinkEndedError):
            await link.send({})


async def test_nobody_there_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(LinkEndedError):
        await SessionLink.open(str(tmp_path / "none.sock"))


async def test_a_worker_that_does_not_answer_is_given_up(worker: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_link, "ANSWER_TIMEOUT_S", 0.05)
    async with await SessionLink.open(worker) as link:
        with pytest.raises(LinkEndedError):
            await link.ask({"say": []})


async def test_what_is_no_websocket_is_nobody(tmp_path: Path) -> None:
    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    path = str(tmp_path / "h.sock")
    async with await asyncio.start_unix_server(serve, path):
        with pytest.raises(LinkEndedError):
            await SessionLink.open(path)
