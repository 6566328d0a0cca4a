"""A meeting on two workers loses Redis, then the SQL database: what runs goes on, who comes is told why not yet."""

import asyncio
import signal
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

import httpx
import pytest
import pytest_asyncio

from tests.integration.fixtures_light_pages import LightPage, advances, until
from tests.integration.fixtures_meeting import House, running_house
from tests.integration.fixtures_postgres import Cluster, _as_postgres, postgres_cluster  # noqa: F401  # a fixture
from tests.integration.fixtures_state import StateServer, state_server

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(150), pytest.mark.foreign]

GAP_S = 1.0
"""So long at most nothing may arrive of media that does not stop."""
REFUSED_S = 10.0
"""What "bounded" means for a request whose store is away: it waits for a connection, then is refused."""
AWAY_S = 3.0


@dataclass
class Meeting:
    house: House
    room: str
    state: StateServer
    cluster: Cluster
    chair: LightPage
    guest: LightPage

    async def goes_on(self, since_s: float) -> None:
        """Assert that media never stopped and that what is said reaches the other worker."""
        for page, other in ((self.chair, self.guest), (self.guest, self.chair)):
            assert page.down is not None
            flow = page.down.flows[await page.mid_of(other.source, "camera")]
            await advances(flow)
            assert flow.longest_gap_s(since_s) <= GAP_S + self.house.own_pause_s(since_s)
            assert not page.closed.is_set()
        text = f"seit {since_s}"
        await self.guest.does("chat", text=text)
        await until("chat crosses", lambda: text in [line["text"] for line in self.chair.said("chat")])
        for action in ("floor_request", "floor_withdraw"):
            await self.guest.does("chair", action=action)

    async def try_to_join(self) -> httpx.Response:
        """Ask for a seat as a guest does; it is answered in bounded time."""
        asked_s = time.monotonic()
        async with httpx.AsyncClient(base_url=self.house.hub.url, timeout=30) as client:
            body = {"display_name": "来晚", **self.house.invites[self.room]}
            answer = await client.post(f"/api/v1/rooms/{self.room}/join", json=body)
        assert time.monotonic() - asked_s < REFUSED_S + 5
        return answer

    async def is_itself_again(self) -> None:
        """Wait until somebody new can join, and let them leave."""

        async def joined() -> LightPage | None:
            answer = await self.try_to_join()
            if answer.status_code != 200:
                return None
            page = LightPage(self.house.hub, answer.json())
            if (await page.hello()).get("type") == "welcome":
                return page
            await page.leave()
            return None

        page = await until("people can join again", joined, 30, every_s=0.3)
        await until("the newcomer is seen", lambda: page.participant_id in self.chair.people)
        await page.leave()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def meeting(
    tmp_path_factory: pytest.TempPathFactory,
    postgres_cluster: Cluster,  # noqa: F811
) -> AsyncIterator[Meeting]:
    with (
        state_server() as state,
        running_house(
            tmp_path_factory.mktemp("hub"),
            XIANGYUN_REDIS_URL=state.url,
            XIANGYUN_DATABASE_URL=postgres_cluster.fresh(),
        ) as house,
    ):
        room = await house.make_room(1)
        chair, guest = await house.chair(room), await house.guest(room, "东村")
        assert [len(await house.sessions(worker)) for worker in (0, 1)] == [1, 1]
        for page in (chair, guest):
            await page.publish()
            await page.open()
        await chair.watch(guest.source)
        await guest.watch(chair.source)
        try:
            yield Meeting(house, room, state, postgres_cluster, chair, guest)
        finally:
            for page in (chair, guest):
                await page.leave()


@asynccontextmanager
async def gone(cluster: Cluster) -> AsyncIterator[None]:
    """End a cluster without a farewell to anybody, and start it again at the end."""
    arguments, quiet = cluster.process.args, subprocess.DEVNULL
    cluster.process.send_signal(signal.SIGQUIT)
    await asyncio.to_thread(cluster.process.wait, 10)
    try:
        yield
    finally:
        begin = partial(subprocess.Popen, stdout=quiet, stderr=quiet, cwd=cluster.folder, **_as_postgres())
        cluster.process = await asyncio.to_thread(begin, arguments)


async def test_redis_is_away(meeting: Meeting) -> None:
    began_s = time.monotonic()
    await asyncio.to_thread(meeting.state.kill)
    while time.monotonic() < began_s + AWAY_S:
        await meeting.goes_on(began_s)
    answer = await meeting.try_to_join()
    assert answer.status_code in {200, 503}, answer.text
    if answer.status_code == 503:
        assert answer.headers["content-type"].startswith("application/problem+json")
    await meeting.guest.hang_up()
    welcome = await meeting.guest.resume()
    assert welcome["resumed"] is True
    meeting.state.start()
    await meeting.is_itself_again()
    await meeting.goes_on(began_s)


async def test_redis_comes_back_empty(meeting: Meeting) -> None:
    began_s = time.monotonic()
    await asyncio.to_thread(meeting.state.lose_everything)
    await meeting.is_itself_again()
    await meeting.goes_on(began_s)


async def test_the_database_is_away(meeting: Meeting) -> None:
    began_s = time.monotonic()
    async with gone(meeting.cluster):
        while time.monotonic() < began_s + AWAY_S:
            await meeting.goes_on(began_s)
        answer = await meeting.try_to_join()
        assert answer.status_code == 503, answer.text
        assert answer.headers["content-type"].startswith("application/problem+json")
        assert answer.json()["code"] == "database_unavailable"
        page = LightPage(meeting.house.hub, {"token": "x" * 43})
        refused = await page.hello()
        assert refused.get("type") == "error", refused
        assert refused["code"] == "worker_unavailable"
        await until("the page is told", page.closed.is_set)
        assert page.said("closing")[-1]["can_resume"] is True
        await page.leave()
        await meeting.goes_on(began_s)
    await meeting.is_itself_again()
    await meeting.goes_on(began_s)
