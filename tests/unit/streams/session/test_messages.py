"""Every message of the page: what fits is taken, what is just out of bounds is not."""

from typing import Any, get_args

import pytest

from media.base.errors import HubError
from streams.session.messages import ACTION_FIELDS, PAGE_MESSAGES, ChairAction
from streams.session.wire import parse_message
from tests.unit.streams.session import signaling

TRACK = {"source": "camera/gate-3", "track": "video"}
VALID: dict[str, dict[str, Any]] = {
    "hello": {"protocol": 1, "token": "t" * 16},
    "publish": {"sdp": "v=0", "tracks": {"0": "camera", "1": "microphone"}},
    "unpublish": {"track": "screen"},
    "slots": {"sdp": "v=0"},
    "candidate": {"connection": "publish", "candidate": None},
    "subscribe": TRACK,
    "unsubscribe": TRACK,
    "quality": TRACK | {"width": 640, "height": 360},
    "mute": {"track": "microphone", "muted": True},
    "chair": {"action": "apply"},
    "chat": {"text": "好\n\t"},
    "report": {},
    "ping": {"t": 0},
    "leave": {},
}
VALUES: dict[str, Any] = {
    "target": "p-1", "track": "camera", "source": "participant/p-1", "is_locked": True, "has_lobby": False,
    "speech": "floor", "participant_ids": ["p-1"], "state": "leave", "note": "代会", "role": "observer",
    "head_count": 30, "name": "张三", "venue": "西照川",
}  # fmt: skip

LARGEST = 2**53 - 1
FITS = [
    ("hello", {"token": "t" * 512}),
    ("hello", {"token": None, "resume": "r" * 512}),
    ("hello", {"client": "c" * 200}),
    ("hello", {"protocol": 2}),
    ("publish", {"tracks": {}}),
    ("publish", {"tracks": {str(n): "camera" for n in range(8)}}),
    ("publish", {"tracks": {"m" * 32: "screen-audio"}, "fresh": True}),
    ("candidate", {"candidate": "c" * 4096}),
    ("subscribe", {"source": "participant/" + "a" * 64, "track": "screen-audio"}),
    ("subscribe", {"width": 16384, "height": 0}),
    ("quality", {"paused": True}),
    ("chat", {"text": "x" * 2000, "to": "p" * 64}),
    ("report", {"fps": LARGEST, "freeze_ms": 0.5, "audio_unlocked": True}),
    ("ping", {"t": -LARGEST}),
    ("chair", {"action": "roll_call_start", "participant_ids": ["p-1"] * 1000}),
    ("chair", {"action": "set_head_count", "head_count": 10_000}),
    ("chair", {"action": "rename", "name": "x" * 64, "venue": ""}),
    ("chair", {"action": "roll_call_answer", "state": "leave", "note": "n" * 200}),
]
TOO_MUCH = [
    ("hello", {"token": "t" * 15}),
    ("hello", {"token": "t" * 513}),
    ("hello", {"resume": "r" * 513}),
    ("hello", {"protocol": "1"}),
    ("hello", {"protocol": 1.5}),
    ("hello", {"client": "c" * 201}),
    ("publish", {"sdp": ""}),
    ("publish", {"sdp": "v" * (256 * 1024 + 1)}),
    ("publish", {"sdp": None}),
    ("publish", {"tracks": {str(n): "camera" for n in range(9)}}),
    ("publish", {"tracks": {"m" * 33: "camera"}}),
    ("publish", {"tracks": {"": "camera"}}),
    ("publish", {"tracks": {"a b": "camera"}}),
    ("publish", {"tracks": {"0": "video"}}),
    ("publish", {"tracks": [["0", "camera"]]}),
    ("publish", {"fresh": 1}),
    ("unpublish", {"track": "audio"}),
    ("slots", {"sdp": 7}),
    ("slots", {"fresh": "true"}),
    ("candidate", {"connection": "both"}),
    ("candidate", {"candidate": "c" * 4097}),
    ("subscribe", {"source": "camera/Gate"}),
    ("subscribe", {"source": "camera/"}),
    ("subscribe", {"source": "camera/" + "a" * 65}),
    ("subscribe", {"source": "replay/x"}),
    ("subscribe", {"source": "camera/../x"}),
    ("subscribe", {"source": "camera/x\n"}),
    ("subscribe", {"track": "main"}),
    ("subscribe", {"width": 16385}),
    ("subscribe", {"width": -1}),
    ("subscribe", {"width": "640"}),
    ("subscribe", {"height": 1.5}),
    ("unsubscribe", {"source": "participant/"}),
    ("quality", {"width": None}),
    ("quality", {"height": 16385}),
    ("quality", {"paused": 0}),
    ("mute", {"track": "video"}),
    ("mute", {"muted": "yes"}),
    ("chat", {"text": ""}),
    ("chat", {"text": "x" * 2001}),
    ("chat", {"text": "a\x00b"}),
    ("chat", {"text": "\x1b[2J"}),
    ("chat", {"to": "p" * 65}),
    ("chat", {"to": "participant/p"}),
    ("report", {"fps": -1}),
    ("report", {"fps": 2.0**54}),
    ("report", {"lost": "3"}),
    ("report", {"visible": 1}),
    ("ping", {"t": "0"}),
    ("ping", {"t": 2.0**54}),
    ("chair", {"action": "sudo"}),
    ("chair", {"action": "mute", "target": "P"}),
    ("chair", {"action": "mute", "target": "p-1", "track": "sound"}),
    ("chair", {"action": "set_role", "target": "p-1", "role": "chair"}),
    ("chair", {"action": "set_speech", "speech": "free"}),
    ("chair", {"action": "set_lobby", "has_lobby": 1}),
    ("chair", {"action": "mute_all", "is_locked": "yes"}),
    ("chair", {"action": "roll_call_start", "participant_ids": ["p-1"] * 1001}),
    ("chair", {"action": "roll_call_answer", "state": "called"}),
    ("chair", {"action": "roll_call_answer", "state": "leave", "note": "n" * 201}),
    ("chair", {"action": "set_head_count", "head_count": 0}),
    ("chair", {"action": "set_head_count", "head_count": 10_001}),
    ("chair", {"action": "set_head_count", "head_count": True}),
    ("chair", {"action": "rename", "name": ""}),
    ("chair", {"action": "rename", "name": "x" * 65}),
    ("chair", {"action": "rename", "venue": "x" * 65}),
    ("chair", {"action": "spotlight", "source": "room/1"}),
]


