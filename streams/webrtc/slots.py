"""A media slot: one pre-negotiated line of a viewer's connection, and what is shown in it now.

Made by `subscribing` per accepted media line; all on the event loop. A slot shows a published track by taking one of
its layers (a *leg*); while the next layer waits for its key frame the old one goes on. Whatever it shows, it is one
RTP stream to the viewer. Every layer in use is `watch`ed, so that its origin knows what nobody wants.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from media.base.errors import ErrorKind, HubError
from media.packet import CodecParams, Kind
from media.rtp.rtcp import ReportBlock
from streams.publication import Layer, PublishedTrack
from streams.webrtc.answer import payload_type_for
from streams.webrtc.layers import LayerOption, LayerSelector, Wish
from streams.webrtc.offer import Format
from streams.webrtc.out_stream import OutStream
from streams.webrtc.outlet import Outlet, OutletState, Path, SourceTrack

KEY_INTERVAL_NS = 1_000_000_000
"""A viewer that cannot decode asks several times a second; it is served once."""

RESEND_GROUP_BYTES = 256 << 10
"""Of a source that makes key frames when asked, a larger group is dearer than a new key frame."""

SWITCH_GROUP_BYTES = 1 << 20
"""A camera makes no key frame for us: its layer is switched by its cached group, unless that is larger than this."""


OLD_S = 5
"""A cached group whose newest picture is older shows what is no longer so; no camera is slower."""

KNOWN_FORMATS = 16


class SlotHost(Protocol):
    """What a slot needs of its peer."""

    path: Path | None
    """The secured way to the viewer, None until there is one."""

    def catch_up(self, outlet: Outlet) -> None:
        """Let the pump serve an outlet that starts elsewhere than its track stands."""
        ...

    def mono_ns(self) -> int:
        """Return the time."""
        ...

    def layer_changed(self, mid: str, rid: str | None) -> None:
        """Learn which layer of its track a slot shows now, None when nothing."""
        ...


@dataclass(slots=True)
class SlotCounters:
    """What a viewer asked of one slot."""

    nacks: int = 0
    resent: int = 0
    not_resent: int = 0
    key_requests: int = 0
    groups_resent: int = 0
    switches: int = 0


@dataclass(slots=True, eq=False)
class _Leg:
    """One layer on its way into the slot."""

    track: PublishedTrack
    rid: str
    source: SourceTrack
    outlet: Outlet
    is_started: bool = field(default=False)


class MediaSlot:
    """One line of a viewer's connection."""

    def __init__(self, mid: str, kind: Kind, formats: tuple[Format, ...], stream: OutStream, host: SlotHost) -> None:
        """Begin empty; `formats` are the payload types the answer named."""
        self.mid = mid
        self.kind = kind
        self.stream = stream
        self.counters = SlotCounters()
        self.last_report: ReportBlock | None = None
        self.is_closed = False
        self._formats = formats
        self._payload_types: dict[CodecParams, int | None] = {}
        self._is_busy = False
        self._is_stale = False
        self._host = host
        self._selector = LayerSelector()
        self._track: PublishedTrack | None = None
        self._wish = Wish()
        self._leg: _Leg | None = None
        self._next: _Leg | None = None
        self._stop_listening: Callable[[], None] = _nothing
        self._key_served_ns = -KEY_INTERVAL_NS
        stream.on_switch = self._switched

    @property
    def ssrc(self) -> int:
        """Return the one source the viewer knows this slot by."""
        return self.stream.ssrc

    @property
    def shown(self) -> tuple[PublishedTrack | None, str | None]:
        """Return the track in the slot and the layer of it that is sent."""
        return self._track, self._leg.rid if self._leg is not None else None

    @property
    def outlet(self) -> Outlet | None:
        """Return what sends now."""
        return self._leg.outlet if self._leg is not None else None

    def can_play(self, layer: Layer) -> bool:
        """Tell whether the viewer negotiated the codec a layer has now."""
        return self._payload_type(layer) is not None

    def can_show(self, track: PublishedTrack) -> bool:
        """Tell whether the viewer negotiated a codec for any layer of the track."""
        return track.kind is self.kind and any(self.can_play(layer) for layer in track.layers)

    def show(self, track: PublishedTrack | None, wish: Wish | None = None) -> None:
        """Put a track into the slot, or nothing. HubError CONFLICT `codec_unsupported` changes nothing.

        The viewer's numbers go on; without a key frame at hand one is asked for, and until it comes nothing is sent.
        """
        if self.is_closed:
            return
        if track is not None and track.layers and not self.can_show(track):
            codec = track.layers[0].track.params.codec.value
            raise HubError(
                ErrorKind.CONFLICT, "the viewer's browser cannot play this codec", code="codec_unsupported", codec=codec
            )
        self._wish = self._wish if wish is None else wish
        if track is not self._track:
            self._stop_listening()
            self._stop_listening = _nothing
            self._is_busy = True
            self._drop_legs()
            self._is_busy = False
            self._selector.reset()
            self._track = track
            if track is not None and track.publication is not None:
                self._stop_listening = track.publication.listen(lambda _: self.refresh())
        self.refresh()

    def wish(self, wish: Wish) -> None:
        """Show it at another size, or pause."""
        self._wish = wish
        self.refresh()

    def close(self) -> None:
        """Show nothing any more, ever: the line or the connection is gone. Idempotent."""
        self.show(None)
        self.is_closed = True

    def refresh(self) -> None:
        """Look again at what the track offers and what the viewer wants and can take.

        What it does may change the publication, which calls this again: then it looks once more at the end.
        """
        self._is_stale = True
        while self._is_stale and not self._is_busy:
            self._is_stale, self._is_busy = False, True
            try:
                self._look()
            finally:
                self._is_busy = False

    def _look(self) -> None:
        self._follow_namesake()
        track = self._track
        if track is None or track.publication is None or track.publication.is_ended:
            self._drop_legs()
            return
        playable = [layer for layer in track.layers if self.can_play(layer)]
        options = [LayerOption(layer.rid, layer.width, layer.height) for layer in playable]
        rid = self._selector.choose(options, self._wish)
        if rid is None:
            self._drop_legs()
            return
        self._drop_replaced(playable)
        self._aim_at(track, [option.rid for option in options].index(rid), playable)
        self._start_legs()

    def _follow_namesake(self) -> None:
        """Go on with the track that has taken the place of ours in its publication."""
        publication = self._track.publication if self._track is not None else None
        if publication is None or self._track is None:
            return
        successor = publication.get(self._track.name)
        if successor is not None and successor is not self._track:
            self._drop_legs()
            self._track = successor

    def _drop_replaced(self, playable: list[Layer]) -> None:
        """Leave layers that are gone, or that go on with another codec."""
        sources = {layer.rid: layer.track for layer in playable}
        if self._next is not None and sources.get(self._next.rid) is not self._next.source:
            self._close(self._next)
            self._next = None
        if self._leg is not None and sources.get(self._leg.rid) is not self._leg.source:
            self._close(self._leg)
            self._leg, self._next = self._next, None

    def _aim_at(self, track: PublishedTrack, wanted: int, playable: list[Layer]) -> None:
        """Take the wanted layer; one that flows while that one does not."""
        if self._leg is None:
            index = wanted if playable[wanted].is_flowing else _flowing(playable, wanted)
            self._leg = self._open(track, playable[index])
            self._host.layer_changed(self.mid, self._leg.rid)
        elif self._leg.rid == playable[wanted].rid and not playable[wanted].is_flowing and track.is_live:
            wanted = max(wanted - 1, 0) if _flowing(playable, wanted) == wanted else _flowing(playable, wanted)
        rid = playable[wanted].rid
        if self._next is not None and self._next.rid != rid:
            self._close(self._next)
            self._next = None
        if self._leg.rid != rid and self._next is None:
            self._next = self._open(track, playable[wanted])

    def _open(self, track: PublishedTrack, layer: Layer) -> _Leg:
        payload_type = self._payload_type(layer)
        assert payload_type is not None
        track.watch(layer.rid)
        return _Leg(track, layer.rid, layer.track, Outlet(layer.track, payload_type, self.stream))

    def _close(self, leg: _Leg) -> None:
        leg.outlet.stop()
        leg.track.unwatch(leg.rid)

    def _drop_legs(self) -> None:
        legs = [leg for leg in (self._next, self._leg) if leg is not None]
        self._leg = self._next = None
        for leg in legs:
            self._close(leg)
        if legs:
            self._host.layer_changed(self.mid, None)

    def _start_legs(self) -> None:
        path = self._host.path
        if path is None:
            return
        new = [leg for leg in (self._leg, self._next) if leg is not None and not leg.is_started]
        for leg in new:
            leg.is_started = True
            self._forget_old_group(leg.source)
            if leg is self._leg or self._may_switch_at_once(leg.source):
                if not leg.outlet.start(path):
                    self._host.catch_up(leg.outlet)
            else:
                leg.outlet.await_key(path)
        if new:
            self._ask_for_key()

    def _forget_old_group(self, source: SourceTrack) -> None:
        """Begin with no picture rather than with one from before a pause."""
        source_now = source.timeline.at(self._host.mono_ns())
        if source_now is not None and source_now - source.last_timestamp > OLD_S * source.clock_rate_hz:
            source.history.end_group()

    @staticmethod
    def _may_switch_at_once(source: SourceTrack) -> bool:
        history = source.history
        if source.kind is Kind.AUDIO:
            return True
        is_small = 0 < history.group_bytes <= SWITCH_GROUP_BYTES
        return is_small and not history.limit.is_key_on_request

    def _ask_for_key(self) -> None:
        """Ask the origin of every leg that waits; the origin throttles."""
        for leg in (self._leg, self._next):
            if leg is not None and leg.is_started and leg.outlet.state is OutletState.WAITING and leg.track.is_live:
                leg.track.origin.request_key(leg.track.name, leg.rid)

    def _switched(self, outlet: Outlet) -> None:
        """Learn that the next layer has begun: the old one is no longer wanted."""
        following = self._next
        if following is None or following.outlet is not outlet:
            return
        before, self._leg, self._next = self._leg, following, None
        self.counters.switches += 1
        if before is not None:
            before.track.unwatch(before.rid)
        self._host.layer_changed(self.mid, following.rid)

    def on_path(self, path: Path) -> None:
        """Send this way from now on: the keys are there, or ICE nominated another pair."""
        for leg in (self._leg, self._next):
            if leg is not None and leg.is_started:
                leg.outlet.move(path)
        self._start_legs()

    def tick(self) -> None:
        """Do what is due about once a second."""
        if self._track is not None and self.kind is Kind.VIDEO:
            if len(self._track.layers) != 1:
                self.refresh()
            self._ask_for_key()

    def on_report(self, block: ReportBlock, now_ns: int) -> None:
        """Take a reception report on this slot."""
        self.last_report = block
        if self.kind is Kind.VIDEO and self._leg is not None:
            self._selector.report(block.fraction_lost / 256, now_ns)

    def on_key_request(self) -> None:
        """Serve a viewer that has lost the picture: from the cached group when that is sensible, else upstream.

        One who waits or is catching up has it coming anyway.
        """
        self.counters.key_requests += 1
        leg, now_ns = self._leg, self._host.mono_ns()
        if leg is None or self.kind is not Kind.VIDEO or leg.outlet.state is not OutletState.LIVE:
            return
        if now_ns - self._key_served_ns < KEY_INTERVAL_NS:
            return
        self._key_served_ns = now_ns
        history = leg.source.history
        is_dear = history.group_bytes > RESEND_GROUP_BYTES or not history.is_group_whole()
        if history.limit.is_key_on_request and is_dear:
            leg.track.origin.request_key(leg.track.name, leg.rid)
            return
        self.counters.groups_resent += 1
        if not leg.outlet.restart():
            self._host.catch_up(leg.outlet)

    def _payload_type(self, layer: Layer) -> int | None:
        params = layer.track.params
        if params not in self._payload_types:
            if len(self._payload_types) >= KNOWN_FORMATS:
                self._payload_types.clear()
            self._payload_types[params] = payload_type_for(self._formats, params)
        return self._payload_types[params]


def _flowing(playable: list[Layer], wanted: int) -> int:
    """Return the layer that flows and is nearest to the wanted one, rather below than above; that one when none does."""
    below = [index for index in range(wanted) if playable[index].is_flowing]
    above = [index for index in range(wanted + 1, len(playable)) if playable[index].is_flowing]
    return below[-1] if below else above[0] if above else wanted


def _nothing() -> None:
    """Stands where no publication is listened to."""
