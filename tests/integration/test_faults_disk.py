"""A volume on a small tmpfs fills to the last byte while the hub records; what it says, keeps, deletes and resumes.

Ballast files take the room; the limits of 64 MB are a floor of 12.8 MB (retention begins) and a stop of 6.4 MB.
"""

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from media.packet import EndReason
from recorder.index.rows import GapRow
from recorder.volume import Limits
from streams.simulator.options import SimulatorOptions
from tests.hub_process import ROOT, HubProcess, wait_for
from tests.integration.fixtures_faults import Cameras, Shelf, gaps_since, is_recording, now_us, worker_states

pytestmark = pytest.mark.slow

DISK_BYTES = 64 << 20
LIMITS = Limits.of(DISK_BYTES)
CAMERAS = ["gate", "square", "school"]
RESUME_S = 15.0
"""Space is measured every second; a volume whose write failed is tried again after 10 s."""


@dataclass
class House:
    hub: HubProcess
    shelf: Shelf
    cameras: Cameras
    alarms: list[dict[str, Any]] = field(default_factory=list)

    @property
    def free_bytes(self) -> int:
        stat = os.statvfs(self.shelf.root)
        return stat.f_bavail * stat.f_frsize

    def leave(self, free_bytes: int) -> None:
        """Let ballast take the disk down to `free_bytes`, or give back what it took above that."""
        ballast = self.shelf.root / "ballast"
        size = ballast.stat().st_size if ballast.exists() else 0
        with ballast.open("ab") as file:
            wanted = size + self.free_bytes - free_bytes
            if wanted < size:
                file.truncate(max(0, wanted))
                return
            with contextlib.suppress(OSError):
                file.write(bytes(wanted - size))

    def kinds(self) -> list[str]:
        return [str(alarm["kind"]) for alarm in self.alarms]

    def states(self) -> set[tuple[str, str | None]]:
        shown = worker_states(self.hub)
        return {(shown[camera]["recording"]["state"], shown[camera]["recording"]["reason"]) for camera in CAMERAS}


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("disk")
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(path)]
    done = subprocess.run(command, capture_output=True, check=False, text=True)
    if done.returncode:
        pytest.skip(f"cannot mount a tmpfs: {done.stderr.strip()}")
    yield path
    subprocess.run(["umount", "-l", str(path)], check=True)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, disk: Path) -> Iterator[House]:
    data = tmp_path_factory.mktemp("full") / "data"
    options = SimulatorOptions.small(cameras=len(CAMERAS), rate_bps=2_000_000)
    with Cameras(options) as cameras, HubProcess(data, env={"XIANGYUN_VOLUMES": str(disk)}) as hub:
        hub.login()
        for number, camera_id in enumerate(CAMERAS, 1):
            hub.add_camera(camera_id, cameras.url(number))
        house = House(hub, Shelf(disk), cameras)
        threading.Thread(target=lambda: listen(house), daemon=True).start()
        wait_for("all cameras are recorded", lambda: is_recording(hub, CAMERAS), 30)
        yield house


def listen(house: House) -> None:
    """Collect what the console is told of recordings."""
    url, headers = f"{house.hub.url}/api/v1/events", house.hub.http.headers
    with contextlib.suppress(httpx.HTTPError), httpx.stream("GET", url, headers=headers, timeout=None) as answer:
        for alarm in alarms_in(answer.iter_lines()):
            house.alarms.append(alarm)


def alarms_in(lines: Iterator[str]) -> Iterator[dict[str, Any]]:
    event = ""
    for line in lines:
        name, _, value = line.partition(": ")
        if name == "event":
            event = value
        elif name == "data" and event == "recording.alarm":
            yield json.loads(value)


def check(house: House) -> None:
    argv = [sys.executable, "-m", "api", "check", "--data-dir", str(house.hub.data_dir)]
    env = os.environ | {"XIANGYUN_VOLUMES": str(house.shelf.root)}

    def is_clean() -> bool:
        done = subprocess.run(argv, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60, check=False)
        print(done.stdout, done.stderr)
        return done.returncode == 0

    wait_for("check finds nothing", is_clean, 30, every_s=1.0)


