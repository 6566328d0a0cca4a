"""RTP over datagrams, on real loopback sockets."""

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest

from media.base.clock import SimulatedClock
from media.rtp.packet import RtpPacket
from streams.ingest.udp import UdpPair


class Rig:
    """An open pair, and what it lets through."""

    def __init__(self, pair: UdpPair) -> None:
        self.pair = pair
        self.rtp: list[int] = []
        self.rtcp: list[bytes] = []
        self.camera = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.camera.bind(("127.0.0.1", 0))

    def listen(self, camera: str = "127.0.0.1") -> None:
        def push(view: memoryview, start: int, end: int, _mono_ns: int, _wall_us: int) -> None:
            self.rtp.append(int.from_bytes(view[start + 2 : start + 4], "big"))

        def push_rtcp(view: memoryview, start: int, end: int, _mono_ns: int, _wall_us: int) -> None:
            self.rtcp.append(bytes(view[start:end]))

        self.pair.listen(camera, push, push_rtcp, lambda _unit: None)

    def send(self, seq: int) -> None:
        packet = RtpPacket(payload_type=96, sequence=seq, timestamp=0, ssrc=1, payload=b"x")
        self.camera.sendto(packet.to_bytes(), ("127.0.0.1", self.pair.port))

    async def settle(self) -> None:
        """Let everything sent so far arrive: loopback has delivered it, the loop has to look twenty times at most."""
        for _ in range(20):
            await asyncio.sleep(0)


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    rig = Rig(await UdpPair.open(socket.AF_INET, SimulatedClock()))
    yield rig
    rig.camera.close()
    rig.pair.close()
    await asyncio.sleep(0)


async def test_the_pair_is_an_even_port_and_the_next(rig: Rig) -> None:
    assert rig.pair.port % 2 == 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other, pytest.raises(OSError, match="in use"):
        other.bind(("", rig.pair.port + 1))


async def test_packets_that_changed_places_come_out_in_order(rig: Rig) -> None:
    rig.listen()
    for seq in (1, 3, 2, 4):
        rig.send(seq)
    await rig.settle()
    assert rig.rtp == [1, 2, 3, 4]


async def test_nothing_of_a_stranger_comes_through(rig: Rig) -> None:
    rig.listen("10.0.0.9")
    rig.send(1)
    rig.camera.sendto(b"report", ("127.0.0.1", rig.pair.port + 1))
    await rig.settle()
    assert (rig.rtp, rig.rtcp) == ([], [])


async def test_reports_go_both_ways(rig: Rig) -> None:
    rig.listen()
    rig.camera.sendto(b"sender report", ("127.0.0.1", rig.pair.port + 1))
    await rig.settle()
    assert rig.rtcp == [b"sender report"]
    rig.pair.send_rtcp(b"receiver report", rig.camera.getsockname()[1])
    data, address = rig.camera.recvfrom(100)
    assert (data, address[1]) == (b"receiver report", rig.pair.port + 1)


async def test_a_closed_pair_is_silent(rig: Rig) -> None:
    rig.listen()
    rig.pair.close()
    rig.pair.close()
    rig.send(1)
    await rig.settle()
    assert rig.rtp == []
