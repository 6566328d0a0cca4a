"""A real browser watches: headless Chromium on a tiny page served beside the worker's private routes."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI
from fastapi.responses import HTMLResponse
from playwright.async_api import Page, async_playwright

from media.packet import Codec
from streams.webrtc.app import make_router
from tests.integration.fixtures_webrtc import Clip, Scene, encode, scene, until, with_audio

CHROMIUM = "/usr/bin/chromium"
ARGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
]

pytestmark = [pytest.mark.foreign, pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="Chromium is not installed")]

PAGE = """<!doctype html><title>viewer</title><video id="v" autoplay playsinline></video><script>
async function watch(session, kinds) {
  const pc = window.pc = new RTCPeerConnection(), media = new MediaStream();
  for (const kind of kinds) pc.addTransceiver(kind, {direction: 'recvonly'});
  pc.ontrack = event => media.addTrack(event.track);
  v.srcObject = media;
  const first = new Promise(done => v.requestVideoFrameCallback((_, frame) => done([performance.now(), frame.width])));
  await pc.setLocalDescription(await pc.createOffer());
  const posted = performance.now();
  const reply = await fetch('/whep/gate', {method: 'POST', body: pc.localDescription.sdp,
    headers: {'Content-Type': 'application/sdp', 'X-Xiangyun-User': 'u1', 'X-Xiangyun-Session': session}});
  if (reply.status != 201) return {status: reply.status};
  await pc.setRemoteDescription({type: 'answer', sdp: await reply.text()});
  const answered = performance.now(), [seen, width] = await first;
  return {status: 201, audio: reply.headers.get('X-Xiangyun-Audio'), location: reply.headers.get('Location'),
    width, post_ms: seen - posted, answer_ms: seen - answered};
}
async function stats() {
  const found = {state: pc.connectionState, width: v.videoWidth};
  (await pc.getStats()).forEach(s => { if (s.type == 'inbound-rtp') found[s.kind] = s; });
  return found;
}
</script>"""


@asynccontextmanager
async def page(place: Scene) -> AsyncIterator[Page]:
    """Serve the private routes and the page, and open it in Chromium."""
    app = FastAPI()
    app.include_router(make_router(place.endpoint))
    app.add_api_route("/", lambda: HTMLResponse(PAGE))
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


PLAY_S = 20.0
"""Pictures that a browser of today shows in three seconds, on a machine that does other things besides."""
MOST = 0.7
"""Of the pictures sent: one that is lost takes those up to the next key picture, two seconds of them, with it."""
LIVE_S = 0.5
"""A jitter buffer that holds more would not be live; how little it holds is a figure of the bench."""
HOLES = 0.35
"""Sound that a busy machine plays too late is made up by the browser; of sound that does not come, all is."""


async def plays(place: Scene, page: Page, count: int) -> dict[str, Any]:
    """Return the statistics once `count` more pictures have been decoded, and their `share` of those sent meanwhile."""
    sent, before = place.camera.frame, (await page.evaluate("stats()"))["video"]["framesDecoded"]
    async with asyncio.timeout(PLAY_S):
        while (after := await page.evaluate("stats()"))["video"]["framesDecoded"] < before + count:  # noqa: ASYNC110  # it sets no event
            await asyncio.sleep(0.1)
    after["share"] = (after["video"]["framesDecoded"] - before) / (place.camera.frame - sent)
    return after


def delay_s(stats: dict[str, Any]) -> float:
    """Return how long a picture waits in the jitter buffer on average."""
    return float(stats["video"]["jitterBufferDelay"] / stats["video"]["jitterBufferEmittedCount"])


async def stands_still(page: Page) -> None:
    """Wait until no picture is decoded for a second; what had arrived may still be."""
    async with asyncio.timeout(5):
        while True:
            before = (await page.evaluate("stats()"))["video"]["framesDecoded"]
            await asyncio.sleep(1)
            if (await page.evaluate("stats()"))["video"]["framesDecoded"] == before:
                return


@pytest.mark.parametrize(("profile", "codec"), [("high", Codec.OPUS), ("main", Codec.PCMA), ("baseline", None)])
async def test_the_picture_moves_and_the_sound_is_heard(profile, codec):
    clip: Clip = encode("1280x720", kbps=2000, profile=profile)
    async with scene(with_audio(clip, codec) if codec else clip) as place, page(place) as chromium:
        await until(lambda: place.camera.frame > 30)
        seen = await chromium.evaluate("kinds => watch('s1', kinds)", ["video", "audio"] if codec else ["video"])
        assert seen["status"] == 201
        assert seen["location"] == "/whep/sessions/s1"
        assert seen["width"] == 1280
        assert seen["audio"] == ("passthrough" if codec else "none")
        stats = await plays(place, chromium, 75)
        assert stats["share"] > MOST
        assert stats["width"] == 1280
        assert stats["video"]["packetsLost"] == 0
        assert delay_s(stats) < LIVE_S, "not live"
        if codec:
            assert stats["audio"]["totalAudioEnergy"] > 0.001
            assert stats["audio"]["concealedSamples"] < stats["audio"]["totalSamplesReceived"] * HOLES
        (figures,) = place.endpoint.sessions()
        assert figures.srtp_profile == "AEAD_AES_128_GCM"
        assert figures.rtt_ms is not None


async def test_loss_is_repaired_and_a_lost_picture_is_given_again():
    async with scene(encode("640x360", kbps=1500)) as place, page(place) as chromium:
        await chromium.evaluate("watch('s1', ['video'])")
        batch, count = place.endpoint.engine.port.batch, 0
        send = batch.send

        def lossy() -> bool:
            nonlocal count
            for slot in range(batch.filled):
                count += 1
                if count % 25 == 0:
                    batch.lengths[slot] = 0  # left out of a run, or an empty datagram: lost on the way
            return send()

        batch.send = lossy  # type: ignore[method-assign]
        stats = await plays(place, chromium, 100)
        assert stats["share"] > MOST
        assert stats["video"]["nackCount"] > 5
        (figures,) = place.endpoint.sessions()
        assert figures.packets_resent > 5
        batch.send = lambda: batch.clear() or True  # type: ignore[method-assign]  # nothing gets out
        await asyncio.sleep(1.5)
        batch.send = send  # type: ignore[method-assign]
        await plays(place, chromium, 50)
        assert place.endpoint.sessions()[0].state == "live"


async def test_a_reconnecting_camera_and_a_new_size_need_no_new_session():
    async with scene(with_audio(encode(), Codec.OPUS)) as place, page(place) as chromium:
        assert (await chromium.evaluate("watch('s1', ['video', 'audio'])"))["width"] == 320
        place.camera.end()
        await asyncio.sleep(2.5)
        place.camera.clip, place.camera.frame = with_audio(encode("640x360"), Codec.OPUS), 0
        place.camera.begin()
        await chromium.wait_for_function("v.videoWidth == 640", timeout=PLAY_S * 1000)
        stats = await plays(place, chromium, 50)
        assert stats["share"] > MOST
        assert stats["width"] == 640
        assert stats["state"] == "connected"
        assert delay_s(stats) < LIVE_S, "not live"
        assert len(place.endpoint.sessions()) == 1


async def test_delete_ends_the_picture_within_a_second():
    async with scene(encode()) as place, page(place) as chromium:
        await chromium.evaluate("watch('s1', ['video'])")
        assert await chromium.evaluate("fetch('/whep/sessions/s1', {method: 'DELETE'}).then(r => r.status)") == 204
        await chromium.wait_for_function("pc.getReceivers()[0].transport.state == 'closed'", timeout=1000)
        await stands_still(chromium)
        assert place.ends == [("s1", "u1", "gate", "deleted")]
