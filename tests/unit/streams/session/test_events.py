"""What pages are told: the page about the protocol names every message, and the types hold what rooms say."""

import pytest
from pydantic import TypeAdapter, ValidationError

from streams.session.events import ANSWERS, EVENTS, ChatLine, Participant, ParticipantChanged, Room
from streams.session.wire import to_wire
from tests.unit.streams.session import signaling

PARTICIPANT = {
    "id": "p-1", "source": "participant/p-1", "kind": "venue", "name": "张三", "venue": "西照川", "head_count": 12,
    "role": "attendee", "is_online": True, "is_in_lobby": False, "joined_at": "2026-12-01T08:00:00.000Z",
    "hand_at": None, "may_speak": True, "may_share": False, "tracks": {"camera": {"is_on": True, "muted_by": None}},
}  # fmt: skip


def test_the_page_lists_every_event_and_no_other() -> None:
    listed = signaling.first_cells(signaling.section("Events").partition("\n### ")[0])
    assert sorted(listed) == sorted(EVENTS)


def test_the_page_names_every_answer() -> None:
    assert [name for name in ANSWERS if f"`{name}" not in signaling.PAGE] == []


@pytest.mark.parametrize(("kind", "title"), [(Participant, "### Participant"), (Room, "### Room")])
def test_the_page_names_every_field_of_the_views(kind: type[Participant | Room], title: str) -> None:
    text = signaling.PAGE.partition(f"\n{title}\n")[2].partition("\n#")[0]
    listed = text.partition("`{")[2].partition("}`")[0].replace("?", "").split(", ")
    assert sorted(listed) == sorted(kind.__dataclass_fields__)


def test_a_participant_is_read_and_written_back() -> None:
    adapter = TypeAdapter(Participant)
    changed = ParticipantChanged(participant=adapter.validate_python(PARTICIPANT))
    assert to_wire(changed)["participant"] == PARTICIPANT
    with pytest.raises(ValidationError):
        adapter.validate_python(PARTICIPANT | {"role": "king"})


def test_a_line_of_chat_says_from() -> None:
    line = {"type": "chat", "from": "p-1", "name": "张三", "text": "好", "at": "2026-12-01T08:00:00.000Z"}
    assert TypeAdapter(ChatLine).validate_python(line).from_ == "p-1"
