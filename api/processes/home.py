"""The data directory: its folders, its one owner, and the secrets made on first run.

Used by the supervisor and by commands that must not meet a running hub. The lock is `flock` on `<data_dir>/lock` for
the workers and `lock-api` for the control plane, because the two roles may share a directory; the children inherit it,
so that a new supervisor waits for stragglers of one that was killed instead of writing beside them. Refuses a second hub
at once, naming the first one's process id.
"""

import fcntl
import os
import secrets
import stat
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from pydantic import SecretStr

from api.processes.volumes import all_volumes
from api.secrets.cipher import load_or_make_secret
from api.settings import Settings
from media.base.errors import ErrorKind, HubError

STRAGGLER_WAIT_S = 12.0
"""Children of a killed supervisor end within the 10 s that an orderly stop may take."""


def _mkdir(path: Path) -> None:
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise HubError(
            ErrorKind.UNAVAILABLE,
            f"cannot make the directory {path}: {error.strerror}; set XIANGYUN_DATA_DIR to a place this user may write",
            code="data_dir",
        ) from error


def prepare(settings: Settings) -> Settings:
    """Make the folders and first-run secrets, and return the settings with the secret key filled in."""
    for path in (settings.data_dir, settings.run_dir, settings.data_dir / "workers", *all_volumes(settings)):
        _mkdir(path)
    _own_run_dir(settings.run_dir)
    if settings.secret_key is not None:
        return settings
    secret = load_or_make_secret(settings.data_dir / "secret.key")
    return settings.model_copy(update={"secret_key": SecretStr(secret)})


def _own_run_dir(run_dir: Path) -> None:
    """Close the socket directory to others: the private apps trust whoever can open their socket."""
    found = run_dir.lstat()
    if found.st_uid != os.getuid() or not stat.S_ISDIR(found.st_mode):
        raise HubError(ErrorKind.DENIED, f"{run_dir} is not a directory of this user; remove it", code="run_dir")
    if found.st_mode & 0o077:
        run_dir.chmod(0o700)


def installation_id(data_dir: Path) -> str:
    """Return the random name of this data directory, making it once; tells two nodes of one name apart."""
    path = data_dir / "installation"
    try:
        name = path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        name = ""
    if not name:
        name = secrets.token_hex(8)
        path.write_text(name + "\n", encoding="ascii")
    return name


WORKER_LOCK = "lock"
API_LOCK = "lock-api"


@dataclass(slots=True)
class DataDirLock:
    """The exclusive right to a data directory, or to one role's part, until the process and its children are gone."""

    fds: tuple[int, ...]

    @classmethod
    def take(
        cls, data_dir: Path, *, names: tuple[str, ...] = (WORKER_LOCK, API_LOCK), wait_s: float = STRAGGLER_WAIT_S
    ) -> Self:
        """Take the lock; HubError CONFLICT `already_running` when another hub holds it.

        When the holder named in the file is dead, waits up to `wait_s` for its last children to end.
        """
        taken: list[int] = []
        try:
            for name in names:
                taken.append(_lock(data_dir / name, wait_s))  # noqa: PERF401  # what was taken is given back
        except HubError:
            for fd in taken:
                os.close(fd)
            raise
        return cls(tuple(taken))

    def release(self) -> None:
        """Give the lock back. The files stay: removing one would let two holders exist."""
        fds, self.fds = self.fds, ()
        for fd in fds:
            os.close(fd)

    def __enter__(self) -> Self:
        """Return the lock."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Release."""
        self.release()


def _lock(path: Path, wait_s: float) -> int:
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    tries = max(1, round(wait_s / 0.1))
    for attempt in range(tries):
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = _pid_in(fd)
            if (holder and _is_alive(holder)) or attempt == tries - 1:
                os.close(fd)
                raise HubError(
                    ErrorKind.CONFLICT,
                    f"another xiangyun runs in {path.parent} (process {holder or 'unknown'})",
                    code="already_running",
                ) from None
            time.sleep(0.1)
        else:
            break
    os.ftruncate(fd, 0)
    os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
    return fd


def _pid_in(fd: int) -> int:
    text = os.pread(fd, 32, 0).decode("ascii", "replace").strip()
    return int(text) if text.isdigit() else 0


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
