"""Rooms: made, planned, listed, joined by members and guests, ended."""

from typing import Any

import pytest

from tests.fakes.control import Person, Plane

PASSWORD = "Village-watch-3"
TUESDAY, WEDNESDAY = "2027-02-02T01:00:00Z", "2027-02-03T01:00:00Z"


@pytest.fixture
async def county(admin: Person) -> Person:
    """A county with two townships: `li` and `wang` in town, `zhao` elsewhere, `zhen` on duty in town."""
    root = (await admin.get("/orgs")).json()["items"][0]["id"]
    for org in ("town", "other"):
        await admin.made("/orgs", {"id": org, "name": f"{org}镇", "level": "township", "parent_id": root})
    for name, org, role in (
        ("li", "town", "viewer"), ("wang", "town", "viewer"), ("zhao", "other", "viewer"), ("zhen", "town", "operator"),
    ):  # fmt: skip
        account = {"id": name, "username": name, "password": PASSWORD, "display_name": f"{name}先生"}
        await admin.made("/users", {**account, "roles": [role], "org_id": org})
    return admin


async def make(person: Person, **more: Any) -> Any:
    return await person.made("/rooms", {"id": "r1", "name": "推进会", "org_id": "town", **more})


async def actions(admin: Person, prefix: str) -> list[str]:
    rows = (await admin.get("/audit", params={"action": prefix})).json()["items"]
    return [row["action"] for row in reversed(rows)]


async def test_a_meeting_is_made_with_members_and_shown_with_names(plane: Plane, county: Person) -> None:
    members = [{"user_id": "li", "role": "speaker"}, {"org_id": "other"}]
    room = await make(county, starts_at=TUESDAY, duration_minutes=90, members=members, speech="floor", lobby=True)
    assert (room["state"], room["ends_at"]) == ("scheduled", "2027-02-02T02:30:00.000Z")
    assert [(m["name"], m["role"]) for m in room["members"]] == [("li先生", "speaker"), ("other镇", "attendee")]
    assert room["role"] == "chair"
    assert len(room["passcode"]) == 6
    assert room["invite_url"].startswith("http://hub/#/join/r1?invite=")
    assert room["warnings"] == []
    assert (await county.get("/rooms/r1")).json()["passcode"] == room["passcode"]
    assert (await county.post("/rooms", {"id": "r1", "name": "x"})).json()["code"] == "duplicate_id"
    assert await actions(county, "room") == ["room.create"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"name": ""}, "invalid_body"),
        ({"name": "  \n "}, "invalid_body"),
        ({"name": "x", "kind": "call"}, "invalid_body"),
        ({"name": "x", "org_id": "nowhere"}, "unknown_org"),
        ({"name": "x", "members": [{"user_id": "nobody"}]}, "unknown_user"),
        ({"name": "x", "members": [{"org_id": "nowhere"}]}, "unknown_org"),
        ({"name": "x", "members": [{}]}, "invalid_body"),
        ({"name": "x", "members": [{"user_id": "li", "org_id": "town"}]}, "invalid_body"),
        ({"name": "x", "starts_at": "0001-01-01T00:00:00Z"}, "invalid_body"),
        ({"name": "x", "starts_at": "2027-01-01T00:00:00"}, "invalid_body"),
        ({"name": "x", "duration_minutes": 10**9}, "invalid_body"),
        ({"name": "x", "passcode": "12a4"}, "invalid_body"),
    ],
)
async def test_what_cannot_be_is_refused_and_nothing_made(plane: Plane, county: Person, body: Any, code: str) -> None:
    assert (await county.post("/rooms", body)).json()["code"] == code
    assert (await county.get("/rooms")).json()["items"] == []


