"""The rooms of one worker, and the way to those of others: where sessions join.

One per worker, on its loop. Rooms whose home is this worker are actors here, restored from their journals at start;
a seat in another worker's room goes over a channel (`remote`). The journal of an ended room stays until the api has
fetched it (`delete`), at most `KEEP_S`.
"""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import structlog

from media.base.clock import Clock
from media.base.tasks import Owner
from streams.publication import TrackName
from streams.rooms.attendance import Attendance, restored
from streams.rooms.audience import Link
from streams.rooms.commands import PAGE_ACTIONS
from streams.rooms.journal import Journal, JournalEntry, load
from streams.rooms.machine import open_room
from streams.rooms.refusals import Code, Refused, error_of
from streams.rooms.room import Room, RoomWorld
from streams.rooms.seat import RoomEvents, RoomPort, RoomSource, SeatClaims
from streams.rooms.seating import check_viewer, is_sent_away
from streams.rooms.values import Phase, RoomState

log = structlog.get_logger(__name__)

KEEP_S = 7 * 86_400.0
SWEEP_EVERY_S = 3600.0
NOTICE_EVERY_S = 1.0
MAX_ROOMS = 500
MAX_KEPT = 2000
"""Rooms open on one worker, and ended rooms not fetched yet; of these the oldest goes."""

Notify = Callable[[str, dict[str, Any]], None]


class RemoteRooms(Protocol):
    """The way to the rooms of other workers."""

    async def join(self, claims: SeatClaims, events: RoomEvents) -> RoomPort:
        """Take a seat in a room whose home is `claims.home_slot`."""
        ...


@dataclass(frozen=True, slots=True)
class KeptRoom:
    """An ended room whose journal waits for the api."""

    state: RoomState
    journal: Journal
    attendance: Attendance


