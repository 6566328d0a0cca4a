"""One viewing session: a peer, its outlets, and what it reports back.

Made by `whep`, run as one supervised task on the event loop. Starts the outlets when the path is secure, answers
NACK and PLI, sends sender reports, and judges from outside time (`tick`) whether anybody is still there. Bounded:
feedback beyond a browser's appetite is counted and ignored.
"""

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum

from media.base.clock import Clock
from media.base.errors import HubError
from media.base.ids import StreamKey
from media.packet import Kind
from media.rtp.rtcp import ReportBlock
from streams.webrtc.batch import PeerAddress
from streams.webrtc.feed import Feed
from streams.webrtc.feedback import Feedback, goodbye, read_feedback, round_trip_ms, sender_report
from streams.webrtc.offer import Offer
from streams.webrtc.outlet import Outlet, OutletState, Path
from streams.webrtc.peer import Peer, PeerEnd
from streams.webrtc.pump import Pump

SILENCE_LIMIT_NS = 25_000_000_000
"""Nothing authenticated heard for so long (a browser checks consent every 5 s, RFC 7675): with a sweep a second, 30 s are kept."""

RTCP_LIMIT_NS = 28_000_000_000
"""Media sent but no receiver report came back for so long: nobody is playing."""

REPORT_INTERVAL_NS = 2_000_000_000
KEY_RESEND_INTERVAL_NS = 1_000_000_000
"""A viewer that cannot decode asks several times a second; the cached group is sent again once."""

RESEND_PER_S = 500
RESEND_BURST = 256
"""A fifth of a 10 Mbit/s camera's packets; whoever loses more is better served by a key frame."""

FEEDBACK_PER_S = 200
"""RTCP packets a second; Chromium sends at most about 30 under heavy loss."""


class EndCause(StrEnum):
    """Why a session ended, as reported to the audit trail."""

    CLOSED = "closed"
    DELETED = "deleted"
    REVOKED = "revoked"
    SHUTDOWN = "shutdown"
    SILENT = "silent"
    CODEC_CHANGED = "codec_changed"
    CAMERA_REMOVED = "camera_removed"
    ICE_FAILED = "ice_failed"
    DTLS_FAILED = "dtls_failed"
    CONNECT_TIMEOUT = "connect_timeout"
    CONSENT_LOST = "consent_lost"
    DTLS_CLOSED = "dtls_closed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class ViewerIdentity:
    """Who watches what, and since when."""

    session_id: str
    user_id: str
    key: StreamKey
    started_wall_us: int
    audio: str


@dataclass(frozen=True, slots=True)
class ViewerStats:
    """A session's figures. Times in milliseconds, sizes in bytes; `lost` and `jitter_ms` are the viewer's own words."""

    session_id: str
    user_id: str
    source: str
    quality: str
    audio: str
    started_wall_us: int
    state: str
    remote: str
    srtp_profile: str
    packets_sent: int
    bytes_sent: int
    packets_resent: int
    nacks: int
    key_requests: int
    groups_resent: int
    lost: int
    fraction_lost: float
    jitter_ms: float
    rtt_ms: float | None
    ignored: int


class Allowance:
    """A token bucket: `per_s` a second, at most `burst` at once. Time is an argument."""

    __slots__ = ("_burst", "_credit", "_filled_ns", "_per_ns")

    def __init__(self, per_s: float, burst: float) -> None:
        """Start full."""
        self._per_ns = per_s / 1e9
        self._burst = burst
        self._credit = burst
        self._filled_ns = 0

    def take(self, now_ns: int) -> bool:
        """Take one; False when there is none."""
        self._credit = min(self._credit + (now_ns - self._filled_ns) * self._per_ns, self._burst)
        self._filled_ns = now_ns
        if self._credit < 1:
            return False
        self._credit -= 1
        return True


