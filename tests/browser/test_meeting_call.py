"""The video phone: it rings on whatever page is open, is taken or refused, and hangs up on both sides."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import County
from tests.browser.console import USER_PASSWORD, Console
from tests.browser.meeting import LISTENING
from tests.hub_process import ADMIN_PASSWORD, wait_for

Pair = tuple[Console, Console]
HEARD = "listening.rms(1300).then(rms => rms > 0.02)"


@pytest.fixture
def pair(county: County, media_browser: Browser) -> Iterator[Pair]:
    """Log the administrator in at the list of people, the village's watch at the live wall."""
    caller, called = Console(media_browser, county.hub.url), Console(media_browser, county.hub.url)
    for console in (caller, called):
        console.context.add_init_script(path=LISTENING)
    called.log_in("cunwei", USER_PASSWORD)
    caller.log_in("admin", ADMIN_PASSWORD, path="/endpoints")
    expect(called.page.locator(".link")).to_have_text("状态实时更新")
    yield caller, called
    caller.close()
    called.close()


def ring(caller: Console, name: str) -> None:
    caller.page.locator("[data-person]").filter(has_text=name).get_by_role("button", name="呼叫", exact=True).click()
    expect(caller.page.locator(".meeting")).to_have_attribute("data-link", "open")


def test_a_call_rings_on_the_live_wall_and_both_see_and_hear_each_other(pair: Pair):
    caller, called = pair
    ring(caller, "东村值守员")
    expect(caller.page.get_by_text("正在呼叫 东村值守员")).to_be_visible()
    expect(called.page.locator(".ring")).to_contain_text("来电")
    called.page.click("#call-accept")
    for console in pair:
        expect(console.page.locator(".m-tile")).to_have_count(2)
        expect(console.page.locator(".m-tile.large")).to_have_attribute("data-state", "playing")
        wait_for("a beep is heard", lambda page=console.page: page.evaluate(HEARD), 30)
    called.page.click("#leave")
    expect(caller.page.locator("#ended-reason, .page-actions").first).to_be_visible()
    expect(called.page.locator(".page-actions").first).to_be_visible()


def test_a_call_that_is_refused_says_so_and_leaves_nothing_behind(pair: Pair, county: County):
    caller, called = pair
    ring(caller, "东村值守员")
    called.page.click("#call-decline")
    expect(caller.page.get_by_text("对方没有接听")).to_be_visible()
    expect(called.page.locator(".ring")).to_have_count(0)
    expect(caller.page.locator("#ended-reason")).to_be_visible()
    county.hub.login()
    wait_for("no call is open", lambda: all(c["state"] == "ended" for c in county.hub.get("/calls")["items"]), 15)


def test_a_kiosk_answers_by_itself(pair: Pair, county: County):
    caller, called = pair
    county.hub.login()
    person = next(one for one in county.hub.get("/people")["items"] if one["display_name"] == "东村值守员")
    body = {"name": "东村会议室", "kind": "kiosk", "user_id": person["id"], "auto_answer": True}
    endpoint = county.hub.post("/endpoints", body)
    caller.page.reload()
    caller.page.locator(f'[data-endpoint="{endpoint["id"]}"]').get_by_role("button", name="呼叫").click()
    expect(called.page.locator(".ring")).to_contain_text("自动接听")
    expect(called.page.locator(".m-tile.large")).to_have_attribute("data-state", "playing", timeout=30_000)
    called.page.click("#leave")
    expect(caller.page.locator("#ended-reason, .page-actions").first).to_be_visible()
