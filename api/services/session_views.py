"""Cameras watched in a session: allowed, written down before the worker is asked, and ended once.

A camera may be watched by whoever holds `live.view` on it, and by everybody in a room that shows it. Each camera of a
session is one row of `live_sessions` and two of the audit log, however many of its tracks are watched. Called by the
gate and the sweeper.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from api.auth.principal import Principal
from api.auth.verbs import Verb
from api.context import ApiContext
from api.db import audit, cameras, live, room_history
from api.db.audit import AuditEntry
from api.db.cameras import CameraRow
from api.db.engine import Connection
from api.db.live import LiveSessionRow
from api.db.seats import SessionRow
from api.services.live import MAX_STREAMS
from api.services.principals import Login, load
from media.base.errors import ErrorKind, HubError
from media.base.ids import new_id


@dataclass(frozen=True, slots=True)
class View:
    """A camera that may be watched, and the worker that has it (empty while nobody does)."""

    id: str
    camera_id: str
    slot: str
    is_shown: bool = False
    """The room shows it: the worker knows by itself, and needs no grant."""


async def begin(ctx: ApiContext, session: SessionRow, camera_id: str, trace_id: str = "") -> View:
    """Allow and write down that a camera is watched in a session.

    HubError NOT_FOUND `source_not_found`, DENIED `not_permitted`, EXHAUSTED `too_many_subscriptions`.
    """
    principal = await _principal(ctx, session)
    slot = await slot_of(ctx, camera_id)
    async with ctx.db.write() as connection:
        camera = await cameras.get(connection, camera_id)
        if camera is None:
            raise _unknown()
        is_shown = await _is_only_shown(connection, session, principal, camera)
        if not is_shown:
            _check(principal, camera)
        user_id = session.user_id or session.participant_id or ""
        if await live.count_open(connection, user_id) >= MAX_STREAMS:
            raise HubError(ErrorKind.EXHAUSTED, "too many streams", code="too_many_subscriptions", limit=MAX_STREAMS)
        row = LiveSessionRow(
            id=new_id(), user_id=user_id, username=session.username, login_session_id=session.login_session_id or "",
            camera_id=camera_id, org_path=camera.org_path, quality="session", slot=session.slot,
            address=session.address, started_us=ctx.clock.wall_us(), ended_us=None, end_reason=None,
            session_id=session.id, room_id=session.room_id if is_shown else None,
        )  # fmt: skip
        await live.add(connection, row)
        await audit.append(
            connection,
            _entry(row, row.started_us, "view.start", trace_id, {"room": session.room_id} if session.room_id else {}),
        )
    return View(row.id, camera_id, slot, is_shown)


async def _is_only_shown(
    connection: Connection, session: SessionRow, principal: Principal | None, camera: CameraRow
) -> bool:
    """Tell whether the camera is seen because the room shows it, and not by a right of one's own."""
    if session.room_id is None:
        return False
    if principal is not None and principal.may(Verb.LIVE_VIEW, camera.org_path, camera.id):
        return False
    return await room_history.camera_shown(connection, session.room_id, camera.id) is not None


async def _principal(ctx: ApiContext, session: SessionRow) -> Principal | None:
    if session.user_id is None:
        return None
    return await load(ctx, Login(session.user_id, session.login_session_id or ""))


async def slot_of(ctx: ApiContext, camera_id: str) -> str:
    """Return the slot of the worker that has the camera, empty while nobody does."""
    try:
        return (await ctx.workers.of_camera(camera_id)).slot
    except HubError:
        return ""


def _check(principal: Principal | None, camera: CameraRow) -> None:
    if principal is None or not principal.may(Verb.CAMERA_READ, camera.org_path, camera.id):
        raise _unknown()
    if not principal.may(Verb.LIVE_VIEW, camera.org_path, camera.id):
        raise HubError(ErrorKind.DENIED, "not allowed to watch it", code="not_permitted")


def _unknown() -> HubError:
    return HubError(ErrorKind.NOT_FOUND, "no such camera", code="source_not_found")


def may_go_on(
    row: LiveSessionRow, principal: Principal | None, camera: CameraRow | None, shown: Iterable[tuple[str, str]]
) -> bool:
    """Tell whether a view may go on: by one's own right, or because the room (room, camera in `shown`) shows it."""
    if camera is None:
        return False
    if row.room_id is not None:
        return (row.room_id, row.camera_id) in shown
    return principal is not None and principal.may(Verb.LIVE_VIEW, camera.org_path, camera.id)


async def end(ctx: ApiContext, view_id: str, reason: str, *, outcome: str = "ok") -> bool:
    """Write that a view has ended, once."""
    now_us = ctx.clock.wall_us()
    async with ctx.db.write() as connection:
        row = await live.get(connection, view_id)
        if row is None or not await live.end(connection, view_id, now_us, reason):
            return False
        await audit.append(connection, ended_entry(row, now_us, reason, outcome))
    return True


async def end_all(connection: Connection, session_id: str, now_us: int, reason: str) -> list[AuditEntry]:
    """Mark everything watched in a session ended; return the audit entries for the caller to append."""
    rows = await live.open_of_session(connection, session_id)
    ended = [row for row in rows if await live.end(connection, row.id, now_us, reason)]
    return [ended_entry(row, now_us, reason) for row in ended]


async def end_camera(ctx: ApiContext, session_id: str, camera_id: str, reason: str) -> bool:
    """Write that a camera is no longer watched in a session, once."""
    async with ctx.db.read() as connection:
        rows = await live.open_of_session(connection, session_id)
    found = [await end(ctx, row.id, reason) for row in rows if row.camera_id == camera_id]
    return any(found)


def ended_entry(row: LiveSessionRow, now_us: int, reason: str, outcome: str = "ok") -> AuditEntry:
    """Return the audit entry of a view's end."""
    more = {"reason": reason, "watched_s": round((now_us - row.started_us) / 1e6, 1)}
    return _entry(row, now_us, "view.end", "", more, outcome)


def _entry(
    row: LiveSessionRow, at_us: int, action: str, trace_id: str, more: dict[str, object], outcome: str = "ok"
) -> AuditEntry:
    details = (
        {"session": row.session_id, "quality": row.quality} | ({"room": row.room_id} if row.room_id else {}) | more
    )
    return AuditEntry(
        at_us=at_us, user_id=row.user_id, username=row.username, address=row.address, action=action,
        target_kind="camera", target_id=row.camera_id, org_path=row.org_path, outcome=outcome, details=details,
        trace_id=trace_id[:40],
    )  # fmt: skip
