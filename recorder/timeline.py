"""Where a segment lies in time. Moonfire's model: media durations are true, wall times are fitted to them.

Called by `recorder.stream_writer`, on the volume's writer thread. Pure. A run's first segment starts when its least
delayed frame arrived; every later one starts exactly where the one before ends. The hub's clock and the camera's
drift apart; the difference is worked off by stretching a segment's wall duration by at most 500 ppm. Segments of a
stream never overlap, whatever the clocks do.
"""

from dataclasses import dataclass

MAX_SLEW_PPM = 500
"""150 ms per five-minute segment: more than any quartz drifts, too little to be seen."""
CLOCK_STEP_US = 10_000_000
"""Footage that arrives this much later than its place in the run means that the clock or the camera stood still."""


@dataclass(frozen=True, slots=True)
class Placement:
    """A segment's `start_us` on the hub's clock and the `estimate_us` its frames gave for it."""

    start_us: int
    estimate_us: int
    is_first: bool


def place_first(estimate_us: int, previous_end_us: int) -> Placement:
    """Place the first segment of a run: at its estimate, but never before the stream's footage ends."""
    return Placement(max(estimate_us, previous_end_us), estimate_us, is_first=True)


def place_next(estimate_us: int, previous_end_us: int) -> Placement | None:
    """Place a segment that continues a run at `previous_end_us`.

    None when it is estimated more than `CLOCK_STEP_US` later: the caller begins a new run and records the gap. A clock
    that stepped back is only slewed after: footage may not overlap.
    """
    if estimate_us - previous_end_us > CLOCK_STEP_US:
        return None
    return Placement(previous_end_us, estimate_us, is_first=False)


def refine(placement: Placement, estimate_us: int, previous_end_us: int) -> Placement:
    """Take a later fragment's estimate into account: less delay moves a run's first segment to an earlier start."""
    if estimate_us >= placement.estimate_us:
        return placement
    start_us = max(estimate_us, previous_end_us) if placement.is_first else placement.start_us
    return Placement(start_us, estimate_us, placement.is_first)


def wall_duration_us(placement: Placement, media_us: int) -> int:
    """Return how long the segment lasts on the hub's clock: `media_us` slewed towards its estimate."""
    limit_us = media_us * MAX_SLEW_PPM // 1_000_000
    drift_us = placement.estimate_us - placement.start_us
    return media_us + max(-limit_us, min(limit_us, drift_us))
