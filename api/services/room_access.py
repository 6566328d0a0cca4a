"""Who may know a room, come in, lead it, or manage it. Pure; called by every service of rooms and by the sweeper.

Whoever made a room leads it, and so do members with the role chair. Managing is the verb `room.manage` on the room's
organisation. Calls belong to the two who talk and to nobody else.
"""

from dataclasses import dataclass

from api.auth.principal import Principal
from api.auth.verbs import Verb
from api.db.rooms import CALL, ORG, USER, MemberRow, RoomRow
from media.base.errors import ErrorKind, HubError

CHAIR, SPEAKER, ATTENDEE, OBSERVER = "chair", "speaker", "attendee", "observer"
BROADCAST = "broadcast"
UNPLANNED_MINUTES = 60
"""How long a meeting without a stated length is taken to last."""


@dataclass(frozen=True, slots=True)
class RoomView:
    """A room with its members."""

    room: RoomRow
    members: tuple[MemberRow, ...]

    @property
    def end_us(self) -> int | None:
        """Return when a scheduled meeting is planned to be over."""
        if self.room.starts_us is None:
            return None
        return self.room.starts_us + (self.room.duration_minutes or UNPLANNED_MINUTES) * 60_000_000


def usual_role(kind: str) -> str:
    """Return what somebody is in a room of `kind` whom nobody has given a role: of a broadcast one is a spectator."""
    return OBSERVER if kind == BROADCAST else ATTENDEE


def role_of(view: RoomView, principal: Principal) -> str | None:
    """Return the role in which the principal comes in, or None for somebody who does not belong here."""
    named = [row.role for row in view.members if row.kind == USER and row.member_id == principal.user_id]
    if named:
        return named[0]
    if view.room.created_by == principal.user_id:
        return CHAIR
    orgs = [row for row in view.members if row.kind == ORG and principal.org_path.startswith(row.org_path or "//")]
    if orgs:
        return max(orgs, key=lambda row: len(row.org_path or "")).role
    is_of_org = view.room.is_for_everybody and principal.org_path.startswith(view.room.org_path)
    if may_manage(view.room, principal) or is_of_org:
        return usual_role(view.room.kind)
    return None


def is_member(view: RoomView, principal: Principal | None) -> bool:
    """Tell whether the principal may be in the room: belongs there, and may take part in meetings at all."""
    return principal is not None and Verb.ROOM_JOIN in principal.verbs and role_of(view, principal) is not None


def may_manage(room: RoomRow, principal: Principal) -> bool:
    """Tell whether the principal may change and end the room, and act in it as its keeper."""
    return room.kind != CALL and principal.may(Verb.ROOM_MANAGE, room.org_path)


def may_lead(view: RoomView, principal: Principal) -> bool:
    """Tell whether the principal may see the passcode, invite, and end the meeting."""
    return may_manage(view.room, principal) or role_of(view, principal) == CHAIR


def may_read_record(view: RoomView, principal: Principal) -> bool:
    """Tell whether the principal may read who was there and what was said."""
    is_of_call = view.room.kind == CALL
    return (not is_of_call and principal.may(Verb.ROOM_RECORD, view.room.org_path)) or role_of(view, principal) == CHAIR


def check_known(view: RoomView, principal: Principal) -> str | None:
    """Return the principal's role; HubError NOT_FOUND `unknown_room` for somebody who may not know of the room.

    Who may only read its record has no role in it.
    """
    role = role_of(view, principal)
    if role is None and not may_read_record(view, principal):
        raise HubError(ErrorKind.NOT_FOUND, "no such room", code="unknown_room")
    return role


def check_manage(view: RoomView, principal: Principal) -> None:
    """Raise HubError NOT_FOUND or DENIED unless the principal may change the room."""
    check_known(view, principal)
    if not may_manage(view.room, principal):
        raise HubError(ErrorKind.DENIED, "not yours to manage", code="denied", verb=Verb.ROOM_MANAGE.value)


def check_lead(view: RoomView, principal: Principal) -> None:
    """Raise HubError NOT_FOUND or DENIED `not_chair` unless the principal may lead the meeting."""
    check_known(view, principal)
    if not may_lead(view, principal):
        raise HubError(ErrorKind.DENIED, "only the chair may do this", code="not_chair")


def check_open(room: RoomRow) -> None:
    """Raise HubError CONFLICT `room_ended` for a meeting that is over."""
    if room.ended_us is not None:
        raise HubError(ErrorKind.CONFLICT, "the meeting has ended", code="room_ended")
