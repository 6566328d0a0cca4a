"""Rooms: made, planned, listed, joined, ended; their members and invitations."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from api.auth.verbs import Verb
from api.http.permission import Access, Invited, Public, Scope, require
from api.http.place import page_base, session_url
from api.schemas.base import Id
from api.schemas.live import ice_out
from api.schemas.paging import DEFAULT_LIMIT, Cursor, Limit, encode_cursor
from api.schemas.rooms import (
    ChairBody,
    Invitation,
    Invite,
    InviteRenew,
    JoinBody,
    Joined,
    MemberIn,
    ParticipantList,
    Room,
    RoomCameraOut,
    RoomCreate,
    RoomPage,
    RoomPatch,
    RoomQuery,
    camera_out,
    invitation_out,
    invite_url,
    joined_out,
    room_cursor,
    room_out,
)
from api.services import chair, invites, joining, room_cameras, room_shown, rooms
from api.services.joining import JoinRequest
from api.services.turn import ice_servers

router = APIRouter(prefix="/rooms", tags=["rooms"])

RoomId = Annotated[Id, Path()]
MemberId = Annotated[Id, Path()]
Comer = Annotated[Access, Depends(require(Verb.ROOM_JOIN, Scope.SOMEWHERE))]
"""Which rooms one may know of, and lead, the service tells."""
Keeper = Annotated[Access, Depends(require(Verb.ROOM_MANAGE, Scope.SOMEWHERE))]
Shower = Annotated[Access, Depends(require(Verb.LIVE_VIEW, Scope.CAMERA))]
InviteToken = Annotated[str, Query(max_length=100)]
"""In the address, so that a link opens the page; it lets nobody in without the passcode."""


async def _shown(access: Access, request: Request, room_id: str) -> Room:
    view = await rooms.find_known(access.ctx, access.me, room_id)
    return room_out(await room_shown.one(access.ctx, access.me, view), page_base(request))


@router.get("")
async def list_rooms(
    access: Comer, query: Annotated[RoomQuery, Query()], limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> RoomPage:
    """List the rooms one belongs to or manages, the latest first; `from` and `to` bound the time of meetings."""
    within = await rooms.subtree(access.ctx, access.me, query.org_id)
    page, members = await rooms.page(
        access.ctx, access.me, room_cursor(cursor), limit, within=within, **query.narrowed()
    )
    items = await room_shown.listed(access.ctx, access.me, page.items, members)
    return RoomPage(items=[room_out(one) for one in items], next_cursor=encode_cursor(page.next_key))


@router.post("", status_code=201)
async def create_room(access: Keeper, request: Request, body: RoomCreate) -> Room:
    """Make a room; `warnings` lists members who are expected elsewhere at its time."""
    planned = await rooms.create(access.ctx, access.actor, body.made())
    return room_out(await room_shown.one(access.ctx, access.me, planned.view), page_base(request), planned.clashes)


@router.get("/{room_id}")
async def read_room(access: Comer, request: Request, room_id: RoomId) -> Room:
    """Show a room; the passcode to who leads it."""
    return await _shown(access, request, room_id)


@router.patch("/{room_id}")
async def change_room(access: Keeper, request: Request, room_id: RoomId, body: RoomPatch) -> Room:
    """Change or move a meeting; who is no longer a member leaves within five seconds."""
    members = None if body.members is None else tuple(one.made() for one in body.members)
    planned = await rooms.change(access.ctx, access.actor, room_id, body.values(), members)
    return room_out(await room_shown.one(access.ctx, access.me, planned.view), page_base(request), planned.clashes)


@router.post("/{room_id}/end")
async def end_room(access: Comer, request: Request, room_id: RoomId) -> Room:
    """End a meeting for everybody."""
    await rooms.end(access.ctx, access.actor, room_id)
    return await _shown(access, request, room_id)


@router.post("/{room_id}/members", status_code=201)
async def add_member(access: Comer, request: Request, room_id: RoomId, body: MemberIn) -> Room:
    """Add a user or an organisation, or change the role."""
    await rooms.put_member(access.ctx, access.actor, room_id, body.made())
    return await _shown(access, request, room_id)


@router.delete("/{room_id}/members/{kind}/{member_id}", status_code=204)
async def remove_member(access: Comer, room_id: RoomId, kind: Literal["user", "org"], member_id: MemberId) -> None:
    """Remove a member."""
    await rooms.remove_member(access.ctx, access.actor, room_id, kind, member_id)


@router.get("/{room_id}/invite")
async def read_invite(access: Comer, request: Request, room_id: RoomId) -> Invite:
    """Show link and passcode to who leads the meeting."""
    view = await rooms.find_known(access.ctx, access.me, room_id)
    found = await invites.shown(access.ctx, access.actor, view)
    return Invite(room_id=room_id, url=invite_url(page_base(request), found), passcode=found.passcode)


@router.post("/{room_id}/invite", status_code=201)
async def renew_invite(access: Comer, request: Request, room_id: RoomId, body: InviteRenew) -> Invite:
    """Make a fresh link and passcode; the old ones let nobody in any more."""
    view = await rooms.find_known(access.ctx, access.me, room_id)
    made = await invites.renew(access.ctx, access.actor, view, body.passcode)
    return Invite(room_id=room_id, url=invite_url(page_base(request), made), passcode=made.passcode)


@router.delete("/{room_id}/invite", status_code=204)
async def withdraw_invite(access: Comer, room_id: RoomId) -> None:
    """Let nobody in by link any more."""
    await invites.withdraw(access.ctx, access.actor, await rooms.find_known(access.ctx, access.me, room_id))


@router.get("/{room_id}/invite.svg", response_class=Response)
async def picture_of_invite(access: Comer, request: Request, room_id: RoomId) -> Response:
    """Draw the link as a QR code."""
    view = await rooms.find_known(access.ctx, access.me, room_id)
    found = await invites.shown(access.ctx, access.actor, view)
    return Response(invites.picture(invite_url(page_base(request), found)), media_type="image/svg+xml")


@router.get("/{room_id}/invitation")
async def read_invitation(access: Public, room_id: RoomId, invite: InviteToken) -> Invitation:
    """Tell somebody who holds the link what they are invited to."""
    room, org_name, running = await room_shown.for_guest(access.ctx, room_id, invite)
    return invitation_out(room, org_name, running, access.ctx.clock.wall_us())


@router.post("/{room_id}/join")
async def join_room(access: Invited, request: Request, room_id: RoomId, body: JoinBody) -> Joined:
    """Come in as a member, or as a guest with link and passcode: a token for the session gate, good once."""
    wanted = JoinRequest(
        display_name=body.display_name or "", venue=body.venue or "", head_count=body.head_count or 0,
        invite=body.invite, passcode=body.passcode, participant_id=body.participant_id,
    )  # fmt: skip
    joined = await joining.join(access.ctx, access.actor, room_id, wanted)
    who = access.actor.user_id or joined.seat.participant_id
    servers = ice_servers(access.ctx.options, who, access.ctx.clock.wall_us())
    return joined_out(joined, session_url(request), ice_out(servers))


@router.post("/{room_id}/chair")
async def act_in_room(access: Comer, room_id: RoomId, body: ChairBody) -> dict[str, Any]:
    """Do what the chair panel does; every action and its fields are in `streams/SIGNALING.md`."""
    done = await chair.act(access.ctx, access.actor, room_id, body.participant_id, body.command())
    return done if isinstance(done, dict) else {}


@router.post("/{room_id}/cameras/{camera_id}", status_code=201)
async def show_camera(access: Shower, room_id: RoomId) -> RoomCameraOut:
    """Bring a camera into the room: by who may watch it and is chair, speaker or has the floor, or manages the room."""
    return camera_out(await room_cameras.show(access.ctx, access.actor, room_id, access.the_camera))


@router.delete("/{room_id}/cameras/{camera_id}", status_code=204)
async def hide_camera(access: Comer, room_id: RoomId, camera_id: MemberId) -> None:
    """Take a camera out of the room."""
    await room_cameras.hide(access.ctx, access.actor, room_id, camera_id)


@router.get("/{room_id}/participants")
async def list_participants(access: Comer, room_id: RoomId) -> ParticipantList:
    """List who is in the room now, as its worker knows it."""
    view = await rooms.find_known(access.ctx, access.me, room_id)
    state, items = await chair.participants(access.ctx, access.actor, view)
    return ParticipantList(room=state, items=items)
