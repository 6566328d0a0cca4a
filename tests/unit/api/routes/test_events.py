"""The event stream: what one may know, until one may not."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from api.control import events
from api.control.parts import Control
from api.services.principals import authenticate
from api.state import WorkerEvent
from tests.fakes.control import Person, Plane

PASSWORD = "Village-watch-3"


@pytest.fixture
async def county(admin: Person) -> Person:
    root = (await admin.get("/orgs")).json()["items"][0]["id"]
    for number, org in enumerate(("town", "other"), start=1):
        await admin.made("/orgs", {"id": org, "name": org, "level": "township", "parent_id": root})
        body = {"id": f"cam-{number}", "name": "c", "org_id": org, "source_url": f"rtsp://10.0.0.{number}/1"}
        await admin.made("/cameras", body)
    await admin.made(
        "/users", {"id": "li", "username": "li", "password": PASSWORD, "roles": ["viewer"], "org_id": "town"}
    )
    return admin


@asynccontextmanager
async def listening(plane: Plane, person: Person) -> AsyncIterator[Any]:
    """Give a function that returns the next event; the ASGI test transport cannot stream, so this asks the hub itself."""
    control: Control = plane.app.state.control
    stream = control.events.stream(await authenticate(plane.ctx, person.token))

    async def read() -> tuple[str, Any]:
        async with asyncio.timeout(5):
            while True:
                text = (await anext(stream)).decode()
                fields = dict(line.split(": ", 1) for line in text.strip().splitlines() if ": " in line)
                if fields.get("event") not in {None, "resync", "ping", "ready"}:
                    return fields["event"], json.loads(fields["data"])

    assert b"event: ready" in await anext(stream)
    try:
        yield read
    finally:
        await stream.aclose()


def status(camera_id: str) -> dict[str, Any]:
    return {"id": camera_id, "status": {"state": "online", "slot": "n/0", "at_wall_us": 1}}


async def test_one_hears_of_ones_own_cameras_only(plane: Plane, county: Person) -> None:
    async with listening(plane, await plane.log_in("li", PASSWORD)) as read:
        await plane.state.publish(events.STATUS_CHANNEL, status("cam-2"))
        await plane.state.publish(events.STATUS_CHANNEL, {"nonsense": 1})
        await plane.state.publish(events.STATUS_CHANNEL, status("cam-1"))
        assert await read() == ("camera.status", {"id": "cam-1", "status": {"state": "online"}})


async def test_an_alarm_of_a_worker_reaches_the_page_and_the_audit_log(plane: Plane, county: Person) -> None:
    async with listening(plane, county) as read:
        plane.state.events.append(WorkerEvent("1-0", "recording.alarm", {"kind": "disk_full", "camera_id": "cam-1"}))
        assert await read() == ("recording.alarm", {"kind": "disk_full", "camera_id": "cam-1"})
    rows = (await county.get("/audit", params={"action": "recording.alarm"})).json()["items"]
    assert [(row["target_id"], row["details"]["kind"]) for row in rows] == [("cam-1", "disk_full")]


async def test_the_stream_ends_when_the_login_does(
    plane: Plane, county: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "CHECK_EVERY_S", 0.05)
    async with listening(plane, await plane.log_in("li", PASSWORD)) as read:
        await county.patch("/users/li", {"enabled": False})
        assert (await read())[0] == "session.revoked"
        with pytest.raises(StopAsyncIteration):
            await read()


async def test_a_listener_too_slow_is_told_to_read_again(plane: Plane, county: Person) -> None:
    listener = events.Listener(await authenticate(plane.ctx, county.token))
    for number in range(events.QUEUE_ITEMS + 3):
        listener.put(events.Event("camera.status", {"n": number}))
    names = [event.name for _ in range(3) if (event := await listener.get(0.1)) is not None]
    assert names == ["resync", "camera.status", "camera.status"]
    assert listener.dropped == 1


async def test_nobody_listens_without_a_token(plane: Plane) -> None:
    assert (await plane.client.get("/api/v1/events")).status_code == 401


async def test_every_stream_ends_at_once_when_the_process_stops(plane: Plane, county: Person) -> None:
    async with listening(plane, county) as read:
        waiting = asyncio.ensure_future(read())
        await asyncio.sleep(0)
        plane.app.state.control.events.close()
        with pytest.raises(StopAsyncIteration):
            await waiting


async def test_a_room_that_changed_is_told_to_who_belongs_to_it(plane: Plane, county: Person) -> None:
    await county.made("/rooms", {"id": "mine", "name": "会", "org_id": "town", "members": [{"user_id": "li"}]})
    await county.made("/rooms", {"id": "theirs", "name": "会", "org_id": "other"})
    async with listening(plane, await plane.log_in("li", PASSWORD)) as read:
        for room in ("theirs", "nowhere", "mine"):
            await plane.state.publish("xy:room", {"room_id": room})
        assert await read() == ("room_changed", {"room_id": "mine"})


async def test_a_call_rings_on_every_stream_of_the_called_and_nowhere_else(plane: Plane, county: Person) -> None:
    li = await plane.log_in("li", PASSWORD)
    async with listening(plane, li) as phone, listening(plane, await plane.log_in("li", PASSWORD)) as kiosk:
        call = await county.made("/calls", {"user_id": "li"})
        for read in (phone, kiosk):
            name, told = await read()
            assert (name, told["call_id"], told["room_id"]) == ("call_ringing", call["id"], call["room_id"])
            assert (told["from_name"], told["audio_only"]) == (call["from_name"], False)
        await li.post(f"/calls/{call['id']}/accept")
        assert [(await read())[1]["reason"] for read in (phone, kiosk)] == ["answered_elsewhere"] * 2
