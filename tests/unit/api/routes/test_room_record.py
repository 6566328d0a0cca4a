"""The record of a meeting, from the journal of its worker: complete, in both languages, and safe to open."""

import io
import json
from typing import Any

import pytest
from fastapi.responses import JSONResponse
from openpyxl import load_workbook

from api.services.room_sheet import WORDS, text_cell
from tests.fakes.control import NOW_US, Person, Plane

PASSWORD = "Village-watch-3"
MINUTE_US = 60_000_000


def line(seq: int, minute: float, kind: str, /, by: str = "system", **data: Any) -> dict[str, Any]:
    return {"seq": seq, "at_wall_us": NOW_US + round(minute * MINUTE_US), "kind": kind, "by": by, "data": data}


JOURNAL = [
    line(1, 0, "open", room_id="r1", name="推进会", starts_at="2027-01-15T08:00:00.000Z"),
    line(2, 0, "join", target="p-chair", name="县主席", kind="person", role="chair", user_id="admin"),
    line(3, 1, "join", target="p-li", name="=HYPERLINK(1)", kind="venue", role="attendee", venue="城北村", head_count=12, user_id="li"),
    line(4, 2, "record_start", by="p-chair"),
    line(5, 3, "chat", by="p-li", text="+收到"),
    line(6, 3, "chat", by="p-li", text="私下说", to="p-chair"),
    line(7, 4, "detach", target="p-li"),
    line(8, 6, "reconnect", target="p-li"),
    line(9, 7, "roll_call_start", by="p-chair"),
    line(10, 7, "roll_call_next", by="p-chair"),
    line(11, 8, "roll_call_answer", by="p-li", state="present", note="@到"),
    line(12, 9, "roll_call_end", by="p-chair"),
    line(13, 10, "never_heard_of"),
    line(14, 10, "record_stop", by="p-chair"),
    line(15, 11, "leave", target="p-li"),
]  # fmt: skip


@pytest.fixture
async def county(plane: Plane, admin: Person) -> Person:
    root = (await admin.get("/orgs")).json()["items"][0]["id"]
    await admin.made("/orgs", {"id": "town", "name": "town镇", "level": "township", "parent_id": root})
    for name, role in (("li", "viewer"), ("wang", "viewer"), ("zhen", "operator")):
        account = {"id": name, "username": name, "password": PASSWORD, "display_name": f"{name}先生"}
        await admin.made("/users", {**account, "roles": [role], "org_id": "town"})
    members = [{"user_id": "li"}, {"user_id": "wang", "role": "speaker"}]
    await admin.made("/rooms", {"id": "r1", "name": "推进会", "org_id": "town", "members": members})
    plane.worker.answers["GET /rooms/r1/events"] = JSONResponse({"items": JOURNAL, "seq": 15})
    async with plane.ctx.db.write() as connection:
        await connection.exec_driver_sql("UPDATE rooms SET slot = 'node/0'")
    plane.clock.advance(12 * 60)
    return admin


async def test_the_record_tells_who_was_there_and_what_was_said(plane: Plane, county: Person) -> None:
    record = (await county.get("/rooms/r1/record")).json()
    assert record["complete"] is True
    li = next(one for one in record["attendance"] if one["user_id"] == "li")
    assert (li["head_count"], li["venue"], li["present_s"], li["away_s"]) == (12, "城北村", 8 * 60, 2 * 60)
    assert len(li["stays"][0]["gaps"]) == 1
    assert record["most_heads"] == 12 + (0 if record["most_heads"] == 12 else 1)
    assert [(one["name"], one["present"]) for one in record["expected"]] == [("li先生", True), ("wang先生", False)]
    entries = {entry["participant_id"]: entry for entry in record["roll_calls"][0]["entries"]}
    assert (entries["p-li"]["state"], entries["p-li"]["note"]) == ("present", "@到")
    assert [said["text"] for said in record["chat"]] == ["+收到"]
    assert record["private_lines"] == 1
    assert [(span["started_at"], span["ended_at"]) for span in record["recordings"]] == [
        ("2027-01-15T08:02:00.000Z", "2027-01-15T08:10:00.000Z")
    ]
    assert (await county.get("/rooms/r1/record.json")).json()["room_id"] == "r1"


