"""What a room is, as values: seats, roll call, configuration, and the whole state. Nothing here changes in place.

Made by `machine` only; read by `policy`, `shapes` and the actor. Times are wall microseconds of the room's own
clock, which never goes back. Mappings are shared between states and are never written to.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from streams.publication import TrackName


class Role(StrEnum):
    """What somebody is invited as. The role `chair` may take the chair; who holds it is `RoomState.chair`."""

    CHAIR = "chair"
    SPEAKER = "speaker"
    ATTENDEE = "attendee"
    OBSERVER = "observer"


class SeatKind(StrEnum):
    """What sits there: one person, a hall with many, foreign software, or a camera that somebody pulled in."""

    PERSON = "person"
    VENUE = "venue"
    WHIP = "whip"
    CAMERA = "camera"


class RoomKind(StrEnum):
    """A meeting that is called, or a call that rings."""

    MEETING = "meeting"
    CALL = "call"


class Speech(StrEnum):
    """Whether everybody may speak, or whom the chair gave the floor."""

    OPEN = "open"
    FLOOR = "floor"


class Phase(StrEnum):
    """An ended room accepts nothing any more."""

    OPEN = "open"
    ENDED = "ended"


class RollState(StrEnum):
    """Whether names are being called."""

    IDLE = "idle"
    RUNNING = "running"
    DONE = "done"


class Mark(StrEnum):
    """What the ledger says of somebody: 待点, 点名中, 到, 未到, 请假, 代会."""

    WAITING = "waiting"
    CALLED = "called"
    PRESENT = "present"
    ABSENT = "absent"
    LEAVE = "leave"
    SUBSTITUTE = "substitute"


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomConfig:
    """What was arranged before; the chair changes copies of it in `RoomState`."""

    name: str
    kind: RoomKind = RoomKind.MEETING
    speech: Speech = Speech.OPEN
    lobby: bool = False
    locked: bool = False
    max_participants: int = 300
    audio_loudest: int = 3
    record: bool = False
    org_id: str = ""
    org_name: str = ""
    starts_at: str = ""
    """RFC 3339 in UTC, or nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """Somebody's place. `head_count` 0: not entered; `claimed_role` is what the invitation says."""

    id: str
    kind: SeatKind
    role: Role
    claimed_role: Role
    name: str
    venue: str = ""
    head_count: int = 0
    user_id: str = ""
    org_id: str = ""
    org_name: str = ""
    joined_us: int = 0
    is_online: bool = True
    is_in_lobby: bool = False
    is_removed: bool = False
    """Only of seats that are gone: who was removed comes back through the lobby."""
    muted_self: frozenset[TrackName] = frozenset()
    muted_chair: frozenset[TrackName] = frozenset()
    camera_id: str = ""
    shown_by: str = ""
    slot: str = ""
    """Where a camera lives; of people the actor knows."""

    @property
    def source(self) -> str:
        """Return the id of the source that this seat publishes."""
        return f"camera/{self.camera_id}" if self.kind is SeatKind.CAMERA else f"participant/{self.id}"


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer to a call. Answers are added, never taken away."""

    mark: Mark
    at_us: int
    by: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class RollEntry:
    """One line of the ledger; `late_us` is when somebody came who was not there when the roll call began."""

    participant_id: str
    name: str
    mark: Mark = Mark.WAITING
    called_us: int | None = None
    late_us: int | None = None
    replies: tuple[Reply, ...] = ()


@dataclass(frozen=True, slots=True)
class RollCall:
    """点名: whoever is `current` is heard, and the chair; nobody else."""

    state: RollState = RollState.IDLE
    current: str | None = None
    entries: Mapping[str, RollEntry] = field(default_factory=dict)
    started_us: int = 0
    ended_us: int = 0


@dataclass(frozen=True, slots=True)
class Spotlight:
    """广播会场: everybody's main picture."""

    source: str
    track: TrackName | None = None


@dataclass(frozen=True, slots=True)
class ChatLine:
    """What somebody wrote, to all or to one."""

    seq: int
    by: str
    name: str
    text: str
    to: str
    at_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomState:
    """Everything a room is. `version` counts the accepted commands and is the journal's seq."""

    id: str
    config: RoomConfig
    version: int
    phase: Phase = Phase.OPEN
    name: str = ""
    speech: Speech = Speech.OPEN
    is_locked: bool = False
    has_lobby: bool = False
    chair: str | None = None
    chair_requests: tuple[str, ...] = ()
    floor: tuple[str, ...] = ()
    floor_queue: tuple[tuple[str, int], ...] = ()
    """Who asks for the floor, and since when, first come first."""
    is_all_muted: bool = False
    is_all_locked: bool = False
    """Muted by the chair, and not to be lifted by oneself."""
    spotlight: Spotlight | None = None
    content: str | None = None
    """The seat that shares its screen."""
    roll_call: RollCall = RollCall()
    past_roll_calls: tuple[RollCall, ...] = ()
    recording_since_us: int | None = None
    seats: Mapping[str, Seat] = field(default_factory=dict)
    """In order of coming."""
    gone: Mapping[str, Seat] = field(default_factory=dict)
    """Who left, so that leaving and coming back is no way out of a mute or a removal."""
    chat: tuple[ChatLine, ...] = ()
    opened_us: int = 0
    ended_us: int | None = None
