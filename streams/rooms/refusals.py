"""Why a room says no: the room's part of the closed list of codes of SIGNALING.md.

Pure. The machine raises `Refused` inside and returns a `Refusal`; at the border it becomes a `HubError` of the same code.
"""

from dataclasses import dataclass
from enum import StrEnum

from media.base.errors import ErrorKind, HubError


class Code(StrEnum):
    """Codes a room uses; every one stands in SIGNALING.md."""

    BAD_MESSAGE = "bad_message"
    TOO_LONG = "too_long"
    TOO_FAST = "too_fast"
    NOT_PERMITTED = "not_permitted"
    NOT_CHAIR = "not_chair"
    NOT_YOUR_TURN = "not_your_turn"
    NOT_IN_ROOM = "not_in_room"
    ROOM_NOT_FOUND = "room_not_found"
    ROOM_LOCKED = "room_locked"
    ROOM_FULL = "room_full"
    ROOM_ENDED = "room_ended"
    SEAT_TAKEN = "seat_taken"
    IN_LOBBY = "in_lobby"
    SOURCE_NOT_FOUND = "source_not_found"
    ALREADY_SHARING = "already_sharing"
    TARGET_NOT_FOUND = "target_not_found"
    WRONG_STATE = "wrong_state"
    WORKER_UNAVAILABLE = "worker_unavailable"
    INTERNAL = "internal"


_KINDS = {
    Code.BAD_MESSAGE: ErrorKind.INVALID,
    Code.TOO_LONG: ErrorKind.INVALID,
    Code.TOO_FAST: ErrorKind.EXHAUSTED,
    Code.NOT_PERMITTED: ErrorKind.DENIED,
    Code.NOT_CHAIR: ErrorKind.DENIED,
    Code.NOT_YOUR_TURN: ErrorKind.DENIED,
    Code.NOT_IN_ROOM: ErrorKind.DENIED,
    Code.ROOM_NOT_FOUND: ErrorKind.NOT_FOUND,
    Code.ROOM_LOCKED: ErrorKind.DENIED,
    Code.ROOM_FULL: ErrorKind.EXHAUSTED,
    Code.ROOM_ENDED: ErrorKind.CONFLICT,
    Code.SEAT_TAKEN: ErrorKind.CONFLICT,
    Code.IN_LOBBY: ErrorKind.DENIED,
    Code.SOURCE_NOT_FOUND: ErrorKind.NOT_FOUND,
    Code.ALREADY_SHARING: ErrorKind.CONFLICT,
    Code.TARGET_NOT_FOUND: ErrorKind.NOT_FOUND,
    Code.WRONG_STATE: ErrorKind.CONFLICT,
    Code.WORKER_UNAVAILABLE: ErrorKind.UNAVAILABLE,
    Code.INTERNAL: ErrorKind.INTERNAL,
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """A no, with its reason; the state is as before."""

    code: Code
    message: str
    field: str = ""

    def as_error(self) -> HubError:
        """Return it as the error that crosses the border."""
        context = {"field": self.field} if self.field else {}
        return HubError(_KINDS[self.code], self.message, code=self.code.value, **context)


class Refused(Exception):  # noqa: N818  # a refusal is an answer, not an error
    """Carries a refusal out of a rule; never leaves the package."""

    def __init__(self, code: Code, message: str, field: str = "") -> None:
        """Remember the refusal."""
        super().__init__(message)
        self.refusal = Refusal(code, message, field)


def error_of(code: Code, message: str) -> HubError:
    """Return the error of a code."""
    return Refusal(code, message).as_error()
