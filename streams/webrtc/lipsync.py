"""One timeline for everything a publisher sends: its clocks as sender reports tell them, against ours.

Pure; used by `incoming` and `publishing` on the event loop. A layer's 32-bit timestamps become 64-bit source
timestamps; all layers of a track count alike, so that a switch keeps its place, and all tracks of a publisher name the
same moment, so that lips and voice meet at the viewer. Before the first report arrival stands in. A layer that already
has the right count is never moved; one that must be moved never goes back.
"""

from collections import deque

from media.timing import us_of_ntp

_NS = 1_000_000_000
_HALF, _MASK = 1 << 31, 0xFFFF_FFFF

MAX_CLOCK_STEP_NS = 2 * _NS
"""A publisher's clock that differs by more from its last reading was set."""

MAX_REPORT_DISTANCE_S = 10
"""A report about a moment so far from its packets is broken."""

TOLERANCE_S = 0.002
"""Layers that differ by less are left alone: a tenth of a picture at 50 Hz."""

_MAX_STEP_S = 3
"""A longer step of timestamps is compared with the clock."""
_MAX_SHIFTS = 128
"""Remembered moves of a layer: 2 s of pictures, as far back as a packet may come late."""


class SenderClock:
    """The publisher's wall clock against our monotonic one, by its least delayed report."""

    __slots__ = ("_heard_ns", "generation", "offset_ns")

    def __init__(self) -> None:
        """Know nothing."""
        self.offset_ns: int | None = None
        """Ours minus theirs."""
        self.generation = 0
        """Counts how often their clock was set."""
        self._heard_ns = 0

    def take(self, theirs_ns: int, arrived_ns: int) -> None:
        """Take the time in a report, and when it arrived."""
        offset_ns = arrived_ns - theirs_ns
        passed_ns, self._heard_ns = arrived_ns - self._heard_ns, arrived_ns
        if self.offset_ns is None or abs(offset_ns - self.offset_ns) > MAX_CLOCK_STEP_NS:
            self.generation += self.offset_ns is not None
            self.offset_ns = offset_ns
        elif offset_ns < self.offset_ns:
            self.offset_ns = offset_ns
        else:
            self.offset_ns += min(offset_ns - self.offset_ns, max(passed_ns, 0) // 2000)  # 500 ppm of drift


class TrackClock:
    """The source timestamps of one track. It is the `timeline` of each of its layers' tracks."""

    __slots__ = ("_anchor", "_sender", "_zero_heard_ns", "_zero_ns", "clock_rate_hz")

    def __init__(self, clock_rate_hz: int, sender: SenderClock) -> None:
        """Count ticks of `clock_rate_hz`."""
        self.clock_rate_hz = clock_rate_hz
        self._sender = sender
        self._anchor: tuple[int, int, int] | None = None
        """Generation of the sender's clock, its time in nanoseconds, and the source timestamp at that time."""
        self._zero_ns: int | None = None
        """When tick 0 was, by the least delayed packet."""
        self._zero_heard_ns = 0

    @property
    def is_anchored(self) -> bool:
        """Tell whether a sender report has said what belongs together."""
        return self._anchor is not None and self._anchor[0] == self._sender.generation

    def anchor(self, theirs_ns: int, timestamp: int) -> None:
        """Remember that `timestamp` belongs to the sender's time `theirs_ns`."""
        self._anchor = (self._sender.generation, theirs_ns, timestamp)

    def of_sender(self, theirs_ns: int) -> int | None:
        """Return the source timestamp of a moment of the sender's clock; None before the first report."""
        if self._anchor is None or self._anchor[0] != self._sender.generation:
            return None
        _, anchor_ns, timestamp = self._anchor
        return timestamp + (theirs_ns - anchor_ns) * self.clock_rate_hz // _NS

    def at(self, mono_ns: int) -> int | None:
        """Return the source timestamp that belongs to a moment of our clock; None before the first packet."""
        offset_ns = self._sender.offset_ns
        if offset_ns is not None and (timestamp := self.of_sender(mono_ns - offset_ns)) is not None:
            return timestamp
        if self._zero_ns is None:
            return None
        return (mono_ns - self._zero_ns) * self.clock_rate_hz // _NS

    def arrived(self, timestamp: int, now_ns: int) -> None:
        """Take notice of a new picture or frame; of use while no report has come."""
        zero_ns = now_ns - timestamp * _NS // self.clock_rate_hz
        if self._zero_ns is None or zero_ns < self._zero_ns:
            self._zero_ns = zero_ns
        else:
            self._zero_ns += min(zero_ns - self._zero_ns, max(now_ns - self._zero_heard_ns, 0) // 2000)
        self._zero_heard_ns = now_ns


class LayerClock:
    """Makes source timestamps of one layer's RTP timestamps."""

    __slots__ = (
        "_is_anchor",
        "_last_32",
        "_last_64",
        "_last_source",
        "_offset",
        "_sender",
        "_shifts",
        "_step_limit",
        "_target",
        "_track",
    )

    def __init__(self, track: TrackClock, sender: SenderClock) -> None:
        """Begin with the next packet."""
        self._track = track
        self._sender = sender
        self._step_limit = _MAX_STEP_S * track.clock_rate_hz
        self._last_32: int | None = None
        self._last_64 = 0
        self._last_source = 0
        self._offset = self._target = 0
        self._is_anchor = False
        self._shifts: deque[tuple[int, int]] = deque(maxlen=_MAX_SHIFTS)
        """From which extended timestamp on which offset held, oldest first."""

    def restart(self) -> None:
        """Expect timestamps that do not continue the last ones."""
        self._last_32 = None
        self._is_anchor = False

    def stamp(self, ts32: int, now_ns: int) -> int:
        """Return the source timestamp of a packet."""
        last_32 = self._last_32
        if ts32 == last_32:
            return self._last_source
        if last_32 is None:
            return self._begin(ts32, now_ns)
        delta = ((ts32 - last_32 + _HALF) & _MASK) - _HALF
        if abs(delta) > self._step_limit and self._is_lost(self._last_64 + delta, now_ns):
            return self._begin(ts32, now_ns)
        if delta < 0:
            return self._old(self._last_64 + delta)
        return self._advance(ts32, self._last_64 + delta, now_ns)

    def _begin(self, ts32: int, now_ns: int) -> int:
        """Count on from where the clock is; a packet later than any before, by at least a tick."""
        expected = self._track.at(now_ns)
        source = 0 if expected is None else expected
        if self._last_64:
            source = max(source, self._last_source + 1)
        self._last_64 += 1 << 40  # another epoch: no old packet is taken for one of this
        self._offset = self._target = source - self._last_64
        self._is_anchor = False
        self._shifts.clear()
        self._shifts.append((self._last_64, self._offset))
        return self._note(ts32, self._last_64, source, now_ns)

    def _is_lost(self, ts64: int, now_ns: int) -> bool:
        expected = self._track.at(now_ns)
        return expected is None or abs(ts64 + self._offset - expected) > self._step_limit

    def _advance(self, ts32: int, ts64: int, now_ns: int) -> int:
        if self._offset != self._target:
            source = max(ts64 + self._target, self._last_source + self._track.clock_rate_hz // 1000)
            self._offset = source - ts64
            self._shifts.append((ts64, self._offset))
        return self._note(ts32, ts64, ts64 + self._offset, now_ns)

    def _note(self, ts32: int, ts64: int, source: int, now_ns: int) -> int:
        self._last_32, self._last_64, self._last_source = ts32, ts64, source
        if not self._track.is_anchored:
            self._track.arrived(source, now_ns)
        return source

    def _old(self, ts64: int) -> int:
        """Return what the picture of a late packet was stamped with."""
        for since, offset in reversed(self._shifts):
            if ts64 >= since:
                return ts64 + offset
        return ts64 + (self._shifts[0][1] if self._shifts else self._offset)

    def report(self, ntp64: int, ts32: int, now_ns: int) -> None:
        """Take a sender report: at the sender's time `ntp64` this layer's RTP clock showed `ts32`."""
        if not ntp64 or self._last_32 is None:
            return
        delta = ((ts32 - self._last_32 + _HALF) & _MASK) - _HALF
        if abs(delta) > MAX_REPORT_DISTANCE_S * self._track.clock_rate_hz:
            return
        theirs_ns = us_of_ntp(ntp64) * 1000
        self._sender.take(theirs_ns, now_ns)
        ts64 = self._last_64 + delta
        expected = self._track.of_sender(theirs_ns)
        if expected is None or self._is_anchor:
            self._is_anchor = True
            self._track.anchor(theirs_ns, ts64 + self._target)
        elif abs(expected - ts64 - self._target) > TOLERANCE_S * self._track.clock_rate_hz:
            self._target = expected - ts64
