"""Power cuts: everything that was not made durable is gone, in files and index alike, at many moments of a recording.

What the recorder asks the kernel to make durable is listened to; at each moment the volume is copied as the disk would
have it after a cut. The index's write-ahead log is synced by nobody between checkpoints, unless asked for: it is cut
anywhere. Simulated clock, so that minutes pass at once.
"""

import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from media.base.clock import SimulatedClock
from media.base.ids import CameraId
from media.packet import EndReason
from recorder.check import check
from recorder.index.migrate import INDEX_NAME
from recorder.index.rows import HoldRow
from recorder.index.writer import IndexWriter
from recorder.policy import RecordingPolicy
from recorder.recorder import RecorderOptions
from recorder.segmenter import LEAD_ID
from recorder.store import fragments_from, is_intact, read_front
from recorder.volume import Limits
from tests.integration.fixtures_faults import Shelf
from tests.unit.recorder import footage
from tests.unit.recorder.world import World

CAMERAS = [CameraId("gate"), CameraId("square")]
WAL = INDEX_NAME + "-wal"
SYNC_S = 11.0
"""A power cut may cost 10 s per camera, and the fragment that was being filled."""


@dataclass
class Platter:
    """What is durable: sizes of files by inode-independent name, as fsync and fdatasync last saw them."""

    sizes: dict[str, int] = field(default_factory=dict)

    def note(self, descriptor: int) -> None:
        path = str(Path(f"/proc/self/fd/{descriptor}").readlink())
        self.sizes[path] = os.fstat(descriptor).st_size


@pytest.fixture
def platter(monkeypatch: pytest.MonkeyPatch) -> Platter:
    heard = Platter()
    for name in ("fsync", "fdatasync"):
        real = getattr(os, name)

        def listen(descriptor: int, real=real) -> None:
            real(descriptor)
            heard.note(descriptor)

        monkeypatch.setattr(os, name, listen)
    return heard


@dataclass(frozen=True)
class Cut:
    """How the disk looks afterwards: `wal` is the share of the index's log that survives; torn tails may be zeros."""

    wal: float
    is_zeroed: bool = False


CUTS = [Cut(wal, is_zeroed=zeroed) for wal in (0.0, 0.37, 0.74, 1.0) for zeroed in (False, True)]


def cut(live: Path, dead: Path, platter: Platter, how: Cut) -> dict[str, int]:
    """Copy `live` as it would be after a power cut; return the durable sizes of the segment files."""
    durable = dict(platter.sizes)
    shutil.copytree(live, dead, ignore=shutil.ignore_patterns("*-shm", "writer.lock"))
    kept: dict[str, int] = {}
    for path in dead.rglob("*.mp4"):
        original = str(live / path.relative_to(dead))
        size = path.stat().st_size
        kept[str(path.relative_to(dead))] = safe = min(size, durable.get(original, 0))
        os.truncate(path, safe)
        if how.is_zeroed:
            os.truncate(path, size)
    wal = dead / WAL
    if wal.exists():
        size = wal.stat().st_size
        os.truncate(wal, max(round(size * how.wal), min(size, durable.get(str(live / WAL), 0))))
    return kept


async def feed(world: World, second: int) -> None:
    """Record one second of every camera."""
    for camera in CAMERAS:
        for unit in footage.merged(footage.video(1, first=second * 25, size=800), footage.audio(1, first=second * 16)):
            world.readers[camera].on_unit(unit)
    await world.recorder.flush()
    world.clock.advance(1)


async def recover(root: Path, seconds: int) -> None:
    """Start and stop a recorder on what is left; its sealing is done by then."""
    async with World(root, clock=SimulatedClock(footage.WALL_US + (seconds + 60) * 1_000_000)) as world:
        await world.recorder.flush()
        writer = world.recorder.writers[0]
        while not writer.is_idle:
            await world.recorder.flush()


def assert_consistent(root: Path, durable: dict[str, int], second: int) -> None:
    report = check([root], deep=True)
    assert report.is_clean, report.problems
    for path, size in durable.items():
        if size:
            assert (root / path).stat().st_size >= size or size < 4096, f"{path}: durable footage is gone"
    for camera, found in Shelf(root).footage().items():
        for row in found.segments:
            assert_whole(root, Shelf(root).path_of(found, row), row.media_ticks)
        recorded_s = sum(row.wall_us for row in found.segments) / 1e6
        assert recorded_s >= second - SYNC_S, f"{camera}: {recorded_s} of {second} s"
        assert found.gaps[-1].reason == (EndReason.CRASH if found.segments else found.gaps[-1].reason)
        assert found.gaps[-1].start_us == (found.end_us or found.gaps[0].start_us)


