"""`kill -9` of every process of the hub during a meeting on two workers: who is back when, and what nobody notices.

One meeting for the module, the tests stand in the order in which the story goes: a chair and a venue on one worker,
two venues on the other, where the room lives; a queue for the floor, and a roll call that runs. A measured line per
fault is printed (`pytest -s`).
"""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio

from tests.integration.fixtures_light_pages import Flow, LightPage, advances, until
from tests.integration.fixtures_meeting import BACK_S, House, running_house

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(150)]

HOME, OTHER = 1, 0
CEILING_S = 2 * BACK_S
"""Twice the promise: machines that build are slower than those that serve."""
GAP_S = 1.0
"""So long at most nothing may arrive of media that does not stop."""


@dataclass
class Meeting:
    """The people; `answered` has been called and said present, `waiting` is being called."""

    house: House
    room: str
    chair: LightPage
    east: LightPage
    west: LightPage
    north: LightPage

    @property
    def guests(self) -> tuple[LightPage, ...]:
        return self.east, self.west, self.north

    @property
    def pages(self) -> tuple[LightPage, ...]:
        return (self.chair, *self.guests)

    async def begin_media(self, *pages: LightPage) -> None:
        """Publish and open slots; the chair sees everybody, each guest another one."""
        await asyncio.gather(*(page.publish() for page in pages if page is not self.chair))
        await asyncio.gather(*(page.open(video=3, audio=2) for page in pages))
        for page in pages:
            for source in self.seen_by(page):
                await page.watch(source)

    def seen_by(self, page: LightPage) -> list[str]:
        if page is self.chair:
            return [guest.source for guest in self.guests]
        return [self.west.source if page is self.east else self.east.source]

    async def media_flow(self) -> None:
        """Wait until everybody sees whom they watch, and the chair hears somebody."""
        assert self.chair.down is not None
        flows = self.flows_among(list(self.pages))
        assert len(flows) == sum(len(self.seen_by(page)) for page in self.pages)
        await asyncio.gather(*(advances(flow, 10) for flow in flows), self._is_heard())

    async def _is_heard(self) -> None:
        down = self.chair.down
        assert down is not None
        began_s = time.monotonic()

        def heard() -> bool:
            voices = [mid for mid, slot in self.chair.slots.items() if slot["track"] == "microphone"]
            return any(down.flows[mid].arrivals_s[-1:] > [began_s] for mid in voices)

        await until("somebody is heard", heard)

    def told_state(self, page: LightPage) -> tuple[Any, ...]:
        """Return what a kill must leave as it was."""
        roll = page.room["roll_call"]
        ledger = {entry["participant_id"]: entry["state"] for entry in roll["entries"]}
        queue = [entry["participant_id"] for entry in page.room["floor_queue"]]
        return page.room["chair"], page.room["speech"], queue, roll["state"], roll["current"], ledger

    async def resume(self, page: LightPage) -> None:
        await page.resume(CEILING_S)

    def flows_among(self, pages: list[LightPage]) -> list[Flow]:
        """Return the pictures that some of these see of others of them."""
        sources = {page.source for page in pages}
        return [
            page.down.flows[mid]
            for page in pages
            if page.down is not None
            for mid, slot in page.slots.items()
            if slot["source"] in sources and slot["track"] == "camera"
        ]

    def longest_gap_s(self, since_s: float) -> float:
        """Return the longest silence of anything that is watched."""
        return max(flow.longest_gap_s(since_s) for flow in self.flows_among(list(self.pages)))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def meeting(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Meeting]:
    with running_house(tmp_path_factory.mktemp("hub")) as house:
        room = await house.make_room(HOME)
        chair = await house.chair(room, on=OTHER)
        east = await house.guest(room, "东村", on=HOME)
        west = await house.guest(room, "西村", on=OTHER)
        north = await house.guest(room, "北村", on=HOME)
        made = Meeting(house, room, chair, east, west, north)
        await made.begin_media(*made.pages)
        await chair.does("chair", action="roll_call_start", participant_ids=[p.participant_id for p in made.guests])
        await chair.does("chair", action="roll_call_call", target=east.participant_id)
        await east.does("chair", action="roll_call_answer", state="present")
        await chair.does("chair", action="roll_call_call", target=west.participant_id)
        for page in (west, north):
            await page.does("chair", action="floor_request")
        await made.media_flow()
        try:
            yield made
        finally:
            for page in made.pages:
                await page.leave()


