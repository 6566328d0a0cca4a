"""A volume whose index or disk is not what the writer expects: what it mends by itself, and what it refuses."""

import asyncio
import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from media.packet import EndReason
from recorder.check import check
from recorder.identities import IdentityBook
from recorder.index.migrate import INDEX_NAME, SCHEMA_VERSION
from recorder.index.rows import HoldRow
from recorder.recorder import RecorderOptions, State
from recorder.volume import IDENTITY_NAME
from tests.unit.recorder import footage
from tests.unit.recorder.world import World, snapshot

LATER_US = footage.WALL_US + 60_000_000


@pytest.fixture
async def volume(tmp_path: Path) -> Path:
    async with World(tmp_path) as world:
        await world.run(footage.video(9), EndReason.DISCONNECTED)
        await world.recorder.hold(HoldRow("case-1", "gate", 1, 2, "theft", 0, None))
    return tmp_path


def drop_an_index(path: Path) -> None:
    change(path, "drop index segment_unfinished")


def add_a_foreign_index(path: Path) -> None:
    change(path, "create index mine on gap (reason)")


def rename_a_column(path: Path) -> None:
    change(path, "alter table segment rename column lost_packets to lost")


def make_it_older(path: Path) -> None:
    change(path, "alter table stream drop column expired_us", f"pragma user_version={SCHEMA_VERSION - 1}")


