"""Full disks and killed workers, on a real file system and with a real SIGKILL."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from media.base.clock import SimulatedClock
from media.base.errors import HubError
from media.base.ids import CameraId
from media.packet import EndReason
from recorder.check import check
from recorder.policy import RecordingPolicy
from recorder.recorder import RecorderOptions, State
from recorder.volume import Limits
from tests.unit.recorder import footage
from tests.unit.recorder.world import World, segment_paths, snapshot

pytestmark = pytest.mark.foreign


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A tmpfs of 3 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(disk)], capture_output=True, check=False, text=True
    )
    if done.returncode:
        pytest.skip(f"cannot mount a tmpfs: {done.stderr.strip()}")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


async def fill(world: World, seconds: int, first: int = 0) -> None:
    """Record real pictures over and over until `seconds` are through."""
    reader = world.readers.get(CameraId("gate")) or world.reader()
    for number in range(seconds):
        for unit in footage.video(1, first=first + number * 25, size=4000):
            reader.on_unit(unit)
        with contextlib.suppress(HubError):  # a disk without any room has no index either
            await world.recorder.flush()
        world.clock.advance(1)


async def test_recording_stops_with_an_alarm_before_a_write_fails(small_disk: Path):
    async with World(small_disk, options=RecorderOptions(segment_s=4)) as world:
        reader = world.reader()
        reader.on_run(footage.TRACKS)
        await fill(world, 40)
        assert reader.status.state is State.STOPPED
        assert reader.status.reason == "disk_full"
        assert world.recorder.writers[0].stats.failed_writes == 0
    assert {"disk_full", "recording_stopped"} <= {event[0] for event in world.events}
    assert snapshot(small_disk).gaps[-1].reason == "disk_full"
    assert check([small_disk], deep=True).is_clean


async def test_a_disk_filled_by_others_costs_no_whole_fragment(small_disk: Path):
    """No reserve at all: the write itself fails, somewhere inside a fragment."""
    options = RecorderOptions(segment_s=4, limits=Limits(0, -1 << 40))
    async with World(small_disk, options=options) as world:
        reader = world.reader()
        reader.on_run(footage.TRACKS)
        await fill(world, 3)
        free = os.statvfs(small_disk)
        (small_disk / "other").write_bytes(bytes(free.f_bavail * free.f_frsize - 150_000))
        await fill(world, 4, first=75)
        assert world.recorder.writers[0].stats.failed_writes >= 1
        assert reader.status.state is State.STOPPED
        stopped = segment_paths(small_disk)
        (small_disk / "other").unlink()
        await fill(world, 16, first=175)  # no more than the disk has room for
        assert len(segment_paths(small_disk)) > len(stopped)
        assert reader.status.state is State.RECORDING
        reader.on_end(EndReason.DISCONNECTED)
    assert "disk_full" in [gap.reason for gap in snapshot(small_disk).gaps]
    async with World(small_disk, clock=SimulatedClock(footage.WALL_US + 100_000_000)) as world:
        async with asyncio.timeout(5):
            while not world.recorder.writers[0].is_idle:  # noqa: ASYNC110  # the other end is a thread
                await asyncio.sleep(0.01)
    report = check([small_disk], deep=True)
    assert report.is_clean, report.problems


async def test_below_the_floor_the_oldest_goes_and_recording_goes_on(small_disk: Path):
    options = RecorderOptions(segment_s=4, limits=Limits(1_200_000, 500_000))
    async with World(small_disk, options=options) as world:
        reader = world.reader(policy=RecordingPolicy(retention_days=30, minimum_days=0))
        reader.on_run(footage.TRACKS)
        await fill(world, 60)
        assert reader.status.state is State.RECORDING
        reader.on_end(EndReason.DISCONNECTED)
    assert "retention_deleted" in {event[0] for event in world.events}
    found = snapshot(small_disk)
    assert found.segments[0].start_us > footage.WALL_US
    assert found.streams[0].expired_us == found.segments[0].start_us
    assert check([small_disk]).is_clean


CHILD = """
import asyncio, sys
from pathlib import Path
from media.base.clock import SystemClock
from tests.unit.recorder import footage
from tests.unit.recorder.world import World

async def main():
    async with World(Path(sys.argv[1]), clock=SystemClock()) as world:
        reader = world.reader()
        reader.on_run(footage.TRACKS)
        start = world.clock.wall_us()
        for number, unit in enumerate(footage.merged(footage.video(600, wall_us=start), footage.audio(600, wall_us=start))):
            reader.on_unit(unit)
            while world.recorder.writers[0].queued_bytes:
                await asyncio.sleep(0.001)
            print(unit.dts if unit.track == 0 else -1, flush=True)
            await asyncio.sleep(0.002)

asyncio.run(main())
"""


async def test_kill_9_loses_at_most_the_second_that_was_not_written(tmp_path: Path):
    fed = await asyncio.to_thread(_feed_then_kill, tmp_path)
    assert check([tmp_path]).is_clean
    async with World(tmp_path, clock=SimulatedClock(time.time_ns() // 1000)) as world:  # the child's clock
        async with asyncio.timeout(10):
            while not world.recorder.writers[0].is_idle:  # noqa: ASYNC110  # the other end is a thread
                await asyncio.sleep(0.01)
    found = snapshot(tmp_path)
    written = found.segments[-1].media_start + found.segments[-1].media_ticks
    assert 0 <= (fed - written) / 90_000 <= 1.1  # the open fragment, and the picture that waits for its duration
    assert [gap.reason for gap in found.gaps][-1] == "crash"
    assert check([tmp_path], deep=True).is_clean


def _feed_then_kill(volume: Path) -> int:
    """Start a recording child, read the times of the pictures it was given, kill it in the middle, return the last.

    A time is told when the thread has written what was cut, so that its speed is not what is tested.
    """
    root = Path(__file__).resolve().parents[2]
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(volume)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=root,
        env=os.environ | {"PYTHONPATH": str(root)},
    )
    assert child.stdout is not None
    last = 0
    for number, line in enumerate(child.stdout):
        last = max(last, int(line) if line.strip().isdigit() else 0)
        if number == 700:
            os.kill(child.pid, signal.SIGKILL)
            break
    for line in child.stdout:
        last = max(last, int(line) if line.strip().isdigit() else 0)
    child.wait(timeout=10)
    return last