async def test_who_may_not_manage_makes_no_room_and_a_township_only_its_own(plane: Plane, county: Person) -> None:
    li, zhen = await plane.log_in("li", PASSWORD), await plane.log_in("zhen", PASSWORD)
    assert (await li.post("/rooms", {"name": "x"})).status_code == 403
    assert (await zhen.post("/rooms", {"name": "x", "org_id": "other"})).json()["code"] == "unknown_org"
    assert (await zhen.post("/rooms", {"id": "mine", "name": "x"})).json()["org_id"] == "town"


async def test_a_member_who_is_expected_elsewhere_is_a_warning(plane: Plane, county: Person) -> None:
    await make(
        county, id="first", starts_at=TUESDAY, duration_minutes=60, members=[{"user_id": "li"}, {"org_id": "other"}]
    )
    wanted = {
        "starts_at": "2027-02-02T01:30:00Z",
        "members": [{"user_id": "li"}, {"user_id": "zhao"}, {"user_id": "wang"}],
    }
    clashing = await make(county, id="second", **wanted)
    assert [(w["user_id"], w["name"], w["room_id"]) for w in clashing["warnings"]] == [
        ("li", "li先生", "first"), ("zhao", "zhao先生", "first"),
    ]  # fmt: skip
    later = await county.patch("/rooms/second", {"starts_at": WEDNESDAY})
    assert later.json()["warnings"] == []
    zhen = await plane.log_in("zhen", PASSWORD)
    named = await make(zhen, id="third", starts_at=TUESDAY, members=[{"org_id": "town"}])
    assert [(w["org_id"], w["room_id"]) for w in named["warnings"]] == [("town", "first")]


async def test_a_list_shows_what_one_belongs_to_or_manages(plane: Plane, county: Person) -> None:
    await make(county, id="listed", members=[{"user_id": "li"}])
    await make(county, id="tree", members=[{"org_id": "other"}])
    await make(county, id="open")
    people = {name: await plane.log_in(name, PASSWORD) for name in ("li", "wang", "zhao", "zhen")}

    async def seen(name: str) -> list[str]:
        return sorted(room["id"] for room in (await people[name].get("/rooms")).json()["items"])

    assert await seen("li") == ["listed", "open"]
    assert await seen("wang") == ["open"]
    assert await seen("zhao") == ["tree"]
    assert await seen("zhen") == ["listed", "open", "tree"]
    assert (await people["wang"].get("/rooms/listed")).json()["code"] == "unknown_room"
    shown = (await people["li"].get("/rooms/listed")).json()
    assert (shown["passcode"], shown["invite_url"], shown["may_lead"]) == (None, None, False)
    assert (await people["li"].get("/rooms/listed/invite")).json()["code"] == "not_chair"


async def test_a_room_does_not_open_when_its_last_member_is_removed(plane: Plane, county: Person) -> None:
    await make(county, id="small", members=[{"user_id": "li"}])
    wang = await plane.log_in("wang", PASSWORD)
    assert (await county.delete("/rooms/small/members/user/li")).status_code == 204
    assert (await wang.get("/rooms/small")).json()["code"] == "unknown_room"
    assert (await wang.get("/rooms")).json()["items"] == []
    assert (await county.call("PATCH", "/rooms/small", json={"members": []})).json()["for_everybody"] is False
    assert (await county.call("PATCH", "/rooms/small", json={"for_everybody": True})).status_code == 200
    assert (await wang.get("/rooms/small")).json()["for_everybody"] is True


async def test_a_room_for_everybody_is_for_its_members_once_it_has_some(plane: Plane, county: Person) -> None:
    await make(county, id="hall")
    wang = await plane.log_in("wang", PASSWORD)
    assert (await wang.get("/rooms/hall")).status_code == 200
    await county.post("/rooms/hall/members", {"user_id": "li"})
    assert (await wang.get("/rooms/hall")).json()["code"] == "unknown_room"
    both = await make(county, id="both", members=[{"user_id": "li"}], for_everybody=True)
    assert both["for_everybody"] is True
    assert (await wang.get("/rooms/both")).status_code == 200


