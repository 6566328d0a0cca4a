import json

from streams.session.codes import CLOSE_NUMBERS
from streams.session.messages import PAGE_MESSAGES
from streams.session.schema import WRITTEN, protocol_schema, written


def test_the_written_schema_is_current() -> None:
    assert WRITTEN.read_text() == written(), "run: python -m streams.session.schema"


def test_every_reference_leads_to_a_definition() -> None:
    schema = protocol_schema()
    names = [part.partition('"')[0] for part in json.dumps(schema).split('"#/$defs/')[1:]]
    assert set(names) <= set(schema["$defs"])
    assert {*schema["page"], *schema["answers"], *schema["events"]} <= set(schema["$defs"])


def test_bounds_are_told() -> None:
    schema = protocol_schema()
    assert schema["$defs"]["Chat"]["properties"]["text"]["maxLength"] == 2000
    assert schema["$defs"]["Subscribe"]["required"] == ["type", "id", "source", "track"]
    assert schema["closings"]["too_slow"] == {"close": CLOSE_NUMBERS["too_slow"], "can_resume": True}
    assert len(schema["page"]) == len(PAGE_MESSAGES)
