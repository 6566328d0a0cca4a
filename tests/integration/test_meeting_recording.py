"""A meeting recorded on the running hub: browsers and cameras in, a killed worker between, a foreign player at the end."""

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.hub_process import HubProcess, wait_for
from tests.integration.fixtures_live import CAMERA_PASSWORD, simulator
from tests.integration.fixtures_session import Meeting, Seat, meeting, until
from tests.integration.test_session_room import back_in
from tests.integration.test_whep_chromium import CHROMIUM
from tests.unit.recorder import footage

pytestmark = [
    pytest.mark.foreign,
    pytest.mark.timeout(300),
    pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="Chromium is not installed"),
]


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Meeting]:
    with meeting(tmp_path_factory.mktemp("hub")) as made:
        yield made


def seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def tracks(hub: HubProcess, room_id: str) -> dict[str, dict[str, Any]]:
    """Return what was recorded with a picture, by name of the participant."""
    found = hub.get(f"/rooms/{room_id}/recordings")["tracks"]
    return {track["name"]: track for track in found if track["track"] != "microphone"}


def recorded_s(track: dict[str, Any]) -> float:
    return sum(seconds(span["end"]) - seconds(span["start"]) for span in track["spans"])


def recorded(room: Meeting, name: str, at_least_s: float) -> dict[str, Any]:
    """Wait until so much of somebody is recorded, and return the track."""

    def enough() -> dict[str, Any] | None:
        track = tracks(room.hub, room.room_id).get(name)
        return track if track is not None and recorded_s(track) >= at_least_s else None

    found: dict[str, Any] = wait_for(f"{at_least_s} s of {name}", enough, 60, 0.5)
    return found


def granted(room: Meeting, start: str, end: str) -> str:
    body = {"room_id": room.room_id, "start": start, "end": end, "reason": "核对会议纪要"}
    return str(room.hub.post("/playback-grants", body)["grant"])


def times(url: str, kind: str) -> list[float]:
    text = footage.probe(url, "-select_streams", kind, "-show_entries", "packet=pts_time", "-of", "csv=p=0")
    return [float(line.strip(",")) for line in text.splitlines() if line]


def leave(*seats: Seat) -> None:
    for seat in seats:
        with contextlib.suppress(Exception):
            seat.ask("leave")
        seat.page.context.close()


def test_people_are_recorded_through_a_killed_worker_and_play_together(room: Meeting) -> None:
    chair, guest = room.sit(room.join(display_name="主席")), room.sit(room.join_as_guest("王婶"))
    for seat in (chair, guest):
        assert seat.publish()["type"] == "published"
    assert guest.ask("chair", action="record_start")["code"] == "not_chair"
    assert chair.ask("chair", action="record_start")["type"] == "ok"
    until(lambda: any(told["room"]["recording"]["is_on"] for told in guest.told("room")))
    first = {name: recorded(room, name, 5) for name in ("主席", "王婶")}
    killed_s = time.time()
    os.kill(room.hub.pids()["worker 0"], signal.SIGKILL)
    for seat in (chair, guest):
        until(lambda seat=seat: seat.run("() => s.closed"))
        wait_for("back in the room", lambda seat=seat: back_in(seat), 15)
        assert seat.publish(fresh=True)["type"] == "published"
    after = {name: recorded(room, name, recorded_s(first[name]) + 6) for name in first}
    for name, track in after.items():
        assert track["id"] == first[name]["id"], "a worker begun anew goes on with the same footage"
        crash = next(gap for gap in track["gaps"] if gap["reason"] == "crash")
        assert killed_s - seconds(crash["start"]) < 5, "how little it is exactly: test_meeting_crash"
    assert chair.ask("chair", action="record_stop")["type"] == "ok"
    until(lambda: not chair.told("room")[-1]["room"]["recording"]["is_on"])
    look(room)
    leave(guest, chair)


def look(room: Meeting) -> None:
    """Play every stretch of every picture with foreign software, by HLS and as a file."""
    whole = room.hub.get(f"/rooms/{room.room_id}/recordings")
    grant = granted(room, whole["start"], whole["end"])
    for track in tracks(room.hub, room.room_id).values():
        assert (track["track"], track["is_playable"]) == ("camera", True)
        for span in (each for each in track["spans"] if seconds(each["end"]) - seconds(each["start"]) > 3):
            query = f"start={span['start']}&end={span['end']}&grant={grant}"
            listed = f"{room.hub.url}{track['playlist_url']}?{query}"
            assert footage.decoded_frames(listed, "-allowed_extensions", "ALL") > 15
            url = f"{room.hub.url}{track['playlist_url'].removesuffix('.m3u8')}.mp4?{query}"
            video, audio = times(url, "v"), times(url, "a")
            assert abs(video[0] - audio[0]) <= 0.04
            assert len(audio) * 0.02 > (video[-1] - video[0]) * 0.9
    used = room.hub.get("/storage")
    assert used["cameras"] == []
    assert used["meetings"][0]["required_days"] == 90
    assert used["meetings"][0]["tracks"] >= 2


def test_cameras_in_a_recorded_room_are_referred_to_or_taken_for_it(room: Meeting) -> None:
    with simulator(2) as url:
        whole = url.replace("rtsp://", f"rtsp://operator:{CAMERA_PASSWORD}@")
        for number, (name, mode) in enumerate((("gate", "continuous"), ("yard", "off")), start=1):
            address = whole.replace("cam1", f"cam{number}").replace("/1", f"/{number}")
            room.hub.add_camera(name, address, recording={"mode": mode})
            room.hub.wait_online(name)
        chair = room.sit(room.join(display_name="主席"))
        for name in ("gate", "yard"):
            room.hub.post(f"/rooms/{room.room_id}/cameras/{name}", {})
        assert chair.ask("chair", action="record_start")["type"] == "ok"
        found = {name: recorded(room, name, 4) for name in ("gate", "yard")}
        for name, track in found.items():
            assert track["track"] == "video"
            span = track["spans"][-1]
            grant = granted(room, span["start"], span["end"])
            query = f"start={span['start']}&end={span['end']}&grant={grant}"
            listed = f"{room.hub.url}{track['playlist_url']}?{query}"
            assert footage.decoded_frames(listed, "-allowed_extensions", "ALL") > 20, name
            own = room.hub.get("/recordings", camera_id=name, start=span["start"], end=span["end"])["spans"]
            assert bool(own) is (name == "gate"), "recorded once, by its own plan or for the room"
        leave(chair)
