"""People in one room: they see and hear each other, share a screen, pull a camera in, and come back to their seats."""

import time

from playwright.sync_api import expect

from tests.browser.conftest import County, NewAttendee
from tests.browser.console import SUB_LOOP_MS
from tests.browser.meeting import COUNT_PEERS, COUNTY_NAME, Meeting
from tests.hub_process import wait_for


def test_three_pages_see_each_other_move_and_hear_the_one_that_speaks(attend: NewAttendee):
    chair = attend("管理员").join(is_chair=True)
    village = attend("王秀英").join(venue="城北村会议室", heads=12)
    phone = attend("李建国", width=390, height=844, has_touch=True).join()
    everybody = (chair, village, phone)
    for watcher in everybody:
        for shown in everybody:
            if shown is not watcher:
                watcher.page.locator(".m-tile").filter(has_text=shown.name).first.wait_for()
                watcher.sees(shown.name)
    expect(chair.picture("城北村会议室 · 王秀英")).to_contain_text("12 人")
    village.unmute()
    chair.hears_a_beep()
    phone.hears_a_beep()
    expect(chair.page.locator(".m-tile.active")).to_contain_text("王秀英")


def test_a_camera_is_pulled_in_and_its_clock_goes_on(attend: NewAttendee, county: County):
    chair = attend("管理员").join(is_chair=True)
    guest = attend("王秀英").join()
    chair.panel()
    chair.page.click("#pull-camera")
    chair.row("村口卡点").click()
    for page in (chair, guest):
        page.sees("村口卡点", "video")
        video = page.picture("村口卡点", "video").locator("video")
        first = page.code_of(video)
        assert first["camera"] == 1
        wait_for("its clock goes on", lambda v=video, p=page, f=first: p.code_of(v)["time_ms"] != f["time_ms"], 15)
        second = page.code_of(video)
        moved_ms = (second["time_ms"] - first["time_ms"]) % SUB_LOOP_MS
        assert abs(moved_ms - (second["wall_ms"] - first["wall_ms"])) < 1_500
    chair.does("村口卡点", "移走摄像机")
    expect(guest.picture("村口卡点", "video")).to_have_count(0)


def test_screen_and_camera_go_over_one_connection(attend: NewAttendee):
    chair = attend("管理员")
    chair.context.add_init_script(COUNT_PEERS)
    chair.join(is_chair=True)
    guest = attend("王秀英").join()
    guest.sees("管理员")
    assert chair.peers() == 2, "one sends, one receives"
    for _ in range(2):
        chair.page.click("#share")
        guest.sees("管理员 的共享屏幕", "screen")
        guest.sees("管理员")
        assert chair.peers() == 2
        expect(guest.page.locator(".stage")).to_have_attribute("data-reason", "content")
        chair.page.click("#share")
        expect(guest.picture("管理员 的共享屏幕", "screen")).to_have_count(0)
    guest.sees("管理员")


def test_a_page_that_was_killed_and_opened_again_has_its_seat_back(attend: NewAttendee, meeting: Meeting):
    chair = attend("管理员").join(is_chair=True)
    guest = attend("王秀英").join(venue="城北村会议室")
    chair.sees("王秀英")
    seat = guest.my_id
    address = guest.page.url
    guest.page.close()
    guest.page = guest.context.new_page()
    guest.page.goto(address)
    guest.is_in()
    guest.sees("管理员")
    assert guest.my_id == seat
    chair.sees("王秀英")
    chair.panel()
    expect(chair.person("王秀英")).to_have_count(1)
    expect(chair.person("王秀英")).to_contain_text("在线")
    assert address.endswith(meeting.room_id) or meeting.room_id in address


def test_sound_only_stops_every_picture_and_brings_them_back(attend: NewAttendee):
    chair = attend("管理员").join(is_chair=True)
    guest = attend("王秀英").join()
    guest.sees("管理员")
    chair.unmute()
    guest.page.click("#audio-only")
    expect(guest.picture("管理员")).to_contain_text("只听声音")
    guest.hears_a_beep()
    guest.page.click("#audio-only")
    guest.sees("管理员")


def test_words_reach_everybody_and_the_meeting_ends_for_all(attend: NewAttendee):
    chair = attend("管理员").join(is_chair=True)
    guest = attend("王秀英").join()
    guest.page.click("#chat")
    guest.page.fill("#chat-text", "城北村已到齐 <b>12</b> 人")
    guest.page.keyboard.press("Enter")
    chair.page.click("#chat")
    expect(chair.page.locator(".chat li").filter(has_text="城北村已到齐 <b>12</b> 人")).to_be_visible()
    chair.page.click("#leave")
    chair.page.get_by_role("button", name="结束会议（全体）").click()
    expect(guest.page.locator("#ended-reason")).to_have_text("会议已经结束。")
    expect(chair.page.locator("#ended-reason")).to_have_text("会议已经结束。")


def test_a_wrong_passcode_lets_nobody_in_and_says_so(attend: NewAttendee, meeting: Meeting):
    guest = attend("王秀英")
    guest.page.goto(meeting.invite_url)
    guest.page.fill("#join-name", "王秀英")
    guest.page.fill("#join-passcode", "000000" if meeting.passcode != "000000" else "111111")
    guest.page.click("#join-button")
    expect(guest.page.locator(".refused")).to_have_text("入会密码不对")
    began = time.monotonic()
    guest.page.fill("#join-passcode", meeting.passcode)
    guest.page.click("#join-button")
    guest.is_in()
    assert time.monotonic() - began < 60


def test_a_phone_joins_over_https_by_the_name_of_the_county(attend: NewAttendee, county: County):
    chair = attend("管理员").join(is_chair=True)
    phone = attend("王秀英", width=390, height=844, has_touch=True, ignore_https_errors=True)
    phone.url = county.https_url.replace("127.0.0.1", COUNTY_NAME)
    phone.join()
    assert phone.page.evaluate("isSecureContext && location.hostname") == COUNTY_NAME
    phone.sees("管理员")
    chair.sees("王秀英")
    phone.unmute()
    chair.hears_a_beep()


def test_without_https_the_page_says_what_to_do_and_lets_one_watch(attend: NewAttendee, county: County):
    chair = attend("管理员").join(is_chair=True)
    guest = attend("王秀英")
    guest.url = county.hub.url.replace("127.0.0.1", COUNTY_NAME)
    guest.page.goto(guest.meeting.invite_url.replace(guest.meeting.hub.url, guest.url))
    expect(guest.page.get_by_text("请用 https:// 开头的地址打开本页").first).to_be_visible()
    guest.page.fill("#join-name", guest.name)
    guest.page.fill("#join-passcode", guest.meeting.passcode)
    guest.page.click("#join-button")
    guest.is_in()
    guest.sees("管理员")
    chair.unmute()
    guest.hears_a_beep()
