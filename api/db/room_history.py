"""What happened in rooms: the worker's journal, copied, and the cameras somebody showed there."""

import json
from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from api.db.rows import all_of, first_of
from api.db.tables import room_cameras, room_events


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRow:
    """One entry of a room's journal; `data` is JSON text."""

    room_id: str
    seq: int
    at_us: int
    kind: str
    data: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomCameraRow:
    """One camera in one room, from being shown to being taken away; `viewers` is a JSON list."""

    id: str
    room_id: str
    camera_id: str
    camera_name: str
    org_path: str
    user_id: str
    username: str
    login_session_id: str
    address: str
    viewers: str
    started_us: int
    ended_us: int | None
    end_reason: str | None

    @property
    def viewer_names(self) -> list[str]:
        """Return who was in the room when the camera was shown."""
        return [str(name) for name in json.loads(self.viewers)]


async def add_events(connection: AsyncConnection, events: Iterable[EventRow]) -> int:
    """Insert those of the entries of one room that are new; return how many that were."""
    wanted = {event.seq: event for event in events}
    if not wanted:
        return 0
    room_id = next(iter(wanted.values())).room_id
    table = room_events.c
    query = select(table.seq).where(table.room_id == room_id, table.seq >= min(wanted), table.seq <= max(wanted))
    known = {int(row[0]) for row in await connection.execute(query)}
    fresh = [asdict(event) for seq, event in sorted(wanted.items()) if seq not in known]
    if fresh:
        await connection.execute(insert(room_events), fresh)
    return len(fresh)


async def events_of(connection: AsyncConnection, room_id: str, kinds: Collection[str] = ()) -> tuple[EventRow, ...]:
    """Return the journal of a room in order, or its entries of some kinds."""
    query = select(room_events).where(room_events.c.room_id == room_id).order_by(room_events.c.seq)
    if kinds:
        query = query.where(room_events.c.kind.in_(list(kinds)))
    return await all_of(connection, EventRow, query)


async def add_camera(connection: AsyncConnection, camera: RoomCameraRow) -> None:
    """Insert a camera shown."""
    await connection.execute(insert(room_cameras).values(asdict(camera)))


async def camera_shown(connection: AsyncConnection, room_id: str, camera_id: str) -> RoomCameraRow | None:
    """Return the row of a camera that is in the room now."""
    table = room_cameras.c
    query = select(room_cameras).where(table.room_id == room_id, table.camera_id == camera_id, table.ended_us.is_(None))
    return await first_of(connection, RoomCameraRow, query)


async def cameras_of(connection: AsyncConnection, room_id: str) -> tuple[RoomCameraRow, ...]:
    """Return every camera that was ever shown in the room, in order."""
    query = select(room_cameras).where(room_cameras.c.room_id == room_id)
    return await all_of(connection, RoomCameraRow, query.order_by(room_cameras.c.started_us, room_cameras.c.id))


async def open_cameras(connection: AsyncConnection, room_id: str | None = None) -> tuple[RoomCameraRow, ...]:
    """Return the cameras that are in rooms now."""
    query = select(room_cameras).where(room_cameras.c.ended_us.is_(None))
    if room_id is not None:
        query = query.where(room_cameras.c.room_id == room_id)
    return await all_of(connection, RoomCameraRow, query.order_by(room_cameras.c.id))


async def end_camera(connection: AsyncConnection, row_id: str, now_us: int, reason: str) -> bool:
    """Mark a camera as gone from its room; False when it was already."""
    query = update(room_cameras).where(room_cameras.c.id == row_id, room_cameras.c.ended_us.is_(None))
    return (await connection.execute(query.values(ended_us=now_us, end_reason=reason[:40]))).rowcount == 1
