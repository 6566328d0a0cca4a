"""One RTP stream to one viewer: its numbers, its clock and its totals, whatever tracks it carries one after the other.

Made per media line by `slots`; claimed by one `Outlet` after the other, on the event loop. Numbers never repeat: with
AES-GCM a number used twice for different bytes would give the key away. Timestamps follow the time of the sources'
pictures, so that a switch from one camera to another lasts as long for the viewer's jitter buffer as it did in truth.
"""

import secrets
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

from media.base.clock import Clock
from streams.fanout import History, Packet, Splice, SplicePoint

if TYPE_CHECKING:
    from streams.webrtc.outlet import Outlet

RESPLICE_GAP_TICKS = 90
"""Between the last picture sent and the first of what follows: a millisecond, so that switches add no delay."""

PAST_SPANS = 4
"""Former tracks whose packets can still be sent again; a NACK is at most a second late."""

REPEATABLE = 1 << 14
"""Numbers so far back are not looked for: half the number space must stay unambiguous."""


class Timeline(Protocol):
    """Tells a track's source timestamps by the monotonic clock."""

    def at(self, mono_ns: int) -> int | None:
        """Return the source timestamp of a moment; None while unknown."""
        ...


class Repeat(NamedTuple):
    """A packet to send again exactly as it was sent."""

    payload_type: int
    out_seq: int
    out_ts: int
    packet: Packet


@dataclass(frozen=True, slots=True)
class Span:
    """What was sent of one track under one splice, up to but without `next_seq`."""

    history: History
    splice: Splice
    next_seq: int
    payload_type: int

    def find(self, out_seq: int) -> Repeat | None:
        """Return what was sent as `out_seq` in this span."""
        seq = self.splice.source_seq(out_seq, self.next_seq)
        packet = None if seq is None else self.history.get(seq)
        if packet is None:
            return None
        return Repeat(self.payload_type, out_seq, self.splice.out_ts(packet.timestamp) & 0xFFFFFFFF, packet)


class OutStream:
    """The sending state of one SSRC."""

    def __init__(self, ssrc: int, clock: Clock, *, takes_extension: bool = False) -> None:
        """Begin with random numbers (RFC 3550 §5.1), low enough not to wrap at once."""
        self.ssrc = ssrc
        self.takes_extension = takes_extension
        self.holder: Outlet | None = None
        """The outlet that sends now."""
        self.on_switch: Callable[[Outlet], None] = _nothing
        """Told of every outlet that begins to send in the place of another."""
        self.packets = 0
        self.octets = 0
        self._clock = clock
        self._next_seq = secrets.randbelow(1 << 15)
        self._first_ts = secrets.randbits(31)
        self._base: tuple[int, int, int] | None = None
        """A moment (mono ns), the timestamp that belongs to it, and ticks per second."""
        self._pushed_ticks = 0
        self._spans: deque[Span] = deque(maxlen=PAST_SPANS)

    def claim(self, outlet: "Outlet") -> SplicePoint:
        """Let `outlet` send from now on; who sent before leaves first. Return where the numbers stand."""
        before = self.holder
        if before is not None and before is not outlet:
            before.stop()
        self.holder = outlet
        if before is not outlet:
            self.on_switch(outlet)
        timeline, rate_hz = outlet.track.timeline, outlet.track.clock_rate_hz
        return SplicePoint(self._next_seq, self._first_ts, self._wished_offset(timeline, rate_hz))

    def _wished_offset(self, timeline: Timeline, rate_hz: int) -> int | None:
        now_ns = self._clock.mono_ns()
        source_now = timeline.at(now_ns)
        if self._base is None or source_now is None or self._base[2] != rate_hz:
            return None
        since_ns, base_ts, _ = self._base
        return base_ts + (now_ns - since_ns) * rate_hz // 1_000_000_000 - source_now

    def begun(self, outlet: "Outlet", splice: Splice, wished: int | None) -> None:
        """Learn the splice the claimer made of what it was told."""
        self._pushed_ticks = 0 if wished is None else splice.ts_offset - wished
        if wished is None:
            self._anchor(outlet, splice)

    def _anchor(self, outlet: "Outlet", splice: Splice) -> None:
        now_ns = self._clock.mono_ns()
        source_now = outlet.track.timeline.at(now_ns)
        if source_now is not None:
            offset = splice.ts_offset - self._pushed_ticks
            self._base = (now_ns, source_now + offset, outlet.track.clock_rate_hz)

    def left(self, outlet: "Outlet", splice: Splice, next_seq: int) -> None:
        """Learn how far the outlet got that sends no more, or begins anew."""
        history = outlet.track.history
        self._anchor(outlet, splice)
        if next_seq > splice.start_seq:
            self._spans.append(Span(history, splice, next_seq, outlet.payload_type))
            last = history.last_between(splice.start_seq, next_seq)
            timestamp = last.timestamp if last is not None else outlet.track.last_timestamp
            self._first_ts = max(self._first_ts, splice.out_ts(timestamp) + RESPLICE_GAP_TICKS)
        self._next_seq += next_seq - splice.start_seq

    def release(self, outlet: "Outlet") -> None:
        """Nobody sends any more, if it was `outlet` that did."""
        if self.holder is outlet:
            self.holder = None

    def totals(self) -> tuple[int, int]:
        """Return packets and payload octets sent, without repeats."""
        packets, octets = self.holder.sent() if self.holder is not None else (0, 0)
        return self.packets + packets, self.octets + octets

    def repeat(self, out_seq: int) -> Repeat | None:
        """Find what was sent as `out_seq`, now or a little earlier; None when it is gone or never was."""
        current = self.holder.span() if self.holder is not None else None
        next_out = self._next_seq if current is None else current.splice.seq_offset + current.next_seq
        if not 0 < (next_out - out_seq) & 0xFFFF <= REPEATABLE:
            return None
        if current is not None and (found := current.find(out_seq)) is not None:
            return found
        return next((found for span in reversed(self._spans) if (found := span.find(out_seq)) is not None), None)


def _nothing(_outlet: "Outlet") -> None:
    """Stands where nobody asks."""
