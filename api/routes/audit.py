"""The audit log, and who is watching now. Reading it is itself written into it."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from api.auth.verbs import Verb
from api.http.permission import Access, Scope, require
from api.schemas.audit import AuditPage, AuditQuery, ChainState, LiveSessionPage, audit_out, live_out
from api.schemas.paging import DEFAULT_LIMIT, Cursor, Limit, decode_cursor, decode_number, encode_cursor
from api.services import ledger

router = APIRouter(tags=["audit"])

Auditor = Annotated[Access, Depends(require(Verb.AUDIT_READ, Scope.SOMEWHERE))]
SystemAuditor = Annotated[Access, Depends(require(Verb.AUDIT_READ, Scope.EVERYWHERE))]


@router.get("/audit")
async def list_audit(access: Auditor, query: Annotated[AuditQuery, Query()]) -> AuditPage:
    """List what was done in one's subtree, the newest first."""
    wanted = query.in_subtree(access.me.org_path)
    page = await ledger.page(access.ctx, access.actor, wanted, decode_number(query.cursor), query.limit)
    return AuditPage(items=[audit_out(row) for row in page.items], next_cursor=encode_cursor(page.next_key))


@router.get("/audit/verify")
async def verify_audit(access: SystemAuditor) -> ChainState:
    """Recompute the hash chain of the whole log."""
    broken = await ledger.verify(access.ctx, access.actor)
    return ChainState(intact=broken is None, first_broken=broken)


@router.get("/live-sessions")
async def list_live_sessions(
    access: SystemAuditor, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> LiveSessionPage:
    """List who is watching what now."""
    page = await ledger.watching(access.ctx, decode_cursor(cursor), limit)
    return LiveSessionPage(items=[live_out(row) for row in page.items], next_cursor=encode_cursor(page.next_key))
