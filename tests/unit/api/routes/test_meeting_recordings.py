"""What was recorded of meetings: who may know, look, take away; bound to the room and to what it showed."""

import json
from dataclasses import replace
from typing import Any

import pytest
from fastapi import Response

from api.db import room_history, seats
from api.db.room_history import EventRow, RoomCameraRow
from api.db.seats import SeatRow
from api.services.meeting_recordings import recording_periods
from media.base.clock import rfc3339
from media.base.ids import SourceId
from recorder.meetings import Part, footage_of
from tests.fakes.control import NOW_US, Person, Plane, eventually

PASSWORD = "Village-watch-3"
SECOND = 1_000_000
BEGAN = NOW_US + 10 * SECOND
ENDED = BEGAN + 600 * SECOND
WHOLE = {"start": rfc3339(BEGAN), "end": rfc3339(ENDED)}
LI = footage_of("r1", SourceId("participant/p-li"), Part.CAMERA)
BASE = "/rooms/r1/recordings"


def seat(room_id: str, participant_id: str, name: str) -> SeatRow:
    return SeatRow(
        room_id=room_id, participant_id=participant_id, user_id=None, login_session_id=None, kind="person",
        role="attendee", display_name=name, venue="城北村", head_count=1, org_id=None, org_name="", is_guest=True,
        created_us=BEGAN,
    )  # fmt: skip


def event(seq: int, at_us: int, kind: str, **data: Any) -> EventRow:
    return EventRow(room_id="r1", seq=seq, at_us=at_us, kind=kind, data=json.dumps({"by": "system", "data": data}))


GATE = RoomCameraRow(
    id="shown-1", room_id="r1", camera_id="gate", camera_name="村口", org_path="/x/", user_id="zhen", username="zhen",
    login_session_id="s", address="", viewers="[]", started_us=BEGAN + 60 * SECOND, ended_us=BEGAN + 120 * SECOND,
    end_reason="hidden",
)  # fmt: skip


@pytest.fixture
async def county(plane: Plane, admin: Person) -> Person:
    """A meeting of town, recorded in its first half: `li` chairs, `wang` and `liu` are members, `zhao` is not."""
    root = (await admin.get("/orgs")).json()["items"][0]["id"]
    for org in ("town", "other"):
        await admin.made("/orgs", {"id": org, "name": org, "level": "township", "parent_id": root})
    people = (
        ("li", "town", "viewer"), ("wang", "town", "viewer"), ("zhen", "town", "operator"), ("liu", "town", "retriever"),
        ("zhao", "other", "retriever"), ("sun", "town", "auditor"),
    )  # fmt: skip
    for name, org, role in people:
        body = {"id": name, "username": name, "password": PASSWORD, "roles": [role], "org_id": org}
        await admin.made("/users", body)
    members = [{"user_id": "li", "role": "chair"}, *({"user_id": name} for name in ("wang", "zhen", "liu"))]
    for room_id in ("r1", "r2"):
        await admin.made("/rooms", {"id": room_id, "name": "推进会", "org_id": "town", "members": members})
    async with plane.ctx.db.write() as connection:
        await seats.put_seat(connection, seat("r1", "p-li", "李主任"))
        await seats.put_seat(connection, seat("r2", "p-wang", "王会计"))
        await room_history.add_camera(connection, GATE)
        half = BEGAN + 300 * SECOND
        events = [event(1, BEGAN, "open", record=True), event(2, half, "record_stop"), event(3, ENDED, "end")]
        await room_history.add_events(connection, events)
    plane.clock.advance(650)
    nothing = {"spans": [], "gaps": [], "codecs": []}
    told = {
        "spans": [[BEGAN + SECOND, BEGAN + 300 * SECOND]],
        "gaps": [[BEGAN - 60 * SECOND, BEGAN + SECOND, "starting"], [ENDED - SECOND, ENDED, "left"]],
        "codecs": ["h264"],
    }
    shown = {"spans": [[GATE.started_us, GATE.ended_us]], "gaps": [], "codecs": ["vp8"]}
    answer = json.dumps([told, nothing, nothing, shown, nothing])
    plane.replay.answers["/summaries"] = Response(answer, 200, media_type="application/json")
    plane.replay.answers["/playback.mp4"] = Response(b"moov", 200, media_type="video/mp4")
    plane.replay.answers["/playback.m3u8"] = Response("#EXTM3U\n", 200, media_type="application/vnd.apple.mpegurl")
    plane.replay.answers["/segments/"] = Response(b"moof", 200, media_type="video/mp4")
    return admin


async def grant(person: Person, **more: Any) -> str:
    made = await person.made("/playback-grants", {"room_id": "r1", **WHOLE, "reason": "核对会议纪要", **more})
    person.client.cookies.clear()
    return str(made["grant"])


async def rows(admin: Person) -> list[dict[str, Any]]:
    return list(reversed((await admin.get("/audit", params={"action": "replay"})).json()["items"]))


