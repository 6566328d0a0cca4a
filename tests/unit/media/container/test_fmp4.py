from dataclasses import fields

from hypothesis import given

from media.container.boxes import find, read_header
from media.container.fmp4 import file_type, fragment_header, fragment_index, init_moov, track_config
from media.container.hls import chunks_of, chunks_of_columns
from media.container.parse import parse_fragment, parse_moov
from media.container.samples import columns, decode_columns, decode_fragments, encode_columns
from tests.unit.media.container.strategies import fragments
from tests.unit.recorder import footage


def flat(run):
    return (run.track_id, run.base_dts, run.keys, *(list(column) for column in (run.sizes, run.durations, run.offsets)))


@given(fragments)
def test_a_written_fragment_reads_back_equal(runs):
    header = fragment_header(7, runs)
    data = header + b"x" * sum(sum(run.sizes) for run in runs)
    moof = read_header(data, 0, len(data))
    assert moof is not None
    mdat = read_header(data, moof.end, len(data))
    assert mdat is not None
    found = parse_fragment(data, moof, 5000, mdat)
    expected = fragment_index(header, runs, 5000)
    assert (found.offset, found.size_bytes, found.header_bytes) == (5000, len(data), len(header))
    assert [flat(run) for run in found.runs] == [flat(run) for run in expected.runs]


@given(fragments)
def test_the_index_of_a_fragment_decodes_equal(runs):
    header = fragment_header(1, runs)
    index = fragment_index(header, runs, 100)
    again = fragment_index(header, runs, index.end)
    decoded = decode_fragments(index.encode() + again.encode())
    assert [flat(run) for item in decoded for run in item.runs] == [flat(run) for run in (*runs, *runs)]
    assert [(item.offset, item.end) for item in decoded] == [(index.offset, index.end), (again.offset, again.end)]


@given(fragments)
def test_columns_place_every_sample(runs):
    header = fragment_header(1, runs)
    found = columns(fragment_index(header, runs, 100).encode())
    position = 100 + len(header)
    for run in runs:
        track = found.tracks[run.track_id]
        assert list(track.sizes) == list(run.sizes)
        assert list(track.offsets) == (list(run.offsets) or [0] * len(run.sizes))
        assert int(track.chunk_offsets[0]) == position
        assert int(track.dts[0]) == run.base_dts
        assert int(track.dts[-1]) == run.base_dts + sum(run.durations[:-1])
        position += sum(run.sizes)


@given(fragments)
def test_columns_encode_and_decode_equal_and_give_the_same_chunks(track_runs):
    header = fragment_header(1, track_runs)
    index = fragment_index(header, track_runs, 100)
    items = [index, fragment_index(header, track_runs, index.end)]
    found = columns(b"".join(item.encode() for item in items))
    again = decode_columns(encode_columns(found))
    assert again.tracks.keys() == found.tracks.keys()
    for track_id, track in found.tracks.items():
        for field in fields(track):
            assert getattr(again.tracks[track_id], field.name).tolist() == getattr(track, field.name).tolist()
    assert chunks_of_columns(again, 1, 90_000) == chunks_of(items, 1, 90_000)


def test_an_init_segment_reads_back_its_tracks():
    tracks = (track_config(1, footage.params()), track_config(2, footage.AAC))
    data = file_type() + init_moov(tracks, footage.WALL_US)
    moov = find(data, 0, len(data), b"moov")
    assert moov is not None
    assert parse_moov(data, moov) == tracks
