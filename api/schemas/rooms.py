"""Rooms over HTTP: made, planned, shown, joined."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, ConfigDict, Field, StringConstraints, model_validator

from api.db.room_history import RoomCameraRow
from api.db.rooms import ORG, USER, MemberRow, RoomRow
from api.schemas.base import Id, Input, Output, clean_text, moment, moment_or_none
from api.schemas.live import IceServerOut, IceServers
from api.schemas.paging import decode_cursor
from api.services.invites import Invitation as InvitationMade
from api.services.joining import TOKEN_LIFETIME_US
from api.services.joining import Joined as JoinedRoom
from api.services.room_conflicts import Clash
from api.services.room_shown import ShownRoom
from api.services.rooms import NewMember, NewRoom
from media.base.clock import us_of_utc
from media.base.errors import ErrorKind, HubError
from media.base.ids import is_id

Role = Literal["chair", "speaker", "attendee", "observer"]
PlannedKind = Literal["meeting", "consultation", "broadcast"]
Passcode = Annotated[str, StringConstraints(pattern=r"^[0-9]{4,12}$")]
Minutes = Annotated[int, Field(ge=1, le=7 * 24 * 60)]
HeadCount = Annotated[int, Field(ge=0, le=10_000)]
LATEST_YEAR = 2200
MAX_FIELD_CHARS = 64


def _one_line(text: str) -> str:
    return " ".join(clean_text(text).split())


Line = Annotated[str, StringConstraints(max_length=100), AfterValidator(_one_line)]
PersonName = Annotated[str, StringConstraints(max_length=64), AfterValidator(_one_line)]


def _named(text: str) -> str:
    if not text:
        raise ValueError("must not be empty")
    return text


RoomName = Annotated[Line, AfterValidator(_named)]


def _possible(when: AwareDatetime) -> AwareDatetime:
    if not 2000 <= when.year <= LATEST_YEAR:
        raise ValueError("is not a time of a meeting")
    return when


Start = Annotated[AwareDatetime, AfterValidator(_possible)]


class MemberIn(Input):
    """A user, or an organisation with everybody in its subtree."""

    user_id: Id | None = None
    org_id: Id | None = None
    role: Role = "attendee"

    @model_validator(mode="after")
    def _one_of_both(self) -> "MemberIn":
        if (self.user_id is None) == (self.org_id is None):
            raise ValueError("a member is a user_id or an org_id")
        return self

    def made(self) -> NewMember:
        """Return the member as services know it."""
        return (
            NewMember(USER, self.user_id, self.role) if self.user_id else NewMember(ORG, self.org_id or "", self.role)
        )


Members = Annotated[list[MemberIn], Field(max_length=1000)]


class RoomCreate(Input):
    """A new room; without `starts_at` it is always there, without members it is for everybody of its organisation."""

    id: Id | None = None
    name: RoomName
    kind: PlannedKind = "meeting"
    org_id: Id | None = None
    starts_at: Start | None = None
    duration_minutes: Minutes | None = None
    speech: Literal["open", "floor"] = "open"
    lobby: bool = False
    locked: bool = False
    for_everybody: bool | None = None
    recording: bool = False
    max_participants: Annotated[int, Field(ge=2, le=1000)] = 300
    members: Members = Field(default_factory=list)
    passcode: Passcode | None = None

    def made(self) -> NewRoom:
        """Return the room as services know it."""
        return NewRoom(
            id=self.id, name=self.name, kind=self.kind, org_id=self.org_id,
            starts_us=us_of_utc(self.starts_at) if self.starts_at else None, duration_minutes=self.duration_minutes,
            speech=self.speech, has_lobby=self.lobby, is_locked=self.locked, is_recorded=self.recording,
            is_for_everybody=not self.members if self.for_everybody is None else self.for_everybody,
            max_participants=self.max_participants, members=tuple(one.made() for one in self.members),
            passcode=self.passcode,
        )  # fmt: skip


class RoomPatch(Input):
    """What may be changed; `members` replaces them all."""

    name: RoomName | None = None
    starts_at: Start | None = None
    duration_minutes: Minutes | None = None
    speech: Literal["open", "floor"] | None = None
    lobby: bool | None = None
    locked: bool | None = None
    for_everybody: bool | None = None
    recording: bool | None = None
    max_participants: Annotated[int, Field(ge=2, le=1000)] | None = None
    members: Members | None = None

    def values(self) -> dict[str, Any]:
        """Return the columns to set; a time may be taken away, nothing else."""
        names = {
            "lobby": "has_lobby", "locked": "is_locked", "recording": "is_recorded",
            "for_everybody": "is_for_everybody",
        }  # fmt: skip
        given = self.model_dump(exclude_unset=True, exclude={"members"})
        found = {names.get(key, key): value for key, value in given.items() if value is not None}
        if "starts_at" in given:
            found.pop("starts_at", None)
            found["starts_us"] = us_of_utc(self.starts_at) if self.starts_at else None
        if "duration_minutes" in given:
            found["duration_minutes"] = self.duration_minutes
        return found


class RoomQuery(Input):
    """How a list is narrowed."""

    org_id: Id | None = None
    kind: Literal["meeting", "call", "consultation", "broadcast"] | None = None
    state: Literal["scheduled", "open", "running", "ended"] | None = None
    from_: Annotated[Start | None, Field(alias="from")] = None
    to: Start | None = None

    def narrowed(self) -> dict[str, Any]:
        """Return it as services know it."""
        return {
            "kind": self.kind, "state": self.state, "from_us": us_of_utc(self.from_) if self.from_ else None,
            "to_us": us_of_utc(self.to) if self.to else None,
        }  # fmt: skip


def room_cursor(cursor: str | None) -> tuple[int, str] | None:
    """Return the time and id a list goes on after; HubError INVALID `invalid_cursor`."""
    key = decode_cursor(cursor)
    if not key:
        return None
    begins, _, room_id = key.partition(":")
    if not (begins.isascii() and begins.isdigit() and len(begins) < 18 and is_id(room_id)):
        raise HubError(ErrorKind.INVALID, "not a cursor of ours", code="invalid_cursor")
    return int(begins), room_id


class ChairBody(Input):
    """An action of the chair panel; `participant_id` says as whom, of one's own in the room."""

    model_config = ConfigDict(extra="allow", str_strip_whitespace=False)

    action: Annotated[str, StringConstraints(pattern=r"^[a-z_]{1,40}$")]
    participant_id: Id | None = None

    def command(self) -> dict[str, Any]:
        """Return the action with its fields; which are its own, the room says."""
        fields = {name: value for name, value in (self.model_extra or {}).items() if len(name) <= MAX_FIELD_CHARS}
        fields.pop("by", None)
        return {**fields, "action": self.action}


