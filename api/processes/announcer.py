"""Tells the hub how the cameras of this worker are: everything every 2 s, changes within a tenth of a second.

One per worker, on its event loop; `run` is its task. What counts as a change is what a person would see: state,
reason, picture, sound, recording. While Redis is away nothing is queued: the next round tells the present anyway.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from api.state import State
from media.base.clock import Clock, rfc3339
from media.base.errors import HubError

EVERY_S = 2.0
SETTLE_S = 0.1
"""A camera that comes online changes several times within a moment; 500 of them are one message each, not ten."""

ReadStates = Callable[[], Mapping[str, dict[str, Any]]]
"""Returns the state objects by camera id."""

_SEEN = ("state", "reason", "video", "audio", "recording", "sub")


class Announcer:
    """Publishes camera states of one slot."""

    def __init__(self, state: State, slot: str, clock: Clock) -> None:
        """Publish as the word of `slot`."""
        self._state = state
        self._slot = slot
        self._clock = clock
        self._seen: dict[str, tuple[Any, ...]] = {}
        self._wake = asyncio.Event()

    def changed(self, *_about: object) -> None:
        """Say that something changed; fits as a callback and returns at once."""
        self._wake.set()

    async def run(self, read: ReadStates) -> None:
        """Publish what `read` returns, for ever."""
        while True:
            try:
                async with asyncio.timeout(EVERY_S):
                    await self._wake.wait()
                    await asyncio.sleep(SETTLE_S)
            except TimeoutError:
                pass
            self._wake.clear()
            await self.publish(read())

    async def publish(self, states: Mapping[str, dict[str, Any]]) -> None:
        """Publish the present once; nothing is raised when nobody can be told."""
        at = rfc3339(self._clock.wall_us())
        statuses = {key: {**status, "at": at, "slot": self._slot} for key, status in states.items()}
        seen = {key: _visible(status) for key, status in statuses.items()}
        changed = [key for key, visible in seen.items() if self._seen.get(key) != visible]
        gone = [key for key in self._seen if key not in seen]
        try:
            await self._state.put_statuses(statuses, changed)
            await self._state.drop_statuses(gone, self._slot)
        except HubError:
            return
        self._seen = seen


def _visible(status: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return what a person would notice; bit rates flicker and are left out, so is the frame rate's last digit."""
    video, sub = status.get("video"), status.get("sub")
    shown = dict(status)
    if video:
        shown["video"] = (video.get("codec"), video.get("width"), video.get("height"))
    if sub:
        shown["sub"] = (sub.get("state"), sub.get("reason"))
    return tuple(repr(shown.get(name)) for name in _SEEN)
