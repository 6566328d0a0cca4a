"""Takes away what nobody may have any more: every second, and at once after a change of rights.

A background task of the api process. Live sessions whose right is gone are ended at the worker, replay views are
ended and their streams cut, grants die; sessions that a worker has forgotten are written off. Rooms and what is in
them are swept by `room_sweeper`. The promise is five seconds from the change to the last byte.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

import structlog

from api.auth.actor import SYSTEM
from api.auth.principal import Principal
from api.auth.verbs import Verb
from api.context import ApiContext
from api.control.metrics import Metrics
from api.control.periodic import PURGE_EVERY_S, RECONCILE_EVERY_S, Periodic
from api.control.room_sweeper import YOUNG_US, RoomSweeper
from api.db import cameras, live, logins, playback
from api.db.cameras import CameraRow
from api.db.live import LiveSessionRow
from api.db.playback import GrantRow, ReplayViewRow
from api.forward.streams import ActiveStreams
from api.services import live as live_service
from api.services import playback as playback_service
from api.services.meeting_playback import rooms_of
from api.services.meeting_recordings import may_replay
from api.services.principals import Login, load_all
from api.services.ranges import DAY_US
from api.services.room_access import RoomView
from api.state.channels import SESSION_CHANNEL
from media.base.errors import HubError

log = structlog.get_logger(__name__)

SECOND_US = 1_000_000
VIEW_IDLE_US = 60 * SECOND_US


class Sweeper:
    """`run` is a task; `sweep` is one round, for tests too."""

    def __init__(self, ctx: ApiContext, streams: ActiveStreams, metrics: Metrics, rooms: RoomSweeper) -> None:
        """Sweep what `ctx` holds and `streams` send; `rooms` does so for sessions and rooms."""
        self._rooms = rooms
        self._ctx = ctx
        self._streams = streams
        self._metrics = metrics
        self._reconciling = Periodic(ctx.clock, RECONCILE_EVERY_S)
        self._purging = Periodic(ctx.clock, PURGE_EVERY_S)

    async def run(self) -> None:
        """Sweep for ever; a round that fails is logged and tried again."""
        changed = self._ctx.access_changed
        while True:
            changed.clear()
            try:
                await self.sweep()
            except HubError as error:
                self._metrics.sweep_failures.inc()
                log.warning("sweep could not finish, will retry", cause=error.code)
            try:
                await self._rooms.sweep()
            except HubError as error:
                self._metrics.sweep_failures.inc()
                log.warning("sweep of rooms could not finish, will retry", cause=error.code)
            try:
                async with asyncio.timeout(self._ctx.options.sweep_every_s):
                    await changed.wait()
            except TimeoutError:
                continue

    async def sweep(self) -> None:
        """Do one round; HubError when database or worker is away."""
        sending = self._streams.view_ids()  # before the views are read: a stream's view is written first
        async with self._ctx.db.read() as connection:
            sessions = tuple(one for one in await live.open_ones(connection) if one.session_id is None)
            views = await playback.open_views(connection)
            grants = await playback.open_grants(connection)
            camera_ids = {session.camera_id for session in sessions} | {view.camera_id for view in views}
            rows = await cameras.some(connection, camera_ids) if camera_ids else ()
        self._metrics.live_sessions.set(len(sessions))
        for view_id in sending - {view.id for view in views}:
            self._streams.cut(view_id)  # it ended while its first byte was on the way
        owners = {Login(session.user_id, session.login_session_id) for session in sessions}
        owners |= {Login(view.user_id, view.login_session_id) for view in views}
        owners |= {Login(grant.user_id, grant.login_session_id) for grant in grants}
        standing = await load_all(self._ctx, owners)
        known = {camera.id: camera for camera in rows}
        room_ids = {grant.room_id for grant in grants} | {view.room_id for view in views}
        meetings = await rooms_of(self._ctx, {room_id for room_id in room_ids if room_id is not None})
        await self._sweep_grants(grants, standing, meetings)
        await self._sweep_views(views, standing, _Known(known, meetings))
        await self._sweep_live(sessions, standing, known)
        await self._reconcile(sessions)
        await self._purge()

    async def _sweep_live(
        self, sessions: Iterable[LiveSessionRow], standing: dict[Login, Principal], known: dict[str, CameraRow]
    ) -> None:
        failure: HubError | None = None
        for session in sessions:
            principal = standing.get(Login(session.user_id, session.login_session_id))
            if _may(principal, Verb.LIVE_VIEW, known.get(session.camera_id)):
                continue
            try:
                await live_service.stop(self._ctx, session, live_service.REVOKED)
                self._metrics.revoked.inc()
                told = {
                    "user_id": session.user_id,
                    "session_id": session.id,
                    "camera_id": session.camera_id,
                    "reason": "revoked",
                }
                await self._ctx.state.publish(SESSION_CHANNEL, told)
            except HubError as error:
                failure = error
        if failure is not None:
            raise failure

    async def _sweep_views(
        self, views: Iterable[ReplayViewRow], standing: dict[Login, Principal], known: "_Known"
    ) -> None:
        now_us = self._ctx.clock.wall_us()
        active = self._streams.view_ids()
        async with self._ctx.db.read() as connection:
            alive = {grant.id for grant in await playback.open_grants(connection)}
        for view in views:
            principal = standing.get(Login(view.user_id, view.login_session_id))
            if view.grant_id not in alive or not known.may_view(principal, view):
                self._streams.cut(view.id)
                await playback_service.end_view(self._ctx, view, "revoked" if principal is None else "grant_ended")
            elif now_us - view.last_us <= playback_service.TOUCH_EVERY_US:
                continue
            elif view.id in active:
                async with self._ctx.db.write() as connection:
                    await playback.touch_view(connection, view.id, now_us)
            elif now_us - view.last_us > VIEW_IDLE_US:
                await playback_service.end_view(self._ctx, view, "idle")

    async def _sweep_grants(
        self, grants: Iterable[GrantRow], standing: dict[Login, Principal], meetings: dict[str, RoomView]
    ) -> None:
        now_us = self._ctx.clock.wall_us()
        for grant in grants:
            principal = standing.get(Login(grant.user_id, grant.login_session_id))
            if grant.expires_us <= now_us:
                await playback_service.end_grant(self._ctx, SYSTEM, grant, "expired")
            elif principal is None or not _may_have(principal, grant, meetings):
                await playback_service.end_grant(self._ctx, SYSTEM, grant, "revoked")

    async def _reconcile(self, sessions: Iterable[LiveSessionRow]) -> None:
        """Write off sessions that their worker does not know: it was restarted, or its message was lost."""
        if not self._reconciling.take():
            return
        old_us = self._ctx.clock.wall_us() - YOUNG_US
        old = [session for session in sessions if session.started_us < old_us]
        for slot in {session.slot for session in old}:
            try:
                running = await live_service.running_at(self._ctx, slot)
            except HubError:
                continue  # a worker being restarted forgets its sessions; its next answer tells
            for session in old:
                if session.slot == slot and session.id not in running:
                    await live_service.note_end(self._ctx, session.id, "lost")

    async def _purge(self) -> None:
        if self._purging.take():
            async with self._ctx.db.write() as connection:
                await logins.purge(connection, self._ctx.clock.wall_us() - DAY_US)
                await live.purge(connection, self._ctx.clock.wall_us() - 365 * DAY_US)


@dataclass(frozen=True, slots=True)
class _Known:
    """The cameras and rooms that views are of."""

    cameras: dict[str, CameraRow]
    meetings: dict[str, RoomView]

    def may_view(self, principal: Principal | None, view: ReplayViewRow) -> bool:
        if view.room_id is None:
            return _may(principal, Verb(view.verb), self.cameras.get(view.camera_id))
        room = self.meetings.get(view.room_id)
        return principal is not None and room is not None and may_replay(room, principal, Verb(view.verb))


def _may_have(principal: Principal, grant: GrantRow, meetings: dict[str, RoomView]) -> bool:
    if grant.room_id is None:
        return principal.may_somewhere(Verb.REPLAY_VIEW)
    room = meetings.get(grant.room_id)
    return room is not None and may_replay(room, principal)


def _may(principal: Principal | None, verb: Verb, camera: CameraRow | None) -> bool:
    return principal is not None and camera is not None and principal.may(verb, camera.org_path, camera.id)
