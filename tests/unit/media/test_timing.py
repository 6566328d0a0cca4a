"""Timelines over wraps, decoding order, the camera's wall clock."""

import datetime as dt
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.base.clock import us_of_utc
from media.timing import (
    DecodeOrder,
    NtpMapping,
    RtpTimeline,
    ntp_of_us,
    rescale,
    signed_delta_32,
    ticks_of_us,
    us_of_ntp,
    us_of_ticks,
)

WRAP = 1 << 32


@given(
    st.integers(0, WRAP - 1),
    st.lists(st.one_of(st.integers(0, 10_000), st.integers(-90_000, 2**31 - 1), st.just(2**31 - 1)), max_size=200),
)
def test_a_timeline_follows_any_steps_over_many_wraps(first, steps):
    timeline = RtpTimeline(90_000)
    true = 0
    assert timeline.extend(first) == 0
    for step in steps:
        true += step
        assert timeline.peek((first + true) % WRAP) == true
        assert timeline.extend((first + true) % WRAP) == true
        assert timeline.last_delta == step


def test_thirty_days_at_90_khz_wrap_54_times_and_lose_no_tick():
    timeline = RtpTimeline(90_000)
    start = WRAP - 5
    for second in range(0, 30 * 86_400, 600):
        assert timeline.extend((start + second * 90_000) % WRAP) == second * 90_000


def test_a_timeline_may_have_its_zero_before_the_first_packet():
    timeline = RtpTimeline(8000, origin_ts32=WRAP - 100)
    assert timeline.extend(60) == 160
    assert timeline.extend(WRAP - 200) == -100


def test_nothing_is_known_before_the_first_stamp():
    assert RtpTimeline(90_000).peek(5) is None


def test_a_jump_is_told():
    timeline = RtpTimeline(90_000)
    timeline.extend(0)
    timeline.extend(90_000 * 9)
    assert not timeline.has_jumped(10)
    timeline.extend(90_000 * 20)
    assert timeline.has_jumped(10)
    timeline.extend(0)
    assert timeline.has_jumped(10)


def test_a_sender_that_counts_anew_goes_on_where_it_was():
    timeline = RtpTimeline(90_000)
    timeline.resume(1, 1)  # nothing to go on from yet
    timeline.extend(1000)
    timeline.extend(91_000)
    timeline.resume(4_000_000_000, 180_000)
    assert timeline.extend(4_000_000_000) == 270_000
    assert timeline.extend(4_000_003_600) == 273_600


def test_signed_delta():
    assert signed_delta_32(5, WRAP - 5) == 10
    assert signed_delta_32(WRAP - 5, 5) == -10


@given(st.integers(-(10**15), 10**15))
def test_ticks_and_microseconds(ticks):
    assert ticks_of_us(us_of_ticks(ticks, 90_000), 90_000) == ticks
    assert rescale(ticks, 90_000, 90_000) == ticks


def test_rescaling_rounds_to_the_nearest():
    assert us_of_ticks(1, 90_000) == 11
    assert rescale(1, 3, 2) == 1
    assert rescale(-3, 90_000, 90_000) == -3


def us(*fields: int) -> int:
    return us_of_utc(dt.datetime(*fields, tzinfo=dt.UTC))


@pytest.mark.parametrize(
    "moment", [us(1970, 1, 1), us(2000, 2, 29), us(2026, 11, 22, 3, 4, 5), us(2035, 12, 31), us(2040, 1, 1)]
)
def test_ntp_round_trips_also_after_2036(moment):
    assert us_of_ntp(ntp_of_us(moment)) == moment
    assert us_of_ntp(ntp_of_us(moment + 123_456)) == moment + 123_456


def test_ntp_of_1970_is_the_known_constant():
    assert ntp_of_us(0) == 2_208_988_800 << 32


def test_the_camera_clock_is_measured_against_ours():
    mapping = NtpMapping(90_000)
    now = us(2026, 1, 1)
    assert mapping.wall_us(0) is None
    assert mapping.offset_ms is None
    assert mapping.update(ntp_of_us(now - 3_600_000_000), 900_000, now) is None
    assert mapping.offset_ms == -3_600_000
    assert mapping.wall_us(900_000 + 45_000) == now - 3_600_000_000 + 500_000


def test_a_step_of_the_camera_clock_is_told():
    mapping = NtpMapping(90_000)
    now = us(2026, 1, 1)
    mapping.update(ntp_of_us(now), 0, now)
    assert mapping.update(ntp_of_us(now + 5_000_000), 450_000, now + 5_000_000) == pytest.approx(0, abs=1)
    assert mapping.update(ntp_of_us(now + 12_000_000), 900_000, now + 10_000_000) == pytest.approx(2_000_000, abs=1)


def test_a_report_without_clock_is_ignored():
    mapping = NtpMapping(90_000)
    assert mapping.update(0, 5, us(2026, 1, 1)) is None
    assert mapping.offset_ms is None


def presentation_order(depth: int, count: int) -> list[int]:
    """Return presentation numbers in decoding order: P pictures, each followed by `depth` B pictures shown before it."""
    order = [0]
    while len(order) < count:
        base = len(order)
        order.append(base + depth)
        order += range(base, base + depth)
    return order


@pytest.mark.parametrize("shown_before", [1, 2, 3, 5])
def test_decoding_times_rise_and_never_pass_presentation(shown_before):
    order = DecodeOrder(1, 3600)  # P b b b: one picture (the P) waits, however many are shown before it
    dts = [(order.dts(number * 3600), number * 3600) for number in presentation_order(shown_before, 60)]
    assert all(later[0] > earlier[0] for earlier, later in pairwise(dts))
    assert all(d <= p for d, p in dts)
    assert dts[0] == (-3600, 0)


@given(st.integers(1, 4), st.lists(st.integers(0, 4), min_size=1, max_size=60))
def test_any_order_within_the_depth_keeps_the_rule(depth, choices):
    waiting: list[int] = []
    coming = iter(range(1000))
    decoding = []
    for choice in choices:  # a decoder's picture buffer run backwards: each picture waits for at most `depth` others
        while len(waiting) <= depth:
            waiting.append(next(coming))
        must_be_next = not decoding or waiting[0] <= len(decoding) - depth
        decoding.append(waiting.pop(0 if must_be_next else min(choice, depth)))
    order = DecodeOrder(depth, 3600)
    times = [(order.dts(number * 3600), number * 3600) for number in decoding]
    assert all(later[0] > earlier[0] for earlier, later in pairwise(times))
    assert all(dts <= pts for dts, pts in times)


def test_without_reordering_decoding_is_presentation_whatever_that_does():
    order = DecodeOrder(0, 3600)
    assert [order.dts(pts) for pts in (0, 3600, 100, 100)] == [0, 3600, 100, 100]


def test_an_order_found_deeper_than_announced_goes_on_without_going_back():
    order = DecodeOrder(0, 3600)
    assert [order.dts(pts) for pts in (0, 10800)] == [0, 10800]
    order.deepen(1)
    assert order.depth == 1
    times = [order.dts(pts) for pts in (3600, 7200, 21600, 14400, 18000, 32400)]
    assert times == [10801, 10802, 10803, 14400, 18000, 21600]
