"""Files of people, good and bad."""

import io

from hypothesis import given
from hypothesis import strategies as st
from openpyxl import Workbook

from api.camera_import.sheet import MAX_ROWS, read_sheet
from media.base.errors import HubError


def rows_or_code(content: bytes) -> object:
    try:
        return read_sheet(content)
    except HubError as error:
        return error.code


@given(st.binary(max_size=400))
def test_any_bytes_are_rows_or_refused(content: bytes) -> None:
    for start in (b"", b"name,org_id,source_url\n", b"PK\x03\x04"):
        found = rows_or_code(start + content)
        assert isinstance(found, tuple) or found == "bad_file"


@given(st.integers(0, 5000), st.integers(0, 255))
def test_a_damaged_workbook_is_rows_or_refused(place: int, value: int) -> None:
    content = bytearray(WORKBOOK)
    content[place % len(content)] = value
    found = rows_or_code(bytes(content))
    assert isinstance(found, tuple) or found == "bad_file"


def _workbook() -> bytes:
    book = Workbook()
    assert book.active is not None
    book.active.append(["name", "org_id", "source_url"])
    book.active.append(["a", "b", "rtsp://10.0.0.1/1"])
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


WORKBOOK = _workbook()


def test_delimiters_and_quotes() -> None:
    for delimiter in ",;\t":
        text = f'name{delimiter}org_id{delimiter}source_url\n"a{delimiter}b"{delimiter}t{delimiter}u\n'
        rows = read_sheet(text.encode())
        assert [row.cells["name"] for row in rows] == [f"a{delimiter}b"]


def test_the_last_allowed_row_is_read_and_one_more_is_not() -> None:
    head = "name,org_id,source_url\n"
    assert len(read_sheet((head + "a,b,c\n" * MAX_ROWS).encode())) == MAX_ROWS
    assert rows_or_code((head + "a,b,c\n" * (MAX_ROWS + 1)).encode()) == "too_many_rows"
