"""What a page is told: answers and events, one frozen value each, and the views of participants and rooms in them.

Pure declarations beside `messages`. Sessions build their own messages of these; what a room says comes as a mapping of
the same shape, and tests judge it by these types.
"""

from dataclasses import dataclass, fields
from typing import Annotated, Any, Literal, get_args

from pydantic import Field

from streams.session.codes import ClosingCode, ErrorCode
from streams.session.fields import (
    AnyNumber,
    Connection,
    MediaKind,
    Moment,
    ParticipantRef,
    RequestId,
    Role,
    SourceRef,
    Speech,
    TrackRef,
)

Count = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackState:
    """A track of a participant as everybody sees it."""

    is_on: bool
    muted_by: Literal["self", "chair"] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Participant:
    """Somebody, a venue or a camera in the room."""

    id: ParticipantRef
    source: SourceRef
    kind: Literal["person", "venue", "camera", "whip"]
    name: str
    venue: str
    head_count: Count
    role: Role
    is_online: bool
    is_in_lobby: bool
    joined_at: Moment
    hand_at: Moment | None
    may_speak: bool
    may_share: bool
    tracks: dict[TrackRef, TrackState]
    user_id: str | None = None
    org_name: str | None = None
    shown_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueEntry:
    """Somebody who waits for the floor."""

    participant_id: ParticipantRef
    at: Moment


@dataclass(frozen=True, slots=True, kw_only=True)
class Spotlight:
    """Everybody's main picture."""

    source: SourceRef
    track: TrackRef | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """Who shares."""

    source: SourceRef


@dataclass(frozen=True, slots=True, kw_only=True)
class RollCallEntry:
    """One line of the roll call's ledger."""

    participant_id: ParticipantRef
    name: str
    state: Literal["waiting", "called", "present", "absent", "leave", "substitute"]
    called_at: Moment | None
    answered_at: Moment | None
    note: str
    late_at: Moment | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RollCall:
    """The roll call."""

    state: Literal["idle", "running", "done"]
    current: ParticipantRef | None
    entries: list[RollCallEntry]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """Whether the room is recorded."""

    is_on: bool
    since: Moment | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """A room as everybody in it sees it."""

    id: str
    name: str
    kind: str
    version: Count
    phase: Literal["open", "ended"]
    speech: Speech
    is_locked: bool
    has_lobby: bool
    chair: ParticipantRef | None
    chair_requests: list[ParticipantRef]
    floor: list[ParticipantRef]
    floor_queue: list[QueueEntry]
    is_all_muted: bool
    spotlight: Spotlight | None
    content: Content | None
    roll_call: RollCall
    recording: Recording
    starts_at: Moment | None
    head_count_total: Count
    is_all_locked: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerState:
    """One layer of a track; pixels are 0 while unknown."""

    rid: str
    width: Count
    height: Count


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceTrackState:
    """One track of a source."""

    name: TrackRef
    kind: MediaKind
    codec: str | None
    is_live: bool
    layers: list[LayerState]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A source one subscribes, or may subscribe."""

    source: SourceRef
    state: Literal["live", "offline", "gone"]
    tracks: list[SourceTrackState]
    reason: str | None = None
    type: Literal["source"] = "source"


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """What is in a slot."""

    mid: str
    kind: MediaKind
    source: SourceRef | None
    track: TrackRef | None
    type: Literal["slot"] = "slot"


@dataclass(frozen=True, slots=True, kw_only=True)
class IceServer:
    """One TURN or STUN server."""

    urls: str
    username: str | None = None
    credential: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What this session may have."""

    video_slots: Count
    audio_slots: Count
    tracks: Count
    messages_per_s: Count


