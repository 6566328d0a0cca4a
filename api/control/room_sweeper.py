"""Takes away what nobody may have any more in sessions and rooms; a part of every round of `control.sweeper`.

A session ends when its log-in, its membership or its room is gone; a camera watched in it when the right is; a camera
in a room when who showed it may no longer watch it. Workers are told, gates closed, ends written once. What a worker
has forgotten is written off; what it has not given away yet (journals) is fetched.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from api.auth.actor import SYSTEM
from api.auth.principal import Principal
from api.auth.verbs import Verb
from api.context import ApiContext
from api.control.gates import Gates
from api.control.metrics import Metrics
from api.control.periodic import PURGE_EVERY_S, RECONCILE_EVERY_S, Periodic
from api.db import cameras, live, room_history, rooms, seats
from api.db.cameras import CameraRow
from api.db.live import LiveSessionRow
from api.db.room_history import RoomCameraRow
from api.db.seats import SeatRow, SessionRow
from api.forward.private_apps import error_of, translated
from api.services import principals, room_cameras, room_journal, session_views, sessions
from api.services.principals import Login, load_all
from api.services.ranges import DAY_US
from api.services.room_access import RoomView, is_member
from api.state.channels import SESSION_CHANNEL
from media.base.errors import HubError

log = structlog.get_logger(__name__)

SECOND_US = 1_000_000
YOUNG_US = 20 * SECOND_US
"""A session this young may not be in its worker's list yet."""


@dataclass(frozen=True, slots=True)
class Present:
    """What is open now, and what it depends on."""

    sessions: tuple[SessionRow, ...]
    views: Mapping[str, RoomView]
    seats: Mapping[tuple[str, str], SeatRow]
    shown: tuple[RoomCameraRow, ...]
    watched: tuple[LiveSessionRow, ...]
    cameras: Mapping[str, CameraRow]