async def test_the_tracks_of_a_meeting_are_listed_for_one_player(plane: Plane, county: Person) -> None:
    li = await plane.log_in("li", PASSWORD)
    found = (await li.get(BASE)).json()
    assert (found["start"], found["end"]) == (rfc3339(BEGAN + SECOND), rfc3339(BEGAN + 300 * SECOND))
    person, camera = found["tracks"]
    assert person == {
        "id": LI, "participant_id": "p-li", "name": "李主任", "venue": "城北村", "track": "camera", "codec": "h264",
        "is_playable": True, "playlist_url": f"/api/v1{BASE}/{LI}/playback.m3u8",
        "spans": [{"start": rfc3339(BEGAN + SECOND), "end": rfc3339(BEGAN + 300 * SECOND)}], "gaps": [],
    }  # fmt: skip
    assert (camera["name"], camera["track"], camera["codec"], camera["is_playable"]) == ("村口", "video", "vp8", False)
    asked = [path for _, path, _ in plane.replay.asked]
    assert asked == ["/summaries"]


async def test_nothing_recorded_is_an_empty_list(plane: Plane, county: Person) -> None:
    empty = json.dumps([{"spans": [], "gaps": [], "codecs": []}] * 3)
    plane.replay.answers["/summaries"] = Response(empty, 200, media_type="application/json")
    assert (await county.get("/rooms/r2/recordings")).json() == {"start": None, "end": None, "tracks": []}
    assert (await county.get("/rooms/nowhere/recordings")).json()["code"] == "unknown_room"


@pytest.mark.parametrize(
    ("name", "listed", "looks", "takes"),
    [
        ("li", 200, 201, 403),  # the chair, without any verb of replay
        ("wang", 403, 403, 403),  # a member without replay.view
        ("zhen", 200, 201, 403),  # a member with replay.view
        ("liu", 200, 201, 200),  # a member who may take away
        ("zhao", 404, 404, 403),  # has the verbs, but elsewhere
        ("sun", 200, 403, 403),  # reads records, is no member
    ],
)
async def test_who_may(plane: Plane, county: Person, name: str, listed: int, looks: int, takes: int) -> None:
    person = await plane.log_in(name, PASSWORD)
    assert (await person.get(BASE)).status_code == listed
    answer = await person.post("/playback-grants", {"room_id": "r1", **WHOLE, "reason": "x"})
    plane.client.cookies.clear()
    assert answer.status_code == looks
    params = {**WHOLE, "grant": answer.json().get("grant", "")}
    if looks == 201:
        assert (await person.get(f"{BASE}/{LI}/playback.m3u8", params=params)).status_code == 200
    assert (await person.get(f"{BASE}/{LI}/playback.mp4", params=params)).status_code == takes


async def test_the_reason_comes_first_and_the_audit_names_room_and_people(plane: Plane, county: Person) -> None:
    zhen = await plane.log_in("zhen", PASSWORD)
    refused = await zhen.post("/playback-grants", {"room_id": "r1", **WHOLE, "reason": " "})
    assert (refused.status_code, refused.json()["code"]) == (403, "reason_required")
    assert (await zhen.get(f"{BASE}/{LI}/playback.m3u8", params=WHOLE)).json()["code"] == "reason_required"
    assert (await plane.client.get(f"/api/v1{BASE}/{LI}/playback.m3u8", params=WHOLE)).status_code == 401
    assert plane.replay.asked == []
    token = await grant(zhen)
    looked = await plane.client.get(f"/api/v1{BASE}/{LI}/playback.m3u8", params={**WHOLE, "grant": token})
    assert looked.text == "#EXTM3U\n"
    granted, opened = await rows(county)
    assert (granted["action"], opened["action"]) == ("replay.grant", "replay.open")
    assert granted["target_id"] == opened["target_id"] == "r1"
    assert granted["details"]["participants"] == ["李主任（城北村）", "村口"]
    assert (opened["details"]["name"], opened["details"]["track"]) == ("李主任", "camera")
    _, _, params = plane.replay.asked[-1]
    assert params["camera_id"] == LI
    assert params["base"] == f"/api/v1{BASE}/{LI}/segments"
    part = await plane.client.get(f"/api/v1{BASE}/{LI}/segments/v1/17.mp4", params={**WHOLE, "grant": token})
    assert part.content == b"moof"
    assert len(await rows(county)) == 2, "one row for one look"


async def test_the_cookie_of_a_grant_goes_to_its_room_only(plane: Plane, county: Person) -> None:
    zhen = await plane.log_in("zhen", PASSWORD)
    await zhen.made("/playback-grants", {"room_id": "r1", **WHOLE, "reason": "x"})
    (cookie,) = [each for each in plane.client.cookies.jar if each.name == "xy_grant"]
    assert cookie.path == f"/api/v1{BASE}"
    assert (await plane.client.get(f"/api/v1{BASE}/{LI}/playback.m3u8", params=WHOLE)).status_code == 200
    assert (await plane.client.get("/api/v1/cameras/gate/playback.m3u8", params=WHOLE)).status_code == 401


