"""The supervisor over real, tiny children: they come back, stop in order, and never outlive it."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from api.processes import supervisor as supervisor_module
from api.processes.child import ChildSpec
from api.processes.supervisor import Supervisor
from media.base.clock import SystemClock
from media.base.tasks import Owner
from tests.integration.fixtures_state import until

SLEEPER = "import time; time.sleep(60)"
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(60)"
PARENT = (
    "import subprocess, sys, time, pathlib;"
    "p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']);"
    "pathlib.Path(sys.argv[1]).write_text(str(p.pid)); time.sleep(60)"
)


def note_the_end(path: Path, name: str) -> str:
    """Return a program that appends `name` to `path` at SIGTERM, a little later, and ends."""
    return (
        "import signal, sys, time\n"
        f"def end(*_):\n    time.sleep(0.1); open({str(path)!r}, 'a').write({name!r}); sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, end)\n"
        f"open({str(path) + '.up'!r}, 'a').write({name!r})\n"
        "time.sleep(60)\n"
    )


def spec(name: str, code: str, *arguments: str, **more) -> ChildSpec:
    return ChildSpec(
        name=name, argv=[sys.executable, "-S", "-c", code, *arguments], environment=dict(os.environ), **more
    )


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@asynccontextmanager
async def running(*specs: ChildSpec) -> AsyncIterator[Supervisor]:
    supervised = Supervisor(specs, SystemClock())
    async with Owner("test") as owner:
        task = owner.start(supervised.run(), "supervisor")
        await until(lambda: all(supervised.pid_of(one.name) for one in specs))
        yield supervised
        supervised.request_stop()
        await asyncio.wait_for(task, 10)


async def test_a_killed_child_is_back_within_three_seconds() -> None:
    async with running(spec("worker", SLEEPER)) as supervised:
        first = supervised.pid_of("worker")
        os.kill(first, signal.SIGKILL)
        await until(lambda: supervised.pid_of("worker") not in {None, first}, 3.0)
        assert supervised.restarts == {"worker": 1}


async def test_a_child_that_ends_well_is_started_again_too() -> None:
    async with running(spec("short", "import time; time.sleep(0.1)")) as supervised:
        await until(lambda: supervised.restarts["short"] >= 2)


async def test_a_child_that_keeps_dying_is_given_growing_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    real_sleep = asyncio.sleep

    monkeypatch.setattr(supervisor_module, "ORPHANS_EVERY_S", 0.1)

    async def sleep(delay: float) -> None:
        if delay >= supervisor_module.RESTART_S:
            pauses.append(delay)
        await real_sleep(0)

    monkeypatch.setattr(supervisor_module.asyncio, "sleep", sleep)
    supervised = Supervisor([ChildSpec(name="bad", argv=["/bin/false"])], SystemClock())
    async with Owner("test") as owner:
        task = owner.start(supervised.run(), "supervisor")
        while len(pauses) < 9:
            await real_sleep(0.01)
        supervised.request_stop()
        await task
    assert pauses[:4] == [0.2, 0.4, 0.8, 1.6]
    assert max(pauses) == supervisor_module.RESTART_LIMIT_S


async def test_a_program_that_does_not_exist_hurts_nobody_else() -> None:
    supervised = Supervisor([ChildSpec(name="gone", argv=["/nonexistent"]), spec("good", SLEEPER)], SystemClock())
    async with Owner("test") as owner:
        task = owner.start(supervised.run(), "supervisor")
        await until(lambda: supervised.restarts["gone"] >= 2 and supervised.pid_of("good"))
        supervised.request_stop()
        await task


async def test_children_are_stopped_in_order_of_rank(tmp_path: Path) -> None:
    ended = tmp_path / "ended"
    specs = [spec(name, note_the_end(ended, name), stop_rank=rank) for name, rank in (("v", 3), ("w", 1), ("a", 0))]
    async with running(*specs):
        await until(lambda: len(Path(f"{ended}.up").read_text()) == 3 if Path(f"{ended}.up").exists() else False)
    assert ended.read_text() == "awv"


async def test_a_stubborn_child_is_killed_when_its_time_is_up() -> None:
    async with running(spec("stubborn", STUBBORN, stop_timeout_s=0.3)) as supervised:
        pid = supervised.pid_of("stubborn")
        await asyncio.sleep(0.2)
        started = time.monotonic()
    assert not is_alive(pid)
    assert time.monotonic() - started < 3


async def test_the_second_request_kills_at_once() -> None:
    async with running(spec("stubborn", STUBBORN, stop_timeout_s=60)) as supervised:
        pid = supervised.pid_of("stubborn")
        await asyncio.sleep(0.2)
        supervised.request_stop()
        await asyncio.sleep(0.05)
        assert is_alive(pid)
    assert not is_alive(pid)


async def test_what_a_killed_child_leaves_behind_ends_with_it(tmp_path: Path) -> None:
    noted = tmp_path / "grandchild"
    async with running(spec("worker", PARENT, str(noted))) as supervised:
        await until(lambda: noted.exists() and noted.read_text())
        grandchild = int(noted.read_text())
        os.kill(supervised.pid_of("worker"), signal.SIGKILL)
        await until(lambda: not is_alive(grandchild))


async def test_a_child_is_told_of_its_early_deaths_before_it_is_started_again() -> None:
    told: list[int] = []
    async with running(spec("short", "import time; time.sleep(0.05)", before_restart=told.append)):
        await until(lambda: len(told) >= 2)
    assert told[:2] == [1, 2]


def test_children_die_with_a_killed_supervisor(tmp_path: Path) -> None:
    program = (
        "import asyncio, sys\n"
        "from api.processes.child import ChildSpec\n"
        "from api.processes.supervisor import Supervisor\n"
        "from media.base.clock import SystemClock\n"
        "async def main():\n"
        f"    s = Supervisor([ChildSpec(name='c', argv=[sys.executable, '-S', '-c', {SLEEPER!r}])], SystemClock())\n"
        "    t = asyncio.get_running_loop().create_task(s.run())\n"
        "    while not s.pid_of('c'): await asyncio.sleep(0.01)\n"
        "    print('child', s.pid_of('c'), flush=True)\n"
        "    await t\n"
        "asyncio.run(main())\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        line = next(line for line in parent.stdout if line.startswith(b"child "))
        child = int(line.split()[1])
        time.sleep(0.1)
        assert is_alive(child)
        parent.kill()
        parent.wait()
        deadline = time.monotonic() + 3
        while is_alive(child):
            assert time.monotonic() < deadline
            time.sleep(0.02)
    finally:
        parent.kill()
        parent.wait()
        parent.stdout.close()
