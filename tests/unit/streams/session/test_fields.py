import re
from typing import get_args

from streams.publication import TrackName
from streams.session.fields import PLAIN_TEXT, OwnTrack, TrackRef


def test_the_names_of_tracks_are_those_of_publications() -> None:
    assert set(get_args(TrackRef)) == {name.value for name in TrackName}
    assert set(get_args(OwnTrack)) == {name.value for name in TrackName} - {"video", "audio"}


def test_text_holds_no_control_characters() -> None:
    refused = {chr(n) for n in range(0x20)} - {"\t", "\n"} | {"\x7f"}
    assert {c for c in map(chr, range(0x100)) if not re.match(PLAIN_TEXT, c)} == refused
