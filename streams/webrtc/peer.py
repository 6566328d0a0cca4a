"""One peer's secured path: ICE, then DTLS, then SRTP keys; and the moment it ends.

Used by `viewer` on the event loop. aiortc does the DTLS handshake over a small bounded link of ours; media never
passes through aiortc. We take the server role whenever the offer allows, so that AES-128-GCM is chosen, and all peers
share one certificate. Refuses to send before the keys are there. Private names of aiortc: see test_private_names.py.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import cast

from aiortc import RTCCertificate, RTCIceTransport
from aiortc import rtcdtlstransport as dtls

from media.base.clock import Clock
from media.base.errors import ErrorKind, HubError, RemoteProtocolError
from media.srtp import SrtpSession
from streams.webrtc.batch import PeerAddress
from streams.webrtc.ice import IceAgent, IceEvents
from streams.webrtc.offer import Offer, RemoteCandidate
from streams.webrtc.port import Address, UdpPort

CONNECT_TIMEOUT_S = 20.0
"""From the answer to the keys. A browser behind TURN over TLS needs about 5 s."""

DTLS_QUEUE_PACKETS = 64
"""A handshake flight is at most 6 packets; what a peer sends beyond is dropped and counted."""

_PROFILES = [dtls.SRTP_AEAD_AES_128_GCM, dtls.SRTP_AEAD_AES_256_GCM, dtls.SRTP_AES128_CM_SHA1_80]
"""Best first: AES-128-GCM costs 1.5 times less than AES with HMAC-SHA1."""

_TAG_BYTES = {b"SRTP_AEAD_AES_128_GCM": 16, b"SRTP_AEAD_AES_256_GCM": 16, b"SRTP_AES128_CM_SHA1_80": 10}


class PeerEnd(StrEnum):
    """Why a peer's path is gone."""

    CLOSED = "closed"
    ICE_FAILED = "ice_failed"
    DTLS_FAILED = "dtls_failed"
    CONNECT_TIMEOUT = "connect_timeout"
    CONSENT_LOST = "consent_lost"
    DTLS_CLOSED = "dtls_closed"


@dataclass(frozen=True, slots=True)
class PeerEvents:
    """What a peer tells its owner, on the event loop. `on_media` gets protected packets."""

    on_secure: Callable[[], None]
    on_media: Callable[[bytes], None]
    on_address: Callable[[PeerAddress], None]


