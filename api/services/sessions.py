"""Sessions of the session protocol: begun with a token, taken up again after a break, ended once.

The row is written before a worker is asked and says who sits where, so that a page finds its way back when api, worker
or shared state were away. Called by the gate (`control.gate`), the sweeper and the reader of worker news; cameras
watched in a session are the business of `services.session_views`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from api.auth.actor import Actor
from api.auth.principal import Principal
from api.auth.tokens import new_secret, secret_hash
from api.context import ApiContext
from api.db import audit, rooms, seats
from api.db.audit import AuditEntry
from api.db.engine import Connection
from api.db.rooms import RoomRow
from api.db.seats import SeatRow, SessionRow, TokenRow
from api.services import room_homes, session_views
from api.services.principals import Login, load
from api.services.room_access import RoomView, check_open, is_member
from media.base.errors import ErrorKind, HubError
from media.base.ids import new_id

MAX_SESSIONS = 256
"""Open sessions of one account: a venue account on many devices, or a load test; more is a loop that opens sessions."""
RESUME_LATE_US = 15 * 60 * 1_000_000
"""So long after it was lost a session may still be taken up, on a fresh start in the same seat."""
REPLACED, LOST, LEFT, REVOKED = "replaced", "lost", "left", "revoked"
COMES_BACK = frozenset({LOST, "expired", "timeout", "worker_restart", "detached"})
"""Reasons after which a page may come back: nobody wanted the end."""


@dataclass(frozen=True, slots=True)
class Opening:
    """A session to be opened at a worker; `resume` is what the page shows to come back."""

    session: SessionRow
    seat: SeatRow | None
    resume: str
    is_resume: bool
    spent: str | None = None
    """The hash of the token it came from."""
    home_slot: str | None = None
    """Where its room lived when this was made."""

    def frame(self, home_slot: str | None, limits: dict[str, Any]) -> dict[str, Any]:
        """Return the first frame for the worker."""
        session, seat = self.session, self.seat
        claims = None
        if seat is not None:
            kept = ("room_id", "participant_id", "display_name", "venue", "head_count", "role", "kind", "org_name")
            claims = {name: getattr(seat, name) for name in kept}
            claims |= {"home_slot": home_slot, "user_id": seat.user_id or "", "org_id": seat.org_id or ""}
        return {
            "open": {
                "session_id": session.id, "resume_token_hash": session.resume_hash, "user_id": session.user_id or "",
                "display_name": seat.display_name if seat else session.username, "is_resume": self.is_resume,
                "seat": claims, "limits": limits,
            }
        }  # fmt: skip


def _unauthenticated(code: str, message: str) -> HubError:
    return HubError(ErrorKind.UNAUTHENTICATED, message, code=code)


async def begin(ctx: ApiContext, token: str, actor: Actor, *, foreign: str = "") -> Opening:
    """Spend a token and write the session down; HubError `token_invalid`, `token_expired`, `token_used` and others.

    `foreign` is `whip` or `whep` for software that has no page: it sits where its room lives.
    """
    row, room = await _look_up(ctx, token)
    home = await room_homes.open_home(ctx, actor, room) if room and room.ended_us is None else None
    link = home if foreign and home is not None else await room_homes.seat_slot(ctx, home)
    principal = await _holder(ctx, row)
    async with ctx.db.write() as connection:
        entitled = await _entitled(connection, row, principal)
        if not await seats.use_token(connection, row.token_hash, ctx.clock.wall_us()):
            raise _unauthenticated("token_used", "the token was used already")
        opening = await _add(ctx, connection, actor, (row, entitled, link.slot), prefix=foreign or "s")
    return replace(opening, home_slot=home.slot if home else None)


async def _look_up(ctx: ApiContext, token: str) -> tuple[TokenRow, RoomRow | None]:
    """Return what a token says, and the room it leads to."""
    async with ctx.db.read() as connection:
        row = await seats.token(connection, secret_hash(token))
        room = await rooms.get(connection, row.room_id) if row is not None and row.room_id is not None else None
    if row is None:
        raise _unauthenticated("token_invalid", "no such token")
    if row.used_us is not None:
        raise _unauthenticated("token_used", "the token was used already")
    if row.expires_us <= ctx.clock.wall_us():
        raise _unauthenticated("token_expired", "the token has expired")
    return row, room


async def _holder(ctx: ApiContext, row: TokenRow | SessionRow) -> Principal | None:
    """Return the person a token or a session belongs to, None for a guest; HubError when the log-in has ended."""
    if row.user_id is None:
        return None
    principal = await load(ctx, Login(row.user_id, row.login_session_id or ""))
    if principal is None:
        raise _unauthenticated("token_invalid", "the log-in has ended")
    return principal


@dataclass(frozen=True, slots=True)
class _Entitled:
    """Who may have a session: in a seat of a room, or in none to watch only."""

    username: str
    seat: SeatRow | None = None
    room: RoomRow | None = None


async def _entitled(connection: Connection, row: TokenRow | SessionRow, principal: Principal | None) -> _Entitled:
    """Return whoever may still have the seat; HubError when room or membership has gone."""
    if principal is not None and await seats.count_open(connection, principal.user_id) >= MAX_SESSIONS:
        raise HubError(ErrorKind.EXHAUSTED, "too many sessions", code="too_many_sessions", limit=MAX_SESSIONS)
    if row.room_id is None or row.participant_id is None:
        if principal is None:
            raise _unauthenticated("token_invalid", "the token is nobody's")
        return _Entitled(principal.username)
    room = await rooms.get(connection, row.room_id)
    seat = await seats.seat(connection, row.room_id, row.participant_id)
    if room is None or seat is None:
        raise HubError(ErrorKind.NOT_FOUND, "no such room", code="room_not_found")
    check_open(room)
    view = RoomView(room, (await rooms.members_of(connection, [room.id]))[room.id])
    if not (seat.is_guest or is_member(view, principal)):
        raise HubError(ErrorKind.DENIED, "no longer invited", code="not_permitted")
    return _Entitled(principal.username if principal else seat.display_name, seat, room)


async def _add(
    ctx: ApiContext,
    connection: Connection,
    actor: Actor,
    found: tuple[TokenRow | SessionRow, _Entitled, str],
    *,
    prefix: str = "s",
) -> Opening:
    row, entitled, slot = found
    seat = entitled.seat
    now_us, resume = ctx.clock.wall_us(), new_secret()
    session = SessionRow(
        id=new_id(f"{prefix}-"), user_id=row.user_id, username=entitled.username[:64], login_session_id=row.login_session_id,
        room_id=row.room_id, participant_id=row.participant_id, slot=slot, resume_hash=secret_hash(resume),
        address=actor.address[:64], started_us=now_us, ended_us=None, end_reason=None,
    )  # fmt: skip
    await seats.add_session(connection, session)
    if seat is not None:
        details = {"session": session.id, "venue": seat.venue, "role": seat.role, "guest": seat.is_guest}
        path = entitled.room.org_path if entitled.room else "/"
        await audit.append(connection, entry(session, seat, (now_us, path), "room.join", details, actor.trace_id))
    spent = row.token_hash if isinstance(row, TokenRow) else None
    return Opening(session, seat, resume, is_resume=False, spent=spent)


def entry(
    session: SessionRow,
    seat: SeatRow | None,
    at: tuple[int, str],
    action: str,
    more: Mapping[str, Any],
    trace_id: str = "",
) -> AuditEntry:
    """Return an audit entry about somebody's being in a room; `at` is when, and the room's organisation path."""
    at_us, path = at
    named = {"participant": session.participant_id, "name": seat.display_name if seat else session.username}
    return AuditEntry(
        at_us=at_us, user_id=session.user_id, username=session.username, address=session.address, action=action,
        target_kind="room", target_id=session.room_id or "", org_path=path, details=named | dict(more),
        trace_id=trace_id[:40],
    )  # fmt: skip


async def unspend(ctx: ApiContext, opening: Opening, *, keep: bool) -> None:
    """Undo `begin` for a session that no worker took; unless `keep` the page may try again with its token."""
    if opening.spent is not None and not keep:
        async with ctx.db.write() as connection:
            await seats.release_token(connection, opening.spent)
    await note_end(ctx, opening.session.id, LOST if not keep else "refused")


async def home_slot(ctx: ApiContext, room_id: str | None) -> str | None:
    """Return the slot a room lives in."""
    if room_id is None:
        return None
    async with ctx.db.read() as connection:
        room = await rooms.get(connection, room_id)
    return room.slot if room else None


async def open_room_anew(ctx: ApiContext, room_id: str, actor: Actor) -> None:
    """Tell a worker of a room it has forgotten."""
    room_homes.forget(ctx, room_id)
    async with ctx.db.read() as connection:
        room = await rooms.get(connection, room_id)
    if room is not None:
        await room_homes.open_home(ctx, actor, room)


async def resume(ctx: ApiContext, secret: str) -> Opening:
    """Return the session to take up again; HubError NOT_FOUND `resume_unknown`, or as for `begin` without a right."""
    async with ctx.db.read() as connection:
        session = await seats.session_by_resume(connection, secret_hash(secret))
        if session is None or not _comes_back(session, ctx.clock.wall_us()):
            raise HubError(ErrorKind.NOT_FOUND, "no such session", code="resume_unknown")
    principal = await _holder(ctx, session)
    async with ctx.db.read() as connection:
        entitled = await _entitled(connection, session, principal)
    opening = Opening(session, entitled.seat, secret, is_resume=True)
    return opening if session.ended_us is None else replace(opening, is_resume=False)


def _comes_back(session: SessionRow, now_us: int) -> bool:
    if session.ended_us is None:
        return True
    return session.end_reason in COMES_BACK and now_us - session.ended_us < RESUME_LATE_US


async def afresh(ctx: ApiContext, before: Opening, actor: Actor) -> Opening:
    """Return a new session in the seat of one its worker has forgotten; the page's resume token goes on."""
    session = before.session
    await note_end(ctx, session.id, LOST)
    home = None
    if session.room_id is not None:
        async with ctx.db.read() as connection:
            room = await rooms.get(connection, session.room_id)
        if room is not None:
            home = await room_homes.open_home(ctx, actor, room)
    link = await room_homes.seat_slot(ctx, home)
    principal = await _holder(ctx, session)
    async with ctx.db.write() as connection:
        entitled = await _entitled(connection, session, principal)
        await seats.retire_resume(connection, session.id, secret_hash(f"gone {session.id}"))
        opening = await _add(ctx, connection, actor, (session, entitled, link.slot))
        await seats.change_session(connection, opening.session.id, {"resume_hash": session.resume_hash})
    kept = replace(opening.session, resume_hash=session.resume_hash)
    return replace(opening, session=kept, resume=before.resume)


