"""Cursors: opaque, and harmless when forged."""

import contextlib
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.schemas.paging import decode_cursor, decode_number, encode_cursor
from media.base.errors import HubError

KEYS = st.text(st.characters(categories=("L", "N", "P"), exclude_characters="\0"), min_size=1, max_size=80)


@given(KEYS)
def test_a_cursor_leads_back_to_its_key(key: str) -> None:
    cursor = encode_cursor(key)
    assert cursor is not None
    assert cursor.isascii()
    assert decode_cursor(cursor) == unicodedata.normalize("NFC", key)


def test_without_a_cursor_a_list_begins_at_its_beginning() -> None:
    assert (encode_cursor(None), decode_cursor(None), decode_cursor(""), decode_number(None)) == (None, "", "", None)


@given(st.text(max_size=40))
def test_a_forged_cursor_is_refused_or_means_some_key(text: str) -> None:
    with contextlib.suppress(HubError):
        assert isinstance(decode_cursor(text), str)


@pytest.mark.parametrize("key", ["-1", "1e9", "٣", "9" * 18, "x", " 1"])
def test_a_number_is_a_number(key: str) -> None:
    with pytest.raises(HubError, match="not a cursor"):
        decode_number(encode_cursor(key))
    assert decode_number(encode_cursor("123")) == 123
