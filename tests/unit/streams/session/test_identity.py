from typing import Any

import pytest

from media.base.errors import HubError
from media.base.ids import SourceId
from streams.session.identity import Grant, read_grant, read_identity

SEAT = {
    "room_id": "room-1", "home_slot": "w0", "participant_id": "p-1", "display_name": "张三", "role": "attendee",
    "kind": "venue", "org_name": None,
}  # fmt: skip


def test_a_wall_and_a_seat_are_read() -> None:
    identity, is_resume = read_identity({"session_id": "s-1", "user_id": "u-1", "is_resume": True, "more": 1})
    assert (identity.session_id, identity.seat, identity.own_source, is_resume) == ("s-1", None, None, True)
    assert identity.account == "u-1"
    identity, is_resume = read_identity({"session_id": "s-1", "user_id": None, "seat": SEAT})
    assert identity.own_source == "participant/p-1"
    assert identity.account == "guest/p-1"
    assert is_resume is False


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        {},
        {"session_id": 7},
        {"session_id": "S 1"},
        {"session_id": "s-1", "seat": "p-1"},
        {"session_id": "s-1", "seat": {}},
        {"session_id": "s-1", "seat": {**SEAT, "role": "king"}},
    ],
)
def test_what_cannot_be_read_is_refused(body: Any) -> None:
    with pytest.raises(HubError) as caught:
        read_identity(body)
    assert caught.value.code == "bad_message"


def test_a_grant_is_read() -> None:
    assert read_grant(None) is None
    gate = SourceId("camera/gate")
    assert read_grant({"id": "v-1", "source": gate, "slot": "w1"}) == Grant(gate, "w1")
    assert read_grant({"source": gate, "slot": None}) == Grant(gate, "")


@pytest.mark.parametrize(
    "body", ["gate", {}, {"source": "camera/Gate"}, {"source": ["camera/gate"]}, {"source": "participant/p-1"}]
)
def test_a_grant_that_cannot_be_read_is_refused(body: Any) -> None:
    with pytest.raises(HubError):
        read_grant(body)
