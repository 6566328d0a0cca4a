"""Cameras over HTTP."""

from tests.fakes.control import Person, Plane

CAMERA = {"id": "gate-1", "name": "村口", "org_id": "town", "source_url": "rtsp://user:s3cret@10.1.2.3:554/main"}


async def county(admin: Person) -> None:
    root = (await admin.get("/orgs")).json()["items"][0]["id"]
    await admin.made("/orgs", {"id": "town", "name": "镇", "level": "township", "parent_id": root})


async def test_a_camera_is_made_listed_told_to_workers_and_never_shows_its_password(
    plane: Plane, admin: Person
) -> None:
    await county(admin)
    made = await admin.made("/cameras", CAMERA)
    assert made["source_url"] == "rtsp://***@10.1.2.3:554/main"
    assert made["status"]["state"] == "connecting"
    listed = await admin.get("/cameras")
    assert [item["id"] for item in listed.json()["items"]] == ["gate-1"]
    assert "s3cret" not in listed.text
    assert plane.state.desired is not None
    assert plane.state.desired["gate-1"].recording.mode == "continuous"
    assert "s3cret" not in plane.state.desired["gate-1"].to_json()
