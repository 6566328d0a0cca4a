"""When a camera is recorded and how long its footage stays.

Given to `Recorder.reader` and changed at run time by the control plane. Pure values; `now` is an argument. Days are
whole days of 24 hours. A schedule counts local minutes of the week at a fixed offset from UTC (the county has one
zone and no summer time).
"""

from dataclasses import dataclass
from enum import StrEnum

from media.base.errors import ErrorKind, HubError

DAY_US = 86_400_000_000
_MINUTES_PER_WEEK = 7 * 24 * 60
_EPOCH_WEEKDAY = 3
"""1970-01-01 was a Thursday; Monday is 0."""


class Mode(StrEnum):
    """Whether and when footage is taken."""

    CONTINUOUS = "continuous"
    SCHEDULE = "schedule"
    EVENT = "event"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class Window:
    """A weekly stretch of recording: minutes since Monday 00:00 local time, `start_minute` up to `end_minute`."""

    start_minute: int
    end_minute: int


@dataclass(frozen=True, slots=True)
class RecordingPolicy:
    """What is asked for one camera.

    Footage older than `retention_days` is deleted. Footage older than `minimum_days` may be deleted earlier when the
    disk runs short; None means it may not (the default: thirty days asked are thirty days kept, and a full disk stops
    recording with an alarm instead).
    """

    mode: Mode = Mode.CONTINUOUS
    retention_days: int = 30
    minimum_days: int | None = None
    windows: tuple[Window, ...] = ()
    utc_offset_minutes: int = 480

    def __post_init__(self) -> None:
        """Refuse what cannot be kept: HubError INVALID."""
        if self.retention_days < 1 or not 0 <= self.kept_days <= self.retention_days:
            raise HubError(ErrorKind.INVALID, "retention is at least one day and the minimum", code="invalid_retention")

    @property
    def kept_days(self) -> int:
        """Return the days within which nothing is deleted, not even for want of space."""
        return self.retention_days if self.minimum_days is None else self.minimum_days

    def is_planned(self, now_wall_us: int) -> bool:
        """Tell whether footage is to be taken at `now_wall_us`. Event mode records nothing until events exist."""
        if self.mode is Mode.SCHEDULE:
            minute = self._minute_of_week(now_wall_us)
            return any(window.start_minute <= minute < window.end_minute for window in self.windows)
        return self.mode is Mode.CONTINUOUS

    def _minute_of_week(self, now_wall_us: int) -> int:
        local_minutes = now_wall_us // 60_000_000 + self.utc_offset_minutes
        return (local_minutes + _EPOCH_WEEKDAY * 24 * 60) % _MINUTES_PER_WEEK
