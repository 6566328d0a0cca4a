"""What sessions and rooms know of each other: the claims somebody comes with, the port to the room, the events from it.

Declarations, used by `streams/session` and implemented by `directory` (a room of this worker) and `remote` (of another).
All on the worker's event loop.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from media.base.errors import ErrorKind, HubError
from media.base.ids import SourceId
from streams.publication import TrackName
from streams.rooms.values import Role, SeatKind


@dataclass(frozen=True, slots=True, kw_only=True)
class SeatClaims:
    """Who somebody is, in the words of the api, which has checked it. `head_count` 0: not entered."""

    room_id: str
    home_slot: str
    participant_id: str
    display_name: str
    role: Role
    kind: SeatKind = SeatKind.PERSON
    venue: str = ""
    head_count: int = 0
    user_id: str = ""
    org_id: str = ""
    org_name: str = ""

    @classmethod
    def parse(cls, value: Mapping[str, Any]) -> "SeatClaims":
        """Return the claims in a JSON object; HubError INVALID when they are none. Null is the same as absent."""
        given = {name: value[name] for name in cls.__dataclass_fields__ if value.get(name) is not None}
        try:
            given["role"] = Role(given["role"])
            given["kind"] = SeatKind(given.get("kind", SeatKind.PERSON))
            claims = cls(**given)
        except (KeyError, TypeError, ValueError) as error:
            raise HubError(ErrorKind.INVALID, "not the claims of a seat", code="bad_message") from error
        return claims

    def as_json(self) -> dict[str, Any]:
        """Return what `parse` reads."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class RoomSource:
    """Something that may be watched in a room, and the worker it lives on."""

    source: SourceId
    slot: str
    participant_id: str
    tracks: frozenset[TrackName]
    is_visible: bool = True


class RoomEvents(Protocol):
    """What a room tells a seat. Calls return at once and never raise; the receiver has the bounded queue."""

    def on_message(self, message: Mapping[str, Any]) -> None:
        """Hand a message of the session protocol to the page. Shared between receivers: not to be changed."""
        ...

    def on_allowed(self, names: frozenset[TrackName]) -> None:
        """Forward these tracks of this seat, and no others."""
        ...

    def on_sources(self, sources: tuple[RoomSource, ...]) -> None:
        """Let this seat watch these sources, and no others. One's own may be among them."""
        ...

    def on_audible(self, sources: tuple[SourceId, ...]) -> None:
        """Put these into the audio slots, loudest first: `microphone` of people, `audio` of cameras."""
        ...

    def on_ended(self, code: str) -> None:
        """Close: `room_ended`, `removed`, `rejected`, `replaced`, `expired`, `too_slow`, `worker_unavailable`."""
        ...


class RoomPort(Protocol):
    """A seat in a room."""

    participant_id: str

    async def snapshot(self) -> dict[str, Any]:
        """Return `participant`, `room` and `participants` of now, as `welcome` has them."""
        ...

    async def command(self, action: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Do something, see `commands.FIELDS`; HubError with a code of SIGNALING.md."""
        ...

    def report_level(self, name: TrackName, level_dbov: int) -> None:
        """Tell how loud an own track is, 0 (loudest) to 127 (silence), RFC 6464."""
        ...

    def report_published(self, names: frozenset[TrackName], slot: str) -> None:
        """Tell which tracks this seat sends now, and to which worker."""
        ...

    def detached(self) -> None:
        """Tell that the page is away; the seat is kept for 60 s."""
        ...

    def attached(self) -> None:
        """Tell that the page is back."""
        ...

    async def leave(self, reason: str = "left") -> None:
        """Give the seat up. Idempotent."""
        ...
