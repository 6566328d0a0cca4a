"""Everything that is recorded of one source in one room: its parts, and how they end.

Made by `meetings`, on the event loop, time is given. A publication that ends does not tell why: somebody left, or a
path was lost. So the end of the runs waits a moment for the word of the room; what came until then is written anyhow.
"""

from collections.abc import Callable
from typing import Protocol

from media.base.clock import Clock
from media.base.ids import SourceId
from media.packet import EndReason
from streams.hub import Stream
from streams.publication import Publication, TrackName
from streams.recording.part import Names, PartRecording

WORD_NS = 2_000_000_000
"""A session ends its connection first and gives up its seat afterwards, within a second or two."""


class Footage(Protocol):
    """Where the parts of sources are written; `part` is `camera`, `sound`, `screen` or `video`."""

    def open(self, room_id: str, source: SourceId, part: str) -> Stream:
        """Return the stream that is written; it goes on with what was recorded under the same names."""
        ...

    def close(self, room_id: str, source: SourceId, part: str, stream: Stream) -> None:
        """Write the stream no more; its run has ended."""
        ...


OF_PEOPLE = (
    Names("camera", TrackName.CAMERA, TrackName.MICROPHONE, alone="sound"),
    Names("screen", TrackName.SCREEN, TrackName.SCREEN_AUDIO),
)
OF_CAMERAS = (Names("video", TrackName.VIDEO, TrackName.AUDIO),)


class SourceRecording:
    """One source being recorded."""

    def __init__(self, room_id: str, source: SourceId, clock: Clock, footage: Footage) -> None:
        """Wait for a publication."""
        self.room_id = room_id
        self.source = source
        self._clock = clock
        self._footage = footage
        kinds = OF_PEOPLE if source.startswith("participant/") else OF_CAMERAS
        self._parts = [PartRecording(names, clock, self._open) for names in kinds]
        self._publication: Publication | None = None
        self._stop_listening: Callable[[], None] = _nothing
        self._lost_ns: int | None = None

    def _open(self, part: str) -> Stream:
        return self._footage.open(self.room_id, self.source, part)

    @property
    def is_running(self) -> bool:
        """Tell whether anything is written now."""
        return any(part.is_running for part in self._parts)

    def follow(self, publication: Publication) -> None:
        """Record what this publication offers, in place of the one before."""
        if publication is self._publication or publication.is_ended:
            return
        self._let_go(EndReason.DISCONNECTED)
        self._publication = publication
        self._stop_listening = publication.listen(self._changed)
        self._changed(publication)

    def _changed(self, publication: Publication) -> None:
        if publication.is_ended:
            self._lost_ns = self._clock.mono_ns()
            return
        for part in self._parts:
            part.look(publication)

    def _let_go(self, reason: EndReason) -> None:
        self._stop_listening()
        self._stop_listening = _nothing
        self._publication = None
        self._lost_ns = None
        for part in self._parts:
            part.end(reason)

    def tick(self, now_ns: int) -> None:
        """Do what is due; about ten times a second."""
        if self._lost_ns is not None:
            if now_ns - self._lost_ns >= WORD_NS:
                self._let_go(EndReason.DISCONNECTED)
            return
        for part in self._parts:
            part.tick(now_ns)

    def close(self, reason: EndReason) -> None:
        """End it, for a reason the timeline shows. Idempotent."""
        self._let_go(reason)
        for part in self._parts:
            for name, stream in part.close().items():
                self._footage.close(self.room_id, self.source, name, stream)


def _nothing() -> None:
    """Stop nothing."""
