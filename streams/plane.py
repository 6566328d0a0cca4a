"""Every source a worker can show, by id: the one place where subscribers find publications.

Publications of this worker's own people are put in by their sessions; cameras are opened, and sources of other
workers pulled, on first demand and let go when the last holder has left for a while. All on the worker's event loop.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from media.base.errors import ErrorKind, HubError
from media.base.ids import SourceId
from media.base.tasks import Owner
from streams.publication import Publication

LINGER_S = 5.0
"""A source nobody holds is kept this long: a patrol step back, or a page that resumes, finds it running."""


class Opener(Protocol):
    """Makes publications on demand: of the hub's cameras, or of sources on another worker."""

    async def open(self, source: SourceId, slot: str) -> Publication:
        """Return a publication, which may not be live yet; HubError when the source cannot be had."""
        ...

    def close(self, publication: Publication) -> None:
        """Let a publication go that `open` returned."""
        ...


@dataclass(slots=True, eq=False)
class _Held:
    """A source that is open or being opened, its opener, and how many hold it or wait for it."""

    opened: asyncio.Future[Publication]
    opener: Opener
    slot: str
    holders: int = 0
    opening: asyncio.Task[None] | None = None
    linger: asyncio.TimerHandle | None = None

    @property
    def is_over(self) -> bool:
        """Tell whether it was opened and has ended."""
        return self.publication is not None and self.publication.is_ended

    @property
    def publication(self) -> Publication | None:
        """Return what was opened; None before, and when it failed."""
        is_there = self.opened.done() and not self.opened.cancelled() and self.opened.exception() is None
        return self.opened.result() if is_there else None


class Plane:
    """The publications of one worker."""

    def __init__(self, slot: str, cameras: Opener, remote: Opener | None, *, linger_s: float = LINGER_S) -> None:
        """Serve the worker in `slot`; without `remote`, sources of other workers are not found."""
        self.slot = slot
        self._linger_s = linger_s
        self._owner = Owner("plane")
        self._outlived: list[_Held] = []
        self._cameras = cameras
        self._remote = remote
        self._own: dict[SourceId, Publication] = {}
        self._held: dict[SourceId, _Held] = {}
        self._on_published: tuple[Callable[[Publication], None], ...] = ()

    def publish(self, publication: Publication) -> None:
        """Offer a publication of this worker's own; it takes the place of an ended one of the same source."""
        self._own[publication.source] = publication
        for listener in self._on_published:
            listener(publication)

    def withdraw(self, publication: Publication) -> None:
        """Offer it no more and end it."""
        if self._own.get(publication.source) is publication:
            del self._own[publication.source]
        publication.end()

    def own(self, source: SourceId) -> Publication | None:
        """Return a publication of this worker's own people, or None."""
        return self._own.get(source)

    def on_published(self, listener: Callable[[Publication], None]) -> None:
        """Call `listener` for every publication offered from now on."""
        self._on_published = (*self._on_published, listener)

    async def acquire(self, source: SourceId, slot: str) -> Publication:
        """Return the publication of a source that lives on the worker in `slot`, and hold it until `release`.

        HubError NOT_FOUND `source_not_found`, UNAVAILABLE `worker_unavailable` or what the opener says.
        """
        own = self._own.get(source)
        if own is not None:
            return own
        slot = slot or self.slot
        held = self._held.get(source)
        if held is not None and (held.is_over or held.slot != slot):
            self._outlive(held)
            held = None
        held = held or self._begin(source, slot)
        held.holders += 1
        if held.linger is not None:
            held.linger.cancel()
            held.linger = None
        try:
            return await asyncio.shield(held.opened)
        except BaseException as error:
            self._let_go(source, held)
            if isinstance(error, asyncio.CancelledError) and held.opened.cancelled() and not _is_cancelled():
                raise HubError(ErrorKind.UNAVAILABLE, "the worker is ending", code="source_offline") from None
            raise

    def _outlive(self, held: _Held) -> None:
        """Keep a publication that ended or has moved until its last holder lets go; newcomers get another."""
        if held.holders:
            self._outlived.append(held)

    def _begin(self, source: SourceId, slot: str) -> _Held:
        """Open a source for all who want it: one who gives up does not spoil it for the others."""
        held = _Held(asyncio.get_running_loop().create_future(), self._opener(source, slot), slot)
        self._held[source] = held
        held.opening = self._owner.start(self._open(source, slot, held), source)
        return held

    async def _open(self, source: SourceId, slot: str, held: _Held) -> None:
        try:
            publication = await held.opener.open(source, slot)
        except HubError as error:
            self._failed(source, held, error)
        except asyncio.CancelledError:
            held.opened.cancel()
            raise
        except BaseException:
            self._failed(source, held, HubError(ErrorKind.UNAVAILABLE, "it failed to open", code="source_offline"))
            raise
        else:
            if held.opened.done():  # closed meanwhile
                held.opener.close(publication)
                return
            held.opened.set_result(publication)
            if held.holders == 0:  # everybody has given up meanwhile
                self._linger(source, held)

    def _failed(self, source: SourceId, held: _Held, error: HubError) -> None:
        if self._held.get(source) is held:
            del self._held[source]
        if held.opened.done():
            return
        held.opened.set_exception(error)
        held.opened.exception()  # seen, also when nobody waits any more

    def _opener(self, source: SourceId, slot: str) -> Opener:
        if slot and slot != self.slot:
            if self._remote is None:
                raise HubError(ErrorKind.UNAVAILABLE, "the source is on another worker", code="worker_unavailable")
            return self._remote
        if source.startswith("camera/"):
            return self._cameras
        raise HubError(ErrorKind.NOT_FOUND, "no such source", code="source_not_found")

    def release(self, publication: Publication) -> None:
        """Hold a publication no more; nothing happens for this worker's own."""
        for held in (self._held.get(publication.source), *self._outlived):
            if held is not None and held.publication is publication:
                self._let_go(publication.source, held)
                return

    def _let_go(self, source: SourceId, held: _Held) -> None:
        held.holders -= 1
        if held.holders == 0 and held.publication is not None:
            self._linger(source, held)

    def _linger(self, source: SourceId, held: _Held) -> None:
        held.linger = asyncio.get_running_loop().call_later(self._linger_s, self._close, source, held)

    def _close(self, source: SourceId, held: _Held) -> None:
        if held.linger is not None:
            held.linger.cancel()
            held.linger = None
        if self._held.get(source) is held:
            del self._held[source]
        self._outlived = [other for other in self._outlived if other is not held]
        if held.publication is not None:
            held.opener.close(held.publication)
        elif held.opening is not None:
            held.opening.cancel()
            held.opened.cancel()

    def close(self) -> None:
        """End everything, also what is being opened."""
        for publication in tuple(self._own.values()):
            self.withdraw(publication)
        for source, held in tuple(self._held.items()):
            self._close(source, held)
        for held in tuple(self._outlived):
            if held.publication is not None:
                self._close(held.publication.source, held)
            elif held.opening is not None:
                held.opening.cancel()
                held.opened.cancel()


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
