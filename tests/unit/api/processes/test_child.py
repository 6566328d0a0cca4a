"""A child from start to end; and process 1 collects what others left behind, but never a child somebody waits for."""

import asyncio
import contextlib
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from api.processes.child import Child, ChildSpec

PATIENT = "import time; time.sleep(60)"
STUBBORN = (
    "import signal, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); open(sys.argv[1], 'w'); time.sleep(60)"
)
FAMILY = "import subprocess, sys; open(sys.argv[1], 'w').write(str(subprocess.Popen(['sleep', '60']).pid))"


def spec(code: str, *arguments: str) -> ChildSpec:
    return ChildSpec(name="child", argv=[sys.executable, "-S", "-c", code, *arguments])


async def test_the_status_is_the_programs_own() -> None:
    child = await Child.start(spec("raise SystemExit(3)"))
    assert await child.wait() == 3
    assert not child.is_running


async def test_a_child_that_obeys_is_stopped_by_a_word() -> None:
    child = await Child.start(spec(PATIENT))
    await child.stop(10.0)
    assert await child.wait() == -15


async def test_a_child_that_does_not_obey_is_killed_in_time(tmp_path: Path) -> None:
    deaf = tmp_path / "deaf"
    child = await Child.start(spec(STUBBORN, str(deaf)))
    async with asyncio.timeout(10):
        await asyncio.to_thread(wait_until, deaf.exists)
        await child.stop(0.2)
    assert await child.wait() == -9


async def test_what_a_dead_child_leaves_behind_is_ended_with_it(tmp_path: Path) -> None:
    page = tmp_path / "pid"
    child = await Child.start(spec(FAMILY, str(page)))
    assert await child.wait() == 0
    async with asyncio.timeout(10):
        await asyncio.to_thread(wait_until, lambda: has_ended(int(page.read_text())))


async def test_a_program_that_does_not_exist_is_said_so() -> None:
    with pytest.raises(FileNotFoundError):
        await Child.start(ChildSpec(name="child", argv=["/nonexistent/program"]))


def has_ended(pid: int) -> bool:
    """Tell whether the process has gone, or is a zombie that nobody waits for."""
    with contextlib.suppress(FileNotFoundError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    return True


def wait_until(is_so: Callable[[], bool]) -> None:
    while not is_so():
        time.sleep(0.01)


PROGRAM = """
import ctypes, os, subprocess, sys, time
from api.processes.child import Orphans
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER: orphans come to us, as to process 1
leave = "import subprocess, sys; [subprocess.Popen([sys.executable, '-S', '-c', '']) for _ in range(3)]"
subprocess.run([sys.executable, "-c", leave], check=True)
own = subprocess.Popen([sys.executable, "-S", "-c", "import sys; sys.exit(7)"])
time.sleep(1.0)
orphans = Orphans()
counts = [orphans.collect(()) for _ in range(2)]
time.sleep(0.1)
for _ in range(6):
    orphans.collect({own.pid})
zombies = [
    line for line in subprocess.run(["ps", "-o", "stat=,pid=", "--ppid", str(os.getpid())], capture_output=True, text=True).stdout.splitlines()
    if line.startswith("Z") and str(own.pid) not in line
]
print(counts[0], len(zombies))
"""


def test_orphans_are_collected_at_the_second_look() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, timeout=20)
    assert done.stdout.split() == ["0", "0"]


OWN = """
import subprocess, sys, time
from api.processes.child import Orphans
own = subprocess.Popen([sys.executable, "-S", "-c", "import sys; sys.exit(7)"])
time.sleep(0.5)
orphans = Orphans()
for _ in range(5):
    orphans.collect({own.pid})
print(own.wait())
"""


def test_an_own_child_is_left_to_whoever_waits_for_it() -> None:
    done = subprocess.run([sys.executable, "-c", OWN], capture_output=True, text=True, check=True, timeout=20)
    assert done.stdout.strip() == "7"
