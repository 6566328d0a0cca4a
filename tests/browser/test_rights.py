"""What one may see is what one's office needs; a right withdrawn ends what is on the screen."""

import time

from playwright.sync_api import expect

from tests.browser.conftest import County, NewConsole
from tests.browser.console import USER_PASSWORD, watched
from tests.hub_process import wait_for


def test_a_village_user_sees_the_village_and_nothing_to_manage(county: County, new_console: NewConsole):
    console = new_console(county.hub.url)
    console.log_in("cunwei", USER_PASSWORD)
    expect(console.row("东村")).to_be_visible()
    expect(console.row("村口卡点")).to_be_visible()
    for foreign in ("西村", "西乡", "石桥", "磨坊"):
        expect(console.row(foreign)).to_have_count(0)
    assert console.menu() == ["实时预览", "会议", "终端"]
    console.choose("村口卡点")
    console.plays("gate")
    console.open("/audit")
    expect(console.page.get_by_text("没有权限")).to_be_visible()


def test_a_disabled_user_is_out_of_the_live_wall_within_five_seconds(county: County, new_console: NewConsole):
    hub = county.hub
    console = new_console(hub.url)
    console.log_in("xiangwei", USER_PASSWORD)
    console.choose("石桥")
    console.plays("bridge")
    users = {user["username"]: user["id"] for user in hub.get("/users")["items"]}
    assert len(watched(hub)) == 1
    answer = hub.http.patch(f"/api/v1/users/{users['xiangwei']}", json={"enabled": False})
    disabled = time.monotonic()
    assert answer.status_code == 200, answer.text
    expect(console.page.locator(".note, .problem").first).to_contain_text("登录已结束", timeout=5_000)
    wait_for("the worker serves nobody", lambda: watched(hub) == [], 5)
    assert time.monotonic() - disabled < 5
    console.page.fill("#username", "xiangwei")
    console.page.fill("#password", USER_PASSWORD)
    console.page.click("button[type=submit]")
    expect(console.page.get_by_role("alert")).to_be_visible()
    hub.http.patch(f"/api/v1/users/{users['xiangwei']}", json={"enabled": True})
