"""The timestamp gate: validates a track's decode times once, at the door; everything after it assumes them right.

Called by the run publisher for every access unit, on the event loop. Moves a track's timeline to the run's zero,
repairs small steps back, drops what cannot be repaired and reports a jump. Pure: arrival times are arguments.
"""

from dataclasses import dataclass
from enum import Enum


class Verdict(Enum):
    """What is not a timestamp."""

    DROP = "drop"
    JUMP = "jump"


@dataclass(frozen=True, slots=True)
class GateLimits:
    """How far a camera's clock may be off before the run is cut.

    One step is compared with what the receive clock saw go by. Forward 5 s: packet loss hides less, and cameras
    that jump do so by 10 s to hours. Backward 1 s: picture reordering stays below it. In all 60 s: the drift of a
    bad crystal in a week, a clock that runs at double speed in a minute.
    """

    forward_s: float = 5.0
    backward_s: float = 1.0
    total_s: float = 60.0


class TimestampGate:
    """Validates one track of one run.

    `admit` answers with decode times on the run's timeline, strictly increasing. Reordered pictures (B frames) step
    back in presentation, so video keeps a unit that steps back a little and only its decode time is repaired; sound
    that steps back overlaps what was heard and is dropped.
    """

    __slots__ = (
        "_backward", "_first_arrival_ns", "_first_pts", "_forward", "_last_arrival_ns", "_last_out", "_last_pts",
        "_per_ns", "_repairs", "_total", "dropped", "offset", "repaired",
    )  # fmt: skip

    def __init__(self, clock_rate_hz: int, *, is_video: bool, limits: GateLimits | None = None) -> None:
        """Start before the first unit."""
        limits = limits or GateLimits()
        self._per_ns = clock_rate_hz / 1e9
        self._forward = limits.forward_s * clock_rate_hz
        self._backward = -limits.backward_s * clock_rate_hz
        self._total = limits.total_s * clock_rate_hz
        self._repairs = is_video
        self.offset = 0
        self._first_pts = self._first_arrival_ns = 0
        self._last_pts = self._last_arrival_ns = 0
        self._last_out = -1
        self.repaired = 0
        self.dropped = 0

    def start(self, pts: int, dts: int, arrival_mono_ns: int, at_ticks: int) -> None:
        """Let incoming `dts` be `at_ticks` (>= 0) on the run's timeline; `offset` is what is added from now on."""
        self.offset = at_ticks - dts
        self._first_pts = self._last_pts = pts
        self._first_arrival_ns = self._last_arrival_ns = arrival_mono_ns
        self._last_out = at_ticks - 1

    def shift(self, ticks: int) -> None:
        """Move the timeline by `ticks` from here on, to bring sound and picture together."""
        self.offset += ticks

    def admit(self, pts: int, dts: int, arrival_mono_ns: int) -> int | Verdict:
        """Return the decode time of the unit, or DROP, or JUMP (state unchanged; the caller starts anew)."""
        step = pts - self._last_pts
        if step - (arrival_mono_ns - self._last_arrival_ns) * self._per_ns > self._forward or step < self._backward:
            return Verdict.JUMP
        drift = pts - self._first_pts - (arrival_mono_ns - self._first_arrival_ns) * self._per_ns
        if not -self._total < drift < self._total:
            return Verdict.JUMP
        if step > 0:
            self._last_pts = pts
            self._last_arrival_ns = arrival_mono_ns
        out = dts + self.offset
        if out <= self._last_out:
            if not self._repairs:
                self.dropped += 1
                return Verdict.DROP
            self.repaired += 1
            out = self._last_out + 1
        self._last_out = out
        return out
