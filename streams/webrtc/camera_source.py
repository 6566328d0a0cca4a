"""The hub's cameras as publications: video in the layers sub and main, and the sound of the main stream.

The plane's `Opener` for `camera/…`, on the event loop. Packets are made only of what somebody watches: a feed is
attached to a stream with the first watcher and taken off a few seconds after the last. A camera that is away keeps
its publication, its tracks and whoever watches them; one that is removed ends it.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from media.base.errors import ErrorKind, HubError
from media.base.ids import Quality, SourceId, StreamKey
from media.packet import CodecParams, Kind
from streams.fanout import CAMERA
from streams.hub import Hub, Stream
from streams.publication import Layer, Publication, PublishedTrack, TrackName
from streams.webrtc.engine import WebRtcEngine
from streams.webrtc.feed import CARRIED, Feed

FEED_LINGER_S = 5.0
"""A stream nobody watches is packetised so much longer: a step back finds its group still there."""

LOWEST_FIRST = (Quality.SUB, Quality.MAIN)


@dataclass(slots=True)
class _Part:
    """One track of one stream: the layer it makes, and its feed while somebody watches."""

    layer: Layer | None = None
    feed: Feed | None = None
    linger: asyncio.TimerHandle | None = None


class CameraSource:
    """One camera's publication and its feeds. The `Origin` of its tracks."""

    def __init__(self, hub: Hub, engine: WebRtcEngine, source: SourceId, linger_s: float) -> None:
        """Look at what the hub has of this camera."""
        self.publication = Publication(source)
        self._hub = hub
        self._engine = engine
        self._linger_s = linger_s
        self._tracks = {
            Kind.VIDEO: PublishedTrack(TrackName.VIDEO, (), self),
            Kind.AUDIO: PublishedTrack(TrackName.AUDIO, (), self),
        }
        self._streams: dict[Quality, Stream] = {}
        self._parts: dict[tuple[Quality, Kind], _Part] = {}
        self._seen: dict[Kind, object] = {}
        self._stop_listening: dict[Quality, Callable[[], None]] = {}
        self.publication.put(self._tracks[Kind.VIDEO])
        self._stop_watching = engine.watch(lambda _now_ns: self.look())
        self.look()

    def close(self) -> None:
        """Take every feed off and end the publication. Idempotent."""
        self._stop_watching()
        for stop in self._stop_listening.values():
            stop()
        for part in self._parts.values():
            _close_feed(part)
        self.publication.end()

    def look(self) -> None:
        """Compare the publication with what the hub has now, and tell the listeners when they differ."""
        if self.publication.is_ended:
            return
        found = {quality: stream for quality in LOWEST_FIRST if (stream := self._stream_of(quality)) is not None}
        if not found:
            self.close()
            return
        for key in [key for key in self._parts if found.get(key[0]) is not self._streams.get(key[0])]:
            _close_feed(self._parts.pop(key))  # the stream was removed, or has been made anew
        self._listen_to(found)
        self._note_left_out()
        sound = Quality.MAIN if Quality.MAIN in found else Quality.SUB
        is_changed = [self._look_at(Kind.VIDEO, tuple(found)), self._look_at(Kind.AUDIO, (sound,))]
        if any(is_changed):
            self._offer_sound()
            self.publication.changed()
        for kind in Kind:
            self._meet_demand(kind)

    def _stream_of(self, quality: Quality) -> Stream | None:
        return self._hub.get(StreamKey(self.publication.source, quality))

    def _listen_to(self, found: dict[Quality, Stream]) -> None:
        for quality in Quality:
            if found.get(quality) is self._streams.get(quality):
                continue
            self._stop_listening.pop(quality, _nothing)()
            if quality in found:
                self._stop_listening[quality] = found[quality].listen(self.look)
        self._streams = found

    def _note_left_out(self) -> None:
        codecs = {track.params.codec for stream in self._streams.values() for track in stream.tracks}
        if codecs:
            self.publication.left_out = frozenset(codecs - CARRIED)

    def _look_at(self, kind: Kind, qualities: tuple[Quality, ...]) -> bool:
        """Bring the layers of a track up to date; return whether anything changed."""
        layers = [layer for quality in qualities if (layer := self._layer_of(quality, kind)) is not None]
        track = self._tracks[kind]
        track.layers = tuple(layers)
        track.is_live = any(layer.is_flowing for layer in layers)
        now = [(layer.rid, layer.track, layer.width, layer.height, layer.is_flowing) for layer in layers]
        is_changed = now != self._seen.get(kind)
        self._seen[kind] = now
        return is_changed

    def _layer_of(self, quality: Quality, kind: Kind) -> Layer | None:
        """Return the layer a stream makes: None while its codec is unknown or cannot be carried."""
        part = self._parts.setdefault((quality, kind), _Part())
        params = next((track.params for track in self._streams[quality].tracks if track.kind is kind), None)
        if params is not None:
            part.layer = self._followed(part, quality, kind, params)
        if part.layer is not None:
            part.layer.is_flowing = params is not None
        return part.layer

    def _followed(self, part: _Part, quality: Quality, kind: Kind, params: CodecParams) -> Layer | None:
        """Return the layer whose track carries the stream's present codec, the same one while it can be."""
        if params.codec not in CARRIED:
            return None
        layer = part.layer
        source = part.feed.tracks.get(kind) if part.feed is not None else None
        source = source or (layer.track if layer is not None else None)
        if source is None or source.params.codec is not params.codec:
            source = self._engine.make_track(params, CAMERA)
        if layer is None or layer.track is not source:
            layer = Layer(quality.value, source)
        layer.width, layer.height = params.width, params.height
        return layer

    def _offer_sound(self) -> None:
        track = self._tracks[Kind.AUDIO]
        is_offered = self.publication.get(TrackName.AUDIO) is not None
        if track.layers and not is_offered:
            self.publication.put(track)
        elif is_offered and not track.layers:
            self.publication.drop(TrackName.AUDIO)

    def request_key(self, name: TrackName, rid: str) -> None:
        """Do nothing: a camera makes its key frames when it likes, which is every few seconds."""

    def demand_changed(self, name: TrackName) -> None:
        """Attach feeds to what is watched, and take off the others after a while."""
        if not self.publication.is_ended:
            self._meet_demand(name.kind)

    def _meet_demand(self, kind: Kind) -> None:
        watched = self._tracks[kind].watched
        for (quality, part_kind), part in self._parts.items():
            if part_kind is not kind:
                continue
            if quality.value in watched:
                self._open_feed(quality, kind, part)
            elif part.feed is not None and part.linger is None:
                part.linger = asyncio.get_running_loop().call_later(self._linger_s, _close_feed, part)

    def _open_feed(self, quality: Quality, kind: Kind, part: _Part) -> None:
        if part.linger is not None:
            part.linger.cancel()
            part.linger = None
        if part.feed is None and part.layer is not None:
            part.feed = Feed(
                self._streams[quality],
                self._engine.pump,
                kinds=frozenset({kind}),
                tracks={kind: part.layer.track},
            )


def _nothing() -> None:
    """Stands where no stream was listened to."""


def _close_feed(part: _Part) -> None:
    if part.linger is not None:
        part.linger.cancel()
        part.linger = None
    if part.feed is not None:
        part.feed.close()
        part.feed = None


class CameraSources:
    """Opens the cameras of a worker's hub for its plane."""

    def __init__(self, hub: Hub, engine: WebRtcEngine, *, linger_s: float = FEED_LINGER_S) -> None:
        """Open nothing yet."""
        self._hub = hub
        self._engine = engine
        self._linger_s = linger_s
        self._open: dict[Publication, CameraSource] = {}

    async def open(self, source: SourceId, slot: str) -> Publication:
        """Return the publication of a camera of this worker; HubError NOT_FOUND `source_not_found`."""
        del slot
        if all(self._hub.get(StreamKey(source, quality)) is None for quality in Quality):
            raise HubError(ErrorKind.NOT_FOUND, "no such camera here", code="source_not_found", source=source)
        made = CameraSource(self._hub, self._engine, source, self._linger_s)
        self._open[made.publication] = made
        return made.publication

    def close(self, publication: Publication) -> None:
        """Take its feeds off and end it."""
        made = self._open.pop(publication, None)
        if made is not None:
            made.close()
