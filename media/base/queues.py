"""A bounded queue that names its drop policy and counts its drops.

One producer that must never wait (the hub, on the event loop) and one consumer task. Video drops to the next key
unit, everything else drops the oldest. Lives on one event loop; not thread-safe.
"""

import asyncio
from collections import deque
from enum import Enum
from typing import Generic, Protocol, TypeVar


class Droppable(Protocol):
    """What the queue must know of an item: its size, and whether a decoder may start from it."""

    @property
    def size_bytes(self) -> int:
        """Return the payload size counted against the queue's limit."""
        ...

    @property
    def is_key(self) -> bool:
        """Tell whether a decoder may start here."""
        ...


T = TypeVar("T", bound=Droppable)


class DropPolicy(Enum):
    """What to do when the queue is full."""

    TO_NEXT_KEY = "to_next_key"
    OLDEST = "oldest"


class DropQueue(Generic[T]):
    """Bounded by items and bytes. `put` never waits; `get` does."""

    def __init__(self, *, max_items: int, max_bytes: int, policy: DropPolicy) -> None:
        """Refuse more than `max_items` items or `max_bytes` bytes, by `policy`."""
        self._items: deque[T] = deque()
        self._size_bytes = 0
        self._max_items = max_items
        self._max_bytes = max_bytes
        self._policy = policy
        self._waiting_for_key = False
        self._wake = asyncio.Event()
        self._is_closed = False
        self.dropped = 0

    def __len__(self) -> int:
        """Return the number of items waiting."""
        return len(self._items)

    def put(self, item: T) -> bool:
        """Append `item`, dropping by policy when full. Return False when this very item was dropped."""
        if self._is_closed:
            return False
        if self._waiting_for_key:
            if not item.is_key:
                self.dropped += 1
                return False
            self._waiting_for_key = False
        if self._is_full(item) and not self._make_room(item):
            return False
        self._items.append(item)
        self._size_bytes += item.size_bytes
        self._wake.set()
        return True

    def _is_full(self, item: T) -> bool:
        return len(self._items) >= self._max_items or self._size_bytes + item.size_bytes > self._max_bytes

    def _make_room(self, item: T) -> bool:
        if self._policy is DropPolicy.OLDEST:
            while self._items and self._is_full(item):
                self._size_bytes -= self._items.popleft().size_bytes
                self.dropped += 1
            return True
        self.dropped += len(self._items)
        self._items.clear()
        self._size_bytes = 0
        if item.is_key:
            return True
        self._waiting_for_key = True
        self.dropped += 1
        return False

    async def get(self) -> T | None:
        """Return the next item, waiting for one; None once closed and drained."""
        while not self._items:
            if self._is_closed:
                return None
            self._wake.clear()
            await self._wake.wait()
        item = self._items.popleft()
        self._size_bytes -= item.size_bytes
        return item

    def close(self) -> None:
        """Accept nothing more; `get` drains what is left and then returns None."""
        self._is_closed = True
        self._wake.set()
