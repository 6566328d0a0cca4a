"""Bad input on the running hub: each gets its problem document or a bounded wait, and nothing is changed by it."""

import asyncio
import base64
import hashlib
import hmac
import io
import json
import socket
import threading
import time
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import redis

from api.secrets.cipher import derive_key
from tests.hub_process import wait_for
from tests.integration.fixtures_live import CAMERA_PASSWORD, County, county, last_hour  # noqa: F401  # a fixture

CAMERA = {"id": "bad", "name": "bad", "org_id": "east-village"}


@contextmanager
def speaker(answer: bytes) -> Iterator[int]:
    """Listen on a port of this machine and say `answer` to whoever says something; nothing when it is empty."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            with client:
                client.settimeout(30)
                try:
                    client.recv(4096)
                    client.sendall(answer)
                    client.recv(4096)
                except OSError:
                    continue

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield int(listener.getsockname()[1])
    finally:
        listener.close()


def refused(answer: httpx.Response, status: int, code: str) -> None:
    """Assert a problem document."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    body = answer.json()
    assert (answer.status_code, body["code"]) == (status, code), answer.text
    assert body["status"] == status
    assert body["trace_id"] == answer.headers["x-trace-id"]
    assert body["detail"]


def probe(county: County, url: str) -> httpx.Response:  # noqa: F811
    return county.hub.http.post("/api/v1/cameras/probe", json={"source_url": url})


@pytest.mark.parametrize(
    "url",
    ["", "x", "rtsp://", "rtsp:///cam", "rtsp://10.0.0.1:99999/", "rtsp://10.0.0.1:0/", "rtsp://[::1/", "rtsp://a b/", "rtsp://10.0.0.1/\r\nX: y",
     "rtsp://10.0.0.1/#x", "rtsp://good@evil/@10.0.0.1", "rtsp://10.0.0.1\\@1.1.1.1/", "rtsp://字/", "\x00", "rtsp://10.0.0.1/" + "a" * 1100],
)  # fmt: skip
def test_a_wrong_address_is_refused(county: County, url: str) -> None:  # noqa: F811
    made = county.hub.http.post("/api/v1/cameras", json={**CAMERA, "source_url": url})
    assert made.status_code in {400, 422}, made.text
    assert county.hub.http.get("/api/v1/cameras/bad").status_code == 404


FORBIDDEN = (
    "8.8.8.8", "169.254.169.254", "0.0.0.0", "[::]", "224.0.0.1", "255.255.255.255", "[2001:4860:4860::8888]", "[::ffff:8.8.8.8]", "[::ffff:a9fe:a9fe]",
    "[64:ff9b::808:808]", "134744072", "0x08080808", "0251.0376.0251.0376", "2852039166", "[fe80::1]", "user:pw@8.8.8.8",
)  # fmt: skip


@pytest.mark.parametrize("host", FORBIDDEN)
def test_a_network_not_allowed_is_refused_however_it_is_written(county: County, host: str) -> None:  # noqa: F811
    made = county.hub.http.post("/api/v1/cameras", json={**CAMERA, "source_url": f"rtsp://{host}/1"})
    refused(made, 400, "network_not_allowed")
    assert county.hub.http.get("/api/v1/cameras/bad").status_code == 404


def test_a_network_not_allowed_is_not_probed_either(county: County) -> None:  # noqa: F811
    for host in ("169.254.169.254", "[::ffff:8.8.8.8]", "134744072"):
        refused(probe(county, f"rtsp://{host}/1"), 400, "network_not_allowed")
    changed = county.hub.http.patch("/api/v1/cameras/gate-east", json={"source_url": "rtsp://8.8.8.8/1"})
    refused(changed, 400, "network_not_allowed")


def test_a_redirect_does_not_lead_out_of_the_allowed_networks(county: County) -> None:  # noqa: F811
    where = b"RTSP/1.0 302 Found\r\nCSeq: 1\r\nLocation: rtsp://169.254.169.254/latest\r\n\r\n"
    with speaker(where) as port:
        found = probe(county, f"rtsp://admin:{CAMERA_PASSWORD}@127.0.0.1:{port}/1").json()
    assert (found["ok"], found["code"]) == (False, "network_not_allowed")


