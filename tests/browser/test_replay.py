"""Replay: reason, timeline, seeks that land where they should, speeds, single pictures, gaps with their reason."""

import itertools
import time
from collections.abc import Iterator
from datetime import datetime

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import County
from tests.browser.console import Console, off_by_ms
from tests.hub_process import ADMIN_PASSWORD, wait_for

GOP_MS = 2000
SEEKS = 12
SEARCHED_MS = 120_000
"""How much of a recording is searched: however long it is by now, the timeline shows this at its closest."""


@pytest.fixture(scope="module")
def recorded(county: County) -> tuple[float, float]:
    """Wait until the gate has 45 s of recording; return its beginning and a safe end, epoch ms."""

    def long_enough() -> tuple[float, float] | None:
        now = time.time()
        stamps = [time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(t)) for t in (now - 3600, now)]
        spans = county.hub.get("/recordings", camera_id="gate", start=stamps[0], end=stamps[1])["spans"]
        if not spans:
            return None
        start, end = (_epoch_ms(spans[-1][edge]) for edge in ("start", "end"))
        return (start, min(end - 6000, start + SEARCHED_MS)) if end - start > 45_000 else None

    return wait_for("45 s of recording", long_enough, 60, every_s=1)


def _epoch_ms(stamp: str) -> float:
    return datetime.fromisoformat(stamp).timestamp() * 1000


@pytest.fixture(scope="module")
def window(browser: Browser, county: County, recorded: tuple[float, float]) -> Iterator[Console]:
    """Give one window with the gate's recording open, reason given; opening it anew for each test would take minutes."""
    console = Console(browser, county.hub.url)
    console.log_in("admin", ADMIN_PASSWORD)
    console.open_replay("gate")
    console.zoom_in_on(recorded[0] + 5000)
    console.click_time(recorded[0] + 5000)
    console.give_reason()
    yield console
    console.close()


@pytest.fixture
def replay(window: Console, recorded: tuple[float, float]) -> Console:
    """Give the window playing at normal speed from the fifth second."""
    window.page.get_by_role("button", name="1×", exact=True).click()
    window.click_time(recorded[0] + 5000)
    expect(window.screen).to_have_attribute("data-phase", "ready")
    if window.page.locator("#play-toggle").inner_text() == "播放":
        window.page.click("#play-toggle")
    window.code_of(window.screen.locator("video"))
    return window


def test_no_picture_without_a_reason(console: Console, recorded: tuple[float, float]):
    console.open_replay("gate")
    console.zoom_in_on(recorded[0] + 5000)
    console.click_time(recorded[0] + 5000)
    page = console.page
    expect(page.get_by_text("调阅登记").first).to_be_visible()
    page.click("#reason-submit")
    expect(page.get_by_text("请填写这一项")).to_be_visible()
    page.get_by_role("button", name="取消").click()
    expect(console.screen).to_have_attribute("data-phase", "idle")
    console.click_time(recorded[0] + 5000)
    console.give_reason("核查火情")
    expect(console.screen).to_have_attribute("data-phase", "ready")
    expect(page.get_by_text("已登记：核查火情")).to_be_visible()


