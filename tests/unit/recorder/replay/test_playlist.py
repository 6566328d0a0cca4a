import asyncio
import re
from pathlib import Path

import pytest

from media.packet import EndReason
from recorder.replay.catalog import Catalog
from recorder.replay.playlist import Links, make_key_playlist, make_playlist, window
from tests.unit.recorder import footage
from tests.unit.recorder.world import World

START = footage.WALL_US


async def record(root: Path) -> None:
    async with World(root) as world:
        await world.run(footage.merged(footage.video(20), footage.audio(20)))
        await world.run(footage.video(10, wall_us=START + 60_000_000), EndReason.SILENT)


@pytest.fixture(scope="module")
def catalog(tmp_path_factory):
    root: Path = tmp_path_factory.mktemp("volume")
    asyncio.run(record(root))
    found = Catalog([root])
    yield found
    found.close()


def both(catalog: Catalog, start_s: float, end_s: float) -> tuple[str, str]:
    links = Links("segments", "grant=x", START + round(start_s * 1e6), START + round(end_s * 1e6))
    items = catalog.segments("gate", "main", links.start_us, links.end_us)
    return make_playlist(items, links), make_key_playlist(items, links)


def dated(text: str) -> list[tuple[str, float]]:
    pairs = re.findall(r"#EXT-X-PROGRAM-DATE-TIME:(\S+)\n#EXTINF:([\d.]+),", text)
    return [(date, float(duration)) for date, duration in pairs]


@pytest.mark.parametrize(("start_s", "end_s"), [(0, 80), (3, 17), (9, 62), (61, 70)])
def test_key_pictures_have_the_dates_lengths_and_gaps_of_the_ordinary_playlist(catalog, start_s, end_s):
    ordinary, keys = both(catalog, start_s, end_s)
    assert dated(ordinary)[0][0] == dated(keys)[0][0]
    assert {date for date, _ in dated(keys)} <= {date for date, _ in dated(ordinary)}
    total = sum(duration for _, duration in dated(keys))
    assert total == pytest.approx(sum(duration for _, duration in dated(ordinary)), abs=1e-4)
    assert keys.count("#EXT-X-DISCONTINUITY") == ordinary.count("#EXT-X-DISCONTINUITY")


def test_every_entry_tells_when_its_first_picture_comes_on_the_timeline_of_the_file(catalog):
    for text in both(catalog, 0, 19):
        told = [float(second) for second in re.findall(r"#EXTINF:[^,]+,media=([\d.]+)", text)]
        lengths = [duration for _, duration in dated(text)]
        assert len(told) == len(lengths) > 1
        assert told[0] == 0
        assert told[1:] == pytest.approx([t + d for t, d in zip(told, lengths, strict=True)][:-1], abs=1e-5)


def test_addresses_name_the_part_and_carry_what_the_caller_adds(catalog):
    _, keys = both(catalog, 5, 9)
    addresses = [line for line in keys.splitlines() if not line.startswith("#")]
    assert all(re.search(r"\d\.keys\.mp4\?start=\S+&end=\S+&ticks=\d+-\d+&grant=x$", line) for line in addresses)
    assert re.search(r'#EXT-X-MAP:URI="segments/[^"]+\.keys\.mp4\?start=[^"]+&end=[^"]+&grant=x"', keys)


def test_a_window_knows_where_in_the_segment_it_begins(catalog):
    (item,) = catalog.segments("gate", "main", START + 60_000_000, START + 63_000_000)[:1]
    whole = window(item, item.row.start_us, item.row.end_us)
    assert (whole.ticks.begin, whole.ticks.end) == (0, item.row.media_ticks)
    assert whole.start_us == item.row.start_us
