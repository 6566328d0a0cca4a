"""`kill -9` of each process of the hub while cameras record: what is lost, and how soon it is itself again.

One hub for the module; the tests stand in the order in which the story goes. Limits are CONTRACT's. A measured line per
fault is printed (`pytest -s`).
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest

from media.base.clock import rfc3339
from media.packet import Codec
from recorder.index.migrate import INDEX_NAME
from streams.simulator.options import SimulatorOptions
from tests.hub_process import ROOT, HubProcess, wait_for
from tests.integration.fixtures_faults import (
    HEAL_S,
    Cameras,
    LiveViewer,
    Shelf,
    ask_socket,
    family,
    gaps_since,
    is_alive,
    is_recording,
    now_us,
    seconds_until,
)

pytestmark = pytest.mark.slow

CAMERAS = ["gate", "square", "school", "bridge"]
FRAGMENT_US = 1_000_000
LOST_US = 1_000_000
"""CONTRACT: at most 1 s of written media is lost; ours is none. What is not written yet is at most one fragment."""
SLACK_US = 700_000
"""Arrival, queue and the clock of the test on a busy machine."""
END_S = 10.0


@dataclass
class House:
    hub: HubProcess
    shelf: Shelf
    viewer: LiveViewer


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    data = tmp_path_factory.mktemp("kill") / "data"
    options = SimulatorOptions.small(cameras=len(CAMERAS), audios={2: Codec.PCMA, 3: Codec.AAC})
    with Cameras(options) as cameras, HubProcess(data) as hub:
        hub.login()
        for number, camera_id in enumerate(CAMERAS, 1):
            hub.add_camera(camera_id, cameras.url(number), sub_source_url=cameras.url(number, "sub"))
        wait_for("all cameras are recorded", lambda: is_recording(hub, CAMERAS), 30)
        viewer = LiveViewer(hub, "square").start()
        viewer.wait_frames(10, 20)
        time.sleep(2)
        yield House(hub, Shelf(data / "recordings"), viewer)
        viewer.close()


def kill(house: House, role: str) -> tuple[float, int]:
    """Kill a process; return when, monotonic in seconds and wall in microseconds."""
    os.kill(house.hub.pids()[role], signal.SIGKILL)
    return time.monotonic(), now_us()


def went_on(house: House, since_us: int) -> bool:
    """Tell whether all cameras have been recorded without a gap from `since_us` until two seconds ago."""
    footage = house.shelf.footage()
    return all(
        not gaps_since(footage[camera], since_us) and footage[camera].end_us > now_us() - 2_500_000
        for camera in CAMERAS
    )


def test_api_killed(house: House) -> None:
    killed_s, killed_us = kill(house, "api")
    heal_s = seconds_until(house.hub._is_ready, "api is back", HEAL_S, killed_s)
    assert house.hub.get("/cameras/gate/status")["state"] == "online"
    wait_for("recording went on", lambda: went_on(house, killed_us - 2_000_000), 5)
    seen = house.viewer.frames
    house.viewer.wait_frames(seen + 5, 5)
    print(f"\nFAULT api: ready again after {heal_s:.1f} s, no gap")


def test_replay_killed(house: House) -> None:
    end_us = now_us()
    question = {"camera_id": "gate", "start": rfc3339(end_us - 3_000_000), "end": rfc3339(end_us)}
    wait_for("the index tells of it", lambda: house.shelf.reaches(["gate"], end_us), 10)
    spans = [(span["start"], span["end"]) for span in house.hub.get("/recordings", **question)["spans"]]
    assert spans
    killed_s, killed_us = kill(house, "replay")

    def is_told() -> bool:
        answer = house.hub.http.get("/api/v1/recordings", params=question)
        assert answer.status_code in {200, 503, 504}, answer.text
        if answer.status_code == 200:
            assert [(span["start"], span["end"]) for span in answer.json()["spans"]] == spans
        return answer.status_code == 200

    heal_s = seconds_until(is_told, "replay answers as before", HEAL_S, killed_s)
    wait_for("recording went on", lambda: went_on(house, killed_us - 2_000_000), 5)
    print(f"\nFAULT replay: answers again after {heal_s:.1f} s, no gap")


def test_valkey_killed(house: House) -> None:
    killed_s, killed_us = kill(house, "valkey")

    def is_fresh() -> bool:
        answer = house.hub.http.get("/api/v1/cameras/gate/status")
        assert answer.status_code in {200, 503, 504}, answer.text
        return answer.status_code == 200 and str(answer.json().get("last_packet_at") or "") > rfc3339(killed_us)

    heal_s = seconds_until(is_fresh, "status is told again", HEAL_S, killed_s)
    wait_for("recording went on", lambda: went_on(house, killed_us - 2_000_000), 5)
    print(f"\nFAULT valkey: status again after {heal_s:.1f} s, no gap")


def test_worker_killed(house: House) -> None:
    hub, shelf = house.hub, house.shelf
    known = shelf.footage()
    acknowledged_us = {camera: known[camera].end_us for camera in CAMERAS}
    old = hub.pids()["worker 0"]
    killed_s, killed_us = kill(house, "worker 0")
    written = shelf.whole()
    slot_s = seconds_until(
        lambda: hub.pids().get("worker 0", old) != old and ask_socket(hub, "worker-0.sock", "/healthz"),
        "the slot is manned again", HEAL_S, killed_s,
    )  # fmt: skip
    recording_s = seconds_until(lambda: is_recording(hub, CAMERAS), "all cameras record again", HEAL_S, killed_s)
    wait_for("the index tells of footage behind a gap", lambda: shelf.goes_on(CAMERAS), 10)
    for path, data in written.items():
        assert (shelf.root / path).read_bytes()[: len(data)] == data, f"{path} lost what was written"
    footage = shelf.footage()
    gaps, unwritten = [], []
    for camera in CAMERAS:
        (gap,) = gaps_since(footage[camera], killed_us)
        assert gap.reason == "crash"
        assert gap.end_us is not None
        assert gap.start_us >= acknowledged_us[camera], "what the index had told is gone"
        gaps.append((gap.end_us - gap.start_us) / 1e6)
        unwritten.append((killed_us - gap.start_us) / 1e6)
    print(
        f"\nFAULT worker: slot back {slot_s:.1f} s, recording {recording_s:.1f} s, gaps {min(gaps):.1f}-{max(gaps):.1f} s,"
        f" written media lost 0, not yet written {max(unwritten):.2f} s"
    )
    assert max(gaps) <= HEAL_S
    assert max(unwritten) * 1e6 <= FRAGMENT_US + LOST_US + SLACK_US
    assert slot_s <= HEAL_S


def test_a_viewer_of_the_killed_worker_ends_and_may_come_back(house: House) -> None:
    first = house.viewer
    stood_s = time.monotonic() - first.last_frame_s
    assert stood_s > 1.0, "pictures still come from a dead worker"
    again = LiveViewer(house.hub, "square").start()
    again.wait_frames(5, 10)
    again.close()
    session = first.session.rpartition("/")[2]

    def is_noted() -> bool:
        items = house.hub.get("/audit", limit=50)["items"]
        return any(item["action"] == "view.end" and item["details"]["session"] == session for item in items)

    wait_for("the audit tells the end of the lost session", is_noted, 35, every_s=0.5)
    assert house.hub.http.delete(first.session).status_code in {204, 404}


def test_files_of_the_crash_are_closed_in_idle_moments_and_check_is_clean(house: House) -> None:
    wait_for("no problem is found", lambda: check(house)[0] == 0, 15, every_s=1.0)


def test_the_worker_killed_again_at_once_still_leaves_one_story(house: House) -> None:
    """Two more crashes in a row, the second while the slot recovers from the first."""
    old = house.hub.pids()["worker 0"]
    killed_s, killed_us = kill(house, "worker 0")
    wait_for("the next worker", lambda: house.hub.pids().get("worker 0", old) != old, HEAL_S, every_s=0.01)
    time.sleep(0.8)
    kill(house, "worker 0")
    heal_s = seconds_until(lambda: is_recording(house.hub, CAMERAS), "all cameras record again", 2 * HEAL_S, killed_s)
    wait_for("the index tells of footage behind a gap", lambda: house.shelf.goes_on(CAMERAS), 10)
    footage = house.shelf.footage()
    for camera in CAMERAS:
        assert {gap.reason for gap in gaps_since(footage[camera], killed_us)} == {"crash"}
    print(f"\nFAULT worker twice: recording again after {heal_s:.1f} s")


def check(house: House, *options: str) -> tuple[int, str]:
    """Run `xiangyun check` as people do."""
    argv = [sys.executable, "-m", "api", "check", *options, "--data-dir", str(house.hub.data_dir)]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout + done.stderr


def test_sigterm_ends_in_order_and_leaves_nobody(house: House) -> None:
    hub = house.hub
    pids = family(hub)
    assert hub.process is not None
    asked_us, asked_s = now_us(), time.monotonic()
    hub.process.send_signal(signal.SIGTERM)
    hub.process.wait(END_S + 2)
    took_s = time.monotonic() - asked_s
    wait_for("no process is left", lambda: not any(map(is_alive, pids)), 2)
    footage = house.shelf.footage()
    for camera in CAMERAS:
        gap = footage[camera].gaps[-1]
        assert gap.end_us is None
        assert gap.reason == "shutdown"
        assert asked_us - gap.start_us <= 1_000_000
    with house.shelf.index() as index:
        assert index.meta("clean") == "1"
    status, text = check(house)
    assert status == 0, text
    print(f"\nFAULT SIGTERM: ended after {took_s:.1f} s, {len(pids)} processes gone")


def rows(house: House) -> dict[str, list[tuple[object, ...]]]:
    """Return what an index says, without what only the old one can know."""
    with house.shelf.index() as index:
        tables = ("stream", "run", "segment", "gap", "codec_config", "open_fragment", "hold", "garbage")
        return {name: sorted(index._rows(f"select * from {name}"), key=repr) for name in tables}


def test_a_deleted_index_is_rebuilt_as_it_was(house: House) -> None:
    original = rows(house)
    assert len(original["segment"]) >= 3 * len(CAMERAS)
    for path in house.shelf.root.glob(f"{INDEX_NAME}*"):
        path.unlink()
    status, text = check(house)
    assert status == 1, text
    status, text = check(house, "--repair")
    assert status == 0, text
    rebuilt = rows(house)
    for table, expected in original.items():
        assert rebuilt[table] == expected, table
    assert check(house)[0] == 0


def test_killed_supervisor_takes_its_children_with_it(house: House) -> None:
    hub = house.hub
    hub.http = httpx.Client(base_url=hub.url, timeout=20)
    hub.start()
    wait_for("all cameras are recorded", lambda: is_recording(hub, CAMERAS), 30)
    time.sleep(2)
    pids = family(hub)
    assert len(pids) >= 5
    hub.process.kill()
    killed_s = time.monotonic()
    hub.process.wait(5)
    gone_s = seconds_until(lambda: not any(map(is_alive, pids)), "the children are gone", END_S, killed_s)
    assert check(house)[0] == 0
    print(f"\nFAULT supervisor: {len(pids)} processes gone after {gone_s:.1f} s")