def overwrite_pages(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[4096:40_000] = os.urandom(len(data[4096:40_000]))
    path.write_bytes(data)


def make_it_no_database(path: Path) -> None:
    path.write_bytes(b"not an index" * 1000)


def remove_it(path: Path) -> None:
    path.unlink()


def change(path: Path, *statements: str) -> None:
    with sqlite3.connect(path) as db:
        for statement in statements:
            db.execute(statement)
    db.close()


async def until(condition: Callable[[], bool]) -> None:
    """Wait for the writer's thread, and for the events it sent."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110  # the other end is a thread
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.01)


async def settled(world: World) -> None:
    """Wait until the writer's thread has opened the volume or failed to."""
    (writer,) = world.recorder.writers
    await until(lambda: writer.is_idle or writer.stopped is not None)


async def tried_again(world: World) -> None:
    """Let the time pass after which a failed volume is tried again, and wait until it accepts."""
    world.clock.advance(11.0)
    await usable(world)


async def usable(world: World) -> None:
    """Wait until the volume is open and accepts."""
    (writer,) = world.recorder.writers
    await until(lambda: writer.is_idle and writer.stopped is None)


@pytest.mark.parametrize(
    "harm",
    [
        drop_an_index,
        add_a_foreign_index,
        rename_a_column,
        make_it_older,
        overwrite_pages,
        make_it_no_database,
        remove_it,
    ],
    ids=lambda harm: harm.__name__,
)
async def test_an_index_that_cannot_be_used_is_mended_and_recording_goes_on(volume: Path, harm: Callable[[Path], None]):
    before = snapshot(volume)
    harm(volume / INDEX_NAME)
    async with World(volume, epoch=2) as world:
        world.clock.advance(60.0)
        await usable(world)
        reader = await world.run(footage.video(6, wall_us=LATER_US), end=None)
        assert reader.status.state is State.RECORDING
    assert check([volume], deep=True).problems == ()
    after = snapshot(volume)
    assert after.segments[: len(before.segments)] == before.segments
    assert after.segments[-1].end_us > LATER_US
    with sqlite3.connect(volume / INDEX_NAME) as db:
        assert db.execute("pragma user_version").fetchone() == (SCHEMA_VERSION,)
        assert harm is remove_it or db.execute("select id from hold").fetchall() == [("case-1",)]


async def test_a_rebuild_is_told_and_only_new_indexes_need_none(volume: Path):
    drop_an_index(volume / INDEX_NAME)
    async with World(volume) as world:
        await settled(world)
        assert world.events == []
    rename_a_column(volume / INDEX_NAME)
    async with World(volume) as world:
        await usable(world)
        await world.recorder.flush()
        kinds = [kind for kind, _, _ in world.events]
    assert kinds == ["disk_error", "recording_stopped", "index_rebuilt", "recording_resumed"]


async def test_damage_found_while_recording_is_mended_at_the_next_try(volume: Path):
    async with World(volume, epoch=2) as world:
        world.clock.advance(60.0)
        await usable(world)
        await world.run(footage.video(2, wall_us=LATER_US), end=None)
        change(volume / INDEX_NAME, "alter table run rename to lost")  # the writer's next statement fails
        reader = world.readers[next(iter(world.readers))]
        reader.on_end(EndReason.DISCONNECTED)
        (writer,) = world.recorder.writers
        await until(lambda: writer.stopped is not None)
        await tried_again(world)
        await world.run(footage.video(6, wall_us=LATER_US + 20_000_000))
        assert "index_rebuilt" in [kind for kind, _, _ in world.events]
    assert check([volume], deep=True).problems == ()


async def test_a_newer_index_is_left_alone(volume: Path):
    change(volume / INDEX_NAME, f"pragma user_version={SCHEMA_VERSION + 1}")
    before = (volume / INDEX_NAME).read_bytes()
    async with World(volume) as world:
        await settled(world)
        assert world.recorder.writers[0].stop_reason == "index_version"
    assert (volume / INDEX_NAME).read_bytes() == before


# which disk is it?


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    return tmp_path / "disk"


@pytest.fixture
def options(tmp_path: Path) -> RecorderOptions:
    return RecorderOptions(segment_s=4, identities=IdentityBook(tmp_path / "data" / "volumes"))


def unmount(disk: Path) -> None:
    shutil.move(disk, disk.with_name("unmounted"))
    disk.mkdir()


def mount_again(disk: Path) -> None:
    assert list(disk.iterdir()) == [], "something was written below the mount point"
    disk.rmdir()
    shutil.move(disk.with_name("unmounted"), disk)


async def record(world: World, wall_us: int = footage.WALL_US) -> tuple[State, str]:
    """Feed some seconds of footage once the volume has been looked at; return what the status says."""
    await settled(world)
    reader = world.reader()
    reader.on_run(footage.TRACKS)
    for unit in footage.video(6, wall_us=wall_us):
        reader.on_unit(unit)
    return reader.status.state, reader.status.reason


async def test_an_unmounted_disk_does_not_become_a_new_volume(disk: Path, options: RecorderOptions):
    async with World(disk, options) as world:
        assert await record(world) == (State.RECORDING, "")
    unmount(disk)
    async with World(disk, options, epoch=2) as world:
        assert await record(world, LATER_US) == (State.STOPPED, "volume_unavailable")
        stopped = [details for kind, _, details in world.events if kind == "recording_stopped"]
        assert [(item["reason"], item["path"]) for item in stopped] == [("volume_unavailable", str(disk))]
        mount_again(disk)
        await tried_again(world)
        assert (await record(world, LATER_US))[0] is State.RECORDING


async def test_a_swapped_disk_is_refused_until_it_is_accepted(disk: Path, options: RecorderOptions):
    async with World(disk, options) as world:
        await record(world)
    shutil.move(disk, disk.with_name("first"))
    async with World(disk) as world:  # formatted by another hub
        await record(world)
    async with World(disk, options, epoch=2) as world:
        assert await record(world, LATER_US) == (State.STOPPED, "wrong_volume")
        assert options.identities is not None
        assert options.identities.accept(disk) is not None
        await tried_again(world)
        assert (await record(world, LATER_US))[0] is State.RECORDING


async def test_an_empty_disk_becomes_a_volume_once_accepted(disk: Path, options: RecorderOptions):
    async with World(disk, options) as world:
        await record(world)
    unmount(disk)
    assert options.identities is not None
    assert options.identities.accept(disk) is None
    async with World(disk, options, epoch=2) as world:
        assert (await record(world))[0] is State.RECORDING
    assert options.identities.expected(disk) is not None


async def test_a_disk_that_goes_away_while_recording_is_noticed(disk: Path, options: RecorderOptions):
    async with World(disk, options) as world:
        await record(world)
        (disk / IDENTITY_NAME).rename(disk / "elsewhere")
        (writer,) = world.recorder.writers
        world.clock.advance(1.5)
        await until(lambda: writer.stopped is not None)
        world.clock.advance(11.0)
        await until(lambda: writer.stop_reason == "volume_unavailable")


def test_a_damaged_note_counts_as_none(tmp_path: Path, disk: Path):
    book = IdentityBook(tmp_path / "book")
    disk.mkdir()
    (disk / IDENTITY_NAME).write_text('{"uuid": "0123456789abcdef0123456789abcdef"}')
    assert book.accept(disk) == "0123456789abcdef0123456789abcdef"
    (page,) = (tmp_path / "book").glob("*.json")
    page.write_text("{")
    assert book.expected(disk) is None
