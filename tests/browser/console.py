"""What the browser tests are written in: the console as a person at it sees it, the cameras as somebody with a plug.

`Console` drives one Chromium page and reads pictures by their pixels; `Rig` is a simulator process that can be
switched off and on at the same address. Synchronous; one thread.
"""

import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import httpx
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Error, Locator, Page, expect

from tests.hub_process import ROOT, HubProcess, free_port, wait_for

CHROMIUM = "/usr/bin/chromium"
ARGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PIXELS = Path(__file__).with_name("pixels.js")
MAIN_LOOP_MS, SUB_LOOP_MS = 60_000, 600_000
USER_PASSWORD = "Dorf-Wache-2026"
expect.set_options(timeout=20_000)
"""A state is waited for as long as a slow machine may need; what must be quick says so itself."""
# A page that is being left, or whose hub is being killed, says so in its console; everything else is a fault.
_EXPECTED_NOISE = re.compile(
    r"Failed to load resource|net::ERR_|ERR_CONNECTION|the server responded with a status"
    r"|Cross-Origin-Opener-Policy header has been ignored"
)


class Rig:
    """A simulator in a process of its own: cameras that can be unplugged and plugged in again."""

    def __init__(
        self, cameras: int, *more: str, size: str = "1024x576", fps: int = 10, rate_bps: int = 500_000
    ) -> None:
        """Choose a port; nothing runs yet."""
        self.port = free_port()
        self._argv = ["-m", "api", "simulate", "--port", str(self.port), "--cameras", str(cameras)]
        self._argv += ["--resolution", size, "--fps", str(fps), "--rate", str(rate_bps), *more]
        self._process: subprocess.Popen[bytes] | None = None

    def plug_in(self) -> Self:
        """Start, and return when cameras answer (the first time, pictures are made)."""
        self._process = subprocess.Popen(
            [sys.executable, *self._argv], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline().decode().split()
        assert line[:1] == ["ready"], "the simulator did not come up"
        return self

    def unplug(self) -> None:
        """Stop at once, as a camera without power does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            assert self._process.stdout is not None
            self._process.stdout.close()
            self._process = None

    def url(self, number: int = 1, *, sub: bool = False) -> str:
        """Return the address of a camera's main or sub stream."""
        return f"rtsp://127.0.0.1:{self.port}/cam{number}{'/sub' if sub else ''}"


CLOSEST_MS = 5 * 60_000 + 1
"""What the timeline shows at its closest."""


class Console:
    """The console in a browser of its own, with nothing remembered from other tests."""

    def __init__(self, browser: Browser, url: str, *, width: int = 1440, height: int = 900, **more: Any) -> None:
        """Open a browser window on nothing; `more` goes to Playwright's `new_context`."""
        self.url = url
        self.context: BrowserContext = browser.new_context(
            viewport={"width": width, "height": height}, locale="zh-CN", timezone_id="Asia/Shanghai", **more
        )
        self.context.add_init_script(path=PIXELS)
        self.context.set_default_timeout(15_000)
        self.page: Page = self.context.new_page()
        self.faults: list[str] = []
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("console", self._note)

    def _note(self, message: ConsoleMessage) -> None:
        if message.type == "error" and not _EXPECTED_NOISE.search(message.text):
            self.faults.append(message.text)

    def close(self) -> None:
        """Close the window; a script error or a violation of the security policy on the way fails the test."""
        self.context.close()
        assert self.faults == [], f"errors in the page: {self.faults}"

    def open(self, path: str) -> None:
        """Go to a page of the console, `/live` for example."""
        self.page.goto(f"{self.url}/#{path}")

    def log_in(self, username: str, password: str, *, path: str = "/live") -> None:
        """Log in at the form, and land on `path`."""
        self.open(f"/login?back={path}")
        self.page.fill("#username", username)
        self.page.fill("#password", password)
        self.page.click("button[type=submit]")
        expect(self.page.locator(".shell")).to_be_visible()

    def row(self, name: str) -> Locator:
        """Return the row of an organisation or camera in the tree."""
        return self.page.get_by_role("treeitem").filter(has_text=name)

    def choose(self, camera_name: str) -> None:
        """Click a camera in the tree."""
        self.row(camera_name).click()

    def tile(self, camera_id: str) -> Locator:
        """Return the live tile of a camera."""
        return self.page.locator(f'.tile[data-camera="{camera_id}"]')

    def tool(self, camera_id: str, title: str) -> Locator:
        """Return a button of a tile's tool bar by what it says."""
        return self.tile(camera_id).get_by_role("toolbar").get_by_title(title)

    def plays(self, camera_id: str, timeout_s: float = 15) -> None:
        """Wait until a tile shows a picture without words over it."""
        expect(self.tile(camera_id)).to_have_attribute("data-state", "playing", timeout=timeout_s * 1000)
        self.code(camera_id)

    def code(self, camera_id: str) -> dict[str, Any]:
        """Return what the picture in a live tile says; waits for one that can be read."""
        return self.code_of(self.tile(camera_id).locator("video"))

    def code_of(self, video: Locator) -> dict[str, Any]:
        """Return what the picture in a `<video>` says; waits for one that can be read."""

        def read() -> Any:
            try:
                return video.evaluate("video => timecode.read(video)", timeout=2000)
            except Error:
                return None

        return dict(wait_for("a readable picture", read, 10))

    def says(self, camera_id: str, words: str, timeout_s: float = 15) -> str:
        """Wait until a tile's message holds `words`; return all of it."""
        message = self.tile(camera_id).locator(".message")
        expect(message).to_contain_text(words, timeout=timeout_s * 1000)
        return message.inner_text()

    def menu(self) -> list[str]:
        """Return the entries of the main navigation."""
        return [text.strip() for text in self.page.locator("nav.rail a.entry").all_inner_texts()]

    # --- replay ---------------------------------------------------------------------------------------------------

    @property
    def screen(self) -> Locator:
        """Return the replay picture's frame."""
        return self.page.locator(".screen")

    def open_replay(self, camera_id: str) -> None:
        """Open a camera's recordings and wait until the timeline shows some."""
        self.open(f"/replay/{camera_id}")
        wait_for("the timeline shows the recording", lambda: self.view()[1] - self.view()[0] < 86_400_000, 20)

    def view(self) -> tuple[float, float]:
        """Return the first and the last moment the timeline shows, epoch ms."""
        band = self.page.locator(".timeline canvas")
        return float(band.get_attribute("aria-valuemin") or 0), float(band.get_attribute("aria-valuemax") or 0)

    def x_of(self, wall_ms: float) -> float:
        """Return where on the timeline a moment lies, in pixels from its left edge."""
        start, end = self.view()
        box = self.page.locator(".timeline canvas").bounding_box()
        assert box is not None
        return (wall_ms - start) / (end - start) * box["width"]

    def click_time(self, wall_ms: float) -> float:
        """Click the timeline nearest to a moment; return the moment really clicked, to the millisecond."""
        start, end = self.view()
        band = self.page.locator(".timeline canvas")
        box = band.bounding_box()
        assert box is not None
        x = round(self.x_of(wall_ms))
        assert 0 <= x <= box["width"], f"the timeline does not show this moment: {x:.0f} of {box['width']:.0f} px"
        band.click(position={"x": x, "y": box["height"] * 0.6})
        return start + x / box["width"] * (end - start)

    def seek(self, wall_ms: float) -> tuple[float, dict[str, Any]]:
        """Click a moment on the timeline; return the moment and the first picture shown, with `took_ms`."""
        self.screen.locator("video").evaluate("video => { window.sought = timecode.afterSeek(video) }")
        clicked = self.click_time(wall_ms)
        return clicked, self.page.evaluate("window.sought")

    def give_reason(self, reason: str = "寻找走失老人") -> None:
        """Fill in the access register, and play."""
        self.page.fill("#reason", reason)
        self.page.click("#reason-submit")
        expect(self.page.locator("#reason")).to_be_hidden()

    def zoom_in_on(self, wall_ms: float) -> None:
        """Bring the timeline to its closest with a moment in its first quarter, so that a pixel is a fraction of a second."""
        box = self.page.locator(".timeline canvas").bounding_box()
        assert box is not None
        for _ in range(40):
            start, end = self.view()
            if end - start <= CLOSEST_MS:
                self.page.mouse.wheel(self.x_of(wall_ms) - box["width"] / 4, 0)
                self.page.wait_for_timeout(50)
                return
            self.page.mouse.move(box["x"] + self.x_of(wall_ms), box["y"] + 40)
            self.page.mouse.wheel(0, -300)
            self.page.wait_for_timeout(50)
        raise AssertionError("the timeline does not come closer")


def off_by_ms(code: dict[str, Any], wall_ms: float, loop_ms: int = MAIN_LOOP_MS) -> float:
    """Return how much later (+) or earlier (-) a picture was taken than `wall_ms`."""
    return (code["time_ms"] - wall_ms + loop_ms / 2) % loop_ms - loop_ms / 2


def watched(hub: HubProcess) -> list[dict[str, Any]]:
    """Return the cameras that pages really watch, asked at the worker's private door."""
    transport = httpx.HTTPTransport(uds=str(hub.data_dir / "run" / "worker-0.sock"))
    with httpx.Client(transport=transport, base_url="http://worker") as private:
        found = private.get("/sessions").json()["items"]
    return [grant for session in found for grant in session["grants"]]


def steadily(what: str, condition: Callable[[], bool], for_s: float) -> None:
    """Assert that a condition holds all the time for a while."""
    deadline = time.monotonic() + for_s
    while time.monotonic() < deadline:
        assert condition(), what
        time.sleep(0.2)
