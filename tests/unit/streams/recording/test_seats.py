"""What a room says of recording, heard on its way to sessions; by a real room, and by one that is away."""

from typing import Any

import pytest

from media.base.clock import SimulatedClock
from media.base.errors import ErrorKind, HubError
from media.base.ids import SourceId
from media.packet import EndReason
from streams.recording.seats import RecordedRooms
from streams.rooms.directory import RoomDirectory
from streams.rooms.seat import SeatClaims
from streams.rooms.values import Role, SeatKind

CONFIG = {"name": "推进会", "org_id": "town"}
LI = SourceId("participant/li")


class Heard:
    """Stands where the recorder is."""

    def __init__(self) -> None:
        self.on: dict[tuple[str, str], object] = {}
        self.ends: list[tuple[str, EndReason]] = []

    def record(self, room_id: str, source: SourceId, by: object) -> None:
        self.on[room_id, source] = by

    def stop(self, room_id: str, source: SourceId, by: object, reason: EndReason) -> None:
        if self.on.get((room_id, source)) is by:
            del self.on[room_id, source]
            self.ends.append((source, reason))


class Ear:
    """A session."""

    def __init__(self) -> None:
        self.messages: list[Any] = []
        self.allowed: Any = None
        self.ended = ""

    def on_message(self, message: Any) -> None:
        self.messages.append(message)

    def on_allowed(self, names: Any) -> None:
        self.allowed = names

    def on_sources(self, sources: Any) -> None:
        self.sources = sources

    def on_audible(self, sources: Any) -> None:
        self.audible = sources

    def on_ended(self, code: str) -> None:
        self.ended = code


def claims(name: str, role: Role = Role.ATTENDEE) -> SeatClaims:
    return SeatClaims(
        room_id="weekly", home_slot="n/0", participant_id=name, display_name=name, role=role, kind=SeatKind.PERSON
    )


@pytest.fixture
async def rooms(tmp_path):
    directory = RoomDirectory("n/0", tmp_path, SimulatedClock(), lambda *_: None)
    await directory.start()
    yield directory
    await directory.aclose()


async def seated(rooms, heard, name="li", role=Role.CHAIR):
    ear = Ear()
    port = await RecordedRooms(rooms, heard).join(claims(name, role), ear)
    return ear, port


async def test_a_seat_is_recorded_from_the_word_of_the_chair_to_its_end(rooms):
    await rooms.put("weekly", CONFIG)
    heard = Heard()
    ear, port = await seated(rooms, heard)
    assert heard.on == {}
    await port.command("record_start", {})
    await port.snapshot()
    assert list(heard.on) == [("weekly", LI)]
    await port.command("record_stop", {})
    await port.snapshot()
    assert heard.ends == [(LI, EndReason.DISABLED)]
    assert ear.allowed is not None


async def test_who_comes_into_a_recorded_room_is_recorded_at_once(rooms):
    await rooms.put("weekly", {**CONFIG, "record": True})
    heard = Heard()
    _, port = await seated(rooms, heard)
    assert list(heard.on) == [("weekly", LI)]
    await port.leave()
    assert heard.ends == [(LI, EndReason.LEFT)]


async def test_the_end_of_the_meeting_is_the_end_of_the_seat(rooms):
    await rooms.put("weekly", {**CONFIG, "record": True})
    heard = Heard()
    ear, port = await seated(rooms, heard)
    await port.command("end", {})
    assert [source for source, _ in heard.ends] == [LI]
    assert ear.ended == "room_ended"


async def test_everything_else_passes_through_unchanged(rooms):
    await rooms.put("weekly", CONFIG)
    ear, port = await seated(rooms, Heard())
    plain = Ear()
    await rooms.join(claims("wang"), plain)
    await port.command("chat", {"text": "大家好"})
    chats = [message for message in ear.messages if message["type"] == "chat"]
    assert [message["text"] for message in chats] == ["大家好"]
    assert next(m for m in plain.messages if m["type"] == "chat") is chats[0], "shared, not copied"
    with pytest.raises(HubError) as refused:
        await port.command("fly", {})
    assert refused.value.code == "bad_message"
    assert port.participant_id == "li"


class Away:
    """A room whose worker died after it said that it records."""

    async def join(self, seat: SeatClaims, events: Any) -> Any:
        self.events = events
        self.participant_id = seat.participant_id
        return self

    async def snapshot(self) -> dict[str, Any]:
        raise HubError(ErrorKind.UNAVAILABLE, "away", code="worker_unavailable")


async def test_recording_goes_on_while_the_worker_of_the_room_is_away():
    away, heard = Away(), Heard()
    await RecordedRooms(away, heard).join(claims("li"), Ear())
    assert heard.on == {}
    away.events.on_message({"type": "room", "room": {"phase": "open", "recording": {"is_on": True, "since": None}}})
    assert list(heard.on) == [("weekly", LI)]
    away.events.on_ended("worker_unavailable")  # after a minute: the session ends, too
    assert heard.ends == [(LI, EndReason.DISCONNECTED)]
