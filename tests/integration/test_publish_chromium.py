"""A real browser publishes: headless Chromium with fake devices, camera in three layers, a screen and a microphone."""

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
CAMERA, SCREEN, MICROPHONE = TrackName.CAMERA, TrackName.SCREEN, TrackName.MICROPHONE
ALL = frozenset({CAMERA, SCREEN, MICROPHONE})

PAGE = """
const layers = [{rid: 'q', scaleResolutionDownBy: 4, maxBitrate: 150000}, {rid: 'h', scaleResolutionDownBy: 2,
  maxBitrate: 500000}, {rid: 'f', scaleResolutionDownBy: 1, maxBitrate: 1500000}];
function screen() {
  const canvas = document.createElement('canvas'); canvas.width = 640; canvas.height = 360;
  const pen = canvas.getContext('2d'); let n = 0;
  setInterval(() => { pen.fillStyle = `hsl(${n++ % 360} 80% 50%)`; pen.fillRect(0, 0, 640, 360);
    for (let i = 0; i < 60; i++) { pen.fillStyle = `rgb(${Math.random()*255},${Math.random()*255},0)`;
      pen.fillRect(Math.random()*640, Math.random()*360, 40, 30); } }, 125);
  return canvas.captureStream(8);
}
async function offer(codec) {
  const pc = window.pc = new RTCPeerConnection(), media = await navigator.mediaDevices.getUserMedia(
    {audio: true, video: {width: 1280, height: 720, frameRate: 10}});
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
        self.clock = engine.clock
        self.engine = engine
        self.peer = PublishingPeer(engine, SourceId("participant/p1"), events)
        self.peer.allow(ALL)

    async def publish(self, codec: str) -> str:
        offered = await self.page.evaluate("codec => offer(codec)", codec)
        names = {mid: TrackName(name) for mid, name in offered["names"].items()}
        answered = await self.peer.answer(offered["sdp"], names)
        await self.page.evaluate("sdp => answer(sdp)", answered)
        return answered

    def watch_all(self) -> None:
        """Watch every layer of every track."""
        for track in self.peer.publication.tracks:
            for layer in track.layers:
                track.watch(layer.rid)

    def all_flow(self) -> bool:
        """Tell whether every layer of every track flows and every size is known."""
        layers = [layer for name in ALL for layer in self.layers(name).values()]
        return len(layers) == 5 and all(layer.is_flowing and (layer.width or layer.codec == "opus") for layer in layers)

    def wanted_of(self, name: TrackName) -> set[str]:
        """Return what the page was last told to send, everything before."""
        told = [rids for other, rids in self.wanted if other is name]
        return set(told[-1]) if told else {layer.rid for layer in self.track(name).layers}

    def repaired(self, name: TrackName) -> int:
        return sum(layer.repaired for layer in self.layers(name).values())

    def spread_s(self, name: TrackName) -> float:
        """Return how far the last pictures of a track's layers are apart on its timeline."""
        newest = [layer.track.last_timestamp for layer in self.track(name).layers]
        return (max(newest) - min(newest)) / 90_000

    def behind_s(self, name: TrackName) -> float:
        """Return how old what came last is, by the track's clock."""
        track = self.track(name).layers[0].track
        now = track.timeline.at(self.clock.mono_ns())
        assert now is not None
        return abs(now - track.last_timestamp) / track.clock_rate_hz

    def lose(self, one_in: int) -> None:
        """Lose every so manyth packet of media before it is opened; none when 0."""
        ingress, count = self.peer._ingress, 0
        if not one_in:
            del ingress.take
            return
        take = type(ingress).take

        def lossy(rx: object, data: bytes, now_ns: int) -> bool:
            nonlocal count
            count += 1
            return count % one_in == 0 or take(ingress, rx, data, now_ns)  # type: ignore[arg-type]

        ingress.take = lossy  # type: ignore[method-assign]

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
        await opened.route(
            "**/*",
            lambda route: route.fulfill(body="<!doctype html><title>publisher</title>", content_type="text/html"),
        )
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
        threads = threading.active_count()
        await made.publish(mime)
        await until(lambda: len(made.peer.publication.tracks) == 3, 15)
        made.watch_all()
        await until(made.all_flow, 40)
        camera, (screen,), (sound,) = (made.track(name).layers for name in (CAMERA, SCREEN, MICROPHONE))
        assert [layer.rid for layer in camera] == ["q", "h", "f"]
        assert camera[0].width < camera[1].width < camera[2].width, "browsers on a busy machine scale all of them"
        assert abs(screen.width * 9 - screen.height * 16) <= 16
        assert {layer.track.params.codec for layer in (*camera, screen)} == {codec}
        assert sound.track.params.codec is Codec.OPUS
        assert all(layer.key_frames >= 1 for name in (CAMERA, SCREEN) for layer in made.layers(name).values())
        await until(lambda: min(made.levels) < 60, 10)  # the fake microphone beeps once a second
        stats = made.peer.stats()
        assert (stats.srtp_profile, stats.refused, stats.unknown, stats.malformed) == ("AEAD_AES_128_GCM", 0, 0, 0)
        assert threading.active_count() == threads, "nothing is decoded here"


