"""One publisher: a peer connection that sends us tracks, and the publication made of them.

Made by a session or by `whip`; lives on the event loop. Negotiates, runs the path as one supervised task, and tells
the publisher what arrived, what is missing, which key frames and which layers are wanted; what it sends goes through
`ingress`. Bounded: tracks, layers, sources, bit rate, feedback. No decoder, no jitter buffer, no thread.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import structlog

from media.base.errors import ErrorKind, HubError
from media.base.ids import SourceId
from media.base.tasks import Owner
from media.rtp.nack import RoundTrip
from media.rtp.packet import is_rtcp
from streams.publication import Publication, TrackName
from streams.webrtc.answer_publish import Accepted, choose_published, write_published
from streams.webrtc.batch import PeerAddress
from streams.webrtc.engine import WebRtcEngine, new_ssrc
from streams.webrtc.feedback import Allowance
from streams.webrtc.incoming import LayerStats
from streams.webrtc.ingress import Ingress
from streams.webrtc.lipsync import SenderClock
from streams.webrtc.offer import Offer, parse_fragment, parse_offer
from streams.webrtc.peer import Peer, PeerEvents
from streams.webrtc.publish_feedback import FeedbackWriter, PublishFeedback
from streams.webrtc.uplink import UplinkEvents, UplinkPlane

log = structlog.get_logger(__name__)

RTCP_PER_S = 200
"""Chromium sends about 20 a second with three layers."""

TICK_S = 0.1
"""How often arrivals are told: what browsers estimate their bandwidth from."""

REPAIR_S = 0.01
REPORT_NS = 1_000_000_000
SILENCE_NS = 20_000_000_000
"""Nothing authentic heard for so long: a browser checks consent every 5 s (RFC 7675)."""

NOTICE_NS = 10_000_000_000


class PublishEnd(StrEnum):
    """Why a publisher's path is gone."""

    CLOSED = "closed"
    SILENT = "silent"
    ICE_FAILED = "ice_failed"
    DTLS_FAILED = "dtls_failed"
    CONNECT_TIMEOUT = "connect_timeout"
    CONSENT_LOST = "consent_lost"
    DTLS_CLOSED = "dtls_closed"
    FAILED = "failed"


def _ignore(*_: Any) -> None:
    """Serve as the callback nobody asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishEvents:
    """What a publisher tells its owner, on the event loop; all must return at once.

    `on_layers_wanted(name, rids)`: what the page should send of a video track, nothing when the set is empty.
    `on_level(name, level_dbov, mono_ns)`: 0 loud … 127 silent, for every packet of sound.
    `on_notice(code)`: `publish_rate_limited`, at most every 10 s.
    """

    on_layers_wanted: Callable[[TrackName, frozenset[str]], None] = _ignore
    on_level: Callable[[TrackName, int, int], None] = _ignore
    on_ended: Callable[[PublishEnd], None] = _ignore
    on_notice: Callable[[str], None] = _ignore


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishStats:
    """A publisher's figures. `refused` did not pass SRTP; `gated` was not allowed; `limited` was over the rate."""

    source: str
    state: str
    remote: str
    srtp_profile: str
    rtt_ms: float | None
    packets: int
    repairs: int
    padding: int
    refused: int
    unknown: int
    malformed: int
    gated: int
    limited: int
    rtcp_ignored: int
    tracks: dict[str, tuple[LayerStats, ...]]


