"""Header and trailer of a segment file: what is written is read back, and damage is refused."""

import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.base.errors import RemoteProtocolError
from recorder.format import (
    NO_SEAL,
    SegmentFacts,
    SegmentHeader,
    StoredGap,
    StoredTrack,
    header_box,
    parse_header,
    parse_trailer,
    seal_of,
    trailer_box,
    trailer_bytes,
)

HEADER = SegmentHeader(
    volume="v", segment_id=7, stream_id=1, camera_id="gate", quality="main", run_id=3, run_started_us=10, epoch=2,
    node="county", opened_us=12, start_us=11, retention_days=30, minimum_days=30,
    tracks=(StoredTrack(1, "h264", "avc1.640028", 1280, 720, 25.0), StoredTrack(2, "aac", "mp4a.40.2")),
    gaps=(StoredGap(1, 11, "silent"),),
)  # fmt: skip
FACTS = SegmentFacts(
    start_us=11, wall_us=5_000_000, media_start=0, media_ticks=450_000, timescale=90_000, init_bytes=900,
    body_bytes=1_000_000, body_sha256="ab" * 32, previous_seal=NO_SEAL.hex(),
)  # fmt: skip


def body_of(box: bytes) -> bytes:
    return box[8:]


def test_a_header_says_again_what_it_was_told() -> None:
    assert parse_header(body_of(header_box(HEADER))) == HEADER


def test_a_header_of_a_later_version_may_say_more() -> None:
    values = dataclasses.asdict(HEADER) | {"mood": "new"}
    assert parse_header(b"xiangyun.segment" + json.dumps(values).encode()) == HEADER


@pytest.mark.parametrize("change", [{"tracks": 5}, {"start_us": "11"}, {"gaps": [{"start_us": 1}]}, {"epoch": True}])
def test_a_header_with_wrong_types_is_refused(change: dict[str, object]) -> None:
    values = dataclasses.asdict(HEADER) | change
    with pytest.raises(RemoteProtocolError, match="fact"):
        parse_header(b"xiangyun.segment" + json.dumps(values).encode())


def test_a_trailer_is_found_from_the_end_of_the_file_and_read_back() -> None:
    box = trailer_box(FACTS, b"index")
    assert trailer_bytes(box[-16:]) == len(box)
    found = parse_trailer(box)
    assert (found.facts, found.index, found.seal) == (FACTS, b"index", seal_of(FACTS, b"index"))


def test_the_seal_depends_on_the_one_before_the_body_and_the_index() -> None:
    other_body = dataclasses.replace(FACTS, body_sha256="cd" * 32)
    other_before = dataclasses.replace(FACTS, previous_seal="01" * 32)
    seals = {seal_of(FACTS, b""), seal_of(FACTS, b"x"), seal_of(other_body, b""), seal_of(other_before, b"")}
    assert len(seals) == 4


@given(at=st.integers(0, 400), value=st.integers(0, 255))
def test_a_damaged_trailer_is_refused_or_its_seal_does_not_fit(at: int, value: int) -> None:
    box = bytearray(trailer_box(FACTS, b"index" * 10))
    at %= len(box)
    is_changed = box[at] != value
    box[at] = value
    try:
        found = parse_trailer(bytes(box))
    except RemoteProtocolError:
        return
    assert (found.seal != seal_of(found.facts, found.index)) is (is_changed and at >= 4)
