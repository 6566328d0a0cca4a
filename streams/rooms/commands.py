"""Everything that can happen to a room, as commands: the closed list of actions and the fields each may carry.

Pure. `parse` makes a command of what a page, the api or a journal line says and refuses what is malformed, so that the
machine behind it sees only well-formed values. Unknown fields are dropped. Values are what JSON can hold.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from media.base.ids import is_id
from streams.publication import TrackName
from streams.rooms.refusals import Code, Refused
from streams.rooms.values import Mark, Role, RoomKind, SeatKind, Speech

SYSTEM = "system"
"""Who acts when nobody in the room does: the actor itself, or the api for an operator."""

MAX_CHAT_CHARS = 2000
MAX_HEAD_COUNT = 10_000
MAX_LEDGER = 1000
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
_SOURCE = re.compile(r"(camera|participant)/[a-z0-9-]{1,64}", re.ASCII)
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", re.ASCII)


class Action(StrEnum):
    """The closed list."""

    OPEN = "open"
    CONFIGURE = "configure"
    JOIN = "join"
    RECONNECT = "reconnect"
    DETACH = "detach"
    LEAVE = "leave"
    EXPIRE = "expire"
    SHOW_CAMERA = "show_camera"
    HIDE_CAMERA = "hide_camera"
    APPLY = "apply"
    WITHDRAW = "withdraw"
    GRANT = "grant"
    TRANSFER = "transfer"
    RELEASE = "release"
    DEPRIVE = "deprive"
    FLOOR_REQUEST = "floor_request"
    FLOOR_WITHDRAW = "floor_withdraw"
    FLOOR_GRANT = "floor_grant"
    FLOOR_RELEASE = "floor_release"
    FLOOR_REVOKE = "floor_revoke"
    MUTE_SELF = "mute_self"
    MUTE = "mute"
    UNMUTE = "unmute"
    MUTE_ALL = "mute_all"
    UNMUTE_ALL = "unmute_all"
    SET_SPEECH = "set_speech"
    SPOTLIGHT = "spotlight"
    SHARE_START = "share_start"
    SHARE_STOP = "share_stop"
    ROLL_CALL_START = "roll_call_start"
    ROLL_CALL_CALL = "roll_call_call"
    ROLL_CALL_NEXT = "roll_call_next"
    ROLL_CALL_ANSWER = "roll_call_answer"
    ROLL_CALL_END = "roll_call_end"
    ADMIT = "admit"
    REJECT = "reject"
    SET_LOBBY = "set_lobby"
    LOCK = "lock"
    UNLOCK = "unlock"
    REMOVE = "remove"
    SET_ROLE = "set_role"
    SET_HEAD_COUNT = "set_head_count"
    RENAME = "rename"
    RECORD_START = "record_start"
    RECORD_STOP = "record_stop"
    CHAT = "chat"
    END = "end"


OF_THE_ROOM = frozenset(
    {
        Action.OPEN, Action.CONFIGURE, Action.JOIN, Action.RECONNECT, Action.DETACH, Action.LEAVE, Action.EXPIRE,
    }
)  # fmt: skip
"""What only the room's actor does."""

PAGE_ACTIONS = frozenset(Action) - OF_THE_ROOM - {Action.SHOW_CAMERA, Action.HIDE_CAMERA}
"""What a page may ask for; of cameras the api checks the right to view them first."""


@dataclass(frozen=True, slots=True)
class Command:
    """Who does what. `values` holds only the fields of the action, each checked."""

    action: Action
    by: str
    values: Mapping[str, Any] = field(default_factory=dict)

    @property
    def target(self) -> str | None:
        """Return whom it is done to, or None."""
        target = self.values.get("target")
        return None if target is None else str(target)


Check = Callable[[Any], bool]


def _is_truth(value: Any) -> bool:
    return isinstance(value, bool)


def _number(low: int, high: int) -> Check:
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _text(low: int, high: int) -> Check:
    return lambda value: isinstance(value, str) and low <= len(value) <= high and _CONTROL.search(value) is None


def _one_of(kind: type[StrEnum], *excluded: StrEnum) -> Check:
    words = frozenset(each.value for each in kind) - frozenset(each.value for each in excluded)
    return lambda value: isinstance(value, str) and value in words


def _is_ref(value: Any) -> bool:
    return isinstance(value, str) and is_id(value)


def _is_source(value: Any) -> bool:
    return value is None or (isinstance(value, str) and _SOURCE.fullmatch(value) is not None)


def _is_moment(value: Any) -> bool:
    return value == "" or (isinstance(value, str) and _MOMENT.fullmatch(value) is not None)


def _are_refs(value: Any) -> bool:
    return isinstance(value, list) and 1 <= len(value) <= MAX_LEDGER and all(_is_ref(each) for each in value)


