"""Takes the pictures of docs/console.md: `python -m tests.browser.screenshots [--clip FILE …] [NAME …]`.

A sample county with ten simulated cameras, one of them unplugged and one in H.265 without a sub stream, as real
counties have them. Pictures are reduced to 200 colours. Runs about two minutes; needs Chromium, writes docs/screenshots.
"""

import argparse
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Playwright, expect, sync_playwright

from media.ffmpeg.command import ffmpeg_binary
from streams.simulator.clips import default_cache_dir
from streams.simulator.scene import frames
from tests.browser.console import ARGS, CHROMIUM, USER_PASSWORD, Console, Rig
from tests.browser.meeting_pictures import Venues, roll_call, venues
from tests.hub_process import ADMIN_PASSWORD, ROOT, HubProcess, free_port

FOLDER = ROOT / "docs/screenshots"
MAX_BYTES = 400_000
HISTORY_S = 75
DESK, WALL, PHONE = (1440, 900), (1920, 1080), (390, 844)

ORGS = (
    ("xiangyun", "祥云县", "county", None, "532923"),
    ("xiangcheng", "祥城镇", "township", "xiangyun", "532923100"),
    ("yunnanyi", "云南驿镇", "township", "xiangyun", "532923102"),
    ("chengbei", "城北村", "village", "xiangcheng", "532923100201"),
    ("qinghua", "清华洞村", "village", "xiangcheng", "532923100202"),
    ("yizhan", "驿站村", "village", "yunnanyi", "532923102201"),
)
CAMERAS = (
    ("square", "县城中心广场", "xiangyun"),
    ("gate", "城北村村口卡点", "chengbei"),
    ("office", "镇政府大门", "xiangcheng"),
    ("school", "清华洞村小学门口", "qinghua"),
    ("road", "驿站村主干道", "yizhan"),
    ("river", "驿站村河道", "yizhan"),
    ("clinic", "城北村卫生室", "chengbei"),
    ("market", "云南驿农贸市场", "yunnanyi"),
)
USERS = (
    ("zhenwei", "李建国", "operator", "xiangcheng"),
    ("cunwei", "王秀英", "viewer", "yizhan"),
    ("diaoyue", "陈志强", "retriever", "xiangyun"),
    ("shenji", "赵敏", "auditor", "xiangyun"),
)


@dataclass(frozen=True, slots=True)
class Studio:
    """The county, a browser, and when its recordings began."""

    hub: HubProcess
    play: Playwright
    browser: Browser
    rig: Rig
    began_ms: float

    @contextmanager
    def window(self, size: tuple[int, int], path: str = "/live", username: str = "admin") -> Iterator[Console]:
        """Open a window of a size with somebody logged in."""
        console = Console(self.browser, self.hub.url, width=size[0], height=size[1], has_touch=size == PHONE)
        password = ADMIN_PASSWORD if username == "admin" else USER_PASSWORD
        console.log_in(username, password, path=path)
        console.page.wait_for_timeout(1200)
        yield console
        console.close()


def shoot(console: Console, name: str) -> None:
    """Save what the window shows as docs/screenshots/`name`.png."""
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder) / "raw.png"
        console.page.screenshot(path=raw, timeout=120_000)
        target = FOLDER / f"{name}.png"
        if raw.stat().st_size <= MAX_BYTES:
            shutil.copyfile(raw, target)
        else:  # a wall of pictures: fewer colours
            palette = "split[a][b];[a]palettegen=max_colors=200:reserve_transparent=0[p];[b][p]paletteuse=dither=none"
            command = [ffmpeg_binary(), "-v", "error", "-y", "-i", str(raw), "-vf", palette]
            subprocess.run([*command, "-pred", "none", "-compression_level", "100", str(target)], check=True)
    size = target.stat().st_size
    print(f"{target.relative_to(ROOT)}  {size / 1000:.0f} kB{'  TOO LARGE' if size > MAX_BYTES else ''}", flush=True)


