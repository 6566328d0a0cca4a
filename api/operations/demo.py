"""`xiangyun demo`: the hub with a sample county that is really recorded.

Runs in the supervisor's process: adds the camera simulator to its children and, when the hub is ready, makes what is
missing through the HTTP API as any client would. A second start finds everything there and only prints. Passwords are
random and kept in `<data_dir>/demo.json` (mode 0600), so that they can be printed again.
"""

import asyncio
import contextlib
import datetime as dt
import json
import os
import secrets
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from pydantic import SecretStr

from api.processes.child import ChildSpec
from api.processes.home import prepare
from api.processes.run import local_url, python_child, run_hub
from api.settings import Settings
from media.base.clock import SystemClock, utc_of_us
from media.base.errors import ErrorKind, HubError

SIMULATOR_PORT = 8554
SIMULATOR_WAIT_S = 240.0
"""The first start encodes the clips: half a minute on a quick machine, minutes on a village box."""

ORGS = (
    ("xiangyun", "祥云县", "county", None, "532923"),
    ("xiangcheng", "祥城镇", "township", "xiangyun", "532923100"),
    ("yunnanyi", "云南驿镇", "township", "xiangyun", "532923102"),
    ("chengbei", "城北村", "village", "xiangcheng", "532923100201"),
    ("qinghua", "清华洞村", "village", "xiangcheng", "532923100202"),
    ("yizhan", "驿站村", "village", "yunnanyi", "532923102201"),
)


@dataclass(frozen=True, slots=True)
class SampleCamera:
    """One simulated camera: its number at the simulator, its place, its codec and sound."""

    number: int
    id: str
    name: str
    org_id: str
    codec: str = "h264"
    audio: str = "none"


CAMERAS = (
    SampleCamera(1, "square", "县城中心广场", "xiangyun", audio="aac"),
    SampleCamera(2, "chengbei-gate", "城北村村口卡点", "chengbei", audio="pcma"),
    SampleCamera(3, "township-gate", "祥城镇政府大门（H.265）", "xiangcheng", codec="h265"),
    SampleCamera(4, "qinghua-school", "清华洞村小学门口", "qinghua", audio="pcmu"),
    SampleCamera(5, "yizhan-road", "驿站村主干道", "yizhan"),
    SampleCamera(6, "yizhan-river", "驿站村河道", "yizhan", audio="pcma"),
)


@dataclass(frozen=True, slots=True)
class SampleUser:
    """One account: who it is and what it shows."""

    username: str
    display_name: str
    roles: tuple[str, ...]
    org_id: str
    shows: str


USERS = (
    SampleUser("admin", "管理员", ("admin",), "", "everything 全部功能"),
    SampleUser(
        "zhenwei", "祥城镇值班员", ("operator",), "xiangcheng", "live and replay of one township 本镇实时与回放"
    ),
    SampleUser("cunwei", "驿站村值守员", ("viewer",), "yizhan", "live of one village 本村实时"),
    SampleUser("diaoyue", "县调阅员", ("retriever",), "xiangyun", "replay and download 调阅与下载"),
)


@dataclass(frozen=True, slots=True)
class SampleRoom:
    """One room: a meeting of all three levels that is to come, or a room that is always there."""

    id: str
    name: str
    hour: int | None
    """Of the day in China at which the next meeting begins; None is always."""
    members: tuple[tuple[str, str], ...]
    """(organisation, role), with its whole subtree; the nearest one counts."""


ROOMS = (
    SampleRoom(
        "sanji-huiyi", "县乡村三级联席会", 15,
        (("xiangyun", "attendee"), ("xiangcheng", "speaker"), ("yunnanyi", "speaker"), ("chengbei", "attendee"),
         ("qinghua", "attendee"), ("yizhan", "attendee")),
    ),
    SampleRoom("zhiban", "值班调度室", None, (("xiangyun", "attendee"),)),
)  # fmt: skip
CHINA = dt.timezone(dt.timedelta(hours=8))
MEETING_MINUTES = 90


