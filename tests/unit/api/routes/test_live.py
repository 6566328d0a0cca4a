"""Live viewing: audit before the first byte, an end for every start, rights that end streams."""

from typing import Any

import pytest
from fastapi import Response

from api.state import WorkerEvent
from tests.fakes.control import Person, Plane, eventually

OFFER = {"content": b"v=0\r\noffer\r\n", "headers": {"Content-Type": "application/sdp"}}
PASSWORD = "Village-watch-3"
SOURCES = {"source_url": "rtsp://10.0.0.1/1", "sub_source_url": "rtsp://10.0.0.1/2"}


@pytest.fixture
async def county(admin: Person) -> Person:
    root = (await admin.get("/orgs")).json()["items"][0]["id"]
    await admin.made("/orgs", {"id": "town", "name": "镇", "level": "township", "parent_id": root})
    await admin.made("/cameras", {"id": "gate", "name": "村口", "org_id": "town", **SOURCES})
    account = {"id": "li", "username": "li", "password": PASSWORD, "roles": ["viewer"], "org_id": "town"}
    await admin.made("/users", account)
    return admin


async def actions(admin: Person, prefix: str) -> list[str]:
    rows = (await admin.get("/audit", params={"action": prefix})).json()["items"]
    return [f"{row['action']} {row['details'].get('reason', '')}".strip() for row in reversed(rows)]


async def watch(person: Person) -> str:
    answer = await person.call("POST", "/cameras/gate/whep", **OFFER)
    assert answer.status_code == 201, answer.text
    return str(answer.headers["location"]).removeprefix("/api/v1")


async def test_an_offer_is_answered_and_the_session_deleted(plane: Plane, county: Person) -> None:
    li = await plane.log_in("li", PASSWORD)
    answer = await li.call("POST", "/cameras/gate/whep?stream=sub", **OFFER)
    assert answer.status_code == 201
    assert answer.headers["content-type"] == "application/sdp"
    assert answer.headers["x-xiangyun-audio"] == "passthrough"
    assert answer.content == b"v=0\r\nanswer\r\n"
    assert plane.worker.asked[-1] == ("POST", "/whep/gate", {"stream": "sub"})
    assert len(plane.worker.live) == 1
    gone = await li.delete(answer.headers["location"].removeprefix("/api/v1"))
    assert gone.status_code == 204
    assert plane.worker.live == set()
    assert await actions(county, "view") == ["view.start", "view.end viewer"]


async def test_the_start_is_in_the_audit_log_before_the_worker_is_asked(plane: Plane, county: Person) -> None:
    li = await plane.log_in("li", PASSWORD)
    seen: list[list[str]] = []

    async def look() -> None:
        seen.append(await actions(county, "view"))

    plane.worker.before_answer = [look]
    await watch(li)
    assert seen == [["view.start"]]


async def test_a_refusal_of_the_worker_is_passed_on_with_its_code(plane: Plane, county: Person) -> None:
    body = '{"code":"codec_unsupported","detail":"no","codec":"h265","secret":"x"}'
    plane.worker.answers["POST /whep"] = Response(body, 409, media_type="application/problem+json")
    answer = await county.call("POST", "/cameras/gate/whep", **OFFER)
    assert (answer.status_code, answer.json()["code"], answer.json()["codec"]) == (409, "codec_unsupported", "h265")
    assert "secret" not in answer.json()
    assert await actions(county, "view") == ["view.start", "view.end codec_unsupported"]


async def test_a_worker_that_is_away_is_a_clear_answer(plane: Plane, county: Person) -> None:
    plane.workers.is_down = True
    answer = await county.call("POST", "/cameras/gate/whep", **OFFER)
    assert (answer.status_code, answer.json()["code"]) == (503, "worker_unavailable")
    assert "retry-after" in answer.headers
    assert (await plane.client.get("/readyz")).status_code == 503