def furnish(hub: HubProcess, rig: Rig, broken: Rig) -> None:
    """Make the county's organisations, cameras and users."""
    hub.login()
    for org_id, name, level, parent_id, code in ORGS:
        hub.post("/orgs", {"id": org_id, "name": name, "level": level, "parent_id": parent_id, "code": code})

    def add(camera_id: str, name: str, org_id: str, source: str, sub: str | None) -> None:
        recording = {"mode": "continuous", "retention_days": 7}
        body = {"id": camera_id, "name": name, "org_id": org_id, "source_url": source, "sub_source_url": sub}
        hub.post("/cameras", {**body, "recording": recording})

    for number, (camera_id, name, org_id) in enumerate(CAMERAS, start=1):
        add(camera_id, name, org_id, rig.url(number), rig.url(number, sub=True))
    add("depot", "城北村仓库", "chengbei", rig.url(len(CAMERAS) + 1), None)
    add("bridge", "驿站村石桥", "yizhan", broken.url(), broken.url(sub=True))
    for username, name, role, org_id in USERS:
        user = {"username": username, "display_name": name, "org_id": org_id, "roles": [role]}
        hub.post("/users", {**user, "password": USER_PASSWORD})


VIEWS = (
    "null",
    "hflip,crop=iw*0.72:ih*0.72:iw*0.2:ih*0.25,scale=1280:720",
    "crop=iw*0.6:ih*0.6:iw*0.4:ih*0.3,scale=1280:720,eq=brightness=-0.06:saturation=0.75,colorbalance=bs=0.08:bm=0.05",
    "crop=iw*0.8:ih*0.8:0:ih*0.2,scale=1280:720,hue=s=0,eq=brightness=-0.12:contrast=1.15",
    "hflip,crop=iw*0.85:ih*0.85:iw*0.1:ih*0.05,scale=1280:720,colorbalance=rm=0.07:rh=0.1:bm=-0.08",
)
"""How each camera sees the painted village: another place, another light, one by night."""


def views() -> list[Path]:
    """Return a clip of each view, made once, without the sensor noise that would make the pictures large."""
    folder = default_cache_dir() / "views"
    folder.mkdir(parents=True, exist_ok=True)
    clips = [folder / f"view{number}.mp4" for number in range(len(VIEWS))]
    if all(clip.exists() for clip in clips):
        return clips
    source = ["-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", "1280x720", "-r", "10", "-i", "-"]
    outputs = [
        word
        for view, clip in zip(VIEWS, clips, strict=True)
        for word in ("-vf", f"hqdn3d=6:6:9:9,{view}", "-c:v", "libx264", "-preset", "fast", "-crf", "16", str(clip))
    ]
    command = [ffmpeg_binary(), "-v", "error", "-y", *source, *outputs]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        for frame in frames(1280, 720, 300, band_px=0):
            process.stdin.write(frame)
    return clips


# --- the pictures -----------------------------------------------------------------------------------------------------


def live_4(studio: Studio) -> None:
    with studio.window(DESK) as console:
        wall(console, ("square", "gate", "road", "river"))
        shoot(console, "live-4")


def live_9(studio: Studio) -> None:
    with studio.window(WALL) as console:
        console.page.get_by_role("button", name="9 画面").click()
        wall(console, ("square", "gate", "office", "school", "road", "river", "clinic"))
        console.choose("驿站村石桥")
        console.choose("城北村仓库")
        console.says("depot", "H.265")
        console.says("bridge", "离线")
        console.page.mouse.move(100, 1000)
        console.page.wait_for_timeout(2500)
        shoot(console, "live-9")


def wall(console: Console, camera_ids: tuple[str, ...]) -> None:
    """Fill tiles and wait for all their pictures."""
    names = {camera_id: name for camera_id, name, _ in CAMERAS}
    for camera_id in camera_ids:
        console.choose(names[camera_id])
    for camera_id in camera_ids:
        console.plays(camera_id, 30)
    console.page.mouse.move(100, 800)
    console.page.wait_for_timeout(3000)


def live_phone(studio: Studio) -> None:
    with studio.window(PHONE) as console:
        console.choose("县城中心广场")
        console.plays("square", 30)
        console.page.wait_for_timeout(2500)
        shoot(console, "live-phone")


def replay(studio: Studio) -> None:
    with studio.window(DESK, "/replay/gate") as console:
        console.open_replay("gate")
        console.click_time(studio.began_ms + 30_000)
        shoot_reason(console)
        console.give_reason("寻找走失老人")
        console.code_of(console.screen.locator("video"))
        for _ in range(2):
            console.page.locator(".zoom button").last.click()
        console.page.wait_for_timeout(4000)
        shoot(console, "replay")


