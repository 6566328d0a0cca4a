"""What a worker knows of a source: its tracks, the layers of each, and which of them anybody wants.

One `Publication` per source and worker, whether the source is a camera of the hub, a participant's peer connection or
pulled from another worker. Subscribers watch layers and take packets from the layers' `SourceTrack`s; the origin
feeds them, pauses what nobody watches and answers wishes for key frames. All on the worker's event loop.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from media.base.ids import SourceId
from media.packet import Codec, Kind
from streams.webrtc.outlet import SourceTrack


class TrackName(StrEnum):
    """What a track shows or lets hear: `video` and `audio` of cameras and WHIP sources, the rest of people."""

    VIDEO = "video"
    AUDIO = "audio"
    CAMERA = "camera"
    MICROPHONE = "microphone"
    SCREEN = "screen"
    SCREEN_AUDIO = "screen-audio"

    @property
    def kind(self) -> Kind:
        """Return whether the track is seen or heard."""
        return Kind.AUDIO if self in _HEARD else Kind.VIDEO


_HEARD = frozenset({TrackName.AUDIO, TrackName.MICROPHONE, TrackName.SCREEN_AUDIO})


@dataclass(slots=True, eq=False)
class Layer:
    """One encoding of a track: a simulcast layer (`rid` q, h, f), a camera's quality (sub, main), or the only one ("").

    `width`, `height` in pixels and `bitrate_bps` are what was last seen, 0 while unknown; `is_flowing` tells whether
    packets came in the last second or two.
    """

    rid: str
    track: SourceTrack
    width: int = 0
    height: int = 0
    bitrate_bps: int = 0
    is_flowing: bool = False


class Origin(Protocol):
    """Who feeds a published track. Calls return at once and never raise."""

    def request_key(self, name: TrackName, rid: str) -> None:
        """Ask the source for a key frame of a layer; the origin throttles to one a second and layer."""
        ...

    def demand_changed(self, name: TrackName) -> None:
        """Look at `PublishedTrack.watched` again: a layer gained its first watcher or lost its last."""
        ...


class PublishedTrack:
    """One track of a source with its layers, lowest first."""

    def __init__(self, name: TrackName, layers: Iterable[Layer], origin: Origin) -> None:
        """Begin unwatched."""
        self.name = name
        self.kind = name.kind
        self.layers: tuple[Layer, ...] = tuple(layers)
        self.origin = origin
        self.is_live = True
        """False while the source is away or muted: subscribers keep their places and wait."""
        self.publication: Publication | None = None
        """Whose track it is, once it was put there."""
        self._watchers: Counter[str] = Counter()

    def layer(self, rid: str) -> Layer | None:
        """Return the layer `rid`, or None."""
        return next((layer for layer in self.layers if layer.rid == rid), None)

    @property
    def watched(self) -> frozenset[str]:
        """Return the layers somebody wants, here or on another worker."""
        return frozenset(rid for rid, count in self._watchers.items() if count > 0)

    def watch(self, rid: str) -> None:
        """Want a layer; every call is paired with `unwatch`."""
        self._watchers[rid] += 1
        if self._watchers[rid] == 1:
            self.origin.demand_changed(self.name)

    def unwatch(self, rid: str) -> None:
        """Want a layer no more."""
        self._watchers[rid] -= 1
        if self._watchers[rid] == 0:
            self.origin.demand_changed(self.name)


OnChange = Callable[["Publication"], None]


class Publication:
    """All tracks of one source on this worker."""

    def __init__(self, source: SourceId) -> None:
        """Begin without tracks."""
        self.source = source
        self.is_ended = False
        self.left_out: frozenset[Codec] = frozenset()
        """Codecs the source sends that WebRTC cannot carry: their tracks are not among `tracks`."""
        self._tracks: dict[TrackName, PublishedTrack] = {}
        self._listeners: tuple[OnChange, ...] = ()

    @property
    def tracks(self) -> tuple[PublishedTrack, ...]:
        """Return the tracks there are now."""
        return tuple(self._tracks.values())

    def get(self, name: TrackName) -> PublishedTrack | None:
        """Return a track by name, or None."""
        return self._tracks.get(name)

    def put(self, track: PublishedTrack) -> None:
        """Add a track, or put it in the place of its namesake, and tell the listeners."""
        track.publication = self
        self._tracks[track.name] = track
        self.changed()

    def drop(self, name: TrackName) -> None:
        """Take a track away and tell the listeners; nothing happens when there is none."""
        if self._tracks.pop(name, None) is not None:
            self.changed()

    def end(self) -> None:
        """Tell the listeners that nothing more will come. Idempotent."""
        if not self.is_ended:
            self.is_ended = True
            self._tracks.clear()
            self.changed()

    def listen(self, listener: OnChange) -> Callable[[], None]:
        """Call `listener` after every change of tracks, layers or liveness; return what stops it."""
        self._listeners = (*self._listeners, listener)

        def stop() -> None:
            self._listeners = tuple(each for each in self._listeners if each is not listener)

        return stop

    def changed(self) -> None:
        """Tell the listeners; called by the origin after it changed layers or liveness in place."""
        for listener in self._listeners:
            listener(self)