async def test_lost_packets_of_both_videos_come_again_and_layers_share_a_timeline() -> None:
    async with publisher() as made:
        await made.publish("video/VP8")
        await until(lambda: len(made.peer.publication.tracks) == 3, 15)
        made.watch_all()
        await until(made.all_flow, 40)
        made.lose(20)
        videos = (CAMERA, SCREEN)
        await until(lambda: all(made.repaired(name) >= 5 for name in videos), 20)
        made.lose(0)
        await until(lambda: all(layer.missing == 0 for name in videos for layer in made.layers(name).values()), 5)
        stats = made.peer.stats()
        assert stats.repairs >= 10
        assert stats.rtt_ms is not None
        assert sum(layer.lost for name in videos for layer in made.layers(name).values()) <= stats.repairs / 20
        assert made.track(CAMERA).layers[0].track.timeline.is_anchored
        # The layers' last pictures are a few pictures apart at most, and what came last was captured just now, picture
        # and sound: unless the browser has just left a layer or a picture out, on a busy machine.
        await until(lambda: made.spread_s(CAMERA) < 0.25, 20)
        await until(lambda: made.behind_s(SCREEN) < 0.3 and made.behind_s(MICROPHONE) < 0.3, 20)


async def test_what_nobody_watches_is_paused_and_comes_back_with_a_key_frame() -> None:
    async with publisher() as made:
        await made.publish("video/VP8")
        await until(lambda: len(made.peer.publication.tracks) == 3, 15)
        made.track(CAMERA).watch("h")
        await until(lambda: made.wanted_of(CAMERA) == {"h"} and made.wanted_of(SCREEN) == set(), 10)
        for name in (CAMERA, SCREEN):
            await made.page.evaluate("([name, rids]) => want(name, rids)", [name.value, sorted(made.wanted_of(name))])
        await until(lambda: [layer.rid for layer in made.track(CAMERA).layers if layer.is_flowing] == ["h"], 15)
        await until(lambda: not made.track(SCREEN).layers[0].is_flowing, 15)
        assert made.track(SCREEN).is_live, "paused by us, not away"
        keys = made.layers(CAMERA)["q"].key_frames
        made.track(CAMERA).watch("q")
        assert made.wanted_of(CAMERA) == {"h", "q"}
        await made.page.evaluate("want('camera', ['h', 'q'])")
        await until(lambda: made.layers(CAMERA)["q"].is_flowing and made.layers(CAMERA)["q"].key_frames > keys, 15)


async def test_the_gate_the_screen_that_comes_later_and_the_end() -> None:
    async with publisher() as made:
        made.peer.allow(frozenset({CAMERA}))
        await made.publish("video/VP8")
        await until(lambda: made.peer.publication.get(CAMERA) is not None, 15)
        await until(lambda: made.peer.stats().gated > 50, 15)
        assert [track.name for track in made.peer.publication.tracks] == [CAMERA]
        assert made.levels == []
        made.peer.allow(ALL)
        await until(lambda: len(made.peer.publication.tracks) == 3, 15)
        await made.page.evaluate("named.screen.direction = 'inactive'")
        await made.page.evaluate("sdp => answer(sdp)", await made.peer.answer(await made.page.evaluate("again()"), {}))
        assert made.peer.publication.get(SCREEN) is None
        await made.page.evaluate("named.screen.direction = 'sendonly'")
        await made.page.evaluate("sdp => answer(sdp)", await made.peer.answer(await made.page.evaluate("again()"), {}))
        await until(lambda: made.peer.publication.get(SCREEN) is not None, 15)
        await made.page.evaluate("pc.close()")
        await until(lambda: made.ends, 15)
        assert made.ends == ["dtls_closed"]
        assert made.peer.publication.is_ended


async def test_fresh_ice_credentials_keep_the_media_flowing() -> None:
    async with publisher() as made:
        await made.publish("video/VP8")
        await until(lambda: len(made.peer.publication.tracks) == 3, 15)
        await made.page.evaluate("pc.restartIce()")
        await made.page.evaluate("sdp => answer(sdp)", await made.peer.answer(await made.page.evaluate("again()"), {}))
        packets = made.peer.stats().packets
        await until(lambda: made.peer.stats().packets > packets + 200, 20)
        await made.page.wait_for_function("pc.iceConnectionState == 'connected'", timeout=15_000)
        assert not made.ends
