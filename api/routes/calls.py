"""Endpoints, calls, and the people one may ring."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request

from api.auth.verbs import Verb
from api.db.calls import CallRow
from api.http.permission import Access, Scope, require
from api.http.place import session_url
from api.schemas.base import Id
from api.schemas.calls import (
    Call,
    CallCreate,
    CallPage,
    Endpoint,
    EndpointCreate,
    EndpointPage,
    EndpointPatch,
    PersonPage,
    Search,
    call_out,
    endpoint_out,
    person_out,
)
from api.schemas.live import ice_out
from api.schemas.paging import DEFAULT_LIMIT, Cursor, Limit, decode_cursor, encode_cursor
from api.schemas.rooms import Joined, joined_out
from api.services import calls, endpoints, joining, people
from api.services.joining import JoinRequest
from api.services.turn import ice_servers

router = APIRouter(tags=["calls"])

EndpointId = Annotated[Id, Path()]
CallId = Annotated[Id, Path()]
Comer = Annotated[Access, Depends(require(Verb.ROOM_JOIN, Scope.SOMEWHERE))]
Keeper = Annotated[Access, Depends(require(Verb.ROOM_MANAGE, Scope.SOMEWHERE))]
"""The service checks the place of the endpoint."""


@router.get("/people")
async def list_people(
    access: Comer, q: Annotated[Search, Query()] = "", limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> PersonPage:
    """List the people of one's county, to invite or ring them."""
    page = await people.page(access.ctx, access.me, q, decode_cursor(cursor), limit)
    return PersonPage(items=[person_out(one) for one in page.items], next_cursor=encode_cursor(page.next_key))


@router.get("/endpoints")
async def list_endpoints(access: Comer, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None) -> EndpointPage:
    """List the devices of one's county."""
    page = await endpoints.page(access.ctx, access.me, decode_cursor(cursor), limit)
    return EndpointPage(items=[endpoint_out(row) for row in page.items], next_cursor=encode_cursor(page.next_key))


@router.post("/endpoints", status_code=201)
async def create_endpoint(access: Keeper, body: EndpointCreate) -> Endpoint:
    """Register a device with the account it is logged in with."""
    return endpoint_out(await endpoints.create(access.ctx, access.actor, body.made()))


@router.get("/endpoints/{endpoint_id}")
async def read_endpoint(access: Comer, endpoint_id: EndpointId) -> Endpoint:
    """Show a device."""
    return endpoint_out(await endpoints.find(access.ctx, endpoint_id, access.me))


@router.patch("/endpoints/{endpoint_id}")
async def change_endpoint(access: Keeper, endpoint_id: EndpointId, body: EndpointPatch) -> Endpoint:
    """Change a device."""
    return endpoint_out(await endpoints.change(access.ctx, access.actor, endpoint_id, body.values()))


@router.delete("/endpoints/{endpoint_id}", status_code=204)
async def delete_endpoint(access: Keeper, endpoint_id: EndpointId) -> None:
    """Remove a device."""
    await endpoints.remove(access.ctx, access.actor, endpoint_id)


@router.get("/calls")
async def list_calls(access: Comer, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None) -> CallPage:
    """List one's own calls, the newest first; a page that was away finds here what rings."""
    page = await calls.page(access.ctx, access.actor, decode_cursor(cursor), limit)
    return CallPage(items=[call_out(row) for row in page.items], next_cursor=encode_cursor(page.next_key))


@router.post("/calls", status_code=201)
async def start_call(access: Comer, request: Request, body: CallCreate) -> Call:
    """Ring a user or a device; `join` leads into the room, to wait there."""
    call = await calls.start(access.ctx, access.actor, body.made())
    return call_out(call, await _seat(access, request, call))


@router.get("/calls/{call_id}")
async def read_call(access: Comer, call_id: CallId) -> Call:
    """Show one of one's own calls."""
    return call_out(await calls.find(access.ctx, access.actor, call_id))


@router.post("/calls/{call_id}/accept")
async def accept_call(access: Comer, request: Request, call_id: CallId) -> Call:
    """Take a call; of several devices the first has it."""
    call = await calls.accept(access.ctx, access.actor, call_id)
    return call_out(call, await _seat(access, request, call))


@router.post("/calls/{call_id}/decline")
async def decline_call(access: Comer, call_id: CallId) -> Call:
    """Refuse a call."""
    return call_out(await calls.decline(access.ctx, access.actor, call_id))


@router.post("/calls/{call_id}/cancel")
async def cancel_call(access: Comer, call_id: CallId) -> Call:
    """Stop ringing, or hang up."""
    return call_out(await calls.hang_up(access.ctx, access.actor, call_id))


async def _seat(access: Access, request: Request, call: CallRow) -> Joined:
    joined = await joining.join(access.ctx, access.actor, call.room_id, JoinRequest())
    servers = ice_out(ice_servers(access.ctx.options, access.me.user_id, access.ctx.clock.wall_us()))
    return joined_out(joined, session_url(request), servers)
