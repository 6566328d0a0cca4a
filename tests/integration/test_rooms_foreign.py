"""Foreign software in rooms, through the public API as its users do: WHIP from GStreamer, WHEP by GStreamer, Chromium.

What is published is seen by a page of the session protocol and by WHEP viewers; both protocols answer as RFC 9725 says,
and everything ends with the room or with the right to be in it.
"""

import os
import queue
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import sync_playwright

from tests.hub_process import HubProcess
from tests.integration.fixtures_session import DEVICES, Meeting, Seat, until
from tests.integration.test_whep_chromium import ARGS, CHROMIUM
from tests.integration.test_whip_gstreamer import PUBLISHER, has_gstreamer

VIEWER = PUBLISHER.parent / "gst_viewer.py"
PASSWORD = "Dorf-Wache-2026"
SDP, FRAGMENT = {"Content-Type": "application/sdp"}, {"Content-Type": "application/trickle-ice-sdpfrag"}
PROMISE_S = 5.0
"""What may no longer be watched or sent ends within five seconds."""

pytestmark = [
    pytest.mark.foreign,
    pytest.mark.timeout(180),
    pytest.mark.skipif(not has_gstreamer(), reason="GStreamer's WebRTC is not installed"),
    pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="Chromium is not installed"),
]


@pytest.fixture(scope="module")
def meetings(tmp_path_factory: pytest.TempPathFactory) -> Iterator["Hall"]:
    env = {"XIANGYUN_PUBLIC_ADDRESSES": "127.0.0.1"}
    with HubProcess(tmp_path_factory.mktemp("hub"), env=env) as hub, sync_playwright() as playwright:
        hub.login()
        org = hub.root_org()
        for name in ("li", "wang"):
            account = {"id": name, "username": name, "password": PASSWORD, "roles": ["viewer"], "org_id": org}
            hub.post("/users", account)
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*ARGS, *DEVICES])
        try:
            yield Hall(hub, browser)
        finally:
            browser.close()


class Hall:
    """A hub and a browser; `meeting` makes rooms."""

    def __init__(self, hub: HubProcess, browser: Any) -> None:
        self.hub = hub
        self.browser = browser

    def meeting(self) -> Meeting:
        made = self.hub.post("/rooms", {"name": "例会", "members": [{"user_id": "li", "role": "speaker"}]})
        invite = self.hub.get(f"/rooms/{made['id']}/invite")
        return Meeting(self.hub, self.browser, made["id"], invite["passcode"], invite["url"].partition("invite=")[2])

    def log_in(self) -> str:
        """Return the token of a villager who is a member of all rooms."""
        answer = httpx.post(
            f"{self.hub.url}/api/v1/auth/login", json={"username": "li", "password": PASSWORD}, timeout=20
        )
        return str(answer.json()["access_token"])


