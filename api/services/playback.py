"""Looking at recordings: the reason first (调阅登记), then a grant, then bytes under it.

A grant is an opaque token whose row says whose it is, for which verbs, range, and cameras or room. It slides while it
is used and dies with the log-in, the right, or the clock. Each camera, or track of a meeting, opened under a grant is a
view with an audit row before its first byte and one at its end. Called by `routes.playback`, `meeting_playback` and
the sweeper.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from api.auth.actor import Actor, Target
from api.auth.principal import Principal
from api.auth.tokens import new_secret, secret_hash
from api.auth.verbs import Verb
from api.context import ApiContext
from api.db import audit, cameras, playback
from api.db.audit import AuditEntry
from api.db.cameras import CameraRow
from api.db.engine import Connection
from api.db.playback import GrantRow, ReplayViewRow
from api.db.rows import Page
from api.services.principals import Login, load
from api.services.ranges import TimeRange
from media.base.clock import rfc3339
from media.base.errors import ErrorKind, HubError
from media.base.ids import new_id

SECOND_US = 1_000_000
IDLE_US = 15 * 60 * SECOND_US
EXTEND_WHEN_LEFT_US = 10 * 60 * SECOND_US
LIFETIME_US = 12 * 3600 * SECOND_US
MAX_CAMERAS = 16
MAX_OPEN_GRANTS = 200
TOUCH_EVERY_US = 10 * SECOND_US
_ACTIONS = {Verb.REPLAY_VIEW: "replay.open", Verb.REPLAY_DOWNLOAD: "replay.download"}


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantTerms:
    """What the dialog before replay asks."""

    span: TimeRange
    reason: str
    case_no: str | None = None
    unit: str | None = None
    verbs: frozenset[Verb] = frozenset({Verb.REPLAY_VIEW, Verb.REPLAY_DOWNLOAD})


@dataclass(frozen=True, slots=True)
class Granted:
    """A fresh grant; `token` is shown this once."""

    id: str
    token: str
    expires_us: int


@dataclass(frozen=True, slots=True)
class Footage:
    """What is opened under a grant: a camera, or a track of a meeting. `details` go into the audit rows."""

    id: str
    org_path: str
    room_id: str | None = None
    details: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class GrantUse:
    """A grant presented for a piece of footage, and whose it is."""

    grant: GrantRow
    principal: Principal
    footage: Footage


def check_reason(actor: Actor, terms: GrantTerms) -> Principal:
    """Return who asks; HubError DENIED `reason_required` for nobody, or for no reason."""
    if actor.principal is None or not terms.reason.strip():
        raise HubError(ErrorKind.DENIED, "a reason is required", code="reason_required")
    return actor.principal


def new_grant(
    ctx: ApiContext, me: Principal, terms: GrantTerms, verbs: frozenset[Verb], room_id: str | None = None
) -> tuple[GrantRow, str]:
    """Return a grant to be stored, and its token."""
    now_us, token = ctx.clock.wall_us(), new_secret()
    row = GrantRow(
        id=f"{now_us:016x}-{secrets.token_hex(6)}", token_hash=secret_hash(token), user_id=me.user_id,
        username=me.username, login_session_id=me.session_id, verbs=" ".join(sorted(verbs)),
        start_us=terms.span.start_us, end_us=terms.span.end_us, reason=terms.reason, case_no=terms.case_no,
        unit=terms.unit, created_us=now_us, expires_us=now_us + IDLE_US, ended_us=None, room_id=room_id,
    )  # fmt: skip
    return row, token


async def take_room(connection: Connection, me: Principal, now_us: int) -> None:
    """Refuse one grant too many: HubError EXHAUSTED `too_many_grants`."""
    if await playback.count_open(connection, me.user_id, now_us) >= MAX_OPEN_GRANTS:
        raise HubError(ErrorKind.EXHAUSTED, "too many grants", code="too_many_grants", limit=MAX_OPEN_GRANTS)


async def grant(ctx: ApiContext, actor: Actor, camera_ids: tuple[str, ...], terms: GrantTerms) -> Granted:
    """Register the reason and return a grant; HubError DENIED `reason_required` without one, or for a camera."""
    me = check_reason(actor, terms)
    async with ctx.db.write() as connection:
        found = await cameras.some(connection, camera_ids)
        row, token = new_grant(ctx, me, terms, _verbs_held(me, found, camera_ids, terms))
        await take_room(connection, me, row.created_us)
        await playback.add(connection, row, [camera.id for camera in found])
        targets = [Target("camera", camera.id, camera.org_path) for camera in found]
        await audit.append(connection, *(register_entry(actor, row, target) for target in targets))
    return Granted(row.id, token, row.expires_us)


def _verbs_held(
    me: Principal, found: tuple[CameraRow, ...], camera_ids: tuple[str, ...], wanted: GrantTerms
) -> frozenset[Verb]:
    """Return the wanted verbs held on every camera; looking is the least."""
    known = {camera.id for camera in found if me.may(Verb.CAMERA_READ, camera.org_path, camera.id)}
    missing = set(camera_ids) - known
    if missing:
        raise HubError(ErrorKind.NOT_FOUND, "no such camera", code="unknown_camera", camera_id=min(missing))
    for camera in found:
        me.check(Verb.REPLAY_VIEW, camera.org_path, camera.id)
    return frozenset(verb for verb in wanted.verbs if all(me.may(verb, camera.org_path, camera.id) for camera in found))


def register_entry(actor: Actor, row: GrantRow, target: Target, **more: Any) -> AuditEntry:
    """Return the line of the audit log that a grant makes for one of its targets."""
    return actor.entry(
        row.created_us, "replay.grant", target, grant=row.id, reason=row.reason, case_no=row.case_no, unit=row.unit,
        verbs=row.verbs, **TimeRange(row.start_us, row.end_us).params(), **more,
    )  # fmt: skip


def expiry(made: Granted) -> str:
    """Return when the grant ends unless it is used, RFC 3339."""
    return rfc3339(made.expires_us)


async def register(
    ctx: ApiContext, principal: Principal, before: str, limit: int
) -> tuple[Page[GrantRow], dict[str, tuple[str, ...]]]:
    """Return lines of the register and the cameras of each: one's own, or everybody's for a whole-system auditor."""
    is_auditor = Verb.AUDIT_READ in principal.verbs and principal.is_everywhere
    async with ctx.db.read() as connection:
        page = await playback.page(connection, None if is_auditor else principal.user_id, before, limit)
        return page, await playback.cameras_of(connection, [row.id for row in page.items])


def grant_invalid() -> HubError:
    """Return the refusal of a grant that is not what it should be; why is not told."""
    return HubError(ErrorKind.DENIED, "the grant is not valid", code="grant_invalid")


async def standing(ctx: ApiContext, token: str) -> tuple[GrantRow, Principal]:
    """Return a grant in force and whose it is, and slide its expiry; HubError DENIED `grant_invalid`."""
    now_us = ctx.clock.wall_us()
    async with ctx.db.read() as connection:
        row = await playback.by_token(connection, secret_hash(token))
    if row is None or row.ended_us is not None or row.expires_us <= now_us:
        raise grant_invalid()
    principal = await load(ctx, Login(row.user_id, row.login_session_id))
    if principal is None:
        raise grant_invalid()
    await _slide(ctx, row, now_us)
    return row, principal


async def present(ctx: ApiContext, token: str, camera_id: str, verb: Verb) -> GrantUse:
    """Return the use of a grant for a camera; HubError DENIED `grant_invalid`, or `denied` when the verb is not held.

    The rights are today's, not those of the day the grant was made.
    """
    row, principal = await standing(ctx, token)
    async with ctx.db.read() as connection:
        covered = (await playback.cameras_of(connection, [row.id]))[row.id]
        camera = await cameras.get(connection, camera_id)
    if camera is None or camera_id not in covered:
        raise grant_invalid()
    if verb.value not in row.verbs.split(" "):
        raise HubError(ErrorKind.DENIED, "the grant is not for this", code="denied", verb=verb.value)
    principal.check(verb, camera.org_path, camera.id)
    return GrantUse(row, principal, Footage(camera.id, camera.org_path))


async def _slide(ctx: ApiContext, row: GrantRow, now_us: int) -> None:
    expires_us = min(now_us + IDLE_US, row.created_us + LIFETIME_US)
    if row.expires_us - now_us < EXTEND_WHEN_LEFT_US and expires_us > row.expires_us:
        async with ctx.db.write() as connection:
            await playback.extend(connection, row.id, expires_us)


def check_span(use: GrantUse, span: TimeRange) -> None:
    """Refuse a range that the grant does not cover."""
    if not TimeRange(use.grant.start_us, use.grant.end_us).holds(span):
        raise HubError(ErrorKind.DENIED, "outside the granted range", code="outside_grant")


def is_taken_away(verb: Verb) -> bool:
    """Tell whether bytes leave the house under this verb, so that every span is a view of its own."""
    return verb is Verb.REPLAY_DOWNLOAD


async def open_view(ctx: ApiContext, use: GrantUse, verb: Verb, actor: Actor, span: TimeRange) -> str:
    """Return the id of the view of this footage under this grant; writes the audit row when it is new."""
    now_us = ctx.clock.wall_us()
    key = (use.grant.id, use.footage.id, verb.value, f"{span.start_us}-{span.end_us}" if is_taken_away(verb) else "")
    async with ctx.db.read() as connection:
        view = await playback.open_view(connection, *key)
    if view is not None and now_us - view.last_us < TOUCH_EVERY_US:
        return view.id
    async with ctx.db.write() as connection:
        view = await playback.open_view(connection, *key)
        if view is not None:
            await playback.touch_view(connection, view.id, now_us)
            return view.id
        view = ReplayViewRow(
            id=new_id(), grant_id=use.grant.id, user_id=use.principal.user_id, username=use.principal.username,
            login_session_id=use.grant.login_session_id, camera_id=use.footage.id, org_path=use.footage.org_path,
            address=actor.address[:64], verb=verb.value, span=key[3], opened_us=now_us, last_us=now_us, ended_us=None,
            room_id=use.footage.room_id,
        )  # fmt: skip
        await playback.add_view(connection, view)
        details = {"grant": use.grant.id, "reason": use.grant.reason, **use.footage.details, **span.params()}
        entry = _view_entry(view, now_us, _ACTIONS[verb], details, trace_id=actor.trace_id)
        await audit.append(connection, entry)
    return view.id


def _view_entry(
    view: ReplayViewRow, at_us: int, action: str, details: Mapping[str, object], *, trace_id: str = ""
) -> AuditEntry:
    kind, target_id = ("room", view.room_id) if view.room_id else ("camera", view.camera_id)
    return AuditEntry(
        at_us=at_us, user_id=view.user_id, username=view.username, address=view.address, action=action,
        target_kind=kind, target_id=target_id, org_path=view.org_path, details=details, trace_id=trace_id[:40],
    )  # fmt: skip


async def end_view(ctx: ApiContext, view: ReplayViewRow, reason: str) -> None:
    """Write that a view has ended, once."""
    now_us = ctx.clock.wall_us()
    async with ctx.db.write() as connection:
        if await playback.end_view(connection, view.id, now_us):
            details = {
                "grant": view.grant_id,
                "reason": reason,
                "seconds": round((view.last_us - view.opened_us) / 1e6, 1),
            } | ({"track_id": view.camera_id} if view.room_id else {})
            await audit.append(connection, _view_entry(view, now_us, "replay.end", details))


async def end_grant(ctx: ApiContext, actor: Actor, row: GrantRow, reason: str) -> None:
    """End a grant; the sweeper ends its views and cuts their streams."""
    now_us = ctx.clock.wall_us()
    async with ctx.db.write() as connection:
        if await playback.end(connection, row.id, now_us) and reason != "expired":
            target = Target("grant", row.id)
            await audit.append(
                connection, actor.entry(now_us, "replay.grant_end", target, reason=reason, owner=row.username)
            )
    ctx.access_changed.set()


async def find_grant(ctx: ApiContext, principal: Principal, grant_id: str) -> GrantRow:
    """Return a grant of the principal's, or any for who manages users; HubError NOT_FOUND otherwise."""
    async with ctx.db.read() as connection:
        row = await playback.get(connection, grant_id)
    is_keeper = Verb.USER_MANAGE in principal.verbs and principal.is_everywhere
    if row is None or not (row.user_id == principal.user_id or is_keeper):
        raise HubError(ErrorKind.NOT_FOUND, "no such grant", code="not_found")
    return row
