"""Garbage at every route and port of the running hub, while somebody watches and a camera is recorded.

No 5xx, no crash, no process restarted, no picture missed, no gap recorded.
"""

import http.client
import json
import socket
import ssl
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime

import httpx
import pytest

from tests.hub_process import wait_for
from tests.integration.fixtures_garbage import Fuzzer, Shot, datagrams, streams
from tests.integration.fixtures_live import PASSWORD, County, Viewer, county  # noqa: F401  # a fixture

SEED = 20_261_122
PER_OPERATION = 20
PEOPLE = 12
"""So many accounts take turns, and so many addresses, that the limits do not end the game."""


@dataclass
class Peace:
    """What must not be disturbed."""

    county: County
    viewer: Viewer
    pids: dict[str, int]
    since: datetime
    since_s: float

    def holds(self) -> None:
        """Assert that nothing was disturbed."""
        hub = self.county.hub
        assert hub.pids() == self.pids, "a process was restarted"
        self.viewer.watches_on()
        assert self.viewer.longest_pause_s(self.since_s) < 2.0
        assert hub.http.get("/readyz").status_code == 200
        span = {"camera_id": "gate-east", "start": self.since.isoformat(), "end": datetime.now(UTC).isoformat()}
        assert [gap["reason"] for gap in hub.get("/recordings", **span)["gaps"]] == []


@pytest.fixture(scope="module")
def peace(county: County) -> Peace:  # noqa: F811
    """A viewer and a recording that begin before the garbage comes."""
    viewer = county.watch(county.hub.http, "gate-east")
    wait_for("footage", lambda: len(viewer.seen) > 30)
    return Peace(county, viewer, county.hub.pids(), datetime.now(UTC), time.monotonic())


@dataclass
class Gun:
    """Sends shots over one connection, logged in as many people."""

    county: County
    tokens: list[str]
    names: list[str]
    seen: Counter[tuple[int, str]] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    count: int = 0
    line: http.client.HTTPConnection | None = None

    def fire(self, shot: Shot) -> None:
        """Send one shot and judge the answer."""
        self.count += 1
        status, kind, body = self._exchange(shot)
        is_told = status < 400 or shot.method == "HEAD" or kind == "application/problem+json"
        code = str(json.loads(body)["code"]) if body and kind == "application/problem+json" else ""
        self.seen[(status, code)] += 1
        if status >= 500 or status == 429 or not is_told:
            self.wrong.append(f"{status} {code} {shot.method} {shot.path[:120]} {shot.body[:120]!r}")
        if code in {"token_invalid", "token_expired"} and "Authorization" not in shot.headers:
            self._log_in_again()

    def _exchange(self, shot: Shot) -> tuple[int, str, bytes]:
        turn = self.count % PEOPLE
        headers = {
            "Authorization": self.tokens[turn],
            "X-Forwarded-For": f"203.0.113.{self.count % 250}",
            **shot.headers,
        }
        if self.line is None:
            self.line = http.client.HTTPConnection("127.0.0.1", self.county.hub.port, timeout=20)
        self.line.putrequest(shot.method, shot.path, skip_accept_encoding=True)
        for name, value in headers.items():
            self.line.putheader(name, value.encode("latin-1", "replace"))
        if shot.method in {"POST", "PUT", "PATCH"}:
            self.line.putheader("Content-Length", str(len(shot.body)))
        self.line.endheaders(shot.body or None)
        answer = self.line.getresponse()
        kind = answer.getheader("content-type") or ""
        if kind.startswith("text/event-stream"):
            self.close()
            return answer.status, kind, b""
        body = answer.read()
        return answer.status, kind, body

    def _log_in_again(self) -> None:
        turn = self.count % PEOPLE
        body = {"username": self.names[turn], "password": PASSWORD}
        answer = httpx.post(f"{self.county.hub.url}/api/v1/auth/login", json=body, timeout=20)
        if answer.status_code == 200:
            self.tokens[turn] = f"Bearer {answer.json()['access_token']}"

    def close(self) -> None:
        """Let the connection go."""
        if self.line is not None:
            self.line.close()
            self.line = None


@pytest.mark.timeout(600)
def test_every_route_and_method_answers_garbage_with_a_problem(peace: Peace) -> None:
    hub, names = peace.county.hub, [f"schuetze-{number}" for number in range(PEOPLE)]
    tokens = []
    for name in names:
        peace.county.add_user(name, None, "admin")
        tokens.append(peace.county.log_in(name, address=f"203.0.113.{len(tokens)}").headers["Authorization"])
    gun = Gun(peace.county, tokens, names)
    for shot in Fuzzer(hub.http.get("/openapi.json").json(), SEED).shots(PER_OPERATION):
        gun.fire(shot)
    gun.close()
    print(gun.count, gun.seen.most_common(12))
    assert gun.wrong == []
    assert gun.count > 2000
    assert {200, 204, 400, 401, 403, 404, 405, 422} <= {status for status, _ in gun.seen}
    peace.holds()


