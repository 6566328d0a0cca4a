"""The live wall: real pictures, the right ones, the right stream, and words wherever there is no picture."""

import re
import time

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import County, NewConsole
from tests.browser.console import MAIN_LOOP_MS, SUB_LOOP_MS, Console, off_by_ms, watched
from tests.hub_process import ADMIN_PASSWORD, wait_for


def test_pictures_move_with_the_clock_and_show_the_camera_that_was_asked_for(console: Console):
    console.choose("村口卡点")
    console.choose("小学门口")
    for camera_id, number in (("gate", 1), ("school", 2)):
        console.plays(camera_id)
        first = console.code(camera_id)
        console.page.wait_for_timeout(1500)
        second = console.code(camera_id)
        assert first["camera"] == second["camera"] == number
        moved_ms = (second["time_ms"] - first["time_ms"]) % SUB_LOOP_MS
        assert moved_ms == pytest.approx(second["wall_ms"] - first["wall_ms"], abs=500)
        assert -2000 < off_by_ms(second, second["wall_ms"], SUB_LOOP_MS) < 100


def test_a_grid_shows_sub_streams_and_a_double_click_the_main_stream(console: Console):
    console.choose("村口卡点")
    console.plays("gate")
    assert console.code("gate")["width"] == 640
    expect(console.tile("gate").locator(".stream")).to_have_text("子码流")
    console.tile("gate").dblclick(position={"x": 200, "y": 120})
    expect(console.tile("gate").locator(".stream")).to_have_text("主码流")
    wait_for("the main stream", lambda: console.code("gate")["width"] == 1024, 10)
    main = console.code("gate")
    assert -2000 < off_by_ms(main, main["wall_ms"], MAIN_LOOP_MS) < 100
    console.page.locator(".bar").get_by_text("返回多画面").click()
    wait_for("the sub stream", lambda: console.code("gate")["width"] == 640, 10)


def test_the_layout_is_as_it_was_after_a_reload(console: Console):
    console.page.get_by_role("button", name="9 画面").click()
    console.choose("小学门口")
    console.choose("村口卡点")
    console.plays("gate")
    console.page.reload()
    expect(console.page.locator(".tile")).to_have_count(9)
    console.plays("school")
    console.plays("gate")
    assert console.page.locator(".tile").nth(0).get_attribute("data-camera") == "school"
    assert console.page.locator(".tile").nth(1).get_attribute("data-camera") == "gate"


def test_sound_is_on_in_one_tile_only(console: Console):
    console.choose("村口卡点")
    console.plays("gate")
    video = console.tile("gate").locator("video")
    assert video.evaluate("v => v.muted")
    console.tile("gate").hover()
    console.tool("gate", "打开声音").click()
    wait_for("the sound", lambda: not video.evaluate("v => v.muted"), 5)
    tracks = "v => v.srcObject.getAudioTracks().map(t => [t.readyState, t.muted])"
    wait_for("the first of it", lambda: video.evaluate(tracks) == [["live", False]], 10)
    console.choose("小学门口")
    console.plays("school")
    expect(console.tile("school").get_by_text("AAC 声音稍后支持")).to_be_visible()
    console.tile("school").hover()
    expect(console.tool("school", "无声音")).to_be_disabled()
    assert console.tile("school").locator("video").evaluate("v => v.muted")


def test_a_snapshot_is_a_jpeg_of_what_is_seen(console: Console, tmp_path):
    console.choose("村口卡点")
    console.plays("gate")
    console.tile("gate").hover()
    with console.page.expect_download() as download:
        console.tool("gate", "抓图").click()
    assert re.fullmatch(r"村口卡点_\d{4}-\d\d-\d\d-\d\d-\d\d-\d\d\.jpg", download.value.suggested_filename)
    download.value.save_as(tmp_path / "picture.jpg")
    picture = (tmp_path / "picture.jpg").read_bytes()
    assert picture[:3] == b"\xff\xd8\xff"
    assert len(picture) > 10_000


def test_an_h265_camera_shows_its_h264_sub_stream_and_says_so_when_enlarged(console: Console):
    console.choose("磨坊")
    console.plays("mill")
    assert console.code("mill")["camera"] == 3
    console.tile("mill").dblclick(position={"x": 200, "y": 120})
    expect(console.tile("mill").locator(".note")).to_contain_text("H.265 浏览器不支持 → 使用子码流")
    console.plays("mill")


def test_an_h265_camera_without_sub_stream_says_exactly_why_there_is_no_picture(console: Console):
    console.choose("礼堂")
    words = console.says("hall", "H.265 浏览器不支持，且无子码流")
    assert "请为摄像机配置 H.264 子码流" in words


def test_counts_and_tiles_follow_a_camera_that_goes_and_comes_back(console: Console, county: County):
    console.choose("石桥")
    console.plays("bridge")
    expect(console.row("西村").locator(".count")).to_have_text("3/3")
    county.bridge.unplug()
    try:
        words = console.says("bridge", "离线", 20)
        assert re.search(r"离线 — (设备拒绝连接|连接中断) 已 00:0\d", words), words
        expect(console.row("西村").locator(".count")).to_have_text("2/3")
        expect(console.row("测试县").locator(".count")).to_have_text("4/5")
        expect(console.row("石桥")).to_contain_text("离线")
    finally:
        county.bridge.plug_in()
    back = time.monotonic()
    expect(console.row("测试县").locator(".count")).to_have_text("5/5", timeout=30_000)
    console.plays("bridge", 10)
    assert time.monotonic() - back < 30


def test_closing_a_tile_ends_its_session(console: Console, county: County):
    console.choose("村口卡点")
    console.plays("gate")
    assert len(watched(county.hub)) == 1
    console.tile("gate").hover()
    console.tool("gate", "关闭画面").click()
    wait_for("the worker serves nobody", lambda: watched(county.hub) == [], 5)


def test_the_page_and_its_pictures_work_over_https(county: County, new_console: NewConsole):
    console = new_console(county.https_url, ignore_https_errors=True)
    console.log_in("admin", ADMIN_PASSWORD)
    assert console.page.evaluate("isSecureContext && location.protocol") == "https:"
    console.choose("村口卡点")
    console.plays("gate")
    assert console.code("gate")["camera"] == 1
