"""What a session publishes: its publishing connection, the gate in front of it, and what the room is told of it.

Used by `session` on the worker's loop. Nothing passes the gate but what the room allows this seat, from the very call;
the room is asked before a shared screen is answered. Without a seat nothing can be published at all.
"""

from collections.abc import Mapping
from contextlib import suppress
from typing import Protocol

from media.base.errors import ErrorKind, HubError
from media.base.ids import SourceId
from media.base.tasks import Owner
from streams.publication import TrackName
from streams.rooms.seat import RoomPort
from streams.session.ear import Ear
from streams.session.events import ConnectionLost, LayersWanted, Notice
from streams.session.ports import PeersPort, PlanePort, PublishingPort
from streams.session.wire import to_wire
from streams.webrtc.publishing import PublishEnd, PublishEvents

MAX_TRACKS = 4
"""Camera, microphone, screen and its sound."""

NOTHING: frozenset[TrackName] = frozenset()


class SendingHost(Protocol):
    """What sending needs of its session."""

    peers: PeersPort
    plane: PlanePort
    owner: Owner

    def say(self, message: Mapping[str, object]) -> None:
        """Send a message to the page."""
        ...


class Sending:
    """The publishing half of a session that has a seat."""

    def __init__(self, host: SendingHost, source: SourceId, room: RoomPort) -> None:
        """Begin without a connection, with the gate closed."""
        self.source = source
        self._host = host
        self._room = room
        self.peer: PublishingPort | None = None
        self._ear = Ear()
        self.names: frozenset[TrackName] = NOTHING
        self._allowed: frozenset[TrackName] = NOTHING
        self._muted: frozenset[TrackName] = NOTHING

    async def answer(self, offer_sdp: str, names: Mapping[str, TrackName], *, is_fresh: bool) -> str:
        """Answer an offer; HubError of the peer or the room, and then everything is as before."""
        wanted = frozenset(names.values())
        if len(names) > MAX_TRACKS:
            raise HubError(ErrorKind.EXHAUSTED, "too many tracks", code="too_many_tracks")
        if len(wanted) != len(names):
            raise HubError(ErrorKind.INVALID, "two lines have one name", code="bad_message", field="tracks")
        is_new_share = TrackName.SCREEN in wanted and TrackName.SCREEN not in self.names
        if is_new_share:
            await self._room.command("share_start", {})
        taken = NOTHING
        try:
            answer, taken = await self._answer(offer_sdp, names, is_fresh=is_fresh)
        finally:
            if is_new_share and TrackName.SCREEN not in taken:
                self._host.owner.start(self._stop_sharing(), "give the content back")
        self._set_names(wanted & taken)
        return answer

    async def _answer(
        self, offer_sdp: str, names: Mapping[str, TrackName], *, is_fresh: bool
    ) -> tuple[str, frozenset[TrackName]]:
        """Return the answer and the tracks it takes."""
        peer = self.peer
        if is_fresh or peer is None or peer.ended.is_set():
            return await self._begin(offer_sdp, names)
        answer = await peer.answer(offer_sdp, names)
        for name in self.names - frozenset(names.values()):
            peer.unpublish(name)
        return answer, peer.accepted

    async def _begin(self, offer_sdp: str, names: Mapping[str, TrackName]) -> tuple[str, frozenset[TrackName]]:
        """Make a new connection and let the former one go, once the offer is answered."""
        ear = Ear()
        events = PublishEvents(
            on_layers_wanted=ear.of(self._layers_wanted),
            on_level=ear.of(self._level),
            on_ended=ear.of(self._connection_ended),
            on_notice=ear.of(self._notice),
        )
        peer = self._host.peers.publishing(self.source, events)
        peer.allow(self._allowed)
        try:
            answer = await peer.answer(offer_sdp, names)
        except BaseException:
            ear.close()
            await peer.aclose()
            raise
        await self._drop_peer()
        self._ear, self.peer = ear, peer
        peer.allow(self._allowed)
        peer.set_muted(self._muted)
        self._host.plane.publish(peer.publication)
        return answer, peer.accepted

    def _level(self, name: TrackName, level_dbov: int, _mono_ns: int) -> None:
        self._room.report_level(name, level_dbov)

    def _set_names(self, names: frozenset[TrackName]) -> None:
        """Tell the room; with the screen gone from it, the content is given back there."""
        self.names = names
        self._room.report_published(names, self._host.plane.slot)

    async def _stop_sharing(self) -> None:
        """Give the content back that was claimed for nothing."""
        with suppress(HubError):
            await self._room.command("share_stop", {})

    def unpublish(self, name: TrackName) -> None:
        """End one track; HubError CONFLICT `wrong_state` when it is not published."""
        if self.peer is None or name not in self.names:
            raise HubError(ErrorKind.CONFLICT, "this track is not published", code="wrong_state")
        self.peer.unpublish(name)
        self._set_names(self.names - {name})

    async def add_candidates(self, fragment: str) -> None:
        """Take trickled candidates; HubError CONFLICT `not_connected`."""
        if self.peer is None or self.peer.ended.is_set():
            raise HubError(ErrorKind.CONFLICT, "there is no publishing connection", code="not_connected")
        await self.peer.add_candidates(fragment)

    def allow(self, names: frozenset[TrackName]) -> None:
        """Let these tracks through from this call on, and no others."""
        self._allowed = names
        if self.peer is not None:
            self.peer.allow(names)

    def set_muted(self, name: TrackName, *, is_muted: bool) -> None:
        """Take notice of what the person has muted."""
        self._muted = self._muted | {name} if is_muted else self._muted - {name}
        if self.peer is not None:
            self.peer.set_muted(self._muted)

    async def aclose(self) -> None:
        """End the connection. Idempotent."""
        self.names = NOTHING
        await self._drop_peer()

    async def _drop_peer(self) -> None:
        self._ear.close()
        peer, self.peer = self.peer, None
        if peer is not None:
            self._host.plane.withdraw(peer.publication)
            await peer.aclose()

    def _layers_wanted(self, name: TrackName, rids: frozenset[str]) -> None:
        self._host.say(to_wire(LayersWanted(track=name.value, rids=sorted(rids))))

    def _notice(self, code: str) -> None:
        self._host.say(to_wire(Notice(code=code, message="the uplink carries more than it may; packets are dropped")))

    def _connection_ended(self, cause: PublishEnd) -> None:
        """Tell room and page that nothing comes any more; the page makes a new connection."""
        if self.peer is not None:
            self._host.plane.withdraw(self.peer.publication)
            self._host.owner.start(self.peer.aclose(), "free the publishing connection")
        self._set_names(NOTHING)
        self._host.say(to_wire(ConnectionLost(connection="publish", reason=cause.value)))
