"""Where rooms live: each in one worker slot, chosen when somebody first comes in, and told there what it is.

The choice is kept in SQL and copied to the shared state. A slot that no longer exists is replaced by another; one
that is only down is waited for, because the room's journal is there. Called by the services of rooms and sessions.
"""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import structlog

from api.auth.actor import SYSTEM, Actor
from api.context import ApiContext, WorkerLink
from api.db import orgs, rooms, seats
from api.db.rooms import CALL, RoomRow
from api.forward.private_apps import error_of, private_headers, translated
from media.base.clock import rfc3339
from media.base.errors import ErrorKind, HubError

log = structlog.get_logger(__name__)

HOME_SESSIONS = 150
"""So many sessions a room's own worker takes before others share them: half of what one core forwards comfortably."""
COMMAND_TIMEOUT_S = 5.0
AUDIO_LOUDEST = 3


async def settle(ctx: ApiContext, room: RoomRow) -> WorkerLink:
    """Return the worker the room lives in, choosing one if need be; HubError UNAVAILABLE `worker_unavailable`."""
    if room.slot is not None:
        try:
            return await ctx.workers.of_slot(room.slot)
        except HubError:
            log.warning("a room's slot is gone, it moves", room=room.id, slot=room.slot)
    async with ctx.room_turns.of(f"settle {room.id}"):
        return await _choose(ctx, room)


async def _choose(ctx: ApiContext, room: RoomRow) -> WorkerLink:
    links = {link.slot: link for link in await ctx.workers.all()}
    async with ctx.db.write() as connection:
        present = await rooms.get(connection, room.id)
        slot = present.slot if present else None
        if slot not in links:
            placed = await rooms.placed(connection)
            slot = least_loaded(room.id, links, placed.values())
            await rooms.settle(connection, room.id, slot)
    try:
        await ctx.state.put_room_slot(room.id, slot)
    except HubError:
        log.info("the shared state hears of a room later", room=room.id)
    return links[slot]


def least_loaded(what: str, slots: Iterable[str], taken: Iterable[str]) -> str:
    """Return the slot with the fewest of `taken`, of equal ones the same for every asker; HubError UNAVAILABLE."""
    load = dict.fromkeys(slots, 0)
    for slot in taken:
        if slot in load:
            load[slot] += 1
    if not load:
        raise HubError(ErrorKind.UNAVAILABLE, "no worker is up", code="worker_unavailable")
    return min(load, key=lambda slot: (load[slot], hashlib.blake2b(f"{slot} {what}".encode()).digest()))


async def seat_slot(ctx: ApiContext, home: WorkerLink | None) -> WorkerLink:
    """Return the worker for a new session: the room's own while it has room, else the one with the fewest."""
    links = {link.slot: link for link in await ctx.workers.all()}
    async with ctx.db.read() as connection:
        load = await seats.open_by_slot(connection)
    if home is not None and ctx.options.session_spread == "home" and load.get(home.slot, 0) < HOME_SESSIONS:
        return home
    if not links:
        raise HubError(ErrorKind.UNAVAILABLE, "no worker is up", code="worker_unavailable")
    return links[min(links, key=lambda slot: (load.get(slot, 0), slot))]


async def open_home(ctx: ApiContext, actor: Actor, room: RoomRow) -> WorkerLink:
    """Return the room's worker, which has been told what the room is."""
    link = await settle(ctx, room)
    if ctx.rooms_told.get(room.id) != (link.slot, room.version):
        await _tell(ctx, actor, room, link)
    return link


async def refresh(ctx: ApiContext, actor: Actor, room: RoomRow) -> None:
    """Tell the room's worker what the room is now; nothing when it has never been opened."""
    if room.slot is not None and room.ended_us is None:
        await _tell(ctx, actor, room, await ctx.workers.of_slot(room.slot))


async def _tell(ctx: ApiContext, actor: Actor, room: RoomRow, link: WorkerLink) -> None:
    async with ctx.db.read() as connection:
        org = await orgs.get(connection, room.org_id) if room.org_id else None
    body = {
        "name": room.name, "kind": CALL if room.kind == CALL else "meeting", "speech": room.speech,
        "lobby": room.has_lobby, "locked": room.is_locked, "max_participants": room.max_participants,
        "audio_loudest": AUDIO_LOUDEST, "record": room.is_recorded, "org_id": room.org_id or "",
        "org_name": org.name if org else "", "starts_at": rfc3339(room.starts_us) if room.starts_us else "",
    }  # fmt: skip
    await _ask(link, actor, "PUT", f"/rooms/{room.id}", body)
    ctx.rooms_told[room.id] = (link.slot, room.version)


def forget(ctx: ApiContext, room_id: str) -> None:
    """Take it that the room's worker knows nothing of it any more."""
    ctx.rooms_told.pop(room_id, None)


async def ask(ctx: ApiContext, actor: Actor, room: RoomRow, method: str, path: str = "", body: Any = None) -> Any:
    """Ask the room's worker about the room; one that has forgotten it is told and asked again."""
    link = await open_home(ctx, actor, room)
    try:
        return await _ask(link, actor, method, f"/rooms/{room.id}{path}", body)
    except HubError as error:
        if error.code not in {"room_not_found", "not_found"}:
            raise
    forget(ctx, room.id)
    link = await open_home(ctx, actor, room)
    return await _ask(link, actor, method, f"/rooms/{room.id}{path}", body)


async def look(ctx: ApiContext, actor: Actor, room: RoomRow, path: str = "") -> Any:
    """Read something of the room at its worker, without opening it there; HubError NOT_FOUND when it is forgotten."""
    if room.slot is None:
        raise HubError(ErrorKind.NOT_FOUND, "nobody was ever in the room", code="room_not_found")
    return await _ask(await ctx.workers.of_slot(room.slot), actor, "GET", f"/rooms/{room.id}{path}", None)


async def dismiss(ctx: ApiContext, room: RoomRow) -> bool:
    """Let the worker forget an ended room; tell whether it has."""
    forget(ctx, room.id)
    if room.slot is None:
        return True
    try:
        await _ask(await ctx.workers.of_slot(room.slot), SYSTEM, "DELETE", f"/rooms/{room.id}", None)
    except HubError as error:
        return error.kind is ErrorKind.NOT_FOUND
    return True


async def command(ctx: ApiContext, actor: Actor, room: RoomRow, by: str, body: Mapping[str, Any]) -> Any:
    """Let somebody in the room, or `system`, do something there; HubError with a code of SIGNALING.md."""
    return await ask(ctx, actor, room, "POST", "/commands", {**body, "by": by})


async def end(ctx: ApiContext, actor: Actor, room: RoomRow) -> None:
    """End the room at its worker, if it was ever opened."""
    forget(ctx, room.id)
    if room.slot is None:
        return
    link = await ctx.workers.of_slot(room.slot)
    try:
        await _ask(link, actor, "POST", f"/rooms/{room.id}/end", {})
    except HubError as error:
        if error.code not in {"room_not_found", "not_found", "room_ended"}:
            raise


async def _ask(link: WorkerLink, actor: Actor, method: str, path: str, body: Any) -> Any:
    async with translated("worker"):
        response = await link.client.request(
            method, path, json=body, headers=private_headers(actor), timeout=COMMAND_TIMEOUT_S
        )
    if response.status_code >= 400:
        raise error_of(response, "worker")
    if not response.content:
        return {}
    try:
        return response.json()
    except ValueError as error:
        raise HubError(ErrorKind.UNAVAILABLE, "worker answered nonsense", code="worker_unavailable") from error
