"""Browsers in one room of a running hub: seen, heard, silenced, back after a break and after a killed worker."""

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hub_process import wait_for
from tests.integration.fixtures_live import CAMERA_PASSWORD, simulator
from tests.integration.fixtures_session import Meeting, Seat, meeting, until
from tests.integration.test_whep_chromium import CHROMIUM

pytestmark = [
    pytest.mark.foreign,
    pytest.mark.timeout(300),
    pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="Chromium is not installed"),
]


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Meeting]:
    with meeting(tmp_path_factory.mktemp("hub")) as made:
        yield made


def close(seat: Seat) -> None:
    with contextlib.suppress(Exception):
        seat.ask("leave")
    seat.page.context.close()


def test_one_publishes_the_other_sees_and_hears_until_the_chair_says_no(room: Meeting) -> None:
    chair, guest = room.sit(room.join()), room.sit(room.join_as_guest("王婶"))
    assert guest.publish()["type"] == "published"
    assert chair.open()["type"] == "slots"
    source = f"participant/{guest.participant_id}"
    mid = chair.watch(source)
    chair.advances(mid)
    voice = chair.voice_mid(source)
    chair.advances(voice, "packets", 50)
    chair.advances(voice, "energy", 0.001)
    assert chair.ask("chair", action="mute", target=guest.participant_id)["type"] == "ok"
    until(lambda: guest.told("muted"))
    silent_since = until(lambda: still(chair, voice))
    chair.advances(mid)
    assert chair.figure(voice, "packets") - silent_since <= 5
    assert guest.ask("mute", track="microphone", muted=False)["code"] == "not_your_turn"
    for seat in (guest, chair):
        close(seat)


def still(seat: Seat, mid: str) -> float:
    """Return the packets of a slot once none came for half a second, or 0."""
    before = seat.figure(mid, "packets")
    seat.page.wait_for_timeout(500)
    return before if seat.figure(mid, "packets") - before <= 2 else 0.0


def test_a_break_is_resumed_and_nothing_stops(room: Meeting) -> None:
    chair, guest = room.sit(room.join()), room.sit(room.join_as_guest("李叔"))
    guest.publish()
    chair.open()
    mid = chair.watch(f"participant/{guest.participant_id}")
    chair.advances(mid)
    for seat in (guest, chair):
        seat.run("() => s.socket.close()")
        until(lambda seat=seat: seat.run("() => s.closed"))
    chair.advances(mid)
    for seat in (guest, chair):
        session = seat.welcome["session_id"]
        again = seat.connect(resume=seat.run("() => s.resume"))
        assert (again["resumed"], again["session_id"]) == (True, session)
    assert [slot["mid"] for slot in chair.welcome["slots"] if slot["kind"] == "video"] == [mid]
    chair.advances(mid)
    for seat in (guest, chair):
        close(seat)


def test_a_page_that_was_killed_comes_back_into_its_seat(room: Meeting) -> None:
    chair, guest = room.sit(room.join()), room.sit(room.join_as_guest("赵姨"))
    guest.publish()
    chair.open()
    mid = chair.watch(f"participant/{guest.participant_id}")
    chair.advances(mid)
    token = guest.run("() => s.resume")
    guest.page.context.close()
    back = Seat(room.new_page(), room.hub, guest.participant_id)
    welcome = back.connect(resume=token)
    assert (welcome["resumed"], welcome["participant"]["id"]) == (True, guest.participant_id)
    assert back.publish(fresh=True)["type"] == "published"
    chair.advances(mid)
    for seat in (back, chair):
        close(seat)


