"""The chair machine against ten thousand random meetings, judged by a second account of the rules and by invariants."""

import json
import random
from dataclasses import replace

import pytest

from streams.rooms.chairing import FLOOR_LIMIT
from streams.rooms.commands import SYSTEM, Action, Command, parse
from streams.rooms.effects import Accepted
from streams.rooms.journal import JournalEntry, entry_of
from streams.rooms.machine import RULES, apply, open_room, replay
from streams.rooms.policy import allowed, microphones
from streams.rooms.refusals import Refusal
from streams.rooms.rights import RIGHTS
from streams.rooms.values import Mark, Phase, Role, RollState, RoomState, SeatKind
from tests.unit.streams.rooms.room_model import Model, picture_of_model, picture_of_room

SCHEDULES = 10_000
SHARDS = 20
STEPS = 25
PEOPLE = ("a", "b", "c", "d", "e")
ROLES = {"a": "chair", "b": "speaker", "c": "attendee", "d": "attendee", "e": "observer"}
CAMERA = "gate"
TRACKS = ("camera", "microphone", "screen", "screen-audio", "video", "audio")
WEIGHTS = {
    "join": 8, "leave": 1, "end": 0.05, "remove": 0.6, "expire": 2, "floor_grant": 3, "roll_call_next": 4,
    "roll_call_start": 2, "roll_call_answer": 4, "share_start": 3, "roll_call_end": 0.5, "transfer": 2,
}  # fmt: skip
ACTIONS = [action.value for action in Action if action not in {Action.OPEN, Action.CONFIGURE}]
ODDS = [WEIGHTS.get(action, 1) for action in ACTIONS]


class Schedule:
    """One seeded meeting: what is tried next, sensible or not."""

    def __init__(self, seed):
        self.rng = random.Random(seed)
        self.config = {
            "lobby": self.rng.random() < 0.3,
            "locked": self.rng.random() < 0.1,
            "speech": self.rng.choice(["open", "floor"]),
            "max_participants": self.rng.choice([3, 300, 300]),
        }

    def next(self, chair):
        rng = self.rng
        action = rng.choices(ACTIONS, ODDS)[0]
        body = self.body(action)
        if action in {"join", "leave", "detach", "reconnect", "expire"}:
            by = SYSTEM if rng.random() < 0.97 else rng.choice(PEOPLE)
        else:
            by = rng.choice([chair or SYSTEM, chair or "a", *PEOPLE, SYSTEM, "stranger", "camera-gate"])
        return action, by, body

    def body(self, action):
        rng = self.rng
        who = rng.choice([*PEOPLE, *PEOPLE, *PEOPLE, "camera-gate", "stranger"])
        body = {"target": who} if rng.random() < 0.9 or action not in {"share_stop", "rename", "set_head_count"} else {}
        match action:
            case "join":
                who = rng.choice(PEOPLE)
                role = ROLES[who] if rng.random() < 0.95 else rng.choice(list(ROLES.values()))
                user = f"u-{who}" if rng.random() < 0.97 else "u-other"
                kind = "venue" if who in "bd" else "person"
                return {"target": who, "role": role, "user_id": user, "kind": kind, "name": f"村{who}"}
            case "mute_self":
                return {"track": rng.choice(TRACKS[:4] * 3 + TRACKS), "muted": rng.random() < 0.5}
            case "mute":
                return body | ({"track": rng.choice(TRACKS)} if rng.random() < 0.4 else {})
            case "mute_all":
                return {"is_locked": rng.random() < 0.5} if rng.random() < 0.9 else {}
            case "set_speech":
                return {"speech": rng.choice(["open", "floor"])}
            case "spotlight":
                sources = [None, f"camera/{CAMERA}", *(f"participant/{p}" for p in (*PEOPLE, "stranger"))]
                track = {"track": rng.choice(TRACKS)} if rng.random() < 0.4 else {}
                return {"source": rng.choice(sources)} | track
            case "roll_call_start":
                some = rng.sample(PEOPLE, rng.randint(1, 4))
                return {} if rng.random() < 0.6 else {"participant_ids": some}
            case "roll_call_answer":
                state = rng.choice(["present", "present", "absent", "leave", "substitute"])
                return ({"state": state} | body) if rng.random() < 0.5 else {"state": state}
            case "set_lobby":
                return {"has_lobby": rng.random() < 0.5}
            case "set_role":
                return body | {"role": rng.choice(["speaker", "attendee", "observer"])}
            case "set_head_count":
                return body | {"head_count": rng.randint(1, 60)}
            case "rename":
                return body | rng.choice([{}, {"name": "新"}, {"venue": "礼堂"}])
            case "show_camera":
                return {"camera_id": CAMERA, "name": "大门"}
            case "hide_camera":
                return {"target": "camera-gate"} if rng.random() < 0.9 else {"target": who}
            case "chat":
                return {"text": "好"} | ({"to": who} if rng.random() < 0.3 else {})
        return body


