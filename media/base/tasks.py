"""Owned tasks, supervision and back-off: the only place that starts a task outside a TaskGroup.

An `Owner` is entered with `async with`, or closed by its holder; every task it started is cancelled and awaited
when it ends, and a task that dies of an exception is logged with its name. Runs on the event loop that created it.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import structlog

log = structlog.get_logger(__name__)


class Owner:
    """Starts tasks and ends them with itself."""

    def __init__(self, name: str) -> None:
        """Name the owner; the name prefixes the tasks' names."""
        self._name = name
        self._tasks: set[asyncio.Task[Any]] = set()
        self._is_closed = False

    def __len__(self) -> int:
        """Return the number of living tasks."""
        return len(self._tasks)

    def start(self, work: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        """Start `work` as a task of this owner; RuntimeError once closed."""
        if self._is_closed:
            work.close()
            msg = f"{self._name} is closed"
            raise RuntimeError(msg)
        task = asyncio.get_running_loop().create_task(work, name=f"{self._name}/{name}")
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("task died", task=task.get_name(), exc_info=error)

    async def aclose(self) -> None:
        """Cancel and await every task. Idempotent."""
        self._is_closed = True
        tasks = [task for task in self._tasks if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.gather(*tasks, return_exceptions=True)

    async def __aenter__(self) -> Self:
        """Return the owner."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End every task."""
        await self.aclose()


@dataclass(slots=True)
class Backoff:
    """Exponential back-off with jitter: 1, 2, 4 … `limit_s` seconds, each times 0.5 to 1."""

    first_s: float = 1.0
    limit_s: float = 30.0
    tries: int = 0

    def next_s(self, rng: random.Random | None = None) -> float:
        """Return the next wait in seconds and count the try."""
        ceiling = min(self.limit_s, self.first_s * 2.0 ** min(self.tries, 16))
        self.tries += 1
        spread: float = rng.uniform(0.5, 1.0) if rng else random.uniform(0.5, 1.0)  # noqa: S311  # jitter, no secret
        return ceiling * spread

    def reset(self) -> None:
        """Forget the tries after a good spell."""
        self.tries = 0


async def run_supervised(
    name: str, work: Callable[[], Awaitable[None]], backoff: Backoff, *, good_after_s: float = 30.0
) -> None:
    """Run `work` for ever: log what it dies of, wait by `backoff`, run it again. Ends only by cancellation.

    A spell longer than `good_after_s` seconds resets the back-off. One supervisor per camera or room, so that a bug
    there hurts one.
    """
    loop = asyncio.get_running_loop()
    while True:
        started_s = loop.time()
        try:
            await work()
        except Exception:  # the supervisor is where unknown errors end
            log.exception("supervised work failed", work=name)
        if loop.time() - started_s >= good_after_s:
            backoff.reset()
        await asyncio.sleep(backoff.next_s())
