import asyncio
from dataclasses import dataclass

from media.base.queues import DropPolicy, DropQueue


@dataclass
class Item:
    name: str
    is_key: bool = False
    size_bytes: int = 10


def drain(queue: DropQueue[Item]) -> str:
    async def run() -> str:
        queue.close()
        names = ""
        while (item := await queue.get()) is not None:
            names += item.name
        return names

    return asyncio.run(run())


def fill(queue: DropQueue[Item], names: str) -> None:
    for name in names:
        queue.put(Item(name, is_key=name.isupper()))


def test_items_come_out_in_order() -> None:
    queue: DropQueue[Item] = DropQueue(max_items=10, max_bytes=1000, policy=DropPolicy.OLDEST)
    fill(queue, "abc")
    assert (drain(queue), queue.dropped) == ("abc", 0)


def test_oldest_policy_drops_the_oldest_and_counts() -> None:
    queue: DropQueue[Item] = DropQueue(max_items=3, max_bytes=1000, policy=DropPolicy.OLDEST)
    fill(queue, "abcde")
    assert (drain(queue), queue.dropped) == ("cde", 2)


def test_byte_limit_counts_as_full() -> None:
    queue: DropQueue[Item] = DropQueue(max_items=100, max_bytes=25, policy=DropPolicy.OLDEST)
    fill(queue, "abc")
    assert drain(queue) == "bc"


def test_video_policy_drops_everything_up_to_the_next_key() -> None:
    queue: DropQueue[Item] = DropQueue(max_items=3, max_bytes=1000, policy=DropPolicy.TO_NEXT_KEY)
    fill(queue, "AbcdeFg")
    assert (drain(queue), queue.dropped) == ("Fg", 5)


def test_a_key_that_meets_a_full_queue_replaces_what_waits() -> None:
    queue: DropQueue[Item] = DropQueue(max_items=2, max_bytes=1000, policy=DropPolicy.TO_NEXT_KEY)
    fill(queue, "AbC")
    assert (drain(queue), queue.dropped) == ("C", 2)


def test_a_closed_queue_accepts_nothing() -> None:
    queue: DropQueue[Item] = DropQueue(max_items=2, max_bytes=1000, policy=DropPolicy.OLDEST)
    queue.close()
    assert not queue.put(Item("a"))


async def test_get_waits_for_put() -> None:
    queue: DropQueue[Item] = DropQueue(max_items=2, max_bytes=1000, policy=DropPolicy.OLDEST)
    waiting = asyncio.ensure_future(queue.get())
    await asyncio.sleep(0)
    assert not waiting.done()
    queue.put(Item("a"))
    got = await waiting
    assert got is not None
    assert got.name == "a"
