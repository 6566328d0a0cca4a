"""`xiangyun run`: check the ground, take the data directory, start the children in order and watch over them.

Called by the command line in the parent process. Which child does what is said in ARCHITECTURE.md. The stop order is
api (nothing new comes in), workers (recordings are closed), replay, valkey: within 10 s in all.
"""

import asyncio
import http.client
import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from enum import StrEnum

import setproctitle
import structlog

from api.processes.child import ChildSpec
from api.processes.home import API_LOCK, WORKER_LOCK, DataDirLock, prepare
from api.processes.ports import ports_of, why_not
from api.processes.start import set_up_log
from api.processes.supervisor import Supervisor
from api.processes.valkey import valkey_child
from api.settings import PREFIX, Settings
from media.base.clock import SystemClock
from media.base.errors import ErrorKind, HubError
from media.base.tasks import Owner

log = structlog.get_logger(__name__)

OnReady = Callable[[Settings], Awaitable[None]]

READY_POLL_S = 0.2


class Role(StrEnum):
    """Which part of the hub this machine runs."""

    ALL = "all"
    API = "api"
    WORKER = "worker"


_LOCKS = {Role.ALL: (WORKER_LOCK, API_LOCK), Role.API: (API_LOCK,), Role.WORKER: (WORKER_LOCK,)}


def child_environment(settings: Settings) -> dict[str, str]:
    """Return the environment of our own children: ours without settings, plus the resolved settings."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(PREFIX)}
    return inherited | settings.environment() | {"XIANGYUN_CONFIG": os.devnull}


def python_child(
    settings: Settings,
    name: str,
    argv: Sequence[str],
    *,
    stop_rank: int,
    stop_timeout_s: float,
    lock_fds: tuple[int, ...],
) -> ChildSpec:
    """Return a child that runs our own Python with the resolved settings."""
    return ChildSpec(
        name=name,
        argv=[sys.executable, *argv],
        environment=child_environment(settings),
        stop_rank=stop_rank,
        stop_timeout_s=stop_timeout_s,
        inherited_fds=lock_fds,
    )


def hub_children(settings: Settings, role: Role, lock_fds: tuple[int, ...]) -> list[ChildSpec]:
    """Return the children of the role in the order of their start; the stop budgets add up to 10 s."""
    children: list[ChildSpec] = []

    def add(name: str, module: str, *arguments: str, stop_rank: int, stop_timeout_s: float) -> None:
        argv = ["-m", module, *arguments]
        children.append(
            python_child(settings, name, argv, stop_rank=stop_rank, stop_timeout_s=stop_timeout_s, lock_fds=lock_fds)
        )

    if settings.redis_url is None:
        children.append(valkey_child(settings, stop_rank=3, inherited_fds=lock_fds))
    if role is not Role.API:
        for slot in range(settings.workers):
            add(f"worker {slot}", "api.processes.worker", str(slot), stop_rank=1, stop_timeout_s=5.0)
            children[-1] = replace(children[-1], spare_word=str(slot))
        add("replay", "api.processes.replay", stop_rank=2, stop_timeout_s=1.0)
    if role is not Role.WORKER:
        add("api", "api.processes.api", stop_rank=0, stop_timeout_s=2.5)
    return children


def spare_worker(settings: Settings, role: Role, lock_fds: tuple[int, ...]) -> ChildSpec | None:
    """Return the process that waits for the death of a worker, where workers run."""
    if role is Role.API:
        return None
    argv = ["-m", "api.processes.worker"]
    spec = python_child(settings, "spare", argv, stop_rank=1, stop_timeout_s=1.0, lock_fds=lock_fds)
    return replace(spec, is_told=True)


def check_ground(settings: Settings, role: Role) -> None:
    """Raise HubError INVALID with every reason why the hub could not come up here."""
    problems: list[str] = []
    if role is not Role.ALL and settings.redis_url is None:
        problems.append(f"--role {role} needs XIANGYUN_REDIS_URL: the roles meet in one Redis")
    if settings.port == 0 and role is not Role.WORKER:
        problems.append("port 0 is not a port browsers can be told")
    uses = ports_of(settings, has_api=role is not Role.WORKER, has_workers=role is not Role.API)
    problems += [problem for use in uses if (problem := why_not(use))]
    if problems:
        raise HubError(ErrorKind.INVALID, "\n".join(problems), code="cannot_start")


def run_hub(
    settings: Settings,
    role: Role = Role.ALL,
    *,
    extra_children: Callable[[Settings, tuple[int, ...]], list[ChildSpec]] | None = None,
    on_ready: OnReady | None = None,
) -> None:
    """Run until told to stop. HubError when the hub cannot start: the ports, the directory, another hub."""
    settings = prepare(settings)
    with DataDirLock.take(settings.data_dir, names=_LOCKS[role]) as lock:
        check_ground(settings, role)
        setproctitle.setproctitle("xiangyun supervisor")
        set_up_log(settings, "supervisor")
        children = hub_children(settings, role, lock.fds)
        if extra_children is not None:
            children += extra_children(settings, lock.fds)
        supervisor = Supervisor(children, SystemClock(), spare=spare_worker(settings, role, lock.fds))
        asyncio.run(_supervise(settings, supervisor, on_ready if role is not Role.WORKER else None))


async def _supervise(settings: Settings, supervisor: Supervisor, on_ready: OnReady | None) -> None:
    supervisor.handle_signals()
    async with Owner("run") as owner:
        if on_ready is not None:
            owner.start(_when_ready(settings, on_ready), "ready")
        await supervisor.run()


async def _when_ready(settings: Settings, on_ready: OnReady) -> None:
    await wait_ready(local_url(settings))
    await on_ready(settings)


def local_url(settings: Settings) -> str:
    """Return the address under which this machine reaches its own console."""
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "": "127.0.0.1"}.get(settings.host, settings.host)  # noqa: S104  # compared, not bound
    return f"http://{host}:{settings.port}"


async def wait_ready(url: str) -> None:
    """Return once `GET {url}/readyz` is 200; for ever patient, the supervisor's log tells what is wrong."""
    while not await asyncio.to_thread(_is_ready, url):  # noqa: ASYNC110  # another process sets no event of ours
        await asyncio.sleep(READY_POLL_S)


def _is_ready(url: str) -> bool:
    """Ask once. With the standard library: the supervisor carries no HTTP client for one question."""
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=2.0)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
