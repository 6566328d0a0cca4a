"""(g) How soon somebody who joins a meeting sees another: light pages at BENCH_JOIN_RATE=20 joins a second, then Chromium.

Light pages take the whole way (invitation, session, slots, ICE and DTLS, subscription) until a picture is decoded, and
stay; BENCH_JOINS=100. In Chromium the console itself is used: from the press on the join button
to the first picture of the other shown, BENCH_PAGE_JOINS=50 times. The hub runs with one worker per processor.
"""

import asyncio
import os
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import uvloop
from aiortc.codecs import h264_depayload
from playwright.sync_api import sync_playwright

from tests.bench.measure import percentile, save, table
from tests.browser.console import ARGS, CHROMIUM
from tests.browser.meeting import MEDIA_ARGS, Attendee, new_meeting
from tests.hub_process import HubProcess
from tests.integration.fixtures_light_pages import Flow, LightPage, until
from tests.integration.fixtures_meeting import House, running_house

JOINS = int(os.environ.get("BENCH_JOINS", "100"))
RATE = float(os.environ.get("BENCH_JOIN_RATE", "20"))
PAGE_JOINS = int(os.environ.get("BENCH_PAGE_JOINS", "50"))
SPREAD = os.environ.get("BENCH_SPREAD", "home")
"""`home`: sessions where the room is; `spread`: over all workers, so that half of them are reached over a relay."""
SETTLED_S = 2.0

ARRIVAL = """(() => {
  window.arrived = new Promise((yes) => {
    let pressedMs = 0
    addEventListener('click', (e) => { if (e.target.closest('#join-button')) pressedMs = performance.now() }, true)
    const known = new WeakSet()
    new MutationObserver(() => {
      for (const video of document.querySelectorAll('.m-tile video')) {
        if (known.has(video)) continue
        known.add(video)
        const look = (nowMs) => video.closest('.m-tile')?.textContent.includes('主持人')
          ? yes(nowMs - pressedMs) : video.requestVideoFrameCallback(look)
        video.requestVideoFrameCallback(look)
      }
    }).observe(document, {childList: true, subtree: true})
  })
})()"""


@dataclass
class Arrivals:
    """What light pages saw, and what it asked of the one they came to see."""

    took_s: list[float] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    key_requests_s: list[float] = field(default_factory=list)
    lasted_s: float = 0.0

    def most_in_a_second(self) -> int:
        """Return the most key requests that reached the publisher within any second."""
        moments = self.key_requests_s
        return max((sum(start <= at < start + 1 for at in moments) for start in moments), default=0)


def first_picture(flow: Flow) -> bool:
    """Tell whether what came so far holds a picture that decodes."""
    assert flow.payloads is not None
    picture = b""
    for payload, is_last in flow.payloads:
        picture += h264_depayload(payload)
        if is_last:
            try:
                return bool(av.CodecContext.create("h264", "r").decode(av.Packet(picture)))
            except av.FFmpegError:
                picture = b""
    return False


async def arrive(house: House, room_id: str, name: str, publisher: LightPage, seen: Arrivals) -> None:
    """Come, and see the publisher."""
    began_s = time.monotonic()
    try:
        page = await house.guest(room_id, name)
        await page.open(video=1, audio=1)
        assert page.down is not None
        for flow in page.down.flows.values():
            flow.payloads = []
        flow = await page.watch(publisher.source)
        await until("a picture", lambda: first_picture(flow), every_s=0.01)
        seen.took_s.append(time.monotonic() - began_s)
        flow.payloads = None
    except (AssertionError, TimeoutError, OSError) as error:
        seen.failed.append(str(error))


async def light_joins(house: House) -> Arrivals:
    """Let JOINS pages come, evenly at RATE a second."""
    seen = Arrivals()
    room_id = await house.make_room(0)
    publisher = await house.chair(room_id)
    await publisher.publish()
    first = await house.guest(room_id, "先到者")
    await first.open(video=1, audio=1)
    await first.watch(publisher.source)
    await asyncio.sleep(SETTLED_S)
    assert publisher.up is not None
    publisher.up.key_requests.clear()
    began_s = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for number in range(JOINS):
            await asyncio.sleep(max(0.0, began_s + number / RATE - time.monotonic()))
            group.create_task(arrive(house, room_id, f"村民{number}", publisher, seen))
        seen.lasted_s = time.monotonic() - began_s
    seen.key_requests_s = list(publisher.up.key_requests)
    return seen


def page_joins(hub: HubProcess) -> list[float]:
    """Let a Chromium join PAGE_JOINS times through the console; return ms from the press to the other's picture."""
    took_ms = []
    hub.login()
    meeting = new_meeting(hub, org_id=hub.root_org())
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*ARGS, *MEDIA_ARGS])
        host = Attendee(browser, meeting, "主持人").join(is_chair=True)
        for number in range(PAGE_JOINS):
            guest = Attendee(browser, meeting, f"村民{number}")
            guest.context.add_init_script(ARRIVAL)
            guest.join()
            took_ms.append(float(guest.page.evaluate("window.arrived")))
            guest.context.close()
        host.context.close()
        browser.close()
    return took_ms


def row(way: str, took_ms: list[float], **more: Any) -> dict[str, Any]:
    """Return one line of the table."""
    figures = {f"p{share}_ms": percentile(took_ms, share / 100) for share in (50, 95)} if took_ms else {}
    return {"joins": way, "n": len(took_ms), **figures, "max_ms": max(took_ms, default=0.0), **more}


def main() -> None:
    rows = []
    env = {"XIANGYUN_WORKERS": str(max(2, os.cpu_count() or 1)), "XIANGYUN_SESSION_SPREAD": SPREAD}
    if JOINS:
        with tempfile.TemporaryDirectory() as folder, running_house(Path(folder) / "hub", **env) as house:
            seen = uvloop.run(light_joins(house))
        for fault in seen.failed[:5]:
            print(fault)
        asked = {"key_requests_s": len(seen.key_requests_s) / seen.lasted_s, "most_in_1_s": seen.most_in_a_second()}
        rows.append(row(f"light, {RATE:g} a second", [1000 * s for s in seen.took_s], failed=len(seen.failed), **asked))
    if PAGE_JOINS:
        with tempfile.TemporaryDirectory() as folder, HubProcess(Path(folder) / "hub", env=env) as hub:
            rows.append(row("Chromium, one by one", page_joins(hub)))
    table("(g) first picture after joining", rows)
    save("join", rows)


if __name__ == "__main__":
    main()
