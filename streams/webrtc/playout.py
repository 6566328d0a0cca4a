"""How far behind a publisher its viewers should play, so that repaired packets come in time.

Pure; one per incoming video layer. A viewer's browser sees only its own, good line to us and plays at once: what was
lost between the publisher and us, asked for and sent again would stand still on every screen. So the layer's packets
carry the `playout-delay` extension with the delay that covers nearly all repairs, raised at once and lowered slowly.
"""

from collections import deque

from streams.webrtc.extensions import CANONICAL, PLAYOUT_DELAY

MAX_DELAY_MS = 300
"""With 100 ms of network this is what people still talk across (ITU-T G.114); rarer and later repairs are seen."""

LEAST_LATE_MS = 30
"""A browser's own smoothing covers what was only overtaken."""

KEPT_NS = 20_000_000_000
LOWER_AFTER_NS = 10_000_000_000
FEWEST = 4
"""So many late packets within `KEPT_NS` are a bad line; fewer are an accident."""

_MOST_KEPT = 128
_SHARE = 0.97
_MARGIN_MS = 20
_LOWER_STEP_MS = 40
_UNIT_MS = 10
_NO_MAXIMUM = 0xFFF
_HEAD = bytes((CANONICAL[PLAYOUT_DELAY] << 4 | 2,))


class PlayoutDelay:
    """Learns from late packets; `element` is what the packets of the layer carry now, b"" where nothing ever was late."""

    def __init__(self) -> None:
        """Begin without delay."""
        self.delay_ms = 0
        self.element = b""
        self._late: deque[tuple[int, float]] = deque(maxlen=_MOST_KEPT)
        self._changed_ns = 0

    def note(self, late_ms: float, now_ns: int) -> None:
        """Take notice of a packet that came so much later than those sent with it."""
        if late_ms >= LEAST_LATE_MS:
            self._late.append((now_ns, late_ms))

    def review(self, now_ns: int) -> None:
        """Choose the delay anew; about once a second."""
        while self._late and now_ns - self._late[0][0] > KEPT_NS:
            self._late.popleft()
        wanted_ms = self._wanted_ms()
        is_lower = wanted_ms <= self.delay_ms - _LOWER_STEP_MS and now_ns - self._changed_ns > LOWER_AFTER_NS
        if wanted_ms > self.delay_ms or is_lower:
            self.delay_ms = wanted_ms
            self._changed_ns = now_ns
            units = wanted_ms // _UNIT_MS
            self.element = _HEAD + (units << 12 | _NO_MAXIMUM).to_bytes(3, "big")

    def _wanted_ms(self) -> int:
        if len(self._late) < FEWEST:
            return 0
        ordered = sorted(late_ms for _, late_ms in self._late)
        covered_ms = ordered[min(int(_SHARE * len(ordered)), len(ordered) - 1)] + _MARGIN_MS
        return min(-int(-covered_ms // _UNIT_MS) * _UNIT_MS, MAX_DELAY_MS)
