"""A meeting as the people in it see and hear it: each at a Chromium with a camera, a microphone and a screen.

Chromium's camera paints a clock, its microphone beeps once a second; both go the whole way over the hub. Synchronous.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Locator, expect

from tests.browser.console import Console
from tests.hub_process import ADMIN_PASSWORD, HubProcess, wait_for

COUNTY_NAME = "xiangyun.example"
"""A name that is not the machine itself, as a county's hub has one."""
MEDIA_ARGS = [
    f"--host-resolver-rules=MAP {COUNTY_NAME} 127.0.0.1",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--auto-select-desktop-capture-source=Entire screen",
    "--autoplay-policy=no-user-gesture-required",
]
LISTENING = Path(__file__).with_name("listening.js")
BEEP_RMS = 0.02
"""Chromium's beep comes through at 0.1 and more; what is muted is exactly silent, comfort noise far below this."""
BEEP_EVERY_MS = 1_000


@dataclass(frozen=True, slots=True)
class Meeting:
    """A room, its invitation, and the hub it is on."""

    hub: HubProcess
    room_id: str
    name: str
    invite_url: str
    passcode: str

    def end(self) -> None:
        """End it, unless somebody already has."""
        answer = self.hub.http.post(f"/api/v1/rooms/{self.room_id}/end", json={})
        assert answer.status_code in {200, 409}, answer.text


def new_meeting(hub: HubProcess, name: str = "防汛工作会", org_id: str = "county") -> Meeting:
    """Make a room that is always there, as the administrator."""
    hub.login()
    room = hub.post("/rooms", {"name": name, "org_id": org_id})
    invite = hub.get(f"/rooms/{room['id']}/invite")
    return Meeting(hub, room["id"], name, invite["url"], invite["passcode"])


class Attendee(Console):
    """Somebody in the meeting: the administrator (who made the room and is its chair), or a guest by link."""

    def __init__(self, browser: Browser, meeting: Meeting, name: str, **more: Any) -> None:
        """Open a browser window; nobody has joined yet."""
        super().__init__(browser, meeting.hub.url, **more)
        self.context.add_init_script(path=LISTENING)
        self.meeting = meeting
        self.name = name

    def join(self, *, is_chair: bool = False, venue: str = "", heads: int | None = None) -> "Attendee":
        """Go through the join page into the meeting: camera on, microphone off, pictures small for a small machine."""
        page = self.page
        if is_chair:
            self.log_in("admin", ADMIN_PASSWORD, path=f"/rooms/{self.meeting.room_id}/join")
        else:
            page.goto(self.meeting.invite_url.replace(self.meeting.hub.url, self.url))
            page.fill("#join-passcode", self.meeting.passcode)
        page.fill("#join-name", self.name)
        page.fill("#join-venue", venue)
        if heads is not None:
            page.get_by_role("radio", name="会场设备").click()
            page.locator("#join-heads").fill(str(heads))
        if not page.locator("#join-saving").is_checked():
            page.locator(".switches label").filter(has_text="省流量").locator(".el-switch__core").click()
        expect(page.locator("#join-saving")).to_be_checked()
        expect(page.locator("#camera-toggle")).to_have_attribute("aria-pressed", "true")
        expect(page.locator("#microphone-toggle")).to_have_attribute("aria-pressed", "true")
        page.click("#join-button")
        self.is_in()
        return self

    def log_in(self, username: str, password: str, *, path: str = "/live") -> None:
        """Log in at the form; the join page has no frame of the console around it."""
        self.open(f"/login?back={path}")
        self.page.fill("#username", username)
        self.page.fill("#password", password)
        self.page.click("button[type=submit]")
        expect(self.page.locator("#join-button, .shell").first).to_be_visible()

    def is_in(self) -> None:
        """Wait until the meeting is there."""
        expect(self.page.locator(".meeting")).to_have_attribute("data-link", "open")
        expect(self.page.locator(".m-tile").first).to_be_visible()

    @property
    def my_id(self) -> str:
        """Return one's own participant id."""
        mine = self.page.locator(".m-tile").filter(has_text=self.name).first
        return str(mine.get_attribute("data-participant"))

    def picture(self, name: str, track: str = "camera") -> Locator:
        """Return the picture of somebody, by the name on its plate."""
        return self.page.locator(f'.m-tile[data-track="{track}"]').filter(has_text=name)

    def sees(self, name: str, track: str = "camera") -> None:
        """Wait until the picture of somebody is there, and moves."""
        picture = self.picture(name, track)
        expect(picture).to_have_attribute("data-state", "playing")
        video = picture.locator("video")
        frames = int(video.evaluate("v => v.getVideoPlaybackQuality().totalVideoFrames"))
        moved = "(v, n) => v.getVideoPlaybackQuality().totalVideoFrames > n"
        wait_for(f"{self.name} sees {name} move", lambda: video.evaluate(moved, frames + 3), 60)

    def rms(self) -> float:
        """Return how loud the loudest is that is heard within a little more than one beep."""
        return float(self.page.evaluate("ms => listening.rms(ms)", BEEP_EVERY_MS + 300))

    def hears_a_beep(self) -> None:
        """Wait until a microphone is heard."""
        wait_for(f"{self.name} hears a beep", lambda: self.rms() > BEEP_RMS, 30)

    def hears_nothing(self) -> None:
        """Wait until it is quiet, then listen for three more beeps that must not come."""
        wait_for(f"it is quiet for {self.name}", lambda: self.rms() < BEEP_RMS, 30)
        assert max(self.rms() for _ in range(3)) < BEEP_RMS

    def unmute(self) -> None:
        """Press the microphone button."""
        self.page.click("#mic")
        expect(self.page.locator("#mic")).to_have_attribute("data-on", "true")

    def panel(self) -> None:
        """Open the list of people, which for the chair is its desk."""
        if self.page.locator(".people").count() == 0:
            self.page.click("#people")
        expect(self.page.locator(".people")).to_be_visible()

    def person(self, name: str) -> Locator:
        """Return somebody's line in the list of people."""
        return self.page.locator(".people li").filter(has_text=name)

    def does(self, name: str, action: str) -> None:
        """Choose an action of the menu beside somebody."""
        self.panel()
        self.person(name).locator(".menu").click()
        self.page.get_by_role("menuitem", name=action, exact=True).click()

    def peers(self) -> int:
        """Return how many connections of this page are open: one sends, one receives."""
        return int(self.page.evaluate("window.peers.filter(p => p.connectionState === 'connected').length"))


COUNT_PEERS = """(() => {
  const Real = window.RTCPeerConnection
  window.peers = []
  window.RTCPeerConnection = class extends Real { constructor(...more) { super(...more); window.peers.push(this) } }
})()"""
