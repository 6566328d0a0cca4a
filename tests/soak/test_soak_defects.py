"""Each defect for two minutes beside 15 healthy cameras, one after the other, recorded by one hub. `make soak`."""

import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from streams.simulator.defects import DEFECTS
from streams.simulator.options import SimulatorOptions
from streams.source import GOOD_AFTER_S
from tests.hub_process import HubProcess, wait_for
from tests.integration.fixtures_faults import GOP_S, Cameras, Shelf, is_recording, now_us, worker_states
from tests.integration.test_faults_defects import BACK_S, DEAF, WRITE_S, Pulse

HEALTHY = [f"healthy-{n}" for n in range(1, 16)]
PATIENT = "patient"
AT_CONNECT = ("no-sps", "nonce-change", "slow-drip", "stale-session", "ts-wrap")
"""Defects that show when a connection begins."""
SOAK_S = float(os.environ.get("SOAK_DEFECT_S", "120"))


@dataclass
class Ward:
    hub: HubProcess
    cameras: Cameras
    shelf: Shelf

    def is_well(self) -> bool:
        return is_recording(self.hub, [*HEALTHY, PATIENT])

    def complaints(self) -> str:
        """Return how often the hub's log blames the machine."""
        log = self.hub.log_path.read_text(encoding="utf-8")
        return f"{log.count('the disk was slow')} slow disk, {log.count('the event loop was held up')} held loop"

    def lost(self) -> dict[str, int]:
        states = worker_states(self.hub)
        return {camera: int(states[camera]["packets_lost"]) for camera in HEALTHY}


@pytest.fixture(scope="module")
def ward(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ward]:
    data = tmp_path_factory.mktemp("ward") / "data"
    names = [*HEALTHY, PATIENT]
    options = SimulatorOptions.small(cameras=len(names), rate_bps=1_000_000, username="admin", password="p@ss:1")
    with Cameras(options) as cameras, HubProcess(data) as hub:
        hub.login()
        for number, name in enumerate(names, 1):
            hub.add_camera(name, cameras.url(number))
        yield Ward(hub, cameras, Shelf(data / "recordings"))


@pytest.mark.parametrize("name", sorted(DEFECTS))
def test_two_minutes_beside(ward: Ward, name: str) -> None:
    number = len(HEALTHY) + 1
    wait_for("everybody is well", ward.is_well, 60)
    time.sleep(GOOD_AFTER_S + 1)
    pulse, before, began_us = Pulse(ward.shelf), ward.lost(), now_us()
    thread = threading.Thread(target=pulse.look, daemon=True)
    thread.start()
    ward.cameras.longest_lag_s = 0.0
    started_s = time.monotonic()
    ward.cameras.set_defect(number, name)
    if name in AT_CONNECT:
        ward.cameras.call(lambda simulator: simulator.disconnect(number))
    time.sleep(SOAK_S)
    ended_s = time.monotonic()
    ward.cameras.set_defect(number)
    wait_for("it is recorded", lambda: pulse.first_s(PATIENT, ended_s) < float("inf"), max(BACK_S[name], 3) + 2)
    back_s = pulse.first_s(PATIENT, ended_s) - ended_s
    pulse.stop()
    thread.join(2)
    stalled_s = max(ward.cameras.longest_lag_s, pulse.longest_blink_s - 0.05)
    footage = ward.shelf.footage()
    gaps = [g for g in footage[PATIENT].gaps if g.start_us > began_us]
    longest_gap_s = max(((g.end_us or g.start_us) - g.start_us for g in gaps), default=0) / 1e6
    slowest_s = max(pulse.longest_s(camera, started_s, ended_s) for camera in HEALTHY)
    print(
        f"\nSOAK {name}: healthy write every {slowest_s:.2f} s (test stood {stalled_s:.2f}), its longest gap"
        f" {longest_gap_s:.1f} s of {len(gaps)}, writing {back_s:.1f} s after its cure;"
        f" so far {ward.complaints()}"
    )
    assert ward.lost() == before
    assert slowest_s <= WRITE_S + stalled_s
    for camera in HEALTHY:
        assert [g for g in footage[camera].gaps if g.start_us > began_us] == []
    if name not in DEAF:
        assert longest_gap_s <= max(BACK_S[name], 3.0) + GOP_S + stalled_s
