"""The browser's side of a session: text frames of a WebSocket, with an end to every waiting.

Wraps the server's WebSocket for the gate. A page that does not read is given up after `SEND_TIMEOUT_S`: it must not
hold frames of everybody else in memory.
"""

import asyncio
import json
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from media.base.errors import ErrorKind, HubError

SEND_TIMEOUT_S = 5.0


class PageGoneError(HubError):
    """The browser has closed the socket, or its network has gone."""

    def __init__(self) -> None:
        """Nobody is there to be told."""
        super().__init__(ErrorKind.UNAVAILABLE, "the page is gone", code="unavailable")


class PageSlowError(HubError):
    """The browser does not read what it is sent."""

    def __init__(self) -> None:
        """It is closed with `too_slow`."""
        super().__init__(ErrorKind.EXHAUSTED, "the page does not read", code="too_slow")


class PageSocket:
    """One accepted WebSocket."""

    def __init__(self, socket: WebSocket, send_timeout_s: float = SEND_TIMEOUT_S) -> None:
        """Speak over `socket`."""
        self._socket = socket
        self._send_timeout_s = send_timeout_s

    async def receive(self) -> str:
        """Return the next text frame, an empty one for bytes; PageGoneError at the end."""
        message = await self._socket.receive()
        if message["type"] != "websocket.receive":
            raise PageGoneError
        return message.get("text") or ""

    async def send(self, message: dict[str, Any]) -> None:
        """Send one message; PageSlowError, PageGoneError."""
        try:
            async with asyncio.timeout(self._send_timeout_s):
                await self._socket.send_text(json.dumps(message, ensure_ascii=False, separators=(",", ":")))
        except TimeoutError:
            raise PageSlowError from None
        except (WebSocketDisconnect, RuntimeError, OSError):
            raise PageGoneError from None

    async def close(self, number: int, reason: str) -> None:
        """Close with a number of SIGNALING.md; nothing when it is closed already."""
        if self._socket.application_state is not WebSocketState.CONNECTED:
            return
        try:
            async with asyncio.timeout(self._send_timeout_s):
                await self._socket.close(number, reason[:120])
        except (TimeoutError, WebSocketDisconnect, RuntimeError, OSError):
            return
