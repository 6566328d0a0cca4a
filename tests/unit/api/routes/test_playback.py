"""Replay: reason first, then a grant, then bytes; looking and taking away apart."""

from typing import Any

import pytest
from fastapi import Response

from api.services.playback import IDLE_US, LIFETIME_US
from tests.fakes.control import Person, Plane, eventually

PASSWORD = "Village-watch-3"
DAY = {"start": "2027-01-15T00:00:00Z", "end": "2027-01-15T08:00:00Z"}
HOUR = {"start": "2027-01-15T06:00:00Z", "end": "2027-01-15T07:00:00Z"}


@pytest.fixture
async def county(plane: Plane, admin: Person) -> Person:
    root = (await admin.get("/orgs")).json()["items"][0]["id"]
    for number, org in enumerate(("town", "other"), start=1):
        await admin.made("/orgs", {"id": org, "name": org, "level": "township", "parent_id": root})
        body = {"id": f"cam-{number}", "name": "c", "org_id": org, "source_url": f"rtsp://10.0.0.{number}/1"}
        await admin.made("/cameras", body)
    for name, role in (("wang", "operator"), ("liu", "retriever"), ("li", "viewer")):
        await admin.made(
            "/users", {"id": name, "username": name, "password": PASSWORD, "roles": [role], "org_id": "town"}
        )
    headers = {"ETag": '"e1"', "Accept-Ranges": "bytes", "Content-Range": "bytes 0-3/10", "X-Private": "no"}
    plane.replay.answers["/playback.mp4"] = Response(b"moov", 206, headers, media_type="video/mp4")
    plane.replay.answers["/playback.m3u8"] = Response("#EXTM3U\n", 200, media_type="application/vnd.apple.mpegurl")
    plane.replay.answers["/segments/"] = Response(b"moof", 200, media_type="video/mp4")
    return admin


async def grant(person: Person, **more: Any) -> dict[str, Any]:
    body = {"camera_ids": ["cam-1"], **DAY, "reason": "寻找走失老人", "case_no": "A-17", "unit": "派出所", **more}
    made: dict[str, Any] = await person.made("/playback-grants", body)
    person.client.cookies.clear()
    return made


async def actions(admin: Person) -> list[str]:
    rows = (await admin.get("/audit", params={"action": "replay"})).json()["items"]
    return [row["action"] for row in reversed(rows)]


async def test_without_a_reason_there_is_no_grant_and_without_a_grant_no_byte(plane: Plane, county: Person) -> None:
    wang = await plane.log_in("wang", PASSWORD)
    for reason in ({}, {"reason": "  "}):
        answer = await wang.post("/playback-grants", {"camera_ids": ["cam-1"], **DAY, **reason})
        assert (answer.status_code, answer.json()["code"]) == (403, "reason_required")
    for path in ("playback.m3u8", "playback.mp4"):
        answer = await wang.get(f"/cameras/cam-1/{path}", params=HOUR)
        assert (answer.status_code, answer.json()["code"]) == (403, "reason_required")
        nobody = await plane.client.get(f"/api/v1/cameras/cam-1/{path}", params=HOUR)
        assert nobody.status_code == 401
    assert plane.replay.asked == []


async def test_a_grant_opens_the_playlist_without_a_token_and_is_audited_first(plane: Plane, county: Person) -> None:
    wang = await plane.log_in("wang", PASSWORD)
    made = await grant(wang)
    seen: list[list[str]] = []

    async def look() -> None:
        seen.append(await actions(county))

    plane.replay.before_answer = [look]
    answer = await plane.client.get("/api/v1/cameras/cam-1/playback.m3u8", params={**HOUR, "grant": made["grant"]})
    assert (answer.status_code, answer.text) == (200, "#EXTM3U\n")
    assert seen == [["replay.grant", "replay.open"]]
    _, path, params = plane.replay.asked[0]
    assert path == "/playback.m3u8"
    assert params["base"] == "/api/v1/cameras/cam-1/segments"
    assert f"grant={made['grant']}" in params["query"]
    part = await plane.client.get(
        "/api/v1/cameras/cam-1/segments/v1/00-17.mp4", params={**HOUR, "grant": made["grant"]}
    )
    assert (part.status_code, part.content) == (200, b"moof")
    assert await actions(county) == ["replay.grant", "replay.open"], "one row for one look, not one for every segment"


