"""One supervised child process: how to start it, and its life from start to end.

Used by `api.processes.supervisor` on its loop. A child is its own session and process group, so that Ctrl-C on the
terminal reaches only the supervisor, and so that whatever a killed child leaves behind can be ended with it. The
kernel ends it (SIGTERM) when the supervisor dies. Never starts a shell.
"""

import asyncio
import contextlib
import ctypes
import os
import signal
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

_PR_SET_PDEATHSIG = 1
"""prctl(2)."""

_libc = ctypes.CDLL(None, use_errno=True)
"""Loaded before any fork: nothing may be loaded between fork and exec."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildSpec:
    """How to run one child.

    `stop_rank`: children of a lower rank are stopped first, those of one rank together. `stop_timeout_s` is what it
    gets between SIGTERM and SIGKILL. `before_restart` is called with the number of early deaths in a row, before
    the child is started again. `spare_word`: what a spare is told to become this child. `is_told`: it can be told.
    """

    name: str
    argv: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    stop_rank: int = 0
    stop_timeout_s: float = 5.0
    inherited_fds: tuple[int, ...] = ()
    before_restart: Callable[[int], None] | None = None
    spare_word: str | None = None
    is_told: bool = False


def die_with_parent(parent_pid: int) -> Callable[[], None]:
    """Return what a forked child runs before exec: ask the kernel for SIGTERM when the parent dies."""

    def ask() -> None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != parent_pid:
            os._exit(1)  # the parent died between fork and prctl

    return ask


class Orphans:
    """Collects ended processes that nobody waits for: as process 1 of a container the supervisor inherits them."""

    def __init__(self) -> None:
        """Know none yet."""
        self._seen = 0

    def collect(self, own: Collection[int]) -> int:
        """Collect the orphans seen at the last call already, except `own` children; return how many.

        The second look gives whoever started the process the time to wait for it.
        """
        count = 0
        while True:
            try:
                found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return count
            if found is None or found.si_pid in own:
                return count
            if found.si_pid != self._seen:
                self._seen = found.si_pid
                return count
            with contextlib.suppress(ChildProcessError):
                os.waitpid(found.si_pid, os.WNOHANG)
            count += 1


class Child:
    """A running child process."""

    def __init__(self, spec: ChildSpec, process: asyncio.subprocess.Process) -> None:
        """Wrap a started process."""
        self.spec = spec
        self._process = process

    @classmethod
    async def start(cls, spec: ChildSpec) -> "Child":
        """Start the child; OSError when its program cannot be run."""
        process = await asyncio.create_subprocess_exec(
            *spec.argv,
            env=dict(spec.environment),
            stdin=asyncio.subprocess.PIPE if spec.is_told else asyncio.subprocess.DEVNULL,
            start_new_session=True,
            pass_fds=spec.inherited_fds,
            preexec_fn=die_with_parent(os.getpid()),  # two system calls, nothing allocated or locked
        )
        return cls(spec, process)

    def become(self, spec: ChildSpec, word: str) -> "Child":
        """Return this process as the child of `spec`, after telling it `word`."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{word}\n".encode())
        self._process.stdin.close()
        return Child(spec, self._process)

    @property
    def pid(self) -> int:
        """Return the process id."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Tell whether the process has not ended yet."""
        return self._process.returncode is None

    async def wait(self) -> int:
        """Return the exit status once it ended (negative: the signal), and end what it left in its group."""
        status = await self._process.wait()
        self._signal_group(signal.SIGKILL)
        return status

    async def stop(self, timeout_s: float) -> None:
        """SIGTERM, wait up to `timeout_s`, SIGKILL."""
        if self.is_running:
            with contextlib.suppress(ProcessLookupError):
                self._process.terminate()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await self._process.wait()
        self.kill()
        await self._process.wait()

    def kill(self) -> None:
        """SIGKILL the child and its whole group at once."""
        self._signal_group(signal.SIGKILL)

    def _signal_group(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)
