import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from media.container.boxes import read_header
from media.container.fmp4 import fragment_header, fragment_index
from media.container.hls import Chunk, Stretch, chunks_of
from media.container.keys import (
    MAX_BYTES,
    MAX_STRETCH_S,
    MIN_SPACING_S,
    STRETCH_S,
    KeyPart,
    key_fragment,
    key_playlist,
    stretches,
)
from media.container.parse import parse_fragment
from media.container.samples import FragmentIndex, Keys, TrackColumns, TrackRun, columns

RATE = 90_000
SOUND = TrackRun(2, 0, Keys.ALL, [90, 91, 92], [1024] * 3)


@st.composite
def footage(draw):
    """Fragments as the segmenter cuts them: GOPs of a few fragments, B-pictures or none, perhaps sound beside."""
    dts = draw(st.integers(0, 1 << 50))
    at = draw(st.integers(500, 5000))
    with_sound = draw(st.booleans())
    reorder = draw(st.sampled_from([0, 7200]))
    fragments = []
    for pictures, is_key in draw(st.lists(st.tuples(st.integers(1, 6), st.booleans()), min_size=1, max_size=25)):
        keys = Keys.FIRST if is_key or not fragments else Keys.NONE
        durations = draw(st.lists(st.integers(3000, 90_000), min_size=pictures, max_size=pictures))
        sizes = draw(st.lists(st.integers(1, 300), min_size=pictures, max_size=pictures))
        run = TrackRun(1, dts, keys, sizes, durations, [reorder] * pictures if reorder else ())
        runs = (run, SOUND) if with_sound else (run,)
        fragments.append(fragment_index(fragment_header(1, runs), runs, at))
        at, dts = fragments[-1].end, dts + run.duration
    return fragments


def lead_of(fragments: list[FragmentIndex]) -> TrackColumns:
    return columns(b"".join(item.encode() for item in fragments)).tracks[1]


def opened(made) -> FragmentIndex:
    """Read a fragment back as a player does."""
    data = made.header + b"x" * (made.size_bytes - len(made.header))
    moof = read_header(data, 0, len(data))
    assert moof is not None
    mdat = read_header(data, moof.end, len(data))
    assert mdat is not None
    return parse_fragment(data, moof, 0, mdat)


@given(footage(), st.data())
def test_a_fragment_holds_the_key_pictures_of_its_stretch_where_they_lie_and_when(fragments, data):
    runs = [item.run(1) for item in fragments]
    begin = data.draw(st.integers(runs[0].base_dts, runs[-1].base_dts))
    end = data.draw(st.integers(begin + 1, runs[-1].base_dts + runs[-1].duration))
    places = [
        (item.offset + item.header_bytes, run.sizes[0], run.base_dts)
        for item, run in zip(fragments, runs, strict=True)
        if run.keys is Keys.FIRST and begin <= run.base_dts < end
    ]
    expected, free_at = [], -1.0
    for place in places:
        if place[2] >= free_at:
            expected.append(place)
            free_at = place[2] + MIN_SPACING_S * RATE
    made = key_fragment(lead_of(fragments), 1, Stretch(begin, end), RATE)
    if not expected:
        assert made is None
        return
    assert made is not None
    assert list(made.pieces) == [(offset, size) for offset, size, _ in expected]
    (run,) = opened(made).runs
    assert (run.keys, run.base_dts) == (Keys.ALL, expected[0][2])
    times = list(itertools.accumulate([run.base_dts, *run.durations]))
    assert times == [*(dts for _, _, dts in expected), end]
    assert list(run.offsets) == list(runs[0].offsets[:1]) * len(expected)


@given(footage())
def test_stretches_tile_the_chunks_and_each_begins_with_a_key_picture(fragments):
    chunks = chunks_of(fragments, 1, 6 * RATE)
    found = stretches(chunks, 0, RATE)
    assert [found[0].begin, *(s.end for s in found)] == [*(s.begin for s in found), sum(c.ticks for c in chunks)]
    first = fragments[0].run(1).base_dts
    for stretch in found:
        made = key_fragment(lead_of(fragments), 1, Stretch(first + stretch.begin, first + stretch.end), RATE)
        assert made is not None
        assert opened(made).runs[0].base_dts == first + stretch.begin


def test_a_stretch_is_half_a_minute_and_never_more_than_a_minute_unless_one_gop_is():
    even = [Chunk(0, 1, 6 * RATE)] * 50
    assert {s.ticks // RATE for s in stretches(even, 0, RATE)} == {STRETCH_S}
    uneven = [Chunk(0, 1, seconds * RATE) for seconds in (20, 45, 29, 40, 200, 6)]
    lengths = [s.ticks // RATE for s in stretches(uneven, 7, RATE)]
    assert lengths == [20, 45, 29, 40, 200, 6]
    assert [length for length in lengths if length > MAX_STRETCH_S] == [200]
    assert stretches([], 0, RATE) == []


def test_an_all_intra_camera_is_thinned_to_the_bound():
    runs = [TrackRun(1, n * 3600, Keys.FIRST, [400_000], [3600]) for n in range(750)]
    at, fragments = 600, []
    for run in runs:
        fragments.append(fragment_index(fragment_header(1, (run,)), (run,), at))
        at = fragments[-1].end
    made = key_fragment(lead_of(fragments), 1, Stretch(0, 750 * 3600), RATE)
    assert made is not None
    assert made.size_bytes < MAX_BYTES + 4096
    (run,) = opened(made).runs
    assert run.duration == 750 * 3600
    assert len(run.sizes) > 10
    assert np.ptp(run.durations[:-1]) == 0


def test_the_playlist_has_dates_gaps_and_one_map_for_each_decoder():
    def part(name: str, start_us: int, *, continues: bool) -> KeyPart:
        found = ((Stretch(180_000, 2_880_000), f"{name}?ticks=180000-2880000"), (Stretch(2_880_000, 3_600_000), name))
        return KeyPart(f"{name}-init", found, RATE, start_us, 1e6 / RATE, continues=continues)

    start = 1_763_800_000_000_000
    text = key_playlist(
        [part("a", start, continues=False), part("b", start + 38_000_000, continues=True),
         part("c", start + 99_000_000, continues=False)]
    )  # fmt: skip
    lines = text.splitlines()
    assert "#EXT-X-TARGETDURATION:31" in lines
    assert [line for line in lines if "MAP" in line] == ['#EXT-X-MAP:URI="a-init"', '#EXT-X-MAP:URI="c-init"']
    assert lines.count("#EXT-X-DISCONTINUITY") == 1
    assert lines.index("#EXT-X-DISCONTINUITY") > lines.index("b")
    dates = [line.partition(":")[2] for line in lines if "DATE" in line]
    assert dates[:3] == ["2025-11-22T08:26:40.000Z", "2025-11-22T08:27:10.000Z", "2025-11-22T08:27:18.000Z"]
    assert lines[-1] == "#EXT-X-ENDLIST"