def check_invariants(before: RoomState, after: RoomState) -> None:
    roll = after.roll_call
    called = [entry for entry in roll.entries.values() if entry.mark is Mark.CALLED]
    assert len(called) <= 1
    assert all(entry.participant_id == roll.current for entry in called)
    assert roll.state is RollState.RUNNING or (roll.current is None and not called)
    if roll.state is before.roll_call.state is RollState.RUNNING:
        for pid, entry in before.roll_call.entries.items():
            assert roll.entries[pid].replies[: len(entry.replies)] == entry.replies, "the ledger lost an answer"
    assert len(after.floor) <= FLOOR_LIMIT
    assert len(set(after.floor)) == len(after.floor)
    holders = {after.chair, after.content, *after.floor, *after.chair_requests, *(pid for pid, _ in after.floor_queue)}
    for pid in holders - {None}:
        seat = after.seats[pid]
        assert not seat.is_in_lobby
        assert seat.kind is not SeatKind.CAMERA
        assert seat.role is not Role.OBSERVER
    assert after.chair not in after.floor
    for seat in after.seats.values():
        names = allowed(after, seat)
        assert not names & (seat.muted_self | (seat.muted_chair if roll.current != seat.id else frozenset()))
        if seat.is_in_lobby or seat.role is Role.OBSERVER:
            assert not names
        assert "screen" not in names or after.content == seat.id
    if roll.state is RollState.RUNNING:
        assert set(microphones(after)) <= {roll.current, after.chair}
    if after.phase is Phase.ENDED:
        assert not after.seats


def run(seed: int) -> None:
    schedule = Schedule(seed)
    config = {"name": "推进会", **schedule.config}
    now_us = 1_700_000_000_000_000
    command, state = open_room("r", config, now_us)
    journal = [JournalEntry(1, now_us, command)]
    model = Model(config["lobby"], config["locked"], config["speech"], config["max_participants"])
    for number in range(STEPS):
        action, by, body = schedule.next(state.chair)
        now_us += schedule.rng.randrange(5_000_000)
        command = parse(action, by, body)
        before, outcome = state, apply(state, command, now_us)
        code = model.do(action, by, body)
        trace = f"seed {seed}, step {number}: {by} {action} {body}"
        if isinstance(outcome, Refusal):
            assert outcome.code == code, trace
        else:
            assert code == "", trace
            state = outcome.state
            assert state.version == before.version + 1
            journal.append(JournalEntry(state.version, now_us, command))
            check_invariants(before, state)
            assert picture_of_room(state, allowed) == picture_of_model(model), trace
    lines = [entry.as_line() for entry in journal]
    assert replay(entry_of(line) for line in lines) == state


@pytest.mark.parametrize("shard", range(SHARDS))
def test_random_meetings_keep_the_rules(shard: int) -> None:
    for seed in range(shard, SCHEDULES, SHARDS):
        run(seed)