def shoot_reason(console: Console) -> None:
    """Show the access register half filled in."""
    console.page.fill("#reason", "寻找走失老人")
    console.page.fill("#case-no", "祥公（城）受案字〔2026〕117号")
    console.page.wait_for_timeout(600)
    shoot(console, "reason")


def camera_dialog(studio: Studio) -> None:
    with studio.window(DESK, "/cameras") as console:
        page = console.page
        shoot(console, "cameras")
        page.click("#add-camera")
        page.fill("#camera-name", "清华洞村文化广场")
        page.fill("#camera-url", studio.rig.url(4))
        page.fill("#camera-sub", studio.rig.url(4, sub=True))
        page.click("#probe")
        expect(page.locator(".camera-dialog .probe img")).to_be_visible(timeout=20_000)
        page.wait_for_timeout(800)
        shoot(console, "camera-dialog")


def import_report(studio: Studio) -> None:
    rows = [
        "名称,所属组织,主码流地址,子码流地址,保存天数",
        f"城北村篮球场,chengbei,{studio.rig.url(7)},{studio.rig.url(7, sub=True)},30",
        "驿站村水库,yizhan,rtsp://10.8.3.21:554/Streaming/Channels/101,,90",
        "清华洞村路口,qinghuadong,rtsp://10.8.3.22:554/Streaming/Channels/101,,30",
        "云南驿加油站,yunnanyi,http://10.8.3.23/video,,30",
        "祥城镇文化站,xiangcheng,rtsp://10.8.3.24:554/live,,每月",
    ]
    with studio.window(DESK, "/import") as console:
        file = {"name": "祥云县摄像机.csv", "mimeType": "text/csv", "buffer": "\n".join(rows).encode()}
        console.page.set_input_files("#import-file", files=[file])
        expect(console.page.locator(".sum")).to_be_visible()
        console.page.get_by_text("只看未导入的行").click()
        console.page.wait_for_timeout(500)
        shoot(console, "import")


def page_at(path: str, name: str, size: tuple[int, int] = DESK) -> Callable[[Studio], None]:
    """Return what takes the picture of a page that needs no preparation."""

    def take(studio: Studio) -> None:
        with studio.window(size, path) as console:
            console.page.wait_for_timeout(800)
            shoot(console, name)

    return take


def opening(studio: Studio) -> None:
    """Set-up and log-in pages; set-up needs a hub of its own that nobody has set up."""
    with (
        tempfile.TemporaryDirectory() as folder,
        HubProcess(Path(folder) / "new", env={"XIANGYUN_ADMIN_PASSWORD": ""}) as fresh,
    ):
        console = Console(studio.browser, fresh.url, width=DESK[0], height=DESK[1])
        console.open("/")
        console.page.fill("#county", "祥云县")
        console.page.fill("#display-name", "管理员")
        console.page.fill("#password", "Yibai-Cangshan-26")
        console.page.fill("#repeat", "Yibai-Cangshan-26")
        console.page.wait_for_timeout(500)
        shoot(console, "setup")
        console.close()
    for size, name in ((DESK, "login"), (PHONE, "login-phone")):
        console = Console(studio.browser, studio.hub.url, width=size[0], height=size[1])
        console.open("/login")
        console.page.wait_for_timeout(800)
        shoot(console, name)
        console.close()


def rooms(studio: Studio) -> None:
    """The list of meetings, making one, inviting to it."""
    hub = studio.hub
    hub.login()
    for name, hours, org in (
        ("乡镇安全生产例会", 2, "xiangcheng"),
        ("村两委换届培训", 26, "xiangyun"),
        ("河长制月度调度", 50, "yunnanyi"),
    ):
        starts = datetime.now(UTC) + timedelta(hours=hours)
        hub.post("/rooms", {"name": name, "org_id": org, "starts_at": starts.isoformat(), "duration_minutes": 90})
    with studio.window(DESK, "/rooms") as console:
        page = console.page
        shoot(console, "rooms")
        page.click("#new-room")
        page.fill("#room-name", "全县防汛工作推进会")
        page.wait_for_timeout(600)
        shoot(console, "room-dialog")
        page.click("#room-save")
        expect(page.locator("#invite-url")).to_be_visible()
        expect(page.locator(".invite img")).to_be_visible()
        page.wait_for_timeout(4000)
        shoot(console, "invite")


