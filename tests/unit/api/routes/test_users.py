"""Accounts over HTTP: who may hand out what."""

import pytest

from tests.fakes.control import Person, Plane

PASSWORD = "Village-watch-3"


async def person(plane: Plane, admin: Person, name: str, roles: list[str], org: str | None = None) -> Person:
    await admin.made("/users", {"id": name, "username": name, "password": PASSWORD, "roles": roles, "org_id": org})
    return await plane.log_in(name, PASSWORD)


async def town(admin: Person) -> None:
    root = (await admin.get("/orgs")).json()["items"][0]["id"]
    await admin.made("/orgs", {"id": "town", "name": "镇", "level": "township", "parent_id": root})


async def test_an_account_is_made_shown_changed_and_removed(plane: Plane, admin: Person) -> None:
    li = await person(plane, admin, "li", ["viewer"])
    shown = await admin.get("/users/li")
    assert shown.json()["roles"] == ["viewer"]
    assert "argon2" not in shown.text
    assert PASSWORD not in shown.text
    assert (await admin.patch("/users/li", {"display_name": "李"})).json()["display_name"] == "李"
    assert (await admin.delete("/users/li")).status_code == 204
    assert (await li.get("/auth/me")).status_code == 401
    assert (await admin.get("/users/li")).status_code == 404


async def test_names_and_ids_are_unique(plane: Plane, admin: Person) -> None:
    await person(plane, admin, "li", [])
    same_name = await admin.post("/users", {"username": "LI", "password": PASSWORD, "roles": []})
    assert (same_name.status_code, same_name.json()["code"]) == (409, "duplicate_username")
    same_id = await admin.post("/users", {"id": "li", "username": "li2", "password": PASSWORD, "roles": []})
    assert (same_id.status_code, same_id.json()["code"]) == (409, "duplicate_id")


async def test_disabling_ends_every_token_at_once(plane: Plane, admin: Person) -> None:
    li = await person(plane, admin, "li", ["viewer"])
    await admin.patch("/users/li", {"enabled": False})
    assert (await li.get("/auth/me")).status_code == 401
    refused = await plane.client.post("/api/v1/auth/login", json={"username": "li", "password": PASSWORD})
    assert refused.status_code == 401


async def test_a_security_administrator_hands_out_watching_but_not_auditing(plane: Plane, admin: Person) -> None:
    zhao = await person(plane, admin, "zhao", ["security-admin"])
    await zhao.made("/users", {"username": "guard", "password": PASSWORD, "roles": ["operator"]})
    for role in ("auditor", "admin", "system-admin"):
        answer = await zhao.post("/users", {"username": "eve", "password": PASSWORD, "roles": [role]})
        assert (answer.status_code, answer.json()["code"]) == (403, "role_not_grantable")
    touched = await zhao.patch("/users/admin", {"password": "Taken-over-99"})
    assert touched.status_code == 403
    for own in ({"roles": ["security-admin", "retriever"]}, {"roles": ["operator"]}):
        answer = await zhao.patch("/users/zhao", own)
        assert (answer.status_code, answer.json()["code"]) == (403, "role_not_grantable")
    assert (await zhao.patch("/users/zhao", {"roles": ["security-admin"], "display_name": "赵"})).status_code == 200


async def test_a_township_administrator_cannot_reach_outside(plane: Plane, admin: Person) -> None:
    await town(admin)
    qian = await person(plane, admin, "qian", ["security-admin"], "town")
    await person(plane, admin, "county-guard", ["viewer"])
    for user_id in ("county-guard", "nobody"):
        for answer in (await qian.get(f"/users/{user_id}"), await qian.patch(f"/users/{user_id}", {"enabled": False})):
            assert (answer.status_code, answer.json()["code"]) == (404, "unknown_user")
    assert (await qian.post("/users", {"username": "x", "password": PASSWORD})).status_code == 403
    assert [user["id"] for user in (await qian.get("/users")).json()["items"]] == ["qian"]


@pytest.mark.parametrize("change", [{"enabled": False}, {"roles": ["viewer"]}])
async def test_the_last_administrator_stays(admin: Person, change: dict[str, object]) -> None:
    answer = await admin.patch("/users/admin", change)
    assert answer.status_code == 409
    assert (await admin.get("/auth/me")).json()["roles"] == ["admin"]


async def test_nobody_removes_oneself(admin: Person) -> None:
    answer = await admin.delete("/users/admin")
    assert (answer.status_code, answer.json()["code"]) == (409, "not_yourself")


async def test_unknown_roles_are_refused(admin: Person) -> None:
    answer = await admin.post("/users", {"username": "x", "password": PASSWORD, "roles": ["king"]})
    assert (answer.status_code, answer.json()["code"]) == (400, "unknown_role")


async def test_roles_are_listed_in_ones_language(admin: Person) -> None:
    roles = {role["id"]: role for role in (await admin.get("/roles")).json()["items"]}
    assert roles["auditor"]["name"] == "审计管理员"
    assert "replay.download" not in roles["operator"]["verbs"]
    assert "replay.download" in roles["retriever"]["verbs"]


async def test_a_grant_on_one_camera_opens_that_camera_only(plane: Plane, admin: Person) -> None:
    await town(admin)
    for number in (1, 2):
        url = f"rtsp://10.0.0.{number}/1"
        await admin.made("/cameras", {"id": f"cam-{number}", "name": "c", "org_id": "town", "source_url": url})
    guest = await person(plane, admin, "guest", [])
    assert (await guest.get("/cameras")).status_code == 403
    granted = await admin.put("/users/guest/camera-grants/cam-1", {"verbs": ["live.view"]})
    assert [grant["verb"] for grant in granted.json()["items"]] == ["live.view"]
    assert [camera["id"] for camera in (await guest.get("/cameras")).json()["items"]] == ["cam-1"]
    assert (await guest.get("/cameras/cam-2")).status_code == 404
    assert (await admin.delete("/users/guest/camera-grants/cam-1")).status_code == 204
    assert (await guest.get("/cameras/cam-1")).status_code == 403
    assert (await admin.delete("/users/guest/camera-grants/cam-1")).status_code == 404


async def test_a_grant_ends_by_itself(plane: Plane, admin: Person) -> None:
    await town(admin)
    await admin.made("/cameras", {"id": "cam-1", "name": "c", "org_id": "town", "source_url": "rtsp://10.0.0.1/1"})
    guest = await person(plane, admin, "guest", [])
    await admin.put(
        "/users/guest/camera-grants/cam-1", {"verbs": ["camera.read"], "expires_at": "2027-01-15T09:00:00Z"}
    )
    assert (await guest.get("/cameras/cam-1")).status_code == 200
    plane.clock.advance(14 * 60)
    before = plane.clock.wall_us()
    plane.clock.step_wall(0)
    assert plane.clock.wall_us() == before
    await admin.put(
        "/users/guest/camera-grants/cam-1", {"verbs": ["camera.read"], "expires_at": "2020-01-01T00:00:00Z"}
    )
    assert (await guest.get("/cameras/cam-1")).status_code == 403


async def test_only_camera_verbs_are_granted_by_camera(admin: Person) -> None:
    answer = await admin.put("/users/admin/camera-grants/cam-1", {"verbs": ["user.manage"]})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_value")