async def test_a_list_is_narrowed_and_goes_on(plane: Plane, county: Person) -> None:
    for number in range(5):
        await make(county, id=f"m{number}", starts_at=f"2027-02-0{number + 1}T01:00:00Z", duration_minutes=30)
    await make(county, id="always")
    await county.post("/rooms/m4/end")

    async def ids(**params: str) -> list[str]:
        return [room["id"] for room in (await county.get("/rooms", params=params)).json()["items"]]

    assert await ids(state="ended") == ["m4"]
    assert await ids(state="scheduled") == ["m3", "m2", "m1", "m0"]
    span = {"from": "2027-02-02T00:00:00Z", "to": "2027-02-03T00:00:00Z"}
    assert await ids(**span) == ["m1", "always"]
    assert await ids(org_id="other") == []
    first = (await county.get("/rooms", params={"limit": 4})).json()
    rest = (await county.get("/rooms", params={"limit": 4, "cursor": first["next_cursor"]})).json()
    assert [room["id"] for room in first["items"] + rest["items"]] == ["m4", "m3", "m2", "m1", "m0", "always"]
    assert rest["next_cursor"] is None
    assert (await county.get("/rooms", params={"cursor": "eHg"})).json()["code"] == "invalid_cursor"


async def test_a_meeting_is_changed_by_who_manages_it_and_ended_by_who_leads_it(plane: Plane, county: Person) -> None:
    await make(county, members=[{"user_id": "li", "role": "chair"}, {"user_id": "wang"}])
    li, wang = await plane.log_in("li", PASSWORD), await plane.log_in("wang", PASSWORD)
    changed = await county.patch(
        "/rooms/r1", {"name": "改期", "locked": True, "members": [{"user_id": "li", "role": "chair"}]}
    )
    assert (changed.json()["name"], changed.json()["locked"], changed.json()["version"]) == ("改期", True, 2)
    assert (await li.patch("/rooms/r1", {"name": "x"})).status_code == 403
    assert (await wang.post("/rooms/r1/end")).status_code == 404
    assert (await li.post("/rooms/r1/members", {"user_id": "wang"})).status_code == 201
    assert (await wang.post("/rooms/r1/end")).json()["code"] == "not_chair"
    assert (await li.delete("/rooms/r1/members/user/wang")).status_code == 204
    ended = await li.post("/rooms/r1/end")
    assert (ended.status_code, ended.json()["state"]) == (200, "ended")
    assert (await li.post("/rooms/r1/end")).status_code == 200
    assert (await county.patch("/rooms/r1", {"name": "x"})).json()["code"] == "room_ended"
    assert (await li.post("/rooms/r1/join", {})).json()["code"] == "room_ended"
    wanted = ["room.create", "room.change", "room.member", "room.member_removed", "room.end"]
    assert await actions(county, "room") == wanted


async def test_members_come_in_by_log_in_each_time_as_another_participant(plane: Plane, county: Person) -> None:
    await make(county, members=[{"user_id": "li", "role": "speaker"}])
    li, wang = await plane.log_in("li", PASSWORD), await plane.log_in("wang", PASSWORD)
    first = (await li.post("/rooms/r1/join", {"venue": "城北村会场", "head_count": 12})).json()
    second = (await li.post("/rooms/r1/join", {"display_name": "李主任"})).json()
    assert (first["role"], first["session_url"]) == ("speaker", "ws://hub/api/v1/session")
    assert first["participant_id"] != second["participant_id"]
    assert first["token"] != second["token"]
    again = (await li.post("/rooms/r1/join", {"participant_id": first["participant_id"]})).json()
    assert again["participant_id"] == first["participant_id"]
    assert (await wang.post("/rooms/r1/join", {})).json()["code"] == "unknown_room"
    assert (await plane.client.post("/api/v1/rooms/r1/join", json={})).json()["code"] == "token_missing"


