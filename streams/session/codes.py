"""The closed lists of reasons: why a request is refused, and why a session ends.

Pure. SIGNALING.md says of each what a page does; a test holds both lists equal. Codes of other layers are translated
here, so that a page never meets one it cannot know.
"""

from typing import Literal, get_args

from media.base.errors import ErrorKind, HubError

ErrorCode = Literal[
    "unknown_type", "bad_message", "too_long", "too_fast", "hello_first", "unsupported_protocol",
    "token_invalid", "token_expired", "token_used", "resume_unknown",
    "too_many_sessions", "too_many_subscriptions", "too_many_tracks",
    "not_permitted", "not_chair", "not_your_turn", "not_in_room", "in_lobby",
    "room_not_found", "room_locked", "room_full", "room_ended", "seat_taken",
    "source_not_found", "source_offline", "no_slot", "codec_unsupported",
    "bad_sdp", "ice_restart_unsupported", "not_connected", "already_sharing",
    "target_not_found", "wrong_state", "worker_unavailable", "internal",
]  # fmt: skip

ClosingCode = Literal[
    "left", "room_ended", "replaced", "unauthenticated", "removed", "rejected", "revoked",
    "too_slow", "too_fast", "refused", "worker_restart", "internal",
]  # fmt: skip

ERROR_CODES: frozenset[str] = frozenset(get_args(ErrorCode))

CLOSE_NUMBERS: dict[str, int] = {
    "left": 1000,
    "room_ended": 1000,
    "replaced": 4000,
    "unauthenticated": 4001,
    "refused": 4001,
    "removed": 4003,
    "rejected": 4003,
    "revoked": 4003,
    "too_slow": 4008,
    "too_fast": 4008,
    "worker_restart": 1012,
    "internal": 1011,
}
"""Reason → close code of the WebSocket."""

CAN_RESUME = frozenset({"too_slow", "too_fast", "worker_restart", "internal"})

CLOSE_SENTENCES: dict[str, str] = {
    "left": "you have left",
    "room_ended": "the meeting is over",
    "replaced": "this session goes on in another window",
    "unauthenticated": "log in again",
    "refused": "the session was refused",
    "removed": "you were removed from the room",
    "rejected": "you were not admitted",
    "revoked": "the right to this was withdrawn",
    "too_slow": "this page does not read what it is sent",
    "too_fast": "this page sends too much",
    "worker_restart": "the media worker restarts",
    "internal": "an internal error; it has been logged",
}

_FOREIGN = {
    "camera_offline": "source_offline",
    "camera_not_here": "worker_unavailable",
    "invalid_id": "bad_message",
    "invalid_source": "bad_message",
    "no_worker": "worker_unavailable",
    "not_found": "source_not_found",
    "too_many_viewers": "no_slot",
}

_OF_KIND = {
    ErrorKind.INVALID: "bad_message",
    ErrorKind.NOT_FOUND: "target_not_found",
    ErrorKind.UNAUTHENTICATED: "not_permitted",
    ErrorKind.DENIED: "not_permitted",
    ErrorKind.CONFLICT: "wrong_state",
    ErrorKind.UNAVAILABLE: "worker_unavailable",
    ErrorKind.EXHAUSTED: "too_fast",
    ErrorKind.TIMEOUT: "worker_unavailable",
}


def code_of(error: HubError) -> str:
    """Return the code of the closed list that says what `error` says."""
    if error.code in ERROR_CODES:
        return error.code
    return _FOREIGN.get(error.code) or _OF_KIND.get(error.kind, "internal")
