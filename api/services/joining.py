"""Coming in: who may, in which role, and the seat and the token they get. One transaction; media comes later.

Members come by their log-in, guests by an invitation's link and passcode. A token opens one session within two
minutes. Whoever names a participant of their own gets that seat back instead of a new one. Called by routes and calls.
"""

from dataclasses import dataclass, field

from api.auth.actor import Actor
from api.auth.principal import Principal
from api.auth.tokens import new_secret, secret_hash
from api.auth.verbs import Verb
from api.context import ApiContext
from api.db import orgs, seats
from api.db.engine import Connection
from api.db.rooms import InviteRow
from api.db.seats import SeatRow, TokenRow
from api.services import invites, rooms
from api.services.room_access import RoomView, check_known, check_open, role_of, usual_role
from media.base.errors import ErrorKind, HubError
from media.base.ids import new_id

TOKEN_LIFETIME_US = 120 * 1_000_000
MAX_NAME_CHARS = 64
PERSON, VENUE, WHIP = "person", "venue", "whip"
SEATS_A_MINUTE = 600
"""New seats one account, or all guests of a room together, may take within a minute: three county halls arriving."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinRequest:
    """What somebody says who wants to come in; `head_count` 0 is not stated."""

    display_name: str = ""
    venue: str = ""
    head_count: int = 0
    invite: str | None = field(default=None, repr=False)
    passcode: str | None = field(default=None, repr=False)
    participant_id: str | None = None
    kind: str | None = None


@dataclass(frozen=True, slots=True)
class Joined:
    """A seat and the token that leads to it."""

    view: RoomView
    seat: SeatRow
    token: str = field(repr=False)


async def join(ctx: ApiContext, actor: Actor, room_id: str, request: JoinRequest) -> Joined:
    """Return a seat and a token.

    HubError NOT_FOUND for somebody who does not belong there, CONFLICT `room_ended`, DENIED `wrong_passcode`,
    EXHAUSTED `passcode_locked`, INVALID `name_required` for a guest without a name.
    """
    view, invite = await _entered(ctx, actor, room_id, request)
    role, is_guest = await _role(ctx, actor, view, request, invite)
    check_open(view.room)
    now_us = ctx.clock.wall_us()
    async with ctx.db.write() as connection:
        seat = await _seat(connection, actor, view, request, (role, is_guest, now_us))
        await _bound(connection, seat, now_us)
        await seats.put_seat(connection, seat)
        token = await issue(connection, actor.principal, seat, now_us)
    return Joined(view, seat, token)


async def _entered(
    ctx: ApiContext, actor: Actor, room_id: str, request: JoinRequest
) -> tuple[RoomView, InviteRow | None]:
    """Return the room, and the invitation if by one, to somebody who belongs there or holds its link."""
    async with ctx.db.read() as connection:
        view = await rooms.existing(connection, room_id)
        if request.invite is not None:
            return view, await invites.link_of(connection, room_id, request.invite)
    if actor.principal is None:
        raise HubError(ErrorKind.UNAUTHENTICATED, "log in, or come by invitation", code="token_missing")
    check_known(view, actor.principal)
    return view, None


async def _role(
    ctx: ApiContext, actor: Actor, view: RoomView, request: JoinRequest, invite: InviteRow | None
) -> tuple[str, bool]:
    """Return the role, and whether it is that of a guest."""
    principal = actor.principal
    if principal is not None and Verb.ROOM_JOIN in principal.verbs:
        role = role_of(view, principal)
        if role is not None:
            return role, False
    if invite is None or request.invite is None:
        raise HubError(ErrorKind.DENIED, "not invited", code="denied", verb=Verb.ROOM_JOIN.value)
    if not (request.display_name or principal):
        raise HubError(ErrorKind.INVALID, "a guest has a name", code="name_required", field="display_name")
    await invites.check_passcode(ctx, actor, view.room, invite, request.invite, request.passcode or "")
    return usual_role(view.room.kind), True


async def _seat(
    connection: Connection, actor: Actor, view: RoomView, request: JoinRequest, found: tuple[str, bool, int]
) -> SeatRow:
    role, is_guest, now_us = found
    principal = actor.principal
    before = await _own_seat(connection, principal, view, request.participant_id)
    org = await orgs.get(connection, principal.org_id) if principal and principal.org_id else None
    name = request.display_name or (principal.display_name if principal else "")
    return SeatRow(
        room_id=view.room.id, participant_id=before.participant_id if before else new_id("p-"),
        user_id=actor.user_id, login_session_id=principal.session_id if principal else None,
        kind=request.kind or (VENUE if request.head_count > 1 else PERSON), role=role, display_name=name[:MAX_NAME_CHARS],
        venue=request.venue[:MAX_NAME_CHARS], head_count=request.head_count, org_id=org.id if org else None,
        org_name=org.name if org else "", is_guest=is_guest, created_us=before.created_us if before else now_us,
    )  # fmt: skip


async def _own_seat(
    connection: Connection, principal: Principal | None, view: RoomView, participant_id: str | None
) -> SeatRow | None:
    """Return the seat somebody wants back, if it is theirs; a guest cannot show that, and gets another.

    Whom the chair has put out comes back as who they were: the room remembers, and lets them wait in its lobby.
    """
    if principal is None:
        return None
    participant_id = await seats.put_out_seat(connection, view.room.id, principal.user_id) or participant_id
    if participant_id is None:
        return None
    seat = await seats.seat(connection, view.room.id, participant_id)
    return seat if seat is not None and seat.user_id == principal.user_id else None


async def _bound(connection: Connection, seat: SeatRow, now_us: int) -> None:
    taken = await seats.count_seats(connection, seat.room_id, seat.user_id, now_us - 60_000_000)
    if taken >= SEATS_A_MINUTE:
        raise HubError(ErrorKind.EXHAUSTED, "too many seats at once", code="rate_limited", retry_after_s=10.0)


async def issue(connection: Connection, principal: Principal | None, seat: SeatRow | None, now_us: int) -> str:
    """Store and return a token for a seat, or for a wall of one's own without one."""
    token = new_secret()
    row = TokenRow(
        token_hash=secret_hash(token), user_id=principal.user_id if principal else None,
        login_session_id=principal.session_id if principal else None, room_id=seat.room_id if seat else None,
        participant_id=seat.participant_id if seat else None, issued_us=now_us, expires_us=now_us + TOKEN_LIFETIME_US,
        used_us=None,
    )  # fmt: skip
    await seats.add_token(connection, row)
    return token


async def wall_token(ctx: ApiContext, actor: Actor) -> str:
    """Return a token for a session without a room."""
    async with ctx.db.write() as connection:
        return await issue(connection, actor.principal, None, ctx.clock.wall_us())
