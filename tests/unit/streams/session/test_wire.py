import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.base.errors import ErrorKind, HubError
from streams.session.codes import ERROR_CODES
from streams.session.events import Ok, Slot, Source, SourceTrackState
from streams.session.messages import Chair, Ping, Subscribe
from streams.session.wire import (
    MAX_ENVELOPE_CHARS,
    MAX_FRAME_CHARS,
    MAX_OFFER_FRAME_CHARS,
    parse_message,
    read_envelope,
    read_frame,
    request_id,
    to_wire,
)


def refused(found: dict[str, object]) -> HubError:
    with pytest.raises(HubError) as caught:
        parse_message(found)
    assert caught.value.kind is ErrorKind.INVALID
    return caught.value


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        '"hello"',
        "{",
        "[" * 60_000,
        '{"a":' * 10_000,
        '{"type":"ping","id":1,"t":NaN}',
        '{"type":"ping","id":1,"t":1e999}',
        '{"type":"\\ud800"}',
        "\x00",
    ],
)
def test_what_is_not_a_json_object_is_a_bad_message(text: str) -> None:
    with pytest.raises(HubError) as caught:
        parse_message(read_frame(text))
    assert caught.value.code == "bad_message"


def test_frames_have_a_bound_and_offers_a_larger_one() -> None:
    fits = {"type": "ping", "id": 1, "t": 1, "pad": ""}
    fits["pad"] = "x" * (MAX_FRAME_CHARS - len(json.dumps(fits)))
    assert read_frame(json.dumps(fits))["id"] == 1
    with pytest.raises(HubError, match="too long"):
        read_frame(json.dumps(fits | {"pad": str(fits["pad"]) + "x"}))
    offer = {"type": "publish", "id": 1, "tracks": {}, "sdp": "v" * (256 << 10)}
    assert len(parse_message(read_frame(json.dumps(offer))).sdp) == 256 << 10  # type: ignore[union-attr]
    with pytest.raises(HubError) as caught:
        read_frame(" " * (MAX_OFFER_FRAME_CHARS + 1))
    assert caught.value.code == "too_long"


def test_an_envelope_brings_infinity_to_where_it_is_refused() -> None:
    found = read_envelope('{"page":{"type":"ping","id":1,"t":Infinity,"x":NaN}}')["page"]
    assert refused(found).context["field"] == "t"
    for text in ("{", "[]", "", '{"a":' * 10_000):
        with pytest.raises(HubError):
            read_envelope(text)
    with pytest.raises(HubError, match="too long"):
        read_envelope(" " * (MAX_ENVELOPE_CHARS + 1))


def test_unknown_fields_are_ignored() -> None:
    found = {"type": "ping", "id": 3, "t": 1.5, "new": {"deep": [1]}, "__class__": "x"}
    assert parse_message(found) == Ping(type="ping", id=3, t=1.5)


@pytest.mark.parametrize("name", ["", "welcome", "Ping", "__init__", None, 1, ["ping"], {}])
def test_an_unknown_message_is_refused_politely(name: object) -> None:
    assert refused({"type": name, "id": 1}).code == "unknown_type"


def test_the_refusal_names_the_field() -> None:
    error = refused({"type": "subscribe", "id": 1, "source": "camera/gate-3", "track": "picture"})
    assert (error.code, error.context["field"]) == ("bad_message", "track")


def test_a_text_over_its_bound_is_too_long() -> None:
    assert refused({"type": "chat", "id": 1, "text": "x" * 2001}).code == "too_long"


@pytest.mark.parametrize(
    ("found", "number"),
    [
        ({"id": 7}, 7),
        ({"id": 0}, 0),
        ({"id": True}, None),
        ({"id": "7"}, None),
        ({"id": -1}, None),
        ({"id": 2**53}, None),
        ({}, None),
    ],
)
def test_the_id_is_found_whatever_else_is_wrong(found: dict[str, object], number: int | None) -> None:
    assert request_id(found) == number


def test_a_chair_action_carries_its_own_fields_only() -> None:
    message = parse_message(
        {"type": "chair", "id": 1, "action": "mute", "target": "p-1", "state": "present", "role": "observer"}
    )
    assert isinstance(message, Chair)
    assert message.body() == {"target": "p-1"}


def test_a_spotlight_on_nobody_says_so() -> None:
    message = parse_message({"type": "chair", "id": 1, "action": "spotlight", "source": None})
    assert isinstance(message, Chair)
    assert message.body() == {"source": None, "track": None}


def test_a_chair_action_without_what_it_needs_is_refused() -> None:
    assert refused({"type": "chair", "id": 1, "action": "set_role", "target": "p-1"}).context["field"] == "role"


def test_what_is_not_there_is_left_out_and_what_may_be_null_is_null() -> None:
    assert to_wire(Ok(id=3)) == {"type": "ok", "id": 3}
    assert to_wire(Slot(mid="0", kind="video", source=None, track=None)) == {
        "type": "slot",
        "mid": "0",
        "kind": "video",
        "source": None,
        "track": None,
    }
    track = SourceTrackState(name="video", kind="video", codec=None, is_live=False, layers=[])
    assert to_wire(Source(source="camera/a", state="offline", tracks=[track])) == {
        "type": "source",
        "source": "camera/a",
        "state": "offline",
        "tracks": [{"name": "video", "kind": "video", "codec": None, "is_live": False, "layers": []}],
    }


def code_of_refusal(action: Callable[[], object]) -> str:
    """Return the code of the refusal, nothing when there was none; any other error fails the test."""
    try:
        action()
    except HubError as error:
        return error.code
    return ""


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)


@given(
    name=st.sampled_from(["hello", "publish", "subscribe", "quality", "chair", "chat", "report", "candidate", "mute"]),
    body=st.dictionaries(
        st.sampled_from(["id", "sdp", "tracks", "source", "track", "width", "action", "target", "text", "to", "fps"]),
        JSON,
    ),
)
def test_whatever_a_page_says_it_is_a_message_or_refused(name: str, body: dict[str, object]) -> None:
    code = code_of_refusal(lambda: parse_message(body | {"type": name}))
    assert code in ERROR_CODES | {""}


@given(st.text(max_size=200))
def test_whatever_the_frame_it_is_an_object_or_refused(text: str) -> None:
    assert code_of_refusal(lambda: read_frame(text)) in {"", "bad_message", "too_long"}


def test_a_subscription_needs_no_size() -> None:
    message = parse_message({"type": "subscribe", "id": 1, "source": "camera/gate-3", "track": "video"})
    assert isinstance(message, Subscribe)
    assert (message.width, message.height) == (None, None)
