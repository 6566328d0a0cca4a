"""Endpoints: the devices that stand in meeting rooms and village halls, each with the account it is logged in with.

Called by routes. An endpoint is rung like a user; a kiosk may answer by itself, but only to who manages the place.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from api.auth.actor import Actor, Target
from api.auth.principal import ROOT_PATH, Principal
from api.auth.verbs import Verb
from api.context import ApiContext
from api.db import audit, calls, users
from api.db.calls import EndpointRow
from api.db.engine import Connection
from api.db.rows import Page
from api.services.orgs import existing as existing_org
from media.base.errors import ErrorKind, HubError
from media.base.ids import new_id


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEndpoint:
    """An endpoint to be made."""

    name: str
    user_id: str
    kind: str = "room"
    id: str | None = None
    org_id: str | None = None
    auto_answer: bool = False


async def page(ctx: ApiContext, reader: Principal, after: str, limit: int) -> Page[EndpointRow]:
    """Return the endpoints one may ring: those of one's county."""
    async with ctx.db.read() as connection:
        return await calls.endpoints_page(connection, county_of(reader), after, limit)


def county_of(principal: Principal) -> str:
    """Return the path of the county somebody belongs to, `/` for the whole system."""
    parts = principal.org_path.strip("/").split("/")
    return f"/{parts[0]}/" if parts[0] else ROOT_PATH


async def find(ctx: ApiContext, endpoint_id: str, reader: Principal) -> EndpointRow:
    """Return an endpoint of one's county; HubError NOT_FOUND `unknown_endpoint`."""
    async with ctx.db.read() as connection:
        row = await calls.endpoint(connection, endpoint_id)
    if row is None or not row.org_path.startswith(county_of(reader)):
        raise HubError(ErrorKind.NOT_FOUND, "no such endpoint", code="unknown_endpoint")
    return row


async def create(ctx: ApiContext, actor: Actor, wanted: NewEndpoint) -> EndpointRow:
    """Make an endpoint; HubError CONFLICT `duplicate_id`, INVALID `unknown_user` or `unknown_org`, or DENIED."""
    now_us = ctx.clock.wall_us()
    async with ctx.db.write() as connection:
        org_id = wanted.org_id or (actor.principal.org_id if actor.principal else None)
        path = (await existing_org(connection, org_id, within=actor)).path if org_id else ROOT_PATH
        actor.check(Verb.ROOM_MANAGE, path)
        await _check_user(connection, wanted.user_id)
        row = EndpointRow(
            id=wanted.id or new_id("endpoint-"), name=wanted.name, org_id=org_id, org_path=path, kind=wanted.kind,
            user_id=wanted.user_id, auto_answer=wanted.auto_answer, created_us=now_us, updated_us=now_us,
        )  # fmt: skip
        if await calls.endpoint(connection, row.id) is not None:
            raise HubError(ErrorKind.CONFLICT, "the id is taken", code="duplicate_id")
        await calls.add_endpoint(connection, row)
        await audit.append(connection, actor.entry(now_us, "endpoint.create", _target(row), **_told(row)))
    return row


async def _check_user(connection: Connection, user_id: str) -> None:
    if await users.get(connection, user_id) is None:
        raise HubError(ErrorKind.INVALID, "no such user", code="unknown_user")


def _target(row: EndpointRow) -> Target:
    return Target("endpoint", row.id, row.org_path)


def _told(row: EndpointRow) -> dict[str, Any]:
    return {"name": row.name, "kind": row.kind, "user": row.user_id, "auto_answer": row.auto_answer}


async def change(ctx: ApiContext, actor: Actor, endpoint_id: str, values: Mapping[str, Any]) -> EndpointRow:
    """Set columns of an endpoint; HubError NOT_FOUND or DENIED."""
    assert actor.principal is not None
    before = await find(ctx, endpoint_id, actor.principal)
    actor.check(Verb.ROOM_MANAGE, before.org_path)
    now_us = ctx.clock.wall_us()
    async with ctx.db.write() as connection:
        if "user_id" in values:
            await _check_user(connection, str(values["user_id"]))
        await calls.change_endpoint(connection, endpoint_id, {**values, "updated_us": now_us})
        after = await calls.endpoint(connection, endpoint_id) or before
        await audit.append(connection, actor.entry(now_us, "endpoint.change", _target(after), **_told(after)))
    return after


async def remove(ctx: ApiContext, actor: Actor, endpoint_id: str) -> None:
    """Delete an endpoint; HubError NOT_FOUND or DENIED."""
    assert actor.principal is not None
    row = await find(ctx, endpoint_id, actor.principal)
    actor.check(Verb.ROOM_MANAGE, row.org_path)
    async with ctx.db.write() as connection:
        await calls.remove_endpoint(connection, endpoint_id)
        await audit.append(connection, actor.entry(ctx.clock.wall_us(), "endpoint.delete", _target(row), name=row.name))
