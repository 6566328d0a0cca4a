"""The page outlives what it talks to: processes that die, tiles opened and closed all day, pages left and come back to.

The last file by name: it kills processes of the shared hub.
"""

import os
import signal
import time

from playwright.sync_api import expect

from tests.browser.conftest import County
from tests.browser.console import Console, watched
from tests.hub_process import wait_for

CYCLES = 50
COUNT_PEERS = """(() => {
  const Real = window.RTCPeerConnection
  window.peers = []
  window.RTCPeerConnection = class extends Real { constructor(...more) { super(...more); window.peers.push(this) } }
})()"""


def open_peers(console: Console) -> int:
    """Return how many peer connections of the page are not closed."""
    return int(console.page.evaluate("window.peers.filter(p => p.connectionState !== 'closed').length"))


def test_fifty_tiles_opened_and_closed_leave_nothing_behind(console: Console, county: County):
    console.page.evaluate(COUNT_PEERS)
    for cycle in range(CYCLES):
        console.choose("村口卡点" if cycle % 2 else "小学门口")
        camera_id = "gate" if cycle % 2 else "school"
        if cycle % 10 == 9:
            console.plays(camera_id)
        else:
            expect(console.tile(camera_id)).to_be_visible()
            console.page.wait_for_timeout(cycle * 17 % 300)  # closed in every stage of its opening
        console.tile(camera_id).get_by_title("关闭画面").evaluate("button => button.click()")
        expect(console.tile(camera_id)).to_have_count(0)
    assert console.page.evaluate("window.peers.length") == 1, "all tiles share one connection"
    wait_for("the worker serves nobody", lambda: watched(county.hub) == [], 10)
    console.open("/storage")
    wait_for("the connection is closed with the page", lambda: open_peers(console) == 0, 10)


def test_leaving_the_page_ends_the_pictures_and_coming_back_brings_them(console: Console, county: County):
    console.choose("村口卡点")
    console.choose("小学门口")
    console.plays("gate")
    console.plays("school")
    console.open("/storage")
    wait_for("the worker serves nobody", lambda: watched(county.hub) == [], 10)
    console.page.go_back()
    console.plays("gate")
    console.plays("school")
    console.page.goto("about:blank")
    wait_for("the worker serves nobody", lambda: watched(county.hub) == [], 10)


def test_the_page_finds_back_when_the_api_dies(console: Console, county: County):
    console.choose("村口卡点")
    console.plays("gate")
    os.kill(county.hub.pids()["api"], signal.SIGKILL)
    expect(console.page.locator(".link")).to_have_text("正在重新连接…", timeout=5_000)
    before = console.code("gate")
    console.page.wait_for_timeout(1000)
    assert console.code("gate")["time_ms"] != before["time_ms"], "pictures come from the worker and go on"
    expect(console.page.locator(".link")).to_have_text("状态实时更新", timeout=20_000)
    console.choose("小学门口")
    console.plays("school", 20)


def test_a_tile_explains_itself_when_the_worker_dies_and_comes_back(console: Console, county: County):
    console.choose("村口卡点")
    console.plays("gate")
    died = time.monotonic()
    os.kill(county.hub.pids()["worker 0"], signal.SIGKILL)
    message = console.tile("gate").locator(".message")
    expect(message).to_be_visible(timeout=8_000)
    assert message.inner_text().strip()
    expect(console.tile("gate")).to_have_attribute("data-state", "playing", timeout=20_000)
    back_after_s = time.monotonic() - died
    first = console.code("gate")
    console.page.wait_for_timeout(1000)
    assert console.code("gate")["time_ms"] != first["time_ms"]
    assert back_after_s < 20