def test_every_click_on_the_timeline_shows_the_moment_clicked(replay: Console, recorded: tuple[float, float]):
    start, end = recorded
    errors = []
    for index in range(SEEKS):
        share = (index * 5 % SEEKS + 0.37) / SEEKS
        clicked, shown = replay.seek(start + share * (end - start))
        assert shown["camera"] == 1
        errors.append(off_by_ms(shown, clicked))
    assert max(map(abs, errors)) < GOP_MS, errors
    assert sorted(map(abs, errors))[len(errors) // 2] < 300, f"seeks are to the picture, not to the GOP: {errors}"


def test_the_clock_on_the_page_is_the_clock_in_the_picture(replay: Console):
    for _ in range(3):
        replay.page.wait_for_timeout(400)
        replay.page.get_by_title("暂停").click()
        wall_ms = float(replay.screen.get_attribute("data-wall") or 0)
        code = replay.code_of(replay.screen.locator("video"))
        assert abs(off_by_ms(code, wall_ms)) < 250
        replay.page.locator("#play-toggle").click()


@pytest.mark.parametrize("speed", [0.5, 2, 4, 16])
def test_speeds(replay: Console, recorded: tuple[float, float], speed: float):
    video = replay.screen.locator("video")
    replay.click_time(recorded[0] + 1000)
    replay.page.get_by_role("button", name=f"{speed:g}×", exact=True).click()
    replay.page.wait_for_timeout(500)
    first = replay.code_of(video)
    replay.page.wait_for_timeout(2000 if speed < 16 else 1500)
    second = replay.code_of(video)
    played_ms = (second["time_ms"] - first["time_ms"]) % 60_000
    assert played_ms / (second["wall_ms"] - first["wall_ms"]) == pytest.approx(speed, rel=0.35)


def test_single_pictures_forward_and_back(replay: Console):
    video = replay.screen.locator("video")
    replay.page.wait_for_timeout(600)
    replay.page.locator("#play-toggle").click()
    replay.page.wait_for_timeout(300)
    times = [replay.code_of(video)["time_ms"]]
    for button in ("#frame-forward", "#frame-forward", "#frame-back"):
        replay.page.click(button)
        replay.page.wait_for_timeout(400)
        times.append(replay.code_of(video)["time_ms"])
    steps = [(b - a + 30_000) % 60_000 - 30_000 for a, b in itertools.pairwise(times)]
    assert steps == [100, 100, -100], times


def test_a_gap_is_shown_with_its_reason_and_skipped_with_a_word(console: Console, county: County):
    hub = county.hub
    county.bridge.unplug()
    gone = time.time()
    time.sleep(9)
    county.bridge.plug_in()
    hub.wait_online("bridge")

    def gap() -> dict[str, str] | None:
        stamps = [time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(t)) for t in (gone - 60, time.time() + 1)]
        found = hub.get("/recordings", camera_id="bridge", start=stamps[0], end=stamps[1])
        later = [span for span in found["spans"] if _epoch_ms(span["start"]) > gone * 1000 + 5000]
        return next((g for g in found["gaps"] if _epoch_ms(g["end"]) > gone * 1000 + 5000), None) if later else None

    stretch = wait_for("the gap is in the index", gap, 30, every_s=0.5)
    middle = (_epoch_ms(stretch["start"]) + _epoch_ms(stretch["end"])) / 2
    console.open_replay("bridge")
    console.zoom_in_on(middle)
    band = console.page.locator(".timeline canvas")
    band.hover(position={"x": console.x_of(middle), "y": 40})
    tip = console.page.locator(".timeline .tip")
    expect(tip).to_contain_text("无录像 —")
    assert any(words in tip.inner_text() for words in ("连接中断", "设备拒绝连接")), tip.inner_text()
    console.click_time(middle)
    console.give_reason()
    expect(console.page.get_by_text("此处无录像，已跳到")).to_be_visible()
    code = console.code_of(console.screen.locator("video"))
    assert abs(off_by_ms(code, _epoch_ms(stretch["end"]))) < 5000


def test_sound_of_a_recording_can_be_heard(replay: Console):
    video = replay.screen.locator("video")
    assert video.evaluate("v => v.muted")
    replay.page.get_by_title("打开声音").click()
    before = video.evaluate("v => v.webkitAudioDecodedByteCount")
    wait_for("decoded sound", lambda: video.evaluate("v => v.webkitAudioDecodedByteCount") > before, 5)
    assert not video.evaluate("v => v.muted")


def test_an_h265_recording_says_that_this_browser_cannot_play_it(console: Console):
    console.open_replay("hall")
    start, end = console.view()
    console.click_time((start + end) / 2)
    console.give_reason()
    expect(console.screen.locator(".cover")).to_contain_text("H.265 录像，此浏览器不能播放", timeout=15_000)