async def rivals(ctx: ApiContext, session: SessionRow) -> tuple[SessionRow, ...]:
    """Return the other open sessions in the same seat: whoever comes last has it."""
    if session.room_id is None:
        return ()
    async with ctx.db.read() as connection:
        mine = await seats.open_sessions(connection, session.room_id, session.participant_id)
    return tuple(one for one in mine if one.id != session.id)


async def note_end(ctx: ApiContext, session_id: str, reason: str) -> bool:
    """Write that a session has ended, and with it whatever was watched in it, once; False when it was known."""
    now_us = ctx.clock.wall_us()
    async with ctx.db.write() as connection:
        session = await seats.session(connection, session_id)
        values = {"ended_us": now_us, "end_reason": reason[:40]}
        if session is None or not await seats.change_session(connection, session_id, values):
            return False
        entries = await session_views.end_all(connection, session_id, now_us, reason)
        if session.room_id is not None:
            room = await rooms.get(connection, session.room_id)
            seat = await seats.seat(connection, session.room_id, session.participant_id or "")
            stayed_s = round((now_us - session.started_us) / 1e6, 1)
            path = room.org_path if room else "/"
            more: dict[str, Any] = {"session": session.id, "reason": reason, "stayed_s": stayed_s}
            entries.append(entry(session, seat, (now_us, path), "room.leave", more))
        await audit.append(connection, *entries)
    return True