async def test_a_grant_is_bound_to_room_track_and_range(plane: Plane, county: Person) -> None:
    liu = await plane.log_in("liu", PASSWORD)
    token = await grant(liu)
    other = footage_of("r2", SourceId("participant/p-wang"), Part.CAMERA)
    elsewhere = await liu.get(f"/rooms/r2/recordings/{other}/playback.m3u8", params={**WHOLE, "grant": token})
    assert elsewhere.json()["code"] == "grant_invalid"
    for track in (other, "gate", footage_of("r1", SourceId("participant/p-nobody"), Part.CAMERA)):
        answer = await liu.get(f"{BASE}/{track}/playback.m3u8", params={**WHOLE, "grant": token})
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown_track")
    camera = await liu.get("/cameras/gate/playback.m3u8", params={**WHOLE, "grant": token})
    assert camera.json()["code"] == "grant_invalid"
    wide = {"start": rfc3339(BEGAN - 60 * SECOND), "end": WHOLE["end"], "grant": token}
    assert (await liu.get(f"{BASE}/{LI}/playback.mp4", params=wide)).json()["code"] == "outside_grant"
    zhen = await plane.log_in("zhen", PASSWORD)
    stolen = await zhen.get(f"{BASE}/{LI}/playback.m3u8", params={**WHOLE, "grant": token})
    assert stolen.json()["code"] == "grant_invalid"
    assert plane.replay.asked == []


async def test_a_camera_is_opened_for_the_time_it_was_shown_and_recorded(plane: Plane, county: Person) -> None:
    liu = await plane.log_in("liu", PASSWORD)
    token = await grant(liu)
    track = (await liu.get(BASE)).json()["tracks"][1]["id"]
    assert (await liu.get(f"{BASE}/{track}/playback.m3u8", params={**WHOLE, "grant": token})).status_code == 200
    _, _, params = plane.replay.asked[-1]
    assert params["camera_id"] == "gate"
    assert (params["start"], params["end"]) == (rfc3339(GATE.started_us), rfc3339(BEGAN + 120 * SECOND))
    before = {"start": rfc3339(BEGAN), "end": rfc3339(BEGAN + 30 * SECOND), "grant": token}
    assert (await liu.get(f"{BASE}/{track}/playback.m3u8", params=before)).json()["code"] == "no_footage"


async def test_a_camera_shown_while_nobody_recorded_is_no_track(plane: Plane, county: Person) -> None:
    later = replace(GATE, id="shown-2", started_us=BEGAN + 400 * SECOND, ended_us=BEGAN + 450 * SECOND)
    async with plane.ctx.db.write() as connection:
        await room_history.add_camera(connection, later)
    assert len((await county.get(BASE)).json()["tracks"]) == 2


async def test_who_loses_the_right_loses_the_grant_within_a_sweep(plane: Plane, county: Person) -> None:
    zhen = await plane.log_in("zhen", PASSWORD)
    token = await grant(zhen)
    assert (await zhen.get(f"{BASE}/{LI}/playback.m3u8", params={**WHOLE, "grant": token})).status_code == 200
    assert (await county.delete("/rooms/r1/members/user/zhen")).status_code == 204
    assert (await county.patch("/users/zhen", {"roles": ["viewer"]})).status_code == 200

    async def ended() -> bool:
        listed = (await county.get("/playback-grants")).json()["items"]
        return all(line["ended_at"] for line in listed if line["room_id"] == "r1")

    await eventually(ended)
    refused = await zhen.get(f"{BASE}/{LI}/playback.m3u8", params={**WHOLE, "grant": token})
    assert refused.json()["code"] == "grant_invalid"
    assert (await rows(county))[-1]["action"] in {"replay.end", "replay.grant_end"}


@pytest.mark.parametrize(
    "body",
    [
        {"room_id": "r1", "camera_ids": ["gate"]},
        {},
        {"room_id": "../etc"},
        {"room_id": "r" * 65},
        {"room_id": "r1", "start": WHOLE["end"], "end": WHOLE["start"]},
    ],
)
async def test_nonsense_is_refused(plane: Plane, county: Person, body: dict[str, Any]) -> None:
    answer = await county.post("/playback-grants", {**WHOLE, "reason": "x", **body})
    assert answer.status_code in (400, 422)
    assert plane.replay.asked == []


async def test_what_replay_says_is_not_believed_blindly(plane: Plane, county: Person) -> None:
    plane.replay.answers["/summaries"] = Response("[]", 200, media_type="application/json")
    assert (await county.get(BASE)).json()["code"] == "replay_unavailable"


async def test_no_camera_may_be_called_like_a_meeting(plane: Plane, county: Person) -> None:
    body = {"id": LI, "name": "c", "org_id": "town", "source_url": "rtsp://10.0.0.1/1"}
    assert (await county.post("/cameras", body)).json()["code"] == "duplicate_id"


def test_a_recording_that_goes_on_ends_now() -> None:
    events = [event(1, 10, "open", record=False), event(2, 20, "record_start"), event(3, 20, "open")]
    assert recording_periods(events, 50) == [(20, 50)]
    assert recording_periods([event(1, 10, "open", record=True), event(2, 10, "end")], 50) == []
    broken = replace(event(1, 10, "open"), data="[")
    assert recording_periods([broken, event(2, 20, "record_start"), event(3, 30, "end")], 50) == [(20, 30)]
