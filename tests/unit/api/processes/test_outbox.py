"""Events reach api in order, also when Redis was away meanwhile; nothing grows without end."""

import asyncio

import pytest

from api.processes import outbox as outbox_module
from api.processes.outbox import Outbox
from media.base.errors import ErrorKind, HubError
from media.base.tasks import Owner


class FlakyState:
    """Takes events, or refuses them."""

    def __init__(self) -> None:
        self.taken: list[int] = []
        self.is_away = False
        self.tries = 0

    async def add_event(self, _kind: str, data: dict[str, int]) -> None:
        self.tries += 1
        await asyncio.sleep(0)
        if self.is_away:
            raise HubError(ErrorKind.UNAVAILABLE, "away", code="state_unavailable")
        self.taken.append(data["n"])


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox_module, "RETRY_S", 0.01)


async def test_events_are_sent_in_order_after_an_outage() -> None:
    state = FlakyState()
    box = Outbox(state)
    async with Owner("test") as owner:
        owner.start(box.run(), "outbox")
        state.is_away = True
        for n in range(5):
            box.post("n", {"n": n})
        await asyncio.sleep(0.05)
        assert (state.taken, len(box)) == ([], 5)
        state.is_away = False
        await asyncio.sleep(0.05)
        assert (state.taken, len(box)) == ([0, 1, 2, 3, 4], 0)


async def test_the_oldest_is_dropped_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox_module, "LIMIT", 3)
    state = FlakyState()
    box = Outbox(state)
    for n in range(5):
        box.post("n", {"n": n})
    await box.flush(1.0)
    assert (state.taken, box.dropped) == ([2, 3, 4], 2)


async def test_a_flush_gives_up_when_nobody_takes() -> None:
    state = FlakyState()
    state.is_away = True
    box = Outbox(state)
    box.post("n", {"n": 1})
    await asyncio.wait_for(box.flush(0.1), 1)
    assert (len(box), state.tries) == (1, 1)