def last_gaps(house: House) -> dict[str, GapRow]:
    return {camera: footage.gaps[-1] for camera, footage in house.shelf.footage().items()}


def is_lasting(gap: GapRow) -> bool:
    return gap.end_us is None


def log_of(house: House) -> str:
    return house.hub.log_path.read_text(encoding="utf-8")


def test_recording_fills_the_disk_up_and_stops_with_an_alarm_before_a_write_fails(house: House) -> None:
    house.leave(LIMITS.stop_bytes + 2_500_000)
    wait_for("recording is stopped", lambda: house.states() == {("stopped", "disk_full")}, 30)
    wait_for("the console is told", lambda: {"disk_full", "recording_stopped"} <= set(house.kinds()), 5)
    assert house.free_bytes > LIMITS.stop_bytes / 2
    assert "write" not in {word for line in log_of(house).splitlines() if '"error"' in line for word in line.split()}
    wait_for("the index tells of a lasting gap", lambda: set(map(is_lasting, last_gaps(house).values())) == {True}, 5)
    assert {gap.reason for gap in last_gaps(house).values()} == {EndReason.DISK_FULL}
    assert "retention_deleted" not in house.kinds(), "footage younger than its policy's minimum was deleted"
    check(house)


def test_it_resumes_by_itself_when_there_is_room(house: House) -> None:
    """The gap may end a moment before there was room: what is in memory by then is written, from its key frame on."""
    lasting = last_gaps(house)
    freed_s = time.monotonic()
    house.leave(LIMITS.floor_bytes + 10_000_000)
    wait_for("all cameras record again", lambda: is_recording(house.hub, CAMERAS), RESUME_S)
    took_s = time.monotonic() - freed_s
    wait_for("the console is told", lambda: "recording_resumed" in house.kinds(), 5)
    wait_for("the index tells of footage behind a gap", lambda: house.shelf.goes_on(CAMERAS), 10)
    for camera, footage in house.shelf.footage().items():
        (gap,) = (gap for gap in footage.gaps if gap.start_us >= lasting[camera].start_us)
        assert gap.start_us == lasting[camera].start_us
        assert gap.reason == EndReason.DISK_FULL
        assert gap.end_us == footage.segments[-1].start_us
    print(f"\nFAULT disk full: recording again {took_s:.1f} s after room was made")


def test_others_fill_it_to_the_last_byte_in_a_moment(house: House) -> None:
    """No time for an alarm before: the write fails inside a fragment, the index cannot grow either."""
    before = house.shelf.whole()
    house.alarms.clear()
    filled_us = now_us()
    house.leave(0)
    wait_for("recording is stopped", lambda: not is_recording(house.hub, CAMERAS), 15)
    wait_for("the console is told", lambda: "recording_stopped" in house.kinds(), 5)
    for _ in range(5):
        house.leave(0)
        time.sleep(0.5)
    assert house.hub.get("/cameras/gate/status")["state"] == "online"
    assert {state for state, _ in house.states()} <= {"stopped", "waiting"}
    freed_s = time.monotonic()
    house.leave(LIMITS.floor_bytes + 10_000_000)
    wait_for("all cameras record again", lambda: is_recording(house.hub, CAMERAS), RESUME_S)
    print(f"\nFAULT last byte: recording again {time.monotonic() - freed_s:.1f} s after room was made")
    wait_for("the index tells of footage behind a gap", lambda: house.shelf.goes_on(CAMERAS), 10)
    for path, data in before.items():
        assert (house.shelf.root / path).read_bytes()[: len(data)] == data, path
    for footage in house.shelf.footage().values():
        assert {gap.reason for gap in gaps_since(footage, filled_us)} == {EndReason.DISK_FULL}
    check(house)
