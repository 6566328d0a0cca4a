"""`run --role api` beside `run --role worker` with two workers on one machine, joined by a Redis of their own.

Cameras are spread over both workers; what happens to one is not felt by the other's. The tests stand in the order of the
story.
"""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from api.state.slots import place
from streams.simulator.options import SimulatorOptions
from tests.hub_process import ROOT, HubProcess, children, free_port, wait_for
from tests.integration.fixtures_faults import HEAL_S, Cameras, LiveViewer, Shelf, gaps_since, now_us
from tests.integration.fixtures_state import state_server
from tests.lint.test_deploy import rules

pytestmark = pytest.mark.slow

SLOTS = ("here/0", "here/1")
NAMES = [f"cam-{number}" for number in range(40)]
FIRST, SECOND = ([name for name in NAMES if place(name, SLOTS) == slot][:2] for slot in SLOTS)
CAMERAS = [*FIRST, *SECOND]


@dataclass
class House:
    hub: HubProcess
    workers: subprocess.Popen[bytes]
    data: Path

    def pid(self, number: int) -> int:
        found = [pid for pid, title in children(self.workers.pid) if f"worker {number}" in title]
        return found[0] if found else 0

    def recording(self, camera_id: str) -> str:
        return str(self.hub.get(f"/cameras/{camera_id}/status")["recording"]["state"])

    def shelf(self, number: int) -> Shelf:
        return Shelf(self.data / "recordings" / (f"slot-{number}" if number else ""))


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    data = tmp_path_factory.mktemp("roles") / "data"
    data.mkdir()
    with state_server() as state, Cameras(SimulatorOptions.small(cameras=len(CAMERAS))) as cameras:
        mine = {"XIANGYUN_REDIS_URL": state.url, "XIANGYUN_WORKERS": "2", "XIANGYUN_NODE": "here"}
        env = {key: value for key, value in os.environ.items() if not key.startswith("XIANGYUN_")}
        env |= {**mine, "XIANGYUN_MEDIA_UDP_PORT": str(free_port(socket.SOCK_DGRAM, count=2))}
        argv = [sys.executable, "-m", "api", "run", "--role", "worker", "--data-dir", str(data)]
        with (data / "workers.log").open("ab") as log:
            workers = subprocess.Popen(argv, cwd=ROOT, env=env, stdout=log, stderr=log)
        try:
            with HubProcess(data, env=mine, arguments=("--role", "api")) as hub:
                hub.login()
                for number, camera_id in enumerate(CAMERAS, 1):
                    hub.add_camera(camera_id, cameras.url(number), sub_source_url=cameras.url(number, "sub"))
                yield House(hub, workers, data)
        finally:
            workers.terminate()
            workers.wait(12)


def test_each_role_runs_its_processes(house: House) -> None:
    titles = {title for pid, title in children(house.workers.pid)}
    assert any("worker 0" in title for title in titles)
    assert any("worker 1" in title for title in titles)
    assert any("replay" in title for title in titles)
    assert not any(re.search(r"\bapi\b(?! run)", title) for title in titles)
    assert {"supervisor", "api"} == set(house.hub.pids())


def test_cameras_are_spread_and_recorded_by_both(house: House) -> None:
    wait_for("all are recorded", lambda: all(house.recording(camera) == "recording" for camera in CAMERAS), 30)
    for number, cameras in enumerate((FIRST, SECOND)):
        wait_for("the index tells of it", lambda n=number, c=cameras: house.shelf(n).goes_on(c), 10)
        assert sorted(house.shelf(number).footage()) == sorted(cameras)
    start = (datetime.now(UTC) - timedelta(minutes=5)).isoformat()
    for camera in CAMERAS:
        end = datetime.now(UTC).isoformat()
        assert house.hub.get("/recordings", camera_id=camera, start=start, end=end)["spans"], camera


def test_one_scrape_tells_of_all_processes(house: House) -> None:
    text = house.hub.http.get("/metrics").text
    for slot in SLOTS:
        assert f'xiangyun_worker_up{{worker="{slot}"}} 1.0' in text
        assert f'xiangyun_worker_recordings{{state="recording",worker="{slot}"}} 2.0' in text
    assert "xiangyun_replay_up 1.0" in text
    names = set(re.findall(r"^(xiangyun_[a-z0-9_]+)", text, re.MULTILINE))
    asked = {name for rule in rules() for name in re.findall(r"xiangyun_[a-z0-9_]+", rule["expr"])}
    assert asked - names == set()


