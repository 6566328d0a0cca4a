"""Who sees what on the running hub, and how soon a right that is taken away is gone: pictures, events, grants."""

import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.hub_process import HubProcess, wait_for
from tests.integration.fixtures_live import PASSWORD, County, county, last_hour  # noqa: F401  # a fixture
from tests.integration.fixtures_postgres import *  # noqa: F403

PROMISE_S = 5.0
"""CONTRACT: what may no longer be seen ends within five seconds."""

WHEP = {"Content-Type": "application/sdp"}


@pytest.fixture(scope="module")
def village(county: County) -> httpx.Client:  # noqa: F811
    """Somebody of the eastern village who may look and replay, not take away."""
    county.add_user("dong", "east-village", "operator")
    return county.log_in("dong")


@pytest.fixture(scope="module")
def grant(county: County, village: httpx.Client) -> str:  # noqa: F811
    """The villager's grant for their own camera, once there is footage."""
    span = {"camera_id": "gate-east", **last_hour()}
    wait_for("footage", lambda: county.hub.get("/recordings", **{**span, **last_hour()})["spans"], 20.0)
    return county.grant(village, "gate-east")


def answers(client: httpx.Client, camera_id: str) -> list[tuple[int, str]]:
    """Return status and code of everything one can try with a camera."""
    api, span = "/api/v1/cameras", last_hour()
    tried = (
        client.get(f"{api}/{camera_id}"),
        client.get(f"{api}/{camera_id}/status"),
        client.patch(f"{api}/{camera_id}", json={"name": "mine"}),
        client.delete(f"{api}/{camera_id}"),
        client.get(f"{api}/{camera_id}/snapshot.jpg"),
        client.post(f"{api}/{camera_id}/whep", content="v=0\r\n", headers=WHEP),
        client.get("/api/v1/recordings", params={"camera_id": camera_id, **span}),
        client.get("/api/v1/recordings/calendar", params={"camera_id": camera_id, "month": "2026-11"}),
        client.post("/api/v1/playback-grants", json={"camera_ids": [camera_id], "reason": "x", **span}),
    )
    return [(answer.status_code, str(answer.json()["code"])) for answer in tried]


def test_a_village_sees_its_own_cameras_only(county: County, village: httpx.Client) -> None:  # noqa: F811
    assert [camera["id"] for camera in village.get("/api/v1/cameras").json()["items"]] == ["gate-east"]
    assert [org["id"] for org in village.get("/api/v1/orgs").json()["items"]] == ["east-village"]
    stored = village.get("/api/v1/storage").json()["cameras"]
    assert {row["camera_id"] for row in stored} <= {"gate-east"}
    assert village.get("/api/v1/audit").status_code == 403
    assert village.get("/api/v1/users").status_code == 403
    assert village.get("/api/v1/live-sessions").status_code == 403


def test_what_lies_elsewhere_looks_like_what_does_not_exist(village: httpx.Client) -> None:
    elsewhere, nowhere = answers(village, "gate-west"), answers(village, "gate-none")
    assert elsewhere == nowhere
    assert {status for status, _ in elsewhere} <= {403, 404}
    for org_id in ("west", "no-such"):
        assert village.get(f"/api/v1/orgs/{org_id}").json()["code"] == "unknown_org"
        assert village.get("/api/v1/cameras", params={"org_id": org_id}).status_code == 404


def test_a_village_probes_and_makes_nothing(county: County, village: httpx.Client) -> None:  # noqa: F811
    body = {"source_url": county.source(2)}
    assert village.post("/api/v1/cameras/probe", json={**body, "camera_id": "gate-west"}).status_code == 403
    assert village.post("/api/v1/cameras/probe", json=body).status_code == 403
    camera = {"id": "mine", "name": "x", "org_id": "east-village", **body}
    assert village.post("/api/v1/cameras", json=camera).status_code == 403


