from streams.session.schema import protocol_schema
from streams.session.typescript import WRITTEN, typescript


def test_the_consoles_types_are_current() -> None:
    assert WRITTEN.read_text() == typescript(), "run: python -m streams.session.typescript"


def test_every_message_has_its_interface() -> None:
    text = typescript()
    assert [name for name in protocol_schema()["$defs"] if f"export interface {name} {{" not in text] == []


def test_what_may_be_left_out_and_what_may_be_null() -> None:
    text = typescript()
    assert "  width?: number\n" in text
    assert "  hand_at: string | null\n" in text
    assert "| { action: 'spotlight'; source?: string | null; track?: TrackName }" in text
