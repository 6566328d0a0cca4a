"""A file that costs more than a camera list may is refused, and only its own process pays."""

import io
import time
import zipfile

import pytest
from openpyxl import Workbook

from api.camera_import import apart
from api.camera_import.apart import read_apart
from media.base.errors import HubError

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
CSV = "name,org_id,source_url\n东门,town,rtsp://10.0.0.1/1\n".encode()


def workbook(part: str = "", content: bytes = b"") -> bytes:
    """Return a good workbook, one of its parts replaced."""
    book, plain, changed = Workbook(), io.BytesIO(), io.BytesIO()
    for line in (("name", "org_id", "source_url"), ("东门", "town", "rtsp://10.0.0.1/1")):
        book.active.append(line)
    book.save(plain)
    with zipfile.ZipFile(plain) as old, zipfile.ZipFile(changed, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, content if name == part else old.read(name))
    return changed.getvalue()


def bomb(part: str, before: str, piece: bytes, after: str, size_mb: int = 35) -> bytes:
    """Return a workbook of some kilobytes with one part of many megabytes."""
    return workbook(part, before.encode() + piece * (size_mb * 1_000_000 // len(piece)) + after.encode())


@pytest.mark.parametrize("content", [CSV, workbook()])
async def test_a_good_file_comes_back_as_rows(content: bytes) -> None:
    assert await read_apart(content) == ((1, {"name": "东门", "org_id": "town", "source_url": "rtsp://10.0.0.1/1"}),)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"\0\1\2", "bad_file"),
        (b"PK\x03\x04", "bad_file"),
        (b"", "bad_file"),
        (CSV + b"a,b,c\n" * 5000, "too_many_rows"),
    ],
)
async def test_a_bad_file_comes_back_as_its_code(content: bytes, code: str) -> None:
    with pytest.raises(HubError) as caught:
        await read_apart(content)
    assert caught.value.code == code


SHEET = (f'<worksheet xmlns="{MAIN}"><sheetData><row r="1">', b"<c/>", "</row></sheetData></worksheet>")
STYLES = (f'<styleSheet xmlns="{MAIN}"><fonts>', b"<font/>", "</fonts></styleSheet>")


@pytest.mark.parametrize(("part", "pieces"), [("xl/worksheets/sheet1.xml", SHEET), ("xl/styles.xml", STYLES)])
async def test_a_small_file_that_unpacks_to_hours_of_work_is_given_up(
    part: str, pieces: tuple[str, bytes, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apart, "WAIT_LIMIT_S", 3.0)
    content = bomb(part, *pieces)
    assert len(content) < 100_000
    started_s = time.monotonic()
    with pytest.raises(HubError) as caught:
        await read_apart(content)
    assert caught.value.code == "bad_file"
    assert time.monotonic() - started_s < 8


async def test_one_that_unpacks_to_too_much_is_not_even_opened() -> None:
    with pytest.raises(HubError) as caught:
        await read_apart(bomb("xl/styles.xml", *STYLES, size_mb=60))
    assert caught.value.code == "bad_file"


async def test_entities_are_not_expanded() -> None:
    part = '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">]>' + "".join(SHEET[::2])
    with pytest.raises(HubError) as caught:
        await read_apart(workbook("xl/worksheets/sheet1.xml", part.encode()))
    assert caught.value.code == "bad_file"
