"""Every setting of the hub: `XIANGYUN_*` environment variables over one TOML file over the defaults below.

Read once by the command line; child processes get the resolved values as environment (`environment`), so that a file
edited while the hub runs cannot give two processes two opinions. Unknown keys are refused by name, and values of
secrets never appear in a message. `deploy/xiangyun.example.toml` is the reference for people; a test keeps it true.
"""

import difflib
import hashlib
import ipaddress
import os
import re
import socket
import tempfile
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from media.base.errors import ErrorKind, HubError
from media.base.ids import is_id
from streams.ingest.networks import DEFAULT_NETWORKS

PREFIX = "XIANGYUN_"
NOT_SETTINGS = frozenset({"XIANGYUN_CONFIG"})
"""Variables with our prefix that say where settings are, and are none themselves."""

UNIX_SOCKET_PATH_MAX = 100
"""Linux allows 107 bytes (unix(7)); the rest is for the file names below `run`."""


class SettingsError(HubError):
    """The settings cannot be used; the message lists every reason, one a line."""

    def __init__(self, problems: list[str]) -> None:
        """Join the problems into one message."""
        self.problems = tuple(problems)
        super().__init__(ErrorKind.INVALID, "\n".join(problems), code="settings")


def _listed(value: object) -> object:
    """Split a comma-separated text; TOML may give a real list."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def _network(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text, strict=False))
    except ValueError:
        msg = f"{text!r} is not a network such as 192.168.0.0/16"
        raise ValueError(msg) from None


def _turn_url(text: str) -> str:
    if not re.fullmatch(r"(stun|stuns|turn|turns):[^\s]+", text):
        msg = f"{text!r} is not a URL such as turn:turn.example.cn:3478?transport=udp"
        raise ValueError(msg)
    return text


def _node(text: str) -> str:
    if not is_id(text):
        msg = "a node name is 1 to 64 characters of a-z, 0-9 and -"
        raise ValueError(msg)
    return text


def default_workers() -> int:
    """Return one media worker per processor this process may use, at most 16."""
    return max(1, min(16, len(os.sched_getaffinity(0))))


def default_node() -> str:
    """Return the host name in the grammar of ids."""
    name = re.sub(r"[^a-z0-9-]+", "-", socket.gethostname().lower()).strip("-")[:64]
    return name or "node"


Texts = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_listed)]
Networks = Annotated[tuple[Annotated[str, AfterValidator(_network)], ...], NoDecode, BeforeValidator(_listed)]
TurnUrls = Annotated[tuple[Annotated[str, AfterValidator(_turn_url)], ...], NoDecode, BeforeValidator(_listed)]
Paths = Annotated[tuple[Path, ...], NoDecode, BeforeValidator(_listed)]
Port = Annotated[int, Field(ge=0, le=65_535)]


class Settings(BaseSettings):
    """One value per setting; the names in capitals with `XIANGYUN_` before them are the environment variables."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", frozen=True, hide_input_in_errors=True)

    data_dir: Path = Path("data")
    volumes: Paths = ()
    host: str = "127.0.0.1"
    port: Port = 8000
    tls_port: Port = 8443
    tls_cert: Path | None = None
    tls_key: Path | None = None
    public_addresses: Texts = ()
    media_udp_port: Annotated[int, Field(ge=0, le=65_000)] = 10_000
    turn_urls: TurnUrls = ()
    turn_secret: SecretStr | None = None
    source_networks: Networks = tuple(DEFAULT_NETWORKS.split(","))
    admin_password: SecretStr | None = None
    secret_key: SecretStr | None = Field(default=None, min_length=16)
    database_url: SecretStr | None = None
    redis_url: SecretStr | None = None
    node: Annotated[str, AfterValidator(_node)] = Field(default_factory=default_node)
    workers: Annotated[int, Field(ge=1, le=64)] = Field(default_factory=default_workers)
    session_spread: Literal["home", "spread"] = "home"
    meeting_days: Annotated[int, Field(ge=1, le=3650)] = 90
    clip_cache: Path | None = None
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["auto", "json", "console"] = "auto"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take what `load_settings` merged, and nothing behind its back."""
        del settings_cls, env_settings, dotenv_settings, file_secret_settings
        return (init_settings,)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.tls_cert is None) != (self.tls_key is None):
            msg = "tls_cert and tls_key go together"
            raise ValueError(msg)
        if self.turn_urls and self.turn_secret is None and any(url.startswith("turn") for url in self.turn_urls):
            msg = "turn_urls needs turn_secret"
            raise ValueError(msg)
        if self.port and self.port == self.tls_port:
            msg = "port and tls_port must differ"
            raise ValueError(msg)
        return self

    @property
    def sqlalchemy_url(self) -> str:
        """Return the address of the database: the given one, or an SQLite file in the data directory."""
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        return f"sqlite:///{self.data_dir / 'xiangyun.db'}"

    @property
    def secret(self) -> str:
        """Return the secret key; settings that went through `api.processes.home.prepare` have one."""
        assert self.secret_key is not None
        return self.secret_key.get_secret_value()

    @property
    def recording_volumes(self) -> tuple[Path, ...]:
        """Return the directories that hold footage: `volumes`, or `recordings` in the data directory."""
        return self.volumes or (self.data_dir / "recordings",)

    @property
    def run_dir(self) -> Path:
        """Return where the unix sockets live; outside the data directory when that path is too long for one."""
        direct = self.data_dir / "run"
        if len(os.fsencode(direct)) + len("/worker-00.sock") <= UNIX_SOCKET_PATH_MAX:
            return direct
        name = hashlib.sha256(os.fsencode(self.data_dir)).hexdigest()[:16]
        return Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()) / f"xiangyun-{os.getuid()}-{name}"

    @property
    def valkey_socket(self) -> Path:
        """Return the socket of the private Valkey."""
        return self.run_dir / "valkey.sock"

    @property
    def replay_socket(self) -> Path:
        """Return the socket of the replay process."""
        return self.run_dir / "replay.sock"

    def worker_socket(self, slot: int) -> Path:
        """Return the socket of the worker in `slot`."""
        return self.run_dir / f"worker-{slot}.sock"

    def relay_socket(self, slot: int) -> Path:
        """Return the socket on which the worker in `slot` serves other workers."""
        return self.run_dir / f"relay-{slot}.sock"

    @property
    def state_url(self) -> str:
        """Return the address of Redis: the given one, or the private Valkey's socket."""
        return self.redis_url.get_secret_value() if self.redis_url else f"unix://{self.valkey_socket}"

    def environment(self) -> dict[str, str]:
        """Return every value as environment variables for a child process; secrets included, so never log it."""
        found: dict[str, str] = {}
        for name in type(self).model_fields:
            value = getattr(self, name)
            if value is None or value == ():
                continue
            if isinstance(value, SecretStr):
                value = value.get_secret_value()
            text = ",".join(str(part) for part in value) if isinstance(value, tuple) else str(value)
            found[PREFIX + name.upper()] = text
        return found


