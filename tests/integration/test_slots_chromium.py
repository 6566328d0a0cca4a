"""A real browser with pre-negotiated slots: what is shown in them changes, and the connection does not."""

import asyncio
import socket
import statistics
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse
from playwright.async_api import Page, async_playwright

from media.base.clock import SystemClock
from media.base.ids import CameraId, Quality, StreamKey, camera_source
from media.packet import Codec
from streams.hub import Hub
from streams.plane import Plane
from streams.publication import PublishedTrack, TrackName
from streams.webrtc.camera_source import CameraSources
from streams.webrtc.engine import EngineSettings, WebRtcEngine
from streams.webrtc.layers import Wish
from streams.webrtc.slots import MediaSlot
from streams.webrtc.subscribing import SubscribeEvents, SubscribingPeer
from tests.integration.fixtures_webrtc import Clip, FileCamera, encode, until, with_audio
from tests.integration.test_whep_chromium import ARGS, CHROMIUM

pytestmark = [pytest.mark.foreign, pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="Chromium is not installed")]

WAIT_S = 1.0
"""Half of the switches show the new camera within this, on a machine that does other things besides; alone it is 0.1 s."""

PAGE = """<!doctype html><title>slots</title><video id="v" autoplay playsinline muted></video><audio id="a" autoplay></audio><script>
const frames = [];
function look(now, frame) {
  frames.push([performance.now(), frame.width]);
  v.requestVideoFrameCallback(look);
}
async function ask() {
  await pc.setLocalDescription(await pc.createOffer());
  const reply = await fetch('/subscribe', {method: 'POST', body: pc.localDescription.sdp});
  await pc.setRemoteDescription({type: 'answer', sdp: await reply.text()});
}
async function subscribe(video, audio, options = {}) {
  const pc = window.pc = new RTCPeerConnection();
  window.offers = 0;
  pc.onnegotiationneeded = () => window.offers++;
  for (let n = 0; n < video; n++) pc.addTransceiver('video', {direction: 'recvonly'});
  for (let n = 0; n < audio; n++) pc.addTransceiver('audio', {direction: 'recvonly'});
  await ask();
  watch(0);
  const heard = pc.getTransceivers().filter(t => t.receiver.track.kind == 'audio');
  a.srcObject = new MediaStream(heard.slice(0, 1).map(t => t.receiver.track));
  v.requestVideoFrameCallback(look);
  return pc.getTransceivers().map(t => [t.mid, t.receiver.track.kind]);
}
function watch(index) {
  const videos = pc.getTransceivers().filter(t => t.receiver.track.kind == 'video');
  v.srcObject = new MediaStream([videos[index].receiver.track]);
}
async function inbound(kind) {
  const found = [];
  (await pc.getStats()).forEach(s => { if (s.type == 'inbound-rtp' && s.kind == kind) found.push(s); });
  return found;
}
</script>"""


@dataclass
class Site:
    """Cameras, a plane, and the page's connection once it has asked for it."""

    hub: Hub
    plane: Plane
    engine: WebRtcEngine
    page: Page
    connection: SubscribingPeer
    layers: list[tuple[str, str | None]] = field(default_factory=list)

    def slots(self, kind: str) -> list[MediaSlot]:
        return [slot for slot in self.connection.slots.values() if slot.kind.value == kind]

    async def track(self, camera: str, name: TrackName = TrackName.VIDEO) -> PublishedTrack:
        publication = await self.plane.acquire(camera_source(CameraId(camera)), "")
        track = publication.get(name)
        assert track is not None
        return track

    async def shows(self, width: int, within_s: float = 20) -> float:
        """Wait until a picture of this width is shown; return when the page saw the first of them."""
        async with asyncio.timeout(within_s):
            while True:
                seen = await self.page.evaluate("frames.slice(-50)")
                if seen and seen[-1][1] == width:
                    return float(next(at for at, w in seen[::-1] if w == width))
                await asyncio.sleep(0.02)

    async def frame_count(self) -> int:
        return int(await self.page.evaluate("frames.length"))


@asynccontextmanager
async def site(cameras: dict[str, Clip], subs: dict[str, Clip] | None = None) -> AsyncIterator[Site]:
    """Run cameras that play, an engine, and a page in Chromium."""
    hub, clock = Hub(), SystemClock()
    engine = WebRtcEngine(EngineSettings(public_addresses=("127.0.0.1",)), clock)
    await engine.start()
    plane = Plane("w1", CameraSources(hub, engine), None)
    playing = []
    for quality, clips in ((Quality.MAIN, cameras), (Quality.SUB, subs or {})):
        for name, clip in clips.items():
            camera = FileCamera(hub.stream(StreamKey(camera_source(CameraId(name)), quality)), clip)
            camera.begin()
            playing.append(asyncio.get_running_loop().create_task(camera.play()))
    layers: list[tuple[str, str | None]] = []
    events = SubscribeEvents(lambda *what: layers.append(what), lambda *_: None, lambda _: None)
    connection = SubscribingPeer(engine, "page", events)
    app = FastAPI()
    app.add_api_route("/", lambda: HTMLResponse(PAGE))

    @app.post("/subscribe")
    async def subscribe(request: Request) -> Response:
        return Response(await connection.answer((await request.body()).decode()), media_type="application/sdp")

    try:
        async with browser_page(app) as page:
            yield Site(hub, plane, engine, page, connection, layers)
    finally:
        await connection.aclose()
        for task in playing:
            task.cancel()
        plane.close()
        await engine.aclose()


