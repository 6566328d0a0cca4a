"""One browser's session on a worker: its seat, its two connections, what it may watch, and what its page is told.

Made by `directory`, on the worker's loop. It is the ear of the room for its seat, and the host of `watching` and
`sending`; what the page says comes through `requests`. It outlives its sockets, and ends once.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, cast

import structlog

from media.base.clock import Clock, rfc3339
from media.base.errors import HubError
from media.base.ids import SourceId
from media.base.tasks import Owner
from streams.publication import Publication, TrackName
from streams.rooms.seat import RoomPort, RoomSource
from streams.session.accounts import Accounts
from streams.session.codes import CAN_RESUME, CLOSE_NUMBERS, CLOSE_SENTENCES
from streams.session.events import (
    Closing,
    IceServer,
    Limits,
    LinkQuality,
    Notice,
    Welcome,
)
from streams.session.grants import Grants
from streams.session.identity import Identity
from streams.session.outgoing import Outgoing
from streams.session.ports import Notify, PeersPort, PlanePort, RoomsPort
from streams.session.rate import RATE_PER_S
from streams.session.requests import Requests
from streams.session.sending import MAX_TRACKS, Sending
from streams.session.sources import Sources
from streams.session.uplink_quality import UplinkQuality
from streams.session.watching import MAX_AUDIO_SLOTS, MAX_VIDEO_SLOTS, Watching
from streams.session.wire import to_wire
from streams.webrtc.turn import IceServer as TurnServer

log = structlog.get_logger(__name__)

COMMAND_TIMEOUT_S = 5.0
SETTLE_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionWorld:
    """What all sessions of a worker share. `notify` tells the api, and returns at once."""

    peers: PeersPort
    plane: PlanePort
    rooms: RoomsPort
    accounts: Accounts
    clock: Clock
    ice_servers: Callable[[str], tuple[TurnServer, ...]]
    notify: Notify


class Session:
    """One session from its first hello to its end, whatever its sockets do."""

    def __init__(self, identity: Identity, world: SessionWorld, on_ended: Callable[["Session"], None]) -> None:
        """Prepare; nothing is taken before `open`."""
        self.identity = identity
        self.name = identity.session_id
        self.account = identity.account
        self.peers, self.plane, self.accounts = world.peers, world.plane, world.accounts
        self.owner = Owner(f"session/{identity.session_id}")
        self.outgoing = Outgoing()
        self.sources = Sources(self.say)
        self.watching = Watching(self)
        self.sending: Sending | None = None
        self.room: RoomPort | None = None
        self.grants = Grants(self._tell_unsubscribed)
        self.requests = Requests(self, world.clock)
        self.since_wall_us = world.clock.wall_us()
        self.opened = asyncio.Event()
        """Set when the seat was taken, or could not be."""
        self.detached_mono_ns: int | None = None
        """Since when nobody reads."""
        self.ending = ""
        """Why it ended, nothing while it lives."""
        self.reason = ""
        """The same in the words of the record: also `expired`."""
        self.me: Mapping[str, Any] = {}
        """The own seat as the room last described it."""
        self._world = world
        self._clock = world.clock
        self._on_ended = on_ended
        self._uplink = UplinkQuality()
        self._allowed: frozenset[TrackName] = frozenset()

    # --- life ---------------------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Take the seat, if there is one to take; HubError of the room."""
        seat = self.identity.seat
        if seat is not None:
            async with asyncio.timeout(COMMAND_TIMEOUT_S):
                self.room = await self._world.rooms.join(seat, self)
            source = self.identity.own_source
            assert source is not None
            self.sending = Sending(self, source, self.room)
            self.sending.allow(self._allowed)

    async def welcome(self, *, is_resumed: bool) -> dict[str, Any]:
        """Return the welcome of now; HubError when the room cannot be asked."""
        snapshot = await self.ask_room(self.room.snapshot()) if self.room is not None else {}
        self.me = snapshot.get("participant") or self.me
        servers = self._world.ice_servers(self.identity.user_id or self.name)
        message = Welcome(
            session_id=self.name,
            resumed=is_resumed,
            ice_servers=[
                IceServer(urls=s.url, username=s.username or None, credential=s.credential or None) for s in servers
            ],
            limits=Limits(
                video_slots=MAX_VIDEO_SLOTS, audio_slots=MAX_AUDIO_SLOTS, tracks=MAX_TRACKS, messages_per_s=RATE_PER_S
            ),
            server_time=rfc3339(self._clock.wall_us()),
            sources=self.sources.views(),
            slots=self.watching.views(),
        )
        return to_wire(message) | snapshot

    @property
    def is_attached(self) -> bool:
        """Tell whether somebody reads."""
        return self.outgoing.is_attached

    def attach(self) -> Outgoing:
        """Return the queue of a new socket; an older one is told that it was replaced."""
        if self.is_attached:
            self._swap().finish(_closing("replaced"), CLOSE_NUMBERS["replaced"])
        elif self.detached_mono_ns is not None and self.room is not None:
            self.room.attached()
        self.outgoing.attach()
        self.detached_mono_ns = None
        if self.outgoing.dropped:
            self.say(to_wire(Notice(code="messages_dropped", message="some chat was lost")))
        return self.outgoing

    def detach(self, outgoing: Outgoing) -> None:
        """Take notice that the socket of this queue is gone."""
        if outgoing is self.outgoing and self.is_attached:
            self._swap()
            self._is_away()

    def hang_up(self, code: str) -> None:
        """Close the socket and tell why; the session waits for the page to resume."""
        if self.is_attached and not self.ending:
            self._swap().finish(_closing(code), CLOSE_NUMBERS[code])
            self._is_away()

    def _swap(self) -> Outgoing:
        """Begin another queue; return that of the last socket. What it had for the api goes by notice."""
        last, self.outgoing = self.outgoing, self.outgoing.heir()
        for told in last.unsent_api():
            if told["type"] == "unsubscribed":
                self._notify_unsubscribed(told)
        return last

    def _is_away(self) -> None:
        self.detached_mono_ns = self._clock.mono_ns()
        if self.room is not None and not self.ending:
            self.room.detached()

    def end(self, code: str, reason: str = "") -> None:
        """End the session and tell the page why; `reason` is for the record. Idempotent."""
        if self.ending:
            return
        self.ending, self.reason = code, reason or code
        log.info("session ended", session=self.name, reason=self.reason)
        self.outgoing.put_api({"type": "ended", "reason": self.reason})
        self.outgoing.finish(_closing(code), CLOSE_NUMBERS[code])
        self._on_ended(self)

    async def aclose(self) -> None:
        """Let go of everything; called once by the directory after `end`."""
        with suppress(TimeoutError):
            async with asyncio.timeout(SETTLE_S):
                await self.requests.settle()
        try:
            await self.watching.aclose(self.reason)
            self.grants.end_all(self.reason)
            if self.sending is not None:
                await self.sending.aclose()
            if self.room is not None and self.ending not in {"room_ended", "removed", "rejected"}:
                await self._give_up_seat(self.room)
        finally:
            await self.owner.aclose()

    async def _give_up_seat(self, room: RoomPort) -> None:
        if self.ending == "worker_restart":
            room.detached()
        else:
            await self._leave(room)

    async def _leave(self, room: RoomPort) -> None:
        try:
            async with asyncio.timeout(COMMAND_TIMEOUT_S):
                await room.leave(_SEAT_REASONS.get(self.reason, "left"))
        except (HubError, TimeoutError) as error:
            log.warning("a seat could not be given up", session=self.name, cause=str(error))

    def tick(self, now_mono_ns: int) -> None:
        """Do what is due about once a second."""
        peer = self.sending.peer if self.sending is not None else None
        if peer is None or self.ending:
            return
        verdict = self._uplink.judge(peer.stats(), now_mono_ns)
        if verdict is not None:
            level, rtt_ms, loss = verdict
            self.say(
                to_wire(LinkQuality(connection="publish", level=level, rtt_ms=round(rtt_ms, 1), loss=round(loss, 4)))
            )

    # --- to the page --------------------------------------------------------------------------------------------------

    def say(self, message: Mapping[str, Any]) -> None:
        """Send a message to the page; a page that does not read ends the session."""
        if self.ending:
            return
        self.outgoing.put(message)
        if self.outgoing.is_full:
            self.hang_up("too_slow")

    # --- rights -------------------------------------------------------------------------------------------------------

    def source_let_go(self, source: SourceId, reason: str, bytes_sent: int) -> None:
        """Hold the right to a camera no more that is watched no more."""
        self.grants.end(source, reason, bytes_sent)

    def _tell_unsubscribed(self, source: SourceId, reason: str, bytes_sent: int) -> None:
        """Tell the api, over the socket or, without one, by a notice."""
        told = {"type": "unsubscribed", "source": source, "reason": reason, "bytes_sent": bytes_sent}
        if self.ending or not self.outgoing.put_api(told):
            self._notify_unsubscribed(told)

    def _notify_unsubscribed(self, told: Mapping[str, Any]) -> None:
        body = {name: told[name] for name in ("source", "reason", "bytes_sent")}
        who = {"session_id": self.name, "user_id": self.identity.user_id}
        self._world.notify("session.unsubscribed", {**who, **body, "at_wall_us": self._clock.wall_us()})

    def revoke(self, source: SourceId, code: str = "revoked") -> int:
        """End what is watched of a source because the right is gone; what the room shows stays. Return how much."""
        if self.sources.shown(source) is not None and source not in self.grants:
            return 0
        ended = self.watching.end_source(source, code)
        self.grants.end(source, code, 0)
        return ended

    def take_revocation(self, what: Mapping[str, Any]) -> None:
        """End what the api says over the socket: what is watched of a source, or the session."""
        code = what.get("code")
        code = code if isinstance(code, str) and code in CLOSE_NUMBERS else "revoked"
        source = what.get("source")
        if isinstance(source, str):
            self.revoke(SourceId(source))
        else:
            self.end(code)

    # --- the room -----------------------------------------------------------------------------------------------------

    async def ask_room(self, asking: Awaitable[dict[str, Any]]) -> dict[str, Any]:
        """Return what the room answers; TimeoutError after 5 s."""
        async with asyncio.timeout(COMMAND_TIMEOUT_S):
            return await asking

    def on_message(self, message: Mapping[str, Any]) -> None:
        """Hand on what the room says, and remember what it says of this seat."""
        if message.get("type") in {"participant", "participants"} and self.identity.seat is not None:
            for who in message.get("participants") or [message["participant"]]:
                if who["id"] == self.identity.seat.participant_id:
                    self.me = who
        self.say(message)

    def on_allowed(self, names: frozenset[TrackName]) -> None:
        """Set the gate."""
        self._allowed = names
        if self.sending is not None:
            self.sending.allow(names)

    def on_sources(self, sources: tuple[RoomSource, ...]) -> None:
        """Let these be watched, and end what may not be any more."""
        for source in self.sources.show(sources, self.identity.own_source, self.grants):
            self.watching.end_source(source, "not_permitted")
        self.watching.sources_moved(self.sources.shown)

    def on_audible(self, sources: tuple[SourceId, ...]) -> None:
        """Hear these, but never oneself."""
        homes = {source: shown.slot for source in sources if (shown := self.sources.shown(source)) is not None}
        self.watching.set_audible([source for source in sources if source in homes], homes)

    def on_ended(self, code: str) -> None:
        """Close, because the seat is gone; who has just asked for it is answered before."""
        self.on_allowed(frozenset())
        if code == "expired" and not self.is_attached:
            self.end("left", "expired")
            return
        known = _ROOM_ENDS.get(code, "internal")
        if self.requests.is_busy and not self.ending:
            self.owner.start(self._end_after_answer(known), "end")
        else:
            self.end(known)

    async def _end_after_answer(self, code: str) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(SETTLE_S):
                await self.requests.settle()
        self.end(code)

    def source_published(self, publication: Publication) -> None:
        """Take notice of a publication of this worker's own people."""
        self.watching.source_published(publication)


def _people_in(message: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    if message["type"] == "participants":
        return cast("Iterable[Mapping[str, Any]]", message["participants"])
    return (message["participant"],) if message["type"] == "participant" else ()


def _closing(code: str) -> dict[str, Any]:
    return to_wire(Closing(code=code, message=CLOSE_SENTENCES[code], can_resume=code in CAN_RESUME))  # type: ignore[arg-type]


_ROOM_ENDS = {
    "room_ended": "room_ended",
    "removed": "removed",
    "rejected": "rejected",
    "replaced": "replaced",
    "expired": "worker_restart",
    "too_slow": "too_slow",
    "worker_unavailable": "worker_restart",
}
"""What a room says at the end of a seat → what the page is told."""

_SEAT_REASONS = {"revoked": "removed", "replaced": "replaced", "expired": "expired"}
