"""A running hub with two workers, sessions spread over both, and light pages in its rooms.

What may wait for the hub runs in threads, so that media never waits for a test.
"""

import asyncio
import contextlib
import itertools
import os
import signal
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from api.services.room_homes import least_loaded
from tests.hub_process import HubProcess
from tests.integration.fixtures_faults import ask_socket
from tests.integration.fixtures_light_pages import LightPage, longest_gap_s, pictures_of_people, until
from tests.integration.fixtures_webrtc import opus_frames

NODE = "vm"
BACK_S = 10.0
"""The promise: back in the meeting within ten seconds of a killed worker."""


@dataclass
class House:
    """A hub with two workers, sessions spread over both."""

    hub: HubProcess
    pages: list[LightPage] = field(default_factory=list)
    invites: dict[str, dict[str, str]] = field(default_factory=dict)
    slots: tuple[str, str] = (f"{NODE}/0", f"{NODE}/1")

    async def call(self, work: Callable[..., Any], *arguments: Any, **more: Any) -> Any:
        """Do something that waits for the hub, in a thread."""
        return await asyncio.to_thread(lambda: work(*arguments, **more))

    async def private(self, worker: int, path: str) -> Any:
        """Ask a worker's private app; None while it does not answer."""
        return await asyncio.to_thread(ask_socket, self.hub, f"worker-{worker}.sock", path)

    async def sessions(self, worker: int) -> list[dict[str, Any]]:
        """Return the sessions of a worker."""
        found = await self.private(worker, "/sessions")
        return list(found["items"]) if found else []

    async def figure(self, worker: int, name: str) -> float:
        """Return one figure of a worker out of the hub's `/metrics`."""
        text = (await asyncio.to_thread(self.hub.http.get, "/metrics")).text
        start = f'xiangyun_worker_{name}{{worker="{self.slots[worker]}"}} '
        (line,) = [line for line in text.splitlines() if line.startswith(start)]
        return float(line.rpartition(" ")[2])

    async def make_room(self, home: int, **fields: Any) -> str:
        """Make the hub's first room, which will live on worker `home`."""
        names = (f"room-{number}" for number in itertools.count())
        room_id = next(name for name in names if least_loaded(name, self.slots, ()) == self.slots[home])
        made = await self.call(self.hub.post, "/rooms", {"id": room_id, "name": "例会", **fields})
        invite = await self.call(self.hub.get, f"/rooms/{made['id']}/invite")
        self.invites[room_id] = {"invite": invite["url"].partition("invite=")[2], "passcode": invite["passcode"]}
        return room_id

    async def chair(self, room_id: str, *, on: int | None = None) -> LightPage:
        """Take a seat as the one who made the room."""
        return await self._join(room_id, self.hub.http.headers.get("Authorization", ""), {"display_name": "主席"}, on)

    async def guest(self, room_id: str, name: str, *, on: int | None = None) -> LightPage:
        """Take a seat by invitation."""
        return await self._join(room_id, "", {"display_name": name, **self.invites[room_id]}, on)

    async def _join(self, room_id: str, authorization: str, body: dict[str, Any], on: int | None) -> LightPage:
        if on is not None:
            await self._balance(on)
        headers = {"Authorization": authorization} if authorization else {}
        plain = {"base_url": self.hub.url, "verify": False}  # to read all certificates costs more than to join
        async with httpx.AsyncClient(**plain, headers=headers, timeout=20) as client:
            answer = await client.post(f"/api/v1/rooms/{room_id}/join", json=body)
        assert answer.status_code == 200, answer.text
        page = LightPage(self.hub, answer.json())
        await self._greet(page)
        if on is not None:
            assert page.welcome["session_id"] in {each["session_id"] for each in await self.sessions(on)}
        return page

    async def wall(self, *, on: int | None = None) -> LightPage:
        """Open a session without a room."""
        if on is not None:
            await self._balance(on)
        page = LightPage(self.hub, await self.call(self.hub.post, "/sessions", {}))
        await self._greet(page)
        return page

    async def _greet(self, page: LightPage) -> None:
        answer = await page.hello()
        assert answer.get("type") == "welcome", answer
        self.pages.append(page)

    def _load(self) -> list[int]:
        """Return how many open sessions the hub has written down for each worker: what it goes by."""
        with contextlib.closing(sqlite3.connect(f"file:{self.hub.data_dir}/xiangyun.db?mode=ro", uri=True)) as database:
            query = "select slot, count(*) from sessions where ended_us is null group by slot"
            found = dict(database.execute(query).fetchall())
        return [found.get(slot, 0) for slot in self.slots]

    async def _balance(self, on: int) -> None:
        """Open idle sessions until the next one will be on worker `on`."""
        for _ in range(8):
            load = self._load()
            if (load[on], on) < (load[1 - on], 1 - on):
                return
            await self.wall()
        raise AssertionError("sessions are not spread over the workers")

    async def empty(self) -> None:
        """Let everybody leave, and wait until the hub has taken note."""
        pages, self.pages = self.pages, []
        for page in pages:
            await page.leave()

        await until("all sessions have ended", lambda: self._load() == [0, 0])

    def own_pause_s(self, since_s: float) -> float:
        """Return the longest pause of the pages themselves: that of a busy machine."""
        pauses = [longest_gap_s(page.up.sent_s, since_s) for page in self.pages if page.up is not None]
        return min(pauses, default=0.0)

    def kill(self, role: str) -> float:
        """`kill -9` a process of the hub; return when."""
        os.kill(self.hub.pids()[role], signal.SIGKILL)
        return time.monotonic()


@contextmanager
def running_house(data_dir: Path, **env: str) -> Iterator[House]:
    """Run a hub with two workers, logged in as the administrator."""
    settings = {
        "XIANGYUN_WORKERS": "2",
        "XIANGYUN_SESSION_SPREAD": "spread",
        "XIANGYUN_PUBLIC_ADDRESSES": "127.0.0.1",
        "XIANGYUN_NODE": NODE,
    }
    pictures_of_people(), opus_frames()
    with HubProcess(data_dir, env=settings | env) as hub:
        hub.login()
        hub.root_org()
        yield House(hub)


@asynccontextmanager
async def visited(house: House) -> AsyncIterator[House]:
    """Let everybody leave at the end of a test."""
    try:
        yield house
    finally:
        await house.empty()
