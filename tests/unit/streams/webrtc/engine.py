"""An engine without a path: peers whose packets are plain and whose connection is secure when the test says so."""

import asyncio
from dataclasses import dataclass, field

from media.base.clock import SimulatedClock
from media.packet import CodecParams
from streams.fanout import PEOPLE
from streams.webrtc.answer import LocalTransport
from streams.webrtc.batch import PeerAddress
from streams.webrtc.offer import Offer, RemoteCandidate
from streams.webrtc.outlet import SourceTrack
from streams.webrtc.peer import PeerEnd, PeerEvents
from tests.unit.streams.webrtc.publisher import PlainSession
from tests.unit.streams.webrtc.test_answer import TRANSPORT


@dataclass(eq=False)
class PlainPeer:
    """A peer whose path is whatever the test does with it."""

    events: PeerEvents
    clock: SimulatedClock
    remote_fragment: str = ""
    heard_mono_ns: int = 0
    rx: PlainSession | None = None
    address: PeerAddress | None = None
    profile: str = ""
    refused: int = 0
    is_closed: bool = False
    reconnected: int = 0
    sent: list[bytes] = field(default_factory=list)
    candidates: list[RemoteCandidate] = field(default_factory=list)
    end: asyncio.Future[PeerEnd] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def accept(self, offer: Offer) -> None:
        self.remote_fragment = offer.ice_fragment

    def renew(self, offer: Offer) -> None:
        self.remote_fragment = offer.ice_fragment

    async def reconnect(self, _offer: Offer) -> None:
        self.reconnected += 1

    async def run(self, _offer: Offer) -> PeerEnd:
        return await self.end

    def secure(self) -> None:
        self.rx = PlainSession()
        self.profile = "PLAIN"
        self.address = PeerAddress("10.0.0.5", 4000)
        self.heard_mono_ns = self.clock.mono_ns()
        self.events.on_secure()

    def open_rtcp(self, data: bytes) -> bytes | None:
        return None if data[0] == 0 else data

    def send_rtcp(self, packet: bytes) -> None:
        self.sent.append(packet)

    async def add_candidates(self, candidates: list[RemoteCandidate]) -> None:
        self.candidates += candidates

    async def aclose(self) -> None:
        self.is_closed = True


class PlainEngine:
    """What publishing needs of an engine."""

    def __init__(self) -> None:
        self.clock = SimulatedClock()
        self.peers: list[PlainPeer] = []

    def make_peer(self, events: PeerEvents) -> PlainPeer:
        self.peers.append(PlainPeer(events, self.clock))
        return self.peers[-1]

    def transport_of(self, _peer: PlainPeer) -> LocalTransport:
        return TRANSPORT

    def make_track(self, params: CodecParams) -> SourceTrack:
        return SourceTrack(params, PEOPLE)
