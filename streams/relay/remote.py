"""A source of another worker, as this one's subscribers see it.

Made by `puller`, fed from its link on the event loop, subscribed to like any other publication. Packets are numbered
anew and densely, each tapping of the holder joined to the one before, so that a broken link or a restarted worker
is a pause for viewers and not another source. Asks for what is watched here, and for key frames, at the holder.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from media.base.clock import Clock
from media.base.errors import RemoteProtocolError
from media.base.ids import SourceId
from media.packet import CodecParams
from streams.fanout import CAMERA, PEOPLE, GroupLimit
from streams.publication import Layer, Publication, PublishedTrack, TrackName
from streams.relay.frames import ClockReading, RelayedPacket
from streams.relay.parameters import params_from_json
from streams.webrtc.outlet import SourceTrack

MakeTrack = Callable[[CodecParams, GroupLimit], SourceTrack]

MAX_TRACKS = 16
MAX_LAYERS = 4


class RemoteTimeline:
    """A layer's clock as the holder told it last."""

    def __init__(self, clock_rate_hz: int) -> None:
        """Know nothing yet."""
        self.clock_rate_hz = clock_rate_hz
        self._reading: tuple[int, int] | None = None

    def told(self, timestamp: int, at_mono_ns: int) -> None:
        """Remember which source timestamp it was when."""
        self._reading = (timestamp, at_mono_ns)

    def at(self, mono_ns: int) -> int | None:
        """Return the source timestamp of a moment; None while unknown."""
        if self._reading is None:
            return None
        timestamp, at_ns = self._reading
        return timestamp + (mono_ns - at_ns) * self.clock_rate_hz // 1_000_000_000


class LayerInlet:
    """One tapping of a layer: its packets go on where the tapping before ended."""

    def __init__(self, layer: Layer, clock: Clock) -> None:
        """Begin with the first packet that comes."""
        self._track = layer.track
        self._clock = clock
        self._first_seq: int | None = None
        self._seq_offset = 0
        self._ts_offset = 0

    def take(self, relayed: RelayedPacket) -> None:
        """Put a packet into the local track."""
        if self._first_seq is None:
            self._first_seq = relayed.seq
            self._splice(relayed)
        if relayed.seq < self._first_seq:
            return
        packet = relayed.packet
        if self._ts_offset:
            packet = packet._replace(timestamp=packet.timestamp + self._ts_offset)
        self._track.put(relayed.seq + self._seq_offset, packet, is_key=relayed.is_key)

    def _splice(self, relayed: RelayedPacket) -> None:
        """Continue the local numbers; timestamps of the same source are kept, those of a new life are moved behind."""
        track = self._track
        if not len(track.history):
            return
        self._seq_offset = track.history.next_seq - relayed.seq
        behind = track.last_timestamp - relayed.packet.timestamp
        if not -track.clock_rate_hz * 3600 < behind < 0:
            now = track.timeline.at(self._clock.mono_ns())
            after = track.last_timestamp + track.clock_rate_hz // 30
            self._ts_offset = max(after, now or 0) - relayed.packet.timestamp

    def tell(self, reading: ClockReading) -> None:
        """Take a reading of the holder's clock."""
        timeline = self._track.timeline
        if isinstance(timeline, RemoteTimeline):
            timeline.told(reading.timestamp + self._ts_offset, self._clock.mono_ns() - reading.age_ns)