def load_settings(
    overrides: Mapping[str, object] | None = None, environ: Mapping[str, str] | None = None, cwd: Path | None = None
) -> Settings:
    """Return the settings: `overrides` (command line) over `environ` over the TOML file over defaults.

    The file is `XIANGYUN_CONFIG`, or `xiangyun.toml` in `cwd` when there is one. SettingsError lists what is wrong.
    Relative paths become absolute against `cwd`.
    """
    environ = os.environ if environ is None else environ
    cwd = Path.cwd() if cwd is None else cwd
    problems: list[str] = []
    merged: dict[str, Any] = _from_file(environ, cwd, problems)
    merged |= _from_environment(environ, problems)
    merged |= {key: value for key, value in (overrides or {}).items() if value is not None}
    if problems:
        raise SettingsError(problems)
    try:
        settings = Settings(**merged)
    except ValidationError as error:
        raise SettingsError([_sentence(problem) for problem in error.errors(include_input=False)]) from None
    return settings.model_copy(update=_absolute(settings, cwd))


def _from_file(environ: Mapping[str, str], cwd: Path, problems: list[str]) -> dict[str, Any]:
    named = environ.get("XIANGYUN_CONFIG")
    path = cwd / named if named else cwd / "xiangyun.toml"
    if not named and not path.is_file():
        return {}
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        problems.append(f"cannot read {path}: {error.strerror}")
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        problems.append(f"{path} is not TOML: {error}")
        return {}
    unknown = sorted(values.keys() - Settings.model_fields.keys())
    problems.extend(f"{path}: unknown setting {key!r}{_meant(key.lower())}" for key in unknown)
    return values


def _from_environment(environ: Mapping[str, str], problems: list[str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for variable, value in environ.items():
        if not variable.startswith(PREFIX) or variable in NOT_SETTINGS:
            continue
        key = variable.removeprefix(PREFIX).lower()
        if key not in Settings.model_fields or variable != variable.upper():
            problems.append(f"unknown environment variable {variable}{_meant(key, PREFIX)}")
        elif value != "":
            values[key] = value
    return values


def _meant(key: str, prefix: str = "") -> str:
    close = difflib.get_close_matches(key, Settings.model_fields, n=1)
    if not close:
        return ""
    return f"; did you mean {prefix}{close[0].upper() if prefix else close[0]}?"


def _sentence(problem: Mapping[str, Any]) -> str:
    where = ".".join(str(part) for part in problem["loc"])
    said = str(problem["msg"]).removeprefix("Value error, ")
    return f"{where}: {said}" if where else said


def _absolute(settings: Settings, cwd: Path) -> dict[str, object]:
    changed: dict[str, object] = {"data_dir": (cwd / settings.data_dir.expanduser()).resolve()}
    changed["volumes"] = tuple((cwd / path.expanduser()).resolve() for path in settings.volumes)
    for name in ("tls_cert", "tls_key", "clip_cache"):
        path: Path | None = getattr(settings, name)
        if path is not None:
            changed[name] = (cwd / path.expanduser()).resolve()
    return changed
