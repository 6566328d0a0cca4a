import asyncio
import os
import shutil
from pathlib import Path

import pytest

from media.base.clock import SimulatedClock
from media.container.samples import FragmentIndex, decode_fragments
from media.packet import AccessUnit
from recorder.index.migrate import INDEX_NAME
from recorder.index.rows import SegmentState
from recorder.index.writer import IndexWriter
from recorder.recovery import Sealer, recover, whole_fragments
from recorder.store import Front, fragments_from, read_front, read_trailer
from recorder.volume import open_volume
from tests.unit.recorder import footage
from tests.unit.recorder.world import World, segment_paths, snapshot

SMALL = list(footage.video(7.6, fps=5, size=40))


async def crashed(root: Path, units: list[AccessUnit] | None = None) -> Path:
    """Leave a volume as a killed worker does: one closed file, one open one. Returns the open one."""
    live = root / "live"
    async with World(live) as world:
        await world.run(units or footage.merged(footage.video(7, size=300), footage.audio(7)), end=None)
        shutil.copytree(live, root / "dead")
    return segment_paths(root / "dead")[-1]


def recovered(root: Path) -> IndexWriter:
    volume = open_volume(root, create=False)
    index = IndexWriter(root / INDEX_NAME)
    recover(volume, index)
    index.commit()
    return index


async def test_a_killed_worker_loses_no_written_fragment(tmp_path: Path):
    path = await crashed(tmp_path)
    before = path.read_bytes()
    index = recovered(tmp_path / "dead")
    (row,) = index.segments_in_state(SegmentState.RECOVERED)
    assert row.body_bytes == len(before)
    Sealer(open_volume(tmp_path / "dead"), index).run()
    index.close()
    found = snapshot(tmp_path / "dead")
    assert [gap.reason for gap in found.gaps] == ["crash"]
    assert found.gaps[0].start_us == found.segments[-1].end_us
    assert path.read_bytes()[: len(before)] == before
    assert all(row.state is SegmentState.CLOSED and row.seal for row in found.segments)


@pytest.mark.parametrize("index_survives", [True, False])
async def test_truncated_at_every_offset_all_whole_fragments_are_found(tmp_path: Path, index_survives: bool):
    """Every byte offset of the last two fragments; with the index's knowledge and without."""
    path = await crashed(tmp_path, SMALL)
    data, front, fragments = opened(path)
    fd = os.open(path, os.O_RDWR)
    for size in range(len(data), fragments[-2].offset - 1, -1):
        os.ftruncate(fd, size)
        whole = [fragment for fragment in fragments if fragment.end <= size]
        assert whole_fragments(fd, front, whole if index_survives else []) == whole
    os.close(fd)


@pytest.mark.parametrize("index_survives", [True, False])
async def test_a_truncated_file_and_its_index_come_together_again(tmp_path: Path, index_survives: bool):
    """The same through the whole recovery, at the borders and at every 97th byte between them."""
    path = await crashed(tmp_path, SMALL)
    data, _, fragments = opened(path)
    root = tmp_path / "dead"
    if not index_survives:
        _forget_fragments(root)
    saved = {file: file.read_bytes() for file in root.glob(INDEX_NAME + "*")}
    borders = {fragment.end + step for fragment in fragments[-2:] for step in (-1, 0, 1)} - {len(data) + 1}
    for size in sorted({*range(fragments[-2].offset, len(data), 97), *borders}):
        path.write_bytes(data[:size])
        for file in root.glob(INDEX_NAME + "*"):
            file.unlink()
        for file, content in saved.items():
            file.write_bytes(content)
        index = recovered(root)
        whole = [fragment for fragment in fragments if fragment.end <= size]
        assert path.stat().st_size == whole[-1].end
        (row,) = index.segments_in_state(SegmentState.RECOVERED)
        assert decode_fragments(index.fragments(row.id)) == decode_fragments(b"".join(f.encode() for f in whole))
        index.close()


def opened(path: Path) -> tuple[bytes, Front, list[FragmentIndex]]:
    """Return an open segment's bytes, front and fragments (three of them: those of `SMALL`)."""
    fd = os.open(path, os.O_RDONLY)
    front = read_front(fd)
    fragments = [decode_fragments(fragment.encode())[0] for fragment in fragments_from(fd, front.init_bytes)]
    os.close(fd)
    assert len(fragments) == 3
    return path.read_bytes(), front, fragments


def _forget_fragments(root: Path) -> None:
    index = IndexWriter(root / INDEX_NAME)
    for row in index.segments_in_state(SegmentState.OPEN):
        index.drop_fragments(row.id)
    index.close()


async def test_zeros_that_a_power_cut_left_are_cut_off(tmp_path: Path):
    path = await crashed(tmp_path)
    fd = os.open(path, os.O_RDWR)
    fragments = list(fragments_from(fd, read_front(fd).init_bytes))
    last = fragments[-1]
    os.pwrite(fd, bytes(last.size_bytes - last.header_bytes), last.offset + last.header_bytes)
    os.close(fd)
    recovered(tmp_path / "dead").close()
    assert path.stat().st_size == fragments[-2].end


async def test_a_file_the_index_lost_is_taken_in_again(tmp_path: Path):
    await crashed(tmp_path)
    root = tmp_path / "dead"
    recovered(root).close()
    index = IndexWriter(root / INDEX_NAME)
    Sealer(open_volume(root), index).run()
    index.commit()
    before = {row.id: row for row in index.segments_by_id([1, 2])}
    for segment_id in before:
        index.forget_segment(segment_id)
    index.close()
    index = recovered(root)
    assert {row.id: row for row in index.segments_by_id([1, 2])} == before
    assert index.take_segment_id() > 2
    index.close()


async def test_a_file_without_a_fragment_is_removed(tmp_path: Path):
    path = await crashed(tmp_path)
    os.truncate(path, 100)
    index = recovered(tmp_path / "dead")
    index.close()
    assert not path.exists()
    assert len(snapshot(tmp_path / "dead").segments) == 1


async def test_a_trailer_the_index_had_not_heard_of_closes_the_segment(tmp_path: Path):
    path = await crashed(tmp_path)
    finished = segment_paths(tmp_path / "live")[-1]
    shutil.copy(finished, path)
    recovered(tmp_path / "dead").close()
    found = snapshot(tmp_path / "dead")
    assert found.segments == snapshot(tmp_path / "live").segments
    assert [gap.reason for gap in found.gaps] == ["shutdown"]


async def test_recording_goes_on_after_a_crash_and_seals_the_broken_file(tmp_path: Path):
    path = await crashed(tmp_path)
    root = tmp_path / "dead"
    async with World(root, clock=SimulatedClock(footage.WALL_US + 20_000_000), epoch=2) as world:
        await world.run(footage.video(3, wall_us=footage.WALL_US + 20_000_000))
        async with asyncio.timeout(5):
            while not world.recorder.writers[0].is_idle:  # noqa: ASYNC110  # the other end is a thread
                await asyncio.sleep(0.01)
    found = snapshot(root)
    assert [gap.reason for gap in found.gaps] == ["crash", "disconnected"]
    assert len(found.segments) == 3
    fd = os.open(path, os.O_RDONLY)
    trailer = read_trailer(fd)
    os.close(fd)
    assert trailer is not None
    assert trailer.facts.is_recovered
