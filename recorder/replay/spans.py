"""Spans, gaps and completeness of a stretch of time: what the timeline shows.

Pure: extents and gap rows in, values out. Called by the replay app for `/recordings` and `/calendar`. Footage is
never counted twice; time without footage always has a reason, and time for which nothing was planned does not count
against completeness.
"""

import datetime as dt
import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from media.base.clock import us_of_utc
from media.base.errors import ErrorKind, HubError
from recorder.index.rows import GapRow

UNPLANNED = frozenset({"planned", "disabled", "expired", "not_recorded", "muted", "left", "tracks_changed"})
"""Reasons that mean: nobody asked for footage then, there was nothing to take, or it was rightly deleted."""


@dataclass(frozen=True, slots=True)
class Extent:
    """One segment in time."""

    start_us: int
    end_us: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Gap:
    """A stretch without footage, clipped to the range asked for."""

    start_us: int
    end_us: int
    reason: str


@dataclass(frozen=True, slots=True)
class History:
    """What is known of a stream besides its extents. `known_since_us` is when it was first to be recorded."""

    gaps: Sequence[GapRow]
    known_since_us: int | None
    expired_us: int
    is_recording: bool


@dataclass(frozen=True, slots=True)
class Timeline:
    """The answer to `/recordings`."""

    spans: tuple[Extent, ...]
    gaps: tuple[Gap, ...]
    planned_us: int
    recorded_us: int

    @property
    def completeness(self) -> float:
        """Return recorded over planned time (录像完整率), 1 when nothing was planned."""
        return self.recorded_us / self.planned_us if self.planned_us else 1.0


def merge(extents: Iterable[Extent], start_us: int, end_us: int) -> tuple[Extent, ...]:
    """Join extents (in order of start) that touch, clipped to [start_us, end_us); bytes are shared out by time."""
    merged: list[Extent] = []
    begin = finish = size_bytes = 0
    for extent in extents:
        first, last = max(extent.start_us, start_us, finish), min(extent.end_us, end_us)
        if last <= first:
            continue
        share = extent.size_bytes * (last - first) // max(1, extent.end_us - extent.start_us)
        if finish and first == finish:
            size_bytes += share
        else:
            if finish:
                merged.append(Extent(begin, finish, size_bytes))
            begin, size_bytes = first, share
        finish = last
    if finish:
        merged.append(Extent(begin, finish, size_bytes))
    return tuple(merged)


def timeline(extents: Iterable[Extent], history: History, bounds: tuple[int, int], now_us: int) -> Timeline:
    """Return spans, gaps and completeness within `bounds`; what lies after `now_us` is neither span nor gap."""
    start_us, end_us = bounds
    spans = merge(extents, start_us, end_us)
    gaps: list[Gap] = []
    until_us = min(end_us, now_us)
    at = start_us
    for span in spans:
        gaps += _explain(at, min(span.start_us, until_us), history)
        at = span.end_us
    if not (history.is_recording and spans):  # the last second of a running recording is not written yet
        gaps += _explain(at, until_us, history)
    recorded_us = sum(span.end_us - span.start_us for span in spans)
    missed_us = sum(gap.end_us - gap.start_us for gap in gaps if gap.reason not in UNPLANNED)
    return Timeline(spans, tuple(gaps), recorded_us + missed_us, recorded_us)


def _explain(start_us: int, end_us: int, history: History) -> list[Gap]:
    """Cut a stretch without footage by the gap rows; what none covers was deleted, came before, or is `missing`."""
    found: list[Gap] = []
    at = start_us
    for row in history.gaps:
        first, last = max(row.start_us, at), min(row.end_us if row.end_us is not None else end_us, end_us)
        if last <= first:
            continue
        found += _unexplained(at, first, history)
        found.append(Gap(first, last, row.reason))
        at = last
    return _join([*found, *_unexplained(at, end_us, history)])


def _unexplained(start_us: int, end_us: int, history: History) -> list[Gap]:
    known_us = end_us if history.known_since_us is None else max(start_us, min(end_us, history.known_since_us))
    expired_us = max(start_us, min(end_us, history.expired_us))
    edges = sorted({start_us, known_us, expired_us, end_us})
    found = []
    for first, last in itertools.pairwise(edges):
        reason = "expired" if last <= expired_us else "not_recorded" if last <= known_us else "missing"
        found.append(Gap(first, last, reason))
    return found


def _join(gaps: Sequence[Gap]) -> list[Gap]:
    joined: list[Gap] = []
    for gap in gaps:
        if gap.end_us <= gap.start_us:
            continue
        if joined and joined[-1].end_us == gap.start_us and joined[-1].reason == gap.reason:
            joined[-1] = Gap(joined[-1].start_us, gap.end_us, gap.reason)
        else:
            joined.append(gap)
    return joined


@dataclass(frozen=True, slots=True)
class Day:
    """One local day of the calendar."""

    date: str
    recorded_us: int
    size_bytes: int


def month_bounds(month: str, utc_offset_minutes: int) -> tuple[int, int]:
    """Return where a local month (`2026-11`) begins and ends, in microseconds; HubError INVALID when malformed."""
    try:
        first = dt.datetime.strptime(month, "%Y-%m").replace(tzinfo=dt.UTC)
        following = (first + dt.timedelta(days=32)).replace(day=1)
    except (ValueError, OverflowError) as exc:
        raise HubError(ErrorKind.INVALID, "a month is written YYYY-MM", code="invalid_month") from exc
    shift_us = utc_offset_minutes * 60_000_000
    return us_of_utc(first) - shift_us, us_of_utc(following) - shift_us


def days(extents: Sequence[Extent], bounds: tuple[int, int], utc_offset_minutes: int) -> list[Day]:
    """Return the days within `bounds` (from `month_bounds`) that have footage."""
    start_us, end_us = bounds
    day_us = 86_400_000_000
    found = []
    for first in range(start_us, end_us, day_us):
        within = [extent for extent in extents if extent.start_us < first + day_us and extent.end_us > first]
        spans = merge(within, first, first + day_us)
        if spans:
            local = dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(
                microseconds=first + utc_offset_minutes * 60_000_000
            )
            recorded_us = sum(span.end_us - span.start_us for span in spans)
            found.append(Day(f"{local:%Y-%m-%d}", recorded_us, sum(span.size_bytes for span in spans)))
    return found