def test_what_is_no_camera_says_so_within_a_bounded_wait(county: County) -> None:  # noqa: F811
    page, ssh = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", b"SSH-2.0-OpenSSH_9.2\r\n" * 5
    county.secrets.add("wrong-Password-1")
    with speaker(b"") as mute, speaker(page) as web, speaker(ssh) as shell, ThreadPoolExecutor(5) as pool:
        expected = {
            f"rtsp://127.0.0.1:{mute}/1": {"timeout", "unreachable"},
            f"rtsp://127.0.0.1:{web}/1": {"not_a_camera", "timeout"},
            f"rtsp://127.0.0.1:{shell}/1": {"not_a_camera", "timeout"},
            county.source(1, "wrong-Password-1"): {"unauthorized"},
            county.source(1).replace("cam1", "cam77"): {"not_found"},
        }
        started_s = time.monotonic()
        found = list(pool.map(lambda url: probe(county, url).json(), expected))
        assert time.monotonic() - started_s < 20  # the worker gives up after ten seconds
    assert [one["ok"] for one in found] == [False] * 5
    assert [one["code"] in codes for one, codes in zip(found, expected.values(), strict=True)] == [True] * 5, found


def test_a_camera_that_never_answers_or_refuses_says_why(county: County) -> None:  # noqa: F811
    hub = county.hub
    with speaker(b"") as port:
        for camera_id, url in (
            ("mute", f"rtsp://127.0.0.1:{port}/1"),
            ("locked", county.source(1, "wrong-Password-1")),
        ):
            hub.post("/cameras", {**CAMERA, "id": camera_id, "source_url": url})
        reasons = {"mute": {"timeout", "unreachable"}, "locked": {"unauthorized"}}
        for camera_id, expected in reasons.items():
            status = f"/cameras/{camera_id}/status"
            wait_for(f"{camera_id} says why", lambda s=status, e=expected: hub.get(s)["reason"] in e, 20.0)
            assert hub.get(status)["state"] in {"connecting", "offline"}
            offered = hub.http.post(
                f"/api/v1/cameras/{camera_id}/whep", content="v=0\r\n", headers={"Content-Type": "application/sdp"}
            )
            assert offered.status_code in {400, 409, 503}, offered.text
        for camera_id in reasons:
            assert hub.http.delete(f"/api/v1/cameras/{camera_id}").status_code == 204


def test_a_sub_stream_the_camera_does_not_have_is_not_found(county: County) -> None:  # noqa: F811
    offer = {"content": "v=0\r\n", "headers": {"Content-Type": "application/sdp"}}
    for stream, status, code in (("sub", 404, "no_sub_stream"), ("main", 400, "bad_sdp")):
        refused(county.hub.http.post(f"/api/v1/cameras/gate-east/whep?stream={stream}", **offer), status, code)


def test_absurd_times_are_refused(county: County) -> None:  # noqa: F811
    now, day = datetime.now(UTC), timedelta(days=1)
    ranges = {
        (now.isoformat(), (now - day).isoformat()): "invalid_range", (now.isoformat(), now.isoformat()): "invalid_range",
        ((now + day).isoformat(), (now + 2 * day).isoformat()): "range_in_future", ((now - 3650 * day).isoformat(), now.isoformat()): "range_too_long",
        ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"): "invalid_range", ("2026-13-01T00:00:00Z", now.isoformat()): "invalid_body",
        ("yesterday", "now"): "invalid_body", ("2026-11-22", "2026-11-23"): "invalid_body", ("1e400", "NaN"): "invalid_body",
    }  # fmt: skip
    for (start, end), code in ranges.items():
        status = 422 if code == "invalid_body" else 400
        span = {"start": start, "end": end}
        refused(county.hub.http.get("/api/v1/recordings", params={"camera_id": "gate-east", **span}), status, code)
        body = {"camera_ids": ["gate-east"], "reason": "x", **span}
        refused(county.hub.http.post("/api/v1/playback-grants", json=body), status, code)


NASTY_IDS = (
    "..%2f..%2fetc%2fpasswd",
    "%2e%2e",
    "a%00b",
    "%ff%fe",
    "%ed%a0%80",
    "' OR 1=1--".replace(" ", "%20"),
    "A",
    "x" * 300,
    "a%0d%0aX:y",
    "%E5%AD%97",
)


