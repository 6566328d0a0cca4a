"""PostgreSQL stands still, then is gone, while the hub records and a viewer watches; then it is back."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest

from streams.simulator.options import SimulatorOptions
from tests.hub_process import HubProcess, children, wait_for
from tests.integration.fixtures_faults import (
    HEAL_S,
    Cameras,
    LiveViewer,
    Shelf,
    gaps_since,
    is_recording,
    now_us,
    seconds_until,
)
from tests.integration.fixtures_postgres import Cluster, _as_postgres, postgres_cluster  # noqa: F401  # a fixture

pytestmark = [pytest.mark.slow, pytest.mark.foreign]

AWAY_S = float(os.environ.get("FAULT_AWAY_S", "15"))
ANSWER_S = 10.0
"""What "bounded" means for a request that needs the database: it waits for a connection, then says 503."""
CAMERAS = ["gate", "square"]


@dataclass
class House:
    hub: HubProcess
    shelf: Shelf
    viewer: LiveViewer
    cluster: Cluster


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, postgres_cluster: Cluster) -> Iterator[House]:  # noqa: F811
    data = tmp_path_factory.mktemp("database") / "data"
    url = postgres_cluster.fresh()
    options = SimulatorOptions.small(cameras=len(CAMERAS))
    with Cameras(options) as cameras, HubProcess(data, env={"XIANGYUN_DATABASE_URL": url}) as hub:
        hub.login()
        for number, camera_id in enumerate(CAMERAS, 1):
            hub.add_camera(camera_id, cameras.url(number))
        wait_for("all cameras are recorded", lambda: is_recording(hub, CAMERAS), 30)
        viewer = LiveViewer(hub, "gate").start()
        viewer.wait_frames(10, 20)
        yield House(hub, Shelf(data / "recordings"), viewer, postgres_cluster)
        viewer.close()


def family(cluster: Cluster) -> list[int]:
    return [cluster.process.pid, *(pid for pid, _ in children(cluster.process.pid))]


def ask_while_away(house: House, until_s: float) -> list[float]:
    """Ask again and again what needs the database; return how long each refusal took."""
    took: list[float] = []
    while time.monotonic() < until_s:
        asked_s = time.monotonic()
        with httpx.Client(base_url=house.hub.url, timeout=ANSWER_S, headers=house.hub.http.headers) as client:
            answer = client.get("/api/v1/cameras")
            took.append(time.monotonic() - asked_s)
            asked_s = time.monotonic()
            assert client.get("/healthz").status_code == 200
            assert time.monotonic() - asked_s < 2.0
            assert client.get("/readyz").status_code == 503
        assert answer.status_code == 503, answer.text
        assert answer.headers["content-type"].startswith("application/problem+json")
        assert answer.json()["code"] == "database_unavailable"
        time.sleep(0.2)
    return took


def went_on(house: House, since_us: int) -> None:
    """Assert that nothing else was hurt: footage without gap, pictures at the viewer."""
    went_us = now_us()
    wait_for("footage goes on", lambda: house.shelf.reaches(CAMERAS, went_us), 10)
    footage = house.shelf.footage()
    for camera in CAMERAS:
        assert gaps_since(footage[camera], since_us) == []
    assert time.monotonic() - house.viewer.last_frame_s < 2.0


def is_itself_again(house: House) -> bool:
    answer = house.hub.http.get("/api/v1/cameras")
    assert answer.status_code in {200, 503}, answer.text
    return answer.status_code == 200 and house.hub.http.get("/readyz").status_code == 200


def test_a_database_that_stands_still(house: House) -> None:
    started_us = now_us()
    pids = family(house.cluster)
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        took = ask_while_away(house, time.monotonic() + AWAY_S)
        went_on(house, started_us)
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
    back_s = seconds_until(lambda: is_itself_again(house), "the api answers again", HEAL_S, time.monotonic())
    went_on(house, started_us)
    print(f"\nFAULT database still: {len(took)} refusals, slowest {max(took):.1f} s; back after {back_s:.1f} s")


def test_a_database_that_is_gone(house: House) -> None:
    started_us = now_us()
    arguments = house.cluster.process.args
    house.cluster.process.send_signal(signal.SIGQUIT)  # the "immediate" shutdown: no farewell to anybody
    house.cluster.process.wait(10)
    try:
        took = ask_while_away(house, time.monotonic() + AWAY_S / 3)
        went_on(house, started_us)
    finally:
        quiet = subprocess.DEVNULL
        house.cluster.process = subprocess.Popen(
            arguments, stdout=quiet, stderr=quiet, cwd=house.cluster.folder, **_as_postgres()
        )
    back_s = seconds_until(lambda: is_itself_again(house), "the api answers again", 2 * HEAL_S, time.monotonic())
    went_on(house, started_us)
    house.hub.post("/orgs", {"id": "town", "name": "镇", "level": "township", "parent_id": "county"})
    print(f"\nFAULT database gone: {len(took)} refusals, slowest {max(took):.1f} s; back after {back_s:.1f} s")