async def test_key_pictures_are_looked_at_under_the_same_grant_and_view(plane: Plane, county: Person) -> None:
    wang = await plane.log_in("wang", PASSWORD)
    params = {**HOUR, "grant": (await grant(wang))["grant"]}
    base = "/api/v1/cameras/cam-1"
    listed = await plane.client.get(f"{base}/playback.m3u8", params={**params, "keys": "1"})
    shown = await plane.client.get(f"{base}/segments/v1/17.keys.mp4", params={**params, "ticks": "0-900"})
    begun = await plane.client.get(f"{base}/segments/v1/17.keys.mp4", params=params)
    assert [answer.status_code for answer in (listed, shown, begun)] == [200, 200, 200]
    asked = [(path, query.get("keys"), query.get("ticks")) for _, path, query in plane.replay.asked]
    keys = "/segments/v1/17.keys.mp4"
    assert asked == [("/playback.m3u8", "true", None), (keys, None, "0-900"), (keys, None, None)]
    assert await actions(county) == ["replay.grant", "replay.open"]
    wider = {**params, "start": "2027-01-15T05:00:00Z", "end": "2027-01-15T09:00:00Z", "ticks": "0-900"}
    assert (await plane.client.get(f"{base}/segments/v1/17.keys.mp4", params=wider)).json()["code"] == "outside_grant"
    for nonsense in ("0-", "../etc", "9" * 19 + "-1"):
        answer = await plane.client.get(f"{base}/segments/v1/17.keys.mp4", params={**params, "ticks": nonsense})
        assert answer.status_code in (400, 422)
    nobody = await plane.client.get(f"{base}/segments/v1/17.keys.mp4", params=HOUR)
    assert nobody.status_code == 401
    assert len(plane.replay.asked) == 3


async def test_looking_is_not_taking_away(plane: Plane, county: Person) -> None:
    wang, liu = await plane.log_in("wang", PASSWORD), await plane.log_in("liu", PASSWORD)
    looked = await wang.get("/cameras/cam-1/playback.mp4", params={**HOUR, "grant": (await grant(wang))["grant"]})
    assert (looked.status_code, looked.json()["code"]) == (403, "denied")
    params = {**HOUR, "grant": (await grant(liu))["grant"]}
    taken = await liu.get("/cameras/cam-1/playback.mp4", params=params, headers={"Range": "bytes=0-3"})
    assert (taken.status_code, taken.content) == (206, b"moov")
    assert (taken.headers["etag"], taken.headers["content-range"]) == ('"e1"', "bytes 0-3/10")
    assert "x-private" not in taken.headers
    assert (await actions(county))[-1] == "replay.download"
    narrow = await grant(liu, verb="replay.view")
    assert (await liu.get("/cameras/cam-1/playback.mp4", params={**HOUR, "grant": narrow["grant"]})).status_code == 403


async def test_a_grant_is_bound_to_camera_range_and_person(plane: Plane, county: Person) -> None:
    wang, liu = await plane.log_in("wang", PASSWORD), await plane.log_in("liu", PASSWORD)
    token = (await grant(wang, **HOUR))["grant"]
    cases = [
        (wang, "cam-2", HOUR, "grant_invalid"),
        (wang, "cam-1", {"start": "2027-01-15T05:00:00Z", "end": "2027-01-15T06:30:00Z"}, "outside_grant"),
        (liu, "cam-1", HOUR, "grant_invalid"),
    ]
    for person, camera, span, code in cases:
        answer = await person.get(f"/cameras/{camera}/playback.m3u8", params={**span, "grant": token})
        assert (answer.status_code, answer.json()["code"]) == (403, code)
    bad = await plane.client.get("/api/v1/cameras/cam-1/playback.m3u8", params={"grant": token[:-1] + "x"})
    assert (bad.status_code, bad.json()["code"]) == (403, "grant_invalid")
    assert plane.replay.asked == []