class Program:
    """A foreign program and what it says."""

    def __init__(self, script: Path, url: str, token: str, *more: str) -> None:
        argv = ["/usr/bin/python3", str(script), "--url", url, "--header", f"Authorization=Bearer {token}", *more]
        self.process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=dict(os.environ)
        )
        self.lines: list[str] = []
        self.at_s: dict[str, float] = {}
        self._told: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.strip())
            self.at_s[line.split()[0]] = time.monotonic()

    def says(self, word: str, within_s: float = 30.0) -> str:
        """Wait for a line that begins so."""
        return str(until(lambda: next((line for line in self.lines if line.startswith(word)), ""), within_s))

    @property
    def pictures(self) -> int:
        return max((int(line.split()[1]) for line in self.lines if line.startswith("pictures")), default=0)

    def advances(self) -> None:
        before = self.pictures
        until(lambda: self.pictures >= before + 20, 30)

    def leave(self) -> None:
        """Say goodbye as the protocol wants."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(20)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(10)


@contextmanager
def program(script: Path, room: Meeting, path: str, token: str, *more: str) -> Iterator[Program]:
    running = Program(script, f"{room.hub.url}/api/v1/rooms/{room.room_id}/{path}", token, *more)
    try:
        yield running
    finally:
        running.close()


def admin(room: Meeting) -> str:
    return str(room.hub.http.headers["Authorization"].removeprefix("Bearer "))


def source_of(page: Seat, kind: str = "whip") -> str:
    """Return the source of the first participant of a kind, once it is told and sends."""
    script = """([kind]) => { for (const m of s.told) for (const p of m.participants || (m.participant ? [m.participant] : []))
        if (p.kind === kind && Object.keys(p.tracks).length) return p.source; return ''; }"""
    return str(until(lambda: page.run(script, kind), 30))


def test_gstreamer_publishes_and_is_seen_by_page_browser_and_gstreamer(meetings: Hall) -> None:
    room = meetings.meeting()
    chair = room.sit(room.join())
    chair.open()
    with program(PUBLISHER, room, "whip", meetings.log_in()) as encoder:
        source = source_of(chair)
        chair.advances(chair.watch(source))
        chair.advances(chair.voice_mid(source), "packets", 20)
        with program(VIEWER, room, f"whep?source={source}", admin(room)) as viewer:
            viewer.advances()
            browser = Seat(room.new_page(), room.hub, "")
            path = f"{room.hub.url}/api/v1/rooms/{room.room_id}/whep?source={source}"
            assert browser.run("([url, token]) => whep(url, token)", path, admin(room))["status"] == 201
            browser.advances("0")
            viewer.leave()
            assert viewer.lines[-1] == "deleted"
            browser.advances("0")
        encoder.leave()
        assert encoder.lines[-1] == "deleted"
        until(lambda: any(one["participant_id"] in source for one in chair.told("participant_left")))
        until(lambda: browser.run("() => s.down.connectionState") in {"closed", "failed", "disconnected"})
        browser.page.context.close()
    chair.page.context.close()


def test_both_doors_answer_as_the_rfc_wants(meetings: Hall) -> None:
    room = meetings.meeting()
    http, path = meetings.hub.http, f"/api/v1/rooms/{room.room_id}"
    for door in ("whip", "whep?source=participant/x"):
        assert http.get(f"{path}/{door}").status_code == 405
        assert http.put(f"{path}/{door}").status_code == 405
        assert http.post(f"{path}/{door}", json={}).status_code == 415
        assert http.post(f"{path}/{door}", content="v=0\r\n").status_code == 415
        refused = http.post(f"{path}/{door}", content="v=0\r\n", headers={**SDP, "Accept": "text/html"})
        assert (refused.status_code, refused.headers["content-type"]) == (406, "application/problem+json")
        assert http.post(f"{path}/{door}", content="v=0\r\n", headers={**SDP, "Authorization": ""}).status_code == 401
        assert (
            http.post(f"{path}/{door}", content="v=0\r\n", headers={**SDP, "Authorization": "Bearer x"}).status_code
            == 401
        )
        elsewhere = door.replace("participant/x", "../x")
        assert http.post(f"{path}/{elsewhere}", content=b"\xff", headers=SDP).status_code in {400, 422}
    assert http.post("/api/v1/rooms/no-such/whip", content="v=0\r\n", headers=SDP).status_code == 404
    for door in ("whip", "whep"):
        for call in (http.delete, http.patch):
            answer = call(f"{path}/{door}/{door}-none", headers=FRAGMENT)
            assert (answer.status_code, answer.json()["code"]) == (404, "session_not_found")


def test_later_candidates_and_the_end_of_a_session(meetings: Hall) -> None:
    room = meetings.meeting()
    http, path = meetings.hub.http, f"{meetings.hub.url}/api/v1/rooms/{room.room_id}/whip"
    page = room.new_page()
    began = page.evaluate("([url, token]) => whip(url, token)", [path, room.join_as_guest("编码器")["token"]])
    assert began["status"] == 201, began
    assert http.delete(began["location"]).status_code == 404, "of somebody else"
    again = page.evaluate("([url, token]) => whip(url, token)", [path, admin(room)])
    fragment = page.evaluate("() => up.localDescription.sdp.match(/a=ice-ufrag:.*\\r\\n/)[0]")
    password = page.evaluate("() => up.localDescription.sdp.match(/a=ice-pwd:.*\\r\\n/)[0]")
    candidate = "m=video 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\na=candidate:1 1 udp 1 127.0.0.1 9 typ host\r\n"
    location = again["location"]
    assert http.patch(location, content=fragment + password + candidate, headers=FRAGMENT).status_code == 204
    assert http.patch(location, content=fragment + password, headers=SDP).status_code == 415
    restart = http.patch(location, content="a=ice-ufrag:other\r\na=ice-pwd:" + "x" * 24 + "\r\n", headers=FRAGMENT)
    assert (restart.status_code, restart.json()["code"]) == (409, "ice_restart_unsupported")
    assert http.delete(location).status_code == 204
    until(lambda: page.evaluate("() => up.connectionState") in {"closed", "failed", "disconnected"})
    assert http.delete(location).status_code in {204, 404}, "once more"
    page.context.close()


@pytest.mark.parametrize("what", ["right", "room"])
def test_everything_ends_with_the_right_and_with_the_room(meetings: Hall, what: str) -> None:
    room, token = meetings.meeting(), meetings.log_in()
    chair = room.sit(room.join())
    chair.open()
    with program(PUBLISHER, room, "whip", token) as encoder:
        source = source_of(chair)
        chair.advances(chair.watch(source))
        with program(VIEWER, room, f"whep?source={source}", token) as viewer:
            viewer.advances()
            began, path = time.monotonic(), f"/api/v1/rooms/{room.room_id}"
            if what == "room":
                assert meetings.hub.http.post(f"{path}/end").status_code == 200
            else:
                others = {"members": [{"user_id": "wang"}]}
                assert meetings.hub.http.patch(path, json=others).status_code == 200
            until(lambda: hears_no_more(chair, source), 20)
            out_s = time.monotonic() - began
            until(lambda: time.monotonic() - viewer.at_s["pictures"] > 2, 20)
            dark_s = viewer.at_s["pictures"] - began
            print(f"without the {what}: out after {out_s:.1f} s, last pictures after {dark_s:.1f} s")
            assert max(out_s, dark_s) < PROMISE_S
            assert encoder.process.poll() is None
    chair.page.context.close()


def hears_no_more(chair: Seat, source: str) -> bool:
    """Tell whether a publisher has left the room, or the room has gone."""
    left = any(one["participant_id"] in source for one in chair.told("participant_left"))
    return left or bool(chair.run("() => s.closed"))
