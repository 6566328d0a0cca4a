"""One hub with a small county for all browser tests, and a Chromium window for each.

The county: 测试县 › 东乡 › 东村 (gate, school) and 西乡 › 西村 (mill, hall, bridge).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.browser.console import ARGS, CHROMIUM, USER_PASSWORD, Console, Rig
from tests.browser.meeting import MEDIA_ARGS, Attendee, Meeting, new_meeting
from tests.hub_process import ADMIN_PASSWORD, ROOT, HubProcess, free_port

NewConsole = Callable[..., Console]
NewAttendee = Callable[..., Attendee]


@dataclass(frozen=True, slots=True)
class County:
    """The hub, its cameras' plugs, and where HTTPS is."""

    hub: HubProcess
    rig: Rig
    bridge: Rig
    """The bridge's camera alone, so that it can be unplugged."""
    https_url: str


def _furnish(hub: HubProcess, rig: Rig, bridge: Rig) -> None:
    hub.login()
    hub.post("/orgs", {"id": "county", "name": "测试县", "level": "county"})
    for side, name in (("east", "东"), ("west", "西")):
        hub.post("/orgs", {"id": side, "name": f"{name}乡", "level": "township", "parent_id": "county"})
        hub.post("/orgs", {"id": f"{side}-village", "name": f"{name}村", "level": "village", "parent_id": side})
    recording = {"mode": "continuous", "retention_days": 30}
    for camera_id, name, org_id, source, sub in (
        ("gate", "村口卡点", "east-village", rig.url(1), rig.url(1, sub=True)),
        ("school", "小学门口", "east-village", rig.url(2), rig.url(2, sub=True)),
        ("mill", "磨坊 H265", "west-village", rig.url(3), rig.url(3, sub=True)),
        ("hall", "礼堂 H265 单码流", "west-village", rig.url(4), None),
        ("bridge", "石桥", "west-village", bridge.url(), bridge.url(sub=True)),
    ):
        hub.post(
            "/cameras",
            {
                "id": camera_id,
                "name": name,
                "org_id": org_id,
                "source_url": source,
                "sub_source_url": sub,
                "recording": recording,
            },
        )
    for username, name, org_id, role in (
        ("cunwei", "东村值守员", "east-village", "viewer"),
        ("xiangwei", "西乡值班员", "west", "operator"),
    ):
        user = {"username": username, "display_name": name, "org_id": org_id, "roles": [role]}
        hub.post("/users", {**user, "password": USER_PASSWORD})


@pytest.fixture(scope="session")
def county(tmp_path_factory: pytest.TempPathFactory) -> Iterator[County]:
    """Run the county; its cameras record from the first second."""
    assert (ROOT / "api/console/index.html").exists(), "the console is not built: make web"
    tls_port = free_port()
    rig = Rig(4, "--codec", "3:h265", "--codec", "4:h265", "--audio", "1:pcma", "--audio", "2:aac").plug_in()
    bridge = Rig(1).plug_in()
    hub = HubProcess(tmp_path_factory.mktemp("county"), env={"XIANGYUN_TLS_PORT": str(tls_port)})
    try:
        with hub:
            _furnish(hub, rig, bridge)
            for camera_id in ("gate", "school", "mill", "hall", "bridge"):
                hub.wait_online(camera_id)
            yield County(hub, rig, bridge, f"https://127.0.0.1:{tls_port}")
    finally:
        rig.unplug()
        bridge.unplug()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Run Chromium once; every test opens windows of its own."""
    if not Path(CHROMIUM).exists():
        pytest.skip("Chromium is not installed")
    with sync_playwright() as play:
        running = play.chromium.launch(executable_path=CHROMIUM, args=ARGS)
        yield running
        running.close()


@pytest.fixture
def new_console(browser: Browser) -> Iterator[NewConsole]:
    """Give a maker of windows; all are closed, and their errors judged, at the end."""
    opened: list[Console] = []

    def make(url: str, **more: Any) -> Console:
        opened.append(Console(browser, url, **more))
        return opened[-1]

    yield make
    for console in opened:
        console.close()


@pytest.fixture
def console(county: County, new_console: NewConsole) -> Console:
    """Give a window with the administrator logged in, on the live page."""
    made = new_console(county.hub.url)
    made.log_in("admin", ADMIN_PASSWORD)
    return made


@pytest.fixture(scope="session")
def media_browser(browser: Browser) -> Iterator[Browser]:
    """Run a Chromium that has a camera, a microphone and a screen to share."""
    running = browser.browser_type.launch(executable_path=CHROMIUM, args=[*ARGS, *MEDIA_ARGS])
    yield running
    running.close()


@pytest.fixture
def meeting(county: County) -> Iterator[Meeting]:
    """Make a room of the county, and end it afterwards."""
    made = new_meeting(county.hub)
    yield made
    made.end()


@pytest.fixture
def attend(media_browser: Browser, meeting: Meeting) -> Iterator[NewAttendee]:
    """Give a maker of people in the meeting, each at a browser of their own; all leave at the end."""
    present: list[Attendee] = []

    def make(name: str, **more: Any) -> Attendee:
        present.append(Attendee(media_browser, meeting, name, **more))
        return present[-1]

    yield make
    for attendee in present:
        attendee.close()
