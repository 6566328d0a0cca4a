"""(e) How soon a click on the timeline is a picture: Chromium on the console, from pointer-up to the frame shown.

Two cameras of 1280x720 at 25 fps, 2 Mbit/s, GOP 2 s, recorded for BENCH_RECORD_S=120 s. BENCH_OPENINGS=12 times one of
them is opened anew by a click (register entry remembered; grant, playlist, first fragments), and sought in by four more
clicks while it plays; clicks into what the browser holds already are told apart. The picture's own clock tells how
far from the moment clicked it is. Through api and replay, access checks on.
"""

import os
import random
import tempfile
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from tests.bench.measure import percentile, save, table
from tests.browser.console import ARGS, CHROMIUM, Console, Rig, off_by_ms
from tests.hub_process import ADMIN_PASSWORD, HubProcess

OPENINGS = int(os.environ.get("BENCH_OPENINGS", "12"))
RECORD_S = int(os.environ.get("BENCH_RECORD_S", "120"))
SEEKS_EACH = 4
EDGE_MS = 6000
PAUSE_S = (0.3, 1.2)


Found = dict[str, list[float]]
OPENED, FETCHED, HELD, OFF = "opened anew", "sought, fetched", "sought, held already", "away from the moment clicked"


def click_around(console: Console, start_ms: float, end_ms: float) -> Found:
    """Open and seek; return milliseconds from the click to the picture by kind, and how far off pictures were."""
    found: Found = {OPENED: [], FETCHED: [], HELD: [], OFF: []}
    for opening in range(OPENINGS):
        console.open_replay(f"cam{opening % 2 + 1}")
        console.zoom_in_on(start_ms)
        for index in range(1 + SEEKS_EACH):
            time.sleep(random.uniform(*PAUSE_S))
            clicked, shown = console.seek(random.uniform(start_ms, end_ms))
            kind = OPENED if index == 0 else HELD if shown["was_buffered"] else FETCHED
            found[kind].append(shown["took_ms"])
            found[OFF].append(abs(off_by_ms(shown, clicked)))
    return found


def main() -> None:
    rig = Rig(2, size="1280x720", fps=25, rate_bps=2_000_000).plug_in()
    try:
        with (
            tempfile.TemporaryDirectory() as folder,
            HubProcess(Path(folder) / "hub") as hub,
            sync_playwright() as play,
        ):
            hub.login()
            for number in (1, 2):
                hub.add_camera(f"cam{number}", rig.url(number), recording={"mode": "continuous", "retention_days": 30})
                hub.wait_online(f"cam{number}")
            start_ms = time.time() * 1000 + 3000
            time.sleep(RECORD_S)
            browser = play.chromium.launch(executable_path=CHROMIUM, args=ARGS)
            console = Console(browser, hub.url)
            console.log_in("admin", ADMIN_PASSWORD)
            console.open_replay("cam1")
            console.zoom_in_on(start_ms)
            console.click_time(start_ms)
            console.give_reason()
            console.code_of(console.screen.locator("video"))
            console.open_replay("cam2")
            found = click_around(console, start_ms, time.time() * 1000 - EDGE_MS)
            console.close()
            browser.close()
    finally:
        rig.unplug()
    rows = [_row(what, values) for what, values in found.items() if values]
    table("(e) seeks in the console", rows)
    save("seek", rows)


def _row(what: str, values: list[float]) -> dict[str, Any]:
    return {
        "what": what,
        "n": len(values),
        "p50_ms": percentile(values, 0.5),
        "p95_ms": percentile(values, 0.95),
        "max_ms": max(values),
    }


if __name__ == "__main__":
    main()
