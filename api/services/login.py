"""Logging in and out: passwords, lockout, access and refresh tokens.

Lockout counts per account *and* address: a county shares one public address, so one person's typing errors must not
lock out the others, nor may a stranger elsewhere lock out the person; many strangers together lock the account, but
not where the person has logged in before. Of IPv6 an address is its /64. Refresh tokens are used once; a second use
means that somebody else holds a copy, and ends the log-in. Called by `routes.auth`.
"""

import re
import unicodedata
from dataclasses import dataclass

from api.auth import passwords
from api.auth.actor import Actor, Target
from api.auth.address import network_of
from api.auth.tokens import ACCESS_LIFETIME_S, new_secret, secret_hash
from api.context import ApiContext
from api.db import audit, logins, users
from api.db.engine import Connection
from api.db.logins import FailureRow, RefreshRow
from api.db.users import UserRow
from media.base.errors import ErrorKind, HubError
from media.base.ids import new_id

SECOND_US = 1_000_000
MAX_FAILURES = 5
"""等保 2.0: lock after five failures."""
MAX_FAILURES_ANYWHERE = 50
FAILURE_WINDOW_US = 15 * 60 * SECOND_US
LOCK_US = 10 * 60 * SECOND_US
REFRESH_IDLE_US = 12 * 3600 * SECOND_US
"""A day's shift: who does not come back within it logs in again."""
SESSION_LIFETIME_US = 30 * 24 * 3600 * SECOND_US
RACE_US = 5 * SECOND_US
"""Two tabs of one browser may refresh with the same cookie at the same moment."""

