"""Weekly plans as people write them, and as the policy counts them.

Pure; called by the control plane when a plan comes in and when it goes to the workers. A plan is a list of stretches:
days (1 is Monday), start and end as local `HH:MM`. An end at or before its start is on the next day; `24:00` is
midnight at the end of the day.
"""

import re
from collections.abc import Iterable, Sequence

from media.base.errors import ErrorKind, HubError
from recorder.policy import Window

DAY_MINUTES = 24 * 60
WEEK_MINUTES = 7 * DAY_MINUTES
ALWAYS = (Window(0, WEEK_MINUTES),)
_CLOCK = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])|(24):(00)")

Stretch = tuple[Sequence[int], str, str]
"""Days of the week, start, end."""


def windows_of(plan: Iterable[Stretch]) -> tuple[Window, ...]:
    """Return the windows of a plan in order, those that touch joined; HubError INVALID `bad_schedule`.

    An empty plan is refused: a camera that is never to be recorded has the mode `off`.
    """
    found: list[Window] = []
    for days, start, end in plan:
        begin_minute, end_minute = _minute(start), _minute(end)
        length = end_minute - begin_minute if end_minute > begin_minute else end_minute + DAY_MINUTES - begin_minute
        for day in days:
            if not 1 <= day <= 7:
                raise _bad("a day is 1 (Monday) to 7 (Sunday)")
            first = (day - 1) * DAY_MINUTES + begin_minute
            found += _wrapped(first, first + length)
    if not found:
        raise _bad("a schedule has at least one stretch of time")
    return _joined(sorted(found, key=lambda window: window.start_minute))


def _minute(text: str) -> int:
    match = _CLOCK.fullmatch(text)
    if match is None:
        raise _bad(f"{text[:10]!r} is not a time such as 08:30")
    return int(match[1] or match[3]) * 60 + int(match[2] or match[4])


def _wrapped(start: int, end: int) -> list[Window]:
    """Return one window, or two when it runs over Sunday midnight."""
    if end <= WEEK_MINUTES:
        return [Window(start, end)]
    if start >= WEEK_MINUTES:
        return [Window(start - WEEK_MINUTES, end - WEEK_MINUTES)]
    return [Window(start, WEEK_MINUTES), Window(0, end - WEEK_MINUTES)]


def _joined(windows: Sequence[Window]) -> tuple[Window, ...]:
    joined = [windows[0]]
    for window in windows[1:]:
        last = joined[-1]
        if window.start_minute > last.end_minute:
            joined.append(window)
        else:
            joined[-1] = Window(last.start_minute, max(last.end_minute, window.end_minute))
    return tuple(joined)


def _bad(message: str) -> HubError:
    return HubError(ErrorKind.INVALID, message, code="bad_schedule")
