import asyncio
import fcntl
import os
import sqlite3
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from media.base.ids import CameraId
from recorder.index.migrate import INDEX_NAME
from recorder.index.rows import HoldRow, StreamRow
from recorder.index.writer import IndexWriter
from recorder.policy import DAY_US, RecordingPolicy
from recorder.retention import Footage, Keeper, StreamFootage, plan
from recorder.volume import open_volume
from tests.unit.recorder import footage
from tests.unit.recorder.world import World, segment_paths, snapshot

NOW = 100 * DAY_US
HOUR = 3_600_000_000


def stream(number: int, retention: int = 30, minimum: int = 30) -> StreamRow:
    return StreamRow(number, f"cam{number}", "main", retention, minimum, 0, None, 0)


def stock(row: StreamRow, ages_h: list[int], size: int = 100) -> StreamFootage:
    segments = []
    for age in sorted(ages_h, reverse=True):
        start = NOW - age * HOUR
        segments.append(Footage(row.id * 10_000 + age, start, start + HOUR, size, start))
    return StreamFootage(row, tuple(segments))


def ages(deletions) -> list[int]:
    return sorted((NOW - deletion.segment.start_us) // HOUR for deletion in deletions)


def test_what_is_too_old_goes_even_when_there_is_room():
    found = plan(NOW, 0, [stock(stream(1), [1, 719, 720, 721, 722, 800])], [])
    assert ages(found) == [721, 722, 800]
    assert not any(deletion.is_early for deletion in found)


def test_a_full_disk_takes_nothing_that_was_promised():
    assert plan(NOW, 10_000, [stock(stream(1), [1, 100, 700])], []) == []


def test_a_full_disk_takes_the_oldest_of_all_cameras_first():
    generous, strict = stream(1, minimum=1), stream(2, minimum=5)
    found = plan(NOW, 250, [stock(generous, [10, 50, 100, 200]), stock(strict, [10, 100, 150, 300])], [])
    assert ages(found) == [150, 200, 300]
    assert all(deletion.is_early for deletion in found)


def test_held_footage_stays():
    held = HoldRow("h", "cam1", NOW - 800 * HOUR, NOW - 799 * HOUR, "theft", 0, None)
    expired = HoldRow("x", "cam1", 0, NOW, "old", 0, NOW - 1)
    assert ages(plan(NOW, 0, [stock(stream(1), [722, 800, 801])], [held, expired])) == [722, 801]
    assert ages(plan(NOW, 0, [stock(stream(2), [722, 800, 801])], [held])) == [722, 800, 801]


@given(
    st.lists(st.integers(2, 2000), unique=True, max_size=60),
    st.integers(0, 60),
    st.integers(1, 60),
    st.integers(0, 10_000),
    st.lists(st.tuples(st.integers(2, 2000), st.integers(1, 50)), max_size=4),
)
def test_whatever_happens_promises_hold(segment_ages, minimum, more, need, held):
    row = stream(1, minimum + more, minimum)
    holds = [
        HoldRow(str(n), "cam1", NOW - a * HOUR, NOW - (a - b) * HOUR, "", 0, None) for n, (a, b) in enumerate(held)
    ]
    item = stock(row, segment_ages)
    gone = {deletion.segment.segment_id for deletion in plan(NOW, need, [item], holds)}
    for segment in item.segments:
        is_held = any(h.start_us < segment.end_us and segment.start_us < h.end_us for h in holds)
        if is_held or segment.end_us > NOW - minimum * DAY_US:
            assert segment.segment_id not in gone
        elif segment.end_us <= NOW - row.retention_days * DAY_US:
            assert segment.segment_id in gone


async def recorded(root: Path) -> None:
    async with World(root) as world:
        await world.run(footage.video(20))


def test_deleted_footage_leaves_disk_index_and_totals_together(tmp_path: Path):
    asyncio.run(recorded(tmp_path))
    index = IndexWriter(tmp_path / INDEX_NAME)
    keeper = Keeper(open_volume(tmp_path), index)
    assert keeper.run(footage.WALL_US + 30 * DAY_US + 9_000_000, 0)[0].files == 2
    index.close()
    found = snapshot(tmp_path)
    assert len(found.segments) == len(segment_paths(tmp_path)) == 3
    assert found.streams[0].file_bytes == sum(path.stat().st_size for path in segment_paths(tmp_path))
    assert found.streams[0].expired_us == footage.WALL_US + 8_000_000


def test_footage_being_watched_is_left_for_later(tmp_path: Path):
    asyncio.run(recorded(tmp_path))
    index = IndexWriter(tmp_path / INDEX_NAME)
    keeper = Keeper(open_volume(tmp_path), index)
    watched = segment_paths(tmp_path)[1]
    fd = os.open(watched, os.O_RDONLY)
    fcntl.flock(fd, fcntl.LOCK_SH)
    late = footage.WALL_US + 60 * DAY_US
    keeper.run(late, 0)
    assert segment_paths(tmp_path) == [watched]
    os.close(fd)
    keeper.run(late, 0)
    index.close()
    assert segment_paths(tmp_path) == []


async def test_a_deletion_cut_short_is_finished_at_the_next_start(tmp_path: Path):
    await recorded(tmp_path)
    path = segment_paths(tmp_path)[0]
    with sqlite3.connect(tmp_path / INDEX_NAME) as db:
        db.execute("insert into garbage values (?, 1)", (str(path.relative_to(tmp_path)),))
        db.execute("delete from segment where id = 1")
    db.close()
    async with World(tmp_path) as world:
        await world.recorder.flush()
    assert not path.exists()


async def test_the_worker_deletes_by_itself_as_time_passes(tmp_path: Path):
    async with World(tmp_path) as world:
        world.reader(CameraId("gate"), RecordingPolicy(retention_days=1))
        await world.run(footage.video(20))
        world.clock.advance(2 * 86_400)
        await world.recorder.flush()
        await world.recorder.flush()
        assert segment_paths(tmp_path) == []
    assert [event[0] for event in world.events] == ["retention_deleted"]
