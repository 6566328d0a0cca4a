"""How many messages a page may send. Pure: time is an argument.

A bucket of 60 messages that fills at 30 a second. Who goes on when it is empty is told `too_fast`, and closed after 120
refusals without a second's rest.
"""

RATE_PER_S = 30
BURST = 60
PATIENCE = 120


class MessageRate:
    """The bucket of one session."""

    __slots__ = ("_credit", "_filled_ns", "refused")

    def __init__(self, now_mono_ns: int) -> None:
        """Start full."""
        self._credit = float(BURST)
        self._filled_ns = now_mono_ns
        self.refused = 0
        """Refusals since the bucket last held a second's worth."""

    def take(self, now_mono_ns: int) -> bool:
        """Count one message; False when it is one too many."""
        earned = (now_mono_ns - self._filled_ns) * RATE_PER_S / 1e9
        self._filled_ns = now_mono_ns
        self._credit = min(self._credit + earned, float(BURST))
        if self._credit >= RATE_PER_S:
            self.refused = 0
        if self._credit < 1.0:
            self.refused += 1
            return False
        self._credit -= 1.0
        return True

    @property
    def is_hopeless(self) -> bool:
        """Tell whether the page does not listen."""
        return self.refused >= PATIENCE
