"""What workers report and must not be lost: sessions, rooms, recording alarms. And the desired cameras they read.

Two background tasks of the api process. An event is acknowledged only after its consequence is in the database; one
that comes twice does nothing the second time.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping

import structlog

from api.auth.actor import SYSTEM, Target
from api.context import ApiContext
from api.db import audit, cameras
from api.services import room_journal, session_views, sessions
from api.services.cameras import reconcile
from api.services.live import REASON_OF_WORKER, note_end
from api.state import WorkerEvent
from api.state.channels import ALARM_CHANNEL, ROOM_CHANNEL
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
    hear = HEARD.get(event.kind)
    if hear is None:
        log.info("worker event of unknown kind", kind=event.kind)
    else:
        await hear(ctx, event)


def _reason(event: WorkerEvent) -> str:
    return str(event.data.get("reason") or "unknown")


async def _note_live_end(ctx: ApiContext, event: WorkerEvent) -> None:
    reason = _reason(event)
    session_id = str(event.data.get("session_id", ""))
    if not await note_end(ctx, session_id, REASON_OF_WORKER.get(reason, reason)):
        await sessions.note_end(ctx, session_id, reason)  # a viewer in a room


async def _note_session_end(ctx: ApiContext, event: WorkerEvent) -> None:
    await sessions.note_end(ctx, str(event.data.get("session_id", "")), _reason(event))
    ctx.calls_changed.set()


async def _note_view_end(ctx: ApiContext, event: WorkerEvent) -> None:
    view_id = str(event.data.get("grant") or "")
    if view_id:
        await session_views.end(ctx, view_id, _reason(event))
    else:
        camera_id = str(event.data.get("source", "")).removeprefix("camera/")
        await session_views.end_camera(ctx, str(event.data.get("session_id", "")), camera_id, _reason(event))


async def _note_room_change(ctx: ApiContext, event: WorkerEvent) -> None:
    room_id = str(event.data.get("room_id", ""))
    if await room_journal.is_behind(ctx, room_id, event.data.get("seq")):
        await room_journal.try_copy(ctx, room_id)
        await tell_room(ctx, room_id)


async def _note_room_end(ctx: ApiContext, event: WorkerEvent) -> None:
    room_id = str(event.data.get("room_id", ""))
    await room_journal.close(ctx, room_id, "ended")
    ctx.calls_changed.set()
    await tell_room(ctx, room_id)


async def tell_room(ctx: ApiContext, room_id: str) -> None:
    """Tell browsers that a room has changed; they ask for what they show."""
    with contextlib.suppress(HubError):
        await ctx.state.publish(ROOM_CHANNEL, {"room_id": room_id})


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


HEARD: Mapping[str, Callable[[ApiContext, WorkerEvent], Awaitable[None]]] = {
    "live.ended": _note_live_end,
    "session.ended": _note_session_end,
    "session.unsubscribed": _note_view_end,
    "room.changed": _note_room_change,
    "room.ended": _note_room_end,
    "recording.alarm": _note_alarm,
}
"""Kind of event → what is done about it."""


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
