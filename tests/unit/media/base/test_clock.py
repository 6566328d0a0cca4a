import datetime as dt

import pytest

from media.base.clock import SimulatedClock, SystemClock, rfc3339, us_of_utc, utc_of_us


def test_simulated_clock_moves_both_clocks_only_when_told() -> None:
    clock = SimulatedClock(wall_us=10, mono_ns=20)
    assert (clock.wall_us(), clock.mono_ns()) == (10, 20)
    clock.advance(1.5)
    assert (clock.wall_us(), clock.mono_ns()) == (1_500_010, 1_500_000_020)


def test_a_step_of_the_wall_clock_leaves_durations_alone() -> None:
    clock = SimulatedClock()
    mono = clock.mono_ns()
    clock.step_wall(-86_400)
    assert clock.mono_ns() == mono


def test_system_clock_agrees_with_the_standard_library() -> None:
    assert abs(SystemClock().wall_us() - us_of_utc(dt.datetime.now(dt.UTC))) < 2_000_000


def test_rfc3339_is_utc_with_milliseconds_and_z() -> None:
    moment = dt.datetime(2026, 11, 22, 8, 7, 21, 5_999, tzinfo=dt.UTC)
    assert rfc3339(us_of_utc(moment)) == "2026-11-22T08:07:21.005Z"


def test_microseconds_and_datetimes_round_trip_exactly() -> None:
    for wall_us in (0, 1, 999_999, 1_700_000_000_123_456, -62_135_596_800_000_000):
        assert us_of_utc(utc_of_us(wall_us)) == wall_us


def test_a_datetime_without_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="zone"):
        us_of_utc(dt.datetime(2026, 1, 1))  # noqa: DTZ001
