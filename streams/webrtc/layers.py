"""Which layer of a video a viewer gets: by the size it is shown at, and by what the viewer itself reports lost.

Pure: values and `now` in, a layer out; used by `slots`, one selector per slot. Sound has one layer and is not judged.
Two heavy reports in a row take a layer away, ten clean seconds give it back, longer after each time it did not last;
the lowest layer is never taken. A proper estimate of the path will stand beside the reports one day.
"""

from collections.abc import Sequence
from dataclasses import dataclass

HEAVY_LOSS = 0.08
"""More than this in two reports in a row: the path cannot carry what it gets (repairs cope with less)."""

CLEAN_LOSS = 0.02
CLEAN_NS = 10_000_000_000
CLEAN_MAX_NS = 80_000_000_000
"""A path that broke down again right after a step up is tried less and less often."""

ENLARGE = 1.25
"""A picture is shown up to so much larger than it is before the next layer is worth its bytes."""

GUESS_PX = (1280, 720)
"""The best of layers whose size is not known yet; each one below is taken for half as large."""

QUALITY_STEPS = ((0.01, 150.0), (0.03, 300.0), (0.08, 500.0), (0.20, 1000.0))
"""Loss and round trip (ms) up to which a path has quality 4, 3, 2, 1."""


@dataclass(frozen=True, slots=True)
class Wish:
    """How large a slot is shown, in device pixels; 0 means as large as it comes. `rid` pins one layer."""

    width_px: int = 0
    height_px: int = 0
    is_paused: bool = False
    rid: str | None = None


@dataclass(frozen=True, slots=True)
class LayerOption:
    """One layer as the selector sees it; sizes are 0 while unknown."""

    rid: str
    width_px: int = 0
    height_px: int = 0


class LayerSelector:
    """The choice for one slot."""

    def __init__(self) -> None:
        """Begin without a limit."""
        self._limit: int | None = None
        """Index of the best layer the path may have; None while it may have all."""
        self._heavy_reports = 0
        self._clean_since_ns: int | None = None
        self._clean_needed_ns = CLEAN_NS
        self._raised_ns: int | None = None
        self._chosen: int | None = None

    def reset(self) -> None:
        """Forget what was chosen, not what the path could carry: another track has come into the slot."""
        self._chosen = None

    def report(self, loss: float, now_ns: int) -> None:
        """Take the share lost (0..1) of one of the viewer's reports on this slot."""
        self._heavy_reports = self._heavy_reports + 1 if loss > HEAVY_LOSS else 0
        if loss > CLEAN_LOSS:
            self._clean_since_ns = None
        elif self._clean_since_ns is None:
            self._clean_since_ns = now_ns
        if self._heavy_reports >= 2:
            self._heavy_reports = 0
            self._step_down(now_ns)
        elif self._is_clean(now_ns, CLEAN_MAX_NS):
            self._clean_needed_ns = CLEAN_NS
        if self._limit is not None and self._is_clean(now_ns, self._clean_needed_ns):
            self._limit += 1
            self._raised_ns = self._clean_since_ns = now_ns

    def _is_clean(self, now_ns: int, for_ns: int) -> bool:
        return self._clean_since_ns is not None and now_ns - self._clean_since_ns >= for_ns

    def _step_down(self, now_ns: int) -> None:
        if self._chosen is None:
            return
        if self._raised_ns is not None and now_ns - self._raised_ns < CLEAN_NS:
            self._clean_needed_ns = min(self._clean_needed_ns * 2, CLEAN_MAX_NS)
        self._raised_ns = None
        self._limit = max(self._chosen - 1, 0)

    def choose(self, options: Sequence[LayerOption], wish: Wish) -> str | None:
        """Return the layer to show, of `options` from the lowest to the highest; None to show nothing."""
        if wish.is_paused or not options:
            return None
        if wish.rid is not None:
            return next((option.rid for option in options if option.rid == wish.rid), None)
        index = self._fitting(options, wish)
        if self._limit is not None:
            if self._limit >= len(options) - 1:
                self._limit = None
            else:
                index = min(index, self._limit)
        self._chosen = index
        return options[index].rid

    def _fitting(self, options: Sequence[LayerOption], wish: Wish) -> int:
        """Return the lowest layer that is large enough, with room between going up and coming down."""
        if not wish.width_px and not wish.height_px:
            return len(options) - 1
        for index, option in enumerate(options):
            is_lower = self._chosen is not None and index < self._chosen
            if not option.width_px or not option.height_px:
                above = len(options) - 1 - index
                option = LayerOption(option.rid, GUESS_PX[0] >> above, GUESS_PX[1] >> above)  # noqa: PLW2901  # a guess
            if _is_enough(option, wish, 1.0 if is_lower else ENLARGE):
                return index
        return len(options) - 1


def _is_enough(option: LayerOption, wish: Wish, enlarge: float) -> bool:
    """Tell whether a picture fills its place in one direction; in the other it has bars."""
    fills_width = wish.width_px > 0 and option.width_px * enlarge >= wish.width_px
    fills_height = wish.height_px > 0 and option.height_px * enlarge >= wish.height_px
    return fills_width or fills_height


def quality(loss: float, rtt_ms: float | None) -> int:
    """Return 4 (very good) to 0 (hardly usable) for a path; without a round trip only the loss counts."""
    for level, (most_loss, most_rtt_ms) in zip((4, 3, 2, 1), QUALITY_STEPS, strict=True):
        if loss <= most_loss and (rtt_ms is None or rtt_ms <= most_rtt_ms):
            return level
    return 0
