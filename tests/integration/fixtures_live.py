"""A running hub with a small county, two cameras that ask for a password, and viewers made of aiortc.

The county has two townships with a village each. Everything secret that was ever sent is noted, so that a test can
look for it in the log at the end. Viewers live on an event loop in a thread of their own.
"""

import asyncio
import itertools
import os
import subprocess
import sys
import threading
import time
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from socket import SOCK_DGRAM
from typing import Any, TypeVar

import httpx
import pytest
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError

from tests.hub_process import ADMIN_PASSWORD, ROOT, HubProcess, free_port, wait_for

__all__ = ["CAMERA_PASSWORD", "PASSWORD", "County", "Viewer", "county", "running_county", "simulator"]

T = TypeVar("T")
CAMERA_USER, CAMERA_PASSWORD = "operator", "Cam-Geheim-4711"
PASSWORD = "Dorf-Wache-2026"
"""Of every account but the administrator's."""

SMALL = ("--resolution", "640x360", "--fps", "10", "--gop", "1", "--rate", "400000")


@contextmanager
def simulator(cameras: int = 2, *more: str) -> Iterator[str]:
    """Run cameras that ask for a password; give the first one's address without it."""
    argv = ["-m", "api", "simulate", "--port", "0", "--cameras", str(cameras), *SMALL]
    argv += ["--username", CAMERA_USER, "--password", CAMERA_PASSWORD, *more]
    process = subprocess.Popen([sys.executable, *argv], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout is not None
    try:
        line = process.stdout.readline().decode().split()
        assert line[:1] == ["ready"], "the simulator did not come up"
        yield line[1]
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


class Loop:
    """An event loop in a thread, for the asyncio half of a test that is not."""

    def __init__(self) -> None:
        """Start it."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="viewers", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T], timeout_s: float = 30.0) -> T:
        """Return what `work` returns."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout_s)

    def close(self) -> None:
        """Stop and forget it."""
        self.run(self._drain())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    async def _drain(self) -> None:
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)


@dataclass
class Viewer:
    """Somebody watching a camera by WHEP. `seen` holds the monotonic time of every picture."""

    loop: Loop
    peer: RTCPeerConnection
    client: httpx.Client
    location: str = ""
    seen: list[float] = field(default_factory=list)
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    @classmethod
    def start(cls, loop: Loop, client: httpx.Client, camera_id: str) -> "Viewer":
        """Begin to watch, and return when a picture has come."""
        viewer = loop.run(cls._offer(loop, client))
        answer = client.post(
            f"/api/v1/cameras/{camera_id}/whep",
            content=viewer.peer.localDescription.sdp,
            headers={"Content-Type": "application/sdp"},
        )
        assert answer.status_code == 201, answer.text
        viewer.location = answer.headers["location"]
        loop.run(viewer.peer.setRemoteDescription(RTCSessionDescription(answer.text, "answer")))
        wait_for("the first picture", lambda: viewer.seen, 15.0, every_s=0.02)
        return viewer

    @classmethod
    async def _offer(cls, loop: Loop, client: httpx.Client) -> "Viewer":
        viewer = cls(loop, RTCPeerConnection(RTCConfiguration(iceServers=[])), client)
        viewer.peer.addTransceiver("video", direction="recvonly")
        viewer.peer.on("track", viewer._watch)
        await viewer.peer.setLocalDescription(await viewer.peer.createOffer())
        return viewer

    def _watch(self, track: Any) -> None:
        async def count() -> None:
            while True:
                try:
                    await track.recv()
                except MediaStreamError:
                    return
                self.seen.append(time.monotonic())

        self.tasks.append(asyncio.get_running_loop().create_task(count()))

    def watches_on(self, pictures: int = 10, within_s: float = 10.0) -> None:
        """Assert that pictures go on coming."""
        before = len(self.seen)
        wait_for("pictures go on", lambda: len(self.seen) >= before + pictures, within_s)

    def longest_pause_s(self, since: float) -> float:
        """Return the longest time without a picture since `since` (monotonic) until now."""
        moments = [since, *(moment for moment in self.seen if moment > since), time.monotonic()]
        return max(later - earlier for earlier, later in itertools.pairwise(moments))

    def ended_after_s(self, since: float, *, silence_s: float = 1.5, within_s: float = 10.0) -> float:
        """Return how long after `since` the last picture came, once `silence_s` have passed without one."""
        quiet = lambda: time.monotonic() - max(self.seen[-1], since) > silence_s  # noqa: E731
        wait_for("the pictures end", quiet, within_s, every_s=0.05)
        return max(0.0, self.seen[-1] - since)

    def close(self) -> None:
        """Let the peer connection go; says nothing to the hub."""
        self.loop.run(self.peer.close())


