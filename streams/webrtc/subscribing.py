"""A viewer's connection: one peer and its media slots, answered once and added to by later offers.

Made per page by the session layer and per viewing session by `whep`; on the event loop, its path a task of its own.
Starts the slots when the path is secure, answers NACK and PLI, sends sender reports, and judges from outside time
whether anybody is still there. Bounded: feedback beyond a browser's appetite is counted and ignored.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import structlog

from media.base.errors import ErrorKind, HubError
from media.base.tasks import Owner
from media.packet import Kind
from streams.webrtc.answer import Chosen, choose_slots, write_answer
from streams.webrtc.batch import PeerAddress
from streams.webrtc.engine import WebRtcEngine, new_ssrc
from streams.webrtc.feedback import Allowance, Feedback, goodbye, read_feedback, round_trip_ms, sender_report
from streams.webrtc.layers import quality
from streams.webrtc.offer import Offer, parse_fragment, parse_offer
from streams.webrtc.out_stream import OutStream
from streams.webrtc.outlet import Outlet, Path
from streams.webrtc.peer import Peer, PeerEnd, PeerEvents
from streams.webrtc.slots import MediaSlot

log = structlog.get_logger(__name__)

SILENCE_LIMIT_NS = 25_000_000_000
"""Nothing authenticated heard for so long (a browser checks consent every 5 s, RFC 7675): with a sweep a second, 30 s are kept."""

RTCP_LIMIT_NS = 28_000_000_000
"""Media sent but no receiver report came back for so long: nobody is playing."""

REPORT_INTERVAL_NS = 2_000_000_000

RESEND_PER_S = 500
RESEND_BURST = 256
"""A fifth of a 10 Mbit/s camera's packets; whoever loses more is better served by a key frame."""

FEEDBACK_PER_S = 200
"""RTCP packets a second; Chromium sends at most about 30 under heavy loss."""

QUALITY_EVERY_NS = 10_000_000_000
"""The quality is told when its level changes, and as often as this."""

STALE_REPORT_NS = 8_000_000_000
"""Reports older than this say nothing about the path any more; browsers report sound every 5 s."""

CLOSE_TIMEOUT_S = 2.0


class EndCause(StrEnum):
    """Why a connection ended, as reported to the audit trail."""

    CLOSED = "closed"
    DELETED = "deleted"
    REVOKED = "revoked"
    SHUTDOWN = "shutdown"
    SILENT = "silent"
    CODEC_CHANGED = "codec_changed"
    CAMERA_REMOVED = "camera_removed"
    SOURCE_ENDED = "source_ended"
    ICE_FAILED = "ice_failed"
    DTLS_FAILED = "dtls_failed"
    CONNECT_TIMEOUT = "connect_timeout"
    CONSENT_LOST = "consent_lost"
    DTLS_CLOSED = "dtls_closed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class SubscribeEvents:
    """What a connection tells its owner, on the event loop; must return at once."""

    on_layer: Callable[[str, str | None], None]
    """`(mid, rid)`: a slot shows another layer of its track; None while it shows nothing."""
    on_quality: Callable[[int, float | None, float], None]
    """`(level 0..4, rtt_ms, loss 0..1)`."""
    on_ended: Callable[[EndCause], None]


@dataclass(frozen=True, slots=True)
class SlotStats:
    """A slot's figures. `source`, `track`, `rid` are empty while it shows nothing; `lost` is the viewer's own word."""

    mid: str
    kind: Kind
    source: str
    track: str
    rid: str
    state: str
    packets_sent: int
    bytes_sent: int
    packets_resent: int
    nacks: int
    key_requests: int
    groups_resent: int
    lost: int
    fraction_lost: float
    jitter_ms: float


@dataclass(frozen=True, slots=True)
class SubscriberStats:
    """A connection's figures."""

    name: str
    is_secure: bool
    remote: str
    srtp_profile: str
    rtt_ms: float | None
    ignored: int
    slots: tuple[SlotStats, ...]