def meeting(studio: Studio) -> None:
    """One meeting, from coming in to its record."""
    with tempfile.TemporaryDirectory() as folder, venues(studio.hub, studio.play, studio.browser, Path(folder)) as made:
        phone = made.phone
        phone.page.goto(made.meeting.invite_url.replace(made.meeting.hub.url, phone.url))
        phone.page.fill("#join-name", phone.name)
        phone.page.fill("#join-passcode", made.meeting.passcode)
        phone.page.locator("#camera-toggle").scroll_into_view_if_needed()
        phone.page.wait_for_timeout(2500)
        shoot(phone, "join-phone-check")
        phone.page.evaluate("scrollTo(0, 0)")
        phone.page.wait_for_timeout(500)
        shoot(phone, "join-phone")
        made.gather()
        in_meeting(made)
    made.meeting.end()
    with studio.window(DESK, f"/rooms/{made.meeting.room_id}/record") as console:
        console.page.wait_for_timeout(1500)
        shoot(console, "room-record")


def in_meeting(made: Venues) -> None:
    """Pictures of every view of the meeting."""
    chair, village, phone = made.chair, made.village, made.phone
    village.unmute()
    chair.page.click("#pull-camera")
    chair.row("驿站村河道").click()
    for page in (chair, village, phone):
        page.sees("驿站村河道", "video")
    chair.page.mouse.move(5, 5)
    chair.page.wait_for_timeout(4000)
    shoot(chair, "meeting-desk")
    shoot(phone, "meeting-phone")
    village.page.set_viewport_size({"width": WALL[0], "height": WALL[1]})
    village.page.click("#layout")
    village.page.mouse.move(5, 5)
    village.page.wait_for_timeout(4000)
    shoot(village, "meeting-grid")
    roll_call(made)
    chair.page.mouse.move(5, 5)
    chair.page.wait_for_timeout(3000)
    shoot(chair, "roll-call")
    chair.page.locator("[data-mark=present]").click()
    chair.page.click("#roll-end")
    chair.page.wait_for_timeout(1000)


def call(studio: Studio) -> None:
    """A call rings."""
    with studio.window(PHONE, "/live", "cunwei") as called, studio.window(DESK, "/endpoints") as caller:
        page = caller.page
        page.locator("[data-person]").filter(has_text="王秀英").get_by_role("button", name="呼叫", exact=True).click()
        expect(called.page.locator(".ring")).to_be_visible()
        called.page.wait_for_timeout(500)
        shoot(called, "call-phone")
        called.page.click("#call-decline")


SHOTS: dict[str, Callable[[Studio], None]] = {
    "live-4": live_4,
    "live-9": live_9,
    "live-phone": live_phone,
    "replay": replay,
    "audit": page_at("/audit", "audit"),
    "camera-dialog": camera_dialog,
    "storage": page_at("/storage", "storage"),
    "people": page_at("/people", "people"),
    "import": import_report,
    "opening": opening,
    "rooms": rooms,
    "meeting": meeting,
    "endpoints": page_at("/endpoints", "endpoints"),
    "call": call,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*SHOTS, []], help="which; all without")
    parser.add_argument("--clip", action="append", default=[], help="a video file for the cameras to show")
    wanted: Any = parser.parse_args()
    FOLDER.mkdir(parents=True, exist_ok=True)
    clips = [word for clip in wanted.clip or views() for word in ("--clip", str(clip))]
    count = len(CAMERAS) + 1
    sound = [word for n in (1, 2, 5) for word in ("--audio", f"{n}:pcma")]
    rig = Rig(count, "--codec", f"{count}:h265", *sound, *clips, size="1280x720", fps=10, rate_bps=1_500_000).plug_in()
    broken = Rig(1).plug_in()
    try:
        with (
            tempfile.TemporaryDirectory() as folder,
            HubProcess(Path(folder) / "hub", env={"XIANGYUN_TLS_PORT": str(free_port())}) as hub,
            sync_playwright() as play,
        ):
            furnish(hub, rig, broken)
            hub.wait_online("bridge")
            began_ms = time.time() * 1000
            time.sleep(10)
            broken.unplug()
            browser = play.chromium.launch(executable_path=CHROMIUM, args=ARGS)
            studio = Studio(hub, play, browser, rig, began_ms)
            time.sleep(max(0.0, began_ms / 1000 + HISTORY_S - time.time()))
            for name in wanted.names or SHOTS:
                SHOTS[name](studio)
            browser.close()
    finally:
        rig.unplug()
        broken.unplug()


if __name__ == "__main__":
    main()
