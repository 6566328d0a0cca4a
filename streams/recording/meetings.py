"""All meeting recording of one worker: which sources are recorded now, and the clock that drives them.

One per worker, on its event loop. Told by `seats` which participants' rooms record, by the plane which publications
there are, by the wiring which cameras rooms show; joins the two whichever comes first. A failure of one recording
ends that one.
"""

import asyncio
from dataclasses import dataclass

import structlog

from media.base.clock import Clock
from media.base.ids import SourceId
from media.packet import EndReason
from streams.publication import Publication
from streams.recording.source import Footage, SourceRecording

log = structlog.get_logger(__name__)

TICK_S = 0.1


@dataclass(slots=True)
class _Held:
    """A recording and who wants it: a seat that was taken up anew must not be ended by the one before."""

    recording: SourceRecording
    by: object


class MeetingRecorder:
    """The recordings."""

    def __init__(self, clock: Clock, footage: Footage) -> None:
        """Record nothing yet."""
        self._clock = clock
        self._footage = footage
        self._held: dict[tuple[str, SourceId], _Held] = {}
        self._publications: dict[SourceId, Publication] = {}

    @property
    def running(self) -> int:
        """Return how many sources are being written, for figures."""
        return sum(held.recording.is_running for held in self._held.values())

    def published(self, publication: Publication) -> None:
        """Take notice of a publication of this worker; it is forgotten when it ends."""
        if self._publications.get(publication.source) is not publication:
            self._publications[publication.source] = publication
            publication.listen(self._forget_ended)
        for (_, source), held in self._held.items():
            if source == publication.source:
                held.recording.follow(publication)

    def _forget_ended(self, publication: Publication) -> None:
        if publication.is_ended and self._publications.get(publication.source) is publication:
            del self._publications[publication.source]

    def record(self, room_id: str, source: SourceId, by: object) -> None:
        """Record a source as part of a room until `stop`; saying it again changes nothing."""
        held = self._held.get((room_id, source))
        if held is not None:
            held.by = by
            return
        recording = SourceRecording(room_id, source, self._clock, self._footage)
        self._held[room_id, source] = _Held(recording, by)
        publication = self._publications.get(source)
        if publication is not None:
            recording.follow(publication)

    def stop(self, room_id: str, source: SourceId, by: object, reason: EndReason) -> None:
        """Record a source no more, if `by` is who wanted it last."""
        held = self._held.get((room_id, source))
        if held is not None and held.by is by:
            self._end((room_id, source), reason)

    def _end(self, key: tuple[str, SourceId], reason: EndReason) -> None:
        recording = self._held.pop(key).recording
        try:
            recording.close(reason)
        except Exception:  # one recording ends, the others go on
            log.exception("a recording did not end in order", room=recording.room_id, source=recording.source)

    async def run(self) -> None:
        """Drive all recordings for ever."""
        while True:
            await asyncio.sleep(TICK_S)
            self.tick()

    def tick(self) -> None:
        """Do once what is due."""
        now_ns = self._clock.mono_ns()
        for key, held in tuple(self._held.items()):
            try:
                held.recording.tick(now_ns)
            except Exception:  # one recording ends, the others go on
                log.exception("a recording failed", room=key[0], source=key[1])
                self._end(key, EndReason.UNKNOWN)

    def close(self) -> None:
        """End everything in good order: the worker ends."""
        for key in tuple(self._held):
            self._end(key, EndReason.SHUTDOWN)
