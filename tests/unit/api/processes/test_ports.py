"""A port that cannot be opened is one sentence with its cure."""

import socket
from pathlib import Path

import pytest

from api.processes.ports import PortUse, ports_of, why_not
from api.processes.run import Role, check_ground, hub_children
from api.settings import load_settings
from media.base.errors import HubError


def settings(tmp_path: Path, **environ: str):
    return load_settings({"data_dir": tmp_path}, {f"XIANGYUN_{k.upper()}": v for k, v in environ.items()}, tmp_path)


@pytest.mark.parametrize("is_udp", [False, True])
def test_a_taken_port_names_its_setting(is_udp: bool) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM if is_udp else socket.SOCK_STREAM) as taken:
        taken.bind(("127.0.0.1", 0))
        if not is_udp:
            taken.listen()
        port = taken.getsockname()[1]
        said = why_not(PortUse("SOME_PORT", "127.0.0.1", port, is_udp=is_udp))
        assert "is taken by another program" in said
        assert "XIANGYUN_SOME_PORT" in said
    assert why_not(PortUse("SOME_PORT", "127.0.0.1", port, is_udp=is_udp)) is None


def test_a_foreign_address_is_explained() -> None:
    assert "this machine has no such address" in why_not(PortUse("PORT", "203.0.113.7", 8000))
    assert "this machine has no such address" in why_not(PortUse("PORT", "no.such.host.invalid", 8000))


def test_each_worker_has_its_udp_port(tmp_path: Path) -> None:
    uses = ports_of(settings(tmp_path, workers="3", media_udp_port="20000", tls_port="0"))
    assert [(use.port, use.is_udp) for use in uses] == [(8000, False), (20000, True), (20001, True), (20002, True)]


def test_roles_apart_need_a_common_redis(tmp_path: Path) -> None:
    with pytest.raises(HubError, match="needs XIANGYUN_REDIS_URL"):
        check_ground(settings(tmp_path), Role.WORKER)


@pytest.mark.parametrize(
    ("role", "names"),
    [
        (Role.ALL, ["valkey", "worker 0", "worker 1", "replay", "api"]),
        (Role.API, ["valkey", "api"]),
        (Role.WORKER, ["valkey", "worker 0", "worker 1", "replay"]),
    ],
)
def test_each_role_has_its_children(tmp_path: Path, role: Role, names: list[str]) -> None:
    children = hub_children(settings(tmp_path, workers="2"), role, (3,))
    assert [child.name for child in children] == names
    assert sum({child.stop_rank: child.stop_timeout_s for child in children}.values()) <= 10


def test_a_given_redis_means_no_valkey(tmp_path: Path) -> None:
    children = hub_children(settings(tmp_path, redis_url="redis://r.example.cn"), Role.ALL, (3,))
    assert "valkey" not in [child.name for child in children]


def test_secrets_reach_children_by_environment_and_never_by_command_line(tmp_path: Path) -> None:
    children = hub_children(settings(tmp_path, workers="1", secret_key="s" * 20), Role.ALL, (3,))
    assert not [word for child in children for word in child.argv if "s" * 20 in word]
    assert {child.name for child in children if child.environment.get("XIANGYUN_SECRET_KEY")} == {
        "worker 0",
        "replay",
        "api",
    }
