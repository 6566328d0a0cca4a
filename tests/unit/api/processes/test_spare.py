"""A spare: the next child of its kind, started ahead of the death it is for."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from api.processes import spare as spare_module
from api.processes.child import ChildSpec
from api.processes.supervisor import Supervisor
from media.base.clock import SystemClock
from media.base.tasks import Owner
from tests.integration.fixtures_state import until

SLEEPER = "import time; time.sleep(60)"


def waiter(path: Path) -> str:
    """Return a program that says when it waits, and what it was told."""
    return (
        "import sys, time\n"
        f"open({str(path)!r}, 'a').write('waits ')\n"
        "word = sys.stdin.readline().strip()\n"
        f"open({str(path)!r}, 'a').write(f'told {{word}} ')\n"
        "time.sleep(60)\n"
    )


def spec(name: str, code: str, **more) -> ChildSpec:
    return ChildSpec(name=name, argv=[sys.executable, "-S", "-c", code], environment=dict(os.environ), **more)


@asynccontextmanager
async def running(spare: ChildSpec, *specs: ChildSpec) -> AsyncIterator[Supervisor]:
    supervised = Supervisor(specs, SystemClock(), spare=spare)
    async with Owner("test") as owner:
        task = owner.start(supervised.run(), "supervisor")
        await until(lambda: all(supervised.pid_of(one.name) for one in specs))
        yield supervised
        supervised.request_stop()
        await asyncio.wait_for(task, 10)


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spare_module, "START_AFTER_S", 0.05)
    monkeypatch.setattr(spare_module, "LOOK_EVERY_S", 0.01)


def said(path: Path) -> list[str]:
    return path.read_text().split() if path.exists() else []


async def test_the_waiting_process_takes_the_dead_ones_place(tmp_path: Path) -> None:
    story = tmp_path / "story"
    workers = [spec(f"worker {number}", SLEEPER, spare_word=str(number)) for number in range(2)]
    async with running(spec("spare", waiter(story), is_told=True), *workers) as supervised:
        await until(lambda: said(story) == ["waits"])
        waiting = supervised._spare.pid
        os.kill(supervised.pid_of("worker 1"), signal.SIGKILL)
        await until(lambda: supervised.pid_of("worker 1") == waiting)
        await until(lambda: said(story)[:3] == ["waits", "told", "1"])
        await until(lambda: said(story).count("waits") == 2)  # the next one
        assert supervised._spare.pid not in {None, waiting}


async def test_a_child_of_another_kind_is_started_anew(tmp_path: Path) -> None:
    story = tmp_path / "story"
    async with running(spec("spare", waiter(story), is_told=True), spec("api", SLEEPER)) as supervised:
        await until(lambda: said(story) == ["waits"])
        first = supervised.pid_of("api")
        os.kill(first, signal.SIGKILL)
        await until(lambda: supervised.pid_of("api") not in {None, first})
        assert said(story) == ["waits"]


async def test_without_one_waiting_a_worker_is_started_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spare_module, "START_AFTER_S", 60)
    async with running(spec("spare", SLEEPER, is_told=True), spec("worker", SLEEPER, spare_word="0")) as supervised:
        first = supervised.pid_of("worker")
        os.kill(first, signal.SIGKILL)
        await until(lambda: supervised.pid_of("worker") not in {None, first})


async def test_a_dead_spare_is_replaced_and_the_last_ends_with_the_supervisor(tmp_path: Path) -> None:
    story = tmp_path / "story"
    async with running(spec("spare", waiter(story), is_told=True), spec("api", SLEEPER)) as supervised:
        await until(lambda: said(story) == ["waits"])
        os.kill(supervised._spare.pid, signal.SIGKILL)
        await until(lambda: said(story) == ["waits", "waits"])
        last = supervised._spare.pid
    await until(lambda: not Path(f"/proc/{last}").exists() or "Z" in Path(f"/proc/{last}/stat").read_text().split())


async def test_a_program_that_does_not_exist_is_tried_again() -> None:
    missing = ChildSpec(name="spare", argv=["/nonexistent"], is_told=True)
    async with running(missing, spec("worker", SLEEPER, spare_word="0")) as supervised:
        await asyncio.sleep(0.2)
        assert supervised._spare.pid is None
        assert supervised.pid_of("worker") is not None


def told(text: str) -> subprocess.CompletedProcess[str]:
    code = "from api.processes.spare import wait_for_slot; import sys\nprint(wait_for_slot(), repr(sys.stdin.buffer.read()))"
    return subprocess.run(
        [sys.executable, "-c", code], input=text, capture_output=True, text=True, timeout=30, check=False
    )


def test_the_process_hears_its_slot_and_nothing_more() -> None:
    done = told("3\nmore\n")
    assert (done.returncode, done.stdout.split()[0]) == (0, "3")


def test_the_process_ends_when_nobody_is_left_to_tell_it() -> None:
    done = told("")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