async def test_the_journal_is_copied_once_and_outlives_its_worker(plane: Plane, county: Person) -> None:
    await county.get("/rooms/r1/record")
    await county.get("/rooms/r1/record")
    async with plane.ctx.db.read() as connection:
        rows = (await connection.exec_driver_sql("SELECT seq FROM room_events ORDER BY seq")).all()
    assert [row[0] for row in rows] == list(range(1, 16))
    plane.workers.is_down = True
    record = (await county.get("/rooms/r1/record")).json()
    assert (record["complete"], len(record["attendance"])) == (False, 2)


async def test_a_meeting_nobody_came_to_has_a_record_too(plane: Plane, county: Person) -> None:
    await county.made("/rooms", {"id": "empty", "name": "没人来", "org_id": "town"})
    record = (await county.get("/rooms/empty/record")).json()
    assert (record["complete"], record["attendance"], record["opened_at"]) == (True, [], None)
    assert (await county.get("/rooms/empty/record.xlsx")).status_code == 200


async def test_only_who_may_reads_the_record_and_it_is_noted(plane: Plane, county: Person) -> None:
    li, zhen = await plane.log_in("li", PASSWORD), await plane.log_in("zhen", PASSWORD)
    assert (await li.get("/rooms/r1/record")).status_code == 403
    assert (await zhen.get("/rooms/r1/record.xlsx")).status_code == 200
    rows = (await county.get("/audit", params={"action": "room.record"})).json()["items"]
    assert [(row["username"], row["details"]) for row in rows] == [("zhen", {"form": "xlsx"})]


@pytest.mark.parametrize(("language", "column"), [("zh-CN", 0), ("en", 1)])
async def test_the_workbook_opens_with_every_sheet_and_no_formula(
    plane: Plane, county: Person, language: str, column: int
) -> None:
    answer = await county.get("/rooms/r1/record.xlsx", headers={"Accept-Language": language})
    assert answer.headers["content-disposition"].endswith(".xlsx")
    book = load_workbook(io.BytesIO(answer.content))
    titles = [words[column] for key, words in WORDS.items() if key.startswith("sheet.")]
    assert sorted(book.sheetnames) == sorted(titles)
    cells = [cell for sheet in book for row in sheet.iter_rows() for cell in row]
    assert [cell.coordinate for cell in cells if cell.data_type == "f"] == []
    people = book[WORDS["sheet.attendance"][column]]
    heads = [cell.value for cell in people[1]]
    assert heads[:5] == [WORDS[key][column] for key in ("name", "venue", "org", "role", "heads")]
    rows = [[cell.value for cell in row] for row in people.iter_rows(min_row=2)]
    li = next(row for row in rows if row[1] == "城北村")
    assert li[0] == "'=HYPERLINK(1)"
    assert (li[4], li[7], li[8]) == (12, 8, 2)
    assert str(li[5]) == "2027-01-15 16:01:00"
    roll = book[WORDS["sheet.roll"][column]]
    assert WORDS["mark.present"][column] in [cell.value for cell in roll["C"]]
    assert "'+收到" in [cell.value for cell in book[WORDS["sheet.chat"][column]]["C"]]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(1)", "\t=1", "\r=1"])
def test_text_that_looks_like_a_formula_is_text(text: str) -> None:
    assert text_cell(text).startswith("'")


def test_what_xml_cannot_hold_is_left_out() -> None:
    assert text_cell("a\x00b\ud800c\x1f") == "abc"
    assert len(text_cell("x" * 100_000)) == 32_000


async def test_a_worker_that_answers_nonsense_breaks_nothing(plane: Plane, county: Person) -> None:
    for items in ([None, 1, {}, {"seq": "x"}, {"seq": 1, "at_wall_us": None, "kind": "open"}], "no", None):
        plane.worker.answers["GET /rooms/r1/events"] = JSONResponse({"items": items})
        assert (await county.get("/rooms/r1/record")).status_code == 200
    plane.worker.answers["GET /rooms/r1/events"] = JSONResponse(json.loads("[]"))
    assert (await county.get("/rooms/r1/record")).json()["attendance"] == []
