"""One publication per source, however many want it at once and whoever of them gives up."""

import asyncio

import pytest

from media.base.errors import ErrorKind, HubError
from media.base.ids import SourceId
from streams.plane import Plane
from streams.publication import Publication

GATE = SourceId("camera/gate")


class Opener:
    """Opens when it is let; remembers what it gave and took."""

    def __init__(self) -> None:
        self.opened: list[Publication] = []
        self.closed: list[Publication] = []
        self.calls: list[tuple[str, str]] = []
        self.may_open = asyncio.Event()
        self.may_open.set()
        self.error: BaseException | None = None

    async def open(self, source: SourceId, slot: str) -> Publication:
        self.calls.append((source, slot))
        await self.may_open.wait()
        if self.error is not None:
            raise self.error
        self.opened.append(Publication(source))
        return self.opened[-1]

    def close(self, publication: Publication) -> None:
        self.closed.append(publication)
        publication.end()


@pytest.fixture
def opener():
    return Opener()


@pytest.fixture
async def plane(opener):
    made = Plane("w1", opener, None, linger_s=0.01)
    yield made
    made.close()


async def lingered() -> None:
    await asyncio.sleep(0.05)


async def code_of(plane: Plane, source: str = GATE, slot: str = "") -> str:
    with pytest.raises(HubError) as error:
        await plane.acquire(SourceId(source), slot)
    return error.value.code


async def test_all_who_ask_get_the_same_and_it_is_closed_after_the_last_has_left(plane, opener):
    opener.may_open.clear()
    asked = [asyncio.get_running_loop().create_task(plane.acquire(GATE, "")) for _ in range(3)]
    await asyncio.sleep(0)
    opener.may_open.set()
    publications = await asyncio.gather(*asked)
    assert publications == opener.opened * 3
    for _ in range(3):
        assert opener.closed == []
        plane.release(publications[0])
    await lingered()
    assert opener.closed == opener.opened
    plane.release(publications[0])  # once too often
    await plane.acquire(GATE, "w1")
    assert len(opener.opened) == 2


async def test_one_who_comes_back_while_it_lingers_finds_it_running(plane, opener):
    publication = await plane.acquire(GATE, "")
    plane.release(publication)
    assert await plane.acquire(GATE, "") is publication
    await lingered()
    assert opener.closed == []


async def test_one_who_gives_up_does_not_spoil_it_for_the_others(plane, opener):
    opener.may_open.clear()
    first, second = (asyncio.get_running_loop().create_task(plane.acquire(GATE, "")) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    opener.may_open.set()
    publication = await second
    assert first.cancelled()
    plane.release(publication)
    await lingered()
    assert opener.closed == [publication]


async def test_what_nobody_waits_for_any_more_is_closed_once_it_is_open(plane, opener):
    opener.may_open.clear()
    only = asyncio.get_running_loop().create_task(plane.acquire(GATE, ""))
    await asyncio.sleep(0)
    only.cancel()
    await asyncio.sleep(0)
    opener.may_open.set()
    await lingered()
    assert len(opener.opened) == 1
    assert opener.closed == opener.opened


@pytest.mark.parametrize("error", [HubError(ErrorKind.UNAVAILABLE, "away", code="source_offline"), ValueError("a bug")])
async def test_all_who_wait_hear_that_it_failed_and_the_next_tries_again(plane, opener, error):
    opener.error = error
    opener.may_open.clear()
    asked = [asyncio.get_running_loop().create_task(code_of(plane)) for _ in range(2)]
    await asyncio.sleep(0)
    opener.may_open.set()
    assert await asyncio.gather(*asked) == ["source_offline"] * 2
    opener.error = None
    assert not (await plane.acquire(GATE, "")).is_ended
    assert len(opener.calls) == 2


async def test_an_ended_publication_is_opened_anew_and_the_old_closed_by_its_last_holder(plane, opener):
    old = await plane.acquire(GATE, "")
    old.end()
    new = await plane.acquire(GATE, "")
    assert new is not old
    plane.release(old)
    await lingered()
    assert opener.closed == [old]
    plane.release(new)
    await lingered()
    assert opener.closed == [old, new]


async def test_own_people_are_found_first_and_are_not_held(plane, opener):
    source, seen = SourceId("participant/a"), []
    plane.on_published(seen.append)
    assert await code_of(plane, source) == "source_not_found"
    own = Publication(source)
    plane.publish(own)
    assert await plane.acquire(source, "") is own
    assert plane.own(source) is own
    plane.release(own)
    plane.withdraw(own)
    assert own.is_ended
    assert seen == [own]
    assert await code_of(plane, source) == "source_not_found"
    assert opener.calls == []


async def test_another_worker_is_asked_by_its_slot_when_there_is_a_way(opener):
    alone = Plane("w1", opener, None)
    assert await code_of(alone, slot="w2") == "worker_unavailable"
    remote = Opener()
    plane = Plane("w1", opener, remote)
    await plane.acquire(GATE, "w2")
    assert (remote.calls, opener.calls) == ([(GATE, "w2")], [])
    plane.close()
    assert remote.closed == remote.opened


async def test_closing_ends_everything_also_what_is_being_opened(plane, opener):
    held = await plane.acquire(GATE, "")
    opener.may_open.clear()
    waiting = asyncio.get_running_loop().create_task(code_of(plane, "camera/door"))
    await asyncio.sleep(0)
    plane.close()
    assert held.is_ended
    assert await waiting == "source_offline"


async def test_a_source_that_moved_to_another_worker_is_found_there_while_the_old_one_still_has_holders(opener):
    remote = Opener()
    made = Plane("w1", opener, remote, linger_s=0.01)
    before = await made.acquire(GATE, "w2")
    after = await made.acquire(GATE, "w3")
    assert after is not before
    assert remote.calls == [(GATE, "w2"), (GATE, "w3")]
    made.release(before)
    await lingered()
    assert remote.closed == [before]
    assert await made.acquire(GATE, "w3") is after
    made.close()
    assert remote.closed == [before, after]


async def test_a_source_that_moved_while_it_was_being_opened_leaves_nothing_behind(opener):
    remote = Opener()
    remote.may_open.clear()
    made = Plane("w1", opener, remote, linger_s=0.01)
    asked = [asyncio.get_running_loop().create_task(made.acquire(GATE, slot)) for slot in ("w2", "w3")]
    await asyncio.sleep(0)
    made.close()
    for task in asked:
        with pytest.raises(HubError, match="ending"):
            await task
