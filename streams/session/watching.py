"""What a session watches: its subscribing connection, who is in which slot, and the sources it holds.

Used by `session` on the worker's loop. Whether something may be watched is decided before it comes here. A track keeps
its slot while its source is away, and is shown again when it is back. Audio slots that nobody subscribed are filled with
whom the room finds audible. Refuses when there is no connection, no free slot, or the account watches too much.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import structlog

from media.base.errors import ErrorKind, HubError
from media.base.ids import SourceId
from media.base.tasks import Owner
from media.packet import Kind
from streams.publication import Publication, PublishedTrack, TrackName
from streams.rooms.seat import RoomSource
from streams.session.accounts import Accounts
from streams.session.codes import code_of
from streams.session.ear import Ear
from streams.session.events import ConnectionLost, LayerChosen, LinkQuality, Slot, Unsubscribed
from streams.session.held import Held
from streams.session.ports import MediaSlotPort, PeersPort, PlanePort, SubscribingPort
from streams.session.sources import Sources
from streams.session.wire import to_wire
from streams.webrtc.layers import Wish
from streams.webrtc.subscribing import EndCause, SubscribeEvents

log = structlog.get_logger(__name__)

MAX_VIDEO_SLOTS = 36
MAX_AUDIO_SLOTS = 4
VOICE_RETRY_S = 1.0


@dataclass(slots=True, eq=False)
class Subscription:
    """One track in one slot. `is_given`: put there by the room, not asked for by the page; `is_open`: found once."""

    source: SourceId
    name: TrackName
    mid: str
    wish: Wish
    is_given: bool = False
    is_open: bool = False
    held: Held | None = None
    bytes_before: int = 0


class WatchingHost(Protocol):
    """What watching needs of its session."""

    name: str
    account: str
    peers: PeersPort
    plane: PlanePort
    accounts: Accounts
    owner: Owner
    sources: Sources

    def say(self, message: Mapping[str, Any]) -> None:
        """Send a message to the page."""
        ...

    def source_let_go(self, source: SourceId, reason: str, bytes_sent: int) -> None:
        """Learn that the page watches nothing of a source any more."""
        ...


class Watching:
    """The receiving half of a session."""

    def __init__(self, host: WatchingHost) -> None:
        """Begin without a connection."""
        self._host = host
        self.peer: SubscribingPort | None = None
        self._ear = Ear()
        self._subscriptions: dict[tuple[SourceId, TrackName], Subscription] = {}
        self._of_mid: dict[str, Subscription] = {}
        self._held: dict[SourceId, Held] = {}
        self._audible: tuple[SourceId, ...] = ()
        self._homes: Mapping[SourceId, str] = {}

    # --- the connection -----------------------------------------------------------------------------------------------

    async def answer(self, offer_sdp: str, *, is_fresh: bool) -> str:
        """Answer an offer of slots; HubError of the peer, which then is as before."""
        if is_fresh or self.peer is None or self.peer.ended.is_set():
            answer = await self._begin(offer_sdp)
        else:
            answer = await self.peer.answer(offer_sdp)
            self._forget_closed_slots()
        self._fill_audio()
        return answer

    async def _begin(self, offer_sdp: str) -> str:
        """Make a new connection and let the former one go, once the offer is answered."""
        ear = Ear()
        events = SubscribeEvents(
            on_layer=ear.of(self.layer_changed),
            on_quality=ear.of(self.quality_changed),
            on_ended=ear.of(self.connection_ended),
        )
        peer = self._host.peers.subscribing(self._host.name, events)
        try:
            answer = await peer.answer(offer_sdp)
        except BaseException:
            ear.close()
            await peer.aclose()
            raise
        await self._drop_peer("viewer")
        self._ear, self.peer = ear, peer
        return answer

    def _forget_closed_slots(self) -> None:
        """Let go what was in slots that the offer has ended."""
        peer = self.peer
        assert peer is not None
        for mid in [mid for mid in self._of_mid if mid not in peer.slots]:
            self._drop(self._of_mid[mid], "viewer")

    async def add_candidates(self, fragment: str) -> None:
        """Take trickled candidates; HubError CONFLICT `not_connected`."""
        await self._connected().add_candidates(fragment)

    def _connected(self) -> SubscribingPort:
        if self.peer is None or self.peer.ended.is_set():
            raise HubError(ErrorKind.CONFLICT, "there is no subscribing connection", code="not_connected")
        return self.peer

    async def _drop_peer(self, reason: str) -> None:
        self._forget_all(reason)
        self._ear.close()
        peer, self.peer = self.peer, None
        if peer is not None:
            await peer.aclose()

    def _forget_all(self, reason: str) -> None:
        for subscription in tuple(self._subscriptions.values()):
            self._drop(subscription, reason, is_told=False)

    async def aclose(self, reason: str) -> None:
        """End the connection and let everything go. Idempotent."""
        self._audible = ()
        await self._drop_peer(reason)

    # --- what the page asks for ---------------------------------------------------------------------------------------

    async def subscribe(self, source: SourceId, name: TrackName, slot: str, wish: Wish) -> str:
        """Put a track into a free slot and return its mid; the page is told by `announce`.

        `slot` is the worker the source lives on. A track that is there already takes the new wish. HubError
        `not_connected`, `no_slot`, `too_many_subscriptions`, `codec_unsupported`, `wrong_state` when unsubscribed
        meanwhile, or of the plane.
        """
        present = self._subscriptions.get((source, name))
        if present is not None and not present.is_given:
            self._slot_of(present).wish(wish)
            present.wish = wish
            return present.mid
        peer = self._connected()
        if name.kind is Kind.VIDEO:
            self._host.accounts.open_video(self._host.account)
        try:
            subscription = Subscription(source, name, self._choose_slot(peer, name.kind), wish)
        except HubError:
            self._uncount(name)
            raise
        await self._fill(subscription, slot)
        return subscription.mid

    def announce(self, mid: str) -> None:
        """Tell what is in a slot."""
        subscription = self._of_mid.get(mid)
        if subscription is not None:
            self._host.say(to_wire(self._view(mid, subscription)))

    async def _fill(self, subscription: Subscription, slot: str) -> None:
        """Keep the slot, find the source, show it; on failure nothing is left."""
        key = (subscription.source, subscription.name)
        self._subscriptions[key] = subscription
        self._of_mid[subscription.mid] = subscription
        subscription.bytes_before = self._sent_bytes(subscription.mid)
        try:
            held = subscription.held = self._hold(subscription.source, slot)
            await held.first()
            self._check_wanted(subscription)
            self._show(subscription)
            subscription.is_open = True
        except BaseException:
            if self._subscriptions.get(key) is subscription:
                self._drop(subscription, "refused", is_told=False)
            raise

    def _check_wanted(self, subscription: Subscription) -> None:
        if self._subscriptions.get((subscription.source, subscription.name)) is not subscription:
            raise HubError(ErrorKind.CONFLICT, "unsubscribed meanwhile", code="wrong_state")

    def unsubscribe(self, source: SourceId, name: TrackName) -> None:
        """Empty the slot of a track; nothing happens when there is none."""
        subscription = self._subscriptions.get((source, name))
        if subscription is not None and not subscription.is_given:
            self._drop(subscription, "unsubscribed")
            self._fill_audio()

    def quality(self, source: SourceId, name: TrackName, wish: Wish) -> None:
        """Show a track in another size; HubError CONFLICT `wrong_state` when it is not subscribed."""
        subscription = self._subscriptions.get((source, name))
        if subscription is None or subscription.is_given:
            raise HubError(ErrorKind.CONFLICT, "this track is not subscribed", code="wrong_state")
        subscription.wish = wish
        self._slot_of(subscription).wish(wish)

    @property
    def count(self) -> int:
        """Return how many tracks are in slots."""
        return len(self._subscriptions)

    def is_watched(self, source: SourceId) -> bool:
        """Tell whether the page subscribes anything of a source."""
        return any(each.source == source and not each.is_given for each in self._subscriptions.values())

    def end_source(self, source: SourceId, code: str) -> int:
        """End every subscription of a source and say why; return how many there were."""
        found = [each for each in self._subscriptions.values() if each.source == source]
        for subscription in found:
            self._drop(subscription, code)
            if not subscription.is_given:
                ended = Unsubscribed(source=source, track=subscription.name.value, code=code)  # type: ignore[arg-type]
                self._host.say(to_wire(ended))
        return len(found)

    # --- slots --------------------------------------------------------------------------------------------------------

    def _choose_slot(self, peer: SubscribingPort, kind: Kind) -> str:
        for mid, slot in peer.slots.items():
            if slot.kind is kind and mid not in self._of_mid:
                return mid
        for subscription in reversed(self._of_mid.values()):
            if subscription.is_given and subscription.name.kind is kind:
                self._drop(subscription, "displaced")
                return subscription.mid
        raise HubError(ErrorKind.EXHAUSTED, "no free slot of this kind", code="no_slot")

    def _slot_of(self, subscription: Subscription) -> MediaSlotPort:
        return self._connected().slots[subscription.mid]

    def _view(self, mid: str, subscription: Subscription | None) -> Slot:
        kind = subscription.name.kind if subscription is not None else self._kind_of(mid)
        return Slot(
            mid=mid,
            kind=kind.value,
            source=subscription.source if subscription is not None else None,
            track=subscription.name.value if subscription is not None else None,
        )

    def _kind_of(self, mid: str) -> Kind:
        return self.peer.slots[mid].kind if self.peer is not None and mid in self.peer.slots else Kind.VIDEO

    def views(self) -> list[Slot]:
        """Return what is in the slots, for `welcome`."""
        return [self._view(mid, subscription) for mid, subscription in self._of_mid.items()]

    def _drop(self, subscription: Subscription, reason: str, *, is_told: bool = True) -> None:
        """Take a subscription out of everything it is in."""
        key = (subscription.source, subscription.name)
        sent_bytes = self._sent_bytes(subscription.mid)
        if self._subscriptions.get(key) is subscription:
            del self._subscriptions[key]
        if self._of_mid.get(subscription.mid) is subscription:
            del self._of_mid[subscription.mid]
            self._empty(subscription.mid)
            if is_told:
                empty = Slot(mid=subscription.mid, kind=subscription.name.kind.value, source=None, track=None)
                self._host.say(to_wire(empty))
        if not subscription.is_given:
            self._uncount(subscription.name)
        if subscription.held is not None:
            held, subscription.held = subscription.held, None
            held.sent_bytes += max(0, sent_bytes - subscription.bytes_before)
            self._let_go(held, reason)

    def _empty(self, mid: str) -> None:
        slot = self.peer.slots.get(mid) if self.peer is not None else None
        if slot is not None:
            slot.show(None)

    def _uncount(self, name: TrackName) -> None:
        if name.kind is Kind.VIDEO:
            self._host.accounts.close_video(self._host.account)

    # --- sources ------------------------------------------------------------------------------------------------------

    def _hold(self, source: SourceId, slot: str) -> Held:
        held = self._held.get(source)
        if held is None:
            held = Held(self._host.plane, self._host.owner, source, slot, self._source_changed)
            self._held[source] = held
        else:
            held.moved(slot)
        held.users += 1
        return held

    def _let_go(self, held: Held, reason: str) -> None:
        held.users -= 1
        if not held.users and self._held.get(held.source) is held:
            del self._held[held.source]
            held.close()
            self._host.sources.release(held.source)
        if not self.is_watched(held.source):
            self._host.source_let_go(held.source, reason, held.sent_bytes)

    def source_published(self, publication: Publication) -> None:
        """Take notice of a publication of this worker's own people."""
        held = self._held.get(publication.source)
        if held is not None:
            held.published(publication)
        elif publication.source in self._audible:
            self._fill_audio()

    def sources_moved(self, shown: Callable[[SourceId], RoomSource | None]) -> None:
        """Look whether what is held lives on another worker now."""
        for source, held in self._held.items():
            if (found := shown(source)) is not None:
                held.moved(found.slot)

    def _source_changed(self, held: Held) -> None:
        if self._held.get(held.source) is not held:
            return
        self._host.sources.hold(held.source, held.publication)
        for subscription in tuple(self._subscriptions.values()):
            if subscription.held is held and subscription.is_open:
                self._show_again(subscription)

    def _show_again(self, subscription: Subscription) -> None:
        try:
            self._show(subscription)
        except HubError as error:
            code = code_of(error)
            self._drop(subscription, code)
            if not subscription.is_given:
                ended = Unsubscribed(
                    source=subscription.source, track=subscription.name.value, code="codec_unsupported"
                )
                self._host.say(to_wire(ended))

    def _show(self, subscription: Subscription) -> None:
        """Put what there is of the track into its slot."""
        held = subscription.held
        track = held.publication.get(subscription.name) if held is not None and held.publication is not None else None
        slot = self._slot_of(subscription)
        if slot.shown[0] is not track:
            slot.show(track, subscription.wish)

    def _sent_bytes(self, mid: str) -> int:
        slot = self.peer.slots.get(mid) if self.peer is not None else None
        return slot.stream.totals()[1] if slot is not None else 0

    # --- what the room finds audible ----------------------------------------------------------------------------------

    def set_audible(self, sources: Iterable[SourceId], homes: Mapping[SourceId, str]) -> None:
        """Hear these, loudest first, as far as there are free audio slots; `homes` are the workers they live on."""
        self._audible = tuple(sources)
        self._homes = homes
        wanted = {(source, _voice_of(source)) for source in self._audible}
        for key, subscription in tuple(self._subscriptions.items()):
            if subscription.is_given and key not in wanted:
                self._drop(subscription, "silent")
        self._fill_audio()

    def _fill_audio(self) -> None:
        if self.peer is None or self.peer.ended.is_set():
            return
        free = [mid for mid, slot in self.peer.slots.items() if slot.kind is Kind.AUDIO and mid not in self._of_mid]
        missing = [source for source in self._audible if (source, _voice_of(source)) not in self._subscriptions]
        for source, mid in zip(missing, free, strict=False):
            subscription = Subscription(source, _voice_of(source), mid, Wish(), is_given=True)
            self._subscriptions[(source, subscription.name)] = subscription
            self._of_mid[mid] = subscription
            self._host.owner.start(self._give(subscription), f"hear {source}")

    async def _give(self, subscription: Subscription) -> None:
        key = (subscription.source, subscription.name)
        if self._subscriptions.get(key) is not subscription:
            return
        try:
            await self._fill(subscription, self._homes.get(subscription.source, ""))
        except HubError as error:
            log.debug("a voice is not there", source=subscription.source, cause=error.code)
            await asyncio.sleep(VOICE_RETRY_S)
            self._fill_audio()
            return
        self.announce(subscription.mid)

    # --- what the peer tells ------------------------------------------------------------------------------------------

    def layer_changed(self, mid: str, rid: str | None) -> None:
        """Tell the page which layer flows."""
        track: PublishedTrack | None = None
        if self.peer is not None and mid in self.peer.slots:
            track = self.peer.slots[mid].shown[0]
        layer = track.layer(rid) if track is not None and rid is not None else None
        width, height = (layer.width, layer.height) if layer is not None else (0, 0)
        self._host.say(to_wire(LayerChosen(mid=mid, rid=rid, width=width, height=height)))

    def quality_changed(self, level: int, rtt_ms: float | None, loss: float) -> None:
        """Tell the page how its link is."""
        message = LinkQuality(connection="subscribe", level=level, rtt_ms=round(rtt_ms or 0, 1), loss=round(loss, 4))
        self._host.say(to_wire(message))

    def connection_ended(self, cause: EndCause) -> None:
        """Forget what was watched; the page makes a new connection."""
        self._forget_all("connection_lost")
        if self.peer is not None:
            self._host.owner.start(self.peer.aclose(), "free the subscribing connection")
        self._host.say(to_wire(ConnectionLost(connection="subscribe", reason=cause.value)))


def _voice_of(source: SourceId) -> TrackName:
    return TrackName.MICROPHONE if source.startswith("participant/") else TrackName.AUDIO
