import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.base.errors import HubError
from recorder.replay.moments import parse_moment, parse_span
from recorder.replay.ranges import parse_range


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-9", (0, 10)),
        ("bytes=10-", (10, 100)),
        ("bytes=-30", (70, 100)),
        ("bytes=-300", (0, 100)),
        ("bytes=90-999", (90, 100)),
        ("bytes=5-4", None),
        ("bytes=0-1,5-6", None),
        ("items=0-9", None),
        ("bytes=-", None),
        ("bytes=a-b", None),
        (None, None),
    ],
)
def test_ranges(header, expected):
    assert parse_range(header, 100) == expected


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=500-600", "bytes=-0"])
def test_nothing_of_the_range_exists(header):
    with pytest.raises(HubError, match="outside"):
        parse_range(header, 100)


@given(st.text(max_size=60), st.integers(0, 1000))
def test_any_header_gives_a_range_inside_or_none(header, size):
    try:
        found = parse_range(header, size)
    except HubError:
        return
    assert found is None or 0 <= found[0] < found[1] <= size


@pytest.mark.parametrize("text", ["2026-11-22T08:00:00Z", "2026-11-22T16:00:00+08:00", "2026-11-22T16:00:00 08:00"])
def test_a_moment_has_a_zone(text):
    assert parse_moment(text) == 1_795_334_400_000_000


@given(st.text(max_size=40))
def test_any_text_is_a_moment_or_refused(text):
    with contextlib.suppress(HubError):
        assert isinstance(parse_moment(text), int)


def test_reversed_and_endless_ranges_are_refused():
    with pytest.raises(HubError, match="before it starts"):
        parse_span("2026-11-22T08:00:00Z", "2026-11-22T08:00:00Z", 1 << 60)
    with pytest.raises(HubError, match="too long"):
        parse_span("2016-11-22T08:00:00Z", "2026-11-22T08:00:00Z", 86_400_000_000)
