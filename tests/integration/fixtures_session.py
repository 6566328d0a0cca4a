"""A hub, a room, and headless Chromium pages in it that speak the session protocol themselves, without the console."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Browser, Page, sync_playwright

from tests.hub_process import HubProcess
from tests.integration.test_whep_chromium import ARGS, CHROMIUM

DEVICES = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]

PAGE = """
class Session {
  constructor() { this.told = []; this.slots = {}; this.waiting = new Map(); this.number = 0; this.closed = null; this.players = {}; }
  async connect(url, hello) {
    const socket = this.socket = new WebSocket(url);
    this.closed = null;
    socket.onmessage = (e) => socket === this.socket && this.hear(JSON.parse(e.data));
    socket.onclose = (e) => { if (socket === this.socket) this.closed = e.code; };
    await new Promise((yes, no) => { socket.onopen = yes; socket.onerror = () => no(new Error('no socket')); });
    const welcome = await this.ask('hello', {protocol: 1, ...hello});
    if (welcome.type === 'welcome') { this.resume = welcome.resume_token; this.ice = {iceServers: welcome.ice_servers}; }
    return welcome;
  }
  hear(message) {
    if (message.id !== undefined && this.waiting.has(message.id)) {
      this.waiting.get(message.id)(message);
      this.waiting.delete(message.id);
      return;
    }
    this.told.push(message);
    if (message.type === 'slot') this.slots[message.mid] = message;
  }
  ask(type, fields = {}) {
    const id = ++this.number;
    return new Promise((yes) => { this.waiting.set(id, yes); this.socket.send(JSON.stringify({type, id, ...fields})); });
  }
  async publish(fresh = false) {
    const media = this.media ??= await navigator.mediaDevices.getUserMedia(
      {audio: {autoGainControl: false, noiseSuppression: false, echoCancellation: false}, video: {width: 320, height: 180, frameRate: 15}});
    if (fresh || !this.up) {
      this.up = new RTCPeerConnection(this.ice);
      const camera = this.up.addTransceiver(media.getVideoTracks()[0], {direction: 'sendonly'});
      const voice = this.up.addTransceiver(media.getAudioTracks()[0], {direction: 'sendonly'});
      this.lines = {camera, microphone: voice};
    }
    await this.up.setLocalDescription(await this.up.createOffer());
    const tracks = Object.fromEntries(Object.entries(this.lines).map(([name, t]) => [t.mid, name]));
    const answer = await this.ask('publish', {sdp: this.up.localDescription.sdp, tracks, fresh});
    if (answer.type === 'published') await this.up.setRemoteDescription({type: 'answer', sdp: answer.sdp});
    return answer;
  }
  async open(video, audio, fresh = false) {
    if (fresh || !this.down) {
      this.down = new RTCPeerConnection(this.ice);
      for (let n = 0; n < video; n++) this.down.addTransceiver('video', {direction: 'recvonly'});
      for (let n = 0; n < audio; n++) this.down.addTransceiver('audio', {direction: 'recvonly'});
    }
    await this.down.setLocalDescription(await this.down.createOffer());
    const answer = await this.ask('slots', {sdp: this.down.localDescription.sdp, fresh});
    if (answer.type === 'slots') await this.down.setRemoteDescription({type: 'answer', sdp: answer.sdp});
    for (const t of this.down.getTransceivers()) if (!this.players[t.mid] || fresh) this.play(t);
    return answer;
  }
  play(t) {
    const element = document.createElement(t.receiver.track.kind);
    element.autoplay = true; element.playsInline = true; element.muted = t.receiver.track.kind === 'video';
    element.srcObject = new MediaStream([t.receiver.track]);
    document.body.append(element);
    element.play().catch(() => {});
    this.players[t.mid] = element;
  }
  async figures() {
    const found = {};
    if (this.down) (await this.down.getStats()).forEach((s) => {
      if (s.type === 'inbound-rtp') found[s.mid] = {kind: s.kind, frames: s.framesDecoded || 0, packets: s.packetsReceived,
        energy: s.totalAudioEnergy || 0, level: s.audioLevel || 0};
    });
    return found;
  }
}
const s = window.s = new Session();
async function post(url, token, pc) {
  await pc.setLocalDescription(await pc.createOffer());
  await new Promise((yes) => pc.iceGatheringState === 'complete' ? yes() : pc.onicegatheringstatechange = () => pc.iceGatheringState === 'complete' && yes());
  const answer = await fetch(url, {method: 'POST', body: pc.localDescription.sdp,
    headers: {'Content-Type': 'application/sdp', Authorization: 'Bearer ' + token}});
  if (answer.status !== 201) return {status: answer.status, body: await answer.text()};
  await pc.setRemoteDescription({type: 'answer', sdp: await answer.text()});
  return {status: 201, location: answer.headers.get('Location')};
}
async function whip(url, token) {
  const media = await navigator.mediaDevices.getUserMedia({audio: true, video: {width: 320, height: 180}});
  const pc = window.up = new RTCPeerConnection();
  for (const track of media.getTracks()) pc.addTransceiver(track, {direction: 'sendonly'});
  return post(url, token, pc);
}
async function whep(url, token) {
  const pc = s.down = new RTCPeerConnection();
  for (const kind of ['video', 'audio']) pc.addTransceiver(kind, {direction: 'recvonly'});
  const answer = await post(url, token, pc);
  if (answer.status === 201) for (const t of pc.getTransceivers()) s.play(t);
  return answer;
}
"""


def until(condition: Any, within_s: float = 20.0, every_s: float = 0.05) -> Any:
    """Return what `condition` returns when it is true; AssertionError when it never is."""
    deadline = time.monotonic() + within_s
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(every_s)
    return found


@dataclass
class Seat:
    """One page in the room."""

    page: Page
    hub: HubProcess
    participant_id: str
    welcome: dict[str, Any] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"{self.hub.url.replace('http', 'ws', 1)}/api/v1/session"

    def run(self, script: str, *arguments: Any) -> Any:
        return self.page.evaluate(script, list(arguments))

    def connect(self, **hello: Any) -> dict[str, Any]:
        self.welcome = self.run("([url, hello]) => s.connect(url, hello)", self.url, hello)
        return self.welcome

    def ask(self, kind: str, **fields: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self.run("([kind, fields]) => s.ask(kind, fields)", kind, fields)
        return answer

    def publish(self, *, fresh: bool = False) -> dict[str, Any]:
        return dict(self.run("([fresh]) => s.publish(fresh)", fresh))

    def open(self, video: int = 2, audio: int = 2, *, fresh: bool = False) -> dict[str, Any]:
        return dict(self.run("([v, a, fresh]) => s.open(v, a, fresh)", video, audio, fresh))

    def watch(self, source: str, track: str = "camera") -> str:
        """Subscribe as soon as the source is told, and return the mid."""

        def ask() -> str:
            answer = self.ask("subscribe", source=source, track=track, width=320, height=180)
            return str(answer.get("mid") or "")

        return str(until(ask, every_s=0.3))

    def told(self, kind: str) -> list[dict[str, Any]]:
        return list(self.run("([kind]) => s.told.filter((m) => m.type === kind)", kind))

    def figure(self, mid: str, name: str) -> float:
        return float(self.run("async ([mid, name]) => ((await s.figures())[mid] || {})[name] || 0", mid, name))

    def advances(self, mid: str, name: str = "frames", by: float = 10, within_s: float = 20.0) -> None:
        """Wait until a figure has grown."""
        before = self.figure(mid, name)
        until(lambda: self.figure(mid, name) >= before + by, within_s)

    def voice_mid(self, source: str) -> str:
        """Return the slot in which a microphone is heard."""
        script = "([source]) => Object.values(s.slots).find((m) => m.source === source && m.track === 'microphone')?.mid || ''"
        return str(until(lambda: self.run(script, source)))


@dataclass
class Meeting:
    """A room on a running hub."""

    hub: HubProcess
    browser: Browser
    room_id: str
    passcode: str
    invite: str

    def join(self, **body: Any) -> dict[str, Any]:
        """Take a seat as the administrator, or with `invite` as a guest."""
        answer = self.hub.http.post(f"/api/v1/rooms/{self.room_id}/join", json=body)
        assert answer.status_code in {200, 201}, answer.text
        return dict(answer.json())

    def join_as_guest(self, name: str) -> dict[str, Any]:
        with httpx.Client(base_url=self.hub.url) as guest:
            body = {"display_name": name, "invite": self.invite, "passcode": self.passcode}
            answer = guest.post(f"/api/v1/rooms/{self.room_id}/join", json=body)
            assert answer.status_code in {200, 201}, answer.text
            return dict(answer.json())

    def new_page(self) -> Page:
        page = self.browser.new_context(permissions=["camera", "microphone"]).new_page()
        page.goto(f"{self.hub.url}/healthz")
        page.evaluate(PAGE)
        return page

    def sit(self, joined: dict[str, Any]) -> Seat:
        seat = Seat(self.new_page(), self.hub, joined["participant_id"])
        welcome = seat.connect(token=joined["token"])
        assert welcome["type"] == "welcome", welcome
        return seat


@contextmanager
def meeting(data_dir: Path, **room: Any) -> Iterator[Meeting]:
    """Run a hub with one room and a browser."""
    with HubProcess(data_dir, env={"XIANGYUN_PUBLIC_ADDRESSES": "127.0.0.1"}) as hub, sync_playwright() as playwright:
        hub.login()
        hub.root_org()
        made = hub.post("/rooms", {"name": "例会", **room})
        invite = hub.get(f"/rooms/{made['id']}/invite")
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*ARGS, *DEVICES])
        try:
            yield Meeting(hub, browser, made["id"], invite["passcode"], invite["url"].partition("invite=")[2])
        finally:
            browser.close()
