"""A directory of rooms in simulated time, its journals in a folder, its thread inline; and people who join by name."""

import asyncio
from concurrent.futures import Executor, Future
from contextlib import asynccontextmanager

from media.base.errors import HubError
from streams.publication import TrackName
from streams.rooms.directory import RoomDirectory
from streams.rooms.seat import SeatClaims
from streams.rooms.values import Role, SeatKind
from tests.unit.streams.rooms.meeting import Ear
from tests.unit.streams.simulated_loop import loop_clock

SENDS = frozenset({TrackName.CAMERA, TrackName.MICROPHONE})


class Inline(Executor):
    """Does at once what it is given."""

    def submit(self, work, /, *args, **kwargs):
        done = Future()
        try:
            done.set_result(work(*args, **kwargs))
        except BaseException as error:
            done.set_exception(error)
        return done


def claims(who, role=Role.ATTENDEE, kind=SeatKind.PERSON, **more):
    more = {"room_id": "r", "home_slot": "0", "display_name": f"name of {who}", "user_id": f"u-{who}"} | more
    return SeatClaims(participant_id=who, role=role, kind=kind, **more)


async def code_of(work):
    """Return the code with which work is refused, "" when it is not."""
    try:
        await work
    except HubError as error:
        return error.code
    return ""


class Hall:
    """One worker with one room `r`."""

    def __init__(self, folder, slot="0"):
        self.told = []
        self.folder = folder
        self.directory = RoomDirectory(
            slot, folder, loop_clock(), lambda kind, data: self.told.append((kind, data)), Inline()
        )
        self.ears = {}
        self.ports = {}

    @property
    def room(self):
        return self.directory.rooms["r"]

    @property
    def state(self):
        return self.room.state

    async def seat(self, who, role=Role.ATTENDEE, kind=SeatKind.PERSON, sends=SENDS, **more):
        """Join and publish; return port and ear."""
        ear = self.ears[who] = Ear()
        port = self.ports[who] = await self.directory.join(claims(who, role, kind, **more), ear)
        if sends:
            port.report_published(sends, self.directory.slot)
        return port, ear

    async def do(self, who, action, **body):
        """Act as somebody; return the code of a refusal, or ""."""
        return await code_of(self.ports[who].command(action, body))


@asynccontextmanager
async def hall(folder, slot="0", **config):
    """Open the room, and close the worker at the end."""
    made = Hall(folder, slot)
    await made.directory.start()
    if config.pop("opens", True):
        await made.directory.put("r", {"name": "推进会", **config})
    try:
        yield made
    finally:
        await made.directory.aclose()


async def settle():
    """Let all news reach everybody."""
    await asyncio.sleep(1)


async def usual(meeting):
    """Seat a chair, two venues and an observer."""
    await meeting.seat("chair", Role.CHAIR)
    await meeting.seat("east", kind=SeatKind.VENUE)
    await meeting.seat("west", kind=SeatKind.VENUE)
    await meeting.seat("guest", Role.OBSERVER, sends=frozenset())
    await settle()