def answer_to(data: bytes, port: int, *, has_tls: bool) -> bytes:
    """Return what a port says to `data`; empty when it says nothing, or hangs up."""
    got = b""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=3) as plain:
            context = ssl._create_unverified_context()
            with context.wrap_socket(plain) if has_tls else plain as sock:
                sock.settimeout(0.25)
                sock.sendall(data)
                while len(got) < 4096 and (piece := sock.recv(4096)):
                    got += piece
    except (OSError, ValueError):
        pass
    return got


@pytest.mark.parametrize("door", ["http", "https", "plain at https"])
def test_what_is_no_http_is_answered_in_http_or_not_at_all(peace: Peace, door: str) -> None:
    hub = peace.county.hub
    port = hub.port if door == "http" else int(hub.env["XIANGYUN_TLS_PORT"])
    with_codes = Counter[str]()
    for data in streams(SEED, 8):
        got = answer_to(data, port, has_tls=door == "https")
        if door == "plain at https":
            assert not got.startswith(b"HTTP"), data[:80]
            continue
        assert not got or got.startswith((b"HTTP/1.1 2", b"HTTP/1.1 4", b"HTTP/1.0 4")), (data[:80], got[:200])
        if got.startswith(b"HTTP/1.1 4"):
            assert b"application/problem+json" in got, got
        with_codes[got[9:12].decode()] += 1
    assert door == "plain at https" or {"200", "400", "431"} <= set(with_codes)
    peace.holds()


def test_half_a_request_costs_nobody_else_anything(peace: Peace) -> None:
    hub = peace.county.hub
    open_ones = [socket.create_connection(("127.0.0.1", hub.port), timeout=3) for _ in range(200)]
    try:
        for number, sock in enumerate(open_ones):
            head = b"POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 50\r\n"
            sock.sendall(head + (b"\r\n{" if number % 2 else b""))
        assert hub.http.get("/api/v1/auth/me").status_code == 200
        peace.holds()
    finally:
        for sock in open_ones:
            sock.close()


def test_any_datagram_at_the_media_port_is_passed_over(peace: Peace) -> None:
    port = int(peace.county.hub.env["XIANGYUN_MEDIA_UDP_PORT"])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.setblocking(False)
        for number, datagram in enumerate(datagrams(SEED, 6000)):
            try:
                sender.sendto(datagram, ("127.0.0.1", port))
            except BlockingIOError:
                time.sleep(0.01)
            if number % 200 == 0:
                time.sleep(0.02)
    peace.holds()


def test_garbage_at_the_private_sockets_ends_no_process(peace: Peace) -> None:
    run = next(path for path in peace.county.hub.data_dir.rglob("worker-0.sock")).parent
    for name in ("worker-0.sock", "replay.sock", "valkey.sock"):
        for data in (
            b"\0" * 1000,
            b"GET / HTTP/1.1\r\n\r\n",
            b"POST /probe HTTP/1.1\r\nContent-Length: 5\r\n\r\n[[[[[",
            b"*-1\r\n$9\r\n" * 50,
            b"\xff" * 5000,
        ):
            with socket.socket(socket.AF_UNIX) as private:
                private.settimeout(0.5)
                private.connect(str(run / name))
                try:
                    private.sendall(data)
                    private.recv(4096)
                except OSError:
                    continue
    peace.holds()


def test_all_at_once(peace: Peace) -> None:
    hub = peace.county.hub
    udp_port = int(hub.env["XIANGYUN_MEDIA_UDP_PORT"])

    def shout() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for datagram in datagrams(SEED + 1, 3000):
                sender.sendto(datagram, ("127.0.0.1", udp_port))
                time.sleep(0.0005)

    def knock() -> None:
        for data in streams(SEED + 1, 5):
            answer_to(data, hub.port, has_tls=False)

    threads = [threading.Thread(target=work) for work in (shout, knock)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    peace.holds()


def test_after_all_that_the_log_holds_no_secret_and_no_traceback(peace: Peace) -> None:
    log = peace.county.hub.log_path.read_text(errors="replace")
    assert peace.county.leaked() == []
    assert "Traceback" not in log
    assert "child ended" not in log