class ParticipantList(Output):
    """The room and who is in it, in the shapes of `streams/SIGNALING.md`."""

    room: dict[str, Any]
    items: list[dict[str, Any]]


class InviteRenew(Input):
    """A fresh invitation."""

    passcode: Passcode | None = None


class JoinBody(Input):
    """How somebody comes in; guests bring `invite` and `passcode`."""

    display_name: PersonName | None = None
    venue: PersonName | None = None
    head_count: HeadCount | None = None
    invite: Annotated[str, StringConstraints(max_length=100)] | None = None
    passcode: Annotated[str, StringConstraints(max_length=20)] | None = None
    participant_id: Id | None = None


class MemberOut(Output):
    """A member as shown."""

    user_id: str | None = None
    org_id: str | None = None
    name: str
    role: str


class ClashOut(Output):
    """A member who is expected in another meeting at the time."""

    code: Literal["already_booked"] = "already_booked"
    user_id: str | None = None
    org_id: str | None = None
    name: str
    room_id: str | None
    room_name: str | None
    starts_at: str


class RoomCameraOut(Output):
    """A camera that is in the room."""

    camera_id: str
    name: str
    shown_by: str
    since: str


class Room(Output):
    """A room as the caller may see it; `passcode` and `invite_url` only for who leads it."""

    id: str
    name: str
    kind: str
    state: Literal["scheduled", "open", "running", "ended"]
    org_id: str | None
    created_by: str | None
    created_at: str
    starts_at: str | None
    ends_at: str | None
    duration_minutes: int | None
    ended_at: str | None
    end_reason: str | None
    speech: str
    lobby: bool
    locked: bool
    for_everybody: bool
    recording: bool
    max_participants: int
    participants: int
    members_count: int
    version: int
    role: str | None
    may_manage: bool
    may_lead: bool
    members: list[MemberOut] | None = None
    cameras: list[RoomCameraOut] | None = None
    warnings: list[ClashOut] | None = None
    passcode: str | None = None
    invite_url: str | None = None


class RoomPage(Output):
    """Rooms, the latest first."""

    items: list[Room]
    next_cursor: str | None


