"""What the hop between two workers costs: delay and CPU per packet.

Twice: sources that send each at its own moment, as people do, and all in the same instant, the worst case. The holder is a process of its own; both run uvloop, as workers do. Each packet carries the monotonic time at which it
was put; the puller compares when it arrives. `python -m tests.bench relay`.
"""

import asyncio
import multiprocessing
import struct
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import uvloop

from media.base.clock import SystemClock
from media.base.ids import SourceId
from media.packet import Codec, CodecParams
from streams.fanout import PEOPLE, Packet
from streams.plane import Plane
from streams.publication import Layer, Publication, PublishedTrack, TrackName
from streams.relay.handshake import Credentials
from streams.relay.node import RelayNode
from streams.webrtc.outlet import SourceTrack
from tests.bench.measure import percentile, save, table

KEY = b"bench" * 8
SOURCES = 16
FRAMES_PER_S = 25
PACKETS_PER_FRAME = 6
PAYLOAD_BYTES = 1100
RUN_S = 15
VIDEO = CodecParams(codec=Codec.H264, clock_rate_hz=90_000)
_STAMP = struct.Struct("!q")


class Silent:
    """An origin nobody has to be asked of."""

    def request_key(self, name: TrackName, rid: str) -> None: ...

    def demand_changed(self, name: TrackName) -> None: ...


class NoCameras:
    async def open(self, source: SourceId, slot: str) -> Publication:
        raise NotImplementedError

    def close(self, publication: Publication) -> None: ...


def source_of(number: int) -> SourceId:
    return SourceId(f"participant/p{number}")


async def start(slot: str, addresses: dict[str, str]) -> tuple[RelayNode, Plane]:
    async def find(other: str) -> str:
        return addresses[other]

    node = RelayNode(Credentials(KEY, slot), find, SourceTrack, SystemClock())
    plane = Plane(slot, NoCameras(), node)
    await node.start(plane, [addresses[slot]])
    return node, plane


async def hold(addresses: dict[str, str], told: "Told") -> None:
    node, plane = await start("vm/0", addresses)
    tracks = []
    for number in range(SOURCES):
        publication = Publication(source_of(number))
        track = SourceTrack(VIDEO, PEOPLE)
        publication.put(PublishedTrack(TrackName.CAMERA, [Layer("", track)], Silent()))
        plane.publish(publication)
        tracks.append(track)
    told.ready.set()
    loop = asyncio.get_running_loop()
    begin_s = loop.time()
    groups = [tracks] if told.is_at_once else [[track] for track in tracks]
    for turn in range((RUN_S + 4) * FRAMES_PER_S * len(groups)):
        frame, group = divmod(turn, len(groups))
        await asyncio.sleep(max(0.0, begin_s + turn / FRAMES_PER_S / len(groups) - loop.time()))
        if turn == 3 * FRAMES_PER_S * len(groups):
            spent_s = time.process_time()
        put_picture(groups[group], frame)
    told.cost.put(time.process_time() - spent_s)
    await node.aclose()


def put_picture(tracks: list[SourceTrack], frame: int) -> None:
    """Put one picture of each track."""
    padding = bytes(PAYLOAD_BYTES - _STAMP.size)
    for number in range(PACKETS_PER_FRAME):
        for track in tracks:
            stamp = _STAMP.pack(time.monotonic_ns())
            is_key = frame % FRAMES_PER_S == 0 and number == 0
            track.put(frame * PACKETS_PER_FRAME + number, Packet(stamp + padding, 3600 * frame, 0), is_key=is_key)


class Stopwatch:
    """Notes how old each packet is when it comes."""

    def __init__(self) -> None:
        self.ages_us: list[float] = []

    def on_packet(self, seq: int, packet: Packet, is_key: bool) -> None:
        self.ages_us.append((time.monotonic_ns() - _STAMP.unpack_from(packet.payload)[0]) / 1000)


async def pull(addresses: dict[str, str]) -> tuple[list[float], float]:
    node, plane = await start("vm/1", addresses)
    watch = Stopwatch()
    for number in range(SOURCES):
        publication = await plane.acquire(source_of(number), "vm/0")
        published = publication.get(TrackName.CAMERA)
        assert published is not None
        published.layers[0].track.add_tap(watch)
        published.watch("")
    await asyncio.sleep(3.0)  # cached groups are old by nature
    watch.ages_us.clear()
    spent_s = time.process_time()
    await asyncio.sleep(RUN_S - 2)
    spent_s = time.process_time() - spent_s
    await node.aclose()
    return watch.ages_us, spent_s / (RUN_S - 2)


def _hold(addresses: dict[str, str], told: "Told") -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(hold(addresses, told))


@dataclass
class Told:
    """What the holder's process is told, and tells."""

    ready: "multiprocessing.synchronize.Event"
    cost: "multiprocessing.Queue[float]"
    is_at_once: bool


def measure(*, is_at_once: bool) -> dict[str, float | str]:
    """Run both workers once."""
    with tempfile.TemporaryDirectory() as folder:
        addresses = {f"vm/{number}": f"unix:{Path(folder) / str(number)}.sock" for number in (0, 1)}
        context = multiprocessing.get_context("spawn")
        told = Told(context.Event(), context.Queue(), is_at_once)
        holder = context.Process(target=_hold, args=(addresses, told))
        holder.start()
        told.ready.wait(20)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            ages_us, puller_share = runner.run(pull(addresses))
        holder_share = told.cost.get(timeout=60) / (RUN_S + 1)
        holder.join()
    rate = SOURCES * FRAMES_PER_S * PACKETS_PER_FRAME
    return {
        "sources": "at once" if is_at_once else "spread",
        "packets/s": rate,
        "p50 us": percentile(ages_us, 0.5),
        "p99 us": percentile(ages_us, 0.99),
        "worst us": max(ages_us),
        "holder us/packet": holder_share / rate * 1e6,
        "puller us/packet": puller_share / rate * 1e6,
    }


def main() -> None:
    rows = [measure(is_at_once=is_at_once) for is_at_once in (False, True)]
    table(f"The hop between two workers of one machine, {SOURCES} sources", rows)
    save("relay", rows)


if __name__ == "__main__":
    main()
