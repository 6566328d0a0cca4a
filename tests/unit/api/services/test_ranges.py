"""Ranges of time."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.services.ranges import TimeRange, time_range
from media.base.clock import us_of_utc
from media.base.errors import HubError

NOW_US = us_of_utc(dt.datetime(2027, 1, 15, 8, tzinfo=dt.UTC))
ZONED = st.datetimes(
    timezones=st.sampled_from([dt.UTC, dt.timezone(dt.timedelta(hours=14)), dt.timezone(dt.timedelta(hours=-23))])
)


@given(ZONED, ZONED)
def test_any_two_moments_are_a_range_or_refused(start: dt.datetime, end: dt.datetime) -> None:
    found, code = None, None
    try:
        found = time_range(start, end, NOW_US)
    except HubError as error:
        code = error.code
    assert code in {None, "invalid_range", "range_in_future", "range_too_long"}
    assert found is None or (found.start_us < found.end_us and found.params()["start"].endswith("Z"))


def test_a_day_that_is_not_over_may_be_asked_for() -> None:
    day = time_range(dt.datetime(2027, 1, 15, tzinfo=dt.UTC), dt.datetime(2027, 1, 16, tzinfo=dt.UTC), NOW_US)
    assert day.params() == {"start": "2027-01-15T00:00:00.000Z", "end": "2027-01-16T00:00:00.000Z"}


@pytest.mark.parametrize(
    ("start", "end", "inside"), [(0, 10, True), (-1000, 10, True), (-1001, 10, False), (0, 1_001_001, False)]
)
def test_a_range_holds_another_to_the_millisecond(start: int, end: int, inside: bool) -> None:
    assert TimeRange(0, 1_000_000).holds(TimeRange(start, end)) is inside
