"""Cameras in a room: shown by somebody who may watch them and has a say in the room, taken away again.

Who showed which camera to whom is in the audit log before the worker is asked: with the names of everybody who was in
the room. Called by routes and the sweeper, which takes a camera away when the right of who showed it is gone.
"""

import json
from typing import Any

from api.auth.actor import Actor, Target
from api.auth.verbs import Verb
from api.context import ApiContext
from api.db import audit, live, room_history
from api.db.cameras import CameraRow
from api.db.engine import Connection
from api.db.room_history import RoomCameraRow
from api.services import chair, room_homes, rooms, session_views
from api.services.room_access import RoomView, check_open, may_manage
from media.base.errors import ErrorKind, HubError
from media.base.ids import new_id

MAX_CAMERAS = 16
"""In one room at once: what a large screen shows."""
_HAVE_A_SAY = frozenset({"chair", "speaker"})


async def show(ctx: ApiContext, actor: Actor, room_id: str, camera: CameraRow) -> RoomCameraRow:
    """Bring a camera into a room; HubError DENIED `not_permitted` for who has no say there, CONFLICT `camera_disabled`.

    A camera that is there already is left as it is.
    """
    assert actor.principal is not None
    actor.check(Verb.LIVE_VIEW, camera.org_path, camera.id)
    if not camera.enabled:
        raise HubError(ErrorKind.CONFLICT, "the camera is disabled", code="camera_disabled", camera=camera.id)
    view = await rooms.find_known(ctx, actor.principal, room_id)
    check_open(view.room)
    by, present = await _say(ctx, actor, view)
    row = RoomCameraRow(
        id=new_id(), room_id=room_id, camera_id=camera.id, camera_name=camera.name, org_path=camera.org_path,
        user_id=actor.principal.user_id, username=actor.principal.username,
        login_session_id=actor.principal.session_id, address=actor.address[:64],
        viewers=json.dumps(present, ensure_ascii=False), started_us=ctx.clock.wall_us(), ended_us=None, end_reason=None,
    )  # fmt: skip
    known = await _register(ctx, actor, view, row, present)
    if known is not None:
        return known
    slot = await session_views.slot_of(ctx, camera.id)
    body = {"by": by, "name": camera.name[:64], "slot": slot}
    try:
        await room_homes.ask(ctx, actor, view.room, "POST", f"/cameras/{camera.id}", body)
    except HubError as error:
        await note_gone(ctx, row, error.code)
        raise
    return row


async def _say(ctx: ApiContext, actor: Actor, view: RoomView) -> tuple[str, list[str]]:
    """Return as whom the actor shows a camera, and the names of who is there; HubError DENIED `not_permitted`."""
    assert actor.principal is not None
    state, listed = await chair.participants(ctx, actor, view)
    people = [one for one in listed if one.get("kind") != "camera" and not one.get("is_in_lobby")]
    names = [_name(one) for one in people]
    mine = [one for one in people if one.get("user_id") == actor.user_id and one.get("is_online")]
    leading = {state.get("chair"), *state.get("floor", ())}
    for one in mine:
        if one.get("role") in _HAVE_A_SAY or one.get("id") in leading:
            return str(one.get("id")), names
    if may_manage(view.room, actor.principal):
        return chair.SYSTEM, names
    raise HubError(ErrorKind.DENIED, "chair, speaker or floor only", code="not_permitted")


def _name(one: dict[str, Any]) -> str:
    venue = str(one.get("venue") or "")
    name = str(one.get("name") or one.get("id") or "")
    return f"{name}（{venue}）" if venue else name


async def _register(
    ctx: ApiContext, actor: Actor, view: RoomView, row: RoomCameraRow, present: list[str]
) -> RoomCameraRow | None:
    async with ctx.db.write() as connection:
        known = await room_history.camera_shown(connection, view.room.id, row.camera_id)
        if known is not None:
            return known
        if len(await room_history.open_cameras(connection, view.room.id)) >= MAX_CAMERAS:
            raise HubError(
                ErrorKind.EXHAUSTED, "too many cameras in the room", code="too_many_cameras", limit=MAX_CAMERAS
            )
        await room_history.add_camera(connection, row)
        details: dict[str, Any] = {"room": view.room.id, "room_name": view.room.name, "to": present}
        target = Target("camera", row.camera_id, row.org_path)
        await audit.append(connection, actor.entry(row.started_us, "room.camera_shown", target, **details))
    return None


async def hide(ctx: ApiContext, actor: Actor, room_id: str, camera_id: str) -> None:
    """Take a camera out of a room: by who showed it, who has a say there, or who manages the room. HubError NOT_FOUND."""
    assert actor.principal is not None
    view = await rooms.find_known(ctx, actor.principal, room_id)
    async with ctx.db.read() as connection:
        row = await room_history.camera_shown(connection, room_id, camera_id)
    if row is None:
        raise HubError(ErrorKind.NOT_FOUND, "the camera is not in the room", code="source_not_found")
    if row.user_id != actor.user_id:
        await _say(ctx, actor, view)
    await take_away(ctx, actor, view, row, "hidden")


async def take_away(ctx: ApiContext, actor: Actor, view: RoomView, row: RoomCameraRow, reason: str) -> None:
    """Take a camera out of its room at the worker and write it down; HubError when the worker cannot be told."""
    if view.room.ended_us is None and view.room.slot is not None:
        try:
            await room_homes.ask(ctx, actor, view.room, "DELETE", f"/cameras/{row.camera_id}")
        except HubError as error:
            if error.kind is not ErrorKind.NOT_FOUND and error.code not in {"target_not_found", "room_ended"}:
                raise
    await note_gone(ctx, row, reason, actor)


async def note_gone(ctx: ApiContext, row: RoomCameraRow, reason: str, actor: Actor | None = None) -> bool:
    """Write that a camera has left its room, once, and that nobody watches it there any more."""
    now_us = ctx.clock.wall_us()
    by = actor or Actor(username=row.username)
    async with ctx.db.write() as connection:
        if not await room_history.end_camera(connection, row.id, now_us, reason):
            return False
        shown_s = round((now_us - row.started_us) / 1e6, 1)
        details: dict[str, Any] = {"room": row.room_id, "reason": reason, "shown_s": shown_s, "shown_by": row.username}
        target = Target("camera", row.camera_id, row.org_path)
        entries = [by.entry(now_us, "room.camera_gone", target, **details)]
        entries += await _end_views(connection, row, now_us, reason)
        await audit.append(connection, *entries)
    return True


async def _end_views(connection: Connection, row: RoomCameraRow, now_us: int, reason: str) -> list[audit.AuditEntry]:
    watching = [
        one for one in await live.open_ones(connection) if one.room_id == row.room_id and one.camera_id == row.camera_id
    ]
    return [
        session_views.ended_entry(one, now_us, reason)
        for one in watching
        if await live.end(connection, one.id, now_us, reason)
    ]
