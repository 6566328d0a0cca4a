"""The messages of the session protocol that speak of rooms, made of values.

Pure. The shapes stand in SIGNALING.md and in `streams/session/events.py`; a test holds both equal. A message is made
once and shared by all who get it, so nobody changes one.
"""

import json
from collections.abc import Collection
from functools import cached_property, lru_cache
from typing import Any

from media.base.clock import rfc3339
from streams.publication import TrackName
from streams.rooms.policy import Leave, head_count_total
from streams.rooms.values import ChatLine, RollCall, RollEntry, RoomState, Seat

Message = dict[str, Any]


class Said(Message):
    """A message for many: whoever needs it as JSON asks for `text`, which is made once."""

    @cached_property
    def text(self) -> str:
        """Return it as JSON."""
        return json.dumps(self, separators=(",", ":"), ensure_ascii=True)


@lru_cache(maxsize=8192)
def _stamp(at_us: int) -> str:
    return rfc3339(at_us)


def _moment(at_us: int | None) -> str | None:
    return None if at_us is None else _stamp(at_us)


def participant(seat: Seat, leave: Leave, published: Collection[TrackName], hand_us: int | None) -> Message:
    """Return a Participant; `published` are the tracks it sends, allowed or not."""
    shape: Message = {
        "id": seat.id,
        "source": seat.source,
        "kind": seat.kind.value,
        "name": seat.name,
        "venue": seat.venue,
        "head_count": seat.head_count,
        "role": seat.role.value,
        "is_online": seat.is_online,
        "is_in_lobby": seat.is_in_lobby,
        "joined_at": _stamp(seat.joined_us),
        "hand_at": _moment(hand_us),
        "may_speak": leave.may_speak,
        "may_share": leave.may_share,
        "tracks": {} if seat.is_in_lobby else _tracks(seat, leave, published),
    }
    if seat.user_id:
        shape["user_id"] = seat.user_id
    if seat.org_name:
        shape["org_name"] = seat.org_name
    if seat.shown_by:
        shape["shown_by"] = seat.shown_by
    return shape


def _tracks(seat: Seat, leave: Leave, published: Collection[TrackName]) -> Message:
    return {
        name.value: {"is_on": name in leave.allowed and name in published, "muted_by": _muted_by(seat, leave, name)}
        for name in sorted({*published, *seat.muted_chair})
    }


def _muted_by(seat: Seat, leave: Leave, name: TrackName) -> str | None:
    if name in seat.muted_chair:
        return "chair"
    if name in seat.muted_self:
        return "self"
    is_silenced = name is TrackName.MICROPHONE and not leave.may_speak
    return "chair" if is_silenced else None


def ledger_entry(entry: RollEntry) -> Message:
    """Return a line of the ledger."""
    reply = entry.replies[-1] if entry.replies else None
    return {
        "participant_id": entry.participant_id,
        "name": entry.name,
        "state": entry.mark.value,
        "called_at": _moment(entry.called_us),
        "answered_at": _moment(reply.at_us if reply else None),
        "note": reply.note if reply else "",
        "late_at": _moment(entry.late_us),
    }


def roll_call(roll: RollCall) -> Message:
    """Return a roll call with its whole ledger."""
    return {
        "state": roll.state.value,
        "current": roll.current,
        "entries": [ledger_entry(entry) for entry in roll.entries.values()],
    }


def room(state: RoomState) -> Message:
    """Return a Room as everybody in it sees it."""
    lit = state.spotlight
    sharing = None if state.content is None else state.seats[state.content]
    return {
        **_door(state),
        "chair": state.chair,
        "chair_requests": list(state.chair_requests),
        "floor": list(state.floor),
        "floor_queue": [{"participant_id": each, "at": _stamp(at_us)} for each, at_us in state.floor_queue],
        "is_all_muted": state.is_all_muted,
        "is_all_locked": state.is_all_locked,
        "spotlight": None if lit is None else {"source": lit.source, "track": lit.track and lit.track.value},
        "content": None if sharing is None else {"source": sharing.source},
        "roll_call": roll_call(state.roll_call),
        "recording": {"is_on": state.recording_since_us is not None, "since": _moment(state.recording_since_us)},
        "head_count_total": head_count_total(state),
    }


def _door(state: RoomState) -> Message:
    return {
        "id": state.id,
        "name": state.name,
        "kind": state.config.kind.value,
        "version": state.version,
        "phase": state.phase.value,
        "speech": state.speech.value,
        "is_locked": state.is_locked,
        "has_lobby": state.has_lobby,
        "starts_at": state.config.starts_at or None,
    }


def room_from_lobby(state: RoomState) -> Message:
    """Return a Room as somebody in its lobby sees it: that it is there, and nobody in it."""
    return {
        **_door(state),
        "chair": None,
        "chair_requests": [],
        "floor": [],
        "floor_queue": [],
        "is_all_muted": False,
        "is_all_locked": False,
        "spotlight": None,
        "content": None,
        "roll_call": roll_call(RollCall()),
        "recording": {"is_on": state.recording_since_us is not None, "since": _moment(state.recording_since_us)},
        "head_count_total": 0,
    }


def chat(line: ChatLine) -> Message:
    """Return a line of chat."""
    shape: Message = {"type": "chat", "from": line.by, "name": line.name, "text": line.text, "at": rfc3339(line.at_us)}
    if line.to:
        shape["to"] = line.to
    return shape | {"seq": line.seq}
