import asyncio
import hashlib
import itertools
import os
from pathlib import Path

from media.base.clock import SimulatedClock
from media.base.ids import CameraId
from media.container.samples import decode_columns
from media.packet import EndReason
from recorder.format import NO_SEAL
from recorder.policy import Mode, RecordingPolicy
from recorder.recorder import State
from recorder.segmenter import AUDIO_ID, LEAD_ID
from recorder.store import read_front, read_trailer
from tests.unit.recorder import footage
from tests.unit.recorder.world import World, segment_paths, snapshot


def stored_samples(path: Path, track_id: int) -> list[bytes]:
    """Return a track's samples as the file's trailer finds them."""
    fd = os.open(path, os.O_RDONLY)
    try:
        trailer = read_trailer(fd)
        assert trailer is not None
        track = decode_columns(trailer.index).tracks[track_id]
        found = []
        sizes = iter(track.sizes.tolist())
        for offset, count in zip(track.chunk_offsets.tolist(), track.chunk_counts.tolist(), strict=True):
            at = offset
            for size in itertools.islice(sizes, count):
                found.append(os.pread(fd, size, at))
                at += size
        return found
    finally:
        os.close(fd)


async def test_every_unit_is_on_disk_and_in_order(tmp_path: Path):
    pictures, sound = list(footage.video(21)), list(footage.audio(21))
    async with World(tmp_path) as world:
        await world.run(footage.merged(iter(pictures), iter(sound)))
        files = world.files
    assert len(files) == 6
    assert [data for path in files for data in stored_samples(path, LEAD_ID)] == [unit.data for unit in pictures]
    assert [data for path in files for data in stored_samples(path, AUDIO_ID)] == [unit.data for unit in sound]


async def test_segments_follow_each_other_and_are_chained(tmp_path: Path):
    async with World(tmp_path) as world:
        await world.run(footage.video(20))
    found = snapshot(tmp_path)
    previous = NO_SEAL.hex()
    for row, path in zip(found.segments, segment_paths(tmp_path), strict=True):
        fd = os.open(path, os.O_RDONLY)
        trailer = read_trailer(fd)
        os.close(fd)
        assert trailer is not None
        assert trailer.facts.previous_seal == previous
        assert trailer.facts.body_sha256 == hashlib.sha256(path.read_bytes()[: row.body_bytes]).hexdigest()
        previous = trailer.seal.hex()
    ends = [row.end_us for row in found.segments]
    assert [row.start_us for row in found.segments] == [footage.WALL_US, *ends[:-1]]


async def test_a_gap_has_the_reason_the_run_ended_with(tmp_path: Path):
    async with World(tmp_path) as world:
        await world.run(footage.video(5), EndReason.SILENT)
        await world.run(footage.video(5, wall_us=footage.WALL_US + 60_000_000), EndReason.UNAUTHORIZED)
    found = snapshot(tmp_path)
    second = footage.WALL_US
    assert [((g.start_us - second) / 1e6, g.end_us and (g.end_us - second) / 1e6, g.reason) for g in found.gaps] == [
        (5.0, 60.0, "silent"),
        (65.0, None, "unauthorized"),
    ]
    assert [run[4] for run in found.runs] == ["silent", "unauthorized"]


async def test_footage_never_overlaps_when_the_wall_clock_steps_back(tmp_path: Path):
    async with World(tmp_path) as world:
        await world.run(footage.video(5))
        await world.run(footage.video(5, wall_us=footage.WALL_US - 3_600_000_000))
    rows = snapshot(tmp_path).segments
    assert rows[1].start_us >= rows[0].end_us
    assert rows[-1].end_us > rows[1].start_us


async def test_a_clock_that_steps_forward_begins_a_new_run_behind_a_gap(tmp_path: Path):
    later = list(footage.video(6, first=100, wall_us=footage.WALL_US + 600_000_000))
    async with World(tmp_path) as world:
        await world.run([*footage.video(4), *later])
    found = snapshot(tmp_path)
    assert [gap.reason for gap in found.gaps] == ["clock_step", "disconnected"]
    assert found.segments[0].run_id != found.segments[1].run_id


async def test_turning_recording_off_and_on_is_seen_as_planned(tmp_path: Path):
    async with World(tmp_path) as world:
        reader = await world.run(footage.video(5), end=None)
        world.clock.advance(5)
        reader.set_policy(RecordingPolicy(Mode.OFF))
        assert reader.status.state is State.OFF
        for unit in footage.video(5, first=125):
            reader.on_unit(unit)
        world.clock.advance(25)
        reader.set_policy(RecordingPolicy())
        for unit in footage.video(5, first=750):
            reader.on_unit(unit)
        reader.on_end(EndReason.DISCONNECTED)
    found = snapshot(tmp_path)
    assert [gap.reason for gap in found.gaps] == ["planned", "disconnected"]
    assert found.gaps[0].end_us == footage.WALL_US + 30_000_000


async def test_a_camera_that_never_came_has_a_gap_from_the_beginning(tmp_path: Path):
    async with World(tmp_path) as world:
        world.reader()
        await world.recorder.flush()
    assert [gap.reason for gap in snapshot(tmp_path).gaps] == ["starting"]


async def test_one_camera_recorded_and_the_other_not(tmp_path: Path):
    async with World(tmp_path) as world:
        await world.run(footage.video(3))
        off = world.reader(CameraId("yard"), RecordingPolicy(Mode.OFF))
        off.on_run(footage.TRACKS)
        for unit in footage.video(3):
            off.on_unit(unit)
        await world.recorder.flush()
        assert world.recorder.status(CameraId("yard")).state is State.OFF
    assert {path.parts[-6] for path in segment_paths(tmp_path)} == {"gate"}


async def test_shutdown_closes_every_file_and_the_next_start_goes_on(tmp_path: Path):
    async with World(tmp_path) as world:
        await world.run(footage.video(3), end=None)
    async with World(tmp_path, clock=SimulatedClock(footage.WALL_US + 10_000_000), epoch=2) as world:
        await world.run(footage.video(3, wall_us=footage.WALL_US + 10_000_000))
    found = snapshot(tmp_path)
    assert [gap.reason for gap in found.gaps] == ["shutdown", "disconnected"]
    assert [run[2] for run in found.runs] == [1, 2]
    assert all(row.seal for row in found.segments)


async def test_the_header_tells_what_the_file_is(tmp_path: Path):
    async with World(tmp_path) as world:
        await world.run(footage.video(3), EndReason.SILENT)
        await world.run(footage.video(3, wall_us=footage.WALL_US + 10_000_000))
        path = world.files[1]
    fd = os.open(path, os.O_RDONLY)
    header = read_front(fd).header
    os.close(fd)
    assert (header.camera_id, header.quality, header.epoch) == ("gate", "main", 1)
    assert [gap.reason for gap in header.gaps] == ["silent"]
    assert [track.codec for track in header.tracks] == ["h264", "aac"]


async def test_a_second_worker_on_the_same_volume_is_refused_until_the_first_ends(tmp_path: Path):
    async with World(tmp_path) as first:
        await first.run(footage.video(2))
        async with World(tmp_path) as second:
            reader = second.reader()
            async with asyncio.timeout(5):
                while not second.events:  # noqa: ASYNC110  # the other end is a thread
                    await asyncio.sleep(0.01)
            reader.on_run(footage.TRACKS)
            for unit in footage.video(3):
                reader.on_unit(unit)
            assert reader.status.state is State.STOPPED
        assert len(first.files) == 1
