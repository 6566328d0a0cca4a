"""What is a command and what is nonsense."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.rooms.commands import FIELDS, OF_THE_ROOM, PAGE_ACTIONS, Action, parse
from streams.rooms.refusals import Refused
from streams.session.messages import ACTION_FIELDS

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
NAMES = sorted({name for fields in FIELDS.values() for name in fields})


@given(
    st.sampled_from(list(Action)) | st.text(), st.text(), st.dictionaries(st.sampled_from(NAMES) | st.text(), ANYTHING)
)
def test_whatever_comes_is_a_command_or_a_refusal(action, by, body) -> None:
    try:
        command = parse(action, by, body)
    except Refused as refused:
        code = refused.refusal.code
    else:
        code = ""
        assert set(command.values) <= set(FIELDS[command.action])
        assert parse(command.action, by, command.values) == command
    assert code in {"", "bad_message", "too_long"}


def test_pages_may_ask_for_what_the_protocol_lists_and_a_few_more() -> None:
    assert set(ACTION_FIELDS) <= PAGE_ACTIONS
    assert PAGE_ACTIONS - set(ACTION_FIELDS) == {"mute_self", "share_start", "chat"}
    assert {"open", "configure", "join", "reconnect", "detach", "leave", "expire"} == OF_THE_ROOM


@pytest.mark.parametrize("action", sorted(ACTION_FIELDS))
def test_the_protocol_and_the_room_name_the_same_fields(action: str) -> None:
    needs, may = ACTION_FIELDS[action]
    fields = FIELDS[Action(action)]
    assert {name for name, field in fields.items() if field.is_required} <= set(needs)
    assert {*needs, *may} <= set(fields)


@pytest.mark.parametrize(
    ("action", "body", "field"),
    [
        ("mute", {}, "target"),
        ("mute", {"target": "A"}, "target"),
        ("mute", {"target": "a", "track": "sound"}, "track"),
        ("mute_self", {"track": "camera", "muted": 1}, "muted"),
        ("mute_all", {"is_locked": "yes"}, "is_locked"),
        ("set_speech", {"speech": "loud"}, "speech"),
        ("set_role", {"target": "a", "role": "chair"}, "role"),
        ("set_head_count", {"head_count": 0}, "head_count"),
        ("set_head_count", {"head_count": 10_001}, "head_count"),
        ("spotlight", {"source": "room/a"}, "source"),
        ("roll_call_start", {"participant_ids": []}, "participant_ids"),
        ("roll_call_start", {"participant_ids": ["a"] * 1001}, "participant_ids"),
        ("roll_call_start", {"names": {"A": "x"}}, "names"),
        ("roll_call_answer", {"state": "called"}, "state"),
        ("roll_call_answer", {"state": "leave", "note": "x" * 201}, "note"),
        ("rename", {"name": "a\nb\x00"}, "name"),
        ("join", {"target": "a", "name": "x", "kind": "camera", "role": "speaker"}, "kind"),
        ("open", {"room_id": "../r", "name": "x"}, "room_id"),
        ("dance", {}, "action"),
    ],
)
def test_the_field_that_is_wrong_is_named(action: str, body: dict[str, object], field: str) -> None:
    with pytest.raises(Refused) as refused:
        parse(action, "a", body)
    assert refused.value.refusal.field == field
    error = refused.value.refusal.as_error()
    assert (error.code, error.context["field"]) == ("bad_message", field)


def test_a_null_is_no_value_but_for_the_spotlight() -> None:
    assert parse("mute", "a", {"target": "b", "track": None}).values == {"target": "b"}
    assert parse("spotlight", "a", {"source": None}).values == {"source": None}
    with pytest.raises(Refused):
        parse("mute", "a", {"target": None})


def test_unknown_fields_are_dropped() -> None:
    assert parse("lock", "a", {"colour": "red"}).values == {}
