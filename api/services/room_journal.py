"""The worker's journal of a room, copied into the database: entry by entry, each once.

Copied when the worker says that the room changed, before a record is given, and when a room has ended; then the worker
may forget it. Called by the reader of worker news and by `services.room_record`.
"""

import json
from typing import Any

import structlog

from api.auth.actor import SYSTEM, Actor, Target
from api.context import ApiContext
from api.db import audit, room_history, rooms
from api.db.room_history import EventRow
from api.db.rooms import RoomRow
from api.services import room_homes
from media.base.errors import ErrorKind, HubError

log = structlog.get_logger(__name__)

MAX_PAGES = 200
"""Of a thousand entries each; a journal of 8 MiB has fewer."""


async def copy(ctx: ApiContext, room_id: str, actor: Actor = SYSTEM) -> bool:
    """Fetch what is new of a room's journal; tell whether anything was. HubError when the worker does not answer."""
    async with ctx.room_turns.of(f"journal {room_id}"):
        async with ctx.db.read() as connection:
            room = await rooms.get(connection, room_id)
        if room is None or room.slot is None:
            return False
        since, is_new = room.journal_seq, False
        for _ in range(MAX_PAGES):
            items = await _fetch(ctx, room, since, actor)
            if not items:
                break
            is_new = True
            since = items[-1].seq
            await _store(ctx, room_id, items)
        return is_new


async def is_behind(ctx: ApiContext, room_id: str, seq: Any) -> bool:
    """Tell whether the copy of a room's journal has not come to `seq` yet; one fetch serves many announcements."""
    async with ctx.db.read() as connection:
        room = await rooms.get(connection, room_id)
    return room is not None and (not isinstance(seq, int) or room.journal_seq < seq)


async def _fetch(ctx: ApiContext, room: RoomRow, since: int, actor: Actor) -> list[EventRow]:
    body = await room_homes.look(ctx, actor, room, f"/events?since={since}")
    items = body.get("items") if isinstance(body, dict) else None
    if not isinstance(items, list):
        return []
    return [event for item in items if (event := _event(room.id, item)) is not None and event.seq > since]


def _event(room_id: str, item: Any) -> EventRow | None:
    """Return a row for an entry; None for what is no entry."""
    try:
        seq, at_us, kind = int(item["seq"]), int(item["at_wall_us"]), str(item["kind"])
        data = {"by": str(item.get("by", "")), "data": dict(item.get("data") or {})}
    except (KeyError, TypeError, ValueError):
        return None
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("\\u0000", "")
    return EventRow(room_id=room_id, seq=seq, at_us=at_us, kind=kind[:40], data=text)


async def _store(ctx: ApiContext, room_id: str, items: list[EventRow]) -> None:
    async with ctx.db.write() as connection:
        await room_history.add_events(connection, items)
        await rooms.note_journal(connection, room_id, items[-1].seq)


async def try_copy(ctx: ApiContext, room_id: str, actor: Actor = SYSTEM) -> bool:
    """Copy what can be had now; tell whether the copy is complete as far as one knows."""
    try:
        await copy(ctx, room_id, actor)
    except HubError as error:
        if error.kind is ErrorKind.NOT_FOUND:
            return True  # the worker has given everything away already
        log.info("a journal is copied later", room=room_id, cause=error.code)
        return False
    return True


async def close(ctx: ApiContext, room_id: str, reason: str) -> None:
    """Take note that a room has ended at its worker: copy what is left, and let the worker forget it."""
    is_complete = await try_copy(ctx, room_id)
    now_us = ctx.clock.wall_us()
    async with ctx.db.write() as connection:
        if await rooms.end(connection, room_id, now_us, reason):
            room = await rooms.get(connection, room_id)
            target = Target("room", room_id, room.org_path if room else "/")
            await audit.append(connection, SYSTEM.entry(now_us, "room.end", target, reason=reason))
    ctx.access_changed.set()
    if is_complete:
        await let_go(ctx, room_id)


async def let_go(ctx: ApiContext, room_id: str) -> None:
    """Let the worker of an ended room forget it, whose journal has been copied; the room has no home any more."""
    async with ctx.db.read() as connection:
        room = await rooms.get(connection, room_id)
    if room is None or room.slot is None or room.ended_us is None:
        return
    if await room_homes.dismiss(ctx, room):
        async with ctx.db.write() as connection:
            await rooms.settle(connection, room_id, None)
