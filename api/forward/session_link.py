"""The way of one session to its worker: a WebSocket over the worker's unix socket, JSON objects both ways.

One per open page; made by the gate (`control.gate`), on the api's loop. Bounded by the library: what the worker sends
waits in its socket until the page has taken what came before. Says `worker_unavailable` when there is nobody, and ends
with `LinkEndedError` when the worker goes.
"""

import asyncio
import json
from types import TracebackType
from typing import Any, Self

from websockets.asyncio.client import ClientConnection, unix_connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from media.base.errors import ErrorKind, HubError

OPEN_TIMEOUT_S = 3.0
ANSWER_TIMEOUT_S = 8.0
"""For the first answer: a seat in a room whose home is another worker takes two more steps."""
MAX_FRAME_BYTES = 4 << 20
"""A welcome into a room of a thousand participants."""
CLOSE_TIMEOUT_S = 1.0


class LinkEndedError(HubError):
    """The worker has closed the socket, or is gone."""

    def __init__(self, cause: str) -> None:
        """Say why."""
        super().__init__(ErrorKind.UNAVAILABLE, "the worker is gone", code="worker_unavailable", cause=cause)


class SessionLink:
    """An open link; use it as a context manager."""

    def __init__(self, connection: ClientConnection) -> None:
        """Speak over `connection`."""
        self._connection = connection

    @classmethod
    async def open(cls, socket: str) -> Self:
        """Connect to the worker at the unix socket; HubError UNAVAILABLE `worker_unavailable`."""
        try:
            connection = await unix_connect(
                socket, "ws://worker/session", max_size=MAX_FRAME_BYTES, max_queue=16, compression=None,
                ping_interval=None, open_timeout=OPEN_TIMEOUT_S, close_timeout=CLOSE_TIMEOUT_S,
            )  # fmt: skip
        except (OSError, TimeoutError, WebSocketException) as error:
            raise LinkEndedError(type(error).__name__) from error
        return cls(connection)

    async def __aenter__(self) -> Self:
        """Return the link."""
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Close it."""
        await self.close()

    async def send(self, frame: dict[str, Any]) -> None:
        """Send one object."""
        try:
            await self._connection.send(json.dumps(frame, ensure_ascii=False, separators=(",", ":")))
        except ConnectionClosed as error:
            raise LinkEndedError(str(error)) from error

    async def receive(self) -> dict[str, Any]:
        """Return the next object; what is none is passed over."""
        while True:
            try:
                text = await self._connection.recv()
            except ConnectionClosed as error:
                raise LinkEndedError(str(error)) from error
            try:
                found = json.loads(text)
            except ValueError:
                continue
            if isinstance(found, dict):
                return found

    async def ask(self, frame: dict[str, Any]) -> dict[str, Any]:
        """Send the first frame and return its answer; HubError UNAVAILABLE when none comes in time."""
        await self.send(frame)
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                return await self.receive()
        except TimeoutError:
            raise LinkEndedError("no answer in time") from None

    async def close(self) -> None:
        """Close the socket; the worker keeps the session for a while."""
        await self._connection.close()
