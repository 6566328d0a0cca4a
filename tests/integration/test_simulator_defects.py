"""The simulator's defects on the wire, seen by our own client session over real sockets."""

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator, Callable

import pytest

from media.base.clock import SimulatedClock, SystemClock
from media.base.errors import HubError
from media.packet import Codec
from media.rtsp.auth import Credentials, Scheme
from media.rtsp.client import ClientSession, Described, Event, Failed, Playing, TornDown
from media.rtsp.message import InterleavedFrame, MessageParser
from streams.simulator.defects import STALE_SESSION_S
from streams.simulator.server import Simulator, SimulatorOptions
from tests.integration.fixtures_state import until

WHO = Credentials("admin", "secret")


class Client:
    """One connection that collects events and counts packets."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, url: str, who) -> None:
        self.session = ClientSession(url, who)
        self.events: list[Event] = []
        self.frames: list[InterleavedFrame] = []
        self.messages = 0
        self.is_closed = False
        self._reader, self._writer, self._parser = reader, writer, MessageParser()

    def say(self, data: bytes) -> None:
        self._writer.write(data)

    async def until(self, done: Callable[[], bool], timeout_s: float = 20) -> None:
        async with asyncio.timeout(timeout_s):
            while not done() and not self.is_closed:
                try:
                    data = await self._reader.read(65_536)
                except ConnectionResetError:
                    data = b""
                self.is_closed = not data
                self._parser.feed(data)
                while (item := self._parser.next()) is not None:
                    self._take(item)

    def _take(self, item) -> None:
        if isinstance(item, InterleavedFrame):
            self.frames.append(item)
            return
        self.messages += 1
        step = self.session.receive(item, 0)
        self.events += step.events
        self.say(step.send)
        for event in step.events:
            if isinstance(event, Described):
                self.say(self.session.setup(event.tracks))

    @property
    def last(self) -> Event | None:
        return self.events[-1] if self.events else None

    async def play(self) -> None:
        self.say(self.session.start())
        await self.until(lambda: isinstance(self.last, Playing | Failed))

    async def packets(self, count: int, timeout_s: float = 10) -> None:
        target = len(self.frames) + count
        await self.until(lambda: len(self.frames) >= target, timeout_s)

    def close(self) -> None:
        self._writer.close()


@contextlib.asynccontextmanager
async def connected(simulator: Simulator, camera: int = 1, who: Credentials | None = None) -> AsyncIterator[Client]:
    reader, writer = await asyncio.open_connection("127.0.0.1", simulator.port)
    client = Client(reader, writer, simulator.url(camera, with_credentials=False), who)
    try:
        yield client
    finally:
        client.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


@pytest.fixture
async def simulator():
    async with Simulator(SimulatorOptions.small(cameras=2)) as running:
        yield running


async def test_silence_can_be_switched_on_and_off_while_a_client_watches(simulator):
    async with connected(simulator) as client:
        await client.play()
        await client.packets(10)
        simulator.set_defect(1, "silence")
        client.say(client.session.keepalive(0))
        heard = client.messages
        await client.until(lambda: client.messages > heard)
        before = len(client.frames)
        with pytest.raises(TimeoutError):
            await client.packets(1, timeout_s=0.7)
        assert len(client.frames) == before
        simulator.set_defect(1, None)
        await client.packets(10)


async def test_a_defect_of_one_camera_leaves_its_neighbour_alone(simulator):
    simulator.set_defect(1, "silence")
    async with connected(simulator, 2) as client:
        await client.play()
        await client.packets(20)


async def test_paced_packets_keep_their_order_when_the_simulator_is_late():
    options = SimulatorOptions.small(is_paced=True, rate_bps=3_000_000, fps=25)
    async with Simulator(options) as simulator, connected(simulator) as client:
        await client.play()
        for _ in range(12):
            await client.packets(15)
            time.sleep(0.07)  # noqa: ASYNC251  # nearly two pictures late at once
        numbers = [int.from_bytes(frame.payload[2:4], "big") for frame in client.frames if frame.channel == 0]
    assert [(after - before) & 0xFFFF for before, after in itertools.pairwise(numbers)] == [1] * (len(numbers) - 1)


async def test_a_pulled_cable_resets_the_connection(simulator):
    async with connected(simulator) as client:
        await client.play()
        await client.packets(5)
        assert simulator.viewers(1) == 1
        assert simulator.disconnect(1) == 1
        await client.until(lambda: client.is_closed)
    assert simulator.viewers(1) == 0


async def test_a_stale_session_blocks_the_stream_until_it_is_torn_down(simulator):
    simulator.set_defect(1, "stale-session")
    async with connected(simulator) as first:
        await first.play()
        await first.packets(1)
    await until(lambda: not simulator.viewers(1))  # the server reads the end of the connection
    async with connected(simulator) as second:
        await second.play()
        assert second.last.status == 453
    async with connected(simulator) as undertaker:
        undertaker.say(undertaker.session.teardown_leftover(first.session.session_id, first.session.control_url))
        await undertaker.until(lambda: isinstance(undertaker.last, TornDown))
    async with connected(simulator) as third:
        await third.play()
        assert isinstance(third.last, Playing)


async def test_a_stale_session_ends_by_itself_after_its_time():
    class Shifted(SystemClock):
        """The system's clock, with a part that can be advanced."""

        extra_ns = 0

        def mono_ns(self) -> int:
            return super().mono_ns() + self.extra_ns

    clock = Shifted()
    async with Simulator(SimulatorOptions.small(cameras=1), clock) as simulator:
        simulator.set_defect(1, "stale-session")
        async with connected(simulator) as first:
            await first.play()
            await first.packets(1)
        await until(lambda: not simulator.viewers(1))
        clock.extra_ns = round((STALE_SESSION_S + 1) * 1e9)
        async with connected(simulator) as second:
            await second.play()
            assert isinstance(second.last, Playing)