@asynccontextmanager
async def browser_page(app: FastAPI) -> AsyncIterator[Page]:
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
    serving = asyncio.get_running_loop().create_task(server.serve(sockets=[listener]))
    async with async_playwright() as play:
        browser = await play.chromium.launch(executable_path=CHROMIUM, args=ARGS)
        opened = await browser.new_page()
        await opened.goto(f"http://127.0.0.1:{listener.getsockname()[1]}/")
        try:
            yield opened
        finally:
            await browser.close()
            server.should_exit = True
            await serving
            listener.close()


async def test_a_slot_shows_one_camera_after_the_other_thirty_times_without_a_new_offer():
    cameras = {"a": encode("320x240"), "b": encode("352x288"), "c": encode("640x360")}
    widths = {"a": 320, "b": 352, "c": 640}
    async with site(cameras) as place:
        lines = await place.page.evaluate("subscribe(16, 4)")
        assert [kind for _, kind in lines] == ["video"] * 16 + ["audio"] * 4
        assert [slot.mid for slot in place.slots("video")] == [mid for mid, kind in lines if kind == "video"]
        slot = place.slots("video")[0]
        tracks = {name: await place.track(name) for name in cameras}
        slot.show(tracks["a"])
        await place.shows(320)
        waits_s = []
        for turn in range(30):
            name = "bca"[turn % 3]
            asked = await place.page.evaluate("performance.now()")
            slot.show(tracks[name])
            waits_s.append((await place.shows(widths[name]) - asked) / 1000)
        before = await place.frame_count()
        await until(lambda: slot.outlet is not None and slot.outlet.state.value == "live")
        async with asyncio.timeout(20):
            while await place.frame_count() < before + 25:  # noqa: ASYNC110  # the page sets no event
                await asyncio.sleep(0.1)
        assert statistics.median(waits_s) < WAIT_S, waits_s
        (stats,) = [s for s in await place.page.evaluate("inbound('video')") if s.get("framesDecoded", 0)]
        assert stats["packetsLost"] <= stats["packetsReceived"] * 0.05  # numbers skipped at a switch would be lost ones
        assert await place.page.evaluate("pc.connectionState") == "connected"
        assert len(place.connection.slots) == 20


async def test_the_layer_follows_the_size_it_is_shown_at():
    async with site({"a": encode("640x360")}, {"a": encode("320x240", kbps=200)}) as place:
        await place.page.evaluate("subscribe(2, 0)")
        slot, track = place.slots("video")[0], await place.track("a")
        slot.show(track, Wish(300, 200))
        await place.shows(320)
        for _ in range(3):
            slot.wish(Wish(1280, 720))
            await place.shows(640)
            slot.wish(Wish(300, 200))
            await place.shows(320)
        assert [rid for _, rid in place.layers] == ["sub", "main", "sub", "main", "sub", "main", "sub"]
        await until(lambda: track.watched == frozenset({"sub"}))
        slot.wish(Wish(is_paused=True))
        await asyncio.sleep(0.5)
        before = await place.frame_count()
        await asyncio.sleep(1)
        assert await place.frame_count() == before


async def test_a_later_offer_adds_slots_and_sound_is_heard_in_a_codec_that_was_not_there_at_first():
    cameras = {"a": with_audio(encode(), Codec.PCMA), "b": with_audio(encode("352x288"), Codec.OPUS)}
    async with site(cameras) as place:
        await place.page.evaluate("subscribe(1, 1)")
        place.slots("video")[0].show(await place.track("a"))
        place.slots("audio")[0].show(await place.track("a", TrackName.AUDIO))
        await place.shows(320)
        await place.page.evaluate("pc.addTransceiver('video', {direction: 'recvonly'}); ask()")
        place.slots("video")[1].show(await place.track("b"))
        place.slots("audio")[0].show(await place.track("b", TrackName.AUDIO))
        await place.page.evaluate("watch(1)")
        await place.shows(352)
        async with asyncio.timeout(20):
            while True:
                (sound,) = await place.page.evaluate("inbound('audio')")
                codec = await place.page.evaluate(
                    "id => pc.getStats().then(r => r.get(id)?.mimeType)", sound["codecId"]
                )
                if codec == "audio/opus" and sound["totalAudioEnergy"] > 0:
                    break
                await asyncio.sleep(0.1)
        videos = await place.page.evaluate("inbound('video')")
        assert sum(s.get("framesDecoded", 0) > 0 for s in videos) == 2


async def test_ice_is_restarted_by_a_later_offer_and_pictures_go_on():
    async with site({"a": encode("320x240")}) as place:
        await place.page.evaluate("subscribe(2, 1)")
        place.slots("video")[0].show(await place.track("a"))
        await place.shows(320)
        peer = place.connection.peer
        for _ in range(2):
            fragment, heard = peer.fragment, peer.heard_mono_ns
            await place.page.evaluate("pc.restartIce(); ask()")
            assert peer.fragment != fragment
            await until(lambda heard=heard: peer._former is None and peer.heard_mono_ns > heard, 15)
            before = await place.frame_count()
            async with asyncio.timeout(20):
                while await place.frame_count() < before + 25:  # noqa: ASYNC110  # the page sets no event
                    await asyncio.sleep(0.1)
        assert await place.page.evaluate("pc.iceConnectionState") in ("connected", "completed")
        assert len(place.engine.port._by_fragment) == 1
        assert place.connection.cause is None
