"""Looking at recordings: the reason first (调阅登记), then a grant, then bytes under it.

A grant is an opaque token whose row says whose it is, for which verbs, cameras and range. It slides while it is used
and dies with the log-in, the right, or the clock. Each camera opened under a grant is a view with an audit row before
its first byte and one at its end. Called by `routes.playback` and the sweeper.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from api.auth.actor import Actor, Target
from api.auth.principal import Principal
from api.auth.tokens import new_secret, secret_hash
from api.auth.verbs import Verb
from api.context import ApiContext
from api.db import audit, cameras, playback
from api.db.audit import AuditEntry
from api.db.cameras import CameraRow
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
class GrantRequest:
    """What the dialog before replay asks."""

    camera_ids: tuple[str, ...]
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
class GrantUse:
    """A grant presented for one camera, and whose it is."""

    grant: GrantRow
    principal: Principal
    camera: CameraRow


async def grant(ctx: ApiContext, actor: Actor, wanted: GrantRequest) -> Granted:
    """Register the reason and return a grant; HubError DENIED `reason_required` without one, or for a camera."""
    if actor.principal is None or not wanted.reason.strip():
        raise HubError(ErrorKind.DENIED, "a reason is required", code="reason_required")
    me, now_us, token = actor.principal, ctx.clock.wall_us(), new_secret()
    grant_id = f"{now_us:016x}-{secrets.token_hex(6)}"
    async with ctx.db.write() as connection:
        found = await cameras.some(connection, wanted.camera_ids)
        verbs = _verbs_held(me, found, wanted)
        if await playback.count_open(connection, me.user_id, now_us) >= MAX_OPEN_GRANTS:
            raise HubError(ErrorKind.EXHAUSTED, "too many grants", code="too_many_grants", limit=MAX_OPEN_GRANTS)
        row = GrantRow(
            id=grant_id, token_hash=secret_hash(token), user_id=me.user_id, username=me.username,
            login_session_id=me.session_id, verbs=" ".join(sorted(verbs)), start_us=wanted.span.start_us,
            end_us=wanted.span.end_us, reason=wanted.reason, case_no=wanted.case_no, unit=wanted.unit,
            created_us=now_us, expires_us=now_us + IDLE_US, ended_us=None,
        )  # fmt: skip
        await playback.add(connection, row, [camera.id for camera in found])
        await audit.append(connection, *(_register_entry(actor, row, camera) for camera in found))
    return Granted(grant_id, token, row.expires_us)


def _verbs_held(me: Principal, found: tuple[CameraRow, ...], wanted: GrantRequest) -> frozenset[Verb]:
    """Return the wanted verbs held on every camera; looking is the least."""
    known = {camera.id for camera in found if me.may(Verb.CAMERA_READ, camera.org_path, camera.id)}
    missing = set(wanted.camera_ids) - known
    if missing:
        raise HubError(ErrorKind.NOT_FOUND, "no such camera", code="unknown_camera", camera_id=min(missing))
    for camera in found:
        me.check(Verb.REPLAY_VIEW, camera.org_path, camera.id)
    return frozenset(verb for verb in wanted.verbs if all(me.may(verb, camera.org_path, camera.id) for camera in found))


def _register_entry(actor: Actor, row: GrantRow, camera: CameraRow) -> AuditEntry:
    return actor.entry(
        row.created_us, "replay.grant", Target("camera", camera.id, camera.org_path), grant=row.id, reason=row.reason,
        case_no=row.case_no, unit=row.unit, verbs=row.verbs, **TimeRange(row.start_us, row.end_us).params(),
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


def _invalid() -> HubError:
    return HubError(ErrorKind.DENIED, "the grant is not valid", code="grant_invalid")


async def present(ctx: ApiContext, token: str, camera_id: str, verb: Verb) -> GrantUse:
    """Return the use of a grant for a camera; HubError DENIED `grant_invalid`, or `denied` when the verb is not held.

    Slides the expiry. The rights are today's, not those of the day the grant was made.
    """
    now_us = ctx.clock.wall_us()
    async with ctx.db.read() as connection:
        row = await playback.by_token(connection, secret_hash(token))
        if row is None or row.ended_us is not None or row.expires_us <= now_us:
            raise _invalid()
        covered = (await playback.cameras_of(connection, [row.id]))[row.id]
        camera = await cameras.get(connection, camera_id)
    principal = await load(ctx, Login(row.user_id, row.login_session_id))
    if principal is None or camera is None or camera_id not in covered:
        raise _invalid()
    if verb.value not in row.verbs.split(" "):
        raise HubError(ErrorKind.DENIED, "the grant is not for this", code="denied", verb=verb.value)
    principal.check(verb, camera.org_path, camera.id)
    await _slide(ctx, row, now_us)
    return GrantUse(row, principal, camera)


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
    """Return the id of the view of this camera under this grant; writes the audit row when it is new."""
    now_us = ctx.clock.wall_us()
    key = (use.grant.id, use.camera.id, verb.value, f"{span.start_us}-{span.end_us}" if is_taken_away(verb) else "")
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
            login_session_id=use.grant.login_session_id, camera_id=use.camera.id, org_path=use.camera.org_path,
            address=actor.address[:64], verb=verb.value, span=key[3], opened_us=now_us, last_us=now_us, ended_us=None,
        )  # fmt: skip
        await playback.add_view(connection, view)
        details = {"grant": use.grant.id, "reason": use.grant.reason, **span.params()}
        entry = _view_entry(view, now_us, _ACTIONS[verb], details, trace_id=actor.trace_id)
        await audit.append(connection, entry)
    return view.id


def _view_entry(
    view: ReplayViewRow, at_us: int, action: str, details: Mapping[str, object], *, trace_id: str = ""
) -> AuditEntry:
    return AuditEntry(
        at_us=at_us, user_id=view.user_id, username=view.username, address=view.address, action=action,
        target_kind="camera", target_id=view.camera_id, org_path=view.org_path, details=details, trace_id=trace_id[:40],
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
            }
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
