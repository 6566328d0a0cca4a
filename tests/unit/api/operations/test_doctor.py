"""The doctor finds what is wrong and says the cure."""

import socket
import threading
from pathlib import Path

import pytest

from api.operations import doctor
from api.operations.doctor import Health, examine
from api.processes.home import DataDirLock
from api.settings import Settings, load_settings


def settings(tmp_path: Path, **environ: str) -> Settings:
    given = {f"XIANGYUN_{key.upper()}": value for key, value in environ.items()}
    return load_settings({"data_dir": tmp_path / "data"}, {"XIANGYUN_MEDIA_UDP_PORT": "0", **given}, tmp_path)


@pytest.fixture(autouse=True)
def small_test(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "SPEED_TEST_MB", 1)


def test_everything_is_looked_at_and_everything_wrong_has_a_cure(tmp_path: Path) -> None:
    findings = examine(settings(tmp_path))
    subjects = {finding.subject for finding in findings}
    assert {
        "port",
        "udp",
        "turn",
        "clock",
        "disk space",
        "disk speed",
        "codecs",
        "state",
        "address",
        "https",
    } <= subjects
    assert [finding for finding in findings if finding.health is not Health.GOOD and not finding.fix] == []
    assert not (tmp_path / "data").exists()


def test_a_taken_port_is_bad_unless_our_own_hub_has_it(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        wanted = settings(tmp_path, port=str(taken.getsockname()[1]), tls_port="0")
        (finding,) = doctor.check_ports(wanted)
        assert (finding.health, "XIANGYUN_PORT" in finding.fix) == (Health.BAD, True)
        wanted.data_dir.mkdir()
        with DataDirLock.take(wanted.data_dir):
            assert {finding.health for finding in doctor.check_ports(wanted)} == {Health.GOOD}


def answering(sock: socket.socket, *, is_right: bool) -> threading.Thread:
    """Answer one STUN request on `sock`, with its own transaction id or with another."""

    def run() -> None:
        data, where = sock.recvfrom(1500)
        identity = data[4:20] if is_right else b"\x21\x12\xa4\x42" + bytes(12)
        sock.sendto(b"\x01\x01\x00\x00" + identity, where)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


def test_a_turn_server_that_answers_is_good(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        thread = answering(server, is_right=True)
        (finding,) = doctor.check_turn(settings(tmp_path, turn_urls=f"stun:127.0.0.1:{server.getsockname()[1]}"))
        thread.join(5)
    assert finding.health is Health.GOOD


def test_a_turn_server_that_is_away_names_the_port_to_open(tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    (finding,) = doctor.check_turn(settings(tmp_path, turn_urls=f"turns:127.0.0.1:{port}", turn_secret="x"))
    assert finding.health is Health.BAD
    assert f"TCP {port}" in finding.fix


def test_a_slow_disk_is_said_in_cameras(tmp_path: Path) -> None:
    class SlowClock:
        now_ns = 0

        def mono_ns(self) -> int:
            self.now_ns += 1_000_000_000
            return self.now_ns

        def wall_us(self) -> int:
            return 0

    finding = doctor.disk_speed(tmp_path, SlowClock())
    assert finding.health is Health.DOUBTFUL
    assert "about 2 cameras" in finding.says


@pytest.mark.parametrize(
    ("environ", "health"),
    [({}, Health.DOUBTFUL), ({"host": "0.0.0.0"}, Health.GOOD)],
)
def test_a_hub_only_this_machine_reaches_is_doubtful(tmp_path: Path, environ: dict[str, str], health: Health) -> None:
    finding = next(f for f in doctor.check_addresses(settings(tmp_path, **environ)) if f.subject == "address")
    assert finding.health is health


def test_a_database_that_is_away_shows_no_password(tmp_path: Path) -> None:
    wanted = settings(
        tmp_path, database_url="postgresql://u:hunter2hunter2@127.0.0.1:1/x", redis_url="redis://:hunter2@127.0.0.1:1"
    )
    findings = list(doctor.check_servers(wanted))
    assert [finding.health for finding in findings] == [Health.BAD, Health.BAD]
    assert not [finding for finding in findings if "hunter2" in finding.says + finding.fix]
