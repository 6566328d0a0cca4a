import asyncio
from pathlib import Path

import pytest
import uvloop

from media.base.errors import HubError
from streams.fanout import Packet
from streams.publication import TrackName
from streams.relay.channel import Channel
from tests.unit.streams.relay.two_workers import ALICE, HandOrigin, packet, person, two_workers, until


class Collector:
    """A tap that keeps what it gets."""

    def __init__(self) -> None:
        self.got: list[tuple[int, Packet, bool]] = []

    def on_packet(self, seq: int, packet: Packet, is_key: bool) -> None:
        self.got.append((seq, packet, is_key))

    def numbers(self) -> list[int]:
        return [int.from_bytes(each.payload[:4], "big") for _, each, _ in self.got]


@pytest.mark.parametrize("scheme", ["unix", "tcp"])
async def test_a_source_is_described_and_sent_as_far_as_it_is_wanted(tmp_path: Path, scheme: str) -> None:
    async with two_workers(tmp_path, scheme) as (holder, puller, _):
        origin = HandOrigin()
        original = person(origin)
        holder.plane.publish(original)
        remote = await puller.plane.acquire(ALICE, "vm/0")
        assert {track.name for track in remote.tracks} == {TrackName.CAMERA, TrackName.MICROPHONE}
        camera = remote.get(TrackName.CAMERA)
        assert camera is not None
        assert [layer.rid for layer in camera.layers] == ["q", "f"]
        assert original.get(TrackName.CAMERA).watched == frozenset()

        source = original.get(TrackName.CAMERA).layer("f").track
        for number in range(100, 110):
            source.put(number, packet(number), is_key=number == 104)
        collector = Collector()
        camera.layer("f").track.add_tap(collector)
        camera.watch("f")
        await until(lambda: len(collector.got) == 6)
        assert collector.numbers() == [104, 105, 106, 107, 108, 109]  # the cached group
        assert original.get(TrackName.CAMERA).watched == {"f"}
        source.put(111, packet(111), is_key=False)
        source.put(110, packet(110), is_key=False)
        await until(lambda: len(collector.got) == 8)
        assert collector.numbers()[-2:] == [111, 110]  # the late one keeps its place
        assert collector.got[-1][0] == collector.got[-2][0] - 1

        camera.unwatch("f")
        await until(lambda: original.get(TrackName.CAMERA).watched == frozenset())


def test_it_works_on_the_loop_workers_run_on(tmp_path: Path) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(test_a_source_is_described_and_sent_as_far_as_it_is_wanted(tmp_path, "unix"))
        runner.run(test_a_source_is_described_and_sent_as_far_as_it_is_wanted(tmp_path, "tcp"))


async def test_a_wish_for_a_key_frame_reaches_the_origin(tmp_path: Path) -> None:
    async with two_workers(tmp_path) as (holder, puller, _):
        origin = HandOrigin()
        holder.plane.publish(person(origin))
        remote = await puller.plane.acquire(ALICE, "vm/0")
        remote.get(TrackName.CAMERA).origin.request_key(TrackName.CAMERA, "q")
        await until(lambda: (TrackName.CAMERA, "q") in origin.keys)


async def test_a_layer_without_a_cached_group_begins_with_a_key_frame(tmp_path: Path) -> None:
    async with two_workers(tmp_path) as (holder, puller, _):
        origin = HandOrigin()
        original = person(origin)
        holder.plane.publish(original)
        remote = await puller.plane.acquire(ALICE, "vm/0")
        collector = Collector()
        camera = remote.get(TrackName.CAMERA)
        camera.layer("q").track.add_tap(collector)
        camera.watch("q")
        await until(lambda: (TrackName.CAMERA, "q") in origin.keys)
        source = original.get(TrackName.CAMERA).layer("q").track
        for number in range(5, 10):
            source.put(number, packet(number), is_key=number == 8)
        await until(lambda: len(collector.got) == 2)
        assert collector.numbers() == [8, 9]
        assert [is_key for _, _, is_key in collector.got] == [True, False]


async def test_a_source_that_is_not_there_is_refused_with_its_code(tmp_path: Path) -> None:
    async with two_workers(tmp_path) as (_, puller, _wires):
        with pytest.raises(HubError) as refused:
            await puller.plane.acquire(ALICE, "vm/0")
        assert refused.value.code == "source_not_found"


async def test_a_slot_nobody_knows_is_unavailable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.relay.puller.CONNECT_S", 0.3)
    async with two_workers(tmp_path) as (_, puller, _wires):
        with pytest.raises(HubError) as refused:
            await puller.plane.acquire(ALICE, "vm/7")
        assert refused.value.code == "worker_unavailable"