def test_looking_is_not_taking_away(county: County, village: httpx.Client, grant: str) -> None:  # noqa: F811
    looked = village.get("/api/v1/cameras/gate-east/playback.m3u8", params={"grant": grant})
    assert looked.status_code == 200
    taken = village.get("/api/v1/cameras/gate-east/playback.mp4", params={"grant": grant})
    assert (taken.status_code, taken.json()["code"]) == (403, "denied")
    county.add_user("qu", "east-village", "retriever")
    retriever = county.log_in("qu")
    own = {"grant": county.grant(retriever, "gate-east")}
    wanted = {"Range": "bytes=0-99"}
    got = retriever.get("/api/v1/cameras/gate-east/playback.mp4", params=own, headers=wanted)
    assert got.status_code in {206, 409}, got.text


def test_an_audit_row_comes_before_the_first_picture_and_one_after_the_last(
    county: County,  # noqa: F811
    village: httpx.Client,
) -> None:
    viewer = county.watch(village, "gate-east")
    first_seen_wall_s = time.time() - (time.monotonic() - viewer.seen[0])
    started = county.audit(action="view.start", user_id="dong")[0]
    assert started["target_id"] == "gate-east"
    assert wall_s(started["at"]) <= first_seen_wall_s
    assert [row for row in county.audit(action="view.end") if row["user_id"] == "dong"] == []
    assert village.delete(viewer.location).status_code == 204
    ended = wait_for("the end is written", lambda: county.audit(action="view.end", user_id="dong"), 5.0)[0]
    assert ended["details"]["session"] == started["details"]["session"]
    assert (ended["details"]["reason"], ended["outcome"]) == ("viewer", "ok")


