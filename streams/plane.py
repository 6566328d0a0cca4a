"""Every source a worker can show, by id: the one place where subscribers find publications.

Publications of this worker's own people are put in by their sessions; cameras are opened, and sources of other
workers pulled, on first demand and let go when the last holder has left for a while. All on the worker's event loop.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from media.base.errors import ErrorKind, HubError
from media.base.ids import SourceId
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


@dataclass(slots=True)
class _Held:
    """A publication that was opened, its opener, and how many hold it."""

    opened: asyncio.Future[Publication]
    opener: Opener
    holders: int = 0
    linger: asyncio.TimerHandle | None = field(default=None)


class Plane:
    """The publications of one worker."""

    def __init__(self, slot: str, cameras: Opener, remote: Opener | None) -> None:
        """Serve the worker in `slot`; without `remote`, sources of other workers are not found."""
        self.slot = slot
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
        opener = self._opener(source, slot)
        held = self._held.get(source)
        if held is None or (held.opened.done() and not held.opened.cancelled() and held.opened.result().is_ended):
            held = self._held[source] = _Held(asyncio.get_running_loop().create_future(), opener)
            held.holders = 1
            try:
                held.opened.set_result(await opener.open(source, slot))
            except BaseException:
                held.opened.cancel()
                if self._held.get(source) is held:
                    del self._held[source]
                raise
            return held.opened.result()
        held.holders += 1
        if held.linger is not None:
            held.linger.cancel()
            held.linger = None
        try:
            return await asyncio.shield(held.opened)
        except asyncio.CancelledError:
            if held.opened.cancelled():
                raise HubError(ErrorKind.UNAVAILABLE, "the source could not be opened", code="source_offline") from None
            self._let_go(source, held)
            raise

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
        held = self._held.get(publication.source)
        if held is not None and held.opened.done() and held.opened.result() is publication:
            self._let_go(publication.source, held)

    def _let_go(self, source: SourceId, held: _Held) -> None:
        held.holders -= 1
        if held.holders == 0:
            held.linger = asyncio.get_running_loop().call_later(LINGER_S, self._close, source, held)

    def _close(self, source: SourceId, held: _Held) -> None:
        if self._held.get(source) is held:
            del self._held[source]
        held.opener.close(held.opened.result())

    def close(self) -> None:
        """End everything."""
        for publication in tuple(self._own.values()):
            self.withdraw(publication)
        for source, held in tuple(self._held.items()):
            if held.linger is not None:
                held.linger.cancel()
            if held.opened.done() and not held.opened.cancelled():
                self._close(source, held)
