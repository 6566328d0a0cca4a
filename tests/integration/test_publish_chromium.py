"""A real browser publishes: headless Chromium with fake devices, camera in three layers, a screen and a microphone."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, async_playwright

from media.base.clock import SystemClock
from media.base.ids import SourceId
from media.packet import Codec
from streams.publication import PublishedTrack, TrackName
from streams.webrtc.engine import EngineSettings, WebRtcEngine
from streams.webrtc.publishing import PublishEvents, PublishingPeer
from tests.integration.fixtures_webrtc import until
from tests.integration.test_whep_chromium import ARGS, CHROMIUM

pytestmark = [pytest.mark.foreign, pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="Chromium is not installed")]

DEVICES = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
ALL = frozenset({TrackName.CAMERA, TrackName.SCREEN, TrackName.MICROPHONE})

PAGE = """
const layers = [{rid: 'q', scaleResolutionDownBy: 4, maxBitrate: 150000}, {rid: 'h', scaleResolutionDownBy: 2,
  maxBitrate: 500000}, {rid: 'f', scaleResolutionDownBy: 1, maxBitrate: 1500000}];
function screen() {
  const canvas = document.createElement('canvas'); canvas.width = 640; canvas.height = 360;
  const pen = canvas.getContext('2d'); let n = 0;
  setInterval(() => { pen.fillStyle = `hsl(${n++ % 360} 80% 50%)`; pen.fillRect(0, 0, 640, 360);
    for (let i = 0; i < 60; i++) { pen.fillStyle = `rgb(${Math.random()*255},${Math.random()*255},0)`;
      pen.fillRect(Math.random()*640, Math.random()*360, 40, 30); } }, 66);
  return canvas.captureStream(15);
}
async function offer(codec) {
  const pc = window.pc = new RTCPeerConnection(), media = await navigator.mediaDevices.getUserMedia(
    {audio: true, video: {width: 1280, height: 720, frameRate: 20}});
  const camera = pc.addTransceiver(media.getVideoTracks()[0], {direction: 'sendonly', sendEncodings: layers});
  const shown = pc.addTransceiver(screen().getVideoTracks()[0], {direction: 'sendonly'});
  const voice = pc.addTransceiver(media.getAudioTracks()[0], {direction: 'sendonly'});
  const wanted = RTCRtpReceiver.getCapabilities('video').codecs.filter(c => /rtx/i.test(c.mimeType) || c.mimeType == codec);
  for (const each of [camera, shown]) each.setCodecPreferences(wanted);
  window.named = {camera, screen: shown, microphone: voice};
  await pc.setLocalDescription(await pc.createOffer());
  const names = Object.fromEntries(Object.entries(named).map(([name, t]) => [t.mid, name]));
  return {sdp: pc.localDescription.sdp, names};
}
async function again() {
  await pc.setLocalDescription(await pc.createOffer());
  return pc.localDescription.sdp;
}
const answer = sdp => pc.setRemoteDescription({type: 'answer', sdp});
async function want(name, rids) {
  const sender = named[name].sender, parameters = sender.getParameters();
  for (const each of parameters.encodings) each.active = rids.includes(each.rid || '');
  await sender.setParameters(parameters);
}
async function figures() {
  const found = [];
  (await pc.getStats()).forEach(s => { if (s.type == 'outbound-rtp' || s.type == 'candidate-pair' && s.nominated) found.push(s); });
  return found;
}
"""


class Publisher:
    """A publishing peer in this process and the page that feeds it."""

    def __init__(self, engine: WebRtcEngine, page: Page) -> None:
        self.wanted: list[tuple[TrackName, frozenset[str]]] = []
        self.levels: list[int] = []
        self.ends: list[str] = []
        self.page = page
        events = PublishEvents(
            on_layers_wanted=lambda name, rids: self.wanted.append((name, rids)),
            on_level=lambda _name, level, _at: self.levels.append(level),
            on_ended=lambda cause: self.ends.append(cause.value),
        )
        self.peer = PublishingPeer(engine, SourceId("participant/p1"), events)

    async def publish(self, codec: str) -> str:
        offered = await self.page.evaluate("codec => offer(codec)", codec)
        names = {mid: TrackName(name) for mid, name in offered["names"].items()}
        answered = await self.peer.answer(offered["sdp"], names)
        await self.page.evaluate("sdp => answer(sdp)", answered)
        return answered

    def track(self, name: TrackName) -> PublishedTrack:
        track = self.peer.publication.get(name)
        assert track is not None
        return track

    def layers(self, name: TrackName) -> dict[str, Any]:
        return {layer.rid: layer for layer in self.peer.stats().tracks.get(name.value, ())}


@asynccontextmanager
async def publisher() -> AsyncIterator[Publisher]:
    engine = WebRtcEngine(EngineSettings(public_addresses=("127.0.0.1",)), SystemClock())
    await engine.start()
    async with async_playwright() as play:
        browser = await play.chromium.launch(executable_path=CHROMIUM, args=[*ARGS, *DEVICES])
        opened = await browser.new_page()
        await opened.route("**/*", lambda route: route.fulfill(body="<!doctype html><title>publisher</title>", content_type="text/html"))
        await opened.goto("http://localhost/")
        await opened.add_script_tag(content=PAGE)
        made = Publisher(engine, opened)
        try:
            yield made
        finally:
            await made.peer.aclose()
            await browser.close()
            await engine.aclose()


@pytest.mark.parametrize(("mime", "codec"), [("video/VP8", Codec.VP8), ("video/H264", Codec.H264)])
async def test_camera_in_three_layers_screen_and_microphone_flow(mime: str, codec: Codec) -> None:
    async with publisher() as made:
        before = threading.active_count()
        made.peer.allow(ALL)
        answered = await made.publish(mime)
        print(answered)
        await until(lambda: len(made.peer.publication.tracks) == 3, 15)
        for name in ALL:
            for layer in made.track(name).layers:
                made.track(name).watch(layer.rid)
        try:
            await until(lambda: all(layer.is_flowing for name in ALL for layer in made.layers(name).values()), 30)
            await asyncio.sleep(5)
        finally:
            print(json.dumps(made.peer.stats(), default=lambda x: {k: getattr(x, k) for k in x.__slots__}, indent=1))
            for f in await made.page.evaluate("figures()"):
                print({k: f.get(k) for k in ("rid", "mid", "bytesSent", "retransmittedPacketsSent", "nackCount", "pliCount", "availableOutgoingBitrate", "frameWidth", "framesPerSecond","active", "encoderImplementation", "qualityLimitationReason", "totalPacketSendDelay")})
        assert threading.active_count() == before
