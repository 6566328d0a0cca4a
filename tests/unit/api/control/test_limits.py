"""Token buckets while the shared state is away, and the memory of what was noted."""

import pytest

from api.control.limits import Limit, Limiter, Recent
from api.state.buckets import Taken
from media.base.clock import SimulatedClock
from media.base.errors import ErrorKind, HubError

SLOW = Limit("slow", rate_per_s=1.0, burst=3)


class Away:
    """A shared state that cannot be reached, or that says how long to wait."""

    def __init__(self, answer: Taken | None = None) -> None:
        self.answer = answer
        self.asked = 0

    async def take_token(self, *_key: object, **_options: object) -> Taken:
        self.asked += 1
        if self.answer is None:
            raise HubError(ErrorKind.UNAVAILABLE, "away")
        return self.answer


async def taken(limiter: Limiter, who: str = "lisi") -> bool:
    try:
        await limiter.take(SLOW, who)
    except HubError as error:
        if error.code != "rate_limited":
            raise
        return False
    return True


async def test_without_the_shared_state_this_process_counts() -> None:
    clock = SimulatedClock()
    limiter = Limiter(Away(), clock)  # type: ignore[arg-type]
    assert [await taken(limiter) for _ in range(4)] == [True, True, True, False]
    assert await taken(limiter, "wangwu")
    clock.advance(1.1)
    assert [await taken(limiter) for _ in range(2)] == [True, False]
    assert limiter.refused == 2


async def test_a_state_that_is_away_is_not_asked_at_every_request() -> None:
    clock, state = SimulatedClock(), Away()
    limiter = Limiter(state, clock)  # type: ignore[arg-type]
    for _ in range(3):
        await taken(limiter)
    assert state.asked == 1
    clock.advance(2.5)
    await taken(limiter)
    assert state.asked == 2


async def test_the_shared_answer_says_how_long_to_wait() -> None:
    limiter = Limiter(Away(Taken(is_allowed=False, retry_after_s=2.5)), SimulatedClock())  # type: ignore[arg-type]
    with pytest.raises(HubError) as caught:
        await limiter.take(SLOW, "lisi")
    assert caught.value.context["retry_after_s"] == 2.5


def test_what_was_noted_is_forgotten_after_a_while() -> None:
    clock = SimulatedClock()
    recent = Recent(clock)
    recent.note("a")
    assert recent.has("a", 5.0)
    assert not recent.has("b", 5.0)
    clock.advance(5.0)
    assert not recent.has("a", 5.0)
