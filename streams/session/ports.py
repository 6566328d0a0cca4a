"""What a session needs of its neighbours, said as protocols: peers, slots, the room, and where the api is told.

Declarations only. The real ones are `streams.webrtc.publishing`, `streams.webrtc.subscribing` and `streams.rooms`;
tests put fakes in their place, so that a session is judged without a socket.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from media.base.ids import SourceId
from media.packet import Kind
from streams.publication import Publication, PublishedTrack, TrackName
from streams.rooms.seat import RoomEvents, RoomPort, SeatClaims
from streams.webrtc.layers import Wish
from streams.webrtc.publishing import PublishEvents, PublishStats
from streams.webrtc.subscribing import SubscribeEvents, SubscriberStats


class CountedPort(Protocol):
    """Something that counts what it sent."""

    def totals(self) -> tuple[int, int]:
        """Return packets and bytes."""
        ...


class MediaSlotPort(Protocol):
    """One m-line of the subscribing connection."""

    @property
    def kind(self) -> Kind:
        """Say whether it is seen or heard."""
        ...

    @property
    def shown(self) -> tuple[PublishedTrack | None, str | None]:
        """Return what is in it and which layer flows."""
        ...

    def show(self, track: PublishedTrack | None, wish: Wish | None = None) -> None:
        """Put a track into it, or nothing; HubError `codec_unsupported` when the browser cannot play it."""
        ...

    def wish(self, wish: Wish) -> None:
        """Show it in another size, or pause."""
        ...

    @property
    def stream(self) -> CountedPort:
        """Return what counts what was sent."""
        ...


class SubscribingPort(Protocol):
    """The connection that carries what is watched."""

    @property
    def slots(self) -> Mapping[str, MediaSlotPort]:
        """Return the slots by mid, in order of the offer."""
        ...

    @property
    def ended(self) -> asyncio.Event:
        """Return what is set when the connection is gone."""
        ...

    async def answer(self, offer_sdp: str) -> str:
        """Answer the first or a later offer; HubError `bad_sdp`, `ice_restart_unsupported`."""
        ...

    async def add_candidates(self, fragment: str) -> None:
        """Take trickled candidates."""
        ...

    async def aclose(self) -> None:
        """End it. Idempotent."""
        ...

    def stats(self) -> SubscriberStats:
        """Return its figures."""
        ...


class PublishingPort(Protocol):
    """The connection that carries what a person sends."""

    @property
    def publication(self) -> Publication:
        """Return what it publishes."""
        ...

    @property
    def ended(self) -> asyncio.Event:
        """Return what is set when the connection is gone."""
        ...

    @property
    def accepted(self) -> frozenset[TrackName]:
        """Return the tracks the last answer took: lines that cannot be carried are rejected alone."""
        ...

    async def answer(self, offer_sdp: str, names: Mapping[str, TrackName]) -> str:
        """Answer the first or a later offer."""
        ...

    def allow(self, names: frozenset[TrackName]) -> None:
        """Forward these and nothing else, from this call on."""
        ...

    def unpublish(self, name: TrackName) -> None:
        """Take a track out without a new offer."""
        ...

    def set_muted(self, names: frozenset[TrackName]) -> None:
        """Take silence of these for what it is."""
        ...

    async def add_candidates(self, fragment: str) -> None:
        """Take trickled candidates."""
        ...

    async def aclose(self) -> None:
        """End it. Idempotent."""
        ...

    def stats(self) -> PublishStats:
        """Return its figures."""
        ...


class PlanePort(Protocol):
    """Where publications are found."""

    slot: str

    def publish(self, publication: Publication) -> None:
        """Offer one of this worker's own."""
        ...

    def withdraw(self, publication: Publication) -> None:
        """Offer it no more."""
        ...

    def on_published(self, listener: Callable[[Publication], None]) -> None:
        """Call `listener` for every publication offered from now on."""
        ...

    async def acquire(self, source: SourceId, slot: str) -> Publication:
        """Return and hold a publication."""
        ...

    def release(self, publication: Publication) -> None:
        """Hold it no more."""
        ...


class RoomsPort(Protocol):
    """Where rooms are found."""

    async def join(self, claims: SeatClaims, events: RoomEvents) -> RoomPort:
        """Take a seat, or take it up again; HubError `room_not_found`, `room_locked`, `room_full`."""
        ...


class PeersPort(Protocol):
    """Where peer connections are made."""

    def publishing(self, source: SourceId, events: PublishEvents) -> PublishingPort:
        """Return a new publisher, not connected yet."""
        ...

    def subscribing(self, name: str, events: SubscribeEvents) -> SubscribingPort:
        """Return a new viewer, not connected yet."""
        ...


Notify = Callable[[str, dict[str, Any]], None]
"""`notify(kind, body)`: a notice for the api; returns at once."""
