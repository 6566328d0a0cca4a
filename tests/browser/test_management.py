"""Pages behind the wall: cameras, import, storage, audit, and the other language."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import County
from tests.browser.console import Console
from tests.hub_process import wait_for


def test_a_camera_is_probed_looked_at_and_added(console: Console, county: County):
    console.open("/cameras")
    page = console.page
    page.click("#add-camera")
    page.fill("#camera-name", "卫生室")
    page.fill("#camera-url", county.rig.url(2))
    page.fill("#camera-sub", county.rig.url(2, sub=True))
    page.click("#probe")
    probe = page.locator(".camera-dialog .probe")
    expect(probe).to_contain_text("H.264 1024×576")
    expect(probe).to_contain_text("AAC")
    preview = probe.locator("img")
    assert preview.evaluate("image => image.decode().then(() => image.naturalWidth)") > 300
    page.click("#camera-save")
    row = page.locator("table.list tr").filter(has_text="卫生室")
    expect(row).to_contain_text("在线", timeout=15_000)
    expect(row).to_contain_text("正在录像", timeout=15_000)
    row.get_by_text("看实时").click()
    camera_id = page.locator(".tile[data-camera]").first.get_attribute("data-camera")
    assert camera_id is not None
    console.plays(camera_id)
    assert console.code(camera_id)["camera"] == 2
    county.hub.http.delete(f"/api/v1/cameras/{camera_id}")
    expect(console.row("卫生室")).to_have_count(0, timeout=5_000)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("rtsp://127.0.0.1:9/none", "设备拒绝连接"),
        ("{rig}/nothing", "设备上没有这个地址"),
        ("rtsp://8.8.8.8/x", "网段"),
    ],
)
def test_a_probe_that_fails_says_what_to_look_at(console: Console, county: County, path: str, words: str):
    console.open("/cameras")
    console.page.click("#add-camera")
    console.page.fill("#camera-url", path.format(rig=county.rig.url().rpartition("/")[0]))
    console.page.click("#probe")
    expect(console.page.locator(".camera-dialog .probe")).to_contain_text(words, timeout=15_000)


def test_a_form_with_holes_says_which(console: Console):
    console.open("/cameras")
    console.page.click("#add-camera")
    console.page.fill("#camera-url", "http://10.0.0.1/")
    console.page.click("#camera-save")
    dialog = console.page.locator(".camera-dialog")
    expect(dialog.get_by_text("请填写这一项")).to_be_visible()
    expect(dialog.get_by_text("地址应以 rtsp:// 或 rtsps:// 开头")).to_be_visible()
    expect(dialog).to_be_visible()


def test_an_import_reports_each_row_and_creates_the_good_ones(console: Console, county: County):
    table = (
        "名称,所属组织,主码流地址,子码流地址,保存天数\n"
        f"导入一,east-village,{county.rig.url(1)},,30\n"
        "导入二,nirgends,rtsp://127.0.0.1:9/x,,\n"
        "导入三,east-village,http://127.0.0.1/x,,\n"
        f"导入四,east-village,{county.rig.url(1)},,很多\n"
    )
    console.open("/import")
    file = {"name": "cameras.csv", "mimeType": "text/csv", "buffer": table.encode()}
    console.page.set_input_files("#import-file", files=[file])
    summary = console.page.locator(".sum")
    expect(summary).to_contain_text("成功 1 行")
    expect(summary).to_contain_text("未导入 3 行")
    rows = console.page.locator("table.list tbody tr")
    expect(rows).to_have_count(3)
    expect(rows.nth(0)).to_contain_text("导入二")
    expect(rows.nth(0).locator("td").last).not_to_be_empty()
    expect(rows.nth(1)).to_contain_text("rtsp://")
    expect(rows.nth(2)).to_contain_text("“保存天数”填写有误")
    console.page.get_by_text("只看未导入的行").click()
    expect(rows).to_have_count(4)
    for camera in county.hub.get("/cameras")["items"]:
        if camera["name"] == "导入一":
            county.hub.http.delete(f"/api/v1/cameras/{camera['id']}")


def test_the_storage_page_tells_free_space_and_days(console: Console, county: County):
    wait_for("a stored fragment", lambda: county.hub.get("/storage")["cameras"], 30)
    console.open("/storage")
    page = console.page
    expect(page.get_by_text("剩余").first).to_be_visible()
    row = page.locator("table.list tbody tr").filter(has_text="村口卡点")
    expect(row).to_contain_text("30")
    expect(row).to_contain_text(re.compile("历史未成熟|空间将满"))  # the disk of the test machine decides


def test_the_audit_page_tells_who_looked_at_what(console: Console, county: County):
    console.choose("小学门口")
    console.plays("school")
    console.tile("school").hover()
    console.tool("school", "关闭画面").click()
    console.page.wait_for_timeout(500)
    console.open("/audit")
    rows = console.page.locator("table.list tbody tr").filter(has_text="小学门口")
    expect(rows.filter(has_text="开始预览").first).to_contain_text("admin")
    expect(rows.filter(has_text="结束预览").first).to_be_visible()
    assert "{" not in console.page.locator("table.list").inner_text(), "details are words, not JSON"


def test_the_console_speaks_english_too(console: Console):
    console.page.locator(".who").click()
    console.page.get_by_text("English").click()
    expect(console.page.locator("h1")).to_have_text("Live")
    assert console.menu() == [
        "Live",
        "Meetings",
        "Playback",
        "Endpoints",
        "Cameras",
        "Import",
        "Storage",
        "Users & orgs",
        "Audit",
    ]
    console.choose("礼堂")
    console.says("hall", "H.265")
    console.page.reload()
    expect(console.page.locator("h1")).to_have_text("Live")
    for path in ("replay/gate", "rooms", "endpoints", "cameras", "import", "storage", "people", "audit"):
        console.open(f"/{path}")
        expect(console.page.locator("h1")).not_to_have_text("Live")
