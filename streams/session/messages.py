"""What a page may say: one frozen value for each message of SIGNALING.md, with the bounds of every field.

Pure declarations. `wire` makes them of JSON, `schema` and `typescript` tell the page's side what they are. A new message
is a class here and a row in SIGNALING.md; tests see that neither is forgotten.
"""

from dataclasses import dataclass, fields
from typing import Annotated, Any, Literal, get_args

from pydantic import Field

from streams.session.fields import (
    AnyNumber,
    ChatText,
    Connection,
    HeadCount,
    Mid,
    Name,
    Note,
    Number,
    OwnTrack,
    ParticipantRef,
    Pixels,
    RequestId,
    RollCallMark,
    Sdp,
    Secret,
    SourceRef,
    Speech,
    TrackRef,
    Truth,
    Venue,
)

PROTOCOL_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Hello:
    """The first message. Judged by the api, which knows tokens; a worker never sees one."""

    type: Literal["hello"]
    id: RequestId
    protocol: Annotated[int, Field(strict=True)]
    token: Secret | None = None
    resume: Secret | None = None
    client: Annotated[str, Field(max_length=200)] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Publish:
    """An offer of what the page sends."""

    type: Literal["publish"]
    id: RequestId
    sdp: Sdp
    tracks: Annotated[dict[Mid, OwnTrack], Field(max_length=8)]
    fresh: Truth = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Unpublish:
    """The end of one own track."""

    type: Literal["unpublish"]
    id: RequestId
    track: OwnTrack


@dataclass(frozen=True, slots=True, kw_only=True)
class Slots:
    """An offer of what the page receives."""

    type: Literal["slots"]
    id: RequestId
    sdp: Sdp
    fresh: Truth = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A later ICE candidate, null for the end of them."""

    type: Literal["candidate"]
    id: RequestId
    connection: Connection
    candidate: Annotated[str, Field(max_length=4096)] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscribe:
    """A wish to see or hear a track."""

    type: Literal["subscribe"]
    id: RequestId
    source: SourceRef
    track: TrackRef
    width: Pixels | None = None
    height: Pixels | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsubscribe:
    """The end of that wish."""

    type: Literal["unsubscribe"]
    id: RequestId
    source: SourceRef
    track: TrackRef


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """The size at which a track is shown now."""

    type: Literal["quality"]
    id: RequestId
    source: SourceRef
    track: TrackRef
    width: Pixels
    height: Pixels
    paused: Truth = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Mute:
    """An own track that is off, or on again."""

    type: Literal["mute"]
    id: RequestId
    track: OwnTrack
    muted: Truth


ChairAction = Literal[
    "apply", "withdraw", "grant", "transfer", "release", "deprive",
    "floor_request", "floor_withdraw", "floor_grant", "floor_release", "floor_revoke",
    "mute", "unmute", "mute_all", "unmute_all", "set_speech", "spotlight",
    "roll_call_start", "roll_call_call", "roll_call_next", "roll_call_answer", "roll_call_end",
    "admit", "reject", "set_lobby", "lock", "unlock", "remove", "set_role", "set_head_count", "rename",
    "record_start", "record_stop", "share_stop", "end",
]  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Chair:
    """Anything that changes the state of the room; `ACTION_FIELDS` says which fields an action has."""

    type: Literal["chair"]
    id: RequestId
    action: ChairAction
    target: ParticipantRef | None = None
    track: TrackRef | None = None
    source: SourceRef | None = None
    is_locked: Truth | None = None
    has_lobby: Truth | None = None
    speech: Speech | None = None
    participant_ids: Annotated[list[ParticipantRef], Field(max_length=1000)] | None = None
    state: RollCallMark | None = None
    note: Note | None = None
    role: Literal["speaker", "attendee", "observer"] | None = None
    head_count: HeadCount | None = None
    name: Name | None = None
    venue: Venue | None = None

    def body(self) -> dict[str, Any]:
        """Return the fields this action has and that were given; of `spotlight` also the source that is none."""
        required, optional = ACTION_FIELDS[self.action]
        given = {name: getattr(self, name) for name in (*required, *optional)}
        return {name: value for name, value in given.items() if value is not None or self.action == "spotlight"}

    def missing(self) -> str:
        """Return the name of a field this action needs and that was not given, or nothing."""
        return next((name for name in ACTION_FIELDS[self.action][0] if getattr(self, name) is None), "")


_TARGET = (("target",), ())
_NOTHING: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())
ACTION_FIELDS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    **dict.fromkeys(get_args(ChairAction), _NOTHING),
    **dict.fromkeys(
        ("grant", "transfer", "deprive", "floor_grant", "floor_revoke", "unmute", "roll_call_call"), _TARGET
    ),
    **dict.fromkeys(("admit", "reject", "remove", "share_stop"), _TARGET),
    "mute": (("target",), ("track",)),
    "mute_all": ((), ("is_locked",)),
    "set_speech": (("speech",), ()),
    "spotlight": ((), ("source", "track")),
    "roll_call_start": ((), ("participant_ids",)),
    "roll_call_answer": (("state",), ("target", "note")),
    "set_lobby": (("has_lobby",), ()),
    "set_role": (("target", "role"), ()),
    "set_head_count": (("head_count",), ()),
    "rename": ((), ("name", "venue")),
}
"""Action → fields it needs, fields it may have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chat:
    """A line for everybody, or for one."""

    type: Literal["chat"]
    id: RequestId
    text: ChatText
    to: ParticipantRef | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """How it looks on the page's side. Gets no answer."""

    type: Literal["report"]
    audio_unlocked: Truth | None = None
    visible: Truth | None = None
    cpu_limited: Truth | None = None
    freeze_ms: Number | None = None
    fps: Number | None = None
    jitter_ms: Number | None = None
    lost: Number | None = None
    rtt_ms: Number | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ping:
    """A sign of life that measures the way."""

    type: Literal["ping"]
    id: RequestId
    t: AnyNumber


@dataclass(frozen=True, slots=True, kw_only=True)
class Leave:
    """The end, on purpose."""

    type: Literal["leave"]
    id: RequestId


PageMessage = (
    Hello
    | Publish
    | Unpublish
    | Slots
    | Candidate
    | Subscribe
    | Unsubscribe
    | Quality
    | Mute
    | Chair
    | Chat
    | Report
    | Ping
    | Leave
)

PAGE_MESSAGES: dict[str, type[Any]] = {
    get_args(next(f for f in fields(kind) if f.name == "type").type)[0]: kind for kind in get_args(PageMessage)
}
"""Type of message → its class."""
