"""Damaged files and indexes: every parser refuses in its own words, quickly, and never reads beyond what it has."""

import contextlib
import os
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from media.base.errors import RemoteProtocolError
from media.container.boxes import box, children, find, read_header
from media.container.fmp4 import file_type, fragment_header, fragment_index, init_moov, track_config
from media.container.hls import unpack_chunks
from media.container.parse import parse_fragment, parse_moov
from media.container.samples import columns, decode_columns, decode_fragments, encode_columns
from recorder.format import (
    SegmentFacts,
    SegmentHeader,
    StoredGap,
    StoredTrack,
    header_box,
    parse_header,
    parse_trailer,
    trailer_box,
)
from recorder.store import fragments_from, read_front, read_trailer
from tests.unit.media.container.strategies import fragments, runs
from tests.unit.recorder import footage

HEADER = SegmentHeader(
    volume="0" * 32, segment_id=1, stream_id=1, camera_id="gate", quality="main", run_id=1, run_started_us=1, epoch=1,
    node="n", opened_us=1, start_us=1, retention_days=30, minimum_days=30,
    tracks=(StoredTrack(1, "h264", "avc1.640028", 640, 360, 25.0),), gaps=(StoredGap(1, 2, "silent"),),
)  # fmt: skip
FACTS = SegmentFacts(
    start_us=1, wall_us=2, media_start=3, media_ticks=4, timescale=90_000, init_bytes=5, body_bytes=6,
    body_sha256="00" * 32, previous_seal="11" * 32,
)  # fmt: skip
INIT = file_type() + header_box(HEADER) + init_moov((track_config(1, footage.params()), track_config(2, footage.AAC)))


@st.composite
def mutated(draw, data: bytes) -> bytes:
    """Change a few bytes, cut, repeat or insert: what disks and attackers do."""
    found = bytearray(data)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(0, len(found) - 1)))
        match draw(st.sampled_from("bcid")):
            case "b":
                found[at : at + 1] = draw(st.binary(min_size=1, max_size=4))
            case "c":
                del found[at:]
            case "i":
                found[at:at] = draw(st.binary(max_size=16))
            case _:
                del found[at : at + draw(st.integers(1, 64))]
    return bytes(found)


def one_fragment(track_runs) -> bytes:
    return fragment_header(1, track_runs) + bytes(sum(sum(run.sizes) for run in track_runs))


@settings(max_examples=150, deadline=1000)
@given(st.data(), fragments)
def test_a_mutated_fragment_is_read_or_refused(data, track_runs):
    found = data.draw(mutated(one_fragment(track_runs)))
    with contextlib.suppress(RemoteProtocolError):
        moof = read_header(found, 0, len(found))
        if moof is None or moof.kind != b"moof":
            return
        mdat = read_header(found, moof.end, len(found))
        if mdat is None:
            return
        fragment = parse_fragment(found, moof, 0, mdat)
        assert fragment.size_bytes <= len(found)
        assert fragment.header_bytes + sum(sum(run.sizes) for run in fragment.runs) == fragment.size_bytes


@settings(max_examples=150, deadline=1000)
@given(mutated(INIT))
def test_a_mutated_init_segment_is_read_or_refused(found):
    with contextlib.suppress(RemoteProtocolError):
        moov = find(found, 0, len(found), b"moov")
        if moov is not None:
            parse_moov(found, moov)
        front = find(found, 0, len(found), b"uuid")
        if front is not None:
            parse_header(found[front.body : front.end])


@settings(max_examples=150, deadline=1000)
@given(st.data(), runs(1))
def test_a_mutated_sample_index_is_read_or_refused(data, run):
    header = fragment_header(1, (run,))
    found = data.draw(mutated(fragment_index(header, (run,), 100).encode()))
    for parse in (decode_fragments, columns, decode_columns):
        with contextlib.suppress(RemoteProtocolError):
            parse(found)


@settings(max_examples=150, deadline=1000)
@given(st.data(), runs(1))
def test_mutated_columns_are_read_or_refused(data, run):
    header = fragment_header(1, (run,))
    whole = encode_columns(columns(fragment_index(header, (run,), 100).encode()))
    with contextlib.suppress(RemoteProtocolError):
        decode_columns(data.draw(mutated(whole)))


@settings(max_examples=150, deadline=1000)
@given(mutated(trailer_box(FACTS, b"index")))
def test_a_mutated_trailer_is_read_or_refused(found):
    with contextlib.suppress(RemoteProtocolError):
        trailer = parse_trailer(found)
        assert len(trailer.seal) == 32


@given(st.binary(max_size=300))
def test_arbitrary_bytes_are_read_or_refused(data):
    for parse in (decode_fragments, columns, decode_columns, parse_trailer, parse_header):
        with contextlib.suppress(RemoteProtocolError):
            parse(data)
    with contextlib.suppress(RemoteProtocolError):
        unpack_chunks(data, 0)
    with contextlib.suppress(RemoteProtocolError):
        list(children(data, 0, len(data)))


@settings(max_examples=100, deadline=1000)
@given(st.data(), runs(1, max_size=50))
def test_a_mutated_file_yields_fragments_within_its_size(data, run):
    body = INIT + one_fragment((run,)) * 3
    found = data.draw(mutated(body + trailer_box(FACTS, b"")))
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "000000-1.mp4"
        path.write_bytes(found)
        fd = os.open(path, os.O_RDONLY)
        try:
            with contextlib.suppress(RemoteProtocolError):
                front = read_front(fd)
                ends = [fragment.end for fragment in fragments_from(fd, front.init_bytes)]
                assert ends == sorted(ends)
                assert not ends or ends[-1] <= len(found)
            with contextlib.suppress(RemoteProtocolError):
                read_trailer(fd)
        finally:
            os.close(fd)


def test_deep_nesting_costs_nothing():
    data = b""
    for _ in range(2000):
        data = box(b"moov", data)
    assert find(data, 0, len(data), *[b"moov"] * 1999) is not None