async def lose_worker(meeting: Meeting, number: int, victims: tuple[LightPage, ...]) -> None:
    """Kill a worker; its people are back on their seats with everything as it was, the others noticed a pause."""
    before = {page: meeting.told_state(page) for page in meeting.pages}
    sessions = {page: page.welcome["session_id"] for page in meeting.pages}
    untouched = meeting.flows_among([page for page in meeting.pages if page not in victims])
    assert untouched
    killed_s = meeting.house.kill(f"worker {number}")
    for page in victims:
        await until("the socket is closed", page.closed.is_set)
        closing = page.said("closing")[-1]
        assert (closing["code"], closing["can_resume"], page.close_code) == ("worker_restart", True, 1012)
    await asyncio.gather(*(meeting.resume(page) for page in victims))
    back_s = time.monotonic() - killed_s
    for page in victims:
        assert page.welcome["resumed"] is False
        assert page.welcome["participant"]["id"] == page.participant_id
    await meeting.begin_media(*victims)
    for page in meeting.pages:  # a source that was gone is subscribed again, as pages do
        for source in meeting.seen_by(page):
            await page.watch(source)
    await meeting.media_flow()
    media_s = time.monotonic() - killed_s
    gap_s = max(flow.longest_gap_s(killed_s) for flow in untouched)
    for page in meeting.pages:
        assert meeting.told_state(page) == before[page]
        await until(
            "all are there", lambda page=page: all(page.people[p.participant_id]["is_online"] for p in meeting.pages)
        )
        if page not in victims:
            assert not page.closed.is_set()
            assert page.welcome["session_id"] == sessions[page]
    print(
        f"\nFAULT worker {number}: seats back after {back_s:.1f} s, all media after {media_s:.1f} s,"
        f" longest gap among the others {gap_s * 1000:.0f} ms,"
        f" of which the test's own {meeting.house.own_pause_s(killed_s) * 1000:.0f} ms"
    )
    assert back_s <= CEILING_S
    assert media_s <= CEILING_S
    assert gap_s <= 2 * GAP_S + meeting.house.own_pause_s(killed_s)


async def test_the_worker_on_which_the_room_lives(meeting: Meeting) -> None:
    await lose_worker(meeting, HOME, (meeting.east, meeting.north))


async def test_a_worker_with_sessions_on_which_the_room_does_not_live(meeting: Meeting) -> None:
    await lose_worker(meeting, OTHER, (meeting.chair, meeting.west))


async def test_api(meeting: Meeting) -> None:
    sessions = {page: page.welcome["session_id"] for page in meeting.pages}
    before = {page: meeting.told_state(page) for page in meeting.pages}
    killed_s = meeting.house.kill("api")
    for page in meeting.pages:
        await until("the socket is closed", page.closed.is_set)
    await asyncio.gather(*(meeting.resume(page) for page in meeting.pages))
    back_s = time.monotonic() - killed_s
    for page in meeting.pages:
        assert (page.welcome["resumed"], page.welcome["session_id"]) == (True, sessions[page])
        assert meeting.told_state(page) == before[page]
    await meeting.media_flow()
    gap_s = meeting.longest_gap_s(killed_s)
    print(f"\nFAULT api: sessions back after {back_s:.1f} s, longest gap of media {gap_s * 1000:.0f} ms")
    assert gap_s <= GAP_S + meeting.house.own_pause_s(killed_s)


async def test_valkey(meeting: Meeting) -> None:
    killed_s = meeting.house.kill("valkey")
    await meeting.chair.does("chat", text="还在吗")
    for guest in meeting.guests:
        await until("chat goes on", lambda guest=guest: guest.said("chat"))
    await meeting.east.hang_up()
    welcome = await meeting.east.resume(CEILING_S)
    assert welcome["resumed"] is True
    await meeting.media_flow()
    gap_s = meeting.longest_gap_s(killed_s)
    assert not any(page.closed.is_set() for page in meeting.pages if page is not meeting.east)
    print(f"\nFAULT valkey: longest gap of media {gap_s * 1000:.0f} ms")
    assert gap_s <= GAP_S + meeting.house.own_pause_s(killed_s)


async def test_the_roll_call_goes_on_where_it_was(meeting: Meeting) -> None:
    await meeting.west.does("chair", action="roll_call_answer", state="present")
    await meeting.chair.does("chair", action="roll_call_next")
    await meeting.north.does("chair", action="roll_call_answer", state="present")
    await meeting.chair.does("chair", action="roll_call_end")
    wanted = {guest.participant_id: "present" for guest in meeting.guests}
    for page in meeting.pages:
        await until("the whole ledger", lambda page=page: meeting.told_state(page)[-1] == wanted)
    await meeting.chair.does("chair", action="floor_grant", target=meeting.west.participant_id)
    await until("the floor is granted", lambda: meeting.west.participant_id in meeting.north.room["floor"])
