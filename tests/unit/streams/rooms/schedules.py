"""Random meetings: what is tried, and what must hold after every step, in plain asserts that cost little."""

import random
from collections import Counter

from streams.rooms.chairing import FLOOR_LIMIT
from streams.rooms.commands import SYSTEM, Action, parse
from streams.rooms.journal import JournalEntry, entry_of
from streams.rooms.machine import apply, open_room, replay
from streams.rooms.policy import allowed
from streams.rooms.refusals import Refusal
from streams.rooms.rights import RIGHTS
from streams.rooms.values import Mark, Phase, Role, RollState, RoomState, SeatKind
from tests.unit.streams.rooms.pictures import picture_of_model, picture_of_room
from tests.unit.streams.rooms.room_model import Model

SHORT, LONG = 12, 48
PEOPLE = ("a", "b", "c", "d", "e")
ROLES = {"a": "chair", "b": "speaker", "c": "attendee", "d": "attendee", "e": "observer"}
TRACKS = ("camera", "microphone", "screen", "screen-audio", "video", "audio")
WEIGHTS = {
    "end": 0.1, "leave": 0.4, "expire": 1.5, "detach": 1.5, "floor_release": 2, "hide_camera": 2, "remove": 0.4, "release": 0.4, "roll_call_start": 3, "roll_call_next": 5,
    "roll_call_call": 3, "roll_call_answer": 5, "roll_call_end": 0.7, "share_start": 3, "floor_request": 3, "apply": 3,
    "floor_grant": 3, "show_camera": 2,
}  # fmt: skip
ACTIONS = [action.value for action in Action if action not in {Action.OPEN, Action.CONFIGURE}]
ODDS = [WEIGHTS.get(action, 1) for action in ACTIONS]


class Schedule:
    """One seeded meeting: most of it sensible, the rest what nobody should be let do."""

    def __init__(self, seed):
        self.rng = random.Random(seed)
        self.config = {
            "lobby": self.rng.random() < 0.25,
            "locked": self.rng.random() < 0.05,
            "speech": self.rng.choice(["open", "floor"]),
            "max_participants": self.rng.choice([4, 300, 300]),
        }
        self.first = self.rng.sample(PEOPLE, self.rng.randint(3, 5))

    def next(self, state):
        """Return action, actor and fields of the next step."""
        if self.first:
            return "join", SYSTEM, self.joining(self.first.pop())
        rng = self.rng
        action = rng.choices(ACTIONS, ODDS)[0]
        for _ in range(3):
            if action not in LIKELY or LIKELY[action](state):
                break
            action = rng.choices(ACTIONS, ODDS)[0]
        body = self.joining(rng.choice(PEOPLE)) if action == "join" else self.body(action)
        if rng.random() < 0.2:
            return action, rng.choice([*PEOPLE, *STRANGE, SYSTEM]), body
        able = LIKELY[action](state) if action in LIKELY else ()
        if action in OF_THE_SYSTEM:
            return action, SYSTEM, body | ({"target": rng.choice(able)} if able else {})
        if action in OF_THE_CHAIR:
            return (
                action,
                rng.choice([state.chair or SYSTEM, SYSTEM]),
                body | ({"target": rng.choice(able)} if able else {}),
            )
        if action == "roll_call_answer" and rng.random() < 0.5:
            return action, state.roll_call.current or "a", {"state": "present"}
        return action, rng.choice(able or PEOPLE), body

    def joining(self, who):
        rng = self.rng
        role = ROLES[who] if rng.random() < 0.95 else rng.choice(list(ROLES.values()))
        user = f"u-{who}" if rng.random() < 0.97 else "u-other"
        return {
            "target": who, "role": role, "user_id": user, "name": f"村{who}",
            "kind": "venue" if who in "bd" else "person",
        }  # fmt: skip

    def body(self, action):
        rng = self.rng
        whom = rng.choice([*PEOPLE, *PEOPLE, *PEOPLE, "camera-gate", "stranger"])
        target = {} if action in OF_ONESELF and rng.random() < 0.6 else {"target": whom}
        return target | FIELDS_OF.get(action, lambda _: {})(rng)


