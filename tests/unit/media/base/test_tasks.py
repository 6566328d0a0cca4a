import asyncio
import random

import pytest

from media.base.tasks import Backoff, Owner, run_supervised


def test_backoff_doubles_to_the_limit_with_jitter_between_half_and_whole() -> None:
    backoff, rng = Backoff(), random.Random(7)
    waits = [backoff.next_s(rng) for _ in range(10)]
    for wait, ceiling in zip(waits, [1, 2, 4, 8, 16, 30, 30, 30, 30, 30], strict=True):
        assert ceiling / 2 <= wait <= ceiling


def test_backoff_starts_anew_after_reset() -> None:
    backoff = Backoff()
    for _ in range(5):
        backoff.next_s()
    backoff.reset()
    assert backoff.next_s() <= 1.0


def test_backoff_of_many_does_not_herd() -> None:
    rng = random.Random(1)
    waits = {round(Backoff(tries=5).next_s(rng), 2) for _ in range(500)}
    assert len(waits) > 300


async def test_closing_an_owner_ends_its_tasks() -> None:
    owner = Owner("camera")
    ended = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    owner.start(work(), "pull")
    await asyncio.sleep(0)
    await owner.aclose()
    assert ended.is_set()
    assert len(owner) == 0


async def test_a_closed_owner_starts_nothing() -> None:
    owner = Owner("camera")
    await owner.aclose()

    async def work() -> None: ...

    with pytest.raises(RuntimeError, match="closed"):
        owner.start(work(), "late")


async def test_supervised_work_is_run_again_after_it_dies() -> None:
    runs = 0
    enough = asyncio.Event()

    async def work() -> None:
        nonlocal runs
        runs += 1
        if runs == 3:
            enough.set()
        msg = "boom"
        raise ValueError(msg)

    task = asyncio.ensure_future(run_supervised("test", work, Backoff(first_s=0.001, limit_s=0.002)))
    await asyncio.wait_for(enough.wait(), 5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
