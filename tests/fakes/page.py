"""A browser's end of the session gate, over ASGI: says hello, asks, and keeps what it is told."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI

WAIT_S = 30.0


class Page:
    """One WebSocket."""

    def __init__(self, app: FastAPI, query: str = "", headers: dict[str, str] | None = None) -> None:
        """Prepare; `open` connects."""
        self.app = app
        self.told: list[dict[str, Any]] = []
        self.closed: int | None = None
        self.denied: int | None = None
        self.is_stuck = False
        self._in: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._out: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._ids = 100
        self._in.put_nowait({"type": "websocket.connect"})
        pairs = {"host": "hub", **(headers or {})}
        self._scope = {
            "type": "websocket", "asgi": {"version": "3.0"}, "http_version": "1.1", "scheme": "ws",
            "path": "/api/v1/session", "raw_path": b"/api/v1/session", "query_string": query.encode(), "root_path": "",
            "headers": [(name.encode(), value.encode()) for name, value in pairs.items()], "subprotocols": [],
            "client": ("10.9.9.9", 1), "server": ("hub", 80), "extensions": {"websocket.http.response": {}}, "state": {},
        }  # fmt: skip

    async def _send(self, message: dict[str, Any]) -> None:
        if self.is_stuck:
            await asyncio.Event().wait()
        await self._out.put(message)

    async def serve(self) -> None:
        """Run the app on this connection."""
        await self.app(self._scope, self._in.get, self._send)
        await self._out.put({"type": "end"})

    async def next(self) -> dict[str, Any]:
        """Return the next message of the server; `{}` at the end."""
        async with asyncio.timeout(WAIT_S):
            while True:
                raw = await self._out.get()
                if raw["type"] == "websocket.send":
                    message: dict[str, Any] = json.loads(raw["text"])
                    self.told.append(message)
                    return message
                if raw["type"] == "websocket.close":
                    self.closed = raw["code"]
                if raw["type"] == "websocket.http.response.start":
                    self.denied = raw["status"]
                if raw["type"] in {"websocket.close", "end"}:
                    return {}

    async def until(self, kind: str) -> dict[str, Any]:
        """Return the next message of a kind, passing over others."""
        while True:
            message = await self.next()
            if not message or message["type"] == kind:
                return message

    async def text(self, text: str) -> None:
        """Send anything."""
        await self._in.put({"type": "websocket.receive", "text": text})

    async def say(self, kind: str, **more: Any) -> int:
        """Send a request and return its id."""
        self._ids += 1
        await self.text(json.dumps({"type": kind, "id": self._ids, **more}))
        return self._ids

    async def ask(self, kind: str, **more: Any) -> dict[str, Any]:
        """Send a request and return its answer."""
        number = await self.say(kind, **more)
        while True:
            message = await self.next()
            if not message or message.get("id") == number:
                return message

    async def hello(self, **more: Any) -> dict[str, Any]:
        """Say hello and return the answer."""
        return await self.ask("hello", protocol=1, **more)

    async def hang_up(self) -> None:
        """Go without a word."""
        await self._in.put({"type": "websocket.disconnect", "code": 1006})


@asynccontextmanager
async def opened(app: FastAPI, query: str = "", headers: dict[str, str] | None = None) -> AsyncIterator[Page]:
    """Open a page's WebSocket; it is gone at the end."""
    page = Page(app, query, headers)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(page.serve())
        try:
            yield page
        finally:
            await page.hang_up()
            page.is_stuck = False
            async with asyncio.timeout(WAIT_S):
                await task