def test_ids_in_paths_are_ids_or_refused(county: County) -> None:  # noqa: F811
    http = county.hub.http
    for word in NASTY_IDS:
        for path in (
            f"/api/v1/cameras/{word}",
            f"/api/v1/orgs/{word}",
            f"/api/v1/users/{word}",
            f"/api/v1/cameras/{word}/status",
        ):
            assert http.get(path).status_code in {400, 404, 422}, path
        for path in (f"/docs/{word}", f"/assets/{word}", f"/{word}", f"/..%2f{word}"):
            answer = http.get(path)
            assert answer.status_code in {200, 400, 404}, path
            assert "root:" not in answer.text
        assert http.delete(f"/api/v1/cameras/{word}").status_code in {400, 404, 405, 422}


def test_tricks_in_strings_change_nothing_but_the_string(county: County) -> None:  # noqa: F811
    http = county.hub.http
    names = (
        "'; DROP TABLE audit_log;--",
        '=HYPERLINK("http://x")',
        "${jndi:ldap://x}",
        "<script>alert(1)</script>",
        "../../etc/passwd",
        "%_%",
        "\u202egpj",
    )
    for number, name in enumerate(names):
        org = {"id": f"trick-{number}", "name": name, "level": "township", "parent_id": "county"}
        assert http.post("/api/v1/orgs", json=org).json()["name"] == name
        assert http.get("/api/v1/cameras", params={"q": name}).json()["items"] == []
        assert http.delete(f"/api/v1/orgs/trick-{number}").status_code == 204
    for bad in (b'"a\\u0000b"', b'"\\ud800"', b'"a\x00b"', b'"\xff\xfe"', b'"a\\u001bb"'):
        body = b'{"id":"trick","level":"township","parent_id":"county","name":' + bad + b"}"
        answer = http.post("/api/v1/orgs", content=body, headers={"Content-Type": "application/json"})
        assert (answer.status_code, answer.json()["code"]) in {(422, "invalid_body"), (400, "invalid_body")}, bad
    assert {org["id"] for org in county.hub.get("/orgs")["items"]} == {
        "county",
        "east",
        "west",
        "east-village",
        "west-village",
    }


def test_bodies_too_large_too_deep_or_of_another_kind(county: County) -> None:  # noqa: F811
    http, kind = county.hub.http, {"Content-Type": "application/json"}
    refused(http.post("/api/v1/cameras", content=b"x" * 1_000_001, headers=kind), 413, "body_too_large")
    with httpx.Client(base_url=county.hub.url, headers=http.headers) as other:
        try:
            chunked = other.post("/api/v1/cameras", content=(b" " * 65_536 for _ in range(200)), headers=kind)
            refused(chunked, 413, "body_too_large")
        except httpx.WriteError:
            pass  # refused and closed while we were still sending
    for body in (
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"9" * 100_000,
        b'{"name":1e999}',
        b"\xff",
        b"",
        b"null",
        b'{"recording":{"retention_days":' + b"9" * 400 + b"}}",
    ):
        answer = http.post("/api/v1/cameras", content=body, headers=kind)
        assert (answer.status_code, answer.json()["code"]) in {(422, "invalid_body"), (400, "invalid_body")}, body[:20]
    for wrong in ("text/xml", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""):
        answer = http.post("/api/v1/cameras", content=b'{"id":"x"}', headers={"Content-Type": wrong})
        assert answer.status_code in {400, 415, 422}, (wrong, answer.text)
    refused(http.post("/api/v1/cameras/gate-east/whep", content="v=0", headers=kind), 415, "unsupported_media_type")


