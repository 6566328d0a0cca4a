"""What waits to be sent over one socket: frames for the page and for the api, bounded, in order, newest state only.

Pure but for the wake-up event; filled by a session, emptied by the writer of its socket, both on the worker's loop.
A message about the state of one thing takes the place of an older one about the same thing that still waits, at its
end of the queue. When a page does not read and the bound is reached, the queue is `is_full` and the socket is closed.
Between two sockets only chat is kept, and of that the oldest goes.
"""

import asyncio
import json
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from streams.rooms.shapes import Said

MAX_MESSAGES = 256
MAX_BYTES = 1 << 20
MAX_STATES = 4096
"""State-like messages are bounded by the things there are: two for each of 2000 seats, and the slots."""

_LATEST: Mapping[str, tuple[str, ...]] = {
    "room": (),
    "speakers": (),
    "quality": ("connection",),
    "source": ("source",),
    "slot": ("mid",),
    "layer": ("mid",),
    "layers_wanted": ("track",),
    "muted": ("track",),
    "unmute_asked": (),
    "participant": ("participant", "id"),
}
"""Types of which only the latest counts, and the field that says about what."""

_KEPT = "chat"
"""What a page that comes back is still told; the rest stands in `welcome`, or answers who is gone."""

_API_BEGINNING = '{"api":'
_KEPT_BEGINNING = '{"page":{"type":"chat",'


def _frame(receiver: str, message: Mapping[str, Any]) -> str:
    text = message.text if isinstance(message, Said) else json.dumps(message, separators=(",", ":"), ensure_ascii=True)
    return f'{{"{receiver}":{text}}}'


def _about(message: Mapping[str, Any]) -> tuple[object, ...] | None:
    """Return what a state-like message is about, None for one that is never left out."""
    path = _LATEST.get(message["type"])
    if path is None:
        return None
    value: Any = message
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return (message["type"], value) if path else (message["type"],)


class Outgoing:
    """The queue of one socket, or of the time between two."""

    def __init__(self, *, is_attached: bool = False) -> None:
        """Begin empty."""
        self._waiting: OrderedDict[object, str] = OrderedDict()
        self._number = 0
        self._once = 0
        self._once_bytes = 0
        self._wake = asyncio.Event()
        self.is_attached = is_attached
        """Whether a socket reads, or will."""
        self.is_full = False
        self.left_out = 0
        """State-like messages that a newer one overtook."""
        self.dropped = 0
        """Lines of chat lost because nobody was there to read."""
        self.close_number: int | None = None
        """The close code of the WebSocket, once the last frame is in the queue."""
        self.finished = asyncio.Event()
        """Set with the last frame."""

    def __len__(self) -> int:
        """Return how many frames wait."""
        return len(self._waiting)

    def put(self, message: Mapping[str, Any]) -> None:
        """Add a message for the page; sets `is_full` when there is no room for it any more."""
        if not self._takes() or (not self.is_attached and message["type"] != _KEPT):
            return
        about = _about(message)
        if about is None:
            self._add_once(_frame("page", message))
        else:
            self.left_out += self._waiting.pop(about, None) is not None
            self._waiting[about] = _frame("page", message)
        if self._is_over():
            self._make_room()
        self._wake.set()

    def put_api(self, message: Mapping[str, Any]) -> bool:
        """Add a frame for the api; False when nobody reads, and it must be told another way."""
        if not self.is_attached or not self._takes():
            return False
        self._add_once(_frame("api", message))
        self._wake.set()
        return True

    def finish(self, message: Mapping[str, Any], close_number: int) -> None:
        """Add the last message; nothing is taken after it, and nothing added."""
        if self.close_number is None:
            self._add_once(_frame("page", message))
            self.close_number = close_number
            self._wake.set()
            self.finished.set()

    def _takes(self) -> bool:
        return not self.is_full and self.close_number is None

    def _add_once(self, text: str) -> None:
        self._number += 1
        self._waiting[self._number] = text
        self._once += 1
        self._once_bytes += len(text)

    def _is_over(self) -> bool:
        share = 1 if self.is_attached else 2  # who comes back finds room for more
        is_over_once = self._once > MAX_MESSAGES // share or self._once_bytes > MAX_BYTES // share
        return (is_over_once and self._once > 1) or len(self._waiting) - self._once > MAX_STATES

    def _make_room(self) -> None:
        if self.is_attached:
            self.is_full = True
            self.dropped += sum(text.startswith(_KEPT_BEGINNING) for text in self._waiting.values())
            kept = [text for text in self._waiting.values() if text.startswith(_API_BEGINNING)]
            self._waiting.clear()
            self._once = self._once_bytes = 0
            for text in kept:
                self._add_once(text)
            return
        while self._is_over():
            self._pop_first()
            self.dropped += 1

    def _pop_first(self) -> str:
        key, text = self._waiting.popitem(last=False)
        if isinstance(key, int):
            self._once -= 1
            self._once_bytes -= len(text)
        return text

    def heir(self) -> "Outgoing":
        """Return the queue of the time without a socket: chat that was not sent yet goes over to it."""
        heir = Outgoing()
        for text in self._waiting.values():
            if text.startswith(_KEPT_BEGINNING):
                heir._add_once(text)  # of its own kind
        heir.dropped = self.dropped
        return heir

    def unsent_api(self) -> list[dict[str, Any]]:
        """Return the messages for the api that wait."""
        return [json.loads(text)["api"] for text in self._waiting.values() if text.startswith(_API_BEGINNING)]

    def attach(self) -> None:
        """Somebody reads from now on."""
        self.is_attached = True
        self._wake.set()

    async def take(self) -> str | None:
        """Return the next frame, as JSON, when there is one; None after the last."""
        while not self._waiting:
            if self.close_number is not None:
                return None
            self._wake.clear()
            await self._wake.wait()
        return self._pop_first()
