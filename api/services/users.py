"""Accounts: made, changed, removed; roles and grants on single cameras. Called by routes, set-up and the demo.

Nobody hands out a privileged verb they do not hold, nor touches the account of somebody who holds one; at least one
administrator of the whole system stays enabled. Every change that takes rights away wakes the sweeper.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from api.auth import passwords
from api.auth.actor import Actor, Target
from api.auth.principal import ROOT_PATH, Principal
from api.auth.roles import check_roles, verbs_of
from api.auth.verbs import CAMERA_VERBS, PRIVILEGED_VERBS, Verb
from api.context import ApiContext
from api.db import audit, cameras, logins, orgs, users
from api.db.engine import Connection
from api.db.rows import Page
from api.db.users import CameraGrantRow, UserRow
from api.services.login import normal_username
from api.services.orgs import existing as existing_org
from media.base.errors import ErrorKind, HubError
from media.base.ids import new_id


@dataclass(frozen=True, slots=True, kw_only=True)
class NewUser:
    """An account to be made. `org_id` None is the whole system."""

    username: str
    password: str = field(repr=False)
    display_name: str = ""
    org_id: str | None = None
    roles: tuple[str, ...] = ()
    id: str | None = None
    locale: str = "zh-CN"


@dataclass(frozen=True, slots=True, kw_only=True)
class UserChanges:
    """What to change of an account; None leaves it. `password` ends every log-in of the user."""

    display_name: str | None = None
    org_id: str | None = None
    roles: tuple[str, ...] | None = None
    enabled: bool | None = None
    password: str | None = field(default=None, repr=False)
    locale: str | None = None


@dataclass(frozen=True, slots=True)
class UserView:
    """A user with roles, as answered."""

    user: UserRow
    roles: tuple[str, ...]


async def find(ctx: ApiContext, user_id: str) -> UserView:
    """Return a user; HubError NOT_FOUND `unknown_user`."""
    async with ctx.db.read() as connection:
        return await _existing(connection, user_id)


async def _existing(connection: Connection, user_id: str) -> UserView:
    user = await users.get(connection, user_id)
    if user is None:
        raise HubError(ErrorKind.NOT_FOUND, "no such user", code="unknown_user")
    return UserView(user, (await users.roles_of(connection, [user_id]))[user_id])


async def page(ctx: ApiContext, path: str, after: str, limit: int) -> Page[UserView]:
    """Return the users of a subtree."""
    async with ctx.db.read() as connection:
        found = await users.page(connection, path, after, limit)
        roles = await users.roles_of(connection, [user.id for user in found.items])
    return Page(tuple(UserView(user, roles[user.id]) for user in found.items), found.next_key)


def _check_grantable(actor: Actor, roles: Sequence[str]) -> None:
    if actor.principal is not None and (verbs_of(roles) & PRIVILEGED_VERBS) - actor.principal.verbs:
        raise HubError(ErrorKind.DENIED, "not yours to hand out", code="role_not_grantable")


async def create(ctx: ApiContext, actor: Actor, wanted: NewUser, *, is_policy_waived: bool = False) -> UserView:
    """Make an account; HubError CONFLICT `duplicate_username`/`duplicate_id`, INVALID `weak_password` and others.

    `is_policy_waived` is for the password an operator put into the settings.
    """
    username = normal_username(wanted.username)
    roles = check_roles(wanted.roles)
    if not is_policy_waived:
        passwords.check_new_password(wanted.password, username)
    _check_grantable(actor, roles)
    hashed = await ctx.passwords.hash(wanted.password)
    now_us = ctx.clock.wall_us()
    user_id = wanted.id or new_id("user-")
    values = {
        "id": user_id, "username": username, "display_name": wanted.display_name or wanted.username,
        "password_hash": hashed, "org_id": wanted.org_id, "enabled": True, "locale": wanted.locale,
        "created_us": now_us, "updated_us": now_us,
    }  # fmt: skip
    async with ctx.db.write() as connection:
        path = (await existing_org(connection, wanted.org_id, within=actor)).path if wanted.org_id else ROOT_PATH
        actor.check(Verb.USER_MANAGE, path)
        await _refuse_duplicate(connection, user_id, username)
        await users.add(connection, values, roles)
        target = Target("user", user_id, path)
        await audit.append(connection, actor.entry(now_us, "user.create", target, username=username, roles=list(roles)))
        return await _existing(connection, user_id)


async def _refuse_duplicate(connection: Connection, user_id: str, username: str) -> None:
    if await users.by_username(connection, username) is not None:
        raise HubError(ErrorKind.CONFLICT, "the user name is taken", code="duplicate_username")
    if await users.get(connection, user_id) is not None:
        raise HubError(ErrorKind.CONFLICT, "the id is taken", code="duplicate_id")


async def change(ctx: ApiContext, actor: Actor, user_id: str, wanted: UserChanges) -> UserView:
    """Change an account; HubError DENIED for somebody above the actor, CONFLICT `last_admin` or `not_yourself`."""
    hashed = await ctx.passwords.hash(wanted.password) if wanted.password else None
    now_us = ctx.clock.wall_us()
    async with ctx.db.write() as connection:
        before = await _existing(connection, user_id)
        _check_touchable(actor, before)
        values = await _values(connection, actor, before, wanted)
        if hashed is not None:
            passwords.check_new_password(wanted.password or "", before.user.username)
            values["password_hash"] = hashed
        if wanted.roles is not None:
            roles = check_roles(wanted.roles)
            _check_grantable(actor, roles)
            _check_not_for_oneself(actor, user_id, verbs_of(roles))
            await users.set_roles(connection, user_id, roles)
        await users.change(connection, user_id, values | {"updated_us": now_us})
        await _refuse_headless(connection, before)
        if hashed is not None or wanted.enabled is False:
            await logins.revoke_user(connection, user_id, now_us)
        target = Target("user", user_id, before.user.org_path or ROOT_PATH)
        await audit.append(connection, actor.entry(now_us, "user.update", target, changes=_listed(wanted, values)))
        after = await _existing(connection, user_id)
    ctx.access_changed.set()
    return after


def _listed(wanted: UserChanges, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return what changed, for the audit log; of a password only that it did."""
    told = {key: value for key, value in values.items() if key != "password_hash"}
    if wanted.password:
        told["password_changed"] = True
    if wanted.roles is not None:
        told["roles"] = sorted(set(wanted.roles))
    return told


