"""One source of this worker as another worker pulls it: described when it changes, sent as far as it is wanted.

Made by `holder` for each pulled source, on the event loop. A layer is tapped while the puller wants it, beginning with
the cached group. Every tapping has an index of its own, so that the puller knows where numbers begin anew. When the
link is congested video is dropped to the next key frame, sound as it comes; both are counted.
"""

import asyncio
from typing import Any

from media.base.clock import Clock
from media.packet import Kind
from streams.fanout import Packet
from streams.publication import Layer, Publication, PublishedTrack, TrackName
from streams.relay.frames import ClockReading, FrameType, build_clock, build_packet
from streams.relay.link import Link
from streams.relay.parameters import params_to_json
from streams.webrtc.outlet import SourceTrack

_INDEXES = 1 << 16


class LayerTap:
    """A `streams.webrtc.outlet.Tap` that sends one layer to the puller."""

    def __init__(self, link: Link, place: tuple[int, int], published: PublishedTrack, layer: Layer) -> None:
        """Watch the layer; `place` is stream and index. `begin` starts sending."""
        self.index = place[1]
        self.published = published
        self.rid = layer.rid
        self.track: SourceTrack = layer.track
        self.dropped = 0
        self._link = link
        self._stream = place[0]
        self._first_seq: int | None = None
        self._is_skipping = self.track.kind is Kind.VIDEO
        published.watch(layer.rid)

    def begin(self) -> None:
        """Send the cached group, if there is one, then whatever comes; ask for a key frame where that helps."""
        history = self.track.history
        if history.group_seq is not None:
            for seq in range(history.group_seq, history.next_seq):
                packet = history.get(seq)
                if packet is not None:
                    self._send(seq, packet, is_key=seq == history.group_seq)
            self._is_skipping = False
        elif self._is_skipping:
            self.published.origin.request_key(self.published.name, self.rid)
        self.track.add_tap(self)

    def end(self) -> None:
        """Send nothing more and watch no more."""
        self.track.remove_tap(self)
        self.published.unwatch(self.rid)

    def on_packet(self, seq: int, packet: Packet, is_key: bool) -> None:
        """Pass a packet on, unless the puller must wait for a key frame."""
        if self._link.is_congested:
            self.dropped += 1
            self._is_skipping = self.track.kind is Kind.VIDEO
            return
        if self._is_skipping:
            if not is_key:
                self.dropped += 1
                return
            self._is_skipping = False
            self._first_seq = seq
        self._send(seq, packet, is_key=is_key)

    def _send(self, seq: int, packet: Packet, *, is_key: bool) -> None:
        if self._first_seq is None:
            self._first_seq = seq
        if seq >= self._first_seq:
            self._link.send(build_packet(self._stream, self.index, seq, packet, is_key=is_key))

    def send_clock(self, now_mono_ns: int) -> None:
        """Tell which timestamp it is now; the puller's lip sync hangs on it."""
        timestamp = self.track.timeline.at(now_mono_ns)
        if timestamp is not None:
            self._link.send(build_clock(ClockReading(self._stream, self.index, timestamp, 0)))


class Exporter:
    """One pulled source."""

    def __init__(self, number: int, publication: Publication, link: Link, clock: Clock) -> None:
        """Describe the source at once, and again after every change."""
        self.publication = publication
        self._number = number
        self._link = link
        self._clock = clock
        self._wanted: dict[TrackName, frozenset[str]] = {}
        self._taps: dict[tuple[TrackName, str], LayerTap] = {}
        self._next_index = 0
        self._told: dict[str, Any] = {}
        self._soon: asyncio.Handle | None = None
        self._stop_listening = publication.listen(self._on_change)
        self._refresh()

    def close(self) -> None:
        """Send nothing more and let go of the source. Idempotent."""
        self._stop_listening()
        if self._soon is not None:
            self._soon.cancel()
        for tap in self._taps.values():
            tap.end()
        self._taps.clear()

    @property
    def dropped(self) -> int:
        """Return how many packets the puller missed because it did not keep up."""
        return sum(tap.dropped for tap in self._taps.values())

    def want(self, name: TrackName, rids: frozenset[str]) -> None:
        """Send these layers of a track from now on, and no others."""
        self._wanted[name] = rids
        self._refresh()

    def request_key(self, name: TrackName, rid: str) -> None:
        """Pass a wish for a key frame on to the origin, which throttles."""
        published = self.publication.get(name)
        if published is not None and published.layer(rid) is not None:
            published.origin.request_key(name, rid)

    def tick(self) -> None:
        """Tell clocks, and what changed without an announcement; called about once a second."""
        self._refresh()
        now_ns = self._clock.mono_ns()
        for tap in self._taps.values():
            tap.send_clock(now_ns)

    def _on_change(self, _: Publication) -> None:
        if self._soon is None:
            self._soon = asyncio.get_running_loop().call_soon(self._refresh)

    def _refresh(self) -> None:
        """Make the taps those wanted, telling the puller of new ones before their first packet."""
        if self._soon is not None:
            self._soon.cancel()
            self._soon = None
        begun = self._retap()
        told = self._describe()
        if told != self._told:
            self._told = told
            self._link.send_json(FrameType.SOURCE, told)
        for tap in begun:
            tap.begin()
            tap.send_clock(self._clock.mono_ns())

    def _retap(self) -> list[LayerTap]:
        found = {
            (published.name, layer.rid): (published, layer)
            for published in self.publication.tracks
            for layer in published.layers
            if layer.rid in self._wanted.get(published.name, frozenset())
        }
        for key, tap in tuple(self._taps.items()):
            held = found.get(key)
            if held is None or held[0] is not tap.published or held[1].track is not tap.track:
                del self._taps[key]
                tap.end()
        begun = []
        for key, (published, layer) in found.items():
            if key not in self._taps:
                tap = self._taps[key] = LayerTap(self._link, (self._number, self._next_index), published, layer)
                self._next_index = (self._next_index + 1) % _INDEXES
                begun.append(tap)
        return begun

    def _describe(self) -> dict[str, Any]:
        tracks = [self._describe_track(published) for published in self.publication.tracks]
        return {"stream": self._number, "is_ended": self.publication.is_ended, "tracks": tracks}

    def _describe_track(self, published: PublishedTrack) -> dict[str, Any]:
        layers = []
        for layer in published.layers:
            tap = self._taps.get((published.name, layer.rid))
            layers.append(
                {
                    "rid": layer.rid,
                    "index": -1 if tap is None else tap.index,
                    "width": layer.width,
                    "height": layer.height,
                    "bitrate_bps": layer.bitrate_bps,
                    "is_flowing": layer.is_flowing,
                    "has_keys_on_request": layer.track.history.limit.is_key_on_request,
                    "params": params_to_json(layer.track.params),
                }
            )
        return {"name": published.name.value, "is_live": published.is_live, "layers": layers}