async def test_a_camera_outside_the_subtree_is_not_granted(plane: Plane, county: Person) -> None:
    wang, li = await plane.log_in("wang", PASSWORD), await plane.log_in("li", PASSWORD)
    body = {"camera_ids": ["cam-1", "cam-2"], **DAY, "reason": "x"}
    for camera_ids in (["cam-1", "cam-2"], ["cam-1", "nothing"], ["nothing"]):
        answer = await wang.post("/playback-grants", {**body, "camera_ids": camera_ids})
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown_camera")
    assert (await li.post("/playback-grants", {**body, "camera_ids": ["cam-1"]})).status_code == 403


async def test_a_grant_slides_while_used_and_dies_unused(plane: Plane, county: Person) -> None:
    wang = await plane.log_in("wang", PASSWORD)
    token = (await grant(wang))["grant"]
    params = {**HOUR, "grant": token}
    for _ in range(4):
        plane.clock.advance(IDLE_US / 1e6 * 0.6)
        assert (await plane.client.get("/api/v1/cameras/cam-1/playback.m3u8", params=params)).status_code == 200
    plane.clock.advance(IDLE_US / 1e6 + 1)
    gone = await plane.client.get("/api/v1/cameras/cam-1/playback.m3u8", params=params)
    assert (gone.status_code, gone.json()["code"]) == (403, "grant_invalid")


async def test_a_grant_does_not_live_for_ever(plane: Plane, county: Person) -> None:
    wang = await plane.log_in("wang", PASSWORD)
    params = {**HOUR, "grant": (await grant(wang))["grant"]}
    statuses = []
    for _ in range(int(LIFETIME_US / (IDLE_US * 0.6)) + 2):
        plane.clock.advance(IDLE_US / 1e6 * 0.6)
        statuses.append((await plane.client.get("/api/v1/cameras/cam-1/playback.m3u8", params=params)).status_code)
    assert statuses[0] == 200
    assert statuses[-1] == 403


@pytest.mark.parametrize("change", [{"enabled": False}, {"roles": ["viewer"]}])
async def test_withdrawing_the_right_ends_the_grant_and_writes_the_end(
    plane: Plane, county: Person, change: Any
) -> None:
    wang = await plane.log_in("wang", PASSWORD)
    params = {**HOUR, "grant": (await grant(wang))["grant"]}
    assert (await plane.client.get("/api/v1/cameras/cam-1/playback.m3u8", params=params)).status_code == 200
    await county.patch("/users/wang", change)
    assert (await plane.client.get("/api/v1/cameras/cam-1/playback.m3u8", params=params)).status_code == 403

    async def ended() -> bool:
        return "replay.end" in await actions(county)

    await eventually(ended)


async def test_a_view_left_alone_gets_its_end(plane: Plane, county: Person) -> None:
    wang = await plane.log_in("wang", PASSWORD)
    params = {**HOUR, "grant": (await grant(wang))["grant"]}
    await plane.client.get("/api/v1/cameras/cam-1/playback.m3u8", params=params)
    plane.clock.advance(61)

    async def ended() -> bool:
        return (await actions(county))[-1] == "replay.end"

    await eventually(ended)


async def test_the_cookie_carries_the_grant_for_the_console(plane: Plane, county: Person) -> None:
    wang = await plane.log_in("wang", PASSWORD)
    made = await wang.post("/playback-grants", {"camera_ids": ["cam-1"], **DAY, "reason": "x"})
    cookie = made.headers["set-cookie"]
    for part in ("xy_grant=", "HttpOnly", "Path=/api/v1/cameras", "SameSite=strict"):
        assert part in cookie
    answer = await plane.client.get("/api/v1/cameras/cam-1/playback.m3u8", params=HOUR)
    assert answer.status_code == 200
    assert "grant=" not in plane.replay.asked[0][2]["query"], "a cookie is not copied into addresses"


