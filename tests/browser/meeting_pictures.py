"""The pictures of meetings in docs/console.md, taken by `tests.browser.screenshots`.

Every venue is a Chromium of its own whose camera is a drawn room with people in it: a picture drawn by the browser, made
a clip that sways a little.
"""

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Playwright, expect

from media.ffmpeg.command import ffmpeg_binary
from tests.browser.console import ARGS, CHROMIUM
from tests.browser.meeting import COUNTY_NAME, MEDIA_ARGS, Attendee, Meeting, new_meeting
from tests.hub_process import HubProcess

SKIN = ("#e8c39e", "#d9ac82", "#edcdab")
COAT = ("#31475e", "#5a4a3f", "#3f5d4c", "#6b3b3b", "#445")
ROOMS = (("#e9e4d6", "#b88a5b", 1), ("#dfe7e4", "#8a6a4c", 3), ("#e7dccb", "#a5754d", 5), ("#d9e0ea", "#75604f", 2))


def _person(x: float, scale: float, number: int) -> str:
    skin, coat = SKIN[number % len(SKIN)], COAT[number % len(COAT)]
    hair = "#222" if number % 3 else "#8d8d8d"
    return (
        f'<g transform="translate({x},470) scale({scale})">'
        f'<path d="M-95 190c0-85 40-120 95-120s95 35 95 120z" fill="{coat}"/>'
        f'<path d="M-22 72l22 40 22-40z" fill="#f4f4f0"/><rect x="-18" y="40" width="36" height="45" fill="{skin}"/>'
        f'<ellipse cx="0" cy="0" rx="52" ry="62" fill="{skin}"/>'
        f'<path d="M-55-8c-4-70 114-70 110 0-8-30-22-36-55-36s-47 8-55 36z" fill="{hair}"/>'
        '<circle cx="-19" cy="-2" r="5" fill="#332"/><circle cx="19" cy="-2" r="5" fill="#332"/>'
        '<path d="M-16 28q16 12 32 0" stroke="#9c5b4a" stroke-width="5" fill="none"/></g>'
    )


def _room(number: int) -> str:
    wall, table, people = ROOMS[number % len(ROOMS)]
    step = 1280 / (people + 1)
    scale = 1.5 if people == 1 else 1.1 if people < 4 else 0.85
    persons = "".join(_person(step * (n + 1), scale, number + n) for n in range(people))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1280 720" width="1280" height="720">'
        f'<rect width="1280" height="720" fill="{wall}"/><rect x="90" y="60" width="300" height="190" fill="#bcd3dc"/>'
        '<path d="M90 250l110-90 80 60 50-35 60 65z" fill="#6f9a78"/><path d="M240 60v190M90 155h300" stroke="#fff" '
        'stroke-width="8"/><rect x="860" y="90" width="330" height="120" rx="4" fill="#a8402a"/>'
        f'{persons}<path d="M0 640h1280v80H0z" fill="{table}"/><path d="M0 640h1280" stroke="#0003" stroke-width="6"/></svg>'
    )


def clip(browser: Browser, folder: Path, number: int) -> Path:
    """Return a clip of one room for Chromium's camera."""
    still, target = folder / f"room{number}.png", folder / f"room{number}.mjpeg"
    page = browser.new_page(viewport={"width": 1280, "height": 720})
    page.set_content(f'<body style="margin:0">{_room(number)}</body>')
    page.screenshot(path=still)
    page.close()
    sway = "crop=1240:698:20+14*sin(2*PI*t/4):11+6*sin(2*PI*t/2),scale=640:360"
    source = ["-loop", "1", "-framerate", "8", "-t", "4", "-i", str(still)]
    command = [
        ffmpeg_binary(),
        "-v",
        "error",
        "-y",
        *source,
        "-vf",
        sway,
        "-q:v",
        "3",
        "-pix_fmt",
        "yuvj420p",
        "-c:v",
        "mjpeg",
        "-f",
        "mjpeg",
    ]
    subprocess.run([*command, str(target)], check=True)
    return target


class Venues:
    """A meeting of four: the county's chair, two villages, a phone."""

    def __init__(self, meeting: Meeting, browsers: list[Browser], https_url: str) -> None:
        """Nobody has joined yet."""
        self.meeting = meeting
        desk: dict[str, Any] = {"width": 1440, "height": 900}
        phone: dict[str, Any] = {"width": 390, "height": 844, "has_touch": True, "ignore_https_errors": True}
        self.chair = Attendee(browsers[0], meeting, "管理员", **desk)
        self.village = Attendee(browsers[1], meeting, "王秀英", **desk)
        self.school = Attendee(browsers[2], meeting, "陈志强", **desk)
        self.phone = Attendee(browsers[3], meeting, "李建国", **phone)
        self.phone.url = https_url

    def gather(self) -> None:
        """Everybody comes in; the chair's desk is open."""
        self.chair.join(is_chair=True, venue="县主会场")
        self.village.join(venue="城北村会议室", heads=12)
        self.school.join(venue="驿站村党群服务中心", heads=7)
        self.phone.join(venue="下乡途中")
        self.chair.panel()
        for name in ("王秀英", "陈志强", "李建国"):
            self.chair.sees(name)

    def everybody(self) -> tuple[Attendee, ...]:
        """Return all windows."""
        return self.chair, self.village, self.school, self.phone


@contextmanager
def venues(hub: HubProcess, play: Playwright, drawing: Browser, folder: Path) -> Iterator[Venues]:
    """Open four browsers, each with a camera of its own."""
    with ExitStack() as stack:
        browsers = []
        for number in range(len(ROOMS)):
            camera = f"--use-file-for-fake-video-capture={clip(drawing, folder, number)}"
            launched = play.chromium.launch(executable_path=CHROMIUM, args=[*ARGS, *MEDIA_ARGS, camera])
            stack.callback(launched.close)
            browsers.append(launched)
        made = Venues(
            new_meeting(hub, "全县防汛工作推进会", "xiangyun"),
            browsers,
            f"https://{COUNTY_NAME}:{hub.env['XIANGYUN_TLS_PORT']}",
        )
        yield made
        for attendee in made.everybody():
            attendee.close()


def roll_call(made: Venues) -> None:
    """Bring the roll call to its second venue."""
    page = made.chair.page
    page.click("#roll-call")
    page.click("#roll-begin")
    expect(made.village.page.locator(".banner.called")).to_be_visible()
    made.village.page.click("#answer-here")
    expect(page.locator(".ledger li").filter(has_text="城北村")).to_contain_text("到")
    page.click("#roll-next")
    expect(made.school.page.locator(".banner.called")).to_be_visible()
