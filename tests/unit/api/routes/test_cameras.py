"""Cameras over HTTP."""

from typing import Any

import pytest

from tests.fakes.control import Person, Plane, eventually

CAMERA: dict[str, Any] = {
    "id": "gate-1", "name": "村口", "org_id": "town", "source_url": "rtsp://user:s3cret@10.1.2.3:554/main",
}  # fmt: skip


@pytest.fixture
async def county(admin: Person) -> Person:
    root = (await admin.get("/orgs")).json()["items"][0]["id"]
    await admin.made("/orgs", {"id": "town", "name": "镇", "level": "township", "parent_id": root})
    await admin.made("/orgs", {"id": "other", "name": "另镇", "level": "township", "parent_id": root})
    return admin


async def test_a_camera_is_made_listed_told_to_workers_and_never_shows_its_password(
    plane: Plane, county: Person
) -> None:
    made = await county.made("/cameras", CAMERA)
    assert made["source_url"] == "rtsp://***@10.1.2.3:554/main"
    assert made["status"]["state"] == "connecting"
    listed = await county.get("/cameras")
    assert [item["id"] for item in listed.json()["items"]] == ["gate-1"]
    assert "s3cret" not in listed.text
    assert plane.state.desired is not None
    assert plane.state.desired["gate-1"].recording.mode == "continuous"
    assert "s3cret" not in plane.state.desired["gate-1"].to_json()
    assert "s3cret" not in (await county.get("/audit")).text


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("http://10.0.0.1/x", "unsupported_scheme"),
        ("file:///etc/passwd", "bad_url"),
        ("rtsp://", "bad_url"),
        ("nonsense", "bad_url"),
        ("rtsp://10.0.0.1:99999/", "bad_url"),
        ("rtsp://u:p#1@10.0.0.1/", "bad_url"),
        ("rtsp://u:p@1@10.0.0.1/x@y", "bad_url"),
        ("rtsp://8.8.8.8/x", "network_not_allowed"),
        ("rtsp://[::ffff:8.8.8.8]/x", "network_not_allowed"),
        ("rtsp://169.254.169.254/latest", "network_not_allowed"),
        ("rtsp://0.0.0.0/x", "network_not_allowed"),
        ("rtsp://10.0.0.1/a b", "bad_url"),
    ],
)
async def test_bad_sources_are_refused_and_nothing_is_stored(county: Person, url: str, code: str) -> None:
    answer = await county.post("/cameras", {**CAMERA, "source_url": url})
    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert (await county.get("/cameras")).json()["items"] == []


async def test_the_same_id_twice_is_a_conflict_and_changes_nothing(county: Person) -> None:
    await county.made("/cameras", CAMERA)
    again = await county.post("/cameras", {**CAMERA, "name": "别的"})
    assert (again.status_code, again.json()["code"]) == (409, "duplicate_id")
    assert (await county.get("/cameras/gate-1")).json()["name"] == "村口"


async def test_a_change_counts_the_version_up_and_reaches_the_workers(plane: Plane, county: Person) -> None:
    await county.made("/cameras", CAMERA)
    changes = {"name": "新名", "recording": {"mode": "off"}, "location": {"longitude": 128.3, "latitude": 45.4}}
    changed = (await county.patch("/cameras/gate-1", changes)).json()
    assert (changed["name"], changed["recording"]) == ("新名", {"mode": "off", "retention_days": 30, "schedule": None})
    assert changed["location"] == {"address": None, "longitude": 128.3, "latitude": 45.4}
    assert changed["version"] == 2
    assert plane.state.desired is not None
    assert plane.state.desired["gate-1"].version == 2


async def test_the_masked_address_sent_back_changes_nothing(plane: Plane, county: Person) -> None:
    await county.made("/cameras", CAMERA)
    assert plane.state.desired is not None
    sealed = plane.state.desired["gate-1"].source_url_enc
    same = await county.patch("/cameras/gate-1", {"source_url": "rtsp://***@10.1.2.3:554/main", "name": "x"})
    assert same.status_code == 200
    assert plane.state.desired["gate-1"].source_url_enc == sealed
    other = await county.patch("/cameras/gate-1", {"source_url": "rtsp://***@10.9.9.9:554/main"})
    assert (other.status_code, other.json()["code"]) == (400, "bad_url")


async def test_a_sub_stream_comes_and_goes(county: Person) -> None:
    await county.made("/cameras", CAMERA)
    changed = await county.patch("/cameras/gate-1", {"sub_source_url": "rtsp://a:b@10.1.2.3/sub"})
    assert changed.json()["sub_source_url"] == "rtsp://***@10.1.2.3/sub"
    assert (await county.patch("/cameras/gate-1", {"sub_source_url": None})).json()["sub_source_url"] is None


async def test_the_reported_state_is_shown_and_a_disabled_camera_is_disabled(plane: Plane, county: Person) -> None:
    await county.made("/cameras", CAMERA)
    plane.state.reported["gate-1"] = {"state": "online", "reason": "", "bitrate_bps": 5, "slot": "n/0", "at_wall_us": 1}
    status = (await county.get("/cameras/gate-1/status")).json()
    assert status == {"state": "online", "reason": "", "bitrate_bps": 5}
    await county.patch("/cameras/gate-1", {"enabled": False})
    assert (await county.get("/cameras/gate-1/status")).json()["state"] == "disabled"


async def test_what_could_not_be_announced_is_made_good(plane: Plane, county: Person) -> None:
    plane.state.is_down = True
    answer = await county.post("/cameras", CAMERA)
    assert answer.status_code == 201
    plane.state.is_down = False

    async def told() -> bool:
        return "gate-1" in (plane.state.desired or {})

    await eventually(told)


