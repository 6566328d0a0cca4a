"""Moments and ranges as HTTP clients write them. Pure; raises HubError INVALID with a stable code."""

import datetime as dt

from media.base.clock import us_of_utc
from media.base.errors import ErrorKind, HubError


def parse_moment(text: str) -> int:
    """Return microseconds since 1970 of an RFC 3339 moment; it must carry a zone."""
    try:
        moment = dt.datetime.fromisoformat(text.strip().replace(" ", "+"))
        return us_of_utc(moment)
    except (ValueError, OverflowError) as exc:
        raise HubError(ErrorKind.INVALID, "a moment is written as RFC 3339 with a zone", code="invalid_time") from exc


def parse_span(start: str, end: str, longest_us: int) -> tuple[int, int]:
    """Return [start, end) in microseconds; refuses reversed ranges and ranges longer than `longest_us`."""
    start_us, end_us = parse_moment(start), parse_moment(end)
    if end_us <= start_us:
        raise HubError(ErrorKind.INVALID, "the range ends before it starts", code="invalid_range")
    if end_us - start_us > longest_us:
        raise HubError(ErrorKind.INVALID, "the range is too long", code="range_too_long", limit=longest_us // 1_000_000)
    return start_us, end_us
