"""An event loop whose clock jumps to the next timer instead of sleeping: a day of retries in a second of test."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _JumpingSelector(selectors.SelectSelector):
    def __init__(self) -> None:
        super().__init__()
        self.now_s = 1_000.0

    def select(self, timeout=None):
        ready = super().select(0)
        if ready:
            return ready
        if timeout is None:
            raise RuntimeError("everything waits for ever")
        self.now_s += max(timeout, 0)
        return []


class SimulatedLoop(asyncio.SelectorEventLoop):
    """Never sleeps; `time` is simulated. It is also a `media.base.clock.Clock`."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)
        self._clock_resolution = 1e-6

    def time(self) -> float:
        return self._jumping.now_s

    def mono_ns(self) -> int:
        return round(self.time() * 1e9)

    def wall_us(self) -> int:
        return 1_700_000_000_000_000 + round(self.time() * 1e6)


def run_simulated(work: Coroutine[Any, Any, T]) -> T:
    """Run `work` to its end in simulated time."""
    loop = SimulatedLoop()
    try:
        return loop.run_until_complete(work)
    finally:
        loop.close()


def loop_clock() -> SimulatedLoop:
    """Return the running simulated loop, as the clock of what is tested."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, SimulatedLoop)
    return loop