async def test_nobody_gets_another_persons_seat(plane: Plane, county: Person) -> None:
    await make(county)
    li, wang = await plane.log_in("li", PASSWORD), await plane.log_in("wang", PASSWORD)
    seat = (await li.post("/rooms/r1/join", {})).json()["participant_id"]
    taken = (await wang.post("/rooms/r1/join", {"participant_id": seat})).json()["participant_id"]
    assert taken != seat


async def guest(plane: Plane, link: str, **body: Any) -> Any:
    token = link.partition("invite=")[2]
    wanted = {"display_name": "王婶", "invite": token, **body}
    return await plane.client.post("/api/v1/rooms/r1/join", json=wanted)


async def test_a_guest_comes_in_with_link_passcode_and_name(plane: Plane, county: Person) -> None:
    room = await make(county)
    link = room["invite_url"]
    told = await plane.client.get("/api/v1/rooms/r1/invitation", params={"invite": link.partition("invite=")[2]})
    assert (told.json()["name"], told.json()["org_name"]) == ("推进会", "town镇")
    assert (await plane.client.get("/api/v1/rooms/r1/invitation?invite=x")).json()["code"] == "unknown_room"
    joined = await guest(plane, link, passcode=room["passcode"])
    assert (joined.status_code, joined.json()["role"]) == (200, "attendee")
    assert (await guest(plane, link, passcode=room["passcode"], display_name=" ")).json()["code"] == "name_required"
    assert (await guest(plane, "invite=wrong", passcode=room["passcode"])).json()["code"] == "unknown_room"


async def test_wrong_passcodes_lock_the_invitation_for_that_network(plane: Plane, county: Person) -> None:
    room = await make(county, passcode="4711")
    codes = [(await guest(plane, room["invite_url"], passcode="0000")).json()["code"] for _ in range(6)]
    assert codes == ["wrong_passcode"] * 5 + ["passcode_locked"]
    right = await guest(plane, room["invite_url"], passcode="4711")
    assert (right.status_code, right.json()["code"]) == (429, "passcode_locked")
    assert int(right.headers["retry-after"]) > 500
    plane.clock.advance(11 * 60)
    assert (await guest(plane, room["invite_url"], passcode="4711")).status_code == 200


async def test_a_renewed_invitation_ends_the_old_one(plane: Plane, county: Person) -> None:
    room = await make(county)
    renewed = await county.made("/rooms/r1/invite", {"passcode": "998877"})
    assert renewed["passcode"] == "998877"
    assert (await guest(plane, room["invite_url"], passcode=room["passcode"])).json()["code"] == "unknown_room"
    assert (await guest(plane, renewed["url"], passcode="998877")).status_code == 200
    assert (await county.delete("/rooms/r1/invite")).status_code == 204
    assert (await guest(plane, renewed["url"], passcode="998877")).json()["code"] == "unknown_room"
    assert (await county.get("/rooms/r1/invite")).json()["code"] == "no_invite"


async def test_the_qr_code_is_drawn_here_and_holds_the_link(plane: Plane, county: Person) -> None:
    await make(county)
    picture = await county.get("/rooms/r1/invite.svg", headers={"Host": "xy.example.cn:8443"})
    assert picture.headers["content-type"].startswith("image/svg+xml")
    assert picture.content.startswith(b"<svg")
    link = (await county.get("/rooms/r1/invite", headers={"Host": "xy.example.cn:8443"})).json()["url"]
    assert link.startswith("http://xy.example.cn:8443/#/join/r1?invite=")
    odd = (await county.get("/rooms/r1/invite", headers={"Host": 'x"><script>'})).json()["url"]
    assert odd.startswith("http://localhost/#/join/")


async def test_a_passcode_is_stored_nowhere_in_clear(plane: Plane, county: Person) -> None:
    room = await make(county, passcode="481516")
    token = room["invite_url"].partition("invite=")[2]
    async with plane.ctx.db.read() as connection:
        for table in ("room_invites", "rooms", "audit_log"):
            rows = (await connection.exec_driver_sql(f"SELECT * FROM {table}")).all()
            assert "481516" not in repr(rows)
            assert token not in repr(rows)
