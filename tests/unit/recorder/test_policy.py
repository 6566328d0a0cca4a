import datetime as dt

import pytest

from media.base.clock import us_of_utc
from media.base.errors import HubError
from recorder.policy import Mode, RecordingPolicy, Window


def test_a_schedule_counts_local_minutes_of_the_week():
    policy = RecordingPolicy(Mode.SCHEDULE, windows=(Window(8 * 60, 18 * 60),))  # Monday 8 to 18 in China
    monday = us_of_utc(dt.datetime(2026, 11, 23, 0, 0, tzinfo=dt.UTC))  # 08:00 there
    assert policy.is_planned(monday)
    assert not policy.is_planned(monday - 1)
    assert policy.is_planned(monday + 10 * 3_600_000_000 - 1)
    assert not policy.is_planned(monday + 10 * 3_600_000_000)
    assert not policy.is_planned(monday + 24 * 3_600_000_000)


@pytest.mark.parametrize(("mode", "planned"), [(Mode.CONTINUOUS, True), (Mode.OFF, False), (Mode.EVENT, False)])
def test_modes(mode, planned):
    assert RecordingPolicy(mode).is_planned(0) is planned


def test_thirty_days_asked_are_thirty_days_kept_unless_said_otherwise():
    assert RecordingPolicy(retention_days=30).kept_days == 30
    assert RecordingPolicy(retention_days=30, minimum_days=7).kept_days == 7


@pytest.mark.parametrize("days", [(0, None), (30, 31), (30, -1)])
def test_impossible_retention_is_refused(days):
    with pytest.raises(HubError):
        RecordingPolicy(retention_days=days[0], minimum_days=days[1])