_USERNAME = re.compile(r"[\w.@-]{1,64}")


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a log-in hands out; `refresh_s` is how long the refresh token lives."""

    access_token: str
    refresh_token: str
    expires_in_s: int
    refresh_s: int


@dataclass(frozen=True, slots=True)
class Device:
    """Where a log-in comes from."""

    address: str
    user_agent: str
    trace_id: str = ""


def normal_username(text: str) -> str:
    """Return the user name as stored: NFKC, case folded; HubError INVALID when it is not a user name."""
    name = unicodedata.normalize("NFKC", text).strip().casefold()
    if not _USERNAME.fullmatch(name):
        raise HubError(ErrorKind.INVALID, "a user name is letters, digits, and . _ - @", code="invalid_username")
    return name


async def log_in(ctx: ApiContext, username: str, password: str, device: Device) -> Tokens:
    """Return tokens for the right password; HubError UNAUTHENTICATED `bad_credentials`, EXHAUSTED `account_locked`."""
    try:
        name = normal_username(username)
    except HubError:
        await ctx.passwords.verify(password, None)
        raise _bad_credentials() from None
    async with ctx.login_turns.of(f"{name} {network_of(device.address)}"):
        return await _try(ctx, name, password, device)


async def _try(ctx: ApiContext, name: str, password: str, device: Device) -> Tokens:
    async with ctx.db.read() as connection:
        await _refuse_locked(ctx, connection, name, device)
        user = await users.by_username(connection, name)
    is_right = await ctx.passwords.verify(password, user.password_hash if user else None)
    if user is None or not is_right or not user.enabled:
        await _note_failure(ctx, name, user, device)
        raise _bad_credentials()
    return await _begin(ctx, user, device)


def _bad_credentials() -> HubError:
    return HubError(ErrorKind.UNAUTHENTICATED, "wrong user name or password", code="bad_credentials")


async def _refuse_locked(ctx: ApiContext, connection: Connection, name: str, device: Device) -> None:
    now_us = ctx.clock.wall_us()
    row = await logins.get_failures(connection, name, network_of(device.address))
    locked_until_us = row.locked_until_us if row else 0
    if locked_until_us <= now_us:
        total = await logins.total_failures(connection, name, now_us - FAILURE_WINDOW_US)
        if total < MAX_FAILURES_ANYWHERE or await logins.has_come_from(connection, name, device.address[:64]):
            return
        locked_until_us = now_us + LOCK_US
    wait_s = (locked_until_us - now_us) / SECOND_US
    raise HubError(ErrorKind.EXHAUSTED, "locked after failed log-ins", code="account_locked", retry_after_s=wait_s)


async def _note_failure(ctx: ApiContext, name: str, user: UserRow | None, device: Device) -> None:
    now_us = ctx.clock.wall_us()
    async with ctx.db.write() as connection:
        await audit.take_turn(connection)  # guesses made at once must each be counted
        network = network_of(device.address)
        row = await logins.get_failures(connection, name, network)
        is_fresh = row is None or row.last_us < now_us - FAILURE_WINDOW_US
        failures = 1 if is_fresh or row is None else row.failures + 1
        is_locked = failures >= MAX_FAILURES
        until_us = now_us + LOCK_US if is_locked else 0
        await logins.put_failures(connection, name, network, FailureRow(failures, now_us, until_us))
        entry = _actor(name, device).entry(
            now_us, "auth.login", Target("user", user.id if user else ""), outcome="failed",
            failures=failures, is_locked=is_locked,
        )  # fmt: skip
        await audit.append(connection, entry)


def _actor(username: str, device: Device) -> Actor:
    return Actor(username=username, address=device.address, trace_id=device.trace_id)


async def _begin(ctx: ApiContext, user: UserRow, device: Device) -> Tokens:
    now_us = ctx.clock.wall_us()
    session_id = new_id()
    async with ctx.db.write() as connection:
        await audit.take_turn(connection)
        await _refuse_locked(ctx, connection, user.username, device)  # others guessed while this one was verified
        await logins.clear_failures(connection, user.username, network_of(device.address))
        await logins.add_session(
            connection,
            {
                "id": session_id, "user_id": user.id, "address": device.address[:64],
                "user_agent": device.user_agent[:200], "created_us": now_us, "expires_us": now_us + SESSION_LIFETIME_US,
            },
        )  # fmt: skip
        tokens = await _issue(ctx, connection, user.id, session_id)
        entry = _actor(user.username, device).entry(now_us, "auth.login", Target("user", user.id, user.org_path or "/"))
        await audit.append(connection, entry)
    return tokens


async def _issue(ctx: ApiContext, connection: Connection, user_id: str, session_id: str) -> Tokens:
    now_us = ctx.clock.wall_us()
    refresh = new_secret()
    await logins.add_refresh(
        connection,
        {
            "token_hash": secret_hash(refresh), "session_id": session_id, "issued_us": now_us,
            "expires_us": now_us + REFRESH_IDLE_US,
        },
    )  # fmt: skip
    access = ctx.signer.issue(user_id, session_id, now_us)
    return Tokens(access, refresh, ACCESS_LIFETIME_S, REFRESH_IDLE_US // SECOND_US)


async def refresh(ctx: ApiContext, token: str, device: Device, *, is_cookie: bool) -> Tokens:
    """Return new tokens for a refresh token, once; HubError UNAUTHENTICATED `refresh_invalid`.

    A token used a second time ends the log-in it belongs to, except within seconds when it came as a cookie.
    """
    now_us = ctx.clock.wall_us()
    async with ctx.db.write() as connection:
        row = await logins.get_refresh(connection, secret_hash(token))
        user = await users.get(connection, row.user_id) if row else None
        tokens = None
        if row is not None and user is not None and user.enabled and _is_alive(row, now_us):
            is_first = await logins.use_refresh(connection, row.token_hash, now_us)
            is_race = is_cookie and row.used_us is not None and now_us - row.used_us < RACE_US
            if is_first or is_race:
                tokens = await _issue(ctx, connection, user.id, row.session_id)
            else:
                await logins.revoke_session(connection, row.session_id, now_us)
                entry = _actor(user.username, device).entry(
                    now_us, "auth.refresh_reuse", Target("user", user.id, user.org_path or "/"), outcome="refused"
                )
                await audit.append(connection, entry)
    if tokens is None:
        ctx.access_changed.set()
        raise HubError(ErrorKind.UNAUTHENTICATED, "the log-in has ended", code="refresh_invalid")
    return tokens


def _is_alive(row: RefreshRow, now_us: int) -> bool:
    return row.revoked_us is None and row.expires_us > now_us and row.session_expires_us > now_us


async def log_out(ctx: ApiContext, actor: Actor) -> None:
    """End the log-in of the actor's access token."""
    assert actor.principal is not None
    now_us = ctx.clock.wall_us()
    async with ctx.db.write() as connection:
        await logins.revoke_session(connection, actor.principal.session_id, now_us)
        target = Target("user", actor.principal.user_id, actor.principal.org_path)
        await audit.append(connection, actor.entry(now_us, "auth.logout", target))
    ctx.access_changed.set()


async def change_password(ctx: ApiContext, actor: Actor, present: str, wanted: str) -> None:
    """Set the actor's own password and end the other log-ins; HubError INVALID `wrong_password`, `weak_password`."""
    assert actor.principal is not None
    me = actor.principal
    passwords.check_new_password(wanted, me.username)
    async with ctx.db.read() as connection:
        user = await users.get(connection, me.user_id)
    if user is None or not await ctx.passwords.verify(present, user.password_hash):
        raise HubError(ErrorKind.INVALID, "the present password is wrong", code="wrong_password")
    hashed = await ctx.passwords.hash(wanted)
    now_us = ctx.clock.wall_us()
    async with ctx.db.write() as connection:
        await users.change(connection, me.user_id, {"password_hash": hashed, "updated_us": now_us})
        await logins.revoke_user(connection, me.user_id, now_us, but=me.session_id)
        await audit.append(connection, actor.entry(now_us, "user.password", Target("user", me.user_id, me.org_path)))
    ctx.access_changed.set()
