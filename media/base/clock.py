"""The only module that reads clocks.

Called by every component that needs time; logic below takes `now` as an argument. Two clocks are told apart by
name everywhere: *mono* (durations, never steps) and *wall* (labels, UTC, may step). Microseconds or nanoseconds as
integers, never floats, cross module borders.
"""

import datetime as dt
import time
from typing import Protocol


class Clock(Protocol):
    """Reads both clocks. Implementations: `SystemClock`, `SimulatedClock`."""

    def mono_ns(self) -> int:
        """Return monotonic time in nanoseconds."""
        ...

    def wall_us(self) -> int:
        """Return UTC as microseconds since 1970-01-01."""
        ...


class SystemClock:
    """The clocks of the machine."""

    def mono_ns(self) -> int:
        """Return monotonic time in nanoseconds."""
        return time.monotonic_ns()

    def wall_us(self) -> int:
        """Return UTC as microseconds since 1970-01-01."""
        return time.time_ns() // 1000


class SimulatedClock:
    """A clock that stands still until told to advance; a day passes in a millisecond of test."""

    def __init__(self, wall_us: int = 1_700_000_000_000_000, mono_ns: int = 1_000_000_000) -> None:
        """Start at the given wall time (microseconds) and monotonic time (nanoseconds)."""
        self._wall_us = wall_us
        self._mono_ns = mono_ns

    def mono_ns(self) -> int:
        """Return monotonic time in nanoseconds."""
        return self._mono_ns

    def wall_us(self) -> int:
        """Return UTC as microseconds since 1970-01-01."""
        return self._wall_us

    def advance(self, seconds: float) -> None:
        """Move both clocks forward by `seconds`."""
        self._mono_ns += round(seconds * 1e9)
        self._wall_us += round(seconds * 1e6)

    def step_wall(self, seconds: float) -> None:
        """Step only the wall clock, as NTP or an operator does; the monotonic clock goes on."""
        self._wall_us += round(seconds * 1e6)


def utc_of_us(wall_us: int) -> dt.datetime:
    """Return the aware UTC datetime of `wall_us` microseconds since 1970."""
    return dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=wall_us)


def us_of_utc(moment: dt.datetime) -> int:
    """Return microseconds since 1970 of an aware datetime; ValueError when it carries no zone."""
    if moment.tzinfo is None:
        msg = "a datetime without zone is not a moment"
        raise ValueError(msg)
    delta = moment - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


def rfc3339(wall_us: int) -> str:
    """Return `wall_us` as RFC 3339 in UTC with milliseconds and `Z`."""
    return utc_of_us(wall_us).strftime("%Y-%m-%dT%H:%M:%S.") + f"{wall_us % 1_000_000 // 1000:03d}Z"
