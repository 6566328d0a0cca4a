"""Settings: one source of truth, sentences for what is wrong, and an example file that is true."""

import re
import tomllib
from pathlib import Path

import pytest

from api.settings import Settings, SettingsError, load_settings

EXAMPLE = Path(__file__).parents[3] / "deploy" / "xiangyun.example.toml"
SECRET = "hunter2-hunter2-hunter2"


def load(tmp_path: Path, toml: str | None = None, **environ: str) -> Settings:
    if toml is not None:
        (tmp_path / "xiangyun.toml").write_text(toml, encoding="utf-8")
    return load_settings({}, environ, tmp_path)


def problems(tmp_path: Path, toml: str | None = None, **environ: str) -> str:
    with pytest.raises(SettingsError) as caught:
        load(tmp_path, toml, **environ)
    return caught.value.message


def test_command_line_wins_over_environment_over_file_over_default(tmp_path: Path) -> None:
    (tmp_path / "xiangyun.toml").write_text("port = 1001\ntls_port = 1002\nhost = '::1'\n")
    settings = load_settings(
        {"port": 3003, "host": None}, {"XIANGYUN_PORT": "2002", "XIANGYUN_TLS_PORT": "2003"}, tmp_path
    )
    assert (settings.port, settings.tls_port, settings.host, settings.log_level) == (3003, 2003, "::1", "info")


def test_lists_are_commas_in_the_environment_and_lists_in_the_file(tmp_path: Path) -> None:
    settings = load(
        tmp_path, 'public_addresses = ["a.cn", "203.0.113.7"]', XIANGYUN_SOURCE_NETWORKS="10.0.0.0/8, 192.168.1.7/24,"
    )
    assert settings.public_addresses == ("a.cn", "203.0.113.7")
    assert settings.source_networks == ("10.0.0.0/8", "192.168.1.0/24")


def test_an_unknown_key_is_named_and_the_meant_one_proposed(tmp_path: Path) -> None:
    said = problems(tmp_path, "prot = 1\n", XIANGYUN_DATADIR="x", XIANGYUN_ZZZ="1")
    assert "unknown setting 'prot'; did you mean port?" in said
    assert "unknown environment variable XIANGYUN_DATADIR; did you mean XIANGYUN_DATA_DIR?" in said
    assert "XIANGYUN_ZZZ" in said


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("PORT", "70000", "port: Input should be less than or equal to 65535"),
        ("PORT", "eighty", "port: Input should be a valid integer"),
        ("SOURCE_NETWORKS", "10.0.0.0/99", "is not a network such as 192.168.0.0/16"),
        ("TURN_URLS", "http://x", "is not a URL such as turn:"),
        ("TLS_CERT", "server.crt", "tls_cert and tls_key go together"),
        ("TLS_PORT", "8000", "port and tls_port must differ"),
        ("TURN_URLS", "turn:a.cn:3478", "turn_urls needs turn_secret"),
        ("NODE", "乡云", "a node name is 1 to 64 characters"),
        ("WORKERS", "0", "workers: Input should be greater than or equal to 1"),
        ("LOG_LEVEL", "loud", "log_level"),
    ],
)
def test_a_bad_value_is_one_sentence(tmp_path: Path, name: str, value: str, says: str) -> None:
    said = problems(tmp_path, **{f"XIANGYUN_{name}": value})
    assert says in said
    assert "\n" not in said


def test_no_message_and_no_repr_shows_a_secret(tmp_path: Path) -> None:
    said = problems(tmp_path, XIANGYUN_SECRET_KEY="short", XIANGYUN_PORT="x", XIANGYUN_ADMIN_PASSWORD=SECRET)
    assert "secret_key" in said
    assert "short" not in said.replace("too short", "")
    assert SECRET not in said
    shown = repr(load(tmp_path, XIANGYUN_ADMIN_PASSWORD=SECRET, XIANGYUN_DATABASE_URL=f"postgresql://u:{SECRET}@h/d"))
    assert SECRET not in shown


def test_a_missing_or_broken_file_is_said_plainly(tmp_path: Path) -> None:
    assert "cannot read" in problems(tmp_path, XIANGYUN_CONFIG="absent.toml")
    assert "is not TOML" in problems(tmp_path, "port = = 1")


def test_paths_are_absolute_against_the_working_directory(tmp_path: Path) -> None:
    settings = load(tmp_path, XIANGYUN_DATA_DIR="here", XIANGYUN_VOLUMES="/srv/a,b")
    assert settings.data_dir == tmp_path / "here"
    assert settings.recording_volumes == (Path("/srv/a"), tmp_path / "b")
    assert load(tmp_path).recording_volumes == (tmp_path / "data" / "recordings",)


def test_children_get_exactly_the_same_settings(tmp_path: Path) -> None:
    settings = load(
        tmp_path,
        XIANGYUN_ADMIN_PASSWORD=SECRET,
        XIANGYUN_VOLUMES="a,b",
        XIANGYUN_TURN_URLS="stun:s.cn",
        XIANGYUN_NODE="box-1",
    )
    again = load_settings({}, settings.environment(), Path("/"))
    assert again == settings


def test_a_long_data_directory_gets_a_short_place_for_its_sockets(tmp_path: Path) -> None:
    settings = load(tmp_path, XIANGYUN_DATA_DIR="d" * 120)
    assert len(str(settings.worker_socket(63))) < 108
    assert settings.run_dir != load(tmp_path, XIANGYUN_DATA_DIR="e" * 120).run_dir
    assert load(tmp_path, XIANGYUN_DATA_DIR="/srv/d").run_dir == Path("/srv/d/run")


class TestExampleFile:
    def keys(self, kind: str) -> dict[str, object]:
        lines = [
            match.group(1)
            for line in EXAMPLE.read_text(encoding="utf-8").splitlines()
            if (match := re.fullmatch(rf"# {kind}([a-z_]+ = .+)", line))
        ]
        return tomllib.loads("\n".join(lines))

    def test_every_setting_is_shown_exactly_once(self) -> None:
        defaults, examples = self.keys(""), self.keys("example: ")
        assert sorted([*defaults, *examples]) == sorted(Settings.model_fields)

    def test_shown_defaults_are_the_defaults(self, tmp_path: Path) -> None:
        shown = "\n".join(
            line[2:] for line in EXAMPLE.read_text(encoding="utf-8").splitlines() if re.match(r"# [a-z_]+ = ", line)
        )
        node = {"XIANGYUN_NODE": "here"}
        assert load(tmp_path, shown, **node) == load_settings({}, node, tmp_path / ".")

    def test_shown_examples_are_accepted(self, tmp_path: Path) -> None:
        text = EXAMPLE.read_text(encoding="utf-8").replace("# example: ", "")
        assert load(tmp_path, text).node == "county-1"

    def test_the_file_as_it_is_changes_nothing(self, tmp_path: Path) -> None:
        assert load(tmp_path, EXAMPLE.read_text(encoding="utf-8")) == load_settings({}, {}, tmp_path)


def test_there_is_a_worker_for_each_processor_the_hub_may_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(4)))
    assert load_settings({}, {}, tmp_path).workers == 4
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(96)))
    assert load_settings({}, {}, tmp_path).workers == 16
