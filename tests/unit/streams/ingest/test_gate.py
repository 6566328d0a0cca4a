"""The timestamp gate: what it repairs, drops and refuses."""

import pytest

from streams.ingest.gate import GateLimits, TimestampGate, Verdict

HZ = 90_000
FRAME = 3_600
FRAME_NS = 40_000_000


def started(*, is_video: bool = True, first_dts: int = 1_000_000) -> TimestampGate:
    gate = TimestampGate(HZ, is_video=is_video)
    gate.start(first_dts, first_dts, 0, 0)
    assert gate.admit(first_dts, first_dts, 0) == 0
    return gate


def test_a_timeline_is_moved_to_the_runs_zero() -> None:
    gate = started()
    assert [gate.admit(1_000_000 + i * FRAME, 1_000_000 + i * FRAME, i * FRAME_NS) for i in (1, 2, 3)] == [
        3_600,
        7_200,
        10_800,
    ]
    assert gate.offset == -1_000_000


@pytest.mark.parametrize("jump_s", [5.1, 10.0, 3600.0, 9360.0, -1.1, -10.0, -86_400.0])
def test_a_jump_is_refused(jump_s: float) -> None:
    gate = started()
    there = 1_000_000 + FRAME + round(jump_s * HZ)
    assert gate.admit(there, there, FRAME_NS) is Verdict.JUMP
    assert gate.admit(1_003_600, 1_003_600, FRAME_NS) == 3_600  # and nothing has changed


def test_a_pause_that_the_receive_clock_saw_too_is_no_jump() -> None:
    gate = started()
    later = 1_000_000 + 9 * HZ
    assert gate.admit(later, later, 9_000_000_000) == 9 * HZ


def test_a_small_step_back_of_the_picture_is_repaired_and_counted() -> None:
    gate = started()
    assert gate.admit(1_003_600, 1_003_600, FRAME_NS) == 3_600
    assert gate.admit(1_003_000, 1_003_000, 2 * FRAME_NS) == 3_601
    assert gate.admit(1_003_000, 1_003_000, 3 * FRAME_NS) == 3_602
    assert gate.admit(1_014_400, 1_014_400, 4 * FRAME_NS) == 14_400
    assert gate.repaired == 2


def test_a_small_step_back_of_the_sound_is_dropped_and_counted() -> None:
    gate = started(is_video=False)
    assert gate.admit(1_001_024, 1_001_024, 0) == 1_024
    assert gate.admit(1_001_024, 1_001_024, 0) is Verdict.DROP
    assert gate.dropped == 1


def test_reordered_pictures_pass_with_the_decoding_times_they_bring() -> None:
    gate = TimestampGate(HZ, is_video=True)
    gate.start(2 * FRAME, 0, 0, 0)
    pictures = [(2, 0), (5, 1), (3, 2), (4, 3), (8, 4), (6, 5), (7, 6)]
    out = [gate.admit(pts * FRAME, dts * FRAME, dts * FRAME_NS) for pts, dts in pictures]
    assert out == [dts * FRAME for _, dts in pictures]
    assert gate.repaired == 0


def test_a_burst_and_a_stall_of_the_network_pass() -> None:
    gate = started()
    for i in range(1, 250):  # ten seconds of pictures in one second, and then nine seconds of nothing
        assert gate.admit(1_000_000 + i * FRAME, 1_000_000 + i * FRAME, i * 4_000_000) == i * FRAME
    assert gate.admit(1_000_000 + 250 * FRAME, 1_000_000 + 250 * FRAME, 10_000_000_000) == 250 * FRAME


def test_a_clock_at_double_speed_is_a_jump_after_a_minute() -> None:
    gate = started()
    for i in range(1, 10_000):
        there = 1_000_000 + 2 * i * FRAME
        if gate.admit(there, there, i * FRAME_NS) is Verdict.JUMP:
            break
    assert 59 <= i * FRAME_NS / 1e9 <= 61


def test_an_ordinary_crystal_runs_for_days() -> None:
    gate = started()
    for hour in range(1, 150):
        there = 1_000_000 + round(hour * 3600 * HZ * 1.0001)  # 100 ppm fast
        assert isinstance(gate.admit(there, there, hour * 3600 * 1_000_000_000), int)


def test_limits_are_settings() -> None:
    gate = TimestampGate(HZ, is_video=True, limits=GateLimits(forward_s=0.5))
    gate.start(0, 0, 0, 0)
    assert gate.admit(HZ, HZ, 0) is Verdict.JUMP