async def test_ones_own_grant_is_ended_by_hand_and_listed_in_the_register(plane: Plane, county: Person) -> None:
    wang, liu = await plane.log_in("wang", PASSWORD), await plane.log_in("liu", PASSWORD)
    made = await grant(wang)
    assert (await liu.delete(f"/playback-grants/{made['id']}")).status_code == 404
    assert (await wang.delete(f"/playback-grants/{made['id']}")).status_code == 204
    params = {**HOUR, "grant": made["grant"]}
    assert (await plane.client.get("/api/v1/cameras/cam-1/playback.m3u8", params=params)).status_code == 403
    mine = (await wang.get("/playback-grants")).json()["items"]
    assert [(row["reason"], row["case_no"], row["camera_ids"]) for row in mine] == [("寻找走失老人", "A-17", ["cam-1"])]
    assert (await liu.get("/playback-grants")).json()["items"] == []
    assert len((await county.get("/playback-grants")).json()["items"]) == 1
    assert made["grant"] not in (await county.get("/playback-grants")).text


@pytest.mark.parametrize(
    ("start", "end", "code"),
    [
        ("2027-01-15T07:00:00Z", "2027-01-15T06:00:00Z", "invalid_range"),
        ("2027-01-15T07:00:00Z", "2027-01-15T07:00:00Z", "invalid_range"),
        ("2017-01-15T07:00:00Z", "2027-01-15T07:00:00Z", "range_too_long"),
        ("2028-01-15T07:00:00Z", "2028-01-15T08:00:00Z", "range_in_future"),
        ("0001-01-01T00:00:00+14:00", "2027-01-15T08:00:00Z", "invalid_range"),
        ("9999-12-31T23:59:59-14:00", "9999-12-31T23:59:59-15:00", "invalid_range"),
    ],
)
async def test_absurd_ranges_are_refused_everywhere(
    plane: Plane, county: Person, start: str, end: str, code: str
) -> None:
    listed = await county.get("/recordings", params={"camera_id": "cam-1", "start": start, "end": end})
    assert (listed.status_code, listed.json()["code"]) == (400, code)
    made = await county.post("/playback-grants", {"camera_ids": ["cam-1"], "start": start, "end": end, "reason": "x"})
    assert (made.status_code, made.json()["code"]) == (400, code)


async def test_refusals_of_replay_keep_their_spans(plane: Plane, county: Person) -> None:
    body = '{"code":"several_configurations","detail":"x","spans":[{"start":"a","end":"b"}]}'
    plane.replay.answers["/playback.mp4"] = Response(body, 409, media_type="application/problem+json")
    answer = await county.get("/cameras/cam-1/playback.mp4", params={**HOUR, "grant": (await grant(county))["grant"]})
    assert (answer.status_code, answer.json()["spans"]) == (409, [{"start": "a", "end": "b"}])


async def test_recordings_calendar_and_storage_are_narrowed_to_ones_rights(plane: Plane, county: Person) -> None:
    wang = await plane.log_in("wang", PASSWORD)
    plane.replay.answers["/recordings"] = Response('{"spans":[]}', 200, media_type="application/json")
    plane.replay.answers["/calendar"] = Response('{"days":[1]}', 200, media_type="application/json")
    storage = '{"volumes":[{"id":"v"}],"cameras":[{"camera_id":"cam-1"},{"camera_id":"cam-2"},{"camera_id":"gone"}]}'
    plane.replay.answers["/storage"] = Response(storage, 200, media_type="application/json")
    assert (await wang.get("/recordings", params={"camera_id": "cam-1", **HOUR})).json() == {"spans": []}
    assert (await wang.get("/recordings", params={"camera_id": "cam-2", **HOUR})).status_code == 404
    assert (await wang.get("/recordings/calendar", params={"camera_id": "cam-1", "month": "2027-01"})).json() == {
        "days": [1]
    }
    assert [row["camera_id"] for row in (await wang.get("/storage")).json()["cameras"]] == ["cam-1"]
    assert [row["camera_id"] for row in (await county.get("/storage")).json()["cameras"]] == ["cam-1", "cam-2", "gone"]