class LocalPort:
    """A seat in a room of this worker."""

    def __init__(self, room: Room, link: Link) -> None:
        """Speak for `link`."""
        self._room = room
        self._link = link
        self.participant_id = link.seat_id

    async def snapshot(self) -> dict[str, Any]:
        """Return what the seat sees now."""
        self._check()
        return self._room.snapshot(self.participant_id)

    async def command(self, action: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Do something as this seat."""
        self._check()
        if action not in PAGE_ACTIONS:
            raise error_of(Code.BAD_MESSAGE, "no such action")
        return await self._room.act(action, self.participant_id, body)

    def _check(self) -> None:
        """Refuse who was replaced by another window, or has left."""
        if self._room.is_ended:
            raise error_of(Code.ROOM_ENDED, "the room has ended")
        if self._room.links.get(self.participant_id) is not self._link:
            raise error_of(Code.NOT_IN_ROOM, "this seat is no longer yours")

    def report_level(self, name: TrackName, level_dbov: int) -> None:
        """Tell how loud an own track is."""
        self._room.hear(self._link, name, level_dbov)

    def report_published(self, names: frozenset[TrackName], slot: str) -> None:
        """Tell what this seat sends."""
        self._room.publishes(self._link, names, slot)

    def detached(self) -> None:
        """Tell that the page is away."""
        self._room.turned(self._link, is_online=False)

    def attached(self) -> None:
        """Tell that the page is back."""
        self._room.turned(self._link, is_online=True)

    async def leave(self, reason: str = "left") -> None:
        """Give the seat up."""
        await self._room.leave(self._link, reason)


class RoomDirectory:
    """The rooms."""

    def __init__(self, slot: str, folder: Path, clock: Clock, notify: Notify, executor: Executor | None = None) -> None:
        """Keep journals in `folder`, written by one thread; tell the api by `notify(kind, data)`."""
        self.slot = slot
        self.rooms: dict[str, Room] = {}
        self.kept: dict[str, KeptRoom] = {}
        self.remote: RemoteRooms | None = None
        self._folder = folder
        self._clock = clock
        self._notify = notify
        self._executor = executor or ThreadPoolExecutor(1, thread_name_prefix="rooms")
        self._owner = Owner("rooms")
        self._world = RoomWorld(slot, clock, self._changed)
        self._notices: dict[str, asyncio.TimerHandle] = {}
        self._listeners: tuple[Callable[[Room], None], ...] = ()
        self._opening = asyncio.Lock()

    async def start(self) -> None:
        """Restore every room of the folder; what cannot be read is left there and told."""
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._executor, self._load_all)
        for kept in found:
            if kept.state.phase is Phase.ENDED:
                self._keep(kept)
            else:
                self._begin(Room(kept.state, kept.journal, kept.attendance, self._world))
        self._owner.start(self._sweep(), "sweep")

    def _load_all(self) -> list[KeptRoom]:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        found: list[KeptRoom] = []
        for path in sorted(self._folder.glob("*.jsonl")):
            try:
                history = load(path)
            except OSError as error:
                log.error("a room cannot be restored", room=path.stem, error=str(error))
                continue
            state, attendance = restored(history.entries)
            if state is not None:
                found.append(KeptRoom(state, Journal(path, self._executor, history.ends), attendance))
        return found

    async def aclose(self) -> None:
        """End the actors; the rooms go on at the next start."""
        await self._owner.aclose()
        for room in self.rooms.values():
            await room.aclose()
        for timer in self._notices.values():
            timer.cancel()
        self._executor.shutdown(wait=False)

    def now_us(self) -> int:
        """Return wall time."""
        return self._clock.wall_us()

    def listen(self, listener: Callable[[Room], None]) -> None:
        """Call `listener` after every change of every room of this worker, and when one begins."""
        self._listeners = (*self._listeners, listener)

    async def join(self, claims: SeatClaims, events: RoomEvents) -> RoomPort:
        """Take a seat, or take it up again; HubError with a code of SIGNALING.md."""
        if claims.home_slot and claims.home_slot != self.slot:
            if self.remote is None:
                raise error_of(Code.WORKER_UNAVAILABLE, "the room is on another worker")
            return await self.remote.join(claims, events)
        room = self.room(claims.room_id)
        return LocalPort(room, await room.join(claims, events))

    def room(self, room_id: str) -> Room:
        """Return an open room of this worker; HubError `room_not_found` or `room_ended`."""
        room = self.rooms.get(room_id)
        if room is not None and not room.is_ended:
            return room
        if room is not None or room_id in self.kept:
            raise error_of(Code.ROOM_ENDED, "the room has ended")
        raise error_of(Code.ROOM_NOT_FOUND, "no such room on this worker")

    def sources(self, room_id: str) -> tuple[RoomSource, ...]:
        """Return what a room shows now; HubError `room_not_found`, `room_ended`."""
        return self.room(room_id).sources

    def check_viewer(self, claims: SeatClaims) -> None:
        """Let somebody watch who takes no seat; HubError `in_lobby`, `room_locked`, `room_not_found`, `room_ended`."""
        try:
            check_viewer(self.room(claims.room_id).state, claims.participant_id, claims.user_id, claims.role)
        except Refused as refused:
            raise refused.refusal.as_error() from None

    def is_sent_away(self, claims: SeatClaims) -> bool:
        """Tell whether somebody who watches without a seat was removed meanwhile; HubError as `sources`."""
        return is_sent_away(self.room(claims.room_id).state, claims.participant_id, claims.user_id)

    def find(self, room_id: str) -> Room | KeptRoom:
        """Return a room, open or ended; HubError `room_not_found`."""
        found = self.rooms.get(room_id) or self.kept.get(room_id)
        if found is not None:
            return found
        raise error_of(Code.ROOM_NOT_FOUND, "no such room on this worker")

    async def put(self, room_id: str, config: Mapping[str, Any]) -> Room:
        """Open a room, or change what was arranged; the same arrangement again changes nothing."""
        async with self._opening:
            if room_id not in self.rooms and room_id not in self.kept:
                return await self._open(room_id, config)
        room = self.room(room_id)
        await room.configure(config)
        return room

    async def _open(self, room_id: str, config: Mapping[str, Any]) -> Room:
        if len(self.rooms) >= MAX_ROOMS:
            raise error_of(Code.ROOM_FULL, "too many rooms on this worker")
        now_us = self._clock.wall_us()
        try:
            command, state = open_room(room_id, config, now_us)
        except Refused as refused:
            raise refused.refusal.as_error() from None
        journal = Journal(self._folder / f"{room_id}.jsonl", self._executor)
        await journal.append([JournalEntry(1, now_us, command)])
        room = Room(state, journal, Attendance(), self._world)
        self._begin(room)
        return room

    def _begin(self, room: Room) -> None:
        self.rooms[room.state.id] = room
        room.start()
        for listener in self._listeners:
            listener(room)

    def _changed(self, room: Room) -> None:
        """Tell the api, at most once a second and room, and listeners at once."""
        for listener in self._listeners:
            listener(room)
        room_id = room.state.id
        if room.is_ended:
            self._owner.start(self._retire(room), f"retire {room_id}")
        elif room_id not in self._notices:
            self._notices[room_id] = asyncio.get_running_loop().call_later(NOTICE_EVERY_S, self._tell, room)

    def _tell(self, room: Room) -> None:
        self._notices.pop(room.state.id, None)
        self._notify("room.changed", {"room_id": room.state.id, "seq": room.state.version})

    async def _retire(self, room: Room) -> None:
        await room.aclose()
        if self.rooms.get(room.state.id) is room:
            del self.rooms[room.state.id]
            self._keep(KeptRoom(room.state, room.journal, room.attendance))
        if (timer := self._notices.pop(room.state.id, None)) is not None:
            timer.cancel()
        self._notify("room.ended", {"room_id": room.state.id, "seq": room.state.version})

    def _keep(self, kept: KeptRoom) -> None:
        self.kept[kept.state.id] = kept
        if len(self.kept) > MAX_KEPT:
            self._owner.start(self.delete(next(iter(self.kept))), "forget")

    async def delete(self, room_id: str) -> None:
        """Forget an ended room: the api has its journal. Idempotent; HubError `wrong_state` while it is open."""
        if room_id in self.rooms:
            raise error_of(Code.WRONG_STATE, "the room is open")
        kept = self.kept.pop(room_id, None)
        if kept is not None:
            await asyncio.get_running_loop().run_in_executor(self._executor, kept.journal.remove)

    async def _sweep(self) -> None:
        while True:
            now_us = self._clock.wall_us()
            for room_id, kept in tuple(self.kept.items()):
                if now_us - (kept.state.ended_us or 0) > KEEP_S * 1e6:
                    log.warning("an ended room was never fetched", room=room_id)
                    await self.delete(room_id)
            await asyncio.sleep(SWEEP_EVERY_S)
