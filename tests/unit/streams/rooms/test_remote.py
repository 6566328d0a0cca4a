"""A seat in a room of another worker, over channels that break; with both ends, and the room, in simulated time."""

import asyncio
import json
from contextlib import asynccontextmanager

from media.base.errors import ErrorKind, HubError
from streams.publication import TrackName
from streams.rooms import room as room_module
from streams.rooms.gateway import serve
from streams.rooms.remote import SETTLE_S, OtherWorkers
from streams.rooms.values import Role, SeatKind
from tests.unit.streams.rooms.hall import SENDS, Hall, claims, code_of, hall, settle
from tests.unit.streams.rooms.meeting import Ear
from tests.unit.streams.simulated_loop import run_simulated

MIC, CAM, SCREEN = TrackName.MICROPHONE, TrackName.CAMERA, TrackName.SCREEN


class End:
    """One end of a channel: what is sent arrives a turn of the loop later, in order, as JSON."""

    def __init__(self):
        self.inbox = asyncio.Queue()
        self.other = None
        self.is_closed = False
        self.sent = []

    def send(self, message):
        if not self.is_closed:
            text = json.dumps(message)
            self.sent.append(message)
            asyncio.get_running_loop().call_soon(self.other.inbox.put_nowait, json.loads(text))

    def close(self):
        for end in (self, self.other):
            if not end.is_closed:
                end.is_closed = True
                asyncio.get_running_loop().call_soon(end.inbox.put_nowait, None)

    def __aiter__(self):
        return self

    async def __anext__(self):
        message = await self.inbox.get()
        if message is None:
            self.inbox.put_nowait(None)
            raise StopAsyncIteration
        return message


class Wire:
    """The relay between two workers; `home` may be away."""

    def __init__(self, home):
        self.home = home
        self.ends = []
        self.tasks = []

    async def open(self, slot, body):
        assert slot == "0"
        await asyncio.sleep(0.01)
        if self.home is None:
            raise HubError(ErrorKind.UNAVAILABLE, "no answer", code="worker_unavailable")
        near, far = End(), End()
        near.other, far.other = far, near
        self.ends.append(near)
        self.tasks.append(asyncio.ensure_future(serve(self.home.directory.room, far, body)))
        return near

    def cut(self):
        for end in self.ends:
            end.close()
            end.other.close()

    async def aclose(self):
        self.cut()
        await asyncio.gather(*self.tasks, return_exceptions=True)


@asynccontextmanager
async def two_workers(tmp_path, **config):
    """Worker 0 has the room and its chair, worker 1 has people."""
    async with hall(tmp_path / "0", **config) as home, hall(tmp_path / "1", "1", opens=False) as away:
        wire = Wire(home)
        away.directory.remote = others = OtherWorkers(wire.open)
        await home.seat("chair", Role.CHAIR)
        try:
            yield home, away, wire
        finally:
            await others.aclose()
            await wire.aclose()


def test_a_seat_afar_is_a_seat(tmp_path) -> None:
    async def body():
        async with two_workers(tmp_path) as (home, away, _):
            _, ear = await away.seat("east", kind=SeatKind.VENUE)
            await settle()
            assert ear.allowed == {CAM, MIC}
            assert ear.watchable() == {"participant/chair", "participant/east"}
            slots = {source.source: source.slot for source in home.ears["chair"].sources}
            assert slots == {"participant/chair": "0", "participant/east": "1"}
            assert ear.audible == ("participant/chair",)
            assert await away.do("east", "floor_request") == ""
            assert await away.do("east", "mute_all") == "not_chair"
            assert await away.do("east", "chat", text="x" * 3000) == "too_long"
            assert await home.do("chair", "mute", target="east") == ""
            await settle()
            assert ear.allowed == {CAM}
            assert ear.of("muted")
            seen = await away.ports["east"].snapshot()
            assert seen["participant"]["tracks"]["microphone"]["muted_by"] == "chair"
            assert set(ear.participants()) <= {one["id"] for one in seen["participants"]}

    run_simulated(body())


