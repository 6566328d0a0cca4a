"""The organisation tree."""

from typing import Annotated

from fastapi import APIRouter, Depends

from api.auth.verbs import Verb
from api.http.permission import Access, Scope, require
from api.schemas.orgs import Org, OrgCreate, OrgPage, OrgPatch, org_out
from api.schemas.paging import DEFAULT_LIMIT, Cursor, Limit, decode_cursor, encode_cursor
from api.services import orgs
from api.services.orgs import NewOrg

router = APIRouter(prefix="/orgs", tags=["orgs"])

Lister = Annotated[Access, Depends(require(Verb.ORG_READ, Scope.SOMEWHERE))]
Reader = Annotated[Access, Depends(require(Verb.ORG_READ, Scope.ORG))]
Maker = Annotated[Access, Depends(require(Verb.ORG_MANAGE, Scope.SOMEWHERE))]
Keeper = Annotated[Access, Depends(require(Verb.ORG_MANAGE, Scope.ORG))]


@router.get("")
async def list_orgs(access: Lister, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None) -> OrgPage:
    """List the organisations of one's subtree, parents first, with camera counts."""
    page = await orgs.page(access.ctx, access.me, decode_cursor(cursor), limit)
    counts = await orgs.counts(access.ctx, page.items)
    items = [org_out(org, counts[org.id]) for org in page.items]
    return OrgPage(items=items, next_cursor=encode_cursor(page.next_key))


@router.post("", status_code=201)
async def create_org(access: Maker, body: OrgCreate) -> Org:
    """Make an organisation under one that is in one's subtree."""
    wanted = NewOrg(id=body.id, name=body.name, level=body.level, parent_id=body.parent_id, code=body.code)
    org = await orgs.create(access.ctx, access.actor, wanted)
    return org_out(org, (await orgs.counts(access.ctx, [org]))[org.id])


@router.get("/{org_id}")
async def read_org(access: Reader) -> Org:
    """Show an organisation."""
    org = access.the_org
    return org_out(org, (await orgs.counts(access.ctx, [org]))[org.id])


@router.patch("/{org_id}")
async def change_org(access: Keeper, body: OrgPatch) -> Org:
    """Rename an organisation or change its code."""
    changes = {key: value for key, value in body.model_dump(exclude_unset=True).items() if key != "name" or value}
    org = await orgs.rename(access.ctx, access.actor, access.the_org, changes)
    return org_out(org, (await orgs.counts(access.ctx, [org]))[org.id])


@router.delete("/{org_id}", status_code=204)
async def delete_org(access: Keeper) -> None:
    """Remove an organisation that has nothing in it."""
    await orgs.remove(access.ctx, access.actor, access.the_org)