def _are_names(value: Any) -> bool:
    is_name = _text(1, 64)
    return (
        isinstance(value, dict)
        and len(value) <= MAX_LEDGER
        and all(_is_ref(key) and is_name(name) for key, name in value.items())
    )


@dataclass(frozen=True, slots=True)
class Field:
    """One field of an action."""

    check: Check
    is_required: bool = True


def _may(check: Check) -> Field:
    return Field(check, is_required=False)


_NAME, _WORDS, _WHOM = Field(_text(1, 64)), _may(_text(0, 128)), Field(_is_ref)
_TRACK = _one_of(TrackName)
_CONFIG: Mapping[str, Field] = {
    "name": Field(_text(1, 128)),
    "kind": _may(_one_of(RoomKind)),
    "speech": _may(_one_of(Speech)),
    "lobby": _may(_is_truth),
    "locked": _may(_is_truth),
    "max_participants": _may(_number(1, 2000)),
    "audio_loudest": _may(_number(1, 16)),
    "record": _may(_is_truth),
    "org_id": _WORDS,
    "org_name": _WORDS,
    "starts_at": _may(_is_moment),
}
_TARGET: Mapping[str, Field] = {"target": _WHOM}

_TO_SOMEBODY = (
    Action.RECONNECT, Action.DETACH, Action.EXPIRE, Action.HIDE_CAMERA, Action.GRANT, Action.TRANSFER,
    Action.DEPRIVE, Action.FLOOR_GRANT, Action.FLOOR_REVOKE, Action.UNMUTE, Action.ROLL_CALL_CALL,
    Action.ADMIT, Action.REJECT, Action.REMOVE,
)  # fmt: skip

FIELDS: Mapping[Action, Mapping[str, Field]] = {
    **{action: {} for action in Action},
    Action.OPEN: {"room_id": _WHOM, **_CONFIG},
    Action.CONFIGURE: _CONFIG,
    Action.JOIN: {
        **_TARGET,
        "name": _NAME,
        "kind": Field(_one_of(SeatKind, SeatKind.CAMERA)),
        "role": Field(_one_of(Role)),
        "venue": _may(_text(0, 64)),
        "head_count": _may(_number(0, MAX_HEAD_COUNT)),
        "user_id": _WORDS,
        "org_id": _WORDS,
        "org_name": _WORDS,
    },
    Action.SHOW_CAMERA: {"camera_id": _WHOM, "name": _NAME, "slot": _may(_text(0, 64))},
    Action.LEAVE: {**_TARGET, "reason": _may(_text(0, 64))},
    **dict.fromkeys(_TO_SOMEBODY, _TARGET),
    Action.MUTE_SELF: {"track": Field(_TRACK), "muted": Field(_is_truth)},
    Action.MUTE: {**_TARGET, "track": _may(_TRACK)},
    Action.MUTE_ALL: {"is_locked": _may(_is_truth)},
    Action.SET_SPEECH: {"speech": Field(_one_of(Speech))},
    Action.SPOTLIGHT: {"source": _may(_is_source), "track": _may(_TRACK)},
    Action.SHARE_STOP: {"target": _may(_is_ref)},
    Action.ROLL_CALL_START: {"participant_ids": _may(_are_refs), "names": _may(_are_names)},
    Action.ROLL_CALL_ANSWER: {
        "target": _may(_is_ref),
        "state": Field(_one_of(Mark, Mark.WAITING, Mark.CALLED)),
        "note": _may(_text(0, 200)),
    },
    Action.SET_LOBBY: {"has_lobby": Field(_is_truth)},
    Action.SET_ROLE: {**_TARGET, "role": Field(_one_of(Role, Role.CHAIR))},
    Action.SET_HEAD_COUNT: {"target": _may(_is_ref), "head_count": Field(_number(1, MAX_HEAD_COUNT))},
    Action.RENAME: {"target": _may(_is_ref), "name": _may(_text(1, 64)), "venue": _may(_text(0, 64))},
    Action.CHAT: {"text": Field(_text(1, MAX_CHAT_CHARS)), "to": _may(_is_ref)},
}
"""Action → its fields."""


def parse(action: str, by: str, body: Mapping[str, Any]) -> Command:
    """Return the command; Refused `bad_message` or `too_long` when it is malformed, the field named."""
    try:
        known = Action(action)
    except ValueError:
        raise Refused(Code.BAD_MESSAGE, "no such action", "action") from None
    values: dict[str, Any] = {}
    for name, rule in FIELDS[known].items():
        value = body.get(name)
        if value is None and not (name in body and rule.check(None)):
            if rule.is_required:
                raise Refused(Code.BAD_MESSAGE, "a field is missing", name)
            continue
        if not rule.check(value):
            is_long = name == "text" and isinstance(value, str) and len(value) > MAX_CHAT_CHARS
            raise Refused(Code.TOO_LONG if is_long else Code.BAD_MESSAGE, "a field is malformed", name)
        values[name] = value
    return Command(known, by, values)
