"""Reading in turns, on real loopback sockets: every byte, every end and every bug comes where a transport brings it."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator

import pytest

from streams.ingest.turns import ReadTurns


class Taker(asyncio.BufferedProtocol):
    """Keeps what is read for it into a small buffer, and how its connection ended."""

    def __init__(self, turns: ReadTurns) -> None:
        self.turns = turns
        self.buffer = bytearray(4096)
        self.got = bytearray()
        self.reads = 0
        self.lost = asyncio.Event()
        self.is_broken = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.turns.add(transport, self)

    def get_buffer(self, _sizehint: int) -> bytearray:
        return self.buffer

    def buffer_updated(self, nbytes: int) -> None:
        self.reads += 1
        if self.is_broken:
            raise ZeroDivisionError
        self.got += self.buffer[:nbytes]

    def connection_lost(self, exc: Exception | None) -> None:
        self.turns.remove(self.transport)
        self.lost.set()


@contextlib.asynccontextmanager
async def taker(turns: ReadTurns) -> AsyncIterator[tuple[Taker, socket.socket]]:
    """A protocol that is read for, and the socket at the other end."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        loop = asyncio.get_running_loop()
        transport, protocol = await loop.create_connection(lambda: Taker(turns), *server.getsockname())
        camera, _ = server.accept()
    with camera:
        yield protocol, camera
    transport.abort()
    await protocol.lost.wait()


async def until(condition) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - the protocol knows no event
            await asyncio.sleep(0.001)


async def test_everything_comes_to_its_own_connection_in_order():
    turns = ReadTurns()
    async with taker(turns) as (first, one), taker(turns) as (second, other):
        sent = [bytes([number]) * 3000 for number in range(20)]
        for part in sent:
            one.sendall(part)
            other.sendall(part[::2])
        await until(lambda: len(first.got) == 60_000 and len(second.got) == 30_000)
        assert first.got == b"".join(sent)
        assert second.got == b"".join(part[::2] for part in sent)


async def test_what_comes_within_a_turn_is_one_read():
    turns = ReadTurns()
    async with taker(turns) as (protocol, camera):
        for number in range(10):
            camera.sendall(bytes([number]))
        await until(lambda: len(protocol.got) == 10)
        assert protocol.reads == 1


async def test_the_transport_still_writes():
    turns = ReadTurns()
    async with taker(turns) as (protocol, camera):
        protocol.transport.write(b"report")
        camera.settimeout(5)
        assert await asyncio.to_thread(camera.recv, 10) == b"report"


@pytest.mark.parametrize("is_reset", [False, True])
async def test_the_end_is_told_by_the_transport(is_reset):
    turns = ReadTurns()
    async with taker(turns) as (protocol, camera):
        camera.sendall(b"last")
        await until(lambda: protocol.got == b"last")
        if is_reset:
            camera.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        camera.close()
        async with asyncio.timeout(5):
            await protocol.lost.wait()


async def test_a_bug_in_one_connection_ends_it_alone():
    told: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: told.append(context))
    turns = ReadTurns()
    async with taker(turns) as (sick, one), taker(turns) as (well, other):
        sick.is_broken = True
        one.sendall(b"x")
        other.sendall(b"y")
        async with asyncio.timeout(5):
            await sick.lost.wait()
        await until(lambda: well.got == b"y")
    assert [type(context["exception"]) for context in told] == [ZeroDivisionError]


async def test_without_connections_nothing_is_timed():
    turns = ReadTurns()
    async with taker(turns):
        assert turns._timer is not None
    assert turns._timer is None