def archive(part: str, content: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as new:
        new.writestr("[Content_Types].xml", "<Types/>")
        new.writestr(part, content)
    return packed.getvalue()


def test_files_to_import_that_are_traps(county: County) -> None:  # noqa: F811
    http = county.hub.http
    traps = (
        b"\x89PNG\r\n",
        b"PK\x03\x04" + b"x" * 100,
        archive("xl/workbook.xml", b" " * 60_000_000),
        b"name\n" + b"x\n" * 10,
        b"\0" * 1000,
        b"",
    )
    for trap in traps:
        refused(http.post("/api/v1/cameras/import", files={"file": ("a.xlsx", trap)}), 400, "bad_file")
    lines = [
        "id,name,org_id,source_url",
        "c1,=1+1,east-village,rtsp://8.8.8.8/1",
        "c2,\"=cmd|'/c calc'!A0\",nowhere,rtsp://10.0.0.1/1",
        "../x,n,east-village,rtsp://10.0.0.1/1",
    ]
    report = http.post("/api/v1/cameras/import", files={"file": ("a.csv", "\n".join(lines).encode())}).json()
    assert (report["created"], report["rejected"]) == (0, 3)
    assert [row["code"] for row in report["rows"]] == ["network_not_allowed", "unknown_org", "invalid_body"]
    assert [camera["id"] for camera in county.hub.get("/cameras")["items"]] == ["gate-east", "gate-west"]


def forged(secret: bytes, **claims: Any) -> str:
    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    head = f"{part({'alg': 'HS256', 'typ': 'JWT'})}.{part({'iss': 'xiangyun', 'aud': 'api', 'sub': 'admin', 'sid': 'x', **claims})}"
    mark = hmac.new(secret, head.encode(), hashlib.sha256).digest()
    return f"{head}.{base64.urlsafe_b64encode(mark).decode().rstrip('=')}"


def test_foreign_expired_and_ended_tokens(county: County) -> None:  # noqa: F811
    token = county.hub.http.headers["Authorization"].removeprefix("Bearer ")
    head, body, mark = token.split(".")
    nobody = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').decode().rstrip("=")
    flipped = mark[:-2] + ("A" if mark[-2] != "A" else "B") + mark[-1]
    wrong = (
        "x",
        "a.b.c",
        f"{nobody}.{body}.",
        f"{head}.{body}.",
        f"{head}.{body}.{flipped}",
        forged(b"secret", exp=9_999_999_999),
        forged(b"", exp=1),
        "x" * 9000,
    )
    for word in wrong:
        refused(county.client(word).get("/api/v1/auth/me"), 401, "token_invalid")
    refused(county.client().get("/api/v1/auth/me"), 401, "token_missing")
    expired = forged(access_key(county), exp=1_000_000_000, sid="x")
    refused(county.client(expired).get("/api/v1/auth/me"), 401, "token_expired")
    county.add_user("raus", "east", "operator")
    client = county.log_in("raus")
    assert client.post("/api/v1/auth/logout").status_code == 204
    refused(client.get("/api/v1/auth/me"), 401, "token_invalid")


def access_key(county: County) -> bytes:  # noqa: F811
    return derive_key((county.hub.data_dir / "secret.key").read_text().strip(), "access tokens")


def test_grants_of_others_other_cameras_other_times_and_made_up_ones(county: County) -> None:  # noqa: F811
    county.add_user("eins", "east-village", "retriever")
    county.add_user("zwei", "east-village", "retriever")
    one, two = county.log_in("eins"), county.log_in("zwei")
    span = {"camera_id": "gate-east"}
    wait_for("footage", lambda: county.hub.get("/recordings", **span, **last_hour())["spans"], 20.0)
    grant = county.grant(one, "gate-east")
    look = "/api/v1/cameras/gate-east/playback.m3u8"
    assert one.get(look, params={"grant": grant}).status_code == 200
    refused(two.get(look, params={"grant": grant}), 403, "grant_invalid")
    for word in (
        grant[:-1] + ("A" if grant[-1] != "A" else "B"),
        grant[:-1],
        grant + "A",
        "x",
        "' OR 1=1--",
        "字" * 50,
        "A" * 4000,
    ):
        refused(one.get(look, params={"grant": word}), 403, "grant_invalid")
    refused(one.get(look), 403, "reason_required")
    refused(county.client().get(look), 401, "token_missing")
    refused(one.get(look.replace("east", "west"), params={"grant": grant}), 403, "grant_invalid")
    earlier = {"start": "2026-01-01T00:00:00Z", "end": "2026-01-02T00:00:00Z"}
    refused(one.get(look, params={"grant": grant, **earlier}), 403, "outside_grant")
    for volume, segment in (("..%2f..", "1"), ("x", "-1"), ("x", "9" * 60), ("a" * 36, "1")):
        answer = one.get(f"/api/v1/cameras/gate-east/segments/{volume}/{segment}.mp4", params={"grant": grant})
        assert answer.status_code in {400, 404, 422}, answer.text


def test_one_client_at_full_speed_is_told_to_wait_and_its_neighbour_is_not(county: County) -> None:  # noqa: F811
    county.add_user("flut", "east-village", "viewer")
    flood, calm = county.log_in("flut"), county.hub.http
    nearly_spent(county, "account:flut", tokens=50)
    counts, waits = asyncio.run(flooded(county.hub.url, {"Authorization": flood.headers["Authorization"]}))
    assert set(counts) == {200, 429}, counts
    assert min(waits) >= 1
    assert calm.get("/api/v1/auth/me").status_code == 200
    wait_for("it may ask again", lambda: flood.get("/api/v1/auth/me").status_code == 200, 5.0)


def test_one_address_without_a_log_in_is_told_to_wait_and_others_are_not(county: County) -> None:  # noqa: F811
    counts, waits = asyncio.run(flooded(county.hub.url, {"X-Forwarded-For": "203.0.113.99"}))
    assert set(counts) == {401, 429}, counts
    assert min(waits) >= 1
    assert county.client(address="203.0.113.98").get("/api/v1/setup").status_code == 200


def nearly_spent(county: County, bucket: str, tokens: int) -> None:  # noqa: F811
    """Leave only some tokens of a bucket, as after a minute at full speed, which a test has no time for."""
    path = next(county.hub.data_dir.rglob("valkey.sock"))
    with redis.Redis(unix_socket_path=str(path)) as state:
        state.hset(f"xy:bucket:{bucket}", mapping={"tokens": tokens, "at": time.time()})


async def flooded(url: str, headers: dict[str, str]) -> tuple[dict[int, int], list[int]]:
    """Ask as fast as we are answered until refused twenty times; return statuses and `Retry-After`s."""
    counts: dict[int, int] = {}
    waits: list[int] = []
    until_s = time.monotonic() + 60.0

    async def ask(client: httpx.AsyncClient) -> None:
        while counts.get(429, 0) < 20 and time.monotonic() < until_s:
            answer = await client.get("/api/v1/auth/me")
            counts[answer.status_code] = counts.get(answer.status_code, 0) + 1
            if answer.status_code == 429:
                waits.append(int(answer.headers["retry-after"]))

    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=20) as client:
        await asyncio.gather(*(ask(client) for _ in range(16)))
    return counts, waits


