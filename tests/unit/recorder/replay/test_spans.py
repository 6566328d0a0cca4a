import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.base.errors import HubError
from recorder.index.rows import GapRow
from recorder.replay.spans import Extent, Gap, History, days, merge, month_bounds, timeline

S = 1_000_000


def extent(start: int, end: int, size: int = 100) -> Extent:
    return Extent(start * S, end * S, size)


def history(*gaps: GapRow, since: int | None = 0, expired: int = 0, recording: bool = False) -> History:
    return History(gaps, None if since is None else since * S, expired * S, recording)


def test_segments_that_touch_are_one_span():
    found = merge([extent(0, 10), extent(10, 20), extent(25, 30)], 5 * S, 28 * S)
    assert found == (Extent(5 * S, 20 * S, 150), Extent(25 * S, 28 * S, 60))


def test_time_without_footage_has_its_reason():
    gaps = (GapRow(20 * S, 25 * S, "silent"), GapRow(25 * S, 30 * S, "planned"), GapRow(60 * S, None, "refused"))
    found = timeline([extent(10, 20), extent(30, 60)], history(*gaps, since=10), (0, 100 * S), 80 * S)
    assert found.gaps == (
        Gap(0, 10 * S, "not_recorded"),
        Gap(20 * S, 25 * S, "silent"),
        Gap(25 * S, 30 * S, "planned"),
        Gap(60 * S, 80 * S, "refused"),
    )
    assert found.recorded_us == 40 * S
    assert found.planned_us == 65 * S
    assert found.completeness == pytest.approx(40 / 65)


def test_what_nobody_explains_is_missing_and_what_was_deleted_is_expired():
    found = timeline([extent(50, 60)], history(expired=20), (0, 70 * S), 70 * S)
    assert [gap.reason for gap in found.gaps] == ["expired", "missing", "missing"]


def test_the_running_second_is_no_gap():
    found = timeline([extent(0, 10)], history(recording=True), (0, 60 * S), 11 * S)
    assert found.gaps == ()
    assert found.completeness == 1.0


def test_an_unknown_camera_was_never_asked_for():
    found = timeline([], history(since=None), (0, 60 * S), 60 * S)
    assert [gap.reason for gap in found.gaps] == ["not_recorded"]
    assert found.completeness == 1.0


@given(
    st.lists(st.tuples(st.integers(0, 50), st.integers(1, 20)), max_size=20),
    st.lists(st.tuples(st.integers(0, 20), st.integers(1, 20)), max_size=10),
    st.integers(0, 300),
    st.integers(1, 300),
)
def test_spans_and_gaps_tile_the_past_exactly(steps, gap_steps, start, length):
    extents, at = [], 0
    for pause, duration in steps:
        at += pause
        extents.append(extent(at, at + duration))
        at += duration
    now = max(200, at)
    gaps, at = [], 0
    for pause, duration in gap_steps:
        at += pause
        gaps.append(GapRow(at * S, (at + duration) * S, f"r{at}"))
        at += duration
    found = timeline(extents, history(*gaps), (start * S, (start + length) * S), now * S)
    pieces = sorted([(s.start_us, s.end_us) for s in found.spans] + [(g.start_us, g.end_us) for g in found.gaps])
    for before, after in itertools.pairwise(pieces):
        assert before[1] == after[0]
    if start < now and pieces:
        assert pieces[0][0] == start * S
        assert pieces[-1][1] >= min(now, start + length) * S


def test_days_are_local_and_only_those_with_footage():
    bounds = month_bounds("2026-11", 480)
    midnight = bounds[0] + 2 * 86_400 * S
    found = days([Extent(midnight - 60 * S, midnight + 30 * S, 900)], bounds, 480)
    assert [(day.date, day.recorded_us // S, day.size_bytes) for day in found] == [
        ("2026-11-02", 60, 600),
        ("2026-11-03", 30, 300),
    ]


@pytest.mark.parametrize("month", ["2026-13", "2026", "x", "9999-12", "2026-11-01"])
def test_a_malformed_month_is_refused(month):
    with pytest.raises(HubError):
        month_bounds(month, 480)
