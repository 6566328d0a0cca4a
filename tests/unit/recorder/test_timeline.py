from hypothesis import given
from hypothesis import strategies as st

from recorder.timeline import MAX_SLEW_PPM, Placement, place_first, place_next, refine, wall_duration_us

SEGMENT_US = 300_000_000


def test_a_run_starts_at_its_estimate_but_never_over_older_footage():
    assert place_first(1000, 500).start_us == 1000
    assert place_first(1000, 5000).start_us == 5000


def test_a_later_segment_starts_where_the_one_before_ends():
    found = place_next(1_000_300, 1_000_000)
    assert found is not None
    assert found.start_us == 1_000_000


def test_footage_that_comes_far_too_late_asks_for_a_new_run():
    assert place_next(60_000_000, 1_000_000) is None
    assert place_next(-60_000_000, 1_000_000) is not None


def test_a_less_delayed_frame_moves_only_the_first_segment():
    first = refine(place_first(1000, 0), 400, 0)
    assert first == Placement(400, 400, is_first=True)
    assert refine(place_first(1000, 700), 400, 700).start_us == 700
    later = place_next(1000, 900)
    assert later is not None
    assert refine(later, 400, 900).start_us == 900


@given(st.lists(st.integers(-5_000_000, 5_000_000), min_size=1, max_size=60))
def test_segments_never_overlap_and_slew_stays_within_500_ppm(errors):
    end_us = 0
    placement = place_first(0, 0)
    for error_us in errors:
        wall_us = wall_duration_us(placement, SEGMENT_US)
        assert abs(wall_us - SEGMENT_US) <= SEGMENT_US * MAX_SLEW_PPM // 1_000_000
        assert placement.start_us >= end_us
        end_us = placement.start_us + wall_us
        following = place_next(end_us + error_us, end_us)
        assert following is not None
        placement = following


def test_a_camera_clock_400_ppm_fast_is_followed():
    placement = place_first(0, 0)
    for number in range(1, 100):
        end_us = placement.start_us + wall_duration_us(placement, SEGMENT_US)
        true_us = round(number * SEGMENT_US * (1 - 400e-6))
        following = place_next(true_us, end_us)
        assert following is not None
        placement = following
        assert abs(placement.start_us - true_us) < 250_000
