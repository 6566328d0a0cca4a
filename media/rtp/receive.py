"""What every depacketizer shares: which packets belong to the stream, in which order, and how many are missing.

Base of the payload formats in `media.rtp.depacketize`; on the event loop of ingest, once per packet, so the normal
path is a few comparisons and everything unusual is a method of its own. Pure and total: a bad packet is counted
and dropped. Reorders nothing (see `media.rtp.reorder`): a late packet counts as lost.
"""

from dataclasses import dataclass

from media.packet import AccessUnit, CodecParams
from media.rtp.packet import HEADER, Buffer
from media.timing import RtpTimeline

MAX_DROPOUT = 3000
"""A step forward of more is a new sequence, not a loss (RFC 3550 appendix A.1)."""
MAX_MISORDER = 100
"""A step back of more is a new sequence, not a late packet (RFC 3550 appendix A.1)."""
SOURCE_SILENCE_NS = 1_000_000_000
"""Another ssrc is believed once ours has been silent so long: packets of a stale session come interleaved."""

Units = AccessUnit | list[AccessUnit] | None
"""What one packet completes: mostly nothing or one unit; a list when several."""

unpack_header = HEADER.unpack_from


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamOptions:
    """How to recognise and time the packets of a track.

    `payload_type` None takes that of the first packet; `ssrc` (SETUP's Transport header) is a hint, cameras get it
    wrong. `origin_ts32` (RTP-Info) is where the timeline has its zero, the first packet when None; `pts_offset` ticks
    are added to all pts and dts.
    """

    payload_type: int | None = None
    ssrc: int | None = None
    origin_ts32: int | None = None
    pts_offset: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceptionStats:
    """Counters for receiver reports and the status page. `jitter` is in ticks (RFC 3550 §6.4.1), per unit.

    `lost` counts gaps in the sequence; `late` duplicates and packets that came after their turn; `strays` foreign
    ssrc or payload type; `malformed` broken packets or payloads; `dropped_units` pictures thrown away as damaged.
    """

    ssrc: int
    highest_sequence: int
    expected: int
    received: int
    lost: int
    late: int
    strays: int
    malformed: int
    resets: int
    dropped_units: int
    withheld_units: int
    jitter: int