async def _values(connection: Connection, actor: Actor, before: UserView, wanted: UserChanges) -> dict[str, Any]:
    values: dict[str, Any] = {}
    if wanted.org_id is not None:
        actor.check(Verb.USER_MANAGE, (await existing_org(connection, wanted.org_id, within=actor)).path)
        values["org_id"] = wanted.org_id
    if wanted.enabled is False and actor.user_id == before.user.id:
        raise HubError(ErrorKind.CONFLICT, "not your own account", code="not_yourself")
    for key in ("display_name", "enabled", "locale"):
        if (value := getattr(wanted, key)) is not None:
            values[key] = value
    return values


def _check_touchable(actor: Actor, before: UserView) -> None:
    """Refuse to touch an account outside the actor's subtree, or one that holds privileged verbs the actor lacks."""
    _check_known(actor, before)
    actor.check(Verb.USER_MANAGE, before.user.org_path or ROOT_PATH)
    _check_grantable(actor, before.roles)


def _check_known(actor: Actor, view: UserView) -> None:
    """Answer an account outside the actor's subtree as if it did not exist."""
    actor.check_known(Verb.USER_READ, view.user.org_path or ROOT_PATH, code="unknown_user")


def _check_not_for_oneself(actor: Actor, user_id: str, verbs: Iterable[Verb]) -> None:
    """Refuse that somebody who manages accounts hands themselves what they do not hold."""
    if actor.principal is not None and actor.user_id == user_id and set(verbs) - actor.principal.verbs:
        raise HubError(ErrorKind.DENIED, "not yours to hand to yourself", code="role_not_grantable")


