"""Camera lists from people: CSV (UTF-8 or GB18030, with or without BOM) and XLSX, into rows of text.

Pure, and slow for hostile files, so `apart` runs it in a child process. Refuses what is not such a file, more than
`MAX_ROWS` rows, and archives that unpack to more than `MAX_UNPACKED_BYTES`. Knows headings in Chinese and English;
whether a row makes a camera is `importer`'s to say.
"""

import csv
import io
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from openpyxl import load_workbook

from media.base.errors import ErrorKind, HubError

MAX_ROWS = 5000
MAX_COLUMNS = 64
MAX_CELL_CHARS = 2000
MAX_UNPACKED_BYTES = 40_000_000
_XLSX_MAGIC = b"PK\x03\x04"

HEADINGS = {
    "id": ("id", "编号", "点位编码", "摄像机编号"),
    "name": ("name", "名称", "点位名称", "摄像机名称"),
    "org_id": ("org_id", "org", "机构", "机构编号", "所属机构", "组织", "组织编号", "所属组织"),
    "source_url": ("source_url", "url", "主码流", "主码流地址", "视频地址"),
    "sub_source_url": ("sub_source_url", "sub_url", "子码流", "子码流地址"),
    "enabled": ("enabled", "启用", "是否启用"),
    "mode": ("mode", "recording_mode", "录像模式"),
    "retention_days": ("retention_days", "保存天数", "录像保存天数"),
    "gb_code": ("gb_code", "国标编码", "设备编码"),
    "address": ("address", "地址", "安装地址"),
    "longitude": ("longitude", "lon", "lng", "经度"),
    "latitude": ("latitude", "lat", "纬度"),
    "manufacturer": ("manufacturer", "厂商", "设备厂商"),
    "model": ("model", "型号", "设备型号"),
    "managing_unit": ("managing_unit", "管理单位"),
    "note": ("note", "备注"),
}
_UNREADABLE = (
    csv.Error, zipfile.BadZipFile, zlib.error, struct.error, LookupError, ValueError, TypeError, AttributeError,
    ArithmeticError, OSError, EOFError, SyntaxError, NotImplementedError, RuntimeError, AssertionError,
)  # fmt: skip
"""What the readers raise for damaged files, found by fuzzing; XML errors are SyntaxErrors, encryption a RuntimeError."""
_FIELD_OF = {heading: name for name, headings in HEADINGS.items() for heading in headings}
_REQUIRED = frozenset({"name", "org_id", "source_url"})


@dataclass(frozen=True, slots=True)
class SheetRow:
    """One row of the file; `number` counts from 1 after the heading, `cells` holds what is not empty."""

    number: int
    cells: dict[str, str]


def read_sheet(content: bytes) -> tuple[SheetRow, ...]:
    """Return the rows; HubError INVALID `bad_file` or `too_many_rows`."""
    lines = _xlsx_lines(content) if content.startswith(_XLSX_MAGIC) else _csv_lines(content)
    try:
        return tuple(_rows(lines))
    except _UNREADABLE as error:
        raise _bad_file(type(error).__name__) from error


def _bad_file(cause: str) -> HubError:
    return HubError(ErrorKind.INVALID, "the file cannot be read", code="bad_file", cause=cause)


def _rows(lines: Iterator[list[str]]) -> Iterator[SheetRow]:
    heading = next(lines, [])
    fields = [_FIELD_OF.get(cell.strip().lower().rstrip("*")) for cell in heading[:MAX_COLUMNS]]
    if not set(fields) >= _REQUIRED:
        raise _bad_file("the heading lacks name, org_id or source_url")
    for number, line in enumerate(lines, start=1):
        cells = {field: text.strip() for field, text in zip(fields, line, strict=False) if field and text.strip()}
        if number > MAX_ROWS:
            raise HubError(ErrorKind.INVALID, "too many rows", code="too_many_rows", limit=MAX_ROWS)
        if cells:
            yield SheetRow(number, {field: text[:MAX_CELL_CHARS] for field, text in cells.items()})


def _csv_lines(content: bytes) -> Iterator[list[str]]:
    text = _decode(content)
    if "\0" in text:
        raise _bad_file("NUL bytes")
    first = text.partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    return iter(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))


def _decode(content: bytes) -> str:
    """Return the text: UTF-8 with or without BOM, UTF-16 with BOM, else GB18030 as Chinese Excel saves it."""
    if content[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        encodings: tuple[str, ...] = ("utf-16",)
    else:
        encodings = ("utf-8-sig", "gb18030")
    for encoding in encodings:
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise _bad_file("neither UTF-8 nor GB18030")


def _xlsx_lines(content: bytes) -> Iterator[list[str]]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > MAX_UNPACKED_BYTES:
                raise _bad_file("unpacks to too much")
        book = load_workbook(io.BytesIO(content), read_only=True, data_only=True)
    except _UNREADABLE as error:
        raise _bad_file(type(error).__name__) from error
    sheet = book.worksheets[0] if book.worksheets else None
    if sheet is None:
        raise _bad_file("no sheet")
    return _texts(sheet.iter_rows(max_row=MAX_ROWS + 2, max_col=MAX_COLUMNS, values_only=True))


def _texts(lines: Iterable[tuple[Any, ...]]) -> Iterator[list[str]]:
    for line in lines:
        yield [_text(value) for value in line]


def _text(value: Any) -> str:
    """Return a cell as typed: a whole number without the `.0` that spreadsheets give it."""
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return str(value)