def test_the_printed_openapi_is_the_live_one(house: House) -> None:
    argv = [sys.executable, "-m", "api", "openapi"]
    printed = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=True, timeout=30).stdout
    live = house.hub.http.get("/openapi.json").json()
    assert json.loads(printed) == live
    assert len(live["paths"]) > 30


def test_kill_9_of_one_worker_hurts_only_its_cameras(house: House) -> None:
    hub = house.hub
    viewers = [LiveViewer(hub, camera).start() for camera in (FIRST[0], SECOND[0])]
    for viewer in viewers:
        viewer.wait_frames(5, 15)
    killed_us, killed_s = now_us(), time.monotonic()
    os.kill(house.pid(1), signal.SIGKILL)
    unhurt = viewers[0].frames
    wait_for("its cameras record again", lambda: all(is_back(house, camera, killed_us) for camera in SECOND), HEAL_S)
    print(f"\nFAULT worker 1 of 2: recording again after {time.monotonic() - killed_s:.1f} s")
    wait_for("its index tells of footage behind a gap", lambda: house.shelf(1).goes_on(SECOND), 10)
    viewers[0].wait_frames(unhurt + 20, 10)
    went_us = now_us()
    wait_for("the others' footage goes on", lambda: house.shelf(0).reaches(FIRST, went_us), 10)
    of_first, of_second = house.shelf(0).footage(), house.shelf(1).footage()
    for camera in FIRST:
        assert gaps_since(of_first[camera], killed_us) == []
    for camera in SECOND:
        assert [gap.reason for gap in gaps_since(of_second[camera], killed_us)] == ["crash"]
    again = LiveViewer(hub, SECOND[0]).start()
    again.wait_frames(5, 10)
    for viewer in (*viewers, again):
        viewer.close()


def is_back(house: House, camera: str, since_us: int) -> bool:
    found = house.shelf(1).footage().get(camera)
    return found is not None and found.end_us > since_us + 500_000


def test_cameras_of_a_worker_that_stands_still_are_not_called_online(house: House) -> None:
    pid = wait_for("the worker is back", lambda: house.pid(1))
    wait_for("it is known", lambda: states(house) == {"online"}, 10)
    os.kill(pid, signal.SIGSTOP)
    try:
        wait_for("its cameras are waited for", lambda: states(house, SECOND) == {"connecting"}, 10)
        assert states(house, FIRST) == {"online"}
        assert house.hub.get(f"/cameras/{SECOND[0]}/status")["reason"] == "worker_restarting"
        assert house.hub.get("/orgs")["items"][0]["cameras_online"] == 2
        started_s = time.monotonic()
        text = house.hub.http.get("/metrics").text
        assert time.monotonic() - started_s < 4
        assert 'xiangyun_worker_up{worker="here/1"} 0.0' in text
        assert 'xiangyun_worker_up{worker="here/0"} 1.0' in text
    finally:
        os.kill(pid, signal.SIGCONT)
    wait_for("they are online again", lambda: states(house) == {"online"}, 10)


def states(house: House, cameras: list[str] = CAMERAS) -> set[str]:
    items = house.hub.get("/cameras")["items"]
    return {item["status"]["state"] for item in items if item["id"] in cameras}


def test_the_logs_of_all_processes_have_one_form(house: House) -> None:
    found: list[dict[str, Any]] = []
    for path in (house.hub.log_path, house.data / "workers.log"):
        found += [json.loads(line) for line in path.read_text().splitlines()]
    assert all({"timestamp", "level", "event", "process"} <= line.keys() for line in found)
    assert {line["process"] for line in found} == {"supervisor", "api", "worker 0", "worker 1", "replay"}
    assert any(line["event"] == "volume open" for line in found), "a line of a thread"


def test_either_role_ends_in_order(house: House) -> None:
    house.workers.terminate()
    assert house.workers.wait(12) == 0
    assert house.hub.http.get("/healthz").status_code == 200
    assert house.hub.http.get("/readyz").status_code in {200, 503}
    log = (house.data / "workers.log").read_text()
    assert log.count("worker ended in order") == 2
