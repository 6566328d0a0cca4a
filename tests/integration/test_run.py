"""`xiangyun run` for real: it comes up, records a camera, and is itself again after any of its processes was killed."""

import os
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.settings import load_settings
from tests.hub_process import ROOT, HubProcess, children, wait_for
from tests.integration.fixtures_faults import is_alive

HEAL_S = 12.0
"""CONTRACT: 10 s and one GOP (1 s here); one more for a busy test machine."""


@pytest.fixture(scope="module")
def cameras() -> Iterator[str]:
    """Run the simulator; give the URL of its first camera."""
    argv = ["-m", "api", "simulate", "--port", "0", "--cameras", "2", "--audio", "1:pcma"]
    small = ["--resolution", "640x360", "--fps", "10", "--gop", "1", "--rate", "400000"]
    process = subprocess.Popen(
        [sys.executable, *argv, *small], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    try:
        line = process.stdout.readline().decode().split()
        assert line[:1] == ["ready"], "the simulator did not come up"
        yield line[1]
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory, cameras: str) -> Iterator[HubProcess]:
    """A hub with one recorded camera."""
    with HubProcess(tmp_path_factory.mktemp("hub") / "data") as running:
        running.login()
        running.add_camera("gate", cameras, sub_source_url=f"{cameras}/sub")
        running.wait_online("gate")
        wait_for("the camera is recorded", lambda: is_recording(running))
        yield running


def is_recording(hub: HubProcess) -> bool:
    return bool(hub.get("/cameras/gate/status")["recording"]["state"] == "recording")


def recordings(hub: HubProcess, start: datetime, end: datetime) -> Any:
    return hub.get("/recordings", camera_id="gate", start=start.isoformat(), end=end.isoformat())


def kill(hub: HubProcess, role: str) -> float:
    """Kill a process of the hub, wait for its successor, and return when it was killed (monotonic)."""
    old = hub.pids()[role]
    killed = time.monotonic()
    os.kill(old, signal.SIGKILL)
    wait_for(f"{role} is back", lambda: hub.pids().get(role, old) != old, HEAL_S, every_s=0.02)
    return killed


def wait_ready(hub: HubProcess, since: float) -> None:
    wait_for("the hub is ready again", hub._is_ready, HEAL_S)
    assert time.monotonic() - since < HEAL_S


def seconds(gap: dict[str, str]) -> float:
    return (datetime.fromisoformat(gap["end"]) - datetime.fromisoformat(gap["start"])).total_seconds()


def test_processes_are_told_apart(hub: HubProcess) -> None:
    assert set(hub.pids()) == {"supervisor", "api", "worker 0", "replay", "valkey"}


def test_the_camera_is_seen_and_recorded(hub: HubProcess) -> None:
    status = hub.get("/cameras/gate/status")
    assert (status["state"], status["video"]["codec"], status["audio"]["codec"]) == ("online", "h264", "pcma")
    assert (status["video"]["width"], status["video"]["height"]) == (640, 360)
    now = datetime.now(UTC)
    wait_for("a span is listed", lambda: recordings(hub, now - timedelta(minutes=1), datetime.now(UTC))["spans"])


def test_a_still_and_a_probe_come_through_the_worker(hub: HubProcess, cameras: str) -> None:
    still = hub.http.get("/api/v1/cameras/gate/snapshot.jpg")
    assert still.status_code == 200
    assert still.content.startswith(b"\xff\xd8")
    found = hub.post("/cameras/probe", {"source_url": cameras}, expect=200)
    assert (found["ok"], found["video"]["codec"]) == (True, "h264")
    refused = hub.post("/cameras/probe", {"source_url": cameras.replace("cam1", "cam9")}, expect=200)
    assert (refused["ok"], refused["code"]) == (False, "not_found")


def test_https_is_served_with_an_authority_to_install(hub: HubProcess) -> None:
    authority = hub.http.get("/ca.crt")
    assert authority.text.startswith("-----BEGIN CERTIFICATE-----")
    (hub.data_dir / "installed.crt").write_text(authority.text)
    port = next(p for p in listening(hub.pids()["api"]) if p != hub.port)
    trusted = ssl.create_default_context(cafile=str(hub.data_dir / "installed.crt"))
    assert httpx.get(f"https://localhost:{port}/healthz", verify=trusted).status_code == 200


def listening(pid: int) -> set[int]:
    """Return the TCP ports a process listens on."""
    sockets = {str(fd.readlink()) for fd in Path(f"/proc/{pid}/fd").iterdir() if fd.is_symlink()}
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return {int(row[1].split(":")[1], 16) for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in sockets}


def test_secrets_are_not_in_the_log_nor_in_the_worker_notes(hub: HubProcess, cameras: str) -> None:
    secret = "S3cret-of-the-camera"
    hub.add_camera("locked", cameras.replace("rtsp://", f"rtsp://admin:{secret}@"))
    hub.wait_online("locked")
    notes = hub.data_dir / "workers" / "worker-0.json"
    wait_for("the worker has noted the camera", lambda: "locked" in notes.read_text())
    assert secret not in notes.read_text()
    assert secret not in hub.log_path.read_text()
    assert hub.http.delete("/api/v1/cameras/locked").status_code in {200, 204}
    wait_for("the worker has forgotten it", lambda: "locked" not in notes.read_text())