async def test_a_stranger_gets_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.relay.puller.CONNECT_S", 0.5)
    async with two_workers(tmp_path) as (holder, _, wires):
        holder.plane.publish(person(HandOrigin()))
        stranger = await wires.start("vm/9", f"unix:{tmp_path}/stranger.sock", key=b"x" * 32)
        try:
            with pytest.raises(HubError) as refused:
                await stranger.plane.acquire(ALICE, "vm/0")
            assert refused.value.code == "worker_unavailable"
            assert holder.node.figures()["served"] == 0
        finally:
            await stranger.node.aclose()


async def test_after_a_restart_of_the_holder_numbers_and_times_go_on(tmp_path: Path) -> None:
    async with two_workers(tmp_path) as (holder, puller, wires):
        holder.plane.publish(person(HandOrigin()))
        remote = await puller.plane.acquire(ALICE, "vm/0")
        camera = remote.get(TrackName.CAMERA)
        collector = Collector()
        camera.layer("q").track.add_tap(collector)
        camera.watch("q")
        source = holder.plane.own(ALICE).get(TrackName.CAMERA).layer("q").track
        await until(lambda: holder.plane.own(ALICE).get(TrackName.CAMERA).watched == {"q"})
        for number in range(1000, 1010):
            source.put(number, packet(number), is_key=number == 1000)
        await until(lambda: len(collector.got) == 10)

        await holder.node.aclose()
        await until(lambda: not camera.is_live)
        again = await wires.start("vm/0", f"unix:{tmp_path}/again.sock")
        try:
            fresh = person(HandOrigin())
            again.plane.publish(fresh)
            await until(lambda: fresh.get(TrackName.CAMERA).watched == {"q"})
            assert remote.get(TrackName.CAMERA) is camera
            for number in range(3, 8):
                fresh.get(TrackName.CAMERA).layer("q").track.put(number, packet(number), is_key=number == 3)
            await until(lambda: len(collector.got) == 15)
            seqs = [seq for seq, _, _ in collector.got]
            assert seqs == list(range(seqs[0], seqs[0] + 15))
            times = [each.timestamp for _, each, _ in collector.got]
            assert times == sorted(times)
            assert camera.is_live
        finally:
            again.plane.close()
            await again.node.aclose()


async def test_a_source_that_ends_ends_here(tmp_path: Path) -> None:
    async with two_workers(tmp_path) as (holder, puller, _):
        original = person(HandOrigin())
        holder.plane.publish(original)
        remote = await puller.plane.acquire(ALICE, "vm/0")
        holder.plane.withdraw(original)
        await until(lambda: remote.is_ended)


async def test_one_pull_serves_everybody_here(tmp_path: Path) -> None:
    async with two_workers(tmp_path) as (holder, puller, _):
        holder.plane.publish(person(HandOrigin()))
        first, second = await asyncio.gather(*(puller.plane.acquire(ALICE, "vm/0") for _ in range(2)))
        assert first is second
        assert holder.node.figures()["served"] == 1


async def test_channels_carry_messages_both_ways_and_end_with_the_handler(tmp_path: Path) -> None:
    async with two_workers(tmp_path) as (holder, puller, _):

        async def echo(channel: Channel, body: dict) -> None:
            channel.send({"hello": body["name"]})
            async for message in channel:
                channel.send({"echo": message})
                if message.get("end"):
                    return

        holder.node.serve_channel("room", echo)
        channel = await puller.node.open_channel("vm/0", "room", {"name": "alice"})
        assert await anext(channel) == {"hello": "alice"}
        channel.send({"n": 1})
        channel.send({"end": True})
        assert [message async for message in channel] == [{"echo": {"n": 1}}, {"echo": {"end": True}}]
        assert channel.is_closed


async def test_a_channel_ends_with_its_link(tmp_path: Path) -> None:
    async with two_workers(tmp_path) as (holder, puller, _):
        began, ended = asyncio.Event(), asyncio.Event()

        async def listen(channel: Channel, body: dict) -> None:
            del body
            async for _ in channel:
                began.set()
            ended.set()

        holder.node.serve_channel("room", listen)
        channel = await puller.node.open_channel("vm/0", "room", {})
        channel.send({"n": 1})
        async with asyncio.timeout(20):
            await began.wait()
        await puller.node.aclose()
        assert channel.is_closed
        async with asyncio.timeout(20):
            await ended.wait()


async def test_an_unknown_channel_is_closed(tmp_path: Path) -> None:
    async with two_workers(tmp_path) as (_, puller, _wires):
        channel = await puller.node.open_channel("vm/0", "nobody", {})
        assert [message async for message in channel] == []
