"""Cameras that recorded rooms show and nobody records: taken for the room.

A camera with a recording of its own is not recorded twice; the room's record refers to that footage. The others are
acquired from the plane like any viewer's source, also from another worker, as long as the room shows them and is
recorded. Runs on the worker where the room lives; a look every few seconds, and at once when a room changes.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import structlog

from api.processes.deck import policy_of
from api.state import CameraDesired
from media.base.clock import Clock
from media.base.errors import HubError
from media.base.ids import SourceId
from media.packet import EndReason
from streams.plane import Plane
from streams.publication import Publication
from streams.recording.meetings import MeetingRecorder
from streams.rooms.directory import RoomDirectory
from streams.rooms.room import Room
from streams.rooms.values import SeatKind

log = structlog.get_logger(__name__)

LOOK_EVERY_S = 5.0
ACQUIRE_TIMEOUT_S = 5.0
KNOWN_S = 15.0
"""How long what is known of the cameras' own recording is believed."""

Desired = Callable[[], Awaitable[Mapping[str, CameraDesired] | None]]


class ShownCameras:
    """Takes and lets go. `run` is a task of the worker."""

    def __init__(
        self, rooms: RoomDirectory, plane: Plane, recorder: MeetingRecorder, desired: Desired, clock: Clock
    ) -> None:
        """Follow `rooms`; `desired` tells which cameras are recorded anyway."""
        self._rooms = rooms
        self._plane = plane
        self._recorder = recorder
        self._desired = desired
        self._clock = clock
        self._taken: dict[tuple[str, SourceId], Publication] = {}
        self._wake = asyncio.Event()
        self._known: Mapping[str, CameraDesired] = {}
        self._known_ns: int | None = None
        rooms.listen(self._room_changed)

    def _room_changed(self, room: Room) -> None:
        if any(seat.kind is SeatKind.CAMERA for seat in room.state.seats.values()) or self._taken:
            self._wake.set()

    async def run(self) -> None:
        """Look for ever."""
        while True:
            self._wake.clear()
            await self.look()
            try:
                async with asyncio.timeout(LOOK_EVERY_S):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def look(self) -> None:
        """Make what is taken equal what is wanted."""
        wanted = self._shown()
        if wanted:
            await self._learn()
        wanted = {key: slot for key, slot in wanted.items() if not self._is_recorded(key[1])}
        for key, publication in tuple(self._taken.items()):
            if key not in wanted:
                self._let_go(key)
            elif publication.is_ended:
                self._plane.release(self._taken.pop(key))
        for key, slot in wanted.items():
            if key not in self._taken:
                await self._take(key, slot)

    def _shown(self) -> dict[tuple[str, SourceId], str]:
        return {
            (room.state.id, SourceId(seat.source)): seat.slot
            for room in self._rooms.rooms.values()
            if room.state.recording_since_us is not None
            for seat in room.state.seats.values()
            if seat.kind is SeatKind.CAMERA
        }

    async def _learn(self) -> None:
        now_ns = self._clock.mono_ns()
        if self._known_ns is not None and now_ns - self._known_ns < KNOWN_S * 1e9:
            return
        try:
            found = await self._desired()
        except HubError:
            return  # what was known is believed a while longer
        if found is not None:
            self._known, self._known_ns = found, now_ns

    def _is_recorded(self, source: SourceId) -> bool:
        """Tell whether the camera's own recording is at work now; of an unknown one nobody records anything."""
        camera = self._known.get(source.removeprefix("camera/"))
        return camera is not None and camera.enabled and policy_of(camera).is_planned(self._clock.wall_us())

    async def _take(self, key: tuple[str, SourceId], slot: str) -> None:
        room_id, source = key
        try:
            async with asyncio.timeout(ACQUIRE_TIMEOUT_S):
                publication = await self._plane.acquire(source, slot)
        except (HubError, TimeoutError) as error:
            log.info("a camera shown cannot be recorded yet", room=room_id, source=source, cause=str(error))
            return
        self._taken[key] = publication
        self._recorder.record(room_id, source, self)
        self._recorder.published(publication)

    def _let_go(self, key: tuple[str, SourceId]) -> None:
        self._recorder.stop(*key, self, EndReason.DISABLED)
        self._plane.release(self._taken.pop(key))

    def close(self) -> None:
        """Let everything go."""
        for key in tuple(self._taken):
            self._let_go(key)
