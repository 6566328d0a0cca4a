"""The first minutes of a new hub: set-up page, log-in page, and the first camera."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import NewConsole
from tests.hub_process import HubProcess

PASSWORD = "Erste-Wolke-2026"


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubProcess]:
    """Run a hub nobody has set up."""
    with HubProcess(tmp_path_factory.mktemp("fresh"), env={"XIANGYUN_ADMIN_PASSWORD": ""}) as hub:
        yield hub


def test_a_new_hub_asks_for_a_county_and_an_administrator_and_then_for_cameras(fresh: HubProcess, new_console):
    console = new_console(fresh.url)
    console.open("/live")
    expect(console.page).to_have_url(f"{fresh.url}/#/setup")
    page = console.page
    page.fill("#county", "河安县")
    page.fill("#username", "zhang.wei")
    page.fill("#password", "kurz")
    expect(page.locator("button[type=submit]")).to_be_disabled()
    page.fill("#password", PASSWORD)
    page.fill("#repeat", PASSWORD + "x")
    expect(page.get_by_text("两次输入的密码不一致")).to_be_visible()
    page.fill("#repeat", PASSWORD)
    page.click("button[type=submit]")
    expect(page).to_have_url(f"{fresh.url}/#/cameras")
    expect(page.get_by_text("新增第一台")).to_be_visible()
    expect(page.locator(".county")).to_have_text("河安县")


def test_the_set_up_page_is_gone_once_used(fresh: HubProcess, new_console: NewConsole):
    console = new_console(fresh.url)
    console.open("/setup")
    expect(console.page).to_have_url(f"{fresh.url}/#/login")


def test_a_wrong_password_is_said_and_the_right_one_opens_the_page_asked_for(fresh, new_console):
    console = new_console(fresh.url)
    console.open("/audit")
    page = console.page
    page.fill("#username", "zhang.wei")
    page.fill("#password", "falsch-Falsch-1")
    page.click("button[type=submit]")
    expect(page.get_by_role("alert")).to_contain_text("用户名或密码")
    expect(page.locator("#password")).to_have_value("")
    page.fill("#password", PASSWORD)
    page.press("#password", "Enter")
    expect(page).to_have_url(f"{fresh.url}/#/audit")
    rows = page.locator("table.list tbody")
    expect(rows).to_contain_text("河安县")
    expect(rows.locator("tr").filter(has_text="失败")).to_contain_text("登录")
