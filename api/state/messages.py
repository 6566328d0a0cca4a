"""Fire-and-forget messages between processes: Redis pub/sub that comes back by itself.

A subscriber is told of every (re)connection by a message on the channel `CONNECTED`, because whatever was said while
it was away is lost: the receiver then reads the full state again. Never carries anything that must not be missed.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import structlog
from redis.exceptions import RedisError

from api.state.door import Door, dump, load, translated
from media.base.errors import HubError

log = structlog.get_logger(__name__)

CONNECTED = "connected"
RECONNECT_S = 0.5
POLL_S = 1.0


@dataclass(frozen=True, slots=True)
class Message:
    """A JSON object that came on `channel`; on `CONNECTED` the object is empty."""

    channel: str
    data: dict[str, Any]


class MessageStore(Door):
    """Publish and subscribe."""

    async def publish(self, channel: str, data: dict[str, Any]) -> None:
        """Send `data` to whoever listens on `channel` now."""
        with translated():
            await self._redis.publish(channel, dump(data))

    async def listen(self, *channels: str) -> AsyncIterator[Message]:
        """Yield messages for ever, reconnecting as long as it takes; begins with a `CONNECTED` message.

        Close the iterator (`aclosing`) to unsubscribe.
        """
        is_reported = False
        while True:
            try:
                async with self._redis.pubsub(ignore_subscribe_messages=True) as pubsub:
                    with translated():
                        await pubsub.subscribe(*channels)
                    is_reported = False
                    yield Message(CONNECTED, {})
                    while True:
                        with translated():
                            raw = await pubsub.get_message(timeout=POLL_S)
                        if raw is not None:
                            yield Message(raw["channel"], load(raw["data"]) or {})
            except (HubError, RedisError, OSError) as error:
                if not is_reported:
                    log.warning("lost the shared state, messages may be missed", cause=str(error))
                    is_reported = True
                await asyncio.sleep(RECONNECT_S)