def whole(name: str) -> dict[str, Any]:
    return {"type": name, **({} if name == "report" else {"id": 0}), **VALID[name]}


def test_every_message_has_an_example_here_and_a_row_on_the_page() -> None:
    rows = signaling.first_cells(signaling.section("Requests").partition("\n### ")[0])
    assert list(VALID) == list(PAGE_MESSAGES) == rows


@pytest.mark.parametrize("name", VALID)
def test_a_message_in_bounds_is_taken(name: str) -> None:
    message = parse_message(whole(name))
    assert type(message) is PAGE_MESSAGES[name]
    assert all(getattr(message, field) == value for field, value in VALID[name].items())


@pytest.mark.parametrize(("name", "change"), FITS)
def test_the_bound_itself_fits(name: str, change: dict[str, Any]) -> None:
    parse_message(whole(name) | change)


@pytest.mark.parametrize(("name", "change"), TOO_MUCH)
def test_one_more_does_not(name: str, change: dict[str, Any]) -> None:
    with pytest.raises(HubError) as caught:
        parse_message(whole(name) | change)
    assert caught.value.code in {"bad_message", "too_long"}
    assert str(caught.value.context["field"]).partition(".")[0] in change


@pytest.mark.parametrize("name", [name for name in VALID if name != "report"])
@pytest.mark.parametrize("number", [-1, 2**53, True, "1", 1.0, None, [1]])
def test_an_id_is_a_number_of_javascript(name: str, number: object) -> None:
    assert parse_message(whole(name) | {"id": LARGEST}).id == LARGEST  # type: ignore[union-attr]
    if number == 1.0 and isinstance(number, float):
        return  # the same number as 1 to a page; strictness about it is nobody's gain
    with pytest.raises(HubError):
        parse_message(whole(name) | {"id": number})


@pytest.mark.parametrize("name", [name for name in VALID if name not in {"report", "leave"}])
def test_what_is_needed_is_missed(name: str) -> None:
    for field in VALID[name]:
        if (name, field) == ("hello", "token"):
            continue  # it may stand in the address
        body = whole(name)
        del body[field]
        with pytest.raises(HubError) as caught:
            parse_message(body)
        assert caught.value.context["field"] == field


@pytest.mark.parametrize("action", get_args(ChairAction))
def test_every_chair_action_knows_its_fields(action: str) -> None:
    needs, may = ACTION_FIELDS[action]
    body = {"type": "chair", "id": 1, "action": action} | {name: VALUES[name] for name in (*needs, *may)}
    assert set(parse_message(body).body()) == {*needs, *may}  # type: ignore[union-attr]
    for name in needs:
        with pytest.raises(HubError) as caught:
            parse_message({key: value for key, value in body.items() if key != name})
        assert caught.value.context["field"] == name


def test_the_page_lists_every_chair_action_and_no_other() -> None:
    listed = signaling.first_cells(signaling.section("Chair actions"))
    assert sorted(listed) == sorted(get_args(ChairAction))