async def _refuse_headless(connection: Connection, before: UserView) -> None:
    """Refuse a change that leaves nobody who may do everything everywhere."""
    was_admin = "admin" in before.roles and before.user.org_id is None and before.user.enabled
    if was_admin and not await users.enabled_with_role(connection, "admin"):
        raise HubError(ErrorKind.CONFLICT, "the last administrator", code="last_admin")


async def remove(ctx: ApiContext, actor: Actor, user_id: str) -> None:
    """Delete an account; HubError as for `change`."""
    now_us = ctx.clock.wall_us()
    async with ctx.db.write() as connection:
        before = await _existing(connection, user_id)
        _check_touchable(actor, before)
        if actor.user_id == user_id:
            raise HubError(ErrorKind.CONFLICT, "not your own account", code="not_yourself")
        await users.remove(connection, user_id)
        await _refuse_headless(connection, before)
        target = Target("user", user_id, before.user.org_path or ROOT_PATH)
        await audit.append(connection, actor.entry(now_us, "user.delete", target, username=before.user.username))
    ctx.access_changed.set()


async def camera_grants(ctx: ApiContext, user_id: str) -> tuple[CameraGrantRow, ...]:
    """Return every grant of the user, expired ones included."""
    async with ctx.db.read() as connection:
        await _existing(connection, user_id)
        return await users.camera_grants_of(connection, user_id)


async def grant_camera(
    ctx: ApiContext, actor: Actor, user_id: str, camera_id: str, verbs: Iterable[Verb], expires_us: int | None
) -> tuple[CameraGrantRow, ...]:
    """Make `verbs` the user's grants on the camera; HubError INVALID for a verb that is not of cameras."""
    wanted = sorted({verb.value for verb in verbs})
    if not wanted or not set(wanted) <= {verb.value for verb in CAMERA_VERBS}:
        raise HubError(ErrorKind.INVALID, "not verbs of a camera", code="invalid_value", field="verbs")
    now_us = ctx.clock.wall_us()
    async with ctx.db.write() as connection:
        user = await _existing(connection, user_id)
        _check_known(actor, user)
        actor.check(Verb.USER_MANAGE, user.user.org_path or ROOT_PATH)
        camera = await cameras.get(connection, camera_id)
        if camera is None:
            raise HubError(ErrorKind.NOT_FOUND, "no such camera", code="unknown_camera")
        actor.check_known(Verb.CAMERA_READ, camera.org_path, camera.id, code="unknown_camera")
        actor.check(Verb.USER_MANAGE, camera.org_path)
        _check_not_for_oneself(actor, user_id, (Verb(verb) for verb in wanted))
        await users.remove_camera_grants(connection, user_id, camera_id)
        rows = [CameraGrantRow(user_id, camera_id, verb, expires_us, now_us) for verb in wanted]
        await users.add_camera_grants(connection, rows)
        target = Target("user", user_id, user.user.org_path or ROOT_PATH)
        await audit.append(connection, actor.entry(now_us, "grant.create", target, camera=camera_id, verbs=wanted))
        found = await users.camera_grants_of(connection, user_id)
    ctx.access_changed.set()
    return found


async def withdraw_camera(ctx: ApiContext, actor: Actor, user_id: str, camera_id: str) -> None:
    """Withdraw the user's grants on the camera; HubError NOT_FOUND when there are none."""
    now_us = ctx.clock.wall_us()
    async with ctx.db.write() as connection:
        user = await _existing(connection, user_id)
        _check_known(actor, user)
        actor.check(Verb.USER_MANAGE, user.user.org_path or ROOT_PATH)
        if not await users.remove_camera_grants(connection, user_id, camera_id):
            raise HubError(ErrorKind.NOT_FOUND, "no such grant", code="not_found")
        target = Target("user", user_id, user.user.org_path or ROOT_PATH)
        await audit.append(connection, actor.entry(now_us, "grant.delete", target, camera=camera_id))
    ctx.access_changed.set()


async def org_name(ctx: ApiContext, principal: Principal) -> str:
    """Return the name of the principal's organisation, empty for the whole system."""
    if principal.org_id is None:
        return ""
    async with ctx.db.read() as connection:
        org = await orgs.get(connection, principal.org_id)
    return org.name if org else ""
