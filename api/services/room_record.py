"""The record of a meeting: attendance, roll calls, chat, recordings, cameras shown. For who may read it, and noted.

Made of the database alone: the journal is copied from the room's worker first, and when that is away the record says
that it is not complete. Called by routes; `services.room_sheet` makes a workbook of it.
"""

import json
from dataclasses import dataclass

from api.auth.actor import Actor
from api.auth.principal import Principal
from api.context import ApiContext
from api.db import audit, orgs, room_history, users
from api.db.engine import Connection
from api.db.room_history import EventRow, RoomCameraRow
from api.db.rooms import ORG, USER, MemberRow
from api.services import room_journal, rooms
from api.services.room_access import RoomView, check_known, may_read_record
from api.services.room_conflicts import names_of
from api.services.room_minutes import Minutes, entry_of, minutes_of
from media.base.errors import ErrorKind, HubError
from streams.rooms.attendance import Attendee
from streams.rooms.journal import JournalEntry


@dataclass(frozen=True, slots=True)
class Expected:
    """A member and whether anybody of theirs came; of an organisation anybody of its subtree counts."""

    member: MemberRow
    name: str
    is_here: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """The record."""

    view: RoomView
    org_name: str
    creator: str
    minutes: Minutes
    expected: tuple[Expected, ...]
    cameras: tuple[RoomCameraRow, ...]
    is_complete: bool
    now_us: int

    @property
    def present(self) -> list[Attendee]:
        """Return who came, the first first."""
        return sorted(
            self.minutes.attendance.attendees.values(), key=lambda one: one.stays[0].start_us if one.stays else 0
        )

    @property
    def most_heads(self) -> int:
        """Return the largest number of heads at any moment."""
        return self.minutes.attendance.most_heads


async def read(ctx: ApiContext, actor: Actor, room_id: str, form: str) -> Record:
    """Return the record; HubError NOT_FOUND or DENIED. Reading it is noted."""
    assert actor.principal is not None
    view = await rooms.find(ctx, room_id)
    _check(view, actor.principal)
    is_complete = await room_journal.try_copy(ctx, room_id, actor)
    now_us = ctx.clock.wall_us()
    async with ctx.db.read() as connection:
        events = await room_history.events_of(connection, room_id)
        cameras = await room_history.cameras_of(connection, room_id)
        names = await names_of(connection, view.members)
        org = await orgs.get(connection, view.room.org_id) if view.room.org_id else None
        creator = (await users.get_some(connection, [view.room.created_by or ""])).get(view.room.created_by or "")
        minutes = minutes_of(entry for event in events if (entry := _entry(event)) is not None)
        came = await _places(connection, minutes)
    expected = tuple(Expected(row, names.get(row.member_id, ""), _is_here(row, came)) for row in view.members)
    async with ctx.db.write() as connection:
        await audit.append(connection, actor.entry(now_us, "room.record", rooms.target_of(view.room), form=form))
    return Record(
        view=view, org_name=org.name if org else "", creator=creator.display_name if creator else "", minutes=minutes,
        expected=expected, cameras=cameras, is_complete=is_complete, now_us=now_us,
    )  # fmt: skip


def _check(view: RoomView, reader: Principal) -> None:
    check_known(view, reader)
    if not may_read_record(view, reader):
        raise HubError(ErrorKind.DENIED, "not yours to read", code="denied", verb="room.record")


def _entry(event: EventRow) -> JournalEntry | None:
    try:
        kept = json.loads(event.data)
    except ValueError:
        return None
    return entry_of(event.seq, event.at_us, event.kind, str(kept.get("by", "")), kept.get("data") or {})


async def _places(connection: Connection, minutes: Minutes) -> dict[str, str]:
    """Return the organisation path of every user who came."""
    wanted = {one.seat.user_id for one in minutes.attendance.attendees.values() if one.seat.user_id}
    return {user.id: user.org_path or "/" for user in (await users.get_some(connection, wanted)).values()}


def _is_here(row: MemberRow, came: dict[str, str]) -> bool:
    if row.kind == USER:
        return row.member_id in came
    return row.kind == ORG and any(path.startswith(row.org_path or "//") for path in came.values())