async def test_deleting(plane: Plane, county: Person) -> None:
    await county.made("/cameras", CAMERA)
    assert (await county.delete("/cameras/gate-1")).status_code == 204
    assert (await county.get("/cameras/gate-1")).status_code == 404
    assert plane.state.desired == {}


async def test_a_list_is_narrowed_and_paged(county: Person) -> None:
    for number in range(5):
        body = {**CAMERA, "id": f"c{number}", "name": f"点{number}%", "org_id": "town" if number < 3 else "other"}
        await county.made("/cameras", body)
    seen: list[str] = []
    cursor = None
    while True:
        page = (await county.get("/cameras", params={"limit": 2, **({"cursor": cursor} if cursor else {})})).json()
        seen += [item["id"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == ["c0", "c1", "c2", "c3", "c4"]
    assert len((await county.get("/cameras", params={"org_id": "other"})).json()["items"]) == 2
    assert [c["id"] for c in (await county.get("/cameras", params={"q": "点1%"})).json()["items"]] == ["c1"]
    assert (await county.get("/cameras", params={"q": "_"})).json()["items"] == []


async def test_a_camera_belongs_where_its_maker_may_manage(plane: Plane, county: Person) -> None:
    await county.made("/cameras", CAMERA)
    account = {"username": "fix", "password": "Fix-it-all-8", "org_id": "other", "roles": ["maintainer"]}
    await county.made("/users", account)
    fixer = await plane.log_in("fix", "Fix-it-all-8")
    for org_id in ("town", "nowhere"):
        placed = await fixer.post("/cameras", {**CAMERA, "id": "mine", "org_id": org_id})
        assert (placed.status_code, placed.json()["code"]) == (400, "unknown_org")
    for camera_id in ("gate-1", "no-such"):
        for answer in (
            await fixer.get(f"/cameras/{camera_id}"),
            await fixer.patch(f"/cameras/{camera_id}", {"name": "x"}),
        ):
            assert (answer.status_code, answer.json()["code"]) == (404, "unknown_camera")
    for org_id in ("town", "nowhere"):
        assert (await fixer.get("/cameras", params={"org_id": org_id})).status_code == 404
    await fixer.made("/cameras", {**CAMERA, "id": "mine", "org_id": "other"})
    moved = await fixer.patch("/cameras/mine", {"org_id": "town"})
    assert (moved.status_code, moved.json()["code"]) == (400, "unknown_org")
    assert [camera["id"] for camera in (await fixer.get("/cameras")).json()["items"]] == ["mine"]


async def test_gb_codes_are_unique(county: Person) -> None:
    code = "23012900001320000001"
    await county.made("/cameras", {**CAMERA, "gb_code": code})
    answer = await county.post("/cameras", {**CAMERA, "id": "two", "gb_code": code})
    assert (answer.status_code, answer.json()["code"]) == (409, "duplicate_gb_code")


WEEKDAYS = [
    {"days": [1, 2, 3, 4, 5], "start": "08:00", "end": "18:00"},
    {"days": [7], "start": "22:00", "end": "02:00"},
]


async def test_a_schedule_reaches_the_workers_as_minutes_of_the_week(plane: Plane, county: Person) -> None:
    made = await county.made("/cameras", {**CAMERA, "recording": {"mode": "schedule", "schedule": WEEKDAYS}})
    assert made["recording"] == {"mode": "schedule", "retention_days": 30, "schedule": WEEKDAYS}
    assert plane.state.desired is not None
    windows = plane.state.desired["gate-1"].recording.windows
    weekdays = [(day * 1440 + 480, day * 1440 + 1080) for day in range(5)]
    assert windows == ((0, 120), *weekdays, (6 * 1440 + 1320, 7 * 1440))
    kept = (await county.patch("/cameras/gate-1", {"recording": {"retention_days": 60}})).json()
    assert kept["recording"] == {"mode": "schedule", "retention_days": 60, "schedule": WEEKDAYS}
    cleared = (await county.patch("/cameras/gate-1", {"recording": {"mode": "continuous", "schedule": None}})).json()
    assert cleared["recording"] == {"mode": "continuous", "retention_days": 60, "schedule": None}
    assert plane.state.desired["gate-1"].recording.windows == ()


@pytest.mark.parametrize("mode", ["continuous", "schedule", "event", "off"])
async def test_every_mode_of_the_contract_is_accepted_without_more(plane: Plane, county: Person, mode: str) -> None:
    made = await county.made("/cameras", {**CAMERA, "recording": {"mode": mode, "retention_days": 7}})
    assert made["recording"]["mode"] == mode
    assert plane.state.desired is not None
    assert plane.state.desired["gate-1"].recording.mode == mode


@pytest.mark.parametrize(
    "schedule",
    [
        [],
        [{"days": [], "start": "08:00", "end": "09:00"}],
        [{"days": [0], "start": "08:00", "end": "09:00"}],
        [{"days": [1], "start": "25:00", "end": "09:00"}],
        [{"days": [1], "start": "08:00", "end": "now"}],
        [{"days": [1], "start": "08:00"}],
        "always",
        [{"days": [1], "start": "08:00", "end": "09:00"}] * 51,
    ],
)
async def test_a_bad_schedule_is_refused_and_nothing_is_stored(county: Person, schedule: object) -> None:
    answer = await county.post("/cameras", {**CAMERA, "recording": {"mode": "schedule", "schedule": schedule}})
    assert answer.status_code in {400, 422}
    assert answer.headers["content-type"] == "application/problem+json"
    assert (await county.get("/cameras")).json()["items"] == []