def assert_whole(root: Path, path: Path, media_ticks: int) -> None:
    """Assert that a file holds the pictures the index tells of, none of them zeros."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        front = read_front(descriptor)
        fragments = list(fragments_from(descriptor, front.init_bytes))
        assert all(is_intact(descriptor, fragment, front.tracks[0]) for fragment in fragments), path
        assert sum(fragment.run(LEAD_ID).duration for fragment in fragments) == media_ticks, path.relative_to(root)
    finally:
        os.close(descriptor)


@pytest.mark.parametrize("how", CUTS, ids=str)
async def test_a_power_cut_at_any_second_leaves_a_consistent_volume(tmp_path: Path, platter: Platter, how: Cut) -> None:
    live = tmp_path / "live"
    async with World(live, options=RecorderOptions(segment_s=7)) as world:
        for camera in CAMERAS:
            world.reader(camera).on_run(footage.TRACKS)
        for second in range(1, 33):
            await feed(world, second - 1)
            if second % 4 == 3 or second in {2, 12, 13}:
                dead = tmp_path / f"dead-{second}"
                durable = cut(live, dead, platter, how)
                await recover(dead, second)
                assert_consistent(dead, durable, second)
                shutil.rmtree(dead)


@pytest.mark.parametrize("how", CUTS, ids=str)
async def test_a_second_cut_during_recovery_costs_nothing_more(tmp_path: Path, platter: Platter, how: Cut) -> None:
    """The worker is killed, its successor has taken the files up but not closed them: then the power goes."""
    live, killed, dead = tmp_path / "live", tmp_path / "killed", tmp_path / "dead"
    async with World(live, options=RecorderOptions(segment_s=60)) as world:
        for camera in CAMERAS:
            world.reader(camera).on_run(footage.TRACKS)
        for second in range(25):
            await feed(world, second)
        shutil.copytree(live, killed, ignore=shutil.ignore_patterns("*-shm", "writer.lock"))
        for path in live.rglob("*.mp4"):
            platter.sizes[str(killed / path.relative_to(live))] = platter.sizes.get(str(path), 0)
    clock = SimulatedClock(footage.WALL_US + 90_000_000)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("recorder.recovery.Sealer.step", lambda _: None)
        async with World(killed, clock=clock) as world:
            await world.recorder.flush()
            durable = cut(killed, dead, platter, how)
    await recover(dead, 120)
    assert_consistent(dead, durable, 25)


async def test_what_retention_deleted_is_not_in_the_index_that_survives(tmp_path: Path, platter: Platter) -> None:
    """The kernel may make the unlinking durable long before the log that tells of it."""
    live = tmp_path / "live"
    async with World(live, options=RecorderOptions(segment_s=4, limits=Limits(0, 0))) as world:
        for camera in CAMERAS:
            world.reader(camera, RecordingPolicy(retention_days=1)).on_run(footage.TRACKS)
        for second in range(9):
            await feed(world, second)
        for camera in CAMERAS:
            world.readers[camera].on_end(EndReason.DISCONNECTED)
        await world.recorder.flush()
        before = len(list(live.rglob("*.mp4")))
        platter.sizes[str(live / WAL)] = (live / WAL).stat().st_size  # as if synced before the deletion, by luck
        world.clock.advance(86_400 + 70)
        for _ in range(3):
            await world.recorder.flush()
        assert len(list(live.rglob("*.mp4"))) < before
        cut(live, tmp_path / "dead", platter, Cut(0.0))
    await recover(tmp_path / "dead", 86_500)
    report = check([tmp_path / "dead"], deep=True)
    assert report.is_clean, report.problems


async def test_a_hold_that_was_acknowledged_survives(tmp_path: Path, platter: Platter) -> None:
    live, dead = tmp_path / "live", tmp_path / "dead"
    hold = HoldRow("case-7", "gate", footage.WALL_US, footage.WALL_US + 60_000_000, "accident", footage.WALL_US, None)
    async with World(live) as world:
        world.reader(CAMERAS[0]).on_run(footage.TRACKS)
        world.reader(CAMERAS[1]).on_run(footage.TRACKS)
        await feed(world, 0)
        await world.recorder.hold(hold)
        cut(live, dead, platter, Cut(0.0))
    await recover(dead, 10)
    with IndexReader(dead) as index:
        assert index.holds() == [hold]


class IndexReader:
    """An index of a dead volume."""

    def __init__(self, root: Path) -> None:
        self._index = IndexWriter(root / INDEX_NAME)

    def __enter__(self) -> IndexWriter:
        return self._index

    def __exit__(self, *_: object) -> None:
        self._index.close()
