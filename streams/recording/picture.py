"""The picture of one track, from whichever of its layers is the best that flows.

Made by `part`, on the event loop, time is given. Watches the highest layer, so that the publisher does not pause it,
takes units of the best one that flows, and changes over at a key frame only. Asks for a key frame at the beginning,
after losses, and so often that none is more than ten seconds away.
"""

from collections.abc import Callable

from media.base.clock import Clock
from media.packet import AccessUnit
from streams.publication import Layer, PublishedTrack
from streams.recording.lane import Lane

KEY_EVERY_NS = 9_000_000_000
"""Asked a second before it is due: the answer takes a round trip and an encoder's turn."""

ASK_AGAIN_NS = 1_000_000_000
SETTLE_NS = 3_000_000_000
"""A higher layer is taken up again so long after the last change: links that stagger would cut a file each second."""

VIDEO_INDEX = 0

OnPicture = Callable[[Lane, AccessUnit], None]


class Picture:
    """One video track being recorded."""

    def __init__(self, published: PublishedTrack, clock: Clock, on_unit: OnPicture) -> None:
        """Watch and listen; `close` ends both."""
        self.published = published
        self._clock = clock
        self._on_unit = on_unit
        self._lanes: dict[str, Lane] = {}
        self._watched: frozenset[str] = frozenset()
        self._chosen: str | None = None
        self._target: str | None = None
        self._changed_ns = 0
        self._key_ns = 0
        self._asked_ns = 0
        self._lost = 0
        self._lost_seen = 0
        self.look()

    @property
    def layer(self) -> str | None:
        """Return the layer units are taken from, None before the first key frame."""
        return self._chosen

    @property
    def lost_packets(self) -> int:
        """Return how many packets never came in time."""
        return self._lost + sum(lane.lost_packets for lane in self._lanes.values())

    def close(self) -> None:
        """Listen and watch no more."""
        for rid in tuple(self._lanes):
            self._close_lane(rid)
        for rid in self._watched:
            self.published.unwatch(rid)
        self._watched = frozenset()

    def look(self) -> None:
        """Follow the layers; called after every change of the publication."""
        layers = self.published.layers
        if not layers:
            return
        self._target = self._best(layers)
        self._watch({layers[-1].rid, self._target, self._chosen})
        wanted = {layer.rid: layer for layer in layers if layer.rid in (self._target, self._chosen)}
        for rid, lane in tuple(self._lanes.items()):
            if rid not in wanted or wanted[rid].track is not lane.track:
                self._close_lane(rid)
        if self._chosen is not None and self._chosen not in self._lanes:
            self._chosen = None  # its packets continue nothing we have
        for rid, layer in wanted.items():
            if rid not in self._lanes:
                self._lanes[rid] = Lane(layer.track, VIDEO_INDEX, self._clock, self._take)
                self._ask(rid)

    def _best(self, layers: tuple[Layer, ...]) -> str:
        """Return the layer to take: the highest that flows; a change for a higher one waits a while."""
        flowing = [layer.rid for layer in layers if layer.is_flowing]
        if not flowing:
            return self._chosen if self._chosen in {layer.rid for layer in layers} else layers[-1].rid
        if self._chosen in flowing and self._clock.mono_ns() - self._changed_ns < SETTLE_NS:
            return self._chosen
        return flowing[-1]

    def _watch(self, rids: set[str | None]) -> None:
        """Change what is watched, the new before the old: a moment without watchers would pause the uplink."""
        wanted = frozenset(rid for rid in rids if rid is not None)
        before, self._watched = self._watched, wanted
        for rid in wanted - before:
            self.published.watch(rid)
        for rid in before - wanted:
            self.published.unwatch(rid)

    def _close_lane(self, rid: str) -> None:
        self._lanes[rid].close()  # what waits still belongs to it
        self._lost += self._lanes.pop(rid).lost_packets

    def _take(self, lane: Lane, unit: AccessUnit) -> None:
        rid = next((rid for rid, each in self._lanes.items() if each is lane), None)
        if rid is None:
            return
        if rid != self._chosen:
            if not unit.is_key or rid != self._target:
                return
            self._change_to(rid)
        if unit.is_key:
            self._key_ns = unit.received_mono_ns
        self._on_unit(lane, unit)

    def _change_to(self, rid: str) -> None:
        before, self._chosen = self._chosen, rid
        self._changed_ns = self._clock.mono_ns()
        if before is not None and before in self._lanes:
            self._close_lane(before)
        self._watch({self.published.layers[-1].rid, rid})

    def tick(self, now_ns: int) -> None:
        """Give up what is missing, look for a better layer, ask for the key frame that is due."""
        for lane in tuple(self._lanes.values()):
            lane.tick(now_ns)
        self.look()
        lost = self.lost_packets
        has_lost, self._lost_seen = lost > self._lost_seen, lost
        is_due = has_lost or self._chosen is None or self._target != self._chosen
        if is_due or now_ns - self._key_ns >= KEY_EVERY_NS:
            self.ask(now_ns)

    def ask(self, now_ns: int) -> None:
        """Ask for a key frame of the layer that is wanted, at most once a second."""
        if self._target is not None and now_ns - self._asked_ns >= ASK_AGAIN_NS:
            self._ask(self._target)

    def _ask(self, rid: str) -> None:
        self._asked_ns = self._clock.mono_ns()
        self.published.origin.request_key(self.published.name, rid)
