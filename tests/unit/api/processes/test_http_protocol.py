"""The head of a request is bounded in size, number of lines and time; what is no HTTP gets a problem document."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn

from api.processes import http_protocol
from api.processes.http_protocol import HEAD_LIMIT_BYTES, HEAD_LIMIT_LINES, GuardedProtocol
from api.processes.private_app import QuietServer


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Count the body; say of a WebSocket that it was one."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": "hello"})
        await send({"type": "websocket.close", "code": 1000})
        return
    size, is_more = 0, True
    while is_more:
        message = await receive()
        size, is_more = size + len(message.get("body", b"")), message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"7")]})
    await send({"type": "http.response.body", "body": b"%07d" % size})


@asynccontextmanager
async def port() -> AsyncIterator[int]:
    config = uvicorn.Config(
        app, port=0, http=GuardedProtocol, log_config=None, lifespan="off", access_log=False, ws="websockets-sansio"
    )
    server = QuietServer(config)
    async with asyncio.TaskGroup() as group:
        group.create_task(server.serve())
        await server.up.wait()
        yield int(server.servers[0].sockets[0].getsockname()[1])
        server.should_exit = True


async def talk(number: int, *pieces: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", number)
    answer = b""
    try:
        async with asyncio.timeout(5):
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
            answer = await reader.read(4096)
    except ConnectionError:
        pass
    finally:
        writer.close()
    return answer


HEAD = b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"


@pytest.mark.parametrize(
    ("data", "status", "code"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", 400, "bad_request"),
        (b"GET / HTTP/9.9\r\n\r\n", 400, "bad_request"),
        (HEAD + b"Content-Length: -1\r\n\r\n", 400, "bad_request"),
        (HEAD + b"A: " + b"x" * (HEAD_LIMIT_BYTES + 10), 431, "head_too_large"),
        (b"GET /" + b"x" * (HEAD_LIMIT_BYTES + 10), 431, "head_too_large"),
        (HEAD + b"".join(b"H%d: x\r\n" % n for n in range(HEAD_LIMIT_LINES)) + b"\r\n", 431, "head_too_large"),
    ],
)
async def test_what_is_no_request_gets_a_problem_document(data: bytes, status: int, code: str) -> None:
    async with port() as number:
        head, _, body = (await talk(number, data)).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 %d " % status)
        assert b"application/problem+json" in head
        assert json.loads(body)["code"] == code
        assert (await talk(number, HEAD + b"\r\n")).endswith(b"0000000")


async def test_large_bodies_pass_and_are_not_taken_for_heads() -> None:
    async with port() as number:
        size = 5 * HEAD_LIMIT_BYTES
        answer = await talk(number, HEAD + b"Content-Length: %d\r\n\r\n" % size, *[b"b" * 1000] * 327, b"b" * 680)
        assert answer.endswith(b"%07d" % size)
        chunks = b"".join(b"3e8\r\n" + b"c" * 1000 + b"\r\n" for _ in range(100))
        assert (await talk(number, HEAD + b"Transfer-Encoding: chunked\r\n\r\n", chunks, b"0\r\n\r\n")).endswith(
            b"0100000"
        )


async def test_an_endless_trailer_is_cut_off() -> None:
    async with port() as number:
        head = HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\nT: "
        answer = await talk(number, head, *[b"x" * 10_000] * 100)
        assert b"200 OK" not in answer


async def test_garbage_behind_a_request_cuts_its_answer_without_a_fault(caplog: pytest.LogCaptureFixture) -> None:
    async with port() as number:
        for _ in range(20):
            await talk(number, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n\x16\x03\x01garbage\r\n\r\n")
            await talk(number, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n" * 50)
        assert (await talk(number, HEAD + b"\r\n")).endswith(b"0000000")
    assert [record.message for record in caplog.records if record.exc_info] == []


async def test_half_a_head_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_protocol, "HEAD_TIMEOUT_S", 0.1)
    async with port() as number:
        assert await talk(number, b"GET / HTTP/1.1\r\nHo") == b""
        assert await talk(number) == b""


async def test_connections_beyond_the_limit_are_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_protocol, "MAX_CONNECTIONS", 1)
    async with port() as number:
        first, writer = await asyncio.open_connection("127.0.0.1", number)
        assert await talk(number, HEAD + b"\r\n") == b""
        writer.write(HEAD + b"\r\n")
        assert (await first.read(4096)).endswith(b"0000000")
        writer.close()


UPGRADE = b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
KEY = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"


async def test_the_session_gate_is_a_websocket() -> None:
    async with port() as number:
        head = b"GET /api/v1/session?token=x HTTP/1.1\r\nHost: x\r\n" + UPGRADE + KEY + b"\r\n"
        answer = await talk(number, head)
        assert answer.startswith(b"HTTP/1.1 101 ")
        assert b"hello" in answer


@pytest.mark.parametrize(
    ("path", "more"),
    [
        (b"/api/v1/cameras", KEY),
        (b"/api/v1/session/", KEY),
        (b"/api/v1/session%00", KEY),
        ("/api/v1/session?\u5b57".encode(), KEY),
    ],
)
async def test_an_upgrade_anywhere_else_is_passed_over(path: bytes, more: bytes) -> None:
    async with port() as number:
        head = b"GET " + path + b" HTTP/1.1\r\nHost: x\r\n" + UPGRADE + more + b"\r\n"
        assert b"101" not in (await talk(number, head, b"")).split(b"\r\n")[0]


@pytest.mark.parametrize(
    "head",
    [
        b"GET /api/v1/session HTTP/1.1\r\nHost: x\r\n" + UPGRADE + b"\r\n",
        b"GET /api/v1/session HTTP/1.1\r\nHost: x\r\n" + UPGRADE + b"Sec-WebSocket-Key: x\r\n\r\n",
        b"POST /api/v1/session HTTP/1.1\r\nHost: x\r\n" + UPGRADE + KEY + b"Connection: close\r\n\r\n",
        b"GET /api/v1/session HTTP/1.1\r\nHost: x\r\n" + UPGRADE.replace(b"13", b"99") + KEY + b"\r\n",
        b"GET /api/v1/session HTTP/1.1\r\nHost: x\r\n"
        + UPGRADE
        + KEY
        + b"X: \xff\xfe\r\nSec-WebSocket-Extensions: ;;,\r\n\r\n",
    ],
)
async def test_a_broken_upgrade_is_refused_and_hurts_nobody(head: bytes, caplog: pytest.LogCaptureFixture) -> None:
    async with port() as number:
        answer = await talk(number, head)
        assert answer == b"" or 101 <= int(answer.split(b" ")[1]) < 500
        assert (await talk(number, HEAD + b"\r\n")).endswith(b"0000000")
    assert [record.message for record in caplog.records if record.exc_info] == []