class RemotePublication(Publication):
    """A source held by another worker; also the origin of its tracks."""

    def __init__(self, source: SourceId, make_track: MakeTrack, clock: Clock) -> None:
        """Know nothing of the source yet; `described` resolves with the holder's first word."""
        super().__init__(source)
        self.described: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.ask_want: Callable[[TrackName, frozenset[str]], None] | None = None
        """Set while the link stands: tells the holder which layers are watched."""
        self.ask_key: Callable[[TrackName, str], None] | None = None
        self.needs_asking = True
        """True while the holder has not been told what is watched."""
        self._make_track = make_track
        self._clock = clock
        self._inlets: dict[int, LayerInlet] = {}

    def request_key(self, name: TrackName, rid: str) -> None:
        """Ask the holder."""
        if self.ask_key is not None:
            self.ask_key(name, rid)

    def demand_changed(self, name: TrackName) -> None:
        """Tell the holder what is watched now."""
        published = self.get(name)
        if self.ask_want is not None and published is not None:
            self.ask_want(name, published.watched)

    def ask_all(self) -> None:
        """Tell the holder everything that is watched: the link is new."""
        self.needs_asking = False
        for published in self.tracks:
            self.demand_changed(published.name)

    def lost(self) -> None:
        """Let viewers wait: the link broke."""
        self.ask_want = self.ask_key = None
        self.needs_asking = True
        self._inlets.clear()
        for published in self.tracks:
            published.is_live = False
            for layer in published.layers:
                layer.is_flowing = False
                layer.track.history.end_group()
                layer.track.pause()
        self.changed()

    def take_packet(self, relayed: RelayedPacket) -> None:
        """Take a packet; one of a tapping that ended is ignored."""
        inlet = self._inlets.get(relayed.layer)
        if inlet is not None:
            inlet.take(relayed)

    def take_clock(self, reading: ClockReading) -> None:
        """Take a clock reading."""
        inlet = self._inlets.get(reading.layer)
        if inlet is not None:
            inlet.tell(reading)

    def take_description(self, told: dict[str, Any]) -> None:
        """Make the tracks those the holder has; RemoteProtocolError when malformed."""
        try:
            tracks = [_TrackTold(each) for each in told["tracks"][:MAX_TRACKS]]
            is_ended = bool(told["is_ended"])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise RemoteProtocolError("malformed description of a source") from error
        if is_ended:
            self.end()
        else:
            self._apply(tracks)
        if not self.described.done():
            self.described.set_result(None)

    def _apply(self, tracks: list["_TrackTold"]) -> None:
        names = {track.name for track in tracks}
        for published in self.tracks:
            if published.name not in names:
                self.drop(published.name)
        inlets: dict[int, LayerInlet] = {}
        for track in tracks:
            published = self._published(track)
            published.is_live = track.is_live
            for layer, layer_told in zip(published.layers, track.layers, strict=True):
                layer_told.copy_to(layer)
                if layer_told.index >= 0:
                    inlets[layer_told.index] = self._inlets.get(layer_told.index) or LayerInlet(layer, self._clock)
        self._inlets = inlets
        self.changed()

    def _published(self, told: "_TrackTold") -> PublishedTrack:
        """Return the track by this name, made anew when its codec or kind changed, its layers as told."""
        published = self.get(told.name)
        before = {layer.rid: layer for layer in published.layers} if published is not None else {}
        layers = []
        for each in told.layers:
            layer = before.get(each.rid)
            if layer is None or layer.track.params.codec is not each.params.codec:
                layer = Layer(each.rid, self._new_track(each))
            layers.append(layer)
        codecs = {layer.track.params.codec for layer in before.values()}
        if published is None or codecs.isdisjoint({each.params.codec for each in told.layers}):
            published = PublishedTrack(told.name, layers, self)
            self.put(published)
        elif tuple(layers) != published.layers:
            published.layers = tuple(layers)
        return published

    def _new_track(self, told: "_LayerTold") -> SourceTrack:
        track = self._make_track(told.params, PEOPLE if told.has_keys_on_request else CAMERA)
        track.timeline = RemoteTimeline(told.params.clock_rate_hz)
        return track


class _LayerTold:
    """A layer as the holder describes it."""

    def __init__(self, told: dict[str, Any]) -> None:
        self.rid = str(told["rid"])
        self.index = int(told["index"])
        self.has_keys_on_request = bool(told["has_keys_on_request"])
        self.params = params_from_json(told["params"])
        self._size = (int(told["width"]), int(told["height"]), int(told["bitrate_bps"]))
        self._is_flowing = bool(told["is_flowing"])

    def copy_to(self, layer: Layer) -> None:
        layer.width, layer.height, layer.bitrate_bps = self._size
        layer.is_flowing = self._is_flowing
        layer.track.params = self.params


class _TrackTold:
    """A track as the holder describes it."""

    def __init__(self, told: dict[str, Any]) -> None:
        self.name = TrackName(told["name"])
        self.is_live = bool(told["is_live"])
        self.layers = [_LayerTold(each) for each in told["layers"][:MAX_LAYERS]]
