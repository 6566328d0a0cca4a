"""Where rooms and sessions are put: least loaded, the same for every asker, near their room while there is room."""

from collections import Counter
from typing import Any

import pytest

from api.context import WorkerLink
from api.db import rooms
from api.services import room_homes
from api.services.room_homes import least_loaded, seat_slot, settle
from media.base.errors import HubError
from tests.fakes.control import Person, Plane
from tests.fakes.control_fixtures import *  # noqa: F403

SLOTS = ("n/0", "n/1", "n/2")


def test_rooms_are_spread_evenly_and_every_asker_says_the_same() -> None:
    taken: list[str] = []
    for number in range(30):
        slot = least_loaded(f"room-{number}", SLOTS, taken)
        assert slot == least_loaded(f"room-{number}", reversed(SLOTS), taken)
        taken.append(slot)
    assert set(Counter(taken).values()) == {10}
    assert least_loaded("x", ["n/1"], ["n/9"] * 5) == "n/1"
    with pytest.raises(HubError) as caught:
        least_loaded("x", [], [])
    assert caught.value.code == "worker_unavailable"


@pytest.fixture
def three_slots(plane: Plane, monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Let the plane have three workers with so many sessions each."""
    load: dict[str, int] = {}
    links = {slot: WorkerLink(slot, plane.workers.client) for slot in SLOTS}

    async def every(_self: Any = None) -> list[WorkerLink]:
        return list(links.values())

    async def of_slot(slot: str) -> WorkerLink:
        if slot not in links:
            raise HubError("unavailable", "gone", code="worker_unavailable")  # type: ignore[arg-type]
        return links[slot]

    async def counted(_connection: Any) -> dict[str, int]:
        return load

    monkeypatch.setattr(plane.workers, "all", every)
    monkeypatch.setattr(plane.workers, "of_slot", of_slot)
    monkeypatch.setattr("api.services.room_homes.seats.open_by_slot", counted)
    return load


async def test_a_session_sits_where_its_room_lives_while_there_is_room(
    plane: Plane, three_slots: dict[str, int]
) -> None:
    home = WorkerLink("n/1", plane.workers.client)
    three_slots.update({"n/0": 3, "n/1": room_homes.HOME_SESSIONS - 1, "n/2": 2})
    assert (await seat_slot(plane.ctx, home)).slot == "n/1"
    three_slots["n/1"] += 1
    assert (await seat_slot(plane.ctx, home)).slot == "n/2"
    assert (await seat_slot(plane.ctx, None)).slot == "n/2"


async def test_a_room_keeps_its_slot_and_moves_only_when_that_is_gone(
    plane: Plane, admin: Person, three_slots: dict[str, int]
) -> None:
    await admin.made("/rooms", {"id": "r1", "name": "会"})

    async def settled() -> str:
        async with plane.ctx.db.read() as connection:
            room = await rooms.get(connection, "r1")
        assert room is not None
        return (await settle(plane.ctx, room)).slot

    first = await settled()
    assert [await settled() for _ in range(3)] == [first] * 3
    assert plane.state.room_slots == {"r1": first}
    plane.state.is_down = True
    assert await settled() == first
    plane.state.is_down = False
    async with plane.ctx.db.write() as connection:
        await rooms.settle(connection, "r1", "retired/7")
    assert await settled() in SLOTS
    assert three_slots == {}
