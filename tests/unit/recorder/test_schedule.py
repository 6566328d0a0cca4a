import pytest

from media.base.errors import HubError
from recorder.policy import Window
from recorder.schedule import ALWAYS, WEEK_MINUTES, windows_of

DAY = 24 * 60


@pytest.mark.parametrize(
    ("plan", "windows"),
    [
        ([([1], "08:00", "18:30")], [(480, 1110)]),
        ([([1, 3], "00:00", "24:00")], [(0, DAY), (2 * DAY, 3 * DAY)]),
        ([([5], "22:00", "06:00")], [(4 * DAY + 1320, 5 * DAY + 360)]),
        ([([7], "22:00", "06:00")], [(0, 360), (6 * DAY + 1320, WEEK_MINUTES)]),
        ([([7], "24:00", "01:00")], [(0, 60)]),
        ([([1], "08:00", "12:00"), ([1], "11:00", "13:00"), ([1], "13:00", "14:00")], [(480, 840)]),
        ([([2], "08:00", "09:00"), ([1], "08:00", "09:00")], [(480, 540), (DAY + 480, DAY + 540)]),
        ([([1], "08:00", "08:00")], [(480, DAY + 480)]),
        ([(range(1, 8), "00:00", "24:00")], [(0, WEEK_MINUTES)]),
    ],
)
def test_plans_become_windows(plan, windows):
    assert windows_of(plan) == tuple(Window(*window) for window in windows)


def test_always_is_the_whole_week():
    assert windows_of([(range(1, 8), "00:00", "24:00")]) == ALWAYS


@pytest.mark.parametrize(
    "plan",
    [
        [],
        [([], "08:00", "09:00")],
        [([0], "08:00", "09:00")],
        [([8], "08:00", "09:00")],
        [([1], "8:00", "09:00")],
        [([1], "08:60", "09:00")],
        [([1], "24:01", "09:00")],
        [([1], "08:00\n", "09:00")],
        [([1], "", "09:00")],
        [([1], "٠٨:٠٠", "09:00")],
    ],
)
def test_what_is_no_plan_is_refused(plan):
    with pytest.raises(HubError) as caught:
        windows_of(plan)
    assert caught.value.code == "bad_schedule"