@pytest.mark.parametrize(
    ("body", "kind", "code"),
    [
        (b"v=0", "application/json", "unsupported_media_type"),
        (b"", "application/sdp", "bad_sdp"),
        (b"x" * 300_000, "application/sdp", "bad_sdp"),
    ],
)
async def test_what_is_no_offer_never_reaches_a_worker(
    plane: Plane, county: Person, body: bytes, kind: str, code: str
) -> None:
    answer = await county.call("POST", "/cameras/gate/whep", content=body, headers={"Content-Type": kind})
    assert answer.json()["code"] == code
    assert plane.worker.asked == []


async def test_somebody_elses_session_is_not_found(plane: Plane, county: Person) -> None:
    path = await watch(await plane.log_in("li", PASSWORD))
    assert (await county.delete(path)).status_code == 404
    assert len(plane.worker.live) == 1


async def test_a_disabled_camera_is_not_opened(plane: Plane, county: Person) -> None:
    await county.patch("/cameras/gate", {"enabled": False})
    answer = await county.call("POST", "/cameras/gate/whep", **OFFER)
    assert (answer.status_code, answer.json()["code"]) == (409, "camera_disabled")


@pytest.mark.parametrize(("method", "path"), [("POST", "/cameras/gate/whep"), ("GET", "/cameras/gate/snapshot.jpg")])
async def test_a_sub_stream_the_camera_does_not_have_is_not_found(
    plane: Plane, county: Person, method: str, path: str
) -> None:
    await county.patch("/cameras/gate", {"sub_source_url": None})
    plane.worker.asked.clear()
    answer = await county.call(method, f"{path}?stream=sub", **(OFFER if method == "POST" else {}))
    assert answer.headers["content-type"] == "application/problem+json"
    found = answer.json()
    assert (answer.status_code, found["code"], found["camera"]) == (404, "no_sub_stream", "gate")
    assert found["detail"]
    assert plane.worker.asked == []
    assert await actions(county, "view") == []


@pytest.mark.parametrize(
    "withdraw",
    [
        ("PATCH", "/users/li", {"enabled": False}),
        ("PATCH", "/users/li", {"roles": []}),
        ("DELETE", "/users/li", None),
        ("DELETE", "/cameras/gate", None),
    ],
)
async def test_a_withdrawn_right_ends_the_stream_at_the_worker(plane: Plane, county: Person, withdraw: Any) -> None:
    await watch(await plane.log_in("li", PASSWORD))
    method, path, body = withdraw
    assert (await county.call(method, path, json=body)).status_code in {200, 204}

    async def ended() -> bool:
        return not plane.worker.live

    await eventually(ended, within_s=5.0)

    async def written() -> bool:
        return await actions(county, "view") == ["view.start", "view.end revoked"]

    await eventually(written)  # the row follows the end


async def test_logging_out_ends_ones_streams_and_no_others(plane: Plane, county: Person) -> None:
    first, second = await plane.log_in("li", PASSWORD), await plane.log_in("li", PASSWORD)
    await watch(first)
    await watch(second)
    await first.post("/auth/logout")

    async def one_left() -> bool:
        return len(plane.worker.live) == 1

    await eventually(one_left)


async def test_a_camera_grant_withdrawn_ends_the_stream(plane: Plane, county: Person) -> None:
    await county.patch("/users/li", {"roles": []})
    await county.put("/users/li/camera-grants/gate", {"verbs": ["live.view"]})
    await watch(await plane.log_in("li", PASSWORD))
    await county.delete("/users/li/camera-grants/gate")

    async def ended() -> bool:
        return not plane.worker.live

    await eventually(ended)


async def test_a_revocation_waits_for_a_worker_that_is_away(plane: Plane, county: Person) -> None:
    await watch(await plane.log_in("li", PASSWORD))
    plane.workers.is_down = True
    await county.patch("/users/li", {"enabled": False})
    assert (await county.get("/live-sessions")).json()["items"] != []
    plane.workers.is_down = False

    async def ended() -> bool:
        return not plane.worker.live

    await eventually(ended)


