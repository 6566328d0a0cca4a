"""One track as a publisher sends it: its layers, which of them are wanted, and whether anything comes.

Made by `publishing` when a track's first packet comes; on the event loop, time is given. It is the `Origin` of its
`PublishedTrack`: layers nobody watches are let go after a while, those somebody wants are wanted at once, and wishes
for key frames wait here for their turn. A track whose gate is shut keeps its viewers and shows them nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass

from media.codec import g711, opus, vp8
from media.packet import Codec, CodecParams, Kind
from media.rtp.nack import RoundTrip
from streams.publication import Layer, PublishedTrack, TrackName
from streams.webrtc.answer_publish import Accepted
from streams.webrtc.incoming import IncomingLayer, LayerEvents, LayerStats
from streams.webrtc.lipsync import LayerClock, SenderClock, TrackClock
from streams.webrtc.outlet import SourceTrack

PAUSE_AFTER_NS = 3_000_000_000
"""A layer nobody watches is let go after so long: a glance at another page must not cost a key frame."""

AWAY_AFTER_NS = 5_000_000_000
"""A wanted track without packets for so long is away."""


@dataclass(frozen=True, slots=True)
class UplinkEvents:
    """What a track tells its publisher; all return at once."""

    on_gap: Callable[[], None]
    on_key_wished: Callable[[], None]
    on_wanted: Callable[[TrackName, frozenset[str]], None]
    on_changed: Callable[[], None]


@dataclass(frozen=True, slots=True)
class UplinkPlane:
    """What the tracks of one publisher share; `make_track` gives a `SourceTrack` that sends by itself."""

    make_track: Callable[[CodecParams], SourceTrack]
    sender: SenderClock
    round_trip: RoundTrip


def params_of(codec: Codec) -> CodecParams:
    """Return the parameters of a track before its first picture or sound is known."""
    if codec is Codec.OPUS:
        return opus.opus_params()
    if codec is Codec.VP8:
        return vp8.vp8_params()
    if codec.kind is Kind.AUDIO:
        return g711.g711_params(codec)
    return CodecParams(codec=codec, clock_rate_hz=90_000)


class UplinkTrack:
    """One published track and its layers."""

    def __init__(self, line: Accepted, codec: Codec, plane: UplinkPlane, events: UplinkEvents, opened_ns: int) -> None:
        """Open every layer the line may carry; all are wanted at first."""
        self.line = line
        self.codec = codec
        self.opened_ns = opened_ns
        self._events = events
        self._unwatched_ns: dict[str, int] = {}
        self._is_muted = False
        self._is_allowed = True
        clock = TrackClock(params_of(codec).clock_rate_hz, plane.sender)
        self.incoming: dict[str, IncomingLayer] = {}
        layers: list[Layer] = []
        for rid in line.rids or ("",):
            track = plane.make_track(params_of(codec))
            track.timeline = clock
            layer = Layer(rid, track)
            hooks = LayerEvents(events.on_gap, self._sized(layer))
            self.incoming[rid] = IncomingLayer(rid, track, LayerClock(clock, plane.sender), plane.round_trip, hooks)
            layers.append(layer)
        self.published = PublishedTrack(line.name, layers, self)
        self.wanted = frozenset(self.incoming)

    def _sized(self, layer: Layer) -> Callable[[int, int], None]:
        def on_size(width: int, height: int) -> None:
            layer.width, layer.height = width, height
            layers = self.published.layers
            if all(each.width for each in layers):
                self.published.layers = tuple(sorted(layers, key=lambda each: each.width * each.height))
            self._events.on_changed()

        return on_size

    @property
    def name(self) -> TrackName:
        """Return what the track is called."""
        return self.line.name

    def request_key(self, name: TrackName, rid: str) -> None:
        """Wish for a key frame of a layer (Origin)."""
        del name
        layer = self.incoming.get(rid)
        if layer is not None and self.published.kind is Kind.VIDEO:
            layer.keys.wish()
            self._events.on_key_wished()

    def demand_changed(self, name: TrackName) -> None:
        """Want at once what somebody watches (Origin); what nobody watches is let go later, by `review`."""
        del name
        missing = self.published.watched & self.incoming.keys() - self.wanted
        if missing:
            self.wanted |= missing
            self._events.on_wanted(self.name, self.wanted)
            for rid in missing:
                self.request_key(self.name, rid)

    def review(self, now_ns: int) -> None:
        """Let go what nobody has watched for a while, and judge what flows; about once a second."""
        self._review_demand(now_ns)
        has_changed = self._judge(now_ns)
        for layer in self.published.layers:
            incoming = self.incoming[layer.rid]
            incoming.measure(now_ns)
            layer.bitrate_bps = incoming.bitrate_bps
            is_flowing = incoming.is_flowing(now_ns)
            has_changed = has_changed or is_flowing is not layer.is_flowing
            layer.is_flowing = is_flowing
        if has_changed:
            self._events.on_changed()

    def _review_demand(self, now_ns: int) -> None:
        """Sound is never paused: its levels tell who speaks."""
        if self.published.kind is Kind.AUDIO:
            return
        watched = self.published.watched
        self._unwatched_ns = {rid: self._unwatched_ns.get(rid, now_ns) for rid in self.wanted if rid not in watched}
        idle = {rid for rid, since_ns in self._unwatched_ns.items() if now_ns - since_ns >= PAUSE_AFTER_NS}
        if idle:
            self.wanted -= idle
            self._events.on_wanted(self.name, self.wanted)

    def _judge(self, now_ns: int) -> bool:
        """Decide whether the track is live; return whether that is news. One we paused ourselves is not away."""
        came_ns = max(layer.arrived_ns for layer in self.incoming.values())
        is_here = not self.wanted or now_ns - came_ns < AWAY_AFTER_NS or now_ns - self.opened_ns < AWAY_AFTER_NS
        is_live = self._is_allowed and not self._is_muted and is_here
        if is_live is self.published.is_live:
            return False
        self.published.is_live = is_live
        return True

    def mark_flowing(self, rid: str) -> None:
        """Take notice of the first packet of a layer: viewers may switch to it."""
        layer = self.published.layer(rid)
        if layer is not None and not layer.is_flowing:
            layer.is_flowing = True
            self._events.on_changed()

    def set_muted(self, *, is_muted: bool, now_ns: int) -> None:
        """Take notice that the person muted or unmuted the track."""
        self._is_muted = is_muted
        if self._judge(now_ns):
            self._events.on_changed()

    def shut(self) -> None:
        """Let nothing through any more, and forget the cached pictures: whoever joins now must not see them."""
        self._is_allowed = False
        self.published.is_live = False
        for layer in self.incoming.values():
            layer.interrupt()
            layer.track.history.end_group()
            layer.track.pause()

    def open(self, now_ns: int) -> None:
        """Let packets through again; viewers go on with the next key frame."""
        self._is_allowed = True
        self.opened_ns = now_ns
        self._judge(now_ns)
        for rid in self.published.watched:
            self.request_key(self.name, rid)

    def stats(self, now_ns: int) -> tuple[LayerStats, ...]:
        """Return the figures of each layer, lowest first."""
        return tuple(self.incoming[layer.rid].stats(now_ns) for layer in self.published.layers)