class SubscribingPeer:
    """A viewer's connection from its first answer to its end."""

    def __init__(self, engine: WebRtcEngine, name: str, events: SubscribeEvents) -> None:
        """Prepare; nothing is allocated before the first `answer`. `name` is the CNAME of everything sent."""
        self.name = name
        self.slots: dict[str, MediaSlot] = {}
        self.path: Path | None = None
        self.cause: EndCause | None = None
        self.ended = asyncio.Event()
        self._engine = engine
        self._clock = engine.clock
        self._events = events
        self._owner = Owner(f"subscriber/{name}")
        self._peer: Peer | None = None
        self._by_ssrc: dict[int, MediaSlot] = {}
        self._stop_watching: Callable[[], object] = _nothing
        self._resends = Allowance(RESEND_PER_S, RESEND_BURST)
        self._feedback = Allowance(FEEDBACK_PER_S, FEEDBACK_PER_S)
        self._counts: Counter[str] = Counter()
        self._losses: dict[int, tuple[int, float]] = {}
        self._rtt_ms: float | None = None
        self._quality: tuple[int, int] = (-1, 0)
        self._reported_ns = 0
        self._rtcp_ns = 0
        self._octets_at_rtcp = 0

    @property
    def peer(self) -> Peer:
        """Return the path's peer; only after the first answer."""
        assert self._peer is not None
        return self._peer

    async def answer(self, offer_sdp: str) -> str:
        """Answer the first offer and begin to connect, or a later one that adds lines or restarts ICE.

        HubError INVALID `bad_sdp`, CONFLICT `codec_unsupported` when no line can be taken, `ice_restart_unsupported`
        before the first generation is connected, or `wrong_state` after the end.
        """
        offer = parse_offer(offer_sdp)
        ssrcs = {mid: slot.ssrc for mid, slot in self.slots.items()}
        chosen = choose_slots(offer, lambda mid: ssrcs.get(mid) or new_ssrc())
        return await self.accept(offer, chosen, are_slots=True)

    async def accept(self, offer: Offer, chosen: tuple[Chosen, ...], *, are_slots: bool) -> str:
        """As `answer`, with lines that were chosen before."""
        if self.ended.is_set():
            raise HubError(ErrorKind.CONFLICT, "the connection has ended", code="wrong_state")
        if not chosen:
            raise HubError(ErrorKind.CONFLICT, "nothing offered can be filled", code="codec_unsupported")
        if self._peer is None:
            self._begin(offer)
        elif offer.ice_fragment != self.peer.remote_fragment:
            self.peer.renew(offer)
            self._owner.start(self.peer.reconnect(offer), "ICE restart")
        else:
            await self.peer.add_candidates(offer.candidates)
        self._take_lines(offer, chosen)
        return write_answer(offer, chosen, self._engine.transport_of(self.peer), self.name, are_slots=are_slots)

    def _begin(self, offer: Offer) -> None:
        self._peer = self._engine.make_peer(PeerEvents(self._on_secure, self.on_media, self._on_address))
        self._peer.accept(offer)
        self._stop_watching = self._engine.watch(self.tick)
        self._owner.start(self._run(offer), "path")

    def _take_lines(self, offer: Offer, chosen: tuple[Chosen, ...]) -> None:
        """Make slots of new lines, keep those of known ones, and close those whose line is gone."""
        by_mid = {offer.sections[one.section_index].mid: one for one in chosen}
        for mid in [mid for mid in self.slots if mid not in by_mid]:
            slot = self.slots.pop(mid)
            slot.close()
            self._by_ssrc.pop(slot.ssrc, None)
        for mid, one in by_mid.items():
            if mid not in self.slots:
                stream = OutStream(one.ssrc, self._clock, takes_extension=bool(one.extensions))
                slot = MediaSlot(mid, one.kind, one.formats, stream, self)
                self.slots[mid] = self._by_ssrc[one.ssrc] = slot

    async def _run(self, offer: Offer) -> None:
        """Supervise the path: whatever happens in it ends here."""
        cause = EndCause.FAILED
        try:
            end = await self.peer.run(offer)
            cause = EndCause.CLOSED if end is PeerEnd.CLOSED else EndCause(end.value)
        except Exception:  # the supervisor of a viewer's path
            log.exception("a viewer's path failed", viewer=self.name)
        self._finish(cause)

    def _finish(self, cause: EndCause) -> None:
        if self.ended.is_set():
            return
        self.cause = self.cause or cause
        self.ended.set()
        self._stop_watching()
        for slot in self.slots.values():
            slot.close()
        self._events.on_ended(self.cause)

    async def add_candidates(self, fragment_sdp: str) -> None:
        """Take trickled candidates; HubError CONFLICT `wrong_state` before the first answer or of another generation."""
        fragment, candidates = parse_fragment(fragment_sdp)
        if self._peer is None or (fragment and fragment != self._peer.remote_fragment):
            raise HubError(ErrorKind.CONFLICT, "candidates of another connection", code="ice_restart_unsupported")
        await self._peer.add_candidates(candidates)

    async def aclose(self, cause: EndCause = EndCause.CLOSED) -> None:
        """Say goodbye, stop sending and free the path. Idempotent."""
        path, self.path = self.path, None
        self._finish(cause)
        if path is not None:
            self.peer.send_rtcp(goodbye(tuple(self._by_ssrc)))
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                if self._peer is not None:
                    await self._peer.aclose()
        except TimeoutError:
            log.warning("a viewer's path would not close", viewer=self.name)
        await self._owner.aclose()

    def catch_up(self, outlet: Outlet) -> None:
        """Let the pump serve an outlet that starts elsewhere than its track stands."""
        self._engine.pump.catch_up(outlet)

    def mono_ns(self) -> int:
        """Return the time."""
        return self._clock.mono_ns()

    def layer_changed(self, mid: str, rid: str | None) -> None:
        """Pass on which layer a slot shows."""
        if not self.ended.is_set():
            self._events.on_layer(mid, rid)

    def _on_secure(self) -> None:
        """Begin to send: keys and address are there."""
        peer = self.peer
        assert peer.tx is not None
        assert peer.address is not None
        self._rtcp_ns = self._clock.mono_ns()
        self._set_path(Path(peer.tx, peer.tag_bytes, peer.address))
        self._report(self._rtcp_ns)

    def _on_address(self, address: PeerAddress) -> None:
        if self.path is not None:
            self._set_path(self.path._replace(address=address))

    def _set_path(self, path: Path) -> None:
        self.path = path
        for slot in self.slots.values():
            slot.on_path(path)

    def on_media(self, data: bytes) -> None:
        """Take a protected packet from the peer; only RTCP means anything here, and only so much of it."""
        now_ns = self._clock.mono_ns()
        if len(data) < 8 or not 192 <= data[1] <= 223 or not self._feedback.take(now_ns):
            self._counts["ignored"] += 1
            return
        plain = self.peer.open_rtcp(data)
        if plain is None:
            self._counts["ignored"] += 1
            return
        self._rtcp_ns = now_ns
        try:
            feedback = read_feedback(plain)
        except HubError:
            self._counts["ignored"] += 1
            return
        self._take(feedback, now_ns)

    def _take(self, feedback: Feedback, now_ns: int) -> None:
        for ssrc, lost in feedback.nacks:
            if (slot := self._by_ssrc.get(ssrc)) is not None:
                self._resend(slot, lost, now_ns)
        for ssrc in feedback.key_requests:
            if (slot := self._by_ssrc.get(ssrc)) is not None:
                slot.on_key_request()
        for block in feedback.reports:
            if (slot := self._by_ssrc.get(block.ssrc)) is not None:
                slot.on_report(block, now_ns)
                self._losses[block.ssrc] = (now_ns, block.fraction_lost / 256)
                self._rtt_ms = round_trip_ms(block, self._clock.wall_us()) or self._rtt_ms

    def _resend(self, slot: MediaSlot, lost: tuple[int, ...], now_ns: int) -> None:
        for out_seq in lost:
            slot.counters.nacks += 1
            found = slot.stream.repeat(out_seq)
            outlet = slot.outlet
            if found is None or outlet is None or outlet.path is None or not self._resends.take(now_ns):
                slot.counters.not_resent += 1
                continue
            self._engine.pump.repeat(outlet, found)
            slot.counters.resent += 1

    def tick(self, now_ns: int) -> None:
        """Do what is due about once a second; end when nobody is there any more."""
        if self.path is None:
            return  # connecting has its own time limit
        if now_ns - self.peer.heard_mono_ns > SILENCE_LIMIT_NS or not self._is_reported_on(now_ns):
            self._finish(EndCause.SILENT)
            return
        for slot in self.slots.values():
            slot.tick()
        if now_ns - self._reported_ns >= REPORT_INTERVAL_NS:
            self._report(now_ns)
        self._judge_quality(now_ns)

    def _is_reported_on(self, now_ns: int) -> bool:
        octets = sum(slot.stream.totals()[1] for slot in self.slots.values())
        if octets == self._octets_at_rtcp:  # nothing was sent that could be reported on
            self._rtcp_ns = max(self._rtcp_ns, now_ns - REPORT_INTERVAL_NS)
        self._octets_at_rtcp = octets
        return now_ns - self._rtcp_ns <= RTCP_LIMIT_NS

    def _judge_quality(self, now_ns: int) -> None:
        losses = [loss for at_ns, loss in self._losses.values() if now_ns - at_ns <= STALE_REPORT_NS]
        if not losses:
            return
        loss = sum(losses) / len(losses)
        level = quality(loss, self._rtt_ms)
        if level != self._quality[0] or now_ns - self._quality[1] >= QUALITY_EVERY_NS:
            self._quality = (level, now_ns)
            self._events.on_quality(level, self._rtt_ms, loss)

    def _report(self, now_ns: int) -> None:
        """Send a sender report per slot that runs: the viewer's lip sync hangs on it."""
        self._reported_ns = now_ns
        wall_us = self._clock.wall_us()
        for slot in self.slots.values():
            outlet = slot.stream.holder
            timestamp = None if outlet is None else outlet.track.timeline.at(now_ns)
            if outlet is None or outlet.splice is None or timestamp is None:
                continue
            out_ts = outlet.splice.out_ts(timestamp)
            self.peer.send_rtcp(sender_report(slot.ssrc, wall_us, out_ts, slot.stream.totals(), self.name))

    def stats(self) -> SubscriberStats:
        """Return the figures now."""
        peer = self._peer
        remote = peer.address if peer is not None else None
        return SubscriberStats(
            name=self.name,
            is_secure=self.path is not None,
            remote=f"{remote.host}:{remote.port}" if remote is not None else "",
            srtp_profile=peer.profile if peer is not None else "",
            rtt_ms=self._rtt_ms,
            ignored=self._counts["ignored"],
            slots=tuple(_stats_of(slot) for slot in self.slots.values()),
        )


def _stats_of(slot: MediaSlot) -> SlotStats:
    track, rid = slot.shown
    publication = track.publication if track is not None else None
    report, outlet = slot.last_report, slot.outlet
    packets, octets = slot.stream.totals()
    return SlotStats(
        mid=slot.mid,
        kind=slot.kind,
        source=publication.source if publication is not None else "",
        track=track.name.value if track is not None else "",
        rid=rid or "",
        state=outlet.state.value if outlet is not None else "idle",
        packets_sent=packets,
        bytes_sent=octets,
        packets_resent=slot.counters.resent,
        nacks=slot.counters.nacks,
        key_requests=slot.counters.key_requests,
        groups_resent=slot.counters.groups_resent,
        lost=report.cumulative_lost if report else 0,
        fraction_lost=report.fraction_lost / 256 if report else 0.0,
        jitter_ms=report.jitter * 1000 / outlet.track.clock_rate_hz if report and outlet else 0.0,
    )


def _nothing() -> None:
    """Stands where nobody watches."""