async def test_the_workers_word_ends_a_session_once(plane: Plane, county: Person) -> None:
    session = (await watch(await plane.log_in("li", PASSWORD))).rpartition("/")[2]
    event = WorkerEvent("1-0", "live.ended", {"session_id": session, "reason": "ice_lost"})
    plane.state.events += [
        event,
        WorkerEvent("2-0", "live.ended", {"session_id": session}),
        WorkerEvent("3-0", "??", {}),
    ]

    async def acknowledged() -> bool:
        return plane.state.acked == ["1-0", "2-0", "3-0"]

    await eventually(acknowledged)
    assert await actions(county, "view") == ["view.start", "view.end ice_lost"]


async def test_sessions_a_restarted_worker_forgot_are_written_off(plane: Plane, county: Person) -> None:
    await watch(await plane.log_in("li", PASSWORD))
    plane.worker.answers["GET /whep/sessions"] = Response('{"items":[]}', 200, media_type="application/json")

    async def ended() -> bool:
        plane.clock.advance(10)
        return (await actions(county, "view"))[1:] == ["view.end lost"]

    await eventually(ended)


async def test_stills_are_noted_once_a_minute(plane: Plane, county: Person) -> None:
    headers = {"X-Xiangyun-Taken-At": "2027-01-15T08:00:00.000Z"}
    plane.worker.answers["GET /cameras/gate/snapshot.jpg"] = Response(
        b"\xff\xd8", 200, headers, media_type="image/jpeg"
    )
    for _ in range(3):
        answer = await county.get("/cameras/gate/snapshot.jpg", params={"width": 320})
        assert (answer.status_code, answer.content) == (200, b"\xff\xd8")
        assert answer.headers["x-xiangyun-taken-at"] == headers["X-Xiangyun-Taken-At"]
    assert plane.worker.asked[-1] == ("GET", "/cameras/gate/snapshot.jpg", {"stream": "main", "width": "320"})
    assert await actions(county, "view") == ["view.snapshot"]


async def test_a_still_that_failed_does_not_make_the_next_one_unwritten(plane: Plane, county: Person) -> None:
    await county.patch("/cameras/gate", {"enabled": False})
    assert (await county.get("/cameras/gate/snapshot.jpg")).status_code == 409
    await county.patch("/cameras/gate", {"enabled": True})
    plane.worker.answers["GET /cameras/gate/snapshot.jpg"] = Response(b"\xff\xd8", 200, media_type="image/jpeg")
    assert (await county.get("/cameras/gate/snapshot.jpg")).status_code == 200
    assert await actions(county, "view") == ["view.snapshot"]


async def test_a_probe_is_passed_on_and_an_unallowed_host_is_not(plane: Plane, county: Person) -> None:
    found = '{"ok":true,"tracks":[],"video":null,"audio":null}'
    plane.worker.answers["POST /probe"] = Response(found, 200, media_type="application/json")
    answer = await county.post("/cameras/probe", {"source_url": "rtsp://a:b@10.0.0.9/1"})
    assert answer.json()["ok"] is True
    refused = await county.post("/cameras/probe", {"source_url": "rtsp://1.1.1.1/1"})
    assert (refused.status_code, refused.json()["code"]) == (400, "network_not_allowed")
    assert [path for _, path, _ in plane.worker.asked] == ["/probe"]


async def test_a_masked_address_is_probed_with_the_stored_password_by_who_may_manage_it(
    plane: Plane, county: Person
) -> None:
    await county.patch("/cameras/gate", {"source_url": "rtsp://u:pw@10.0.0.1/1"})
    plane.worker.answers["POST /probe"] = Response('{"ok":true}', 200, media_type="application/json")
    good = await county.post("/cameras/probe", {"source_url": "rtsp://***@10.0.0.1/1", "camera_id": "gate"})
    assert good.json() == {"ok": True}
    other_host = await county.post("/cameras/probe", {"source_url": "rtsp://***@10.0.0.66/1", "camera_id": "gate"})
    assert other_host.json()["code"] == "bad_url", "a stored password goes to no other host"


async def test_turn_credentials_expire(plane: Plane, admin: Person) -> None:
    assert (await admin.get("/ice-servers")).json() == {"ice_servers": []}
