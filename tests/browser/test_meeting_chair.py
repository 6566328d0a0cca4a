"""会控: what the chair does reaches everybody: mute, floor, spotlight, roll call, lobby, removal, recording notice."""

from playwright.sync_api import expect

from tests.browser.conftest import NewAttendee
from tests.browser.meeting import Meeting


def test_a_mute_by_the_chair_silences_at_the_receivers_until_the_floor_is_given(attend: NewAttendee):
    chair = attend("管理员").join(is_chair=True)
    guest = attend("王秀英").join()
    guest.unmute()
    chair.hears_a_beep()
    chair.panel()
    chair.page.get_by_role("button", name="全体静音（不许自行打开）").click()
    chair.hears_nothing()
    expect(guest.page.locator("#mic")).to_contain_text("开麦克风")
    guest.page.click("#mic")
    expect(guest.page.get_by_text("现在不能讲话，请先申请发言").first).to_be_visible()
    chair.hears_nothing()
    guest.page.click("#hand")
    chair.page.locator(".queue").get_by_role("button", name="同意", exact=True).click()
    expect(guest.page.locator("#hand")).to_contain_text("结束发言")
    chair.hears_a_beep()
    guest.page.click("#hand")
    chair.hears_nothing()


def test_a_page_that_cheats_is_not_heard(attend: NewAttendee):
    chair = attend("管理员").join(is_chair=True)
    guest = attend("王秀英").join()
    guest.unmute()
    chair.hears_a_beep()
    chair.does("王秀英", "静音")
    expect(chair.person("王秀英")).to_contain_text("静音")
    # Whatever the page does with its own track, the plane forwards nothing of it.
    guest.page.evaluate("navigator.mediaDevices.getUserMedia({audio: true})")
    guest.page.evaluate("document.querySelectorAll('audio, video').forEach(e => e.muted = false)")
    chair.hears_nothing()


def test_the_spotlight_is_everybodys_large_picture(attend: NewAttendee):
    chair = attend("管理员").join(is_chair=True)
    lit = attend("王秀英").join()
    other = attend("李建国").join()
    chair.does("王秀英", "广播会场")
    for page in (chair, other):
        expect(page.page.locator(".stage")).to_have_attribute("data-reason", "spotlight")
        expect(page.page.locator(".m-tile.large")).to_contain_text("王秀英")
    expect(lit.page.locator(".m-tile.large")).to_contain_text("王秀英")
    chair.page.get_by_role("button", name="取消广播").click()
    expect(other.page.locator(".stage")).not_to_have_attribute("data-reason", "spotlight")


def test_a_roll_call_goes_through_the_venues_and_counts(attend: NewAttendee):
    chair = attend("管理员").join(is_chair=True)
    first = attend("王秀英").join(venue="城北村")
    attend("李建国").join(venue="驿站村")
    chair.panel()
    chair.page.click("#roll-call")
    expect(chair.page.locator(".choose li")).to_have_count(2)
    chair.page.click("#roll-begin")
    expect(chair.page.locator(".ledger li")).to_have_count(2)
    expect(first.page.locator(".banner.called")).to_be_visible()
    first.page.click("#answer-here")
    expect(chair.page.locator(".ledger li").filter(has_text="城北村")).to_contain_text("到")
    chair.page.click("#roll-next")
    expect(chair.page.locator(".calling")).to_contain_text("驿站村")
    chair.page.fill(".after input", "下乡防汛")
    chair.page.locator("[data-mark=leave]").click()
    expect(chair.page.locator(".ledger li").filter(has_text="驿站村")).to_contain_text("请假")
    counts = chair.page.locator(".counts")
    expect(counts).to_contain_text("应到2")
    expect(counts).to_contain_text("实到1")
    chair.page.click("#roll-end")
    expect(chair.page.locator(".done")).to_contain_text("点名结束")


def test_who_waits_in_the_lobby_sees_nothing_until_admitted(attend: NewAttendee):
    chair = attend("管理员").join(is_chair=True)
    chair.panel()
    chair.page.get_by_role("button", name="开等候室").click()
    expect(chair.page.get_by_role("button", name="关等候室")).to_be_visible()
    guest = attend("王秀英")
    guest.page.goto(guest.meeting.invite_url)
    guest.page.fill("#join-name", guest.name)
    guest.page.fill("#join-passcode", guest.meeting.passcode)
    guest.page.click("#join-button")
    expect(guest.page.get_by_text("您在等候室")).to_be_visible()
    assert guest.page.locator(".m-tile").count() == 0
    chair.page.get_by_role("button", name="准入", exact=True).click()
    guest.sees("管理员")
    chair.sees("王秀英")


def test_somebody_removed_is_told_and_gone(attend: NewAttendee):
    chair = attend("管理员").join(is_chair=True)
    guest = attend("王秀英").join()
    chair.does("王秀英", "移出会议")
    chair.page.get_by_role("button", name="确定").click()
    expect(guest.page.locator("#ended-reason")).to_have_text("主席已将您移出会议。")
    expect(chair.picture("王秀英")).to_have_count(0)


def test_the_chair_is_applied_for_and_handed_over(attend: NewAttendee, meeting: Meeting):
    chair = attend("管理员").join(is_chair=True)
    guest = attend("王秀英").join()
    guest.panel()
    guest.page.get_by_role("button", name="申请当主席").click()
    chair.panel()
    chair.page.locator(".queue").filter(has_text="申请当主席").get_by_role("button", name="同意").click()
    expect(guest.page.locator("#roll-call")).to_be_visible()
    expect(chair.page.locator("#roll-call")).to_have_count(0)
    assert meeting.hub.get(f"/rooms/{meeting.room_id}")["state"] == "running"
