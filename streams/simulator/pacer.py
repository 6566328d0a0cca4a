"""Send packets later, a few thousand a second, with one timer.

Owned by a `Simulator`, used by its connections when cameras are paced; lives on its loop. Work is kept in slots of
2 ms, which is finer than a camera's own jitter; a timer per packet would cost more than the packet. Unbounded, but
every entry is due within one picture's duration.
"""

import asyncio
from collections.abc import Callable

_SLOTS_PER_S = 500


class Pacer:
    """A queue of calls by time."""

    def __init__(self) -> None:
        """Start empty, on the running loop."""
        self._loop = asyncio.get_running_loop()
        self._slots: dict[int, list[tuple[Callable[[bytes], None], bytes]]] = {}
        self._next = 0
        self._timer: asyncio.TimerHandle | None = None

    def now_s(self) -> float:
        """Return the loop's time, in which `at_s` counts."""
        return self._loop.time()

    def add(self, at_s: float, send: Callable[[bytes], None], data: bytes) -> None:
        """Call `send(data)` at about `at_s`; calls keep their order when their times do not fall."""
        slot = int(at_s * _SLOTS_PER_S)
        if self._timer is None:
            self._next = int(self._loop.time() * _SLOTS_PER_S)
            self._timer = self._loop.call_later(1 / _SLOTS_PER_S, self._run)
        self._slots.setdefault(max(slot, self._next), []).append((send, data))

    def _run(self) -> None:
        last = int(self._loop.time() * _SLOTS_PER_S)
        while self._next <= last:
            for send, data in self._slots.pop(self._next, ()):
                send(data)
            self._next += 1
        self._timer = self._loop.call_later(1 / _SLOTS_PER_S, self._run) if self._slots else None

    def close(self) -> None:
        """Forget everything."""
        if self._timer is not None:
            self._timer.cancel()
        self._slots.clear()
