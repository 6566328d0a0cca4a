import asyncio
import socket

import pytest

from media.base.errors import ErrorKind
from streams.relay import holder as holder_module
from streams.relay.frames import FrameType, build, build_json
from streams.relay.holder import source_error
from tests.unit.streams.relay.two_workers import HandOrigin, person, two_workers, until


async def test_a_peer_that_proves_nothing_is_cut_off(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holder_module, "HANDSHAKE_S", 0.05)
    async with two_workers(tmp_path) as (_, _puller, wires):
        reader, writer = await asyncio.open_unix_connection(wires.addresses["vm/0"].removeprefix("unix:"))
        async with asyncio.timeout(20):
            while await reader.read(4096):
                pass
        writer.close()


@pytest.mark.parametrize(
    "data",
    [
        b"\xff" * 64,
        build_json(FrameType.OPEN, {"stream": 1, "source": "participant/alice"}),
        build(FrameType.PROOF, b"{}"),
        build(FrameType.PROOF, b"nonsense"),
    ],
)
async def test_strangers_get_no_source(tmp_path, data: bytes) -> None:
    async with two_workers(tmp_path) as (holder, _puller, wires):
        holder.plane.publish(person(HandOrigin()))
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(wires.addresses["vm/0"].removeprefix("unix:"))
            sock.sendall(data)
            sock.setblocking(False)
            got = bytearray()
            async with asyncio.timeout(20):
                while piece := await asyncio.get_running_loop().sock_recv(sock, 4096):
                    got += piece
        assert b"tracks" not in got
        await until(lambda: holder.node.figures()["links"] == 0)


def test_a_refusal_keeps_its_kind_and_code() -> None:
    error = source_error({"kind": "not_found", "code": "source_not_found", "message": "no such source"})
    assert (error.kind, error.code) == (ErrorKind.NOT_FOUND, "source_not_found")
    assert source_error({"kind": "odd"}).kind is ErrorKind.UNAVAILABLE
