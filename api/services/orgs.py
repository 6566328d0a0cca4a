"""The organisation tree 县→乡→村: made, renamed, counted, removed. Called by routes, set-up, and the demo."""

from collections.abc import Iterable
from dataclasses import dataclass

from api.auth.actor import Actor, Target
from api.auth.principal import Principal
from api.auth.verbs import Verb
from api.context import ApiContext
from api.db import audit, orgs, users
from api.db.engine import Connection
from api.db.orgs import OrgRow
from api.db.rows import Page
from api.services.presence import told
from media.base.errors import ErrorKind, HubError
from media.base.ids import new_id

_RANK = {"county": 0, "township": 1, "village": 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOrg:
    """An organisation to be made; without an id it gets one."""

    name: str
    level: str
    id: str | None = None
    parent_id: str | None = None
    code: str | None = None


@dataclass(frozen=True, slots=True)
class OrgCounts:
    """Cameras in the subtree of an organisation, and how many of them are online."""

    total: int
    online: int


async def find(ctx: ApiContext, org_id: str, reader: Principal | None = None) -> OrgRow:
    """Return an organisation; HubError NOT_FOUND, also for one of which `reader` sees nothing at all."""
    async with ctx.db.read() as connection:
        org = await existing(connection, org_id, ErrorKind.NOT_FOUND)
        if reader is None or reader.may(Verb.ORG_READ, org.path) or reader.org_path.startswith(org.path):
            return org
        granted = await users.granted_org_paths(connection, reader.cameras_granted(Verb.CAMERA_READ))
    if any(path.startswith(org.path) for path in granted):
        return org
    raise HubError(ErrorKind.NOT_FOUND, "no such organisation", code="unknown_org", org_id=org_id)


async def existing(
    connection: Connection, org_id: str, kind: ErrorKind = ErrorKind.INVALID, *, within: Actor | None = None
) -> OrgRow:
    """Return an organisation that a request names; HubError `unknown_org`, also for one that `within` may not read."""
    org = await orgs.get(connection, org_id)
    reader = within.principal if within is not None else None
    if org is None or (reader is not None and not reader.may(Verb.ORG_READ, org.path)):
        raise HubError(kind, "no such organisation", code="unknown_org", org_id=org_id)
    return org


async def create(ctx: ApiContext, actor: Actor, wanted: NewOrg) -> OrgRow:
    """Make an organisation; HubError CONFLICT `duplicate_id`, INVALID `org_level` or `unknown_org`, or DENIED."""
    now_us = ctx.clock.wall_us()
    async with ctx.db.write() as connection:
        parent = await existing(connection, wanted.parent_id, within=actor) if wanted.parent_id else None
        actor.check(Verb.ORG_MANAGE, parent.path if parent else "/")
        _check_level(wanted.level, parent)
        org_id = wanted.id or new_id("org-")
        if await orgs.get(connection, org_id) is not None:
            raise HubError(ErrorKind.CONFLICT, "the id is taken", code="duplicate_id")
        path = f"{parent.path if parent else '/'}{org_id}/"
        org = OrgRow(
            id=org_id, name=wanted.name, level=wanted.level, parent_id=wanted.parent_id,
            code=wanted.code, path=path, created_us=now_us,
        )  # fmt: skip
        await orgs.add(connection, org)
        entry = actor.entry(now_us, "org.create", Target("org", org_id, path), name=org.name, level=org.level)
        await audit.append(connection, entry)
    return org


def _check_level(level: str, parent: OrgRow | None) -> None:
    is_right = _RANK[level] > _RANK[parent.level] if parent else level == "county"
    if not is_right:
        raise HubError(ErrorKind.INVALID, "the parent must be of a higher level", code="org_level")


async def rename(ctx: ApiContext, actor: Actor, org: OrgRow, changes: dict[str, str | None]) -> OrgRow:
    """Set `name` and `code` as far as `changes` names them."""
    now_us = ctx.clock.wall_us()
    if not changes:
        return org
    async with ctx.db.write() as connection:
        await orgs.change(connection, org.id, changes)
        entry = actor.entry(now_us, "org.update", Target("org", org.id, org.path), changes=changes)
        await audit.append(connection, entry)
        return await existing(connection, org.id, ErrorKind.NOT_FOUND)


async def remove(ctx: ApiContext, actor: Actor, org: OrgRow) -> None:
    """Delete an organisation; HubError CONFLICT `org_not_empty` while something belongs to it."""
    now_us = ctx.clock.wall_us()
    async with ctx.db.write() as connection:
        if not await orgs.is_empty(connection, org.id):
            raise HubError(ErrorKind.CONFLICT, "not empty", code="org_not_empty")
        await orgs.remove(connection, org.id)
        await audit.append(
            connection, actor.entry(now_us, "org.delete", Target("org", org.id, org.path), name=org.name)
        )


async def page(ctx: ApiContext, principal: Principal, after: str, limit: int) -> Page[OrgRow]:
    """Return the organisations the principal may see: the subtree, and those of cameras granted one by one."""
    async with ctx.db.read() as connection:
        extra = await users.granted_org_paths(connection, principal.cameras_granted(Verb.CAMERA_READ))
        path = principal.org_path if Verb.ORG_READ in principal.verbs else "//"
        return await orgs.page(connection, path, extra, after, limit)


async def counts(ctx: ApiContext, listed: Iterable[OrgRow]) -> dict[str, OrgCounts]:
    """Return the camera counts of each organisation's subtree; without shared state nothing counts as online."""
    async with ctx.db.read() as connection:
        places = await orgs.camera_places(connection, "/")
    try:
        states = await told(ctx)
    except HubError:
        states = {}
    totals: dict[str, int] = {}
    online: dict[str, int] = {}
    for camera_id, path in places:
        is_online = states.get(camera_id, {}).get("state") == "online"
        for prefix in _prefixes(path):
            totals[prefix] = totals.get(prefix, 0) + 1
            online[prefix] = online.get(prefix, 0) + is_online
    return {org.id: OrgCounts(totals.get(org.path, 0), online.get(org.path, 0)) for org in listed}


def _prefixes(path: str) -> list[str]:
    """Return every ancestor's path and the path itself: `/a/b/` gives `/a/` and `/a/b/`."""
    parts = path.strip("/").split("/")
    return ["/" + "/".join(parts[: depth + 1]) + "/" for depth in range(len(parts))]
