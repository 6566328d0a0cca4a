"""Cameras from CSV and XLSX files."""

import io
import zipfile
from typing import Any

import pytest
from openpyxl import Workbook

from tests.fakes.control import Person, Plane

HEAD = "编号,名称,机构,主码流,子码流,保存天数,启用"
GOOD = "gate,村口,town,rtsp://u:p@10.0.0.1/1,rtsp://u:p@10.0.0.1/2,90,是"


@pytest.fixture
async def county(admin: Person) -> Person:
    root = (await admin.get("/orgs")).json()["items"][0]["id"]
    await admin.made("/orgs", {"id": "town", "name": "镇", "level": "township", "parent_id": root})
    return admin


async def load(person: Person, content: bytes, name: str = "cameras.csv") -> Any:
    return await person.call("POST", "/cameras/import", files={"file": (name, content)})


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
async def test_a_list_is_read_as_spreadsheets_save_it(county: Person, encoding: str) -> None:
    report = (await load(county, f"{HEAD}\r\n{GOOD}\r\n".encode(encoding))).json()
    assert report == {
        "created": 1, "rejected": 0,
        "rows": [{"row": 1, "id": "gate", "name": "村口", "state": "created", "code": None, "message": None}],
    }  # fmt: skip
    camera = (await county.get("/cameras/gate")).json()
    assert (camera["name"], camera["recording"]["retention_days"], camera["enabled"]) == ("村口", 90, True)
    assert camera["sub_source_url"] == "rtsp://***@10.0.0.1/2"


async def test_each_bad_row_says_why_and_hurts_no_other(county: Person) -> None:
    lines = [
        HEAD,
        GOOD,
        "gate,同号,town,rtsp://10.0.0.2/1,,,",
        "c3,外网,town,rtsp://8.8.8.8/1,,,",
        "c4,无机构,nowhere,rtsp://10.0.0.4/1,,,",
        "C5,坏编号,town,rtsp://10.0.0.5/1,,,",
        "c6,坏天数,town,rtsp://10.0.0.6/1,,many,",
        ",,,,,,",
        "c8,好的,town,rtsp://10.0.0.8/1,,30,停用",
        "c9,坏址,town,http://10.0.0.9/1,,,",
    ]
    report = (await load(county, "\n".join(lines).encode())).json()
    assert (report["created"], report["rejected"]) == (2, 6)
    codes = {row["row"]: row["code"] or row["state"] for row in report["rows"]}
    assert codes == {
        1: "created", 2: "duplicate_id", 3: "network_not_allowed", 4: "unknown_org", 5: "invalid_body",
        6: "invalid_body", 8: "created", 9: "unsupported_scheme",
    }  # fmt: skip
    assert (await county.get("/cameras/c8")).json()["enabled"] is False
    again = (await load(county, "\n".join(lines).encode())).json()
    assert (again["created"], again["rejected"]) == (0, 8)


async def test_a_workbook_is_read_and_numbers_stay_whole(county: Person) -> None:
    book = Workbook()
    assert book.active is not None
    for row in (HEAD.split(","), ["100", "村口", "town", "rtsp://10.0.0.1/1", None, 90.0, "是"]):
        book.active.append(row)
    buffer = io.BytesIO()
    book.save(buffer)
    report = (await load(county, buffer.getvalue(), "cameras.xlsx")).json()
    assert (report["created"], report["rows"][0]["id"]) == (1, "100")


def bomb() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", b" " * 200_000_000)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00\x01\x02",
        b"PK\x03\x04garbage",
        "随便\n写的".encode(),
        b"\xff\xff\xfe",
        b"name\n",
        b"PK\x05\x06" + b"\0" * 18,
    ],
)
async def test_what_is_no_list_is_refused_whole(county: Person, content: bytes) -> None:
    answer = await load(county, content)
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_file")


async def test_an_archive_bomb_is_not_unpacked(county: Person) -> None:
    answer = await load(county, bomb(), "x.xlsx")
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_file")


async def test_too_many_rows_and_too_many_bytes(county: Person) -> None:
    many = await load(county, (HEAD + "\n" + "x,y\n" * 5001).encode())
    assert (many.status_code, many.json()["code"]) == (400, "too_many_rows")
    large = await load(county, b"x" * 10_500_000)
    assert (large.status_code, large.json()["code"]) == (413, "body_too_large")


async def test_a_stranger_to_the_organisation_imports_nothing(plane: Plane, county: Person) -> None:
    root = (await county.get("/orgs")).json()["items"][0]["id"]
    await county.made("/orgs", {"id": "far", "name": "远", "level": "township", "parent_id": root})
    account = {"username": "fix", "password": "Fix-it-all-8", "org_id": "far", "roles": ["maintainer"]}
    await county.made("/users", account)
    report = (await load(await plane.log_in("fix", "Fix-it-all-8"), f"{HEAD}\n{GOOD}\n".encode())).json()
    assert [row["code"] for row in report["rows"]] == ["unknown_org"]


async def test_five_hundred_cameras_are_one_import(plane: Plane, county: Person) -> None:
    lines = [HEAD] + [
        f"c{number},点{number},town,rtsp://10.1.{number // 250}.{number % 250 + 1}/1,,," for number in range(500)
    ]
    report = (await load(county, "\n".join(lines).encode())).json()
    assert (report["created"], report["rejected"]) == (500, 0)
    assert plane.state.desired is not None
    assert len(plane.state.desired) == 500
    assert (await county.get("/audit/verify")).json() == {"intact": True, "first_broken": None}
