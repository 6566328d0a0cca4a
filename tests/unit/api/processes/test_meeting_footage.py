"""Meetings on disk: real packets through the taps, the recorder and a foreign player; retention, storage, check."""

import asyncio
import itertools
import json
import subprocess
from pathlib import Path

import pytest

from api.processes.meeting_footage import MeetingFootage
from media.base.ids import Quality, SourceId
from media.codec import vp8
from media.packet import EndReason
from recorder.check import check
from recorder.meetings import Part, footage_of
from recorder.policy import DAY_US
from recorder.recorder import RecorderOptions
from recorder.replay.catalog import Catalog
from recorder.replay.summaries import Piece, summaries
from recorder.retention import Keeper
from recorder.store import read_front
from tests.unit.recorder import footage
from tests.unit.recorder.world import World, segment_paths
from tests.unit.streams.recording.talker import (
    CAMERA,
    LI,
    MICROPHONE,
    ROOM,
    SCREEN,
    Stage,
    Talker,
    pictures,
    pictures_vp8,
    sounds,
)

DAYS = 90
NAME = footage_of(ROOM, LI, Part.CAMERA)


@pytest.fixture
async def world(tmp_path: Path):
    async with World(tmp_path, RecorderOptions(segment_s=300)) as made:
        yield made


def stage_on(world: World) -> Stage:
    """A stage whose recordings go to disk, in the recorder's time."""
    stage = Stage(MeetingFootage(world.recorder, DAYS))
    stage.clock = world.clock
    stage.recorder._clock = world.clock
    stage.begin_ns = world.clock.mono_ns()
    return stage


def both(stage: Stage) -> Talker:
    li = Talker(stage)
    li.send(li.track(CAMERA, offset=900_000), pictures())
    li.send(li.track(MICROPHONE, offset=55_555), sounds())
    li.recorded()
    return li


def streams_of(path: Path) -> dict[str, dict[str, str]]:
    text = footage.probe(path, "-show_streams", "-of", "json")
    return {each["codec_type"]: each for each in json.loads(text)["streams"]}


def packet_times(path: Path, kind: str) -> list[float]:
    text = footage.probe(path, "-select_streams", kind, "-show_entries", "packet=pts_time", "-of", "csv=p=0")
    return [float(line.strip(",")) for line in text.splitlines() if line]


def sound_of(path: Path) -> bytes:
    """What a foreign decoder hears; fails on any complaint."""
    command = ["ffmpeg", "-v", "error", "-i", str(path), "-map", "0:a", "-f", "s16le", "-"]
    done = subprocess.run(command, capture_output=True, check=True, timeout=60)
    assert not done.stderr
    return done.stdout


async def test_a_foreign_player_sees_and_hears_a_participant(world: World) -> None:
    stage = stage_on(world)
    li = both(stage)
    stage.run(12.5)
    li.publication.end()
    stage.recorder.stop(ROOM, LI, li, EndReason.LEFT)
    await world.recorder.flush()
    (path,) = world.files
    found = streams_of(path)
    assert (found["video"]["codec_name"], found["audio"]["codec_name"]) == ("h264", "opus")
    assert footage.decoded_frames(path) == 300
    video, audio = packet_times(path, "v"), packet_times(path, "a")
    assert abs(video[0] - audio[0]) <= 0.04
    assert abs(video[-1] + 0.04 - audio[-1] - 0.02) <= 0.3
    assert max(after - before for before, after in itertools.pairwise(audio)) <= 0.041
    assert len(sound_of(path)) > 11 * 48_000 * 4


async def test_the_file_says_what_it_is_and_how_long_it_stays(world: World) -> None:
    stage = stage_on(world)
    both(stage)
    stage.run(3)
    stage.recorder.close()
    await world.recorder.flush()
    (path,) = world.files
    with path.open("rb") as file:
        header = read_front(file.fileno()).header
    assert (header.camera_id, header.quality) == (NAME, "main")
    assert (header.retention_days, header.minimum_days) == (DAYS, DAYS)


async def test_sound_alone_is_a_playable_file_too(world: World) -> None:
    stage = stage_on(world)
    li = Talker(stage)
    li.send(li.track(MICROPHONE), sounds())
    li.recorded()
    stage.run(12.5)
    stage.recorder.close()
    await world.recorder.flush()
    (path,) = world.files
    assert list(streams_of(path)) == ["audio"]
    times = packet_times(path, "a")
    assert len(times) == 600
    assert times == pytest.approx([n * 0.02 for n in range(600)], abs=0.001)


