"""Events on their way to api: kept in memory while Redis is away, sent in order when it is back.

One per worker, on its event loop. Bounded: of more than `LIMIT` the oldest is dropped and counted. What must survive a
crash of the worker (recordings, gaps) is not an event but in the index.
"""

import asyncio
from collections import deque
from typing import Any

import structlog

from api.state import State
from media.base.errors import HubError

log = structlog.get_logger(__name__)

LIMIT = 5000
RETRY_S = 1.0


class Outbox:
    """`post` from anywhere on the loop; `run` is its task."""

    def __init__(self, state: State) -> None:
        """Send through `state`."""
        self._state = state
        self._waiting: deque[tuple[str, dict[str, Any]]] = deque(maxlen=LIMIT)
        self._wake = asyncio.Event()
        self.dropped = 0

    def __len__(self) -> int:
        """Return the number of events not sent yet."""
        return len(self._waiting)

    def post(self, kind: str, data: dict[str, Any]) -> None:
        """Queue one event; never waits."""
        if len(self._waiting) == LIMIT:
            self.dropped += 1
        self._waiting.append((kind, data))
        self._wake.set()

    async def run(self) -> None:
        """Send for ever."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                if not await self._send_first():
                    await asyncio.sleep(RETRY_S)

    async def _send_first(self) -> bool:
        event = self._waiting[0]
        try:
            await self._state.add_event(*event)
        except HubError:
            return False
        if self._waiting and self._waiting[0] is event:
            self._waiting.popleft()
        return True

    async def flush(self, timeout_s: float) -> None:
        """Send what is left, for at most `timeout_s`; call it when `run` has been cancelled."""
        try:
            async with asyncio.timeout(timeout_s):
                while self._waiting and await self._send_first():
                    pass
        except TimeoutError:
            pass
        if self._waiting:
            log.warning("events could not be delivered before the end", events=len(self._waiting))
