"""Cameras that recorded rooms show: taken for the room when nobody else records them, and let go again."""

from pathlib import Path
from typing import Any

import pytest

from api.processes.shown_cameras import KNOWN_S, ShownCameras
from api.state import CameraDesired
from api.state.cameras import RecordingDesired
from media.base.clock import SimulatedClock
from media.base.errors import ErrorKind, HubError
from media.base.ids import SourceId
from media.packet import EndReason
from streams.publication import Publication
from streams.rooms.directory import RoomDirectory
from streams.rooms.seating import camera_seat

GATE = SourceId("camera/gate")


class Plane:
    """Stands where the worker's plane is."""

    def __init__(self) -> None:
        self.held: list[Publication] = []
        self.asked: list[tuple[str, str]] = []
        self.is_away = False

    async def acquire(self, source: SourceId, slot: str) -> Publication:
        self.asked.append((source, slot))
        if self.is_away:
            raise HubError(ErrorKind.UNAVAILABLE, "away", code="worker_unavailable")
        self.held.append(Publication(source))
        return self.held[-1]

    def release(self, publication: Publication) -> None:
        self.held.remove(publication)


class Recorder:
    """Stands where the meeting recorder is."""

    def __init__(self) -> None:
        self.on: dict[tuple[str, str], Publication | None] = {}
        self.ends: list[EndReason] = []

    def record(self, room_id: str, source: SourceId, by: object) -> None:
        self.on[room_id, source] = None

    def published(self, publication: Publication) -> None:
        for room_id, source in self.on:
            if source == publication.source:
                self.on[room_id, source] = publication

    def stop(self, room_id: str, source: SourceId, by: object, reason: EndReason) -> None:
        del self.on[room_id, source]
        self.ends.append(reason)


class World:
    """A directory with rooms `one` and `two`, and everything around it."""

    def __init__(self, folder: Path) -> None:
        self.clock = SimulatedClock()
        self.rooms = RoomDirectory("n/0", folder, self.clock, lambda *_: None)
        self.plane, self.recorder = Plane(), Recorder()
        self.mode = "off"
        self.reads = 0
        self.is_state_away = False
        self.shown = ShownCameras(self.rooms, self.plane, self.recorder, self._desired, self.clock)  # type: ignore[arg-type]

    async def _desired(self) -> dict[str, CameraDesired]:
        self.reads += 1
        if self.is_state_away:
            raise HubError(ErrorKind.UNAVAILABLE, "away", code="state_unavailable")
        return {"gate": CameraDesired(id="gate", source_url_enc="sealed", recording=RecordingDesired(mode=self.mode))}

    async def act(self, room_id: str, action: str, **body: Any) -> None:
        room = self.rooms.room(room_id)
        await room.act(action, "system", body)

    async def show(self, room_id: str = "one") -> None:
        await self.act(room_id, "show_camera", camera_id="gate", name="村口", slot="n/1")


@pytest.fixture
async def world(tmp_path: Path):
    made = World(tmp_path)
    await made.rooms.start()
    for room_id in ("one", "two"):
        await made.rooms.put(room_id, {"name": room_id, "record": True})
    yield made
    made.shown.close()
    await made.rooms.aclose()


async def test_a_camera_nobody_records_is_taken_from_where_it_lives(world: World) -> None:
    await world.show()
    await world.shown.look()
    assert world.plane.asked == [(GATE, "n/1")]
    assert world.recorder.on == {("one", GATE): world.plane.held[0]}
    await world.shown.look()
    assert len(world.plane.held) == 1


async def test_a_camera_with_a_recording_of_its_own_is_left_alone(world: World) -> None:
    world.mode = "continuous"
    await world.show()
    await world.shown.look()
    assert world.plane.asked == []
    world.mode = "off"
    await world.shown.look()
    assert world.plane.asked == [], "what is known is believed for a while"
    world.clock.advance(KNOWN_S + 1)
    await world.shown.look()
    assert world.plane.asked == [(GATE, "n/1")]


@pytest.mark.parametrize("end", ["hide", "stop"])
async def test_it_is_let_go_with_the_showing_or_the_recording(world: World, end: str) -> None:
    await world.show()
    await world.shown.look()
    if end == "hide":
        await world.act("one", "hide_camera", target=camera_seat("gate"))
    else:
        await world.act("one", "record_stop")
    await world.shown.look()
    assert world.plane.held == []
    assert world.recorder.on == {}
    assert world.recorder.ends == [EndReason.DISABLED]


async def test_two_rooms_have_it_each_for_itself(world: World) -> None:
    for room_id in ("one", "two"):
        await world.show(room_id)
    await world.shown.look()
    assert len(world.plane.held) == 2
    await world.act("one", "end")
    await world.shown.look()
    assert list(world.recorder.on) == [("two", GATE)]


async def test_one_that_cannot_be_had_is_asked_for_again(world: World) -> None:
    world.plane.is_away = True
    await world.show()
    await world.shown.look()
    assert world.recorder.on == {}
    world.plane.is_away = False
    await world.shown.look()
    assert list(world.recorder.on) == [("one", GATE)]


async def test_an_ended_publication_is_replaced(world: World) -> None:
    await world.show()
    await world.shown.look()
    first = world.plane.held[0]
    first.end()
    await world.shown.look()
    assert world.plane.held != [first]
    assert world.recorder.on == {("one", GATE): world.plane.held[0]}


async def test_without_the_shared_state_what_nobody_is_known_to_record_is_not_touched_twice(world: World) -> None:
    """A camera nobody knows of is recorded: a meeting's record with a picture too many is better than without."""
    world.is_state_away = True
    await world.show()
    await world.shown.look()
    assert list(world.recorder.on) == [("one", GATE)]


async def test_without_cameras_nobody_is_asked_anything(world: World) -> None:
    await world.shown.look()
    assert world.reads == 0