@dataclass(frozen=True, slots=True, kw_only=True)
class Welcome:
    """The answer to `hello`. `id` and `resume_token` are the api's and put in by it."""

    session_id: str
    resumed: bool
    ice_servers: list[IceServer]
    limits: Limits
    server_time: Moment
    sources: list[Source]
    slots: list[Slot]
    participant: Participant | None = None
    room: Room | None = None
    participants: list[Participant] | None = None
    id: RequestId = 0
    resume_token: str = ""
    type: Literal["welcome"] = "welcome"


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """The answer to `publish`."""

    id: RequestId
    sdp: str
    type: Literal["published"] = "published"


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotsAnswer:
    """The answer to `slots`."""

    id: RequestId
    sdp: str
    type: Literal["slots"] = "slots"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ok:
    """The answer to most requests; `chair` may add fields of its own."""

    id: RequestId
    mid: str | None = None
    type: Literal["ok"] = "ok"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pong:
    """The answer to `ping`."""

    id: RequestId
    t: AnyNumber
    server_time: Moment
    type: Literal["pong"] = "pong"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A refusal."""

    id: RequestId | None
    code: ErrorCode
    message: str
    field: str | None = None
    type: Literal["error"] = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerChosen:
    """Which layer is in a slot."""

    mid: str
    rid: str | None
    width: Count
    height: Count
    type: Literal["layer"] = "layer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsubscribed:
    """A subscription the server ended."""

    source: SourceRef
    track: TrackRef
    code: Literal["revoked", "not_permitted", "source_gone", "codec_unsupported"]
    type: Literal["unsubscribed"] = "unsubscribed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ParticipantChanged:
    """Somebody came or changed."""

    participant: Participant
    type: Literal["participant"] = "participant"


@dataclass(frozen=True, slots=True, kw_only=True)
class ParticipantsChanged:
    """Several came or changed, told together."""

    participants: Annotated[list[Participant], Field(max_length=100)]
    type: Literal["participants"] = "participants"


@dataclass(frozen=True, slots=True, kw_only=True)
class ParticipantLeft:
    """Somebody went."""

    participant_id: ParticipantRef
    reason: Literal["left", "expired", "removed", "rejected", "replaced", "ended"]
    type: Literal["participant_left"] = "participant_left"


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomChanged:
    """The room changed."""

    room: Room
    type: Literal["room"] = "room"


@dataclass(frozen=True, slots=True, kw_only=True)
class Speakers:
    """Who is loud."""

    active: ParticipantRef | None
    levels: dict[ParticipantRef, Annotated[int, Field(ge=0, le=100)]]
    type: Literal["speakers"] = "speakers"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatLine:
    """A line of chat; `from` is a word of Python, hence the mapping in rooms."""

    name: str
    text: str
    at: Moment
    to: ParticipantRef | None = None
    seq: Count | None = None
    from_: Annotated[ParticipantRef, Field(alias="from")]
    type: Literal["chat"] = "chat"


@dataclass(frozen=True, slots=True, kw_only=True)
class RollCallChanged:
    """One line of the ledger changed."""

    entry: RollCallEntry
    type: Literal["roll_call"] = "roll_call"


@dataclass(frozen=True, slots=True, kw_only=True)
class LayersWanted:
    """Which encodings of an own track anybody needs."""

    track: TrackRef
    rids: list[str]
    type: Literal["layers_wanted"] = "layers_wanted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Muted:
    """The chair muted an own track, or lifted it."""

    track: TrackRef
    by: Literal["chair"]
    is_muted: bool = True
    type: Literal["muted"] = "muted"


@dataclass(frozen=True, slots=True, kw_only=True)
class UnmuteAsked:
    """The chair asks to unmute."""

    by: ParticipantRef
    type: Literal["unmute_asked"] = "unmute_asked"


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkQuality:
    """One's own link."""

    connection: Connection
    level: Annotated[int, Field(ge=0, le=4)]
    rtt_ms: Annotated[float, Field(ge=0)]
    loss: Share
    type: Literal["quality"] = "quality"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionLost:
    """A peer connection the server gave up."""

    connection: Connection
    reason: str
    type: Literal["connection_lost"] = "connection_lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Something to tell the person; further fields by code."""

    code: str
    message: str
    type: Literal["notice"] = "notice"


@dataclass(frozen=True, slots=True, kw_only=True)
class Closing:
    """The last message."""

    code: ClosingCode
    message: str
    can_resume: bool
    type: Literal["closing"] = "closing"


Answer = Welcome | Published | SlotsAnswer | Ok | Pong | Refused
Event = (
    Slot
    | LayerChosen
    | Source
    | Unsubscribed
    | ParticipantChanged
    | ParticipantsChanged
    | ParticipantLeft
    | RoomChanged
    | Speakers
    | ChatLine
    | RollCallChanged
    | LayersWanted
    | Muted
    | UnmuteAsked
    | LinkQuality
    | ConnectionLost
    | Notice
    | Closing
)


def _type_of(kind: type[Any]) -> str:
    return str(get_args(next(f for f in fields(kind) if f.name == "type").type)[0])


ANSWERS: dict[str, type[Any]] = {_type_of(kind): kind for kind in get_args(Answer)}
EVENTS: dict[str, type[Any]] = {_type_of(kind): kind for kind in get_args(Event)}
"""Type of message → its class; `slots` answers, `slot` tells."""
