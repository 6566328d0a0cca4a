"""A worker for tests of the gate: speaks the envelope of sessions on a unix socket, keeps what it was told."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from websockets.asyncio.server import Server, ServerConnection, unix_serve
from websockets.exceptions import ConnectionClosed


@dataclass
class StandIn:
    """Knows sessions by id; answers every request of a page with `ok` unless told otherwise."""

    path: Path
    opened: list[dict[str, Any]] = field(default_factory=list)
    frames: list[dict[str, Any]] = field(default_factory=list)
    known: set[str] = field(default_factory=set)
    refuse: dict[str, Any] | None = None
    answers: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Type of a page's message → its answer instead of `ok`."""
    links: list[ServerConnection] = field(default_factory=list)
    is_mute: bool = False
    server: Server | None = None

    async def serve(self, link: ServerConnection) -> None:
        """Serve one session."""
        try:
            first = json.loads(await link.recv())["open"]
            self.opened.append(first)
            if self.refuse is not None:
                await link.send(json.dumps({"refused": self.refuse}))
                return
            if first["is_resume"] and first["session_id"] not in self.known:
                await link.send(json.dumps({"refused": {"code": "resume_unknown", "message": "unknown"}}))
                return
            self.known.add(first["session_id"])
            self.links.append(link)
            await link.send(json.dumps({"opened": {"resumed": first["is_resume"], "sources": [], "slots": []}}))
            async for text in link:
                await self._hear(link, json.loads(text))
        except ConnectionClosed:
            pass

    async def _hear(self, link: ServerConnection, frame: dict[str, Any]) -> None:
        self.frames.append(frame)
        page = frame.get("page", {})
        if self.is_mute or "id" not in page:
            return
        answer = self.answers.get(page["type"], {"type": "ok"})
        await link.send(json.dumps({"page": {**answer, "id": page["id"]}}))
        if page["type"] == "leave":
            await link.send(json.dumps({"api": {"type": "ended", "reason": "left"}}))
            await link.close()

    def listed(self) -> list[dict[str, str]]:
        """Return what a worker says of its sessions."""
        return [{"session_id": session_id} for session_id in sorted(self.known)]

    async def tell(self, frame: dict[str, Any]) -> None:
        """Send a frame over the newest link."""
        await self.links[-1].send(json.dumps(frame))

    async def start(self) -> None:
        """Listen."""
        self.server = await unix_serve(self.serve, str(self.path))

    async def die(self) -> None:
        """Go as a killed worker does: sockets break, memory is gone."""
        assert self.server is not None
        self.server.close()
        for link in self.links:
            link.transport.abort()
        await self.server.wait_closed()
        self.path.unlink(missing_ok=True)
        self.known.clear()
        self.links.clear()
        self.server = None


@asynccontextmanager
async def stand_in(path: Path) -> AsyncIterator[StandIn]:
    """Run one at `path`."""
    worker = StandIn(path)
    await worker.start()
    try:
        yield worker
    finally:
        if worker.server is not None:
            worker.server.close()
            async with asyncio.timeout(5):
                await worker.server.wait_closed()