STRANGE = ("stranger", "camera-gate")
OF_THE_SYSTEM = {"join", "leave", "detach", "reconnect", "expire"}
OF_THE_CHAIR = {action.value for action in Action if RIGHTS[action].otherwise == "not_chair"} - {"release"}
OF_THE_CHAIR |= {"deprive", "hide_camera"}
LIKELY = {
    "withdraw": lambda s: s.chair_requests,
    "grant": lambda s: s.chair_requests,
    "release": lambda s: [s.chair] if s.chair else (),
    "deprive": lambda s: [s.chair] if s.chair else (),
    "floor_withdraw": lambda s: [who for who, _ in s.floor_queue],
    "floor_release": lambda s: s.floor,
    "floor_revoke": lambda s: s.floor,
    "share_stop": lambda s: [s.content] if s.content else (),
    "roll_call_call": lambda s: list(s.roll_call.entries) if s.roll_call.state == "running" else (),
    "roll_call_next": lambda s: list(s.roll_call.entries) if s.roll_call.state == "running" else (),
    "roll_call_end": lambda s: list(s.roll_call.entries) if s.roll_call.state == "running" else (),
    "roll_call_answer": lambda s: list(s.roll_call.entries) if s.roll_call.state == "running" else (),
    "admit": lambda s: [seat.id for seat in s.seats.values() if seat.is_in_lobby],
    "reject": lambda s: [seat.id for seat in s.seats.values() if seat.is_in_lobby],
    "reconnect": lambda s: [seat.id for seat in s.seats.values() if not seat.is_online],
    "expire": lambda s: [seat.id for seat in s.seats.values() if not seat.is_online],
    "hide_camera": lambda s: [seat.id for seat in s.seats.values() if seat.camera_id],
}
"""For whom an action has a chance."""

OF_ONESELF = {"share_stop", "rename", "set_head_count", "roll_call_answer", "chat"}
SOURCES = [None, "camera/gate", "camera/other", *(f"participant/{who}" for who in (*PEOPLE, "stranger"))]
MARKS = ["present", "present", "absent", "leave", "substitute"]


def sometimes(rng, name, choices, odds=0.4):
    return {name: rng.choice(choices)} if rng.random() < odds else {}


FIELDS_OF = {
    "mute_self": lambda r: {"track": r.choice(TRACKS[:4] * 3 + TRACKS), "muted": r.random() < 0.5},
    "mute": lambda r: sometimes(r, "track", TRACKS),
    "mute_all": lambda r: sometimes(r, "is_locked", [True, False], 0.9),
    "set_speech": lambda r: {"speech": r.choice(["open", "floor"])},
    "spotlight": lambda r: {"source": r.choice(SOURCES)} | sometimes(r, "track", TRACKS),
    "roll_call_start": lambda r: sometimes(r, "participant_ids", [r.sample(PEOPLE, r.randint(1, 4))]),
    "roll_call_answer": lambda r: {"state": r.choice(MARKS)},
    "set_lobby": lambda r: {"has_lobby": r.random() < 0.5},
    "set_role": lambda r: {"role": r.choice(["speaker", "attendee", "observer"])},
    "set_head_count": lambda r: {"head_count": r.randint(1, 60)},
    "rename": lambda r: r.choice([{}, {"name": "新"}, {"venue": "礼堂"}]),
    "show_camera": lambda _: {"camera_id": "gate", "name": "大门"},
    "hide_camera": lambda r: sometimes(r, "target", ["camera-gate"], 0.9),
    "chat": lambda r: {"text": "好"} | sometimes(r, "to", [*PEOPLE, *STRANGE], 0.3),
}


def check_invariants(before: RoomState, after: RoomState, sends: dict[str, set[str]]) -> None:
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
        names = sends[seat.id]
        assert not names & (seat.muted_self | (seat.muted_chair if roll.current != seat.id else frozenset()))
        if seat.is_in_lobby or seat.role is Role.OBSERVER:
            assert not names
        assert "screen" not in names or after.content == seat.id
    if roll.state is RollState.RUNNING:
        assert {who for who, names in sends.items() if "microphone" in names} <= {roll.current, after.chair}
    if after.phase is Phase.ENDED:
        assert not after.seats


def run(seed: int) -> Counter[str]:
    done: Counter[str] = Counter()
    schedule = Schedule(seed)
    config = {"name": "推进会", **schedule.config}
    now_us = 1_700_000_000_000_000
    command, state = open_room("r", config, now_us)
    journal = [JournalEntry(1, now_us, command)]
    model = Model(config["lobby"], config["locked"], config["speech"], config["max_participants"])
    for number in range(SHORT if seed % 11 else LONG):
        action, by, body = schedule.next(state)
        now_us += schedule.rng.randrange(5_000_000)
        command = parse(action, by, body)
        before, outcome = state, apply(state, command, now_us)
        code = model.do(action, by, body)
        trace = f"seed {seed}, step {number}: {by} {action} {body}"
        if isinstance(outcome, Refusal):
            assert outcome.code == code, (trace, outcome, code)
        else:
            assert code == "", (trace, code)
            state = outcome.state
            assert state.version == before.version + 1
            journal.append(JournalEntry(state.version, now_us, command))
            done[action] += 1
            picture = picture_of_room(state, allowed)
            said = picture_of_model(model)
            assert picture == said, (trace, picture, said)
            check_invariants(before, state, picture["sends"])
    if seed % 4 == 0:
        lines = [entry.as_line() for entry in journal]
        assert replay(entry_of(line) for line in lines) == state
    return done
