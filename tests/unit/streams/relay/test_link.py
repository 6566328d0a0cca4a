import asyncio
import socket

from streams.relay import link as link_module
from streams.relay.frames import Frame, FrameType, build
from streams.relay.link import Link


async def pair() -> tuple[Link, Link]:
    ends = socket.socketpair()
    links = []
    for end in ends:
        _, made = await asyncio.get_running_loop().create_connection(Link, sock=end)
        links.append(made)
    return links[0], links[1]


async def test_frames_of_one_turn_leave_together_and_arrive_in_order() -> None:
    near, far = await pair()
    got: list[Frame] = []
    done = asyncio.Event()

    def take(frame: Frame) -> None:
        got.append(frame)
        if len(got) == 100:
            done.set()

    far.on_frame = take
    for number in range(100):
        near.send(build(FrameType.OPEN, str(number).encode()))
    async with asyncio.timeout(20):
        await done.wait()
    assert [int(frame.body) for frame in got] == list(range(100))
    near.abort()


async def test_both_ends_are_told_once_when_it_is_lost() -> None:
    near, far = await pair()
    told: list[str] = []
    gone = asyncio.Event()
    near.on_lost = lambda: told.append("near")

    def lost() -> None:
        told.append("far")
        gone.set()

    far.on_lost = lost
    near.abort()
    near.abort()
    async with asyncio.timeout(20):
        await gone.wait()
    assert told == ["near", "far"]
    near.send(build(FrameType.PING, b""))  # nothing happens


async def test_garbage_ends_the_link() -> None:
    near, far = await pair()
    gone = asyncio.Event()
    far.on_lost = gone.set
    assert near.transport is not None
    near.transport.write(b"GET / HTTP/1.1\r\n\r\n")
    async with asyncio.timeout(20):
        await gone.wait()


async def test_a_reader_that_stands_still_makes_the_link_congested_and_then_ends_it(monkeypatch) -> None:
    monkeypatch.setattr(link_module, "CONGESTED_BYTES", 1 << 20)
    monkeypatch.setattr(link_module, "MAX_BUFFER_BYTES", 4 << 20)
    near, far = await pair()
    gone = asyncio.Event()
    near.on_lost = gone.set
    assert far.transport is not None
    far.transport.pause_reading()
    was_congested = False
    for _ in range(200):
        near.send(build(FrameType.PACKET, bytes(60_000)))
        await asyncio.sleep(0)
        was_congested = was_congested or near.is_congested
        if gone.is_set():
            break
    assert was_congested
    assert gone.is_set()
    far.abort()


async def test_a_silent_peer_is_given_up(monkeypatch) -> None:
    monkeypatch.setattr(link_module, "PING_S", 0.02)
    monkeypatch.setattr(link_module, "SILENCE_S", 0.1)
    ends = socket.socketpair()
    _, near = await asyncio.get_running_loop().create_connection(Link, sock=ends[0])
    gone = asyncio.Event()
    near.on_lost = gone.set
    async with asyncio.timeout(20):
        await gone.wait()
    ends[1].close()


async def test_two_ends_that_ping_stay(monkeypatch) -> None:
    monkeypatch.setattr(link_module, "PING_S", 0.02)
    monkeypatch.setattr(link_module, "SILENCE_S", 5.0)
    near, far = await pair()
    got: list[Frame] = []
    far.on_frame = got.append
    await asyncio.sleep(0.1)
    assert not near.is_lost
    assert got == []  # pings are the link's own business
    near.abort()


async def test_frames_that_come_before_anybody_listens_wait_and_too_many_end_the_link() -> None:
    near, far = await pair()
    near.send(build(FrameType.HELLO, b"{}"))
    await asyncio.sleep(0.05)
    got: list[Frame] = []
    gone = asyncio.Event()
    far.listen(got.append, gone.set)
    assert [frame.type for frame in got] == [FrameType.HELLO]
    near.abort()
    async with asyncio.timeout(20):
        await gone.wait()

    near, far = await pair()
    far.on_lost = gone.set
    gone.clear()
    for _ in range(link_module.MAX_EARLY_FRAMES + 1):
        near.send(build(FrameType.HELLO, b"{}"))
    async with asyncio.timeout(20):
        await gone.wait()


async def test_a_long_burst_begins_to_leave_before_its_turn_ends() -> None:
    near, far = await pair()
    assert near.transport is not None
    written: list[int] = []
    write = near.transport.write

    class Watched:
        def __getattr__(self, name: str) -> object:
            return getattr(transport, name)

        def write(self, data: bytes) -> None:
            written.append(len(data))
            write(data)

    transport, near.transport = near.transport, Watched()  # type: ignore[assignment]
    got: list[Frame] = []
    done = asyncio.Event()

    def take(frame: Frame) -> None:
        got.append(frame)
        if len(got) == 100:
            done.set()

    far.on_frame = take
    frames = [build(FrameType.OPEN, bytes([number]) * 1000) for number in range(100)]
    for frame in frames:
        near.send(frame)
    assert sum(written) >= len(b"".join(frames)) - link_module.WRITE_BYTES
    async with asyncio.timeout(5):
        await done.wait()
    assert [frame.body[0] for frame in got] == list(range(100))
    assert len(written) < 10, "not one write for each"
    near.abort()