def test_crafted_frames_of_pages_are_refused_afar_too(tmp_path) -> None:
    async def body():
        async with two_workers(tmp_path, speech="floor") as (home, away, _):
            await away.seat("east", sends=frozenset(TrackName))
            before = home.state
            for action in ("join", "expire", "show_camera", "hide_camera", "open", "configure", "dance"):
                assert await away.do("east", action, target="chair", camera_id="gate", name="x") == "bad_message"
            assert await away.do("east", "share_start") == "not_permitted"
            await settle()
            assert home.state is before
            assert away.ears["east"].allowed == {CAM}

    run_simulated(body())


def test_news_for_many_seats_of_a_worker_cross_once(tmp_path) -> None:
    async def body():
        async with two_workers(tmp_path) as (home, away, wire):
            for number in range(20):
                await away.seat(f"v-{number}", kind=SeatKind.VENUE)
            await settle()
            assert len(wire.ends) == 1
            far = wire.ends[0].other
            far.sent.clear()
            assert await home.do("chair", "chat", text="大家好") == ""
            await settle()
            chats = [frame for frame in far.sent if frame.get("message", {}).get("type") == "chat"]
            assert [len(frame["to"]) for frame in chats] == [20]
            assert all(ear.of("chat") for ear in away.ears.values())

    run_simulated(body())


def test_levels_cross_ten_times_a_second_and_are_heard(tmp_path) -> None:
    async def body():
        async with two_workers(tmp_path) as (home, away, wire):
            await away.seat("east")
            await settle()
            wire.ends[0].sent.clear()
            for _ in range(100):
                away.ports["east"].report_level(MIC, 25)
                await asyncio.sleep(0.02)
            assert home.ears["chair"].of("speakers")[-1]["active"] == "east"
            assert 10 <= len([frame for frame in wire.ends[0].sent if frame["do"] == "levels"]) <= 22

    run_simulated(body())


def test_a_broken_channel_is_mended_within_the_grace_and_nothing_is_lost(tmp_path) -> None:
    async def body():
        async with two_workers(tmp_path) as (home, away, wire):
            _, ear = await away.seat("east", kind=SeatKind.VENUE, sends=SENDS | {SCREEN})
            await away.seat("west", kind=SeatKind.VENUE)
            await home.seat("north")
            await settle()
            assert home.state.content == "east"
            wire.home = None
            wire.cut()
            await asyncio.sleep(5)
            assert not home.state.seats["east"].is_online
            assert await away.do("east", "chat", text="?") == "worker_unavailable"
            await home.do("chair", "set_speech", speech="floor")
            await home.do("chair", "set_speech", speech="open")
            await home.do("chair", "lock")
            await home.ports["north"].leave()
            ear.messages.clear()
            wire.home = home
            await asyncio.sleep(4)
            assert home.state.seats["east"].is_online
            assert ear.of("room")[-1]["room"]["is_locked"]
            assert [m["participant_id"] for m in ear.of("participant_left")] == ["north"]
            assert set(ear.participants()) == {"chair", "east", "west"}
            assert ear.ended is None
            assert ear.watchable() == {"participant/chair", "participant/east", "participant/west"}
            assert await away.do("east", "chat", text="da") == ""

    run_simulated(body())


def test_the_content_outlives_a_broken_channel(tmp_path) -> None:
    async def body():
        async with two_workers(tmp_path) as (home, away, wire):
            _, ear = await away.seat("east", sends=SENDS | {SCREEN})
            await settle()
            wire.cut()
            await asyncio.sleep(4)
            assert home.state.seats["east"].is_online
            assert home.state.content == "east"
            assert SCREEN in ear.allowed

    run_simulated(body())


def test_a_home_that_was_killed_and_restored_finds_its_people_again(tmp_path) -> None:
    async def body():
        async with two_workers(tmp_path) as (home, away, wire):
            await away.seat("east", kind=SeatKind.VENUE)
            await away.do("east", "set_head_count", head_count=25)
            await settle()
            wire.home = None
            wire.cut()
            await home.directory.aclose()
            await asyncio.sleep(3)
            restored = Hall(tmp_path / "0")
            await restored.directory.start()
            wire.home = restored
            await asyncio.sleep(4)
            seat = restored.state.seats["east"]
            assert (seat.is_online, seat.head_count) == (True, 25)
            assert not restored.state.seats["chair"].is_online
            assert away.ears["east"].ended is None
            assert restored.room.sources[0].slot == "1"
            await restored.directory.aclose()

    run_simulated(body())


