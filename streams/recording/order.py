"""Packets of one layer back in their order, after waiting a bounded while for those that are missing.

Pure; used by `lane` on the event loop. A hole is given up when the first packet behind it has waited half a second,
time enough for a repair to come, or when the window is full. A number far ahead is another sequence: nothing before
it is waited for.
"""

from typing import NamedTuple

from streams.fanout import NACK_HISTORY_PACKETS, Packet

WAIT_NS = 500_000_000
"""Repairs are asked for until then, and 99.9 % of them come earlier (five round trips of a poor link)."""

WINDOW_PACKETS = 1024
RESTART_STEP = NACK_HISTORY_PACKETS


class Arrived(NamedTuple):
    """A packet, its extended number, and when it came."""

    seq: int
    packet: Packet
    arrived_ns: int


class Order:
    """The packets that wait for one before them."""

    def __init__(self, wait_ns: int = WAIT_NS, window: int = WINDOW_PACKETS) -> None:
        """Begin with whatever comes first."""
        self._wait_ns = wait_ns
        self._window = window
        self._next = -1
        self._waiting: dict[int, Arrived] = {}
        self.too_late = 0
        """Packets that came after they were given up."""
        self.lost = 0

    def push(self, seq: int, packet: Packet, now_ns: int) -> list[Arrived]:
        """Take one packet; return those whose turn it is."""
        arrived = Arrived(seq, packet, now_ns)
        if seq == self._next and not self._waiting:
            self._next = seq + 1
            return [arrived]
        if self._next < 0 or seq >= self._next + RESTART_STEP:
            released = self.flush()
            self._next = seq + 1
            return [*released, arrived]
        if seq < self._next:
            self.too_late += 1
            return []
        self._waiting[seq] = arrived
        return self.expire(now_ns)

    def expire(self, now_ns: int) -> list[Arrived]:
        """Return what need wait no more; also called from time to time, for a stream may end behind a hole."""
        released: list[Arrived] = []
        self._release(released)
        while self._waiting and self._is_overdue(now_ns):
            self._skip()
            self._release(released)
        return released

    def flush(self) -> list[Arrived]:
        """Return everything, and wait for nothing any more."""
        released: list[Arrived] = []
        while self._waiting:
            self._skip()
            self._release(released)
        return released

    def _release(self, released: list[Arrived]) -> None:
        while (found := self._waiting.pop(self._next, None)) is not None:
            released.append(found)
            self._next += 1

    def _skip(self) -> None:
        first = min(self._waiting)
        self.lost += first - self._next
        self._next = first

    def _is_overdue(self, now_ns: int) -> bool:
        if len(self._waiting) >= self._window:
            return True
        return now_ns - min(each.arrived_ns for each in self._waiting.values()) >= self._wait_ns
