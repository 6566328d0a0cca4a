"""What the hop between two workers costs: delay, CPU per packet, and how it begins with the cached group.

The holder is a process of its own; both run uvloop, as workers do. Each packet carries the monotonic time at which it
was put; the puller compares when it arrives. `python -m tests.bench relay`.
"""

import asyncio
import multiprocessing
import struct
import tempfile
import time
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


async def hold(addresses: dict[str, str], ready: "multiprocessing.synchronize.Event", cost: "multiprocessing.Queue") -> None:  # fmt: skip
    node, plane = await start("vm/0", addresses)
    tracks = []
    for number in range(SOURCES):
        publication = Publication(source_of(number))
        track = SourceTrack(VIDEO, PEOPLE)
        publication.put(PublishedTrack(TrackName.CAMERA, [Layer("", track)], Silent()))
        plane.publish(publication)
        tracks.append(track)
    ready.set()
    padding = bytes(PAYLOAD_BYTES - _STAMP.size)
    loop = asyncio.get_running_loop()
    begin_s, seq = loop.time(), 0
    for frame in range((RUN_S + 4) * FRAMES_PER_S):
        await asyncio.sleep(max(0.0, begin_s + frame / FRAMES_PER_S - loop.time()))
        if frame == 3 * FRAMES_PER_S:
            spent_s = time.process_time()
        for _ in range(PACKETS_PER_FRAME):
            for track in tracks:
                stamp = _STAMP.pack(time.monotonic_ns())
                is_key = frame % FRAMES_PER_S == 0 and seq % PACKETS_PER_FRAME == 0
                track.put(seq, Packet(stamp + padding, 3600 * frame, 0), is_key=is_key)
            seq += 1
    cost.put(time.process_time() - spent_s)
    await node.aclose()


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


def _hold(addresses: dict[str, str], ready: "multiprocessing.synchronize.Event", cost: "multiprocessing.Queue") -> None:  # fmt: skip
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(hold(addresses, ready, cost))


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        addresses = {f"vm/{number}": f"unix:{Path(folder) / str(number)}.sock" for number in (0, 1)}
        context = multiprocessing.get_context("spawn")
        ready, cost = context.Event(), context.Queue()
        holder = context.Process(target=_hold, args=(addresses, ready, cost))
        holder.start()
        ready.wait(20)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            ages_us, puller_share = runner.run(pull(addresses))
        holder_share = cost.get(timeout=60) / (RUN_S + 1)
        holder.join()
    rate = SOURCES * FRAMES_PER_S * PACKETS_PER_FRAME
    found = {
        "sources": SOURCES,
        "packets/s": rate,
        "p50 us": percentile(ages_us, 0.5),
        "p99 us": percentile(ages_us, 0.99),
        "worst us": max(ages_us),
        "holder us/packet": holder_share / rate * 1e6,
        "puller us/packet": puller_share / rate * 1e6,
    }
    table("The hop between two workers of one machine", [found])
    save("relay", [found])


if __name__ == "__main__":
    main()
