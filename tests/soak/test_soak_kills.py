"""The worker killed again and again while 16 cameras record; then whatever chance picks. `make soak`."""

import os
import random
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from recorder.check import check
from streams.simulator.options import SimulatorOptions
from tests.hub_process import HubProcess, wait_for
from tests.integration.fixtures_faults import (
    HEAL_S,
    SLOT_BACK_S,
    Cameras,
    Shelf,
    ask_socket,
    gaps_since,
    is_recording,
    now_us,
    seconds_until,
)

CAMERAS = [f"camera-{n}" for n in range(1, 17)]
KILLS = int(os.environ.get("SOAK_KILLS", "10"))
REST_S = float(os.environ.get("SOAK_REST_S", "25"))
"""Longer than the supervisor's `GOOD_AFTER_S`: each death is a first one."""


@dataclass
class House:
    hub: HubProcess
    shelf: Shelf


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    data = tmp_path_factory.mktemp("kills") / "data"
    with Cameras(SimulatorOptions.small(cameras=len(CAMERAS), rate_bps=1_000_000)) as cameras, HubProcess(data) as hub:
        hub.login()
        for number, camera_id in enumerate(CAMERAS, 1):
            hub.add_camera(camera_id, cameras.url(number))
        wait_for("all cameras are recorded", lambda: is_recording(hub, CAMERAS), 60)
        yield House(hub, Shelf(data / "recordings"))


def test_worker_killed_many_times(house: House) -> None:
    slots, gaps, late = [], [], []
    for _ in range(KILLS):
        time.sleep(REST_S)
        old = house.hub.pids()["worker 0"]
        os.kill(old, signal.SIGKILL)
        killed_s, killed_us = time.monotonic(), now_us()
        written = house.shelf.whole()
        slots.append(
            seconds_until(
                lambda old=old: (
                    house.hub.pids().get("worker 0", old) != old and ask_socket(house.hub, "worker-0.sock", "/healthz")
                ),
                "the slot is manned again", HEAL_S, killed_s,
            )
        )  # fmt: skip
        seconds_until(lambda: is_recording(house.hub, CAMERAS), "all cameras record again", HEAL_S, killed_s)
        time.sleep(1.5)
        for path, data in written.items():
            assert (house.shelf.root / path).read_bytes()[: len(data)] == data, path
        footage = house.shelf.footage()
        for camera in CAMERAS:
            (gap,) = gaps_since(footage[camera], killed_us)
            assert gap.end_us is not None
            gaps.append((gap.end_us - gap.start_us) / 1e6)
            late.append((killed_us - gap.start_us) / 1e6)
    print(
        f"\nSOAK worker killed {KILLS} times: slot back {min(slots):.1f}-{max(slots):.1f} s, gaps"
        f" {min(gaps):.1f}-{max(gaps):.1f} s, not yet written {max(late):.2f} s at most, written media lost 0"
    )
    assert max(gaps) <= HEAL_S
    assert max(slots) <= SLOT_BACK_S


def test_whatever_chance_kills_the_hub_is_itself_again(house: House) -> None:
    chance = random.Random(2026)
    for _ in range(KILLS):
        time.sleep(chance.uniform(3, REST_S))
        roles = chance.sample(["api", "replay", "valkey", "worker 0"], chance.choice([1, 1, 2, 4]))
        pids = house.hub.pids()
        for role in roles:
            os.kill(pids[role], signal.SIGKILL)
        killed_s = time.monotonic()
        seconds_until(
            lambda: (
                house.hub._is_ready()
                and ask_socket(house.hub, "replay.sock", "/healthz")
                and is_recording(house.hub, CAMERAS)
            ),
            f"{roles} are back", 2 * HEAL_S, killed_s,
        )  # fmt: skip
        print(f"\nSOAK killed {', '.join(roles)}: itself again after {time.monotonic() - killed_s:.1f} s")
    house.hub.stop()
    report = check([house.shelf.root], deep=True)
    assert report.is_clean, report.problems
    for camera, footage in house.shelf.footage().items():
        assert {gap.reason for gap in footage.gaps} <= {"starting", "crash", "shutdown"}, camera
