import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.base.errors import RemoteProtocolError
from media.container.hls import Chunk, PlaylistPart, chunks_of, pack_chunks, playlist, unpack_chunks
from media.container.samples import FragmentIndex, Keys, TrackRun


def fragment(offset: int, keys: Keys, ticks: int = 90_000, size: int = 1000) -> FragmentIndex:
    return FragmentIndex(offset, size + 100, 100, (TrackRun(1, 0, keys, [size], [ticks]),))


@given(st.lists(st.tuples(st.integers(1, 1 << 40), st.integers(1, 1 << 40))))
def test_packed_chunks_unpack_equal(pairs):
    chunks, offset = [], 77
    for size, ticks in pairs:
        chunks.append(Chunk(offset, size, ticks))
        offset += size
    assert unpack_chunks(pack_chunks(chunks), 77) == chunks


def test_a_damaged_table_is_refused():
    with pytest.raises(RemoteProtocolError):
        unpack_chunks(b"\x80\x80", 0)


def test_chunks_begin_with_a_key_frame_and_last_long_enough():
    keys = [Keys.FIRST, Keys.NONE] * 10
    fragments = [fragment(500 + n * 1100, key) for n, key in enumerate(keys)]
    chunks = chunks_of(fragments, 1, 5 * 90_000)
    assert [chunk.ticks // 90_000 for chunk in chunks] == [6, 6, 6, 2]
    assert [chunk.offset for chunk in chunks] == [500, 500 + 6600, 500 + 13_200, 500 + 19_800]


def test_a_gap_is_a_discontinuity_and_every_file_has_its_map():
    chunk = Chunk(700, 1000, 540_000)
    parts = [
        PlaylistPart("a.mp4", 700, (chunk,), 90_000, 1_763_800_000_000_000, 1e6 / 90_000, continues=False),
        PlaylistPart("b.mp4", 650, (chunk,), 90_000, 1_763_800_006_000_000, 1e6 / 90_000, continues=True),
        PlaylistPart("c.mp4", 650, (chunk,), 90_000, 1_763_800_100_000_000, 1e6 / 90_000, continues=False),
    ]
    lines = playlist(parts).splitlines()
    assert lines.count("#EXT-X-DISCONTINUITY") == 1
    assert lines.index("#EXT-X-DISCONTINUITY") > lines.index("b.mp4")
    assert '#EXT-X-MAP:URI="c.mp4",BYTERANGE="650@0"' in lines
    assert "#EXT-X-PROGRAM-DATE-TIME:2025-11-22T08:28:20.000Z" in lines
    assert lines[-1] == "#EXT-X-ENDLIST"
