"""States are told regularly, changes at once, flicker never."""

from typing import Any

from api.processes.announcer import Announcer
from media.base.clock import SimulatedClock
from media.base.errors import ErrorKind, HubError


class Heard:
    """Remembers what was published."""

    def __init__(self) -> None:
        self.statuses: dict[str, dict[str, Any]] = {}
        self.changed: list[str] = []
        self.dropped: list[str] = []
        self.is_away = False

    async def put_statuses(self, statuses: dict[str, dict[str, Any]], changed: list[str]) -> None:
        if self.is_away:
            raise HubError(ErrorKind.UNAVAILABLE, "away")
        self.statuses |= statuses
        self.changed = list(changed)

    async def drop_statuses(self, camera_ids: list[str], _slot: str) -> None:
        self.dropped = list(camera_ids)


def camera(state: str = "online", **more: Any) -> dict[str, Any]:
    video = {"codec": "h264", "width": 1280, "height": 720, "fps": 25.0}
    return {"state": state, "reason": None, "video": video, "recording": {"state": "recording"}, **more}


async def test_everything_is_new_once_and_then_only_what_changed() -> None:
    heard = Heard()
    announcer = Announcer(heard, "n/0", SimulatedClock())
    await announcer.publish({"a": camera(), "b": camera()})
    assert sorted(heard.changed) == ["a", "b"]
    assert heard.statuses["a"]["slot"] == "n/0"
    await announcer.publish({"a": camera(), "b": camera("offline")})
    assert heard.changed == ["b"]


async def test_bit_rate_and_frame_rate_are_told_but_are_no_change() -> None:
    heard = Heard()
    announcer = Announcer(heard, "n/0", SimulatedClock())
    await announcer.publish({"a": camera(bitrate_bps=1)})
    flickering = camera(bitrate_bps=2)
    flickering["video"] = {**flickering["video"], "fps": 24.97}
    await announcer.publish({"a": flickering})
    assert heard.changed == []
    assert heard.statuses["a"]["bitrate_bps"] == 2


async def test_a_change_of_size_or_recording_is_seen() -> None:
    heard = Heard()
    announcer = Announcer(heard, "n/0", SimulatedClock())
    await announcer.publish({"a": camera(), "b": camera()})
    larger = camera()
    larger["video"] = {**larger["video"], "width": 1920}
    await announcer.publish({"a": larger, "b": camera(recording={"state": "stopped", "reason": "disk_full"})})
    assert sorted(heard.changed) == ["a", "b"]


async def test_a_change_during_an_outage_is_told_afterwards() -> None:
    heard = Heard()
    announcer = Announcer(heard, "n/0", SimulatedClock())
    await announcer.publish({"a": camera()})
    heard.is_away = True
    await announcer.publish({"a": camera("offline")})
    heard.is_away = False
    await announcer.publish({"a": camera("offline")})
    assert heard.changed == ["a"]


async def test_a_camera_that_left_is_forgotten() -> None:
    heard = Heard()
    announcer = Announcer(heard, "n/0", SimulatedClock())
    await announcer.publish({"a": camera(), "b": camera()})
    await announcer.publish({"b": camera()})
    assert heard.dropped == ["a"]
