"""A two-way stream of small messages to another worker, over a link; it ends with the link.

Used by rooms that span workers. One consumer iterates over what comes; an inbox that is not read ends the channel
rather than losing a message, because whoever resumes gets the whole state anew.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from streams.relay.frames import FrameType
from streams.relay.link import Link

INBOX_MESSAGES = 2048
"""Two hundred joins announced at once, ten times over."""


class Channel:
    """One end of a channel."""

    def __init__(self, link: Link, number: int, on_closed: Callable[["Channel"], None]) -> None:
        """Use `link`; `on_closed` is called once, whoever closes."""
        self.number = number
        self.is_closed = False
        self._link = link
        self._on_closed = on_closed
        self._inbox: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()

    def send(self, message: dict[str, Any]) -> None:
        """Send a message; silently nothing once closed."""
        if not self.is_closed:
            self._link.send_json(FrameType.CHANNEL_MESSAGE, {"channel": self.number, "message": message})

    def close(self) -> None:
        """Close both ends. Idempotent."""
        if not self.is_closed:
            self._link.send_json(FrameType.CHANNEL_CLOSE, {"channel": self.number})
            self.ended()

    def take(self, message: dict[str, Any]) -> None:
        """Take a message from the other end; called by the node."""
        if self._inbox.qsize() >= INBOX_MESSAGES:
            self.close()
        else:
            self._inbox.put_nowait(message)

    def ended(self) -> None:
        """End this end: the other one closed, or the link is gone. Idempotent."""
        if not self.is_closed:
            self.is_closed = True
            self._inbox.put_nowait(None)
            self._on_closed(self)

    def __aiter__(self) -> "Channel":
        """Iterate over what comes, until the channel ends."""
        return self

    async def __anext__(self) -> dict[str, Any]:
        """Return the next message."""
        message = await self._inbox.get()
        if message is None:
            self._inbox.put_nowait(None)
            raise StopAsyncIteration
        return message
