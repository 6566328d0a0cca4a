"""Fast search in the recordings: key pictures only, at the speed promised, and back without losing the place."""

import itertools
import time
from datetime import datetime

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import County
from tests.browser.console import Console, off_by_ms
from tests.hub_process import wait_for

NEEDED_MS = 60_000
REFUSING = """Object.defineProperty(HTMLMediaElement.prototype, 'playbackRate', {
  set(rate) { if (rate > 2) throw new DOMException('too fast', 'NotSupportedError') }, get() { return 1 } })"""


@pytest.fixture(scope="module")
def begins_ms(county: County) -> float:
    """Wait until the gate has a minute of recording; return its beginning, epoch ms."""

    def long_enough() -> float | None:
        now = time.time()
        stamps = [time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(t)) for t in (now - 3600, now)]
        spans = county.hub.get("/recordings", camera_id="gate", start=stamps[0], end=stamps[1])["spans"]
        start, end = (
            datetime.fromisoformat(spans[-1][e]).timestamp() * 1000 if spans else 0.0 for e in ("start", "end")
        )
        return start if end - start > NEEDED_MS else None

    return float(wait_for("a minute of recording", long_enough, 90, every_s=1))


def playing(console: Console, begins_ms: float) -> None:
    console.open_replay("gate")
    console.zoom_in_on(begins_ms + 3000)
    console.click_time(begins_ms + 3000)
    console.give_reason()
    expect(console.screen).to_have_attribute("data-phase", "ready")
    console.code_of(console.screen.locator("video"))


def at(console: Console, speed: str) -> None:
    console.page.get_by_role("button", name=speed, exact=True).click()


def wall_ms(console: Console) -> float:
    return float(console.screen.get_attribute("data-wall") or 0)


def test_fast_search_loads_key_pictures_only_and_comes_back_to_the_same_moment(console: Console, begins_ms: float):
    playing(console, begins_ms)
    asked: list[str] = []
    console.page.on("request", lambda request: asked.append(request.url))
    at(console, "8×")
    console.page.wait_for_timeout(3000)
    pieces = [".keys.mp4" in url for url in asked if "/segments/" in url]
    assert all(pieces[pieces.index(True) :]), "no other pictures once key pictures play"
    video = console.screen.locator("video")
    assert video.evaluate("v => [v.playbackRate, v.paused]") == [8, False]
    quality = video.evaluate(
        "v => { const q = v.getVideoPlaybackQuality(); return [q.droppedVideoFrames, q.totalVideoFrames] }"
    )
    assert quality[0] <= 0.1 * quality[1], quality
    before = wall_ms(console)
    at(console, "1×")
    console.page.wait_for_timeout(1500)
    assert 0 <= wall_ms(console) - before < 5000
    console.page.click("#play-toggle")
    console.page.wait_for_timeout(200)
    assert abs(off_by_ms(console.code_of(video), wall_ms(console))) < 250


def test_the_clock_is_right_on_every_key_picture(console: Console, begins_ms: float):
    playing(console, begins_ms)
    at(console, "4×")
    video = console.screen.locator("video")
    console.page.wait_for_timeout(1000)
    for _ in range(3):
        console.page.wait_for_timeout(600)
        console.page.click("#play-toggle")
        assert abs(off_by_ms(console.code_of(video), wall_ms(console))) < 120
        console.page.click("#play-toggle")


def test_single_pictures_go_on_from_the_key_picture_shown(console: Console, begins_ms: float):
    playing(console, begins_ms)
    at(console, "4×")
    video = console.screen.locator("video")
    console.page.wait_for_timeout(6000)
    console.page.click("#play-toggle")
    console.page.wait_for_timeout(400)
    times = [console.code_of(video)["time_ms"]]
    for _ in range(3):
        console.page.click("#frame-forward")
        console.page.wait_for_timeout(1200)
        times.append(console.code_of(video)["time_ms"])
    assert [(b - a) % 60_000 for a, b in itertools.pairwise(times)] == [100, 100, 100], times


def test_a_browser_that_cannot_play_so_fast_is_led_over_the_key_pictures(console: Console, begins_ms: float):
    console.context.add_init_script(REFUSING)
    playing(console, begins_ms)
    at(console, "8×")
    console.page.wait_for_timeout(1000)
    first, began = wall_ms(console), time.monotonic()
    console.page.wait_for_timeout(3500)
    speed = (wall_ms(console) - first) / 1000 / (time.monotonic() - began)
    assert speed == pytest.approx(8, rel=0.3)