def test_guessing_passwords_locks_the_account_here_and_nobody_else(county: County) -> None:  # noqa: F811
    county.add_user("ziel", "east-village", "viewer")
    stranger = county.client(address="203.0.113.66")
    body = {"username": "ziel", "password": "Geraten-1"}
    county.secrets.add("Geraten-1")
    statuses = [stranger.post("/api/v1/auth/login", json=body).status_code for _ in range(8)]
    assert statuses == [401] * 5 + [429] * 3
    locked = stranger.post("/api/v1/auth/login", json=body)
    refused(locked, 429, "account_locked")
    assert int(locked.headers["retry-after"]) > 60
    county.log_in("ziel", address="203.0.113.67")
    unknown = stranger.post("/api/v1/auth/login", json={"username": "gibt-es-nicht", "password": "Geraten-1"})
    refused(unknown, 401, "bad_credentials")


def test_the_log_holds_a_line_for_each_and_no_secret(county: County) -> None:  # noqa: F811
    assert county.leaked() == []
    lines = [json.loads(line) for line in county.hub.log_path.read_text().splitlines() if line.startswith("{")]
    traces = [line["trace_id"] for line in lines if line.get("event") == "request"]
    assert len(traces) == len(set(traces)) > 100
    assert [
        line
        for line in lines
        if line.get("event") == "request" and line["status"] >= 500 and line["code"] != "worker_unavailable"
    ] == []
    assert "Traceback" not in county.hub.log_path.read_text()
