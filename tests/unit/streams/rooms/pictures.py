"""What the machine and the model of a room must agree on after every step."""

from streams.rooms.values import RoomState


def picture_of_model(model):
    return {
        "room": (
            model.ended,
            model.speech,
            model.locked,
            model.lobby,
            model.all_muted,
            model.all_locked,
            model.recorded,
        ),
        "chair": (model.chair, model.wants_chair, model.floor, model.hands, model.content, model.light),
        "calling": (model.calling, model.called),
        "ledger": {pid: (line["mark"], line["said"], line["late"]) for pid, line in model.ledger.items()},
        "people": {
            pid: (
                p["kind"],
                p["role"],
                p["online"],
                p["lobby"],
                p["heads"],
                p["name"],
                p["chair_muted"],
                p["self_muted"],
            )
            for pid, p in model.people.items()
        },
        "sends": {pid: model.sends(p) for pid, p in model.people.items()},
        "former": {pid: p["banned"] for pid, p in model.former.items()},
    }


def picture_of_room(state: RoomState, sends):
    light = state.spotlight
    return {
        "room": (
            state.phase == "ended", state.speech, state.is_locked, state.has_lobby, state.is_all_muted,
            state.is_all_locked, state.recording_since_us is not None,
        ),
        "chair": (
            state.chair, list(state.chair_requests), list(state.floor), [pid for pid, _ in state.floor_queue],
            state.content, None if light is None else (light.source, light.track),
        ),
        "calling": (state.roll_call.state, state.roll_call.current),
        "ledger": {
            pid: (entry.mark, [reply.mark for reply in entry.replies], entry.late_us is not None)
            for pid, entry in state.roll_call.entries.items()
        },
        "people": {
            pid: (s.kind, s.role, s.is_online, s.is_in_lobby, s.head_count, s.name, set(s.muted_chair), set(s.muted_self))
            for pid, s in state.seats.items()
        },
        "sends": {pid: set(sends(state, seat)) for pid, seat in state.seats.items()},
        "former": {pid: seat.is_removed for pid, seat in state.gone.items()},
    }  # fmt: skip