class RtpReceiver:
    """Sequence, source and arrival state of one RTP stream."""

    __slots__ = (
        "_accepted",
        "_arrival_mono_ns",
        "_arrival_wall_us",
        "_bad_seq",
        "_base_seq",
        "_hint_since_ns",
        "_jitter_16",
        "_last_transit",
        "_lost_before_base",
        "_lost_before_unit",
        "_next_beyond_strays",
        "_next_seq",
        "_payload_type",
        "_ssrc",
        "_ssrc_hint",
        "dropped_units",
        "late",
        "lost",
        "malformed",
        "params",
        "pts_offset",
        "resets",
        "strays",
        "timeline",
        "track",
        "withheld_units",
    )

    def __init__(self, track: int, params: CodecParams, options: StreamOptions) -> None:
        """Expect packets of track number `track`."""
        self.track = track
        self.params = params
        self.pts_offset = options.pts_offset
        self.timeline = RtpTimeline(params.clock_rate_hz, options.origin_ts32)
        self.lost = self.late = self.strays = self.malformed = self.resets = 0
        self.dropped_units = self.withheld_units = 0
        self._payload_type = -1 if options.payload_type is None else options.payload_type
        self._ssrc = -1
        self._ssrc_hint = options.ssrc
        self._hint_since_ns: int | None = None
        self._next_seq = -1
        self._bad_seq = -1
        self._next_beyond_strays = -1
        self._base_seq = 0
        self._accepted = 0
        self._lost_before_base = 0
        self._lost_before_unit = 0
        self._arrival_mono_ns = 0
        self._arrival_wall_us = 0
        self._jitter_16 = 0
        self._last_transit: int | None = None

    @property
    def stats(self) -> ReceptionStats:
        """Return the counters as they stand."""
        lost = self.lost - self._lost_before_base
        return ReceptionStats(
            ssrc=max(self._ssrc, 0),
            highest_sequence=(self._base_seq + self._accepted + lost - 1) if self._accepted else 0,
            expected=self._accepted + lost,
            received=self._accepted,
            lost=self.lost,
            late=self.late,
            strays=self.strays,
            malformed=self.malformed,
            resets=self.resets,
            dropped_units=self.dropped_units,
            withheld_units=self.withheld_units,
            jitter=self._jitter_16 >> 4,
        )

    def follow(self, _buf: Buffer, pos: int, _end: int, _lead: int) -> int:
        """Take those of the packets in `buf[pos:end]` that plainly continue the last one; return where others begin.

        Each lies behind 16 bits `lead` and 16 bits of length, as on an RTSP connection (RFC 2326 §10.12). To be called
        after `push`, with what came together with its packet. They complete no unit; whatever is not plain is left to
        `push`, so that taking none is always right.
        """
        return pos

    def _admit(self, header: tuple[int, int, int, int, int], now_mono_ns: int) -> bool:
        """Decide on a packet that is not simply the next one; True when it is to be taken."""
        _, second, seq, ts32, ssrc = header
        if self._payload_type < 0:
            self._payload_type = second & 0x7F
        if second & 0x7F != self._payload_type:
            self.strays += 1
            if ssrc == self._ssrc and seq in (self._next_seq, self._next_beyond_strays):
                self._next_beyond_strays = (seq + 1) & 0xFFFF
            return False
        if ssrc != self._ssrc:
            return self._admit_source(seq, ts32, ssrc, now_mono_ns)
        step = (seq - self._next_seq) & 0xFFFF
        if step < MAX_DROPOUT:
            self._step_over(step, seq, ts32)
            return True
        if step >= 0x10000 - MAX_MISORDER:
            self.late += 1
            return False
        return self._admit_restart(seq, ts32)

    def _step_over(self, step: int, seq: int, ts32: int) -> None:
        """Take notice of `step` packets missing before `seq`, unless strays of another type had their numbers."""
        if seq == self._next_beyond_strays:
            self._accepted += step
        elif step:
            self.lost += step
            self._lost_before_unit += step
            self._on_gap(ts32)

    def _admit_restart(self, seq: int, ts32: int) -> bool:
        """Believe a new sequence when two of its packets follow one another (RFC 3550 appendix A.1)."""
        if seq != self._bad_seq:
            self._bad_seq = (seq + 1) & 0xFFFF
            self.strays += 1
            return False
        self._rebase(seq)
        self._on_gap(ts32)
        return True

    def _admit_source(self, seq: int, ts32: int, ssrc: int, now_mono_ns: int) -> bool:
        if self._ssrc < 0:
            if self._ssrc_hint is not None and ssrc != self._ssrc_hint and not self._is_hint_stale(now_mono_ns):
                self.strays += 1
                return False
        elif now_mono_ns - self._arrival_mono_ns <= SOURCE_SILENCE_NS:
            self.strays += 1
            return False
        else:
            silence_ns = now_mono_ns - self._arrival_mono_ns
            self.timeline.resume(ts32, silence_ns * self.params.clock_rate_hz // 1_000_000_000)
            self._last_transit = None
        self._ssrc = ssrc
        self._rebase(seq)
        self._on_gap(ts32)
        return True

    def _is_hint_stale(self, now_mono_ns: int) -> bool:
        if self._hint_since_ns is None:
            self._hint_since_ns = now_mono_ns
        return now_mono_ns - self._hint_since_ns > SOURCE_SILENCE_NS

    def _rebase(self, seq: int) -> None:
        if self._accepted:
            self.resets += 1
        self._base_seq = seq
        self._accepted = 0
        self._lost_before_base = self.lost
        self._bad_seq = self._next_beyond_strays = -1

    def _count(self, seq: int) -> None:
        self._next_seq = (seq + 1) & 0xFFFF
        self._accepted += 1

    def _on_gap(self, ts32: int) -> None:
        """Take notice that packets before the one stamped `ts32` are missing."""
        raise NotImplementedError

    def _note_jitter(self, pts: int, arrival_mono_ns: int) -> None:
        """Update the interarrival jitter (RFC 3550 appendix A.8), once per unit instead of once per packet."""
        transit = arrival_mono_ns * self.params.clock_rate_hz // 1_000_000_000 - pts
        if self._last_transit is not None:
            self._jitter_16 += abs(transit - self._last_transit) - ((self._jitter_16 + 8) >> 4)
        self._last_transit = transit
