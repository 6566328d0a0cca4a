"""The record of a meeting as a workbook (XLSX), one sheet a subject, in Chinese or English. Pure but for the bytes.

Text that people wrote is text: what a spreadsheet would take for a formula gets an apostrophe before it (CWE-1236), and
characters XML cannot hold are left out. Called in a thread: a meeting of a thousand takes a tenth of a second.
"""

import datetime as dt
import io
import itertools
import re
from collections.abc import Iterable, Sequence

from openpyxl import Workbook
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.utils import get_column_letter

from api.db.room_history import RoomCameraRow
from api.services.room_record import Record
from streams.rooms.attendance import Attendee

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
ZONE = dt.timezone(dt.timedelta(hours=8))
"""China has one time zone; a workbook has none, so its times are local and say so in the heading."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_NOT_XML = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_MAX_CHARS = 32_000
_HEAD = PatternFill("solid", fgColor="DDE6F0")
_ZH = 0

Cell = str | int | float | dt.datetime | None

WORDS = {
    "sheet.summary": ("概况", "Summary"), "sheet.attendance": ("签到", "Attendance"),
    "sheet.roll": ("点名", "Roll call"), "sheet.chat": ("文字记录", "Chat"), "sheet.recordings": ("录制", "Recordings"),
    "sheet.cameras": ("调入摄像机", "Cameras"), "sheet.expected": ("应到", "Expected"),
    "item": ("项目", "Item"), "value": ("内容", "Value"),
    "name": ("姓名", "Name"), "venue": ("会场", "Venue"), "org": ("单位", "Organisation"), "role": ("角色", "Role"),
    "heads": ("人数", "Heads"), "joined": ("入会时间（北京时间）", "Joined (UTC+8)"),
    "left": ("离会时间（北京时间）", "Left (UTC+8)"), "present": ("在会分钟", "Minutes present"),
    "away": ("中断分钟", "Minutes away"), "gaps": ("中断", "Gaps"), "late": ("迟到分钟", "Minutes late"),
    "state": ("结果", "Result"), "called": ("点名时间", "Called"), "answered": ("应答时间", "Answered"),
    "late_at": ("补到时间", "Came late"), "note": ("备注", "Note"), "call": ("第几次", "Roll call"),
    "at": ("时间（北京时间）", "Time (UTC+8)"), "text": ("内容", "Text"), "from": ("开始", "From"), "to": ("结束", "To"),
    "camera": ("摄像机", "Camera"), "by": ("调入人", "Shown by"), "viewers": ("在场人员", "Who was there"),
    "reason": ("结束原因", "End"), "meeting": ("会议名称", "Meeting"), "planned": ("计划开始", "Planned"),
    "opened": ("实际开始", "Opened"), "ended": ("结束时间", "Ended"), "expected": ("应到", "Expected"),
    "came": ("实到席位", "Seats present"), "most": ("同时最多人数", "Most heads at once"),
    "creator": ("召集人", "Convened by"), "complete": ("记录完整", "Record complete"), "yes": ("是", "yes"),
    "no": ("否", "no"), "private": ("私聊条数（不列内容）", "Private lines (not shown)"), "arrived": ("到会", "Present"),
    "role.chair": ("主席", "Chair"), "role.speaker": ("发言人", "Speaker"), "role.attendee": ("参会", "Attendee"),
    "role.observer": ("旁听", "Observer"),
    "mark.waiting": ("未点", "Not called"), "mark.called": ("点名中", "Called"), "mark.present": ("到", "Present"),
    "mark.absent": ("未到", "Absent"), "mark.leave": ("请假", "On leave"), "mark.substitute": ("代会", "Substitute"),
}  # fmt: skip


def text_cell(text: str) -> str:
    """Return `text` as a cell that is text and nothing else."""
    clean = _NOT_XML.sub("", text)[:_MAX_CHARS]
    return f"'{clean}" if clean.startswith(_FORMULA) else clean


def time_cell(wall_us: int | None) -> dt.datetime | None:
    """Return a moment in China's time, without a zone as workbooks want it."""
    if not wall_us:
        return None
    return dt.datetime.fromtimestamp(wall_us // 1_000_000, ZONE).replace(tzinfo=None)


class Sheets:
    """A workbook being written in one language."""

    def __init__(self, locale: str) -> None:
        """Begin an empty one."""
        self._column = 1 if locale == "en" else _ZH
        self._book = Workbook()
        self._book.remove(self._book.active)

    def word(self, key: str) -> str:
        """Return a word in the language."""
        return WORDS[key][self._column]

    def add(self, title: str, heads: Sequence[str], rows: Iterable[Sequence[Cell]]) -> None:
        """Write one sheet with headings."""
        sheet = self._book.create_sheet(self.word(title))
        widths = [12] * len(heads)
        for number, row in enumerate([[self.word(head) for head in heads], *rows], start=1):
            for column, value in enumerate(row, start=1):
                cell = sheet.cell(number, column, text_cell(value) if isinstance(value, str) else value)
                if isinstance(value, dt.datetime):
                    cell.number_format = "yyyy-mm-dd hh:mm:ss"
                if isinstance(value, str):
                    cell.data_type = "s"
                    cell.alignment = Alignment(vertical="top", wrap_text=len(value) > 40)
                widths[column - 1] = min(60, max(widths[column - 1], _width(value)))
            if number == 1:
                for cell in sheet[1]:
                    cell.font, cell.fill = Font(bold=True), _HEAD
        for column, width in enumerate(widths, start=1):
            sheet.column_dimensions[get_column_letter(column)].width = width + 2
        sheet.freeze_panes = "A2"

    def saved(self) -> bytes:
        """Return the file."""
        file = io.BytesIO()
        self._book.save(file)
        return file.getvalue()


def _width(value: Cell) -> int:
    if isinstance(value, dt.datetime):
        return 19
    return sum(2 if ord(char) > 0x2E7F else 1 for char in str(value or "")[:60])


def workbook(record: Record, locale: str) -> bytes:
    """Return the record as an XLSX file in `zh-CN` or `en`."""
    sheets = Sheets(locale)
    _summary(sheets, record)
    _attendance(sheets, record)
    _expected(sheets, record)
    _roll_calls(sheets, record)
    lines = [(time_cell(line.at_us), line.name, line.text) for line in record.minutes.chat]
    sheets.add("sheet.chat", ("at", "name", "text"), lines)
    spans = [(time_cell(span.start_us), time_cell(span.end_us)) for span in record.minutes.recordings]
    sheets.add("sheet.recordings", ("from", "to"), spans)
    sheets.add(
        "sheet.cameras", ("camera", "by", "from", "to", "reason", "viewers"), [_camera(row) for row in record.cameras]
    )
    return sheets.saved()


def _summary(sheets: Sheets, record: Record) -> None:
    room, state = record.view.room, record.minutes.state
    rows: list[Sequence[Cell]] = [
        (sheets.word("meeting"), room.name),
        (sheets.word("org"), record.org_name),
        (sheets.word("creator"), record.creator),
        (sheets.word("planned"), time_cell(room.starts_us)),
        (sheets.word("opened"), time_cell(state.opened_us if state else None)),
        (sheets.word("ended"), time_cell(room.ended_us)),
        (sheets.word("expected"), len(record.expected)),
        (sheets.word("came"), len(record.present)),
        (sheets.word("most"), record.most_heads),
        (sheets.word("private"), record.minutes.private_lines),
        (sheets.word("complete"), sheets.word("yes" if record.is_complete else "no")),
    ]
    sheets.add("sheet.summary", ("item", "value"), rows)


def _attendance(sheets: Sheets, record: Record) -> None:
    heads = ("name", "venue", "org", "role", "heads", "joined", "left", "present", "away", "late", "gaps")
    end_us = record.view.room.ended_us or record.now_us
    sheets.add("sheet.attendance", heads, [_attendee(sheets, one, end_us) for one in record.present])


def _attendee(sheets: Sheets, one: Attendee, end_us: int) -> Sequence[Cell]:
    stays = one.stays
    whole_us = sum((stay.end_us or end_us) - stay.start_us for stay in stays)
    present_us = one.present_us(end_us)
    gaps = [f"{_clock(since)}–{_clock(till)}" for stay in stays for since, till in stay.gaps]
    between = [f"{_clock(a.end_us)}–{_clock(b.start_us)}" for a, b in itertools.pairwise(stays)]
    return (
        one.seat.name, one.seat.venue, one.seat.org_name, sheets.word(f"role.{one.seat.role.value}"),
        one.head_count_most or None, time_cell(stays[0].start_us if stays else None),
        time_cell(stays[-1].end_us if stays else None), round(present_us / 60e6, 1),
        round(max(0, whole_us - present_us) / 60e6, 1), one.late_minutes, "; ".join(gaps + between),
    )  # fmt: skip


def _clock(wall_us: int | None) -> str:
    found = time_cell(wall_us)
    return found.strftime("%H:%M:%S") if found else "…"


def _expected(sheets: Sheets, record: Record) -> None:
    rows = [
        (one.name, sheets.word(f"role.{one.member.role}"), sheets.word("yes" if one.is_here else "no"))
        for one in record.expected
    ]
    sheets.add("sheet.expected", ("name", "role", "arrived"), rows)


def _roll_calls(sheets: Sheets, record: Record) -> None:
    rows: list[Sequence[Cell]] = []
    for number, roll in enumerate(record.minutes.roll_calls, start=1):
        for entry in roll.entries.values():
            reply = entry.replies[-1] if entry.replies else None
            rows.append(
                (number, entry.name, sheets.word(f"mark.{entry.mark.value}"), time_cell(entry.called_us),
                 time_cell(reply.at_us if reply else None), time_cell(entry.late_us), reply.note if reply else "")
            )  # fmt: skip
    sheets.add("sheet.roll", ("call", "name", "state", "called", "answered", "late_at", "note"), rows)


def _camera(row: RoomCameraRow) -> Sequence[Cell]:
    times = (time_cell(row.started_us), time_cell(row.ended_us))
    return (row.camera_name, row.username, *times, row.end_reason or "", ", ".join(row.viewer_names))
