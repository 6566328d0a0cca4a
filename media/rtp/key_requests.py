"""When a sender is asked for a key frame (PLI, RFC 4585 §6.3.1): once a second at most, again until one comes.

Called by the WebRTC side, one per layer a browser publishes, on its event loop. Pure. A wish that comes too early is
not lost but waits for its turn; a key frame that comes meanwhile fulfils it.
"""

INTERVAL_NS = 1_000_000_000
"""A key frame costs a sender ten pictures; one a second is what a link that loses everything would still carry."""

MAX_UNANSWERED = 15
"""A sender that ignores so many is asked no more until somebody wishes again."""


class KeyRequests:
    """The wishes for one layer, and what was made of them."""

    __slots__ = ("_asked_ns", "_is_wished", "_unanswered", "asked", "wished")

    def __init__(self) -> None:
        """Begin without a wish."""
        self._is_wished = False
        self._asked_ns: int | None = None
        self._unanswered = 0
        self.asked = 0
        self.wished = 0

    @property
    def is_wished(self) -> bool:
        """Tell whether a wish is waiting for its turn or for its key frame."""
        return self._is_wished

    def wish(self) -> None:
        """Want a key frame."""
        self.wished += 1
        self._is_wished = True
        self._unanswered = 0

    def take(self, now_mono_ns: int) -> bool:
        """Tell whether to ask the sender now, and count it."""
        if not self._is_wished:
            return False
        if self._asked_ns is not None and now_mono_ns - self._asked_ns < INTERVAL_NS:
            return False
        if self._unanswered >= MAX_UNANSWERED:
            self._is_wished = False
            return False
        self._asked_ns = now_mono_ns
        self._unanswered += 1
        self.asked += 1
        return True

    def came(self) -> None:
        """Take notice of a key frame."""
        self._is_wished = False
        self._unanswered = 0