class Viewer:
    """A session from its answer to its end."""

    def __init__(
        self, identity: ViewerIdentity, feed: Feed, pump: Pump, outlets: dict[int, Outlet], clock: Clock
    ) -> None:
        """Prepare; `outlets` by SSRC. `peer` is set by the maker before `run`."""
        self.identity = identity
        self.feed = feed
        self.peer: Peer
        self.cause: EndCause | None = None
        self._pump = pump
        self._clock = clock
        self._outlets = outlets
        self._resends = Allowance(RESEND_PER_S, RESEND_BURST)
        self._feedback = Allowance(FEEDBACK_PER_S, FEEDBACK_PER_S)
        self._counts: Counter[str] = Counter()
        self._reports: dict[int, ReportBlock] = {}
        self._rtt_ms: float | None = None
        self._key_sent_ns = 0
        self._reported_ns = 0
        self._rtcp_ns = 0
        self._octets_at_rtcp = 0
        self._is_secure = False

    async def run(self, offer: Offer) -> EndCause:
        """Connect and serve until the path ends; return why."""
        end = await self.peer.run(offer)
        if self.cause is None:
            self.cause = EndCause.CLOSED if end is PeerEnd.CLOSED else EndCause(end.value)
        return self.cause

    async def aclose(self) -> None:
        """Say goodbye, stop sending and free the path. Idempotent."""
        if self._is_secure:
            self.peer.send_rtcp(goodbye(tuple(self._outlets)))
        self._is_secure = False
        for outlet in self._outlets.values():
            outlet.stop()
        await self.peer.aclose()

    @property
    def outlets(self) -> tuple[Outlet, ...]:
        """Return the outlets."""
        return tuple(self._outlets.values())

    def on_secure(self) -> None:
        """Begin to send: keys and address are there."""
        now_ns = self._clock.mono_ns()
        self._is_secure = True
        self._rtcp_ns = now_ns
        assert self.peer.tx is not None
        assert self.peer.address is not None
        path = Path(self.peer.tx, self.peer.tag_bytes, self.peer.address)
        for outlet in self._outlets.values():
            if not outlet.start(path):
                self._pump.catch_up(outlet)
        self._report(now_ns)

    def on_address(self, address: PeerAddress) -> None:
        """Follow the peer to another address."""
        if self._is_secure and self.peer.tx is not None:
            for outlet in self._outlets.values():
                outlet.move(Path(self.peer.tx, self.peer.tag_bytes, address))

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
            if (outlet := self._outlets.get(ssrc)) is not None:
                self._resend(outlet, lost, now_ns)
        for ssrc in feedback.key_requests:
            if (outlet := self._outlets.get(ssrc)) is not None:
                self._send_key(outlet, now_ns)
        for report in feedback.reports:
            if report.ssrc in self._outlets:
                self._reports[report.ssrc] = report
                self._rtt_ms = round_trip_ms(report, self._clock.wall_us()) or self._rtt_ms

    def _resend(self, outlet: Outlet, lost: tuple[int, ...], now_ns: int) -> None:
        for out_seq in lost:
            self._counts["nacks"] += 1
            found = outlet.stream.repeat(out_seq)
            if found is None or not self._resends.take(now_ns):
                self._counts["not_resent"] += 1
                continue
            self._pump.repeat(outlet, found)
            outlet.resent += 1

    def _send_key(self, outlet: Outlet, now_ns: int) -> None:
        """Serve a key request from the cached group; one who waits or is catching up has it coming anyway."""
        self._counts["key_requests"] += 1
        if outlet.track.kind is not Kind.VIDEO or outlet.state is not OutletState.LIVE:
            return
        if now_ns - self._key_sent_ns < KEY_RESEND_INTERVAL_NS:
            return
        self._key_sent_ns = now_ns
        self._counts["groups_resent"] += 1
        if not outlet.restart():
            self._pump.catch_up(outlet)

    def tick(self, now_ns: int) -> EndCause | None:
        """Do what is due about once a second; return a cause when nobody is there any more."""
        if not self._is_secure:
            return None  # connecting has its own time limit
        if now_ns - self.peer.heard_mono_ns > SILENCE_LIMIT_NS:
            return EndCause.SILENT
        octets = sum(outlet.stream.totals()[1] for outlet in self._outlets.values())
        if octets == self._octets_at_rtcp:
            self._rtcp_ns = max(
                self._rtcp_ns, now_ns - REPORT_INTERVAL_NS
            )  # nothing was sent that could be reported on
        self._octets_at_rtcp = octets
        if now_ns - self._rtcp_ns > RTCP_LIMIT_NS:
            return EndCause.SILENT
        if now_ns - self._reported_ns >= REPORT_INTERVAL_NS:
            self._report(now_ns)
        return None

    def _report(self, now_ns: int) -> None:
        """Send a sender report per outlet that runs: the viewer's lip sync hangs on it."""
        self._reported_ns = now_ns
        wall_us = self._clock.wall_us()
        for ssrc, outlet in self._outlets.items():
            timestamp = outlet.track.timeline.at(now_ns)
            if outlet.splice is None or timestamp is None:
                continue
            packets, octets = outlet.stream.totals()
            self.peer.send_rtcp(
                sender_report(
                    ssrc, wall_us, outlet.splice.out_ts(timestamp), (packets, octets), self.identity.session_id
                )
            )

    def stats(self) -> ViewerStats:
        """Return the session's figures now."""
        totals = [outlet.stream.totals() for outlet in self._outlets.values()]
        video = next((o for o in self._outlets.values() if o.track.kind is Kind.VIDEO), None)
        report = self._reports.get(video.ssrc) if video is not None else None
        jitter_ms = report.jitter * 1000 / video.track.clock_rate_hz if report and video else 0.0
        remote = self.peer.address
        state = "live" if video is None else video.state.value
        return ViewerStats(
            session_id=self.identity.session_id,
            user_id=self.identity.user_id,
            source=self.identity.key.source,
            quality=self.identity.key.quality.value,
            audio=self.identity.audio,
            started_wall_us=self.identity.started_wall_us,
            state=state if self._is_secure else "connecting",
            remote=f"{remote.host}:{remote.port}" if remote is not None else "",
            srtp_profile=self.peer.profile,
            packets_sent=sum(packets for packets, _ in totals),
            bytes_sent=sum(octets for _, octets in totals),
            packets_resent=sum(outlet.resent for outlet in self._outlets.values()),
            nacks=self._counts["nacks"],
            key_requests=self._counts["key_requests"],
            groups_resent=self._counts["groups_resent"],
            lost=report.cumulative_lost if report else 0,
            fraction_lost=report.fraction_lost / 256 if report else 0.0,
            jitter_ms=jitter_ms,
            rtt_ms=self._rtt_ms,
            ignored=self._counts["ignored"],
        )
