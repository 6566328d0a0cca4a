import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media.base.clock import SimulatedClock
from media.base.errors import HubError
from media.packet import EndReason
from recorder.index.migrate import INDEX_NAME
from recorder.index.writer import IndexWriter
from recorder.policy import DAY_US
from recorder.replay.catalog import Catalog
from recorder.replay.mp4 import IDLE_NS, Pins, Request, make
from recorder.retention import Keeper
from recorder.volume import open_volume
from tests.unit.recorder import footage
from tests.unit.recorder.world import World, segment_paths

START = footage.WALL_US


async def record(root: Path) -> None:
    wide = replace(footage.params(), width=1280)
    async with World(root) as world:
        await world.run(footage.merged(footage.video(10), footage.audio(10)))
        await world.run(footage.video(10, wall_us=START + 60_000_000))
        await world.run(footage.video(10, wall_us=START + 120_000_000, codec=wide), EndReason.SILENT)


@pytest.fixture(scope="module")
def volume(tmp_path_factory) -> Path:
    root: Path = tmp_path_factory.mktemp("volume")
    asyncio.run(record(root))
    return root


def request(start_s: float, end_s: float) -> Request:
    return Request("gate", "main", START + round(start_s * 1e6), START + round(end_s * 1e6))


def made(volume: Path, wanted: Request):
    catalog = Catalog([volume])
    try:
        return make(catalog.segments("gate", "main", wanted.start_us, wanted.end_us), wanted, 0)
    finally:
        catalog.close()


def whole(pinned) -> bytes:
    return b"".join(pinned.read(0, pinned.layout.size_bytes))


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_range_is_the_slice_of_the_whole(volume, data):
    first = data.draw(st.floats(0, 9))
    last = data.draw(st.floats(first + 0.2, 75))
    pinned = made(volume, request(first, last))
    content = whole(pinned)
    assert len(content) == pinned.layout.size_bytes
    start = data.draw(st.integers(0, len(content) - 1))
    end = data.draw(st.integers(start, len(content)))
    assert b"".join(pinned.read(start, end)) == content[start:end]
    pinned.retire()


def test_the_same_request_makes_the_same_file(volume):
    one, two = made(volume, request(1, 8)), made(volume, request(1, 8))
    assert one.etag == two.etag
    assert whole(one) == whole(two)
    assert made(volume, request(1, 7)).etag != one.etag


def test_a_change_of_codec_is_refused_with_spans_that_would_do(volume):
    with pytest.raises(HubError) as caught:
        made(volume, request(0, 130))
    assert caught.value.code == "several_codecs"
    spans = caught.value.context["spans"]
    assert len(spans) == 2
    assert spans[1]["start"] == "2025-11-22T08:28:40.000Z"


def test_more_than_two_hours_are_refused(volume):
    with pytest.raises(HubError) as caught:
        made(volume, Request("gate", "main", START, START + 7_200_000_001))
    assert caught.value.code in ("too_long", "several_codecs")


def test_nothing_recorded_is_not_found(volume):
    with pytest.raises(HubError) as caught:
        made(volume, request(20, 30))
    assert caught.value.code == "no_footage"


async def test_what_is_served_is_not_deleted_until_it_was_idle_for_a_minute(tmp_path: Path):
    async with World(tmp_path) as world:
        await world.run(footage.video(10))
    clock = SimulatedClock()
    pins = Pins()
    wanted = request(0, 10)
    pinned = pins.keep(wanted, made(tmp_path, wanted), clock.mono_ns())
    content = whole(pinned)
    index = IndexWriter(tmp_path / INDEX_NAME)
    keeper = Keeper(open_volume(tmp_path), index)
    late = START + 90 * DAY_US
    keeper.run(late, 0)
    assert len(segment_paths(tmp_path)) == 3
    pinned.release(clock.mono_ns())
    again = pins.find(wanted, clock.mono_ns())
    assert again is pinned
    assert whole(again) == content
    again.release(clock.mono_ns())
    clock.advance(IDLE_NS / 1e9 + 1)
    assert pins.find(wanted, clock.mono_ns()) is None
    keeper.run(late, 0)
    index.close()
    assert segment_paths(tmp_path) == []