class PublishingPeer:
    """A publisher from its first offer to its end."""

    def __init__(self, engine: WebRtcEngine, source: SourceId, events: PublishEvents) -> None:
        """Prepare; nothing is allowed through until `allow`."""
        self.publication = Publication(source)
        self.ended = asyncio.Event()
        self.cause: PublishEnd | None = None
        self._engine = engine
        self._clock = engine.clock
        self._events = events
        self._owner = Owner(f"publish/{source}")
        self._peer: Peer | None = None
        self._names: dict[str, TrackName] = {}
        self._accepted: frozenset[TrackName] = frozenset()
        self._round_trip = RoundTrip()
        self._ingress = Ingress(
            self.publication,
            UplinkPlane(engine.make_track, SenderClock(), self._round_trip),
            UplinkEvents(self._on_gap, self._ask_keys, events.on_layers_wanted, self.publication.changed),
            events.on_level,
        )
        self._feedback = PublishFeedback(self._ingress, FeedbackWriter(new_ssrc(), f"xiangyun-{source}"))
        self._rtcp_allowance = Allowance(RTCP_PER_S, RTCP_PER_S)
        self._rtcp_ignored = 0
        self._malformed = 0
        self._noticed_ns: int | None = None
        self._reported_ns = 0
        self._repair_handle: asyncio.TimerHandle | None = None
        self._is_secure = False

    @property
    def accepted(self) -> frozenset[TrackName]:
        """Return the tracks whose lines the last answer took; others were offered in codecs we lack, or not at all."""
        return self._accepted

    async def answer(self, offer_sdp: str, names: Mapping[str, TrackName]) -> str:
        """Answer the first or a later offer; `names` tells what the lines with these mids are, known ones stay.

        HubError: INVALID `bad_sdp`, EXHAUSTED `too_many_tracks`, CONFLICT `codec_unsupported`,
        `ice_restart_unsupported` (while still connecting) or `wrong_state`.
        """
        if self.ended.is_set():
            raise HubError(ErrorKind.CONFLICT, "this publisher has ended", code="wrong_state")
        offer = parse_offer(offer_sdp)
        mids = {section.mid for section in offer.sections}
        kept = {mid: name for mid, name in self._names.items() if name not in names.values()}
        known = {mid: name for mid, name in {**kept, **names}.items() if mid in mids}
        lines = choose_published(offer, known)
        peer = await self._follow(offer)
        self._names = known
        self._accepted = frozenset(line.name for line in lines)
        self._ingress.configure(_sending(lines))
        return write_published(offer, lines, self._engine.transport_of(peer))

    async def _follow(self, offer: Offer) -> Peer:
        """Connect by the first offer, by one with fresh ICE credentials anew, by another not at all."""
        peer = self._peer
        if peer is None:
            return self._begin(offer)
        if offer.ice_fragment == peer.remote_fragment:
            await peer.add_candidates(offer.candidates)
        else:
            peer.renew(offer)
            self._owner.start(peer.reconnect(offer), "ice")
        return peer

    def _begin(self, offer: Offer) -> Peer:
        peer = self._engine.make_peer(PeerEvents(self._on_secure, self._on_media, self._on_address))
        peer.accept(offer)
        self._peer = peer
        self._owner.start(self._serve(peer, offer), "path")
        return peer

    def unpublish(self, name: TrackName) -> None:
        """Take a track out of the publication without a new offer; its packets are ignored until it is named again."""
        self._names = {mid: other for mid, other in self._names.items() if other is not name}
        self._accepted -= {name}
        self._ingress.configure(tuple(line for line in self._ingress.lines if line.name is not name))

    def allow(self, names: frozenset[TrackName]) -> None:
        """Let only these tracks through from now on; nobody sees or hears a packet of the others."""
        if not self.ended.is_set():
            self._ingress.allow(frozenset(names), self._clock.mono_ns())

    def set_muted(self, names: frozenset[TrackName]) -> None:
        """Take notice of what the person has muted; their packets, if any, go on to viewers."""
        if not self.ended.is_set():
            self._ingress.set_muted(frozenset(names), self._clock.mono_ns())

    async def add_candidates(self, fragment_sdp: str) -> None:
        """Take later candidates; HubError CONFLICT for another ICE generation or before the first offer."""
        if self._peer is None:
            raise HubError(ErrorKind.CONFLICT, "nothing was offered yet", code="wrong_state")
        fragment, candidates = parse_fragment(fragment_sdp)
        if fragment and fragment != self._peer.remote_fragment:
            raise HubError(ErrorKind.CONFLICT, "of another ICE generation", code="ice_restart_unsupported")
        await self._peer.add_candidates(candidates)

    async def aclose(self) -> None:
        """Say goodbye, end the publication and free the path. Idempotent."""
        self._finish(PublishEnd.CLOSED)
        await self._owner.aclose()
        if self._peer is not None:
            await self._peer.aclose()

    async def _serve(self, peer: Peer, offer: Offer) -> None:
        """Supervise the path: whatever happens in it ends here."""
        cause = PublishEnd.FAILED
        try:
            cause = PublishEnd((await peer.run(offer)).value)
        except Exception:  # the supervisor of a publisher
            log.exception("publishing failed", source=self.publication.source)
        finally:
            self._finish(cause)

    def _finish(self, cause: PublishEnd) -> None:
        if self.ended.is_set():
            return
        self.cause = cause
        self.ended.set()
        self._is_secure = False
        if self._repair_handle is not None:
            self._repair_handle.cancel()
        self._ingress.close()
        self.publication.end()
        self._events.on_ended(cause)

    def _on_secure(self) -> None:
        self._is_secure = True
        self._owner.start(self._work(), "feedback")

    def _on_address(self, address: PeerAddress) -> None:
        """Nothing to do: feedback goes where the peer says."""

    def _on_media(self, data: bytes) -> None:
        """Take a protected packet from the path. Anything at all may be in it."""
        peer = self._peer
        if len(data) < 12 or peer is None or peer.rx is None or self.ended.is_set():
            self._malformed += 1
        elif is_rtcp(data[1]):
            self._on_rtcp(peer, data)
        else:
            now_ns = self._clock.mono_ns()
            if self._ingress.take(peer.rx, data, now_ns):
                peer.heard_mono_ns = now_ns

    def _on_rtcp(self, peer: Peer, data: bytes) -> None:
        now_ns = self._clock.mono_ns()
        plain = peer.open_rtcp(data) if self._rtcp_allowance.take(now_ns) else None
        if plain is None:
            self._rtcp_ignored += 1
            return
        try:
            self._ingress.control(plain, now_ns)
        except HubError:
            self._rtcp_ignored += 1

    def _send(self, packets: list[bytes]) -> None:
        if self._peer is not None and self._is_secure:
            for packet in packets:
                self._peer.send_rtcp(packet)

    def _on_gap(self) -> None:
        """Ask for what is missing a moment later, and again until nothing is."""
        if self._repair_handle is None and self._is_secure:
            self._repair_handle = asyncio.get_running_loop().call_later(REPAIR_S, self._repair)

    def _repair(self) -> None:
        self._repair_handle = None
        self._send(self._feedback.repairs(self._clock.mono_ns()))
        if self._feedback.is_missing:
            self._on_gap()

    def _ask_keys(self) -> None:
        self._send(self._feedback.key_requests(self._clock.mono_ns()))

    async def _work(self) -> None:
        """Tell what arrived ten times a second, and once a second the rest."""
        while not self.ended.is_set():
            await asyncio.sleep(TICK_S)
            now_ns = self._clock.mono_ns()
            self._send(self._feedback.arrivals(now_ns))
            self._send(self._feedback.key_requests(now_ns))
            if now_ns - self._reported_ns >= REPORT_NS:
                self._reported_ns = now_ns
                self._review(now_ns)

    def _review(self, now_ns: int) -> None:
        self._send(self._feedback.reports(now_ns))
        for track in tuple(self._ingress.tracks.values()):
            track.review(now_ns)
        self._notice_limit(now_ns)
        assert self._peer is not None
        if now_ns - self._peer.heard_mono_ns > SILENCE_NS:
            self._finish(PublishEnd.SILENT)

    def _notice_limit(self, now_ns: int) -> None:
        limited_ns = self._ingress.limited_ns
        if not limited_ns or now_ns - limited_ns > 2 * REPORT_NS:
            return
        if self._noticed_ns is None or now_ns - self._noticed_ns >= NOTICE_NS:
            self._noticed_ns = now_ns
            log.warning("publisher over its rate", source=self.publication.source)
            self._events.on_notice("publish_rate_limited")

    def stats(self) -> PublishStats:
        """Return the figures now."""
        now_ns = self._clock.mono_ns()
        peer, counts = self._peer, self._ingress.counts
        address = peer.address if peer is not None else None
        state = "ended" if self.ended.is_set() else "live" if self._is_secure else "connecting"
        return PublishStats(
            source=self.publication.source,
            state=state,
            remote=f"{address.host}:{address.port}" if address is not None else "",
            srtp_profile=peer.profile if peer is not None else "",
            rtt_ms=self._round_trip.smoothed_ns / 1e6 if self._round_trip.is_measured else None,
            packets=counts["packets"],
            repairs=counts["repairs"],
            padding=counts["padding"],
            refused=counts["refused"] + (peer.refused if peer is not None else 0),
            unknown=self._ingress.unknown,
            malformed=counts["malformed"] + self._malformed,
            gated=counts["gated"],
            limited=counts["limited"],
            rtcp_ignored=self._rtcp_ignored,
            tracks={name.value: track.stats(now_ns) for name, track in self._ingress.tracks.items()},
        )


def _sending(lines: tuple[Accepted, ...]) -> tuple[Accepted, ...]:
    return tuple(line for line in lines if line.is_sending)
