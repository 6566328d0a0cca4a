"""A source that a session watches: found through the plane, held, and found again when it comes back.

One per source and session, made by `watching` on the worker's loop. No task stands while the source is there. A source
that ended, moved to another worker or failed is asked for again after 1, 2, 4, 8 s, and at once when it is published
here. Refuses nothing itself: the first failure goes to who asked first.
"""

import asyncio
from collections.abc import Callable

from media.base.errors import ErrorKind, HubError
from media.base.ids import SourceId
from media.base.tasks import Backoff, Owner
from streams.publication import Publication
from streams.session.ports import PlanePort

ACQUIRE_TIMEOUT_S = 5.0
RETRY_LIMIT_S = 8.0


class Held:
    """One source, for all subscriptions of one session."""

    def __init__(
        self, plane: PlanePort, owner: Owner, source: SourceId, slot: str, on_change: Callable[["Held"], None]
    ) -> None:
        """Begin with nothing; `first` fetches it."""
        self.source = source
        self.slot = slot
        self.users = 0
        self.sent_bytes = 0
        """Of subscriptions that have ended."""
        self.publication: Publication | None = None
        self._plane = plane
        self._owner = owner
        self._on_change = on_change
        self._first: asyncio.Future[None] | None = None
        self._task: asyncio.Task[None] | None = None
        self._poke = asyncio.Event()
        self._stop_listening: Callable[[], None] = _nothing
        self._is_closed = False

    async def first(self) -> None:
        """Return when the source was found once; HubError of the plane, or UNAVAILABLE `source_offline` after 5 s."""
        if self._first is None:
            self._first = asyncio.get_running_loop().create_future()
            self._first.add_done_callback(_was_looked_at)
            self._fetch()
        await asyncio.shield(self._first)

    def moved(self, slot: str) -> None:
        """Find it on this worker from now on; where it is sought already, look again at once."""
        if slot != self.slot:
            self.slot = slot
            self._let_go()
            self._fetch()
        elif self.publication is None:
            self._poke.set()

    def published(self, publication: Publication) -> None:
        """Take notice that this worker has a new publication of the source."""
        if self.publication is not publication:
            self._let_go()
            self._fetch()

    def close(self) -> None:
        """Hold it no more."""
        self._is_closed = True
        if self._task is not None:
            self._task.cancel()
        self._let_go()
        self._settle(HubError(ErrorKind.CONFLICT, "nobody wants the source any more", code="wrong_state"))

    def _let_go(self) -> None:
        self._stop_listening()
        self._stop_listening = _nothing
        if self.publication is not None:
            self._plane.release(self.publication)
            self.publication = None

    def _fetch(self) -> None:
        if self._is_closed:
            return
        self._poke.set()
        if self._task is None or self._task.done():
            self._task = self._owner.start(self._find(), f"find {self.source}")

    async def _find(self) -> None:
        backoff = Backoff(limit_s=RETRY_LIMIT_S)
        while self.publication is None:
            self._poke.clear()
            error = await self._try()
            if error is None or (self._first is not None and not self._first.done()):
                self._settle(error)
                return
            try:
                async with asyncio.timeout(backoff.next_s()):
                    await self._poke.wait()
            except TimeoutError:
                continue

    async def _try(self) -> HubError | None:
        try:
            async with asyncio.timeout(ACQUIRE_TIMEOUT_S):
                publication = await self._acquire()
        except HubError as error:
            return error
        except TimeoutError:
            return HubError(ErrorKind.UNAVAILABLE, "the source did not open in time", code="source_offline")
        if publication.is_ended:
            self._plane.release(publication)
            return HubError(ErrorKind.UNAVAILABLE, "the source has just gone", code="source_offline")
        self.publication = publication
        self._stop_listening = publication.listen(self._publication_changed)
        return None

    async def _acquire(self) -> Publication:
        """Hold the source on the worker it is on when it was found there."""
        while True:
            slot = self.slot
            publication = await self._plane.acquire(self.source, slot)
            if slot == self.slot:
                return publication
            self._plane.release(publication)

    def _settle(self, error: HubError | None) -> None:
        if self._first is not None and not self._first.done():
            if error is None:
                self._first.set_result(None)
            else:
                self._first.set_exception(error)
        if error is None:
            self._on_change(self)

    def _publication_changed(self, publication: Publication) -> None:
        if publication.is_ended:
            self._let_go()
            self._fetch()
        self._on_change(self)


def _nothing() -> None:
    """Stop nothing."""


def _was_looked_at(future: asyncio.Future[None]) -> None:
    """Look at a failure nobody waits for any more, so that it is not reported as forgotten."""
    if not future.cancelled():
        future.exception()