def test_a_camera_is_watched_on_a_wall_and_pulled_into_the_room(room: Meeting) -> None:
    with simulator(1) as url:
        room.hub.add_camera("gate", url.replace("rtsp://", f"rtsp://operator:{CAMERA_PASSWORD}@"))
        room.hub.wait_online("gate")
        wall = Seat(room.new_page(), room.hub, "")
        assert wall.connect(token=room.hub.post("/sessions", {})["token"])["type"] == "welcome"
        wall.open(video=1, audio=0)
        wall.advances(wall.watch("camera/gate", "video"))
        guest = room.sit(room.join_as_guest("周婶"))
        guest.open()
        assert guest.ask("subscribe", source="camera/gate", track="video")["code"] in {
            "not_permitted",
            "source_not_found",
        }
        chair = room.sit(room.join())
        shown = room.hub.http.post(f"/api/v1/rooms/{room.room_id}/cameras/gate")
        assert shown.status_code < 300, shown.text
        mid = guest.watch("camera/gate", "video")
        guest.advances(mid)
        room.hub.http.delete(f"/api/v1/rooms/{room.room_id}/cameras/gate")
        until(lambda: guest.told("unsubscribed"))
        until(lambda: guest.run("([mid]) => s.slots[mid].source === null", mid))
        wall.advances("0")
        for seat in (guest, chair, wall):
            close(seat)


def test_foreign_software_publishes_and_watches_by_whip_and_whep(room: Meeting) -> None:
    chair = room.sit(room.join())
    chair.open()
    joined = room.join_as_guest("编码器")
    source = f"participant/{joined['participant_id']}"
    encoder, viewer = room.new_page(), Seat(room.new_page(), room.hub, "")
    path = f"{room.hub.url}/api/v1/rooms/{room.room_id}"
    began = encoder.evaluate("([url, token]) => whip(url, token)", [f"{path}/whip", joined["token"]])
    assert began["status"] == 201, began
    chair.advances(chair.watch(source))
    chair.advances(chair.voice_mid(source), "packets", 20)
    token = room.hub.http.headers["Authorization"].removeprefix("Bearer ")
    hidden = viewer.run("([url, token]) => whep(url, token)", f"{path}/whep?source=participant/nobody", token)
    assert "not_permitted" in hidden["body"]
    watched = viewer.run("([url, token]) => whep(url, token)", f"{path}/whep?source={source}", token)
    assert watched["status"] == 201, watched
    viewer.advances("0")
    assert chair.ask("chair", action="remove", target=joined["participant_id"])["type"] == "ok"
    until(lambda: encoder.evaluate("() => up.connectionState") in {"closed", "failed", "disconnected"})
    until(lambda: viewer.run("() => s.down.connectionState") in {"closed", "failed", "disconnected"})
    close(chair)


def test_a_worker_that_ends_in_order_says_so_and_all_are_back(room: Meeting) -> None:
    chair = room.sit(room.join())
    os.kill(room.hub.pids()["worker 0"], signal.SIGTERM)
    until(lambda: chair.run("() => s.closed") == 1012)
    (told,) = chair.told("closing")
    assert (told["code"], told["can_resume"]) == ("worker_restart", True)
    welcome = wait_for("back in the room", lambda: back_in(chair), 15)
    assert welcome["room"]["chair"] == chair.participant_id
    close(chair)


def test_after_a_killed_worker_all_are_back_in_the_meeting_with_its_chair(room: Meeting) -> None:
    chair, guest = room.sit(room.join()), room.sit(room.join_as_guest("孙伯"))
    guest.publish()
    chair.open()
    source = f"participant/{guest.participant_id}"
    chair.advances(chair.watch(source))
    assert chair.ask("chair", action="roll_call_start")["type"] == "ok"
    os.kill(room.hub.pids()["worker 0"], signal.SIGKILL)
    for seat in (chair, guest):
        until(lambda seat=seat: seat.run("() => s.closed"))
        welcome = wait_for("back in the room", lambda seat=seat: back_in(seat), 15)
        assert welcome["resumed"] is False
        assert welcome["participant"]["id"] == seat.participant_id
    assert chair.welcome["room"]["chair"] == chair.participant_id
    assert chair.welcome["room"]["roll_call"]["state"] == "running"
    assert guest.publish(fresh=True)["type"] == "published"
    assert chair.open(fresh=True)["type"] == "slots"
    chair.advances(chair.watch(source))
    for seat in (guest, chair):
        close(seat)


def back_in(seat: Seat) -> dict[str, object] | None:
    try:
        welcome = seat.connect(resume=seat.run("() => s.resume"))
    except Exception:
        return None
    return welcome if welcome["type"] == "welcome" else None
