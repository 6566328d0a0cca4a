"""What workers report and must not be lost: ended sessions, recording alarms. And the desired cameras they read.

Two background tasks of the api process. An event is acknowledged only after its consequence is in the database; one
that comes twice does nothing the second time.
"""

import asyncio
import contextlib

import structlog

from api.auth.actor import SYSTEM, Target
from api.context import ApiContext
from api.control.events import ALARM_CHANNEL
from api.db import audit, cameras
from api.services.cameras import reconcile
from api.services.live import REASON_OF_WORKER, note_end
from api.state import WorkerEvent
from media.base.errors import HubError

log = structlog.get_logger(__name__)

RETRY_S = 1.0
RECONCILE_EVERY_S = 10.0


async def read_worker_news(ctx: ApiContext) -> None:
    """Deal with worker events for ever, those left over from an earlier life first."""
    consumer, is_leftover = ctx.options.node, True
    while True:
        try:
            batch = await ctx.state.read_events(consumer, is_unacknowledged=is_leftover)
            for event in batch.events:
                await deal_with(ctx, event)
            await ctx.state.ack_events(batch.events)
            is_leftover = is_leftover and bool(batch.events)
        except HubError as error:
            log.warning("worker news wait", cause=error.code)
            is_leftover = True
            await asyncio.sleep(RETRY_S)


async def deal_with(ctx: ApiContext, event: WorkerEvent) -> None:
    """Write one event down and tell who listens; an unknown kind is passed over."""
    if event.kind in {"live.ended", "session.ended"}:
        reason = str(event.data.get("reason", "unknown"))
        await note_end(ctx, str(event.data.get("session_id", "")), REASON_OF_WORKER.get(reason, reason))
    elif event.kind == "recording.alarm":
        await _note_alarm(ctx, event)
    else:
        log.info("worker event of unknown kind", kind=event.kind)


async def _note_alarm(ctx: ApiContext, event: WorkerEvent) -> None:
    camera_id = str(event.data.get("camera_id") or "")
    kind = str(event.data.get("kind") or event.data.get("alarm") or "unknown")
    async with ctx.db.write() as connection:
        camera = await cameras.get(connection, camera_id) if camera_id else None
        target = Target("camera", camera_id, camera.org_path) if camera else Target("system", camera_id)
        entry = SYSTEM.entry(
            ctx.clock.wall_us(), "recording.alarm", target, outcome="alarm", kind=kind, event=event.data
        )
        await audit.append(connection, entry)
    await ctx.state.publish(ALARM_CHANNEL, {**event.data, "kind": kind})


async def keep_desired(ctx: ApiContext) -> None:
    """Make good, at once and every few seconds, whatever the workers have not been told."""
    behind = ctx.desired_behind
    while True:
        behind.clear()
        try:
            if await reconcile(ctx):
                log.info("desired cameras written anew")
        except HubError as error:
            log.warning("desired cameras cannot be written, will retry", cause=error.code)
            await asyncio.sleep(RETRY_S)
            continue
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(RECONCILE_EVERY_S):
                await behind.wait()
