"""A subscribing connection without ICE and DTLS: its peer is a stand-in, its packets go to a real socket."""

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass, field

from media.base.clock import SimulatedClock
from media.base.ids import SourceId
from media.packet import Kind
from media.rtp import rtcp
from streams.publication import Layer, Publication, PublishedTrack, TrackName
from streams.webrtc.answer import LocalTransport
from streams.webrtc.batch import PeerAddress
from streams.webrtc.offer import Offer
from streams.webrtc.outlet import SourceTrack
from streams.webrtc.peer import PeerEnd, PeerEvents
from streams.webrtc.subscribing import EndCause, SubscribeEvents, SubscribingPeer
from tests.unit.streams.webrtc.plane import Plane, Received, srtp_session
from tests.unit.streams.webrtc.test_offer import AUDIO, HEAD, VIDEO

OFFER = HEAD + VIDEO + AUDIO


@dataclass
class StandIn:
    """A peer whose RTCP needs no keys."""

    events: PeerEvents
    heard_mono_ns: int
    tag_bytes: int = 16
    profile: str = "AEAD_AES_128_GCM"
    address: PeerAddress | None = None
    tx: object = None
    remote_fragment: str = ""
    sent: list[bytes] = field(default_factory=list)
    candidates: list[object] = field(default_factory=list)
    renewed: int = 0
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    end: PeerEnd = PeerEnd.CLOSED

    def accept(self, offer: Offer) -> None:
        self.remote_fragment = offer.ice_fragment

    async def run(self, offer: Offer) -> PeerEnd:
        await self.ended.wait()
        return self.end

    def renew(self, offer: Offer) -> None:
        self.remote_fragment = offer.ice_fragment
        self.renewed += 1

    async def reconnect(self, offer: Offer) -> None:
        pass

    async def add_candidates(self, candidates: list[object]) -> None:
        self.candidates += candidates

    def send_rtcp(self, packet: bytes) -> None:
        self.sent.append(packet)

    def open_rtcp(self, data: bytes) -> bytes:
        return data

    async def aclose(self) -> None:
        self.ended.set()


class StandInEngine:
    """The engine of a plane, with stand-ins for peers and a clock that stands still."""

    def __init__(self, plane: Plane) -> None:
        self.clock = SimulatedClock()
        self.pump = plane.pump
        self.peers: list[StandIn] = []
        self.ticks: list[Callable[[int], None]] = []

    def make_peer(self, events: PeerEvents) -> StandIn:
        self.peers.append(StandIn(events, self.clock.mono_ns()))
        return self.peers[-1]

    def transport_of(self, peer: StandIn) -> LocalTransport:
        return LocalTransport("ours", "p" * 24, "sha-256 AA", "passive", ("1 1 udp 5 127.0.0.1 9 typ host",))

    def watch(self, on_tick: Callable[[int], None]) -> Callable[[], None]:
        self.ticks.append(on_tick)
        return lambda: self.ticks.remove(on_tick) if on_tick in self.ticks else None


@dataclass
class Wishes:
    """An origin that remembers what it was asked."""

    keys: list[tuple[str, str]] = field(default_factory=list)
    watched: list[frozenset[str]] = field(default_factory=list)
    track: PublishedTrack | None = None

    def request_key(self, name: TrackName, rid: str) -> None:
        self.keys.append((name.value, rid))

    def demand_changed(self, name: TrackName) -> None:
        if self.track is not None:
            self.watched.append(self.track.watched)


def publish(
    layers: dict[str, SourceTrack],
    name: TrackName = TrackName.VIDEO,
    *,
    publication: Publication | None = None,
    sizes: dict[str, tuple[int, int]] | None = None,
    source: str = "camera/gate",
) -> tuple[PublishedTrack, Wishes]:
    """Return a track with these layers, put into a publication, and its origin."""
    wishes = Wishes()
    made = [Layer(rid, track, *(sizes or {}).get(rid, (0, 0)), is_flowing=True) for rid, track in layers.items()]
    track = wishes.track = PublishedTrack(name, made, wishes)
    (publication or Publication(SourceId(source))).put(track)
    return track, wishes


@dataclass
class Page:
    """A subscriber, its socket, and what it was told."""

    plane: Plane
    engine: StandInEngine
    connection: SubscribingPeer
    sock: socket.socket
    layers: list[tuple[str, str | None]]
    qualities: list[tuple[int, float | None, float]]
    ends: list[EndCause]

    @property
    def peer(self) -> StandIn:
        return self.engine.peers[-1]

    @property
    def ssrc(self) -> int:
        """Return the source of the video slot."""
        return next(slot.ssrc for slot in self.connection.slots.values() if slot.kind is Kind.VIDEO)

    def secure(self) -> None:
        """Finish the handshake."""
        self.peer.tx = srtp_session(3)
        self.peer.address = PeerAddress(*self.sock.getsockname())
        self.peer.events.on_secure()

    def say(self, *packets: object) -> None:
        """Send RTCP to the hub."""
        for packet in packets:
            self.connection.on_media(rtcp.build(packet))

    def pass_time(self, seconds: float, *, is_heard: bool = True) -> None:
        """Let time pass and the sweep come."""
        self.engine.clock.advance(seconds)
        if is_heard:
            self.peer.heard_mono_ns = self.engine.clock.mono_ns()
        for tick in tuple(self.engine.ticks):
            tick(self.engine.clock.mono_ns())

    def reports(self) -> list[rtcp.SenderReport]:
        sent = [packet for data in self.peer.sent for packet in rtcp.parse_compound(data)]
        return [packet for packet in sent if isinstance(packet, rtcp.SenderReport)]

    def read(self, ssrc: int | None = None) -> list[Received]:
        """Return what has arrived for one source."""
        return self._read()[ssrc or self.ssrc]

    def _read(self) -> dict[int, list[Received]]:
        if not hasattr(self, "_srtp"):
            self._srtp = srtp_session(2)
        found: dict[int, list[Received]] = {slot.ssrc: [] for slot in self.connection.slots.values()}
        while True:
            try:
                plain = self._srtp.unprotect(self.sock.recv(2048))
            except BlockingIOError:
                return found
            ssrc = int.from_bytes(plain[8:12], "big")
            head = 12 if not plain[0] & 0x10 else 16 + 4 * int.from_bytes(plain[14:16], "big")
            found[ssrc].append(
                Received(
                    int.from_bytes(plain[2:4], "big"),
                    int.from_bytes(plain[4:8], "big"),
                    bool(plain[1] & 0x80),
                    plain[head:],
                    plain[1] & 0x7F,
                    plain[12:head],
                )
            )


async def subscribe(plane: Plane, offer: str = OFFER, *, is_secure: bool = True) -> Page:
    """Answer an offer on a plane."""
    engine = StandInEngine(plane)
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setblocking(False)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    sock.bind(("127.0.0.1", 0))
    plane.sockets.append(sock)
    layers, qualities, ends = [], [], []
    events = SubscribeEvents(lambda *what: layers.append(what), lambda *what: qualities.append(what), ends.append)
    connection = SubscribingPeer(engine, "s1", events)
    page = Page(plane, engine, connection, sock, layers, qualities, ends)
    await connection.answer(offer)
    if is_secure:
        page.secure()
    return page
