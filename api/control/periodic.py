"""When something that need not happen in every round of a sweeper is due again.

Used by both sweepers; the clock is read here so that simulated time decides in tests.
"""

from media.base.clock import Clock

RECONCILE_EVERY_S = 5.0
"""How often what is written down is compared with what workers have."""
PURGE_EVERY_S = 600.0


class Periodic:
    """Something done at most every `every_s` seconds; at once the first time."""

    def __init__(self, clock: Clock, every_s: float) -> None:
        """Be due now."""
        self._clock = clock
        self._every_ns = round(every_s * 1e9)
        self._done_ns: int | None = None

    def take(self) -> bool:
        """Tell whether it is due, and if so count it as done now."""
        now_ns = self._clock.mono_ns()
        if self._done_ns is not None and now_ns - self._done_ns < self._every_ns:
            return False
        self._done_ns = now_ns
        return True