def test_who_comes_back_to_a_restored_home_later_than_others_stays_watchable_until_all_have_settled(tmp_path) -> None:
    async def body():
        async with two_workers(tmp_path) as (home, away, wire):
            _, ear = await away.seat("east")
            await settle()
            before = ear.watchable()
            assert before == {"participant/chair", "participant/east"}
            wire.home = None
            wire.cut()
            await home.directory.aclose()
            restored = Hall(tmp_path / "0")
            await restored.directory.start()
            wire.home = restored
            heard = []
            ear.on_sources = lambda sources: heard.append({each.source for each in sources})
            await asyncio.sleep(SETTLE_S)
            assert {each.source for each in restored.room.sources} == {"participant/east"}
            assert all(each == before for each in heard), "the chair is only not back yet"
            await asyncio.sleep(4)
            assert heard[-1] == {"participant/east"}
            await restored.seat("chair", Role.CHAIR)
            await settle()
            assert heard[-1] == before
            await restored.directory.aclose()

    run_simulated(body())


def test_a_home_that_stays_away_ends_the_seats(tmp_path) -> None:
    async def body():
        async with two_workers(tmp_path) as (_, away, wire):
            _, ear = await away.seat("east")
            wire.home = None
            wire.cut()
            await asyncio.sleep(room_module.GRACE_S - 3)
            assert ear.ended is None
            await asyncio.sleep(8)
            assert ear.ended == "worker_unavailable"
            assert await code_of(away.directory.join(claims("west"), Ear())) == "worker_unavailable"

    run_simulated(body())


def test_the_end_of_the_room_reaches_everybody(tmp_path) -> None:
    async def body():
        async with two_workers(tmp_path) as (home, away, wire):
            _, ear = await away.seat("east")
            assert await home.do("chair", "end") == ""
            await settle()
            assert ear.ended == "room_ended"
            assert wire.ends[0].is_closed, "nobody needs the channel any more"
            assert await code_of(away.directory.join(claims("west"), Ear())) == "room_ended"

    run_simulated(body())


def test_who_leaves_afar_leaves_and_the_last_one_closes_the_channel(tmp_path) -> None:
    async def body():
        async with two_workers(tmp_path) as (home, away, wire):
            await away.seat("east")
            await away.seat("west")
            await away.ports["east"].leave("left")
            await settle()
            assert set(home.state.seats) == {"chair", "west"}
            assert not wire.ends[0].is_closed
            away.ports["west"].detached()
            await settle()
            assert not home.state.seats["west"].is_online
            away.ports["west"].attached()
            await settle()
            assert home.state.seats["west"].is_online
            await away.ports["west"].leave()
            await settle()
            assert wire.ends[0].is_closed
            assert set(home.state.seats) == {"chair"}

    run_simulated(body())


def test_a_refused_join_afar_says_why_and_leaves_nothing_behind(tmp_path) -> None:
    async def body():
        async with two_workers(tmp_path, locked=True) as (_, away, wire):
            assert await code_of(away.directory.join(claims("east"), Ear())) == "room_locked"
            await settle()
            assert wire.ends[0].is_closed
            missing = claims("east", room_id="other")
            assert await code_of(away.directory.join(missing, Ear())) == "room_not_found"

    run_simulated(body())


def test_the_same_person_again_replaces_the_seat_afar(tmp_path) -> None:
    async def body():
        async with two_workers(tmp_path) as (home, away, _):
            _, old = await away.seat("east")
            await away.seat("east")
            await settle()
            assert old.ended == "replaced"
            assert home.state.seats["east"].is_online
            _, here = await home.seat("east")
            await settle()
            assert away.ears["east"].ended == "replaced"
            assert here.ended is None

    run_simulated(body())


def test_a_page_that_was_away_during_the_break_stays_away(tmp_path) -> None:
    async def body():
        async with two_workers(tmp_path) as (home, away, wire):
            await away.seat("east")
            await settle()
            away.ports["east"].detached()
            wire.cut()
            await asyncio.sleep(4)
            assert not home.state.seats["east"].is_online
            await asyncio.sleep(room_module.GRACE_S + 5)
            assert "east" not in home.state.seats
            assert away.ears["east"].ended == "expired"

    run_simulated(body())
