import asyncio
from collections.abc import AsyncIterator

import pytest

from media.base.errors import ErrorKind, HubError
from media.base.ids import SourceId
from media.base.tasks import Owner
from streams.publication import Publication, TrackName
from streams.session import held as module
from streams.session.held import Held
from tests.unit.streams.session.world import publication, settled

GATE = SourceId("camera/gate")


class ScriptedPlane:
    """Answers what it is told, and counts who holds what."""

    def __init__(self) -> None:
        self.slot = "w0"
        self.answers: list[Publication | HubError] = []
        self.asked: list[str] = []
        self.held: list[Publication] = []
        self.wait: asyncio.Event | None = None

    async def acquire(self, source: SourceId, slot: str) -> Publication:
        self.asked.append(slot)
        if self.wait is not None:
            await self.wait.wait()
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, HubError):
            raise answer
        self.held.append(answer)
        return answer

    def release(self, publication: Publication) -> None:
        self.held.remove(publication)

    def publish(self, publication: Publication) -> None: ...

    def withdraw(self, publication: Publication) -> None: ...

    def on_published(self, listener: object) -> None: ...


@pytest.fixture
async def owner() -> AsyncIterator[Owner]:
    async with Owner("test") as made:
        yield made


def offline() -> HubError:
    return HubError(ErrorKind.UNAVAILABLE, "offline", code="source_offline")


def gate() -> Publication:
    return publication(GATE, TrackName.VIDEO)


async def test_the_first_failure_goes_to_who_asked_and_nothing_is_tried_again(owner: Owner) -> None:
    plane = ScriptedPlane()
    plane.answers = [offline()]
    held = Held(plane, owner, GATE, "", lambda _: None)
    with pytest.raises(HubError, match="offline"):
        await held.first()
    assert len(owner) == 0
    held.close()


async def test_all_who_ask_wait_for_one_finding(owner: Owner) -> None:
    plane = ScriptedPlane()
    plane.answers = [gate()]
    changes: list[Held] = []
    held = Held(plane, owner, GATE, "", changes.append)
    await asyncio.gather(held.first(), held.first(), held.first())
    assert plane.asked == [""]
    assert changes == [held]
    held.close()
    assert plane.held == []


async def test_an_ended_source_is_found_again(owner: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY_LIMIT_S", 0.01)
    plane = ScriptedPlane()
    first, second = gate(), gate()
    plane.answers = [first, offline(), offline(), second]
    seen: list[Publication | None] = []
    held = Held(plane, owner, GATE, "", lambda each: seen.append(each.publication))
    await held.first()
    first.end()
    assert held.publication is None
    await settled(lambda: held.publication is second)
    assert seen == [first, None, second]
    assert plane.held == [second]
    await settled(lambda: len(owner) == 0)
    held.close()


async def test_a_publication_of_this_worker_is_looked_for_at_once(owner: Owner) -> None:
    plane = ScriptedPlane()
    first, second = gate(), gate()
    plane.answers = [first, offline(), second]
    held = Held(plane, owner, GATE, "", lambda _: None)
    await held.first()
    first.end()
    await settled(lambda: len(plane.asked) == 2)
    held.published(second)
    await settled(lambda: held.publication is second)
    held.close()


async def test_a_source_that_is_told_of_again_is_looked_for_at_once(owner: Owner) -> None:
    plane = ScriptedPlane()
    first, second = gate(), gate()
    plane.answers = [first, offline(), second]
    held = Held(plane, owner, GATE, "w0", lambda _: None)
    await held.first()
    first.end()
    await settled(lambda: len(plane.asked) == 2)
    held.moved("w0")
    await settled(lambda: held.publication is second)
    held.close()


async def test_a_source_that_moved_is_asked_of_its_new_worker(owner: Owner) -> None:
    plane = ScriptedPlane()
    first, second = gate(), gate()
    plane.answers = [first, second]
    held = Held(plane, owner, GATE, "w0", lambda _: None)
    await held.first()
    held.moved("w0")
    held.moved("w1")
    await settled(lambda: held.publication is second)
    assert plane.asked == ["w0", "w1"]
    assert plane.held == [second]
    held.close()


async def test_a_source_that_moves_while_it_opens_is_not_taken_from_the_old_worker(owner: Owner) -> None:
    plane = ScriptedPlane()
    plane.wait = asyncio.Event()
    first, second = gate(), gate()
    plane.answers = [first, second]
    held = Held(plane, owner, GATE, "w0", lambda _: None)
    asking = owner.start(held.first(), "ask")
    await settled(lambda: plane.asked == ["w0"])
    held.moved("w1")
    plane.wait.set()
    await settled(asking.done)
    assert plane.asked == ["w0", "w1"]
    assert plane.held == [second]
    assert held.publication is second
    held.close()


async def test_who_waits_is_told_when_nobody_wants_it_any_more(owner: Owner) -> None:
    plane = ScriptedPlane()
    plane.wait = asyncio.Event()
    held = Held(plane, owner, GATE, "", lambda _: None)
    asking = owner.start(held.first(), "ask")
    await settled(lambda: plane.asked)
    held.close()
    await settled(asking.done)
    with pytest.raises(HubError) as caught:
        asking.result()
    assert caught.value.code == "wrong_state"


async def test_what_does_not_open_in_time_is_offline(owner: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ACQUIRE_TIMEOUT_S", 0.01)
    plane = ScriptedPlane()
    plane.wait = asyncio.Event()
    held = Held(plane, owner, GATE, "", lambda _: None)
    with pytest.raises(HubError) as caught:
        await held.first()
    assert caught.value.code == "source_offline"
    held.close()
