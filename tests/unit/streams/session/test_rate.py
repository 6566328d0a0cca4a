from streams.session.rate import BURST, PATIENCE, RATE_PER_S, MessageRate

SECOND = 1_000_000_000


def test_sixty_at_once_and_then_thirty_a_second() -> None:
    rate = MessageRate(0)
    assert [rate.take(0) for _ in range(BURST + 1)] == [True] * BURST + [False]
    assert sum(rate.take(SECOND) for _ in range(100)) == RATE_PER_S
    assert sum(rate.take(1000 * SECOND) for _ in range(100)) == BURST


def test_thirty_a_second_for_ever() -> None:
    rate = MessageRate(0)
    assert all(rate.take(n * SECOND // RATE_PER_S) for n in range(3000))


def test_who_does_not_listen_is_hopeless_after_a_while() -> None:
    rate = MessageRate(0)
    for _ in range(BURST + PATIENCE - 1):
        rate.take(0)
    assert not rate.is_hopeless
    rate.take(0)
    assert rate.is_hopeless


def test_a_rest_is_forgiven() -> None:
    rate = MessageRate(0)
    for _ in range(BURST + PATIENCE // 2):
        rate.take(0)
    rate.take(2 * SECOND)
    assert rate.refused == 0
