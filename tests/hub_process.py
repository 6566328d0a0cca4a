"""Start the real hub as its users do, and speak to it over HTTP. Used by integration, browser tests and benches."""

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import httpx

ROOT = Path(__file__).resolve().parents[1]
ADMIN_PASSWORD = "Xiangyun-Test-2026!"


PORTS = range(20_000, 32_000)
"""Below those that Linux gives to clients: no connection takes one between our asking and the hub's binding."""


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM, *, count: int = 1) -> int:
    """Return a port nobody has bound now, of TCP unless told otherwise; the first of `count` neighbours."""
    while True:
        first = random.choice(PORTS)
        if all(is_free(port, kind) for port in range(first, first + count)):
            return first


def is_free(port: int, kind: socket.SocketKind) -> bool:
    """Tell whether a port can be bound at every address."""
    with socket.socket(type=kind) as probe:
        try:
            probe.bind(("0.0.0.0", port))
        except OSError:
            return False
    return True


def wait_for(what: str, condition: Any, timeout_s: float = 30.0, every_s: float = 0.1) -> Any:
    """Poll `condition` until it returns something true, and return that; AssertionError naming `what` otherwise."""
    deadline = time.monotonic() + timeout_s
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < deadline, f"not within {timeout_s} s: {what}"
        time.sleep(every_s)


class HubProcess:
    """`xiangyun run` in its own process group on a random port, with an administrator."""

    def __init__(self, data_dir: Path, *, env: dict[str, str] | None = None, arguments: tuple[str, ...] = ()) -> None:
        """Prepare a hub on `data_dir`; `env` adds XIANGYUN_* settings, `arguments` go to `run`."""
        self.arguments = arguments
        self.data_dir = data_dir
        self.port = free_port()
        self.env = env or {}
        self.process: subprocess.Popen[bytes] | None = None
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=20)
        self.log_path = data_dir / "hub.log"

    @property
    def url(self) -> str:
        """Return the address of the console."""
        return f"http://127.0.0.1:{self.port}"

    def start(self, *, ready_timeout_s: float = 60.0) -> Self:
        """Start and wait for `/readyz`."""
        self.data_dir.mkdir(parents=True, exist_ok=True)
        environment = {k: v for k, v in os.environ.items() if not k.startswith("XIANGYUN_")}
        environment |= {
            "XIANGYUN_ADMIN_PASSWORD": ADMIN_PASSWORD,
            "XIANGYUN_TLS_PORT": str(free_port()),
            "XIANGYUN_MEDIA_UDP_PORT": str(free_port(socket.SOCK_DGRAM, count=2)),
            "XIANGYUN_WORKERS": "1",
            **self.env,
        }
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "api",
                    "run",
                    "--host",
                    "127.0.0.1",
                    "--port",
                    str(self.port),
                    "--data-dir",
                    str(self.data_dir),
                    *self.arguments,
                ],
                cwd=ROOT,
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            wait_for("the hub is ready", self._is_ready, ready_timeout_s)
        except BaseException:
            self.stop()  # nobody else would
            raise
        return self

    def _is_ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, f"the hub ended:\n{self.log_path.read_text()[-4000:]}"
        try:
            return self.http.get("/readyz").status_code == 200
        except httpx.HTTPError:
            return False

    def stop(self) -> None:
        """SIGTERM, wait, and kill whatever is left of the process group."""
        if self.process is None:
            return
        self.process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(20)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(5)
        self.process = None
        self.http.close()

    def __enter__(self) -> Self:
        """Start."""
        return self.start()

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self.stop()

    def login(self, username: str = "admin", password: str = ADMIN_PASSWORD) -> None:
        """Log in; later calls carry the token."""
        answer = self.http.post("/api/v1/auth/login", json={"username": username, "password": password})
        assert answer.status_code == 200, answer.text
        self.http.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

    def post(self, path: str, body: dict[str, Any], expect: int = 201) -> Any:
        """POST JSON under /api/v1 and return the JSON answer, asserting its status."""
        answer = self.http.post(f"/api/v1{path}", json=body)
        assert answer.status_code == expect, f"{path}: {answer.status_code} {answer.text}"
        return answer.json()

    def get(self, path: str, expect: int = 200, **params: Any) -> Any:
        """GET JSON under /api/v1."""
        answer = self.http.get(f"/api/v1{path}", params=params)
        assert answer.status_code == expect, f"{path}: {answer.status_code} {answer.text}"
        return answer.json()

    def root_org(self) -> str:
        """Return the id of the county, making one when there is none."""
        items = self.get("/orgs")["items"]
        if items:
            return str(items[0]["id"])
        return str(self.post("/orgs", {"id": "county", "name": "测试县", "level": "county"})["id"])

    def add_camera(self, camera_id: str, source_url: str, **more: Any) -> Any:
        """Create a camera in the county."""
        body = {"id": camera_id, "name": camera_id, "org_id": self.root_org(), "source_url": source_url, **more}
        return self.post("/cameras", body)

    def wait_online(self, camera_id: str, timeout_s: float = 30.0) -> Any:
        """Wait until a camera's state is online and return its status."""

        def online() -> Any:
            status = self.get(f"/cameras/{camera_id}/status")
            return status if status["state"] == "online" else None

        return wait_for(f"{camera_id} is online", online, timeout_s)

    def pids(self) -> dict[str, int]:
        """Return the process ids of the hub by title: `supervisor`, `api`, `worker 0`, `replay`, `valkey`."""
        assert self.process is not None
        found = {"supervisor": self.process.pid}
        for pid, title in children(self.process.pid):
            for role in ("worker 0", "worker 1", "replay", "valkey", "api"):
                if role not in found and is_titled(title, role):
                    found[role] = pid
                    break
        return found


def is_titled(title: str, role: str) -> bool:
    """Tell whether a command line is that of a role: `python -m api.processes.spare` is not `api`."""
    if role == "valkey":
        return "valkey-server" in title
    words = title.split()
    return words == ["xiangyun", *role.split()] or " ".join(words).endswith(f"api.processes.{role}")


def children(parent: int) -> Iterator[tuple[int, str]]:
    """Yield (pid, command line) of all descendants of `parent`."""
    by_parent: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, IndexError):
                fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
                by_parent.setdefault(int(fields[1]), []).append(int(entry.name))
    waiting = list(by_parent.get(parent, []))
    while waiting:
        pid = waiting.pop()
        waiting += by_parent.get(pid, [])
        with contextlib.suppress(OSError):
            yield pid, Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
