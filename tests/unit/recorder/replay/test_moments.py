"""Moments and ranges as clients write them."""

import pytest

from media.base.errors import HubError
from recorder.replay.moments import parse_moment, parse_span

HOUR_US = 3600 * 1_000_000


@pytest.mark.parametrize("text", ["2026-11-22T10:00:00Z", "2026-11-22T18:00:00+08:00", " 2026-11-22T18:00:00 08:00"])
def test_one_moment_in_several_writings(text: str) -> None:
    assert parse_moment(text) == 1_795_341_600_000_000


@pytest.mark.parametrize("text", ["", "yesterday", "2026-11-22T10:00:00", "2026-13-01T00:00:00Z"])
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(HubError) as caught:
        parse_moment(text)
    assert caught.value.code == "invalid_time"


@pytest.mark.parametrize(
    ("end", "code"), [("09:00:00Z", "invalid_range"), ("10:00:00Z", "invalid_range"), ("12:00:01Z", "range_too_long")]
)
def test_ranges_without_sense_are_refused(end: str, code: str) -> None:
    with pytest.raises(HubError) as caught:
        parse_span("2026-11-22T10:00:00Z", f"2026-11-22T{end}", 2 * HOUR_US)
    assert caught.value.code == code


def test_a_range_is_given_in_microseconds() -> None:
    start, end = parse_span("2026-11-22T10:00:00Z", "2026-11-22T12:00:00Z", 2 * HOUR_US)
    assert end - start == 2 * HOUR_US
