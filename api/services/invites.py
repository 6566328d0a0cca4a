"""Invitations: a link and a passcode that let somebody without an account into one room.

Both are random, compared as keyed or plain hashes, and kept sealed to be shown to the chair again. Wrong passcodes
are counted per room and network, like wrong passwords of an account; many of them lock the room's invitation for
everybody. Called by `services.rooms` and `services.joining`.
"""

import hashlib
import hmac
import io
import json
import secrets
from dataclasses import dataclass, field

import segno

from api.auth.actor import Actor, Target
from api.auth.address import network_of
from api.auth.tokens import secret_hash
from api.context import ApiContext
from api.db import audit, logins, rooms
from api.db.engine import Connection
from api.db.logins import FailureRow
from api.db.rooms import InviteRow, RoomRow
from api.services.login import FAILURE_WINDOW_US, LOCK_US, MAX_FAILURES, MAX_FAILURES_ANYWHERE
from api.services.room_access import RoomView, check_lead, check_open
from media.base.errors import ErrorKind, HubError

SECOND_US = 1_000_000
PASSCODE_DIGITS = 6
TOKEN_BYTES = 18
"""144 random bits make a link of 24 characters, short enough for a QR code that an old phone reads."""


@dataclass(frozen=True, slots=True)
class Invitation:
    """What the chair hands out."""

    room_id: str
    token: str = field(repr=False)
    passcode: str = field(repr=False)


def make(ctx: ApiContext, room_id: str, passcode: str | None = None) -> InviteRow:
    """Return a fresh invitation, with the given passcode or a random one."""
    token = secrets.token_urlsafe(TOKEN_BYTES)
    code = passcode or f"{secrets.randbelow(10**PASSCODE_DIGITS):0{PASSCODE_DIGITS}d}"
    sealed = ctx.cipher.encrypt(json.dumps([token, code]), bound_to=f"invite {room_id}")
    return InviteRow(
        room_id=room_id, token_hash=secret_hash(token), passcode_hash=_passcode_hash(token, code), sealed=sealed,
        created_us=ctx.clock.wall_us(),
    )  # fmt: skip


def _passcode_hash(token: str, passcode: str) -> str:
    """Return what is stored of a passcode: six digits alone could be tried out, the link's token is the key."""
    return hmac.new(
        token.encode("utf-8", "surrogatepass"), passcode.encode("utf-8", "surrogatepass"), hashlib.sha256
    ).hexdigest()


def opened(ctx: ApiContext, row: InviteRow) -> Invitation:
    """Return the invitation in clear."""
    token, passcode = json.loads(ctx.cipher.decrypt(row.sealed, bound_to=f"invite {row.room_id}"))
    return Invitation(row.room_id, str(token), str(passcode))


async def shown(ctx: ApiContext, actor: Actor, view: RoomView) -> Invitation:
    """Return the room's invitation to somebody who leads it; HubError NOT_FOUND `no_invite` when there is none."""
    assert actor.principal is not None
    check_lead(view, actor.principal)
    async with ctx.db.read() as connection:
        row = await rooms.invite_of(connection, view.room.id)
    if row is None:
        raise HubError(ErrorKind.NOT_FOUND, "the room has no invitation", code="no_invite")
    return opened(ctx, row)


async def renew(ctx: ApiContext, actor: Actor, view: RoomView, passcode: str | None) -> Invitation:
    """Replace the invitation: the old link and passcode are no longer good."""
    assert actor.principal is not None
    check_lead(view, actor.principal)
    check_open(view.room)
    row = make(ctx, view.room.id, passcode)
    async with ctx.db.write() as connection:
        await rooms.put_invite(connection, row)
        await audit.append(
            connection, actor.entry(ctx.clock.wall_us(), "room.invite", _target(view.room), renewed=True)
        )
    return opened(ctx, row)


async def withdraw(ctx: ApiContext, actor: Actor, view: RoomView) -> None:
    """Let nobody in by invitation any more."""
    assert actor.principal is not None
    check_lead(view, actor.principal)
    async with ctx.db.write() as connection:
        await rooms.remove_invite(connection, view.room.id)
        await audit.append(
            connection, actor.entry(ctx.clock.wall_us(), "room.invite", _target(view.room), renewed=False)
        )


def _target(room: RoomRow) -> Target:
    return Target("room", room.id, room.org_path)


def picture(url: str) -> bytes:
    """Return the QR code of a link as SVG, made here: no other machine hears of it."""
    drawn = io.BytesIO()
    segno.make(url, error="m", micro=False).save(drawn, kind="svg", scale=8, border=4, light="#fff", xmldecl=False)
    return drawn.getvalue()


async def link_of(connection: Connection, room_id: str, token: str) -> InviteRow:
    """Return the invitation `token` belongs to; HubError NOT_FOUND `unknown_room` for any other."""
    row = await rooms.invite_of(connection, room_id)
    if row is None or not hmac.compare_digest(row.token_hash, secret_hash(token)):
        raise HubError(ErrorKind.NOT_FOUND, "no such invitation", code="unknown_room")
    return row


async def check_passcode(
    ctx: ApiContext, actor: Actor, room: RoomRow, invite: InviteRow, token: str, passcode: str
) -> None:
    """Return for the passcode of the invitation that `token` leads to.

    HubError DENIED `wrong_passcode`, EXHAUSTED `passcode_locked` after too many of those.
    """
    name, network = f"room {secret_hash(room.id)[:40]}", network_of(actor.address)
    async with ctx.login_turns.of(f"{name} {network}"):
        await _refuse_locked(ctx, name, network)
        if hmac.compare_digest(invite.passcode_hash, _passcode_hash(token, passcode)):
            return
        await _note_failure(ctx, actor, room, name, network)
    raise HubError(ErrorKind.DENIED, "the passcode is wrong", code="wrong_passcode")


async def _refuse_locked(ctx: ApiContext, name: str, network: str) -> None:
    now_us = ctx.clock.wall_us()
    async with ctx.db.read() as connection:
        row = await logins.get_failures(connection, name, network)
        total = await logins.total_failures(connection, name, now_us - FAILURE_WINDOW_US)
    until_us = row.locked_until_us if row else 0
    if until_us <= now_us and total >= MAX_FAILURES_ANYWHERE:
        until_us = now_us + LOCK_US
    if until_us > now_us:
        wait_s = (until_us - now_us) / SECOND_US
        raise HubError(ErrorKind.EXHAUSTED, "too many wrong passcodes", code="passcode_locked", retry_after_s=wait_s)


async def _note_failure(ctx: ApiContext, actor: Actor, room: RoomRow, name: str, network: str) -> None:
    now_us = ctx.clock.wall_us()
    async with ctx.db.write() as connection:
        await audit.take_turn(connection)
        row = await logins.get_failures(connection, name, network)
        is_fresh = row is None or row.last_us < now_us - FAILURE_WINDOW_US
        failures = 1 if is_fresh or row is None else row.failures + 1
        until_us = now_us + LOCK_US if failures >= MAX_FAILURES else 0
        await logins.put_failures(connection, name, network, FailureRow(failures, now_us, until_us))
        entry = actor.entry(
            now_us, "room.join", _target(room), outcome="failed", reason="wrong_passcode", failures=failures
        )
        await audit.append(connection, entry)