class DemoFile:
    """What the demo remembers: passwords and the simulator's port."""

    def __init__(self, data_dir: Path) -> None:
        """Read `demo.json` in `data_dir`, or make it up; HubError when it cannot be read."""
        self._path = data_dir / "demo.json"
        self.port = 0
        self.passwords: dict[str, str] = {}
        self.meetings: tuple[str, ...] = ()
        """What is printed of the sample rooms; known when the hub is up."""
        try:
            kept = json.loads(self._path.read_text(encoding="utf-8"))
            self.port, self.passwords = int(kept["simulator_port"]), dict(kept["passwords"])
        except FileNotFoundError:
            pass
        except (ValueError, KeyError, TypeError) as error:
            message = f"{self._path} cannot be read; remove the demo's data directory to begin anew"
            raise HubError(ErrorKind.INVALID, message, code="demo") from error
        for user in USERS:
            self.passwords.setdefault(user.username, make_password())

    def save(self) -> None:
        """Write it, for this user only."""
        text = json.dumps({"simulator_port": self.port, "passwords": self.passwords}, indent=1)
        with os.fdopen(os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(text)


def make_password() -> str:
    """Return a random password that is easily typed from a screen: `Xy-` and three groups of letters and digits."""
    letters = "abcdefghjkmnpqrstuvwxyz23456789"
    return "Xy-" + "-".join("".join(secrets.choice(letters) for _ in range(4)) for _ in range(3))


def free_port(wanted: int) -> int:
    """Return `wanted` if it is free on this machine, else some port that is."""
    for port in (wanted, 0):
        with contextlib.closing(socket.socket()) as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return int(probe.getsockname()[1])
    raise HubError(ErrorKind.UNAVAILABLE, "this machine has no free port", code="no_port")


def simulator_child(settings: Settings, port: int, lock_fds: tuple[int, ...]) -> ChildSpec:
    """Return the simulator with the sample cameras."""
    argv = ["-m", "api", "simulate", "--port", str(port), "--cameras", str(len(CAMERAS)), "--quiet"]
    for camera in CAMERAS:
        argv += ["--codec", f"{camera.number}:{camera.codec}", "--audio", f"{camera.number}:{camera.audio}"]
    return python_child(settings, "simulator", argv, stop_rank=4, stop_timeout_s=1.0, lock_fds=lock_fds)


def run_demo(settings: Settings) -> None:
    """Run the hub with the sample county until told to stop."""
    settings = prepare(settings)
    kept = DemoFile(settings.data_dir)
    kept.port = free_port(kept.port or SIMULATOR_PORT)
    kept.save()
    settings = settings.model_copy(update={"admin_password": SecretStr(kept.passwords["admin"])})

    async def on_ready(ready: Settings) -> None:
        await furnish(local_url(ready), kept)
        say(welcome(ready, kept))

    say("祥云 demo: starting the hub; the first start also makes the cameras' pictures (about half a minute) …")
    run_hub(settings, extra_children=lambda s, fd: [simulator_child(s, kept.port, fd)], on_ready=on_ready)


def say(text: str) -> None:
    """Print for the person at the terminal."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


class DemoClient:
    """The HTTP API as the demo's administrator."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        """Use `http`, based at the hub."""
        self._http = http

    async def login(self, password: str) -> None:
        """Log in as admin; HubError when the directory belongs to a hub that is not a demo."""
        answer = await self._http.post("/api/v1/auth/login", json={"username": "admin", "password": password})
        if answer.status_code != 200:
            message = "this data directory belongs to another hub; give the demo one of its own with --data-dir"
            raise HubError(ErrorKind.CONFLICT, message, code="demo")
        self._http.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

    async def ensure(self, path: str, body: dict[str, Any]) -> bool:
        """Create what `body` describes unless it is there; tell whether it is new. HubError for any other answer."""
        answer = await self._http.post(f"/api/v1{path}", json=body)
        if answer.status_code not in {201, 409}:
            raise HubError(ErrorKind.INTERNAL, f"{path}: {answer.status_code} {answer.text[:300]}", code="demo")
        return answer.status_code == 201

    async def read(self, path: str) -> Any:
        """Return a resource."""
        answer = await self._http.get(f"/api/v1{path}")
        if answer.status_code != 200:
            raise HubError(ErrorKind.INTERNAL, f"{path}: {answer.status_code} {answer.text[:300]}", code="demo")
        return answer.json()

    async def change(self, path: str, body: dict[str, Any]) -> None:
        """Change part of a resource."""
        answer = await self._http.patch(f"/api/v1{path}", json=body)
        if answer.status_code != 200:
            raise HubError(ErrorKind.INTERNAL, f"{path}: {answer.status_code} {answer.text[:300]}", code="demo")


async def furnish(url: str, kept: DemoFile) -> None:
    """Make what the sample county lacks."""
    async with httpx.AsyncClient(base_url=url, timeout=30.0, trust_env=False) as http:
        client = DemoClient(http)
        await client.login(kept.passwords["admin"])
        for org_id, name, level, parent_id, code in ORGS:
            await client.ensure(
                "/orgs", {"id": org_id, "name": name, "level": level, "parent_id": parent_id, "code": code}
            )
        for user in USERS[1:]:
            await client.ensure(
                "/users",
                {
                    "username": user.username,
                    "password": kept.passwords[user.username],
                    "display_name": user.display_name,
                    "org_id": user.org_id,
                    "roles": list(user.roles),
                },
            )
        now = SystemClock().wall_us()
        kept.meetings = tuple([await ensure_room(client, room, now) for room in ROOMS])
        await wait_listening(kept.port)
        for camera in CAMERAS:
            await ensure_camera(client, camera, kept.port)


async def ensure_room(client: DemoClient, room: SampleRoom, now_us: int) -> str:
    """Make one room, move a meeting that is past to its next time, and return what is printed of it."""
    members = [{"org_id": org_id, "role": role} for org_id, role in room.members]
    body: dict[str, Any] = {"id": room.id, "name": room.name, "org_id": "xiangyun", "members": members}
    if room.hour is not None:
        when = {"starts_at": next_time(room.hour, now_us).isoformat(), "duration_minutes": MEETING_MINUTES}
        body |= when
        if not await client.ensure("/rooms", body):
            known = await client.read(f"/rooms/{room.id}")
            if known["state"] == "open" and dt.datetime.fromisoformat(known["ends_at"]) <= utc_of_us(now_us):
                await client.change(f"/rooms/{room.id}", when)
    else:
        await client.ensure("/rooms", body)
    shown = await client.read(f"/rooms/{room.id}")
    begins = dt.datetime.fromisoformat(shown["starts_at"]).astimezone(CHINA) if shown["starts_at"] else None
    when_text = f"{begins:%m-%d %H:%M}" if begins else "always 随时"
    return f"{room.name}  {when_text}  passcode 密码 {shown['passcode']}  {shown['invite_url']}"


def next_time(hour: int, now_us: int) -> dt.datetime:
    """Return when it is next `hour` o'clock in China."""
    now = utc_of_us(now_us).astimezone(CHINA)
    today = now.replace(hour=hour, minute=0, second=0, microsecond=0)
    return today if today > now else today + dt.timedelta(days=1)


async def ensure_camera(client: DemoClient, camera: SampleCamera, port: int) -> None:
    """Make one camera, or point it at the simulator's present port."""
    source = f"rtsp://127.0.0.1:{port}/cam{camera.number}"
    urls = {"source_url": source, "sub_source_url": f"{source}/sub"}
    recording = {"mode": "continuous", "retention_days": 7}
    body = {"id": camera.id, "name": camera.name, "org_id": camera.org_id, "recording": recording, **urls}
    if not await client.ensure("/cameras", body):
        await client.change(f"/cameras/{camera.id}", urls)


async def wait_listening(port: int) -> None:
    """Return when the simulator accepts connections; HubError TIMEOUT when it never does."""
    try:
        async with asyncio.timeout(SIMULATOR_WAIT_S):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                except OSError:
                    await asyncio.sleep(0.2)
                else:
                    writer.close()
                    return
    except TimeoutError:
        raise HubError(ErrorKind.TIMEOUT, "the camera simulator did not come up", code="demo") from None


def welcome(settings: Settings, kept: DemoFile) -> str:
    """Return what a newcomer reads: where to go, who to be, what to click."""
    url = local_url(settings)
    lines = ["", f"  祥云县 sample county is ready  →  {url}", ""]
    if settings.tls_port:
        lines += [f"  HTTPS: https://127.0.0.1:{settings.tls_port}   (trust {url}/ca.crt once)", ""]
    lines.append("  account     password             what it shows")
    lines += [f"  {user.username:<11} {kept.passwords[user.username]:<20} {user.shows}" for user in USERS]
    if kept.meetings:
        lines += ["", "  meetings"]
        lines += [f"  {line}" for line in kept.meetings]
    lines += [
        "",
        "  1. Log in as admin, open 实时预览 (Live): click a camera in the tree, double-click a tile for the main stream.",
        "  2. Open 录像回放 (Replay): choose a camera, give a reason, click the timeline a minute ago.",
        "  3. Log in as cunwei in another browser: only the village's own cameras are there.",
        "  4. Open 会议 (Meetings) as both: come into 值班调度室, see and hear each other, pull a camera in.",
        "",
        "  Ctrl-C stops everything.",
        "",
    ]
    return "\n".join(lines)