@dataclass
class County:
    """The hub and what is in it."""

    hub: HubProcess
    camera_url: str
    loop: Loop
    secrets: set[str]
    clients: list[httpx.Client] = field(default_factory=list)
    viewers: list[Viewer] = field(default_factory=list)

    def source(self, number: int = 1, password: str = CAMERA_PASSWORD) -> str:
        """Return a camera's address with credentials."""
        plain = self.camera_url.replace("cam1", f"cam{number}")
        return plain.replace("rtsp://", f"rtsp://{CAMERA_USER}:{password}@")

    def client(self, token: str | None = None, address: str | None = None) -> httpx.Client:
        """Return a client of its own; `address` is whom a proxy on this machine would name."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        headers |= {"X-Forwarded-For": address} if address else {}
        made = httpx.Client(base_url=self.hub.url, timeout=20, headers=headers)
        self.clients.append(made)
        return made

    def log_in(self, username: str, password: str = PASSWORD, address: str | None = None) -> httpx.Client:
        """Return a client logged in as `username`, and note its secrets."""
        client = self.client(address=address)
        answer = client.post("/api/v1/auth/login", json={"username": username, "password": password})
        assert answer.status_code == 200, answer.text
        tokens = answer.json()
        self.secrets |= {tokens["access_token"], tokens["refresh_token"]}
        client.headers["Authorization"] = f"Bearer {tokens['access_token']}"
        return client

    def add_user(self, username: str, org_id: str | None, *roles: str) -> str:
        """Make an account with the common password."""
        body = {"id": username, "username": username, "password": PASSWORD, "org_id": org_id, "roles": list(roles)}
        return str(self.hub.post("/users", body)["id"])

    def watch(self, client: httpx.Client, camera_id: str) -> Viewer:
        """Begin to watch a camera."""
        viewer = Viewer.start(self.loop, client, camera_id)
        self.viewers.append(viewer)
        return viewer

    def grant(self, client: httpx.Client, *camera_ids: str, reason: str = "寻找走失老人") -> str:
        """Return a playback grant for the last hour."""
        body = {"camera_ids": list(camera_ids), "reason": reason, **last_hour()}
        answer = client.post("/api/v1/playback-grants", json=body)
        assert answer.status_code == 201, answer.text
        client.cookies.clear()
        self.secrets.add(answer.json()["grant"])
        return str(answer.json()["grant"])

    def audit(self, **params: Any) -> list[dict[str, Any]]:
        """Return audit rows, the newest first."""
        return list(self.hub.get("/audit", limit=1000, **params)["items"])

    def leaked(self) -> list[str]:
        """Return the secrets that stand in the hub's log."""
        log = self.hub.log_path.read_text(errors="replace")
        return [secret for secret in self.secrets if secret in log]

    def close(self) -> None:
        """Let viewers and clients go."""
        for viewer in self.viewers:
            viewer.close()
        for client in self.clients:
            client.close()


def last_hour() -> dict[str, str]:
    """Return `start` and `end` of the hour that ends now."""
    now = datetime.now(UTC)
    return {"start": (now - timedelta(hours=1)).isoformat(), "end": now.isoformat()}


def _furnish(county: County) -> None:
    hub = county.hub
    hub.login()
    county.secrets.add(hub.http.headers["Authorization"].removeprefix("Bearer "))
    hub.post("/orgs", {"id": "county", "name": "测试县", "level": "county"})
    for number, town in ((1, "east"), (2, "west")):
        hub.post("/orgs", {"id": town, "name": town, "level": "township", "parent_id": "county"})
        hub.post("/orgs", {"id": f"{town}-village", "name": town, "level": "village", "parent_id": town})
        camera = {"id": f"gate-{town}", "name": f"gate {town}", "org_id": f"{town}-village"}
        hub.post("/cameras", {**camera, "source_url": county.source(number)})
    for camera_id in ("gate-east", "gate-west"):
        hub.wait_online(camera_id)
        wait_for(f"{camera_id} is recorded", lambda camera_id=camera_id: is_recording(hub, camera_id))


def is_recording(hub: HubProcess, camera_id: str) -> bool:
    """Tell whether footage of the camera is being written."""
    return bool(hub.get(f"/cameras/{camera_id}/status")["recording"]["state"] == "recording")


@contextmanager
def running_county(data_dir: Path, **settings: str) -> Iterator[County]:
    """Run hub and cameras and furnish them."""
    secrets = {PASSWORD, ADMIN_PASSWORD, CAMERA_PASSWORD}
    env = {f"XIANGYUN_{key.upper()}": value for key, value in settings.items()}
    env = {"XIANGYUN_TLS_PORT": str(free_port()), "XIANGYUN_MEDIA_UDP_PORT": str(free_port(SOCK_DGRAM)), **env}
    with simulator() as url, HubProcess(data_dir, env=env) as hub:
        county = County(hub, url, Loop(), secrets)
        try:
            _furnish(county)
            yield county
        finally:
            county.close()
            county.loop.close()
            if keep := os.environ.get("XIANGYUN_KEEP_LOG"):
                Path(keep).write_bytes(hub.log_path.read_bytes())


@pytest.fixture(scope="module")
def county(tmp_path_factory: pytest.TempPathFactory) -> Iterator[County]:
    """A county for the tests of one module."""
    with running_county(tmp_path_factory.mktemp("county") / "data") as running:
        yield running
