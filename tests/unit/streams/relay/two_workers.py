"""Two workers' relays in one loop, with a source that is put by hand."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from media.base.clock import SystemClock
from media.base.errors import ErrorKind, HubError
from media.base.ids import SourceId
from media.packet import Codec, CodecParams
from streams.fanout import PEOPLE, Packet
from streams.plane import Plane
from streams.publication import Layer, Publication, PublishedTrack, TrackName
from streams.relay.handshake import Credentials
from streams.relay.node import RelayNode
from streams.webrtc.outlet import SourceTrack

KEY = b"k" * 32
H264 = CodecParams(codec=Codec.H264, clock_rate_hz=90_000, width=640, height=360, parameter_sets=(b"\x67a", b"\x68b"))
OPUS = CodecParams(codec=Codec.OPUS, clock_rate_hz=48_000, channels=2)
ALICE = SourceId("participant/alice")


@dataclass(eq=False)
class HandOrigin:
    """Remembers what it is asked for."""

    keys: list[tuple[TrackName, str]] = field(default_factory=list)
    demands: list[TrackName] = field(default_factory=list)

    def request_key(self, name: TrackName, rid: str) -> None:
        self.keys.append((name, rid))

    def demand_changed(self, name: TrackName) -> None:
        self.demands.append(name)


def person(origin: HandOrigin, *, rids: tuple[str, ...] = ("q", "f")) -> Publication:
    """Return a person with a camera of these layers and a microphone."""
    publication = Publication(ALICE)
    layers = [Layer(rid, SourceTrack(H264, PEOPLE), is_flowing=True) for rid in rids]
    publication.put(PublishedTrack(TrackName.CAMERA, layers, origin))
    publication.put(PublishedTrack(TrackName.MICROPHONE, [Layer("", SourceTrack(OPUS, PEOPLE))], origin))
    return publication


def packet(number: int, *, size: int = 100) -> Packet:
    """Return a packet whose bytes tell its number."""
    return Packet(number.to_bytes(4, "big") * (size // 4), 3000 * number, 0x80, b"")


class NoCameras:
    """An opener without cameras."""

    async def open(self, source: SourceId, slot: str) -> Publication:
        raise HubError(ErrorKind.NOT_FOUND, "no such camera", code="source_not_found")

    def close(self, publication: Publication) -> None:
        raise AssertionError("nothing was opened")


@dataclass
class Side:
    """A worker's relay and plane."""

    node: RelayNode
    plane: Plane


class Wires:
    """Where each slot listens."""

    def __init__(self) -> None:
        self.addresses: dict[str, str] = {}

    async def resolve(self, slot: str) -> str:
        if slot not in self.addresses:
            raise HubError(ErrorKind.UNAVAILABLE, "no such slot", code="worker_unavailable")
        return self.addresses[slot]

    async def start(self, slot: str, listen: str, key: bytes = KEY) -> Side:
        node = RelayNode(Credentials(key, slot), self.resolve, SourceTrack, SystemClock())
        plane = Plane(slot, NoCameras(), node)
        await node.start(plane, [listen])
        self.addresses[slot] = node.addresses[0]
        return Side(node, plane)


@asynccontextmanager
async def two_workers(folder: Path, scheme: str = "unix") -> AsyncIterator[tuple[Side, Side, Wires]]:
    """Run a holder `vm/0` and a puller `vm/1`."""
    wires = Wires()
    sides = []
    for number in (0, 1):
        listen = f"unix:{folder}/r{number}.sock" if scheme == "unix" else "tcp:127.0.0.1:0"
        sides.append(await wires.start(f"vm/{number}", listen))
    try:
        yield sides[0], sides[1], wires
    finally:
        for side in sides:
            side.plane.close()
            await side.node.aclose()


async def until(what: Callable[[], bool], timeout_s: float = 20.0) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(timeout_s):
        while not what():  # noqa: ASYNC110  # the state has no event of its own
            await asyncio.sleep(0.002)
