"""What an accepted command makes the room say beyond the change of state itself.

Pure values. Changes of seats and of the room are found by comparing states; here is what a state does not show: to
whom something was done, and why somebody went.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from streams.publication import TrackName
from streams.rooms.values import ChatLine, RoomState


@dataclass(frozen=True, slots=True)
class Muted:
    """The chair muted a track, or lifted that."""

    target: str
    track: TrackName
    is_muted: bool = True


@dataclass(frozen=True, slots=True)
class UnmuteAsked:
    """Somebody is asked to unmute the microphone."""

    target: str
    by: str


@dataclass(frozen=True, slots=True)
class LedgerChanged:
    """A line of the roll call changed."""

    participant_id: str


@dataclass(frozen=True, slots=True)
class Left:
    """Somebody has no seat any more: left, expired, removed, rejected."""

    participant_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Chatted:
    """Somebody wrote."""

    line: ChatLine


@dataclass(frozen=True, slots=True)
class Ended:
    """The room is over."""


Effect = Muted | UnmuteAsked | LedgerChanged | Left | Chatted | Ended


@dataclass(frozen=True, slots=True)
class Accepted:
    """The state after a command, what is to be said, and further fields of the answer."""

    state: RoomState
    effects: tuple[Effect, ...] = ()
    answer: Mapping[str, Any] = field(default_factory=dict)
