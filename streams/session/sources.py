"""What a session tells its page of sources: those its room shows, and those it holds.

Pure bookkeeping on values and publications; used by `session`. Says a `source` message when what a page sees of a source
has changed, and not otherwise: a publication changes far more often (sizes, bit rates) than what is told of it.
"""

from collections.abc import Callable, Container, Iterable
from functools import lru_cache
from typing import Any

from media.base.ids import SourceId
from streams.publication import Publication, PublishedTrack, TrackName
from streams.rooms.seat import RoomSource
from streams.rooms.shapes import Said
from streams.session.events import LayerState, Source, SourceTrackState
from streams.session.wire import to_wire


def source_view(source: SourceId, shown: RoomSource | None, publication: Publication | None) -> Source:
    """Return what a page sees of a source that its room shows, or that it holds, or both."""
    known = {track.name: track for track in publication.tracks} if publication is not None else {}
    announced = shown.tracks if shown is not None else frozenset()
    tracks = [_track_view(name, known.get(name)) for name in TrackName if name in known or name in announced]
    is_live = any(track.is_live for track in tracks)
    return Source(source=source, state="live" if is_live else "offline", tracks=tracks)


@lru_cache(maxsize=4096)
def _shown_view(shown: RoomSource) -> Said:
    """Return what everybody is told of a source who does not hold it: made once for all of a room."""
    return Said(to_wire(source_view(shown.source, shown, None)))


def _track_view(name: TrackName, track: PublishedTrack | None) -> SourceTrackState:
    if track is None:
        return SourceTrackState(name=name.value, kind=name.kind.value, codec=None, is_live=True, layers=[])
    codec = track.layers[0].track.params.codec.value if track.layers else None
    layers = [LayerState(rid=layer.rid, width=layer.width, height=layer.height) for layer in track.layers]
    return SourceTrackState(name=name.value, kind=name.kind.value, codec=codec, is_live=track.is_live, layers=layers)


class Sources:
    """What was told last, and what has changed since."""

    def __init__(self, say: Callable[[dict[str, Any]], None]) -> None:
        """Begin with nothing told."""
        self._say = say
        self._shown: dict[SourceId, RoomSource] = {}
        self._held: dict[SourceId, Publication | None] = {}
        self._told: dict[SourceId, dict[str, Any]] = {}

    def shown(self, source: SourceId) -> RoomSource | None:
        """Return what the room shows of a source, None when one may not watch it."""
        return self._shown.get(source)

    def show(self, sources: Iterable[RoomSource], own: SourceId | None, kept: Container[SourceId]) -> list[SourceId]:
        """Let exactly these be watched; return those that may not be any more.

        `own` is never watched; `kept` may be, by another right. A room tells the same values again and again to all in
        it, so only what is another value is looked at.
        """
        before = self._shown
        self._shown = {each.source: each for each in sources if each.is_visible and each.source != own}
        for source, each in self._shown.items():
            if before.get(source) is not each:
                self._tell(source)
        lost = []
        for source in before.keys() - self._shown.keys():
            if source in kept:
                self._tell(source)
                continue
            lost.append(source)
            self._told.pop(source, None)
            self._say(to_wire(Source(source=source, state="gone", tracks=[])))
        return lost

    def hold(self, source: SourceId, publication: Publication | None) -> None:
        """Look at a source that is held; None while it is away."""
        self._held[source] = publication
        self._tell(source)

    def release(self, source: SourceId) -> None:
        """Look at it no more."""
        self._held.pop(source, None)
        if source in self._shown:
            self._tell(source)
        else:
            self._told.pop(source, None)

    def views(self) -> list[Source]:
        """Return everything there is, for `welcome`."""
        known = dict.fromkeys((*self._shown, *self._held))
        return [self._view(source) for source in known]

    def _view(self, source: SourceId) -> Source:
        return source_view(source, self._shown.get(source), self._held.get(source))

    def _tell(self, source: SourceId) -> None:
        shown = self._shown.get(source)
        if shown is not None and source not in self._held:
            message: dict[str, Any] = _shown_view(shown)
        else:
            message = to_wire(self._view(source))
        if self._told.get(source) != message:
            self._told[source] = message
            self._say(message)
