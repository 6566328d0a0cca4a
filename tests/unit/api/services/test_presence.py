"""A worker's last word holds for six seconds; after that nobody is told that its cameras are online."""

import asyncio
import json
from typing import Any

import pytest

from api.control import events
from api.control.parts import Control
from api.services.presence import STALE_S, believed
from api.services.principals import authenticate
from media.base.clock import rfc3339
from tests.fakes.control import NOW_US, Person, Plane, eventually
from tests.fakes.control_fixtures import *  # noqa: F403


def word(age_s: float, **more: Any) -> dict[str, Any]:
    return {
        "state": "online", "reason": None, "since": "2026-01-01T00:00:00Z", "bitrate_bps": 9, "slot": "n/0",
        "video": {"codec": "h264"}, "at": rfc3339(NOW_US - round(age_s * 1e6)),
        "recording": {"state": "recording", "since": "2026-01-01T00:00:00Z", "reason": None}, **more,
    }  # fmt: skip


@pytest.mark.parametrize("age_s", [-1.0, 0.0, STALE_S - 0.1])
def test_a_fresh_word_is_believed(age_s: float) -> None:
    assert believed(word(age_s), NOW_US) == word(age_s)


def test_a_stale_word_means_that_the_worker_is_waited_for() -> None:
    old = word(STALE_S + 0.1, sub={"state": "online", "reason": None, "bitrate_bps": 3})
    found = believed(old, NOW_US)
    assert (found["state"], found["reason"], found["since"]) == ("connecting", "worker_restarting", old["at"])
    assert found["bitrate_bps"] == 0
    assert (found["recording"]["state"], found["recording"]["reason"]) == ("waiting", "worker_restarting")
    assert found["sub"] == {"state": "connecting", "reason": "worker_restarting", "bitrate_bps": 0}
    assert found["video"] == old["video"]


def test_what_needs_no_worker_stays_as_it_is() -> None:
    assert believed(word(60, state="disabled"), NOW_US)["state"] == "disabled"
    assert believed(word(60, recording={"state": "off"}), NOW_US)["recording"]["state"] == "off"
    assert believed({"state": "online"}, NOW_US) == {"state": "online"}
    assert believed(word(0, at="yesterday"), NOW_US)["state"] == "online"


@pytest.fixture
async def county(plane: Plane, admin: Person) -> Person:
    root = (await admin.get("/orgs")).json()["items"][0]["id"]
    await admin.made("/cameras", {"id": "gate", "name": "g", "org_id": root, "source_url": "rtsp://10.0.0.1/1"})
    plane.state.reported["gate"] = word(0)
    return admin


async def shown(plane: Plane, person: Person) -> tuple[str, str, int, bool]:
    one = (await person.get("/cameras/gate/status")).json()
    listed = (await person.get("/cameras")).json()["items"][0]["status"]
    online = (await person.get("/orgs")).json()["items"][0]["cameras_online"]
    figures = (await plane.client.get("/metrics")).text
    return one["state"], listed["state"], online, 'xiangyun_cameras{state="online"} 1.0' in figures


async def test_status_list_tree_and_figures_tell_the_same(plane: Plane, county: Person) -> None:
    assert await shown(plane, county) == ("online", "online", 1, True)
    assert "at" not in (await county.get("/cameras/gate/status")).json()
    plane.clock.advance(STALE_S + 1)
    assert await shown(plane, county) == ("connecting", "connecting", 0, False)


async def test_listeners_are_told_of_the_silence_and_of_its_end(
    plane: Plane, county: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "SILENCE_EVERY_S", 0.01)
    control: Control = plane.app.state.control
    heard: list[dict[str, Any]] = []
    stream = control.events.stream(await authenticate(plane.ctx, county.token))

    async def hear() -> None:
        async for piece in stream:
            name, _, data = piece.decode().partition("\ndata: ")
            if name == "event: camera.status":
                heard.append(json.loads(data))  # the test looks while it grows

    listener = asyncio.get_running_loop().create_task(hear())
    watcher = asyncio.get_running_loop().create_task(control.events.watch_silence())
    try:
        await asyncio.sleep(0.1)
        assert heard == []
        plane.clock.advance(STALE_S + 1)
        await eventually(lambda: is_heard(heard, ["connecting"]))
        plane.state.reported["gate"] = word(-STALE_S - 1)
        await eventually(lambda: is_heard(heard, ["connecting", "online"]))
    finally:
        listener.cancel()
        watcher.cancel()
        await asyncio.gather(listener, watcher, return_exceptions=True)
        await stream.aclose()


async def is_heard(heard: list[dict[str, Any]], states: list[str]) -> bool:
    return [item["status"]["state"] for item in heard] == states