class _DtlsLink:
    """What aiortc's DTLS transport needs of an ICE transport: a role, a way in and a way out."""

    def __init__(self, agent: IceAgent) -> None:
        self.agent = agent
        self._queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._is_closed = False
        self.dropped = 0

    @property
    def role(self) -> str:
        return "controlling" if self.agent.ice_controlling else "controlled"

    def put(self, data: bytes) -> None:
        if self._queue.qsize() >= DTLS_QUEUE_PACKETS:
            self.dropped += 1
        else:
            self._queue.put_nowait(data)

    def close(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            self._queue.put_nowait(None)

    async def _recv(self) -> bytes:
        data = await self._queue.get()
        if data is None:
            self._queue.put_nowait(None)
            raise ConnectionError("the path is closed")
        return data

    async def _send(self, data: bytes) -> None:
        await self.agent.send(data)


class Peer:
    """ICE and DTLS of one remote browser. Make it, write the answer from it, then `run` it to its end."""

    def __init__(self, port: UdpPort, hosts: tuple[str, ...], certificate: RTCCertificate, events: PeerEvents) -> None:
        """Register with the port; nothing is sent before `run`."""
        self._port = port
        self._clock: Clock = port.clock
        self._events = events
        self._hosts = hosts
        self._ended = asyncio.Event()
        self._end = PeerEnd.CLOSED
        self._agent = self._make_agent()
        self._former: IceAgent | None = None
        """The agent of the generation before, which carries media until the new one is connected."""
        self._link = _DtlsLink(self._agent)
        self._dtls = dtls.RTCDtlsTransport(cast(RTCIceTransport, self._link), [certificate])
        self._dtls._srtp_profiles = _PROFILES  # noqa: SLF001  # aiortc would prefer AES-256
        self._dtls.on("statechange", self._on_dtls_state)
        self.setup = "passive"
        self.remote_fragment = ""
        self.address: PeerAddress | None = None
        self.heard_mono_ns = self._clock.mono_ns()
        self.tx: SrtpSession | None = None
        self.rx: SrtpSession | None = None
        self.tag_bytes = 0
        self.profile = ""
        self.refused = 0

    def _make_agent(self) -> IceAgent:
        agent: IceAgent
        events = IceEvents(
            on_pair=lambda address: self._on_pair(agent, address),
            on_lost=lambda: self._on_ice_lost(agent),
            on_heard=self._on_heard,
            on_dtls=self._on_dtls,
            on_media=self._on_media,
        )
        agent = IceAgent(self._port, self._hosts, events)
        return agent

    @property
    def fragment(self) -> str:
        """Return our ICE user fragment, of the newest generation."""
        return str(self._agent.local_username)

    @property
    def password(self) -> str:
        """Return our ICE password."""
        return str(self._agent.local_password)

    def candidate_lines(self) -> tuple[str, ...]:
        """Return our candidates as SDP attribute values."""
        return self._agent.candidate_lines()

    def accept(self, offer: Offer) -> None:
        """Take the roles the offer leaves us: DTLS server if at all possible, ICE controlled unless it is lite."""
        self.remote_fragment = offer.ice_fragment
        self.setup = "active" if offer.setup == "passive" else "passive"
        self._dtls._set_role("client" if self.setup == "active" else "server")  # noqa: SLF001
        self._agent.ice_controlling = offer.is_ice_lite
        self._agent.remote_is_lite = offer.is_ice_lite

    async def run(self, offer: Offer) -> PeerEnd:
        """Connect, report `on_secure`, and return when the path has ended."""
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await self._agent.establish(offer.ice_fragment, offer.ice_password, offer.candidates)
                await self._dtls.start(self._fingerprints(offer))
        except TimeoutError:
            return PeerEnd.CONNECT_TIMEOUT
        except ConnectionError:
            return self._end if self._ended.is_set() else PeerEnd.ICE_FAILED
        if self._dtls.state != "connected":
            return PeerEnd.DTLS_FAILED
        self._take_keys()
        self._events.on_secure()
        await self._ended.wait()
        return self._end

    @staticmethod
    def _fingerprints(offer: Offer) -> dtls.RTCDtlsParameters:
        return dtls.RTCDtlsParameters(
            fingerprints=[dtls.RTCDtlsFingerprint(algorithm=name, value=digest) for name, digest in offer.fingerprints]
        )

    def _take_keys(self) -> None:
        assert self._dtls._ssl is not None  # noqa: SLF001
        profile = self._dtls._ssl.get_selected_srtp_profile()  # noqa: SLF001
        self.tag_bytes = _TAG_BYTES[profile]
        self.profile = profile.decode().removeprefix("SRTP_")
        self.tx = SrtpSession(self._dtls._tx_srtp)  # noqa: SLF001
        self.rx = SrtpSession(self._dtls._rx_srtp)  # noqa: SLF001

    def renew(self, offer: Offer) -> None:
        """Take fresh ICE credentials for an offer with fresh ones (RFC 8445 §9); `reconnect` must follow.

        DTLS and the keys stay, and media goes the old way until the new one is found. HubError CONFLICT
        `ice_restart_unsupported` while an earlier generation is still connecting.
        """
        if self._former is not None or self.tx is None:
            raise HubError(ErrorKind.CONFLICT, "not connected yet", code="ice_restart_unsupported")
        self._former, self._agent = self._agent, self._make_agent()
        self._agent.ice_controlling = offer.is_ice_lite
        self._agent.remote_is_lite = offer.is_ice_lite
        self.remote_fragment = offer.ice_fragment

    async def reconnect(self, offer: Offer) -> None:
        """Connect the new generation and drop the old one; when it fails, the path ends."""
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await self._agent.establish(offer.ice_fragment, offer.ice_password, offer.candidates)
        except (TimeoutError, ConnectionError):
            self._finish(PeerEnd.ICE_FAILED)
        former, self._former = self._former, None
        if former is not None:
            await former.close()

    async def add_candidates(self, candidates: list[RemoteCandidate]) -> None:
        """Take trickled candidates; those beyond aioice's patience are ignored."""
        for candidate in candidates:
            await self._agent.add_candidate(candidate)

    def open_rtcp(self, data: bytes) -> bytes | None:
        """Return the plain compound packet of protected RTCP, or None (counted) when it is forged, replayed or early."""
        if self.rx is None:
            return None
        try:
            plain = self.rx.unprotect_rtcp(data)
        except RemoteProtocolError:
            self.refused += 1
            return None
        self._on_heard()
        return plain

    def send_rtcp(self, packet: bytes) -> None:
        """Protect and send a compound RTCP packet; silently nothing before the keys or after the end."""
        if self.tx is not None and self.address is not None:
            self._port.send(self.tx.protect_rtcp(packet), self.address.pair)

    async def aclose(self) -> None:
        """Say goodbye (DTLS close_notify) and free the path. Idempotent."""
        self._finish(PeerEnd.CLOSED)
        if self.address is not None and self._port.is_open:
            self._port.batch.retire(self.address)
        await self._dtls.stop()
        self._link.close()
        if self._former is not None:
            await self._former.close()
        await self._agent.close()

    def _finish(self, end: PeerEnd) -> None:
        if not self._ended.is_set():
            self._end = end
            self._ended.set()

    def _on_pair(self, agent: IceAgent, address: Address) -> None:
        if agent is not self._agent:
            return  # the old generation has nothing to say once the new one exists
        self._link.agent = agent
        if self.address is not None:
            self._port.batch.retire(self.address)
        self.address = PeerAddress(*address, self._port.local_of(address))
        self._events.on_address(self.address)

    def _on_ice_lost(self, agent: IceAgent) -> None:
        if agent is not self._agent:
            return
        self._finish(PeerEnd.CONSENT_LOST)
        self._link.close()

    def _on_heard(self) -> None:
        self.heard_mono_ns = self._clock.mono_ns()

    def _on_dtls(self, data: bytes) -> None:
        self._link.put(data)

    def _on_media(self, data: bytes) -> None:
        self._events.on_media(data)

    def _on_dtls_state(self) -> None:
        if self._dtls.state in ("closed", "failed"):
            self._finish(PeerEnd.DTLS_CLOSED if self._dtls.state == "closed" else PeerEnd.DTLS_FAILED)