async def test_teardown_leaves_nothing_stale(simulator):
    simulator.set_defect(1, "stale-session")
    for _ in range(2):
        async with connected(simulator) as client:
            await client.play()
            assert isinstance(client.last, Playing)
            client.say(client.session.teardown())
            await client.until(lambda c=client: isinstance(c.last, TornDown))


async def test_changing_nonces_only_cost_repetitions():
    options = SimulatorOptions.small(cameras=1, username="admin", password="secret", schemes=(Scheme.DIGEST_SHA256,))
    async with Simulator(options) as simulator:
        simulator.set_defect(1, "nonce-change")
        async with connected(simulator, who=WHO) as client:
            await client.play()
            assert isinstance(client.last, Playing)
            assert client.messages == 7  # OPTIONS, and three requests, each of them repeated once
            await client.packets(5)


async def test_missing_parameter_sets_are_missing_in_the_description_only(simulator):
    simulator.set_defect(1, "no-sps")
    async with connected(simulator) as client:
        await client.play()
        described = next(e for e in client.events if isinstance(e, Described))
        assert not described.tracks[0].params.is_complete
        await client.packets(1)
        assert client.frames[0].payload[12] & 0x1F in (7, 24)


async def test_slow_drip_gives_twenty_bytes_a_second_until_it_is_over(simulator):
    simulator.set_defect(1, "slow-drip")
    async with connected(simulator) as client:
        client.say(client.session.start())  # OPTIONS names the camera
        with pytest.raises(TimeoutError):
            await client.until(lambda: client.messages > 0, timeout_s=1.0)
        simulator.set_defect(1, None)
        await client.until(lambda: isinstance(client.last, Playing))
        await client.packets(5)


async def test_a_client_that_does_not_read_hurts_nobody(simulator):
    async with connected(simulator) as deaf, connected(simulator) as client:
        await deaf.play()
        await client.play()
        await client.packets(60)
        assert simulator.viewers(1) == 2


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x00" * 300_000,
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"SETUP " + b"x" * 40_000,
        b"\x16\x03\x01\x02\x00" * 100,
        b"$" * 9000,
    ],
)
async def test_garbage_gets_silence_or_the_door_and_the_others_play_on(simulator, garbage):
    reader, writer = await asyncio.open_connection("127.0.0.1", simulator.port)
    writer.write(garbage)
    async with connected(simulator) as client:
        await client.play()
        await client.packets(10)
    writer.close()
    with contextlib.suppress(ConnectionError):
        assert await reader.read(100) == b""


async def test_clock_offset_and_unknown_cameras():
    options = SimulatorOptions.small(cameras=1, clock_offset_s={1: 3600.0}, audio=Codec.PCMA)
    async with Simulator(options) as simulator:
        async with connected(simulator) as client:
            await client.play()
            await client.until(lambda: any(f.channel == 1 for f in client.frames))
            report = next(f.payload for f in client.frames if f.channel == 1)
            ahead_s = int.from_bytes(report[8:12], "big") - 2_208_988_800 - SystemClock().wall_us() / 1e6
            assert 3590 < ahead_s < 3610
        for call in (lambda: simulator.set_defect(9, "drop"), lambda: simulator.set_defect(1, "no-such")):
            with pytest.raises(HubError):
                call()


async def test_a_taken_port_is_told(simulator):
    with pytest.raises(HubError) as refusal:
        async with Simulator(SimulatorOptions.small(port=simulator.port)):
            pass
    assert refusal.value.code == "port_in_use"


async def test_a_client_not_heard_of_for_a_minute_is_dropped():
    clock = SimulatedClock(wall_us=SystemClock().wall_us())
    async with Simulator(SimulatorOptions.small(cameras=1), clock) as simulator, connected(simulator) as client:
        await client.play()
        clock.advance(61.5)
        await client.until(lambda: client.is_closed, timeout_s=15)