def test_a_killed_worker_leaves_a_short_gap_called_crash(hub: HubProcess) -> None:
    start = datetime.now(UTC)
    time.sleep(2.5)  # footage on both sides of the gap
    kill(hub, "worker 0")
    wait_for("it records again", lambda: len(recordings(hub, start, datetime.now(UTC))["spans"]) == 2, HEAL_S)
    found = recordings(hub, start, datetime.now(UTC))
    crashes = [gap for gap in found["gaps"] if gap["reason"] == "crash"]
    assert len(crashes) == 1
    assert seconds(crashes[0]) <= 11


@pytest.mark.parametrize("role", ["replay", "api", "valkey"])
def test_recording_does_not_notice_the_death_of(hub: HubProcess, role: str) -> None:
    start = datetime.now(UTC)
    time.sleep(1.5)
    killed = kill(hub, role)
    wait_ready(hub, killed)
    wait_for("replay answers", lambda: hub.http.get("/api/v1/storage").status_code == 200, HEAL_S)
    wait_for("the state is known again", lambda: is_recording(hub), HEAL_S)
    end = datetime.now(UTC)
    wait_for("footage until then is told of", lambda: is_told(hub, start, end), HEAL_S)
    found = recordings(hub, start, end)
    assert [gap["reason"] for gap in found["gaps"]] == []
    assert len(found["spans"]) == 1


def is_told(hub: HubProcess, start: datetime, end: datetime) -> bool:
    """Tell whether the index knows footage until `end`; the last seconds are on their way to it."""
    spans = recordings(hub, start, end)["spans"]
    return bool(spans) and datetime.fromisoformat(spans[-1]["end"]) >= end - timedelta(milliseconds=1)


def test_a_second_hub_on_the_same_data_is_refused(hub: HubProcess) -> None:
    argv = [sys.executable, "-m", "api", "run", "--port", "1", "--data-dir", str(hub.data_dir)]
    second = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=20, check=False)
    assert second.returncode == 2
    assert f"process {hub.process.pid}" in second.stderr
    assert "Traceback" not in second.stderr


def test_a_taken_port_is_one_sentence(hub: HubProcess, tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "api", "run", "--port", str(hub.port), "--data-dir", str(tmp_path)]
    env = os.environ | {"XIANGYUN_TLS_PORT": "0", "XIANGYUN_MEDIA_UDP_PORT": "0"}
    second = subprocess.run(argv, cwd=ROOT, env=env, capture_output=True, text=True, timeout=20, check=False)
    assert second.returncode == 2
    assert f"TCP 127.0.0.1:{hub.port} (PORT) is taken" in second.stderr
    assert "Traceback" not in second.stderr


def test_a_worker_starts_from_its_notes_while_valkey_does_not_answer(hub: HubProcess) -> None:
    start = datetime.now(UTC)
    valkey, worker = hub.pids()["valkey"], hub.pids()["worker 0"]
    socket = load_settings({"data_dir": hub.data_dir}, {}).worker_socket(0)
    os.kill(valkey, signal.SIGSTOP)
    try:
        os.kill(worker, signal.SIGKILL)
        wait_for("the worker records without it", lambda: asked(socket) == "recording", HEAL_S)
        assert "starting from the notes" in hub.log_path.read_text()
    finally:
        os.kill(valkey, signal.SIGCONT)
    wait_for("the hub knows", lambda: is_recording(hub), HEAL_S)
    wait_for("footage after the crash", lambda: recordings(hub, start, datetime.now(UTC))["spans"])


def asked(socket: Path) -> str:
    """Return what the worker itself says of the camera's recording; empty while it does not answer."""
    transport = httpx.HTTPTransport(uds=str(socket))
    try:
        with httpx.Client(transport=transport, base_url="http://worker", timeout=1.0) as worker:
            return str(worker.get("/cameras/gate/status").json()["recording"]["state"])
    except (httpx.HTTPError, KeyError):
        return ""


def test_an_orderly_stop_leaves_nothing_behind(hub: HubProcess) -> None:
    family = [hub.process.pid, *(pid for pid, _ in children(hub.process.pid))]
    started = time.monotonic()
    hub.process.send_signal(signal.SIGTERM)
    assert hub.process.wait(12) == 0
    assert time.monotonic() - started < 11
    wait_for("no process is left", lambda: not any(map(is_alive, family)), 5.0)
    log = hub.log_path.read_text()
    assert "worker ended in order" in log
    stopped = [
        log.index(f'"child": "{name}", "event": "child stopped"') for name in ("api", "worker 0", "replay", "valkey")
    ]
    assert stopped == sorted(stopped)


def test_it_comes_up_again_with_everything_there(hub: HubProcess) -> None:
    hub.start()
    hub.login()
    hub.wait_online("gate")
    wait_for("the camera is recorded again", lambda: is_recording(hub))
    now = datetime.now(UTC)
    found = recordings(hub, now - timedelta(minutes=10), now)
    assert "shutdown" in {gap["reason"] for gap in found["gaps"]}


def test_children_do_not_outlive_a_killed_supervisor(hub: HubProcess) -> None:
    family = [pid for pid, _ in children(hub.process.pid)]
    assert len(family) >= 4
    hub.process.kill()
    hub.process.wait()
    wait_for("all children are gone", lambda: not any(map(is_alive, family)), 10.0)
    hub.start()
    hub.wait_online("gate")
