import os
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from media.base.errors import HubError
from media.packet import EndReason
from recorder.check import check, repair
from recorder.index.migrate import INDEX_NAME
from recorder.index.rows import HoldRow
from recorder.policy import RecordingPolicy
from tests.unit.recorder import footage
from tests.unit.recorder.world import World, segment_paths, snapshot


@pytest.fixture
async def volume(tmp_path: Path) -> Path:
    async with World(tmp_path) as world:
        await world.run(footage.merged(footage.video(12), footage.audio(12)), EndReason.SILENT)
        await world.run(footage.video(9, wall_us=footage.WALL_US + 30_000_000), EndReason.DISCONNECTED)
        world.reader(policy=RecordingPolicy(retention_days=7))
        await world.run(footage.video(5, wall_us=footage.WALL_US + 50_000_000), EndReason.UNREACHABLE)
        await world.recorder.hold(HoldRow("case-1", "gate", 1, 2, "theft", 0, None))
    return tmp_path


def kinds(root: Path, *, deep: bool = False) -> list[str]:
    return sorted(problem.kind for problem in check([root], deep=deep).problems)


def test_a_healthy_volume_is_clean(volume: Path):
    report = check([volume], deep=True)
    assert report.is_clean
    assert report.segments == len(segment_paths(volume))


def test_the_index_rebuilt_from_the_files_equals_the_original(volume: Path):
    before = snapshot(volume)
    for path in volume.glob(INDEX_NAME + "*"):
        path.unlink()
    assert "index" in kinds(volume)
    assert repair([volume]).is_clean
    after = snapshot(volume)
    assert after == before
    assert after.streams[0].retention_days == 7
    with sqlite3.connect(volume / INDEX_NAME) as db:
        assert db.execute("select id from hold").fetchall() == [("case-1",)]


def test_a_damaged_index_is_built_anew_and_the_old_one_kept(volume: Path):
    before = snapshot(volume)
    data = bytearray((volume / INDEX_NAME).read_bytes())
    data[4096:20_000] = os.urandom(20_000 - 4096)
    (volume / INDEX_NAME).write_bytes(data)
    assert "index" in kinds(volume)
    assert repair([volume]).is_clean
    assert snapshot(volume) == before
    assert (volume / (INDEX_NAME + ".old")).exists()


def test_a_missing_file_is_found_and_its_time_becomes_a_gap(volume: Path):
    path = segment_paths(volume)[1]
    row = snapshot(volume).segments[1]
    path.unlink()
    assert kinds(volume) == ["missing"]
    repair([volume])
    found = snapshot(volume)
    assert row.id not in {other.id for other in found.segments}
    assert any(gap.reason == "missing" and gap.start_us == row.start_us for gap in found.gaps)


def test_a_changed_byte_of_footage_is_found_by_the_deep_check_only(volume: Path):
    path = segment_paths(volume)[0]
    fd = os.open(path, os.O_RDWR)
    byte = os.pread(fd, 1, 5000)
    os.pwrite(fd, bytes([byte[0] ^ 1]), 5000)
    os.close(fd)
    assert kinds(volume) == []
    assert kinds(volume, deep=True) == ["body"]


def test_a_changed_trailer_breaks_the_seal(volume: Path):
    path = segment_paths(volume)[0]
    data = path.read_bytes()
    path.write_bytes(data.replace(b'"lost_packets":0', b'"lost_packets":9'))
    assert kinds(volume) == ["seal"]


def test_a_truncated_file_is_mended_but_stays_visible_in_the_chain(volume: Path):
    path = segment_paths(volume)[0]
    os.truncate(path, path.stat().st_size - 40)
    assert kinds(volume) == ["size"]
    assert [problem.kind for problem in repair([volume]).problems] == ["chain"]


def test_rows_that_lie_are_corrected_from_the_trailer(volume: Path):
    before = snapshot(volume)
    with sqlite3.connect(volume / INDEX_NAME) as db:
        db.execute("update segment set start_us = start_us + 500 where id = 2")
        db.execute("update stream set file_bytes = 1")
    db.close()
    assert set(kinds(volume)) == {"row", "total", "overlap"} or set(kinds(volume)) == {"row", "total"}
    assert repair([volume]).is_clean
    assert snapshot(volume) == before


def test_an_unknown_file_is_found_and_taken_in(volume: Path):
    before = snapshot(volume)
    with sqlite3.connect(volume / INDEX_NAME) as db:
        db.execute("delete from segment where id = 3")
    db.close()
    assert "unknown" in kinds(volume)
    assert repair([volume]).is_clean
    assert snapshot(volume) == before


def test_a_schema_changed_by_hand_is_found(volume: Path):
    with sqlite3.connect(volume / INDEX_NAME) as db:
        db.execute("alter table gap add column note text")
    db.close()
    assert set(kinds(volume)) == {"schema"}


def test_a_foreign_file_is_reported_and_left_alone(volume: Path):
    stranger = segment_paths(volume)[0].with_name("000000-77.mp4")
    stranger.write_bytes(b"not a segment")
    assert kinds(volume) == ["unknown"]
    assert not repair([volume]).is_clean
    assert stranger.exists()


async def test_a_volume_at_work_is_checked_but_not_repaired(tmp_path: Path):
    async with World(tmp_path) as world:
        await world.run(footage.video(7), end=None)
        assert check([tmp_path]).is_clean
        with pytest.raises(HubError, match="another process writes"):
            repair([tmp_path])


def test_no_volume_at_all_is_a_problem(tmp_path: Path):
    assert kinds(tmp_path / "none") == ["volume"]


def test_snapshots_see_a_difference(volume: Path):
    """The comparison above must be able to fail."""
    found = snapshot(volume)
    assert replace(found, gaps=[]) != found
