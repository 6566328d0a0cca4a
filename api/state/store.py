"""`State`: all stores over one connection, as api and workers hold it.

One per process, on its event loop; open it with `State.open`, close it with `aclose`. Cheap to make: it connects at
the first call and again after an outage.
"""

import asyncio

from api.state.buckets import BucketStore
from api.state.cameras import CameraStore
from api.state.door import connect, translated
from api.state.events import EventStore
from api.state.messages import MessageStore
from api.state.rooms import RoomStore
from api.state.slots import SlotStore
from media.base.errors import ErrorKind, HubError


class State(CameraStore, SlotStore, EventStore, BucketStore, MessageStore, RoomStore):
    """The state shared by the processes of the hub."""

    @classmethod
    def open(cls, url: str) -> "State":
        """Return the state behind `url` (`redis://`, `rediss://`, `unix://`), not yet connected."""
        return cls(connect(url))

    async def ping(self) -> None:
        """Return when the state answers; HubError UNAVAILABLE when it does not."""
        with translated():
            await self._redis.ping()

    async def wait_until_up(self, timeout_s: float) -> None:
        """Return as soon as the state answers (a loading server does not yet); HubError TIMEOUT after `timeout_s`."""
        deadline_s = asyncio.get_running_loop().time() + timeout_s
        while True:
            try:
                await self.ping()
            except HubError:
                if asyncio.get_running_loop().time() > deadline_s:
                    raise HubError(ErrorKind.TIMEOUT, "the shared state did not come up", code="state_down") from None
                await asyncio.sleep(0.02)
            else:
                return

    async def server_version(self) -> str:
        """Return the server's name and version, for `doctor`."""
        with translated():
            info = await self._redis.info("server")
        return f"{info.get('server_name', 'redis')} {info.get('valkey_version') or info.get('redis_version', '')}"

    async def aclose(self) -> None:
        """Close the connections; errors do not matter any more."""
        await self._redis.aclose()
