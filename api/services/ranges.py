"""Time ranges that clients ask for: parsed, and refused when they make no sense. Pure."""

import datetime as dt
from dataclasses import dataclass

from media.base.clock import rfc3339, us_of_utc, utc_of_us
from media.base.errors import ErrorKind, HubError

DAY_US = 86_400_000_000
MAX_RANGE_US = 100 * DAY_US
"""Retention of 90 days and some."""
_EARLIEST_US = 946_684_800_000_000
"""2000-01-01; no recording is older, and years near 1 and 9999 overflow in other software."""
_LATEST_US = 4_102_444_800_000_000
"""2100-01-01."""
CLOCK_SLACK_US = 5_000_000
"""A browser's clock may be ahead of ours by a little."""


@dataclass(frozen=True, slots=True)
class TimeRange:
    """From `start_us` (included) to `end_us` (excluded), microseconds since 1970 in UTC."""

    start_us: int
    end_us: int

    def params(self) -> dict[str, str]:
        """Return the query parameters `start` and `end` in RFC 3339."""
        return {"start": rfc3339(self.start_us), "end": rfc3339(self.end_us)}

    def start(self) -> dt.datetime:
        """Return the start as a datetime."""
        return utc_of_us(self.start_us)

    def end(self) -> dt.datetime:
        """Return the end as a datetime."""
        return utc_of_us(self.end_us)

    def holds(self, other: "TimeRange") -> bool:
        """Tell whether `other` lies within, to the millisecond that RFC 3339 texts carry here."""
        return other.start_us >= self.start_us - 1000 and other.end_us <= self.end_us + 1000


def time_range(start: dt.datetime, end: dt.datetime, now_us: int, longest_us: int = MAX_RANGE_US) -> TimeRange:
    """Return the range; HubError INVALID `invalid_range` (reversed, absurd), `range_in_future`, `range_too_long`."""
    found = TimeRange(us_of_utc(start), us_of_utc(end))
    if found.start_us >= found.end_us or found.start_us < _EARLIEST_US or found.end_us > _LATEST_US:
        raise HubError(ErrorKind.INVALID, "not a range of time", code="invalid_range")
    if found.start_us > now_us + CLOCK_SLACK_US:
        raise HubError(ErrorKind.INVALID, "starts in the future", code="range_in_future")
    if found.end_us - found.start_us > longest_us:
        raise HubError(ErrorKind.INVALID, "too long", code="range_too_long", limit=longest_us // 1_000_000)
    return found
