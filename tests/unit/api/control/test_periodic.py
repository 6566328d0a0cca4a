"""What need not happen in every round."""

from api.control.periodic import Periodic
from media.base.clock import SimulatedClock


def test_it_is_due_at_once_and_again_after_its_time() -> None:
    clock = SimulatedClock()
    periodic = Periodic(clock, 5.0)
    assert periodic.take()
    clock.advance(4.9)
    assert not periodic.take()
    clock.advance(0.1)
    assert periodic.take()
    assert not periodic.take()


def test_a_stepped_wall_clock_changes_nothing() -> None:
    clock = SimulatedClock()
    periodic = Periodic(clock, 5.0)
    assert periodic.take()
    clock.step_wall(3600)
    assert not periodic.take()