async def test_vp8_lies_in_mp4_for_players_that_know_it(world: World) -> None:
    stage = stage_on(world)
    li = Talker(stage)
    li.send(li.track(SCREEN, params=vp8.vp8_params()), pictures_vp8())
    li.recorded()
    stage.run(7)
    stage.recorder.close()
    await world.recorder.flush()
    (path,) = world.files
    assert streams_of(path)["video"]["codec_name"] == "vp8"
    assert footage.decoded_frames(path) == 150


async def test_a_change_of_layer_is_a_new_file_of_the_same_run(world: World) -> None:
    stage = stage_on(world)
    li = Talker(stage)
    camera = li.track(CAMERA, ("q", "h"))
    li.send(camera, pictures("160x90"), rid="q")
    li.send(camera, pictures("320x180"), rid="h", seq=40_000)
    li.flow(camera, "h", 5.0, is_flowing=False)
    li.recorded()
    stage.run(9)
    stage.recorder.close()
    await world.recorder.flush()
    assert [streams_of(path)["video"]["width"] for path in world.files] == [320, 160]
    assert [footage.decoded_frames(path) for path in world.files] == [150, 75]
    assert check([world.root]).is_clean


async def test_mutes_and_leaving_are_the_reasons_of_gaps(world: World) -> None:
    stage = stage_on(world)
    li = Talker(stage)
    camera = li.track(CAMERA)
    li.send(camera, pictures())
    li.live(camera, 3.0, is_live=False)
    li.live(camera, 6.0, is_live=True)
    li.recorded()
    stage.run(9.5)
    stage.recorder.stop(ROOM, LI, li, EndReason.LEFT)
    await world.recorder.flush()
    stage.run(12)
    catalog = Catalog([world.root])
    began = footage.WALL_US
    (told,) = summaries(catalog, [Piece(NAME, began, began + 12_000_000)], world.clock.wall_us())
    catalog.close()
    assert len(told["spans"]) == 2
    reasons = [gap[2] for gap in told["gaps"] if gap[1] - gap[0] > 100_000]
    assert reasons == ["muted", "left"]
    assert told["codecs"] == ["h264"]


async def test_a_worker_that_begins_anew_goes_on_with_the_same_stream(tmp_path: Path) -> None:
    for epoch in (1, 2):
        async with World(tmp_path, epoch=epoch) as world:
            world.clock.advance(60 * epoch)
            stage = stage_on(world)
            both(stage)
            stage.run(4)
            stage.recorder.close()
            await world.recorder.flush()
    assert {path.parts[-6] for path in segment_paths(tmp_path)} == {NAME}
    report = check([tmp_path])
    assert report.is_clean
    assert report.segments == 2


async def test_meetings_are_deleted_after_their_days_and_leave_no_row(world: World) -> None:
    stage = stage_on(world)
    li = both(stage)
    stage.run(3)
    stage.recorder.stop(ROOM, LI, li, EndReason.LEFT)
    await world.recorder.flush()
    (writer,) = world.recorder.writers

    async def streams(at_us: int) -> list[str]:
        def work() -> list[str]:
            shared = writer.shared
            Keeper(shared.volume, shared.index).run(at_us, 0)
            return [row.camera_id for row in shared.index.streams()]

        return list(await asyncio.wrap_future(writer.call(work)))

    ended_us = world.clock.wall_us()
    assert await streams(ended_us + (DAYS - 1) * DAY_US) == [NAME]
    assert len(world.files) == 1
    assert await streams(ended_us + (DAYS + 1) * DAY_US) == []
    assert world.files == []
    assert check([world.root]).is_clean
    assert world.recorder.status(NAME, Quality.MAIN).reason == "unknown_camera"


async def test_the_names_are_those_the_control_plane_looks_for(world: World) -> None:
    place = MeetingFootage(world.recorder, DAYS)
    source = SourceId("camera/gate")
    stream = place.open("r", source, "video")
    assert stream.reader_count == 1
    assert world.recorder.status(footage_of("r", source, Part.VIDEO)).reason != "unknown_camera"
    place.close("r", source, "video", stream)
    assert world.recorder.status(footage_of("r", source, Part.VIDEO)).reason == "unknown_camera"
