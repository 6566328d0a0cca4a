"""Reading the audit log. A look at it is written into it: once per page of rows, before they are shown."""

from api.auth.actor import Actor, Target
from api.context import ApiContext
from api.db import audit, live
from api.db.audit import AuditFilter, AuditRow
from api.db.live import LiveSessionRow
from api.db.rows import Page


async def page(ctx: ApiContext, actor: Actor, wanted: AuditFilter, before: int | None, limit: int) -> Page[AuditRow]:
    """Return rows; the first page of a reading leaves a row of its own."""
    if before is None:
        await _note(ctx, actor, "audit.read")
    async with ctx.db.read() as connection:
        return await audit.page(connection, wanted, before, limit)


async def verify(ctx: ApiContext, actor: Actor) -> int | None:
    """Return the first row that does not fit the chain, None when all do."""
    await _note(ctx, actor, "audit.verify")
    async with ctx.db.read() as connection:
        return await audit.first_broken(connection)


async def _note(ctx: ApiContext, actor: Actor, action: str) -> None:
    path = actor.principal.org_path if actor.principal else "/"
    async with ctx.db.write() as connection:
        await audit.append(connection, actor.entry(ctx.clock.wall_us(), action, Target("audit", "", path)))


async def watching(ctx: ApiContext, after: str, limit: int) -> Page[LiveSessionRow]:
    """Return open live sessions."""
    async with ctx.db.read() as connection:
        return await live.page_open(connection, after, limit)