def wall_s(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


class Ear:
    """An open event stream, and when it ended."""

    def __init__(self, client: httpx.Client) -> None:
        """Begin to listen in a thread."""
        self._client = client
        self.lines: list[str] = []
        self.ended_s: float | None = None
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()
        wait_for("the event stream is open", lambda: "event: ready" in self.lines, 5.0)

    def _listen(self) -> None:
        try:
            with self._client.stream("GET", "/api/v1/events", timeout=30) as answer:
                self.lines.extend(iter_lines(answer))
        except httpx.HTTPError:
            self.lines.append("broken")
        self.ended_s = time.monotonic()


def iter_lines(answer: httpx.Response) -> Iterator[str]:
    yield from answer.iter_lines()


@contextmanager
def everything_open(county: County, name: str, org_id: str | None, *roles: str) -> Iterator[tuple[Any, ...]]:  # noqa: F811
    """Give somebody with a live view, an event stream and a playback grant."""
    county.add_user(name, org_id, *roles)
    client = county.log_in(name)
    viewer, ear = (
        county.watch(client, "gate-east"),
        Ear(county.client(client.headers["Authorization"].partition(" ")[2])),
    )
    yield client, viewer, ear, county.grant(client, "gate-east")


def grant_ends_after_s(county: County, token: str, since: float) -> float:  # noqa: F811
    """Return how long after `since` a grant is refused; asked without a bearer token, as a `<video>` would."""
    params, outside = {"grant": token}, county.client()
    refused = lambda: outside.get("/api/v1/cameras/gate-east/playback.m3u8", params=params).status_code == 403  # noqa: E731
    wait_for("the grant is refused", refused, PROMISE_S + 1, every_s=0.05)
    return time.monotonic() - since


def say(what: str, **seconds: float) -> None:
    print(what, {key: round(value, 2) for key, value in seconds.items()})


def disable(hub: HubProcess, name: str) -> None:
    assert hub.http.patch(f"/api/v1/users/{name}", json={"enabled": False}).status_code == 200


def new_password(hub: HubProcess, name: str) -> None:
    assert hub.http.patch(f"/api/v1/users/{name}", json={"password": "Neues-Wort-2027"}).status_code == 200


def remove(hub: HubProcess, name: str) -> None:
    assert hub.http.delete(f"/api/v1/users/{name}").status_code == 204


@pytest.mark.parametrize("cut", [disable, new_password, remove])
def test_an_account_that_ends_loses_pictures_events_and_grants(
    county: County,  # noqa: F811
    cut: Callable[[HubProcess, str], None],
) -> None:
    name = f"weg-{cut.__name__.replace('_', '-')}"
    with everything_open(county, name, "east", "operator") as (client, viewer, ear, token):
        since = time.monotonic()
        cut(county.hub, name)
        grant_s = grant_ends_after_s(county, token, since)
        wait_for("the event stream ends", lambda: ear.ended_s, PROMISE_S, every_s=0.02)
        pictures_s = viewer.ended_after_s(since)
        say(cut.__name__, pictures=pictures_s, events=ear.ended_s - since, grant=grant_s)
        assert max(pictures_s, ear.ended_s - since, grant_s) < PROMISE_S
        assert "event: session.revoked" in ear.lines
        assert client.get("/api/v1/auth/me").status_code == 401
        ended = [row for row in county.audit(action="view.end") if row["username"] == name]
        assert [row["details"]["reason"] for row in ended] == ["revoked"]


def test_logging_out_ends_ones_own_pictures_events_and_grants(county: County) -> None:  # noqa: F811
    with everything_open(county, "geht", "east", "operator") as (client, viewer, ear, token):
        since = time.monotonic()
        assert client.post("/api/v1/auth/logout").status_code == 204
        grant_s = grant_ends_after_s(county, token, since)
        wait_for("the event stream ends", lambda: ear.ended_s, PROMISE_S, every_s=0.02)
        pictures_s = viewer.ended_after_s(since)
        say("logout", pictures=pictures_s, events=ear.ended_s - since, grant=grant_s)
        assert max(pictures_s, ear.ended_s - since, grant_s) < PROMISE_S
        assert client.get("/api/v1/auth/me").status_code == 401


def test_a_role_withdrawn_ends_what_it_allowed_and_nothing_else(county: County) -> None:  # noqa: F811
    with everything_open(county, "ohne", "east", "operator") as (client, viewer, ear, token):
        since = time.monotonic()
        assert county.hub.http.patch("/api/v1/users/ohne", json={"roles": []}).status_code == 200
        grant_s, pictures_s = grant_ends_after_s(county, token, since), viewer.ended_after_s(since)
        say("role", pictures=pictures_s, grant=grant_s)
        assert max(pictures_s, grant_s) < PROMISE_S
        assert client.get("/api/v1/auth/me").json()["verbs"] == []
        assert client.get("/api/v1/cameras").status_code == 403
        wait_for("told", lambda: "event: session.revoked" in ear.lines, PROMISE_S)
        assert ear.ended_s is None, "the log-in itself still stands"


def test_a_grant_on_one_camera_opens_it_and_its_withdrawal_closes_it(county: County) -> None:  # noqa: F811
    hub = county.hub
    county.add_user("gast", "west-village")
    guest = county.log_in("gast")
    assert answers(guest, "gate-east") == answers(guest, "gate-none")
    granted = {"verbs": ["live.view", "replay.view"]}
    assert hub.http.put("/api/v1/users/gast/camera-grants/gate-east", json=granted).status_code == 200
    viewer, token = county.watch(guest, "gate-east"), county.grant(guest, "gate-east")
    assert [camera["id"] for camera in guest.get("/api/v1/cameras").json()["items"]] == ["gate-east"]
    since = time.monotonic()
    assert hub.http.delete("/api/v1/users/gast/camera-grants/gate-east").status_code == 204
    grant_s, pictures_s = grant_ends_after_s(county, token, since), viewer.ended_after_s(since)
    say("camera grant", pictures=pictures_s, grant=grant_s)
    assert max(pictures_s, grant_s) < PROMISE_S
    assert guest.get("/api/v1/cameras").status_code == 403


def test_a_camera_moved_out_of_ones_subtree_is_out_of_sight(county: County, village: httpx.Client) -> None:  # noqa: F811
    viewer, move = county.watch(village, "gate-east"), county.hub.http.patch
    since = time.monotonic()
    try:
        assert move("/api/v1/cameras/gate-east", json={"org_id": "west-village"}).status_code == 200
        pictures_s = viewer.ended_after_s(since)
        say("camera moved", pictures=pictures_s)
        assert pictures_s < PROMISE_S
        assert village.get("/api/v1/cameras/gate-east").status_code == 404
    finally:
        assert move("/api/v1/cameras/gate-east", json={"org_id": "east-village"}).status_code == 200


def test_a_session_is_its_viewers_own(county: County, village: httpx.Client) -> None:  # noqa: F811
    viewer = county.watch(village, "gate-east")
    county.add_user("neben", "east-village", "operator")
    neighbour = county.log_in("neben")
    for client in (neighbour, county.hub.http):
        assert client.delete(viewer.location).status_code == 404
        patched = client.patch(
            viewer.location, content="a=x", headers={"Content-Type": "application/trickle-ice-sdpfrag"}
        )
        assert patched.status_code == 404
    viewer.watches_on()
    assert village.delete(viewer.location).status_code == 204


def test_the_sockets_and_files_of_the_hub_are_for_its_user_only(county: County) -> None:  # noqa: F811
    data = county.hub.data_dir
    run = next(path for path in data.rglob("worker-0.sock")).parent
    assert run.stat().st_mode & 0o777 == 0o700
    for name in ("worker-0.sock", "replay.sock", "valkey.sock"):
        assert (run / name).stat().st_mode & 0o077 == 0, name
    kept = [*data.glob("xiangyun.db*"), data / "secret.key", *data.glob("tls/*.key"), *data.glob("recordings/**/*.mp4")]
    assert len(kept) > 4
    assert [str(path) for path in kept if path.exists() and path.stat().st_mode & 0o077] == []


def test_audit_rows_stand_and_a_changed_one_is_found(county: County) -> None:  # noqa: F811
    assert county.hub.get("/audit/verify") == {"intact": True, "first_broken": None}
    with sqlite3.connect(county.hub.data_dir / "xiangyun.db", timeout=10) as database:
        for sql in ("UPDATE audit_log SET username = 'nobody' WHERE seq = 5", "DELETE FROM audit_log WHERE seq = 5"):
            with pytest.raises(sqlite3.IntegrityError):
                database.execute(sql)
        triggers = database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'audit_log'")
        for (name,) in triggers.fetchall():
            database.execute(f"DROP TRIGGER {name}")
        database.execute("UPDATE audit_log SET username = 'nobody' WHERE seq = 5")
    database.close()
    assert county.hub.get("/audit/verify") == {"intact": False, "first_broken": 5}


def test_nothing_secret_is_in_the_log(county: County) -> None:  # noqa: F811
    assert county.leaked() == []


def psql(cluster: Cluster, database: str, sql: str) -> str:  # noqa: F405
    """Return what PostgreSQL says against `sql`; empty when it was done."""
    command = ["psql", "-h", str(cluster.folder), "-p", str(cluster.port), "-U", "postgres", "-d", database, "-qc", sql]
    return subprocess.run(command, capture_output=True, text=True, check=False).stderr


@pytest.mark.foreign
def test_audit_rows_stand_in_postgresql_too(postgres_cluster: Cluster, tmp_path: Path) -> None:  # noqa: F405
    url = postgres_cluster.fresh()
    with HubProcess(tmp_path / "data", env={"XIANGYUN_DATABASE_URL": url}) as hub:
        hub.login()
        hub.root_org()
        name = url.partition("@/")[2].partition("?")[0]
        for sql in ("UPDATE audit_log SET username = 'x'", "DELETE FROM audit_log", "TRUNCATE audit_log"):
            assert "append-only" in psql(postgres_cluster, name, sql), sql
        assert hub.get("/audit/verify") == {"intact": True, "first_broken": None}
        tampered = "ALTER TABLE audit_log DISABLE TRIGGER ALL; UPDATE audit_log SET username = 'x' WHERE seq = 2"
        assert psql(postgres_cluster, name, tampered) == ""
        assert hub.get("/audit/verify") == {"intact": False, "first_broken": 2}
        log = hub.log_path.read_text()
        assert PASSWORD not in log
    postgres_cluster.drop(url)