class RoomSweeper:
    """`sweep` is one round."""

    def __init__(self, ctx: ApiContext, gates: Gates, metrics: Metrics) -> None:
        """Sweep what `ctx` holds; close `gates`."""
        self._ctx = ctx
        self._gates = gates
        self._metrics = metrics
        self._reconciling = Periodic(ctx.clock, RECONCILE_EVERY_S)
        self._purging = Periodic(ctx.clock, PURGE_EVERY_S)

    async def sweep(self) -> None:
        """Do one round; HubError when database or worker is away, after all the others have been dealt with."""
        present = await self._look()
        self._metrics.sessions.set(len(present.sessions))
        self._metrics.rooms.set(len({session.room_id for session in present.sessions if session.room_id}))
        standing = await load_all(
            self._ctx, {Login(one.user_id, one.login_session_id or "") for one in present.sessions if one.user_id}
        )
        failures = [
            *await self._sweep_shown(present),
            *await self._sweep_sessions(present, standing),
            *await self._sweep_watched(present, standing),
        ]
        await self._reconcile(present.sessions)
        await self._purge()
        if failures:
            raise failures[0]

    async def _look(self) -> Present:
        async with self._ctx.db.read() as connection:
            open_sessions = await seats.open_sessions(connection)
            shown = await room_history.open_cameras(connection)
            watched = tuple(one for one in await live.open_ones(connection) if one.session_id is not None)
            room_ids = {one.room_id for one in open_sessions if one.room_id} | {one.room_id for one in shown}
            found = await rooms.some(connection, room_ids) if room_ids else {}
            members = await rooms.members_of(connection, found) if found else {}
            places = {(one.room_id, one.participant_id) for one in open_sessions if one.room_id and one.participant_id}
            taken = await seats.some_seats(connection, places) if places else {}
            camera_ids = {one.camera_id for one in shown} | {one.camera_id for one in watched}
            known = await cameras.some(connection, camera_ids) if camera_ids else ()
        views = {room_id: RoomView(room, members[room_id]) for room_id, room in found.items()}
        return Present(open_sessions, views, taken, shown, watched, {camera.id: camera for camera in known})

    # Sessions.

    async def _sweep_sessions(self, present: Present, standing: Mapping[Login, Principal]) -> list[HubError]:
        failures: list[HubError] = []
        for session in present.sessions:
            code = self._objection(session, present, standing)
            if code is None:
                continue
            try:
                await self._gates.put_out(session, code)
                self._metrics.revoked.inc()
            except HubError as error:
                failures.append(error)
        return failures

    def _objection(self, session: SessionRow, present: Present, standing: Mapping[Login, Principal]) -> str | None:
        """Return the closing code of a session that may not go on, None for one that may."""
        principal = standing.get(Login(session.user_id, session.login_session_id or "")) if session.user_id else None
        if session.user_id is not None and principal is None:
            return "unauthenticated"
        if session.room_id is None:
            return None
        view = present.views.get(session.room_id)
        if view is None or view.room.ended_us is not None:
            return "room_ended"
        seat = present.seats.get((session.room_id, session.participant_id or ""))
        if seat is None:
            return "revoked"
        if seat.is_guest:
            return None
        return None if is_member(view, principal) else "revoked"

    # Cameras somebody watches.

    async def _sweep_watched(self, present: Present, standing: Mapping[Login, Principal]) -> list[HubError]:
        failures: list[HubError] = []
        shown = {(one.room_id, one.camera_id) for one in present.shown}
        slots = {one.id: one.slot for one in present.sessions}
        for row in present.watched:
            session_id = row.session_id or ""
            principal = standing.get(Login(row.user_id, row.login_session_id))
            if session_views.may_go_on(row, principal, present.cameras.get(row.camera_id), shown):
                if session_id not in slots:
                    await session_views.end(self._ctx, row.id, sessions.LOST)
                continue
            try:
                if session_id in slots:
                    what = {"session_ids": [session_id], "camera_id": row.camera_id, "code": sessions.REVOKED}
                    await self._gates.revoke(slots[session_id], what)
                if await session_views.end(self._ctx, row.id, sessions.REVOKED):
                    self._metrics.revoked.inc()
                    await self._tell(row)
            except HubError as error:
                failures.append(error)
        return failures

    async def _tell(self, row: LiveSessionRow) -> None:
        told = {"user_id": row.user_id, "session_id": row.id, "camera_id": row.camera_id, "reason": "revoked"}
        await self._ctx.state.publish(SESSION_CHANNEL, told)

    # Cameras somebody shows.

    async def _sweep_shown(self, present: Present) -> list[HubError]:
        failures: list[HubError] = []
        showing = await principals.of_users(self._ctx, {row.user_id for row in present.shown})
        for row in present.shown:
            view, camera, who = (
                present.views.get(row.room_id),
                present.cameras.get(row.camera_id),
                showing.get(row.user_id),
            )
            if view is None or view.room.ended_us is not None:
                await room_cameras.note_gone(self._ctx, row, "room_ended", SYSTEM)
            elif camera is None or not camera.enabled or who is None or not _may_watch(who, camera):
                try:
                    await room_cameras.take_away(self._ctx, SYSTEM, view, row, sessions.REVOKED)
                    self._metrics.revoked.inc()
                except HubError as error:
                    failures.append(error)
        return failures

    # Comparing with the workers.

    async def _reconcile(self, present: Iterable[SessionRow]) -> None:
        """Write off sessions that their worker does not know; fetch what ended rooms have left there."""
        if not self._reconciling.take():
            return
        old_us = self._ctx.clock.wall_us() - YOUNG_US
        old = [session for session in present if session.started_us < old_us]
        for slot in {session.slot for session in old}:
            try:
                running = await self._running_at(slot)
            except HubError:
                continue  # a worker being restarted forgets its sessions; its next answer tells
            for session in old:
                if session.slot == slot and session.id not in running:
                    self._gates.close(session.id, "worker_restart")
                    await sessions.note_end(self._ctx, session.id, sessions.LOST)
        await self._catch_up()

    async def _running_at(self, slot: str) -> frozenset[str]:
        link = await self._ctx.workers.of_slot(slot)
        async with translated("worker"):
            answers = [await link.client.get(path) for path in ("/sessions", "/whip/sessions", "/whep/sessions")]
        for answer in answers:
            if answer.status_code != 200:
                raise error_of(answer, "worker")
        return frozenset(name for answer in answers for name in _named(answer.json().get("items")))

    async def _catch_up(self) -> None:
        async with self._ctx.db.read() as connection:
            unclosed = await rooms.unclosed(connection)
            placed = await rooms.placed(connection)
        for room_id in unclosed:
            await room_journal.close(self._ctx, room_id, "ended")
        try:
            await self._ctx.state.replace_room_slots(placed)
        except HubError:
            log.info("the shared state hears of rooms later")

    async def _purge(self) -> None:
        if self._purging.take():
            now_us = self._ctx.clock.wall_us()
            async with self._ctx.db.write() as connection:
                await seats.purge(connection, now_us - DAY_US, now_us - 365 * DAY_US)


def _named(items: Any) -> Iterable[str]:
    """Return the session ids in a worker's list, which is one of objects, or a mapping by id."""
    if isinstance(items, dict):
        return items.keys()
    return (str(item.get("session_id", "")) for item in items or () if isinstance(item, dict))


def _may_watch(principal: Principal, camera: CameraRow) -> bool:
    return principal.may(Verb.LIVE_VIEW, camera.org_path, camera.id)
