"""Rooms as sessions and WHIP join them, with an ear on what concerns recording.

Put around the rooms of a worker by the wiring; on the event loop. Whether a room records is in every `room` message
and in every snapshot, so nothing is asked of rooms that they do not say anyway, and a participant is recorded by the
worker it is connected to, also while the room's own worker is away.
"""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Protocol

from media.base.errors import HubError
from media.base.ids import SourceId
from media.packet import EndReason
from streams.publication import TrackName
from streams.recording.meetings import MeetingRecorder
from streams.rooms.seat import RoomEvents, RoomPort, RoomSource, SeatClaims


class Rooms(Protocol):
    """Where rooms are found."""

    async def join(self, claims: SeatClaims, events: RoomEvents) -> RoomPort:
        """Take a seat, or take it up again."""
        ...


class RecordedRooms:
    """The same rooms, heard by the recorder."""

    def __init__(self, rooms: Rooms, recorder: MeetingRecorder) -> None:
        """Listen at `rooms` for `recorder`."""
        self._rooms = rooms
        self._recorder = recorder

    async def join(self, claims: SeatClaims, events: RoomEvents) -> RoomPort:
        """Join as `claims` say; HubError of the room."""
        ear = _Ear(events, self._recorder, claims)
        port = _Port(await self._rooms.join(claims, ear), ear)
        with suppress(HubError):  # the next message of the room tells as well
            await port.snapshot()
        return port


class _Ear:
    """The events of one seat on their way to its session."""

    def __init__(self, events: RoomEvents, recorder: MeetingRecorder, claims: SeatClaims) -> None:
        self._events = events
        self._recorder = recorder
        self._room_id = claims.room_id
        self._source = SourceId(f"participant/{claims.participant_id}")

    def heard(self, room: Mapping[str, Any]) -> None:
        """Take notice of what a room is."""
        is_on = bool((room.get("recording") or {}).get("is_on"))
        if room.get("phase", "open") != "open":
            self.ended(EndReason.DISABLED)
        elif is_on:
            self._recorder.record(self._room_id, self._source, self)
        else:
            self._recorder.stop(self._room_id, self._source, self, EndReason.DISABLED)

    def ended(self, reason: EndReason = EndReason.LEFT) -> None:
        """Take notice that the seat is given up."""
        self._recorder.stop(self._room_id, self._source, self, reason)

    def on_message(self, message: Mapping[str, Any]) -> None:
        if message.get("type") == "room":
            self.heard(message["room"])
        self._events.on_message(message)

    def on_allowed(self, names: frozenset[TrackName]) -> None:
        self._events.on_allowed(names)

    def on_sources(self, sources: tuple[RoomSource, ...]) -> None:
        self._events.on_sources(sources)

    def on_audible(self, sources: tuple[SourceId, ...]) -> None:
        self._events.on_audible(sources)

    def on_ended(self, code: str) -> None:
        is_lost = code in {"replaced", "worker_unavailable"}  # the session ends with it, the person comes again
        self.ended(EndReason.DISCONNECTED if is_lost else EndReason.LEFT)
        self._events.on_ended(code)


class _Port:
    """The port of one seat."""

    def __init__(self, port: RoomPort, ear: _Ear) -> None:
        self._port = port
        self._ear = ear
        self.participant_id = port.participant_id

    async def snapshot(self) -> dict[str, Any]:
        found = await self._port.snapshot()
        if "room" in found:
            self._ear.heard(found["room"])
        return found

    async def command(self, action: str, body: Mapping[str, Any]) -> dict[str, Any]:
        return await self._port.command(action, body)

    def report_level(self, name: TrackName, level_dbov: int) -> None:
        self._port.report_level(name, level_dbov)

    def report_published(self, names: frozenset[TrackName], slot: str) -> None:
        self._port.report_published(names, slot)

    def detached(self) -> None:
        self._port.detached()

    def attached(self) -> None:
        self._port.attached()

    async def leave(self, reason: str = "left") -> None:
        self._ear.ended()
        await self._port.leave(reason)