class Invite(Output):
    """What the chair hands out."""

    room_id: str
    url: str
    passcode: str


class Invitation(Output):
    """What somebody with the link may know before coming in."""

    room_id: str
    name: str
    kind: str
    state: str
    org_name: str
    starts_at: str | None
    duration_minutes: int | None
    passcode_required: bool = True


class Joined(Output):
    """The way to a seat."""

    token: str
    participant_id: str
    session_url: str
    ice_servers: list[IceServerOut]
    role: str
    room_id: str
    room_name: str
    expires_in: int


class SessionMade(Output):
    """The way to a session without a room."""

    token: str
    session_url: str
    ice_servers: list[IceServerOut]
    expires_in: int


def joined_out(joined: JoinedRoom, session_url: str, servers: IceServers) -> Joined:
    """Return the way to a seat as answered."""
    return Joined(
        token=joined.token, participant_id=joined.seat.participant_id, session_url=session_url,
        ice_servers=servers.ice_servers, role=joined.seat.role, room_id=joined.view.room.id,
        room_name=joined.view.room.name, expires_in=TOKEN_LIFETIME_US // 1_000_000,
    )  # fmt: skip


def state_of(room: RoomRow, running: int, now_us: int) -> Literal["scheduled", "open", "running", "ended"]:
    """Return what a list shows of a room."""
    if room.ended_us is not None:
        return "ended"
    if running:
        return "running"
    return "scheduled" if room.starts_us is not None and room.starts_us > now_us else "open"


def member_out(row: MemberRow, names: Mapping[str, str]) -> MemberOut:
    """Return a member as answered."""
    name = names.get(row.member_id, "")
    if row.kind == USER:
        return MemberOut(user_id=row.member_id, name=name, role=row.role)
    return MemberOut(org_id=row.member_id, name=name, role=row.role)


def clash_out(clash: Clash) -> ClashOut:
    """Return a clash as answered."""
    is_user = clash.kind == USER
    return ClashOut(
        user_id=clash.member_id if is_user else None, org_id=None if is_user else clash.member_id, name=clash.name,
        room_id=clash.room_id, room_name=clash.room_name, starts_at=moment(clash.starts_us),
    )  # fmt: skip


def room_out(shown: ShownRoom, base: str = "", clashes: Iterable[Clash] | None = None) -> Room:
    """Return a room as answered; `base` is the console's address as the browser knows it."""
    view, room, invitation = shown.view, shown.view.room, shown.invitation
    names = shown.names
    return Room(
        id=room.id, name=room.name, kind=room.kind, state=state_of(room, shown.running, shown.now_us),
        org_id=room.org_id, created_by=room.created_by, created_at=moment(room.created_us),
        starts_at=moment_or_none(room.starts_us), ends_at=moment_or_none(view.end_us),
        duration_minutes=room.duration_minutes, ended_at=moment_or_none(room.ended_us), end_reason=room.end_reason,
        speech=room.speech, lobby=room.has_lobby, locked=room.is_locked, recording=room.is_recorded,
        for_everybody=room.is_for_everybody,
        max_participants=room.max_participants, participants=shown.running, members_count=len(view.members),
        version=room.version, role=shown.role, may_manage=shown.may_manage, may_lead=shown.may_lead,
        members=None if names is None else [member_out(row, names) for row in view.members],
        cameras=None if names is None else [camera_out(row) for row in shown.cameras],
        warnings=None if clashes is None else [clash_out(clash) for clash in clashes],
        passcode=invitation.passcode if invitation else None,
        invite_url=invite_url(base, invitation) if invitation else None,
    )  # fmt: skip


def camera_out(row: RoomCameraRow) -> RoomCameraOut:
    """Return a camera in a room as answered."""
    return RoomCameraOut(
        camera_id=row.camera_id, name=row.camera_name, shown_by=row.username, since=moment(row.started_us)
    )


def invite_url(base: str, invitation: InvitationMade) -> str:
    """Return the link that opens the join page; the passcode is told apart."""
    return f"{base}/#/join/{invitation.room_id}?invite={invitation.token}"


def invitation_out(room: RoomRow, org_name: str, running: int, now_us: int) -> Invitation:
    """Return what a guest may know of a room."""
    return Invitation(
        room_id=room.id, name=room.name, kind=room.kind, state=state_of(room, running, now_us), org_name=org_name,
        starts_at=moment_or_none(room.starts_us), duration_minutes=room.duration_minutes,
    )  # fmt: skip
