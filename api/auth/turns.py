"""One attempt at a time: locks by key that vanish when nobody holds or awaits them.

Used by `services.login`, so that guesses made at once at one account from one network are judged one after another,
each knowing of the failures before it. Lives on the api process's loop; the number of waiting attempts is bounded by
the rate limits in front of it.
"""

import asyncio
from weakref import WeakValueDictionary


class Turns:
    """Locks by key."""

    def __init__(self) -> None:
        """Start without any."""
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def __len__(self) -> int:
        """Return the number of keys somebody holds or awaits."""
        return len(self._locks)

    def of(self, key: str) -> asyncio.Lock:
        """Return the lock of `key`, first come first served."""
        lock = self._locks.get(key)
        if lock is None:
            lock = self._locks[key] = asyncio.Lock()
        return lock
