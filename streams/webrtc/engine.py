"""What all peers of a worker share: one UDP port, one pump, one certificate, and the addresses browsers are told.

Made and closed by the worker's wiring; used by `whep`, `subscribing` and `publishing` on the event loop. Also the one
clockwork: whoever wants to be looked at about once a second is `watch`ed. Knows no tracks and no permissions.
"""

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass

import ifaddr
import structlog
from aiortc import RTCCertificate

from media.base.clock import Clock
from media.base.tasks import Owner
from media.packet import CodecParams
from streams.fanout import PEOPLE, GroupLimit
from streams.webrtc.answer import LocalTransport
from streams.webrtc.outlet import SourceTrack
from streams.webrtc.peer import Peer, PeerEvents
from streams.webrtc.port import UdpPort
from streams.webrtc.pump import Pump
from streams.webrtc.turn import IceServer, ice_servers

log = structlog.get_logger(__name__)

SWEEP_S = 1.0
SWEEP_SLICE = 32
"""Peers looked at in one turn of the loop: reports to 500 viewers take 25 ms in one go."""

OnTick = Callable[[int], None]
"""Called about once a second with monotonic nanoseconds; must return at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSettings:
    """`public_addresses` empty: loopback and every IPv4 address of this host. TURN servers go to browsers only."""

    host: str = "0.0.0.0"  # noqa: S104  # media must reach every interface
    udp_port: int = 0
    public_addresses: tuple[str, ...] = ()
    turn_urls: tuple[str, ...] = ()
    turn_secret: str = ""


def host_addresses() -> tuple[str, ...]:
    """Return the IPv4 addresses of this host, loopback last: it helps only a browser on the same machine."""
    found = [ip.ip for adapter in ifaddr.get_adapters() for ip in adapter.ips if isinstance(ip.ip, str)]
    others = [address for address in dict.fromkeys(found) if not address.startswith("127.")]
    return (*others, "127.0.0.1")


def new_ssrc() -> int:
    """Return a random synchronisation source, never 0."""
    return secrets.randbelow(0xFFFFFFFE) + 1


class WebRtcEngine:
    """The WebRTC plane of a worker, without its peers."""

    def __init__(self, settings: EngineSettings, clock: Clock) -> None:
        """Prepare; nothing is bound until `start`."""
        self.clock = clock
        self.port = UdpPort(clock)
        self.certificate = RTCCertificate.generateCertificate()
        self.hosts: tuple[str, ...] = ()
        self.pump: Pump
        self._settings = settings
        self._owner = Owner("webrtc")
        self._watched: dict[OnTick, None] = {}

    async def start(self) -> None:
        """Bind the UDP port; OSError when it is taken."""
        self.port.open(self._settings.host, self._settings.udp_port)
        self.pump = Pump(self.port)
        self.hosts = self._settings.public_addresses or host_addresses()
        self._owner.start(self._sweep(), "sweep")

    async def aclose(self) -> None:
        """Send nothing more and unbind; peers must have been closed before. Idempotent."""
        await self._owner.aclose()
        if self.port.is_open:
            self.pump.close()
            self.port.close()

    @property
    def udp_port(self) -> int:
        """Return the port all media goes through."""
        return self.port.port

    def make_peer(self, events: PeerEvents) -> Peer:
        """Return a new peer on the shared port, with the shared certificate."""
        return Peer(self.port, self.hosts, self.certificate, events)

    def transport_of(self, peer: Peer) -> LocalTransport:
        """Return what an answer says of our side of a peer's path."""
        digest = next(f for f in self.certificate.getFingerprints() if f.algorithm == "sha-256")
        return LocalTransport(
            peer.fragment, peer.password, f"{digest.algorithm} {digest.value}", peer.setup, peer.candidate_lines()
        )

    def make_track(self, params: CodecParams, group: GroupLimit = PEOPLE) -> SourceTrack:
        """Return a track whose packets this engine's pump sends as soon as they are put."""
        track = SourceTrack(params, group)
        track.pump = self.pump
        return track

    def ice_servers(self, user_id: str) -> tuple[IceServer, ...]:
        """Return what a browser should be told, with fresh credentials."""
        return ice_servers(self._settings.turn_urls, self._settings.turn_secret, user_id, self.clock.wall_us())

    def watch(self, on_tick: OnTick) -> Callable[[], None]:
        """Call `on_tick` about once a second; return what stops it. A call that raises is not called again."""
        self._watched[on_tick] = None
        return lambda: self._watched.pop(on_tick, None)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_S)
            for count, on_tick in enumerate(tuple(self._watched)):
                if count % SWEEP_SLICE == 0:
                    await asyncio.sleep(0)
                if on_tick in self._watched:
                    self._tick(on_tick)

    def _tick(self, on_tick: OnTick) -> None:
        try:
            on_tick(self.clock.mono_ns())
        except Exception:  # the supervisor of everybody's ticks: a bug in one must not stop the others
            log.exception("a peer failed at its tick")
            self._watched.pop(on_tick, None)
