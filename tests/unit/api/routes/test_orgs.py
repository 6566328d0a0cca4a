"""The organisation tree over HTTP."""

from tests.fakes.control import Person, Plane


async def tree(admin: Person) -> str:
    root: str = (await admin.get("/orgs")).json()["items"][0]["id"]
    await admin.made("/orgs", {"id": "east", "name": "东镇", "level": "township", "parent_id": root})
    await admin.made("/orgs", {"id": "east-1", "name": "一村", "level": "village", "parent_id": "east"})
    await admin.made("/orgs", {"id": "west", "name": "西镇", "level": "township", "parent_id": root})
    return root


async def test_the_tree_is_listed_parents_first_in_pages(admin: Person) -> None:
    root = await tree(admin)
    first = (await admin.get("/orgs", params={"limit": 2})).json()
    assert [org["id"] for org in first["items"]] == [root, "east"]
    rest = (await admin.get("/orgs", params={"limit": 2, "cursor": first["next_cursor"]})).json()
    assert [org["id"] for org in rest["items"]] == ["east-1", "west"]
    assert rest["next_cursor"] is None


async def test_counts_add_up_the_subtree(plane: Plane, admin: Person) -> None:
    root = await tree(admin)
    for number, org in enumerate(("east", "east-1", "west")):
        url = f"rtsp://10.0.0.{number + 1}/1"
        await admin.made("/cameras", {"id": f"c{number}", "name": "c", "org_id": org, "source_url": url})
    plane.state.reported = {"c1": {"state": "online"}, "c2": {"state": "offline"}}
    counts = {
        org["id"]: (org["cameras_total"], org["cameras_online"]) for org in (await admin.get("/orgs")).json()["items"]
    }
    assert counts == {root: (3, 1), "east": (2, 1), "east-1": (1, 1), "west": (1, 0)}


async def test_the_same_id_twice_is_a_conflict(admin: Person) -> None:
    await tree(admin)
    again = await admin.post("/orgs", {"id": "east", "name": "又", "level": "county"})
    assert (again.status_code, again.json()["code"]) == (409, "duplicate_id")


async def test_levels_go_down(admin: Person) -> None:
    root = await tree(admin)
    for body in (
        {"name": "x", "level": "village"},
        {"name": "x", "level": "county", "parent_id": root},
        {"name": "x", "level": "township", "parent_id": "east-1"},
    ):
        answer = await admin.post("/orgs", body)
        assert (answer.status_code, answer.json()["code"]) == (400, "org_level")


async def test_an_unknown_parent_is_named(admin: Person) -> None:
    answer = await admin.post("/orgs", {"name": "x", "level": "village", "parent_id": "nowhere"})
    assert (answer.status_code, answer.json()["code"]) == (400, "unknown_org")


async def test_renaming_and_removing(admin: Person) -> None:
    await tree(admin)
    renamed = await admin.patch("/orgs/west", {"name": "新西镇"})
    assert renamed.json()["name"] == "新西镇"
    assert (await admin.delete("/orgs/east")).json()["code"] == "org_not_empty"
    assert (await admin.delete("/orgs/west")).status_code == 204
    assert (await admin.get("/orgs/west")).status_code == 404


async def test_somebody_of_a_township_sees_and_touches_only_the_township(plane: Plane, admin: Person) -> None:
    root = await tree(admin)
    account = {"username": "wang", "password": "Wang-pass-77", "org_id": "east", "roles": ["system-admin"]}
    await admin.made("/users", account)
    wang = await plane.log_in("wang", "Wang-pass-77")
    assert [org["id"] for org in (await wang.get("/orgs")).json()["items"]] == ["east", "east-1"]
    for answer in (
        await wang.get("/orgs/west"),
        await wang.get("/orgs/no-such"),
        await wang.get(f"/orgs/{root}"),
        await wang.patch("/orgs/west", {"name": "x"}),
    ):
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown_org")
    assert (await wang.post("/orgs", {"name": "x", "level": "county"})).status_code == 403
    for parent in ("west", "no-such"):
        answer = await wang.post("/orgs", {"name": "x", "level": "village", "parent_id": parent})
        assert (answer.status_code, answer.json()["code"]) == (400, "unknown_org")
    await wang.made("/orgs", {"id": "east-2", "name": "二村", "level": "village", "parent_id": "east"})
