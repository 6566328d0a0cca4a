"""Rooms as one person may see them: with names, how many are in, and for who leads it the passcode."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from api.auth.principal import Principal
from api.context import ApiContext
from api.db import orgs, room_history, rooms
from api.db.room_history import RoomCameraRow
from api.db.rooms import MemberRow, RoomRow
from api.services import invites
from api.services.invites import Invitation
from api.services.room_access import RoomView, may_lead, may_manage, role_of
from api.services.room_conflicts import names_of
from media.base.errors import ErrorKind, HubError


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownRoom:
    """A room for one reader; `names`, `cameras` and `invitation` only when it is shown by itself."""

    view: RoomView
    role: str | None
    may_manage: bool
    may_lead: bool
    running: int
    now_us: int
    names: Mapping[str, str] | None = None
    cameras: tuple[RoomCameraRow, ...] = ()
    invitation: Invitation | None = None


async def one(ctx: ApiContext, reader: Principal, view: RoomView) -> ShownRoom:
    """Return a room in full."""
    leads = may_lead(view, reader)
    async with ctx.db.read() as connection:
        running = await rooms.running_of(connection, [view.room.id])
        names = await names_of(connection, view.members)
        cameras = await room_history.open_cameras(connection, view.room.id)
        invite = await rooms.invite_of(connection, view.room.id) if leads else None
    try:
        invitation = invites.opened(ctx, invite) if invite else None
    except HubError:
        invitation = None  # sealed under another key: the chair renews it
    return ShownRoom(
        view=view, role=role_of(view, reader), may_manage=may_manage(view.room, reader), may_lead=leads,
        running=running.get(view.room.id, 0), now_us=ctx.clock.wall_us(), names=names, cameras=cameras,
        invitation=invitation,
    )  # fmt: skip


async def listed(
    ctx: ApiContext, reader: Principal, found: Iterable[RoomRow], members: Mapping[str, tuple[MemberRow, ...]]
) -> list[ShownRoom]:
    """Return rooms for a list."""
    views = [RoomView(room, members[room.id]) for room in found]
    async with ctx.db.read() as connection:
        running = await rooms.running_of(connection, [view.room.id for view in views])
    now_us = ctx.clock.wall_us()
    return [
        ShownRoom(
            view=view, role=role_of(view, reader), may_manage=may_manage(view.room, reader),
            may_lead=may_lead(view, reader), running=running.get(view.room.id, 0), now_us=now_us,
        )
        for view in views
    ]  # fmt: skip


async def for_guest(ctx: ApiContext, room_id: str, token: str) -> tuple[RoomRow, str, int]:
    """Return a room, the name of its organisation and how many are in, to who holds its link; HubError NOT_FOUND."""
    async with ctx.db.read() as connection:
        await invites.link_of(connection, room_id, token)
        room = await rooms.get(connection, room_id)
        if room is None:
            raise HubError(ErrorKind.NOT_FOUND, "no such room", code="unknown_room")
        org = await orgs.get(connection, room.org_id) if room.org_id else None
        running = await rooms.running_of(connection, [room_id])
    return room, org.name if org else "", running.get(room_id, 0)
