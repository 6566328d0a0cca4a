from types import SimpleNamespace
from typing import Any

from streams.session.uplink_quality import UplinkQuality

SECOND = 1_000_000_000


def stats(packets: int, lost: int, rtt_ms: float | None = 20.0) -> Any:
    layer = SimpleNamespace(packets=packets, lost=lost, repaired=0)
    return SimpleNamespace(rtt_ms=rtt_ms, tracks={"camera": (layer,)})


def test_a_clean_uplink_is_said_once_and_then_every_ten_seconds() -> None:
    judge = UplinkQuality()
    told = [judge.judge(stats(100 * n, 0), n * SECOND) for n in range(40)]
    assert [n for n, each in enumerate(told) if each] == [2, 12, 22, 32]
    assert told[2] == (4, 20.0, 0.0)


def test_loss_is_of_the_last_seconds_not_of_the_whole_meeting() -> None:
    judge = UplinkQuality()
    judge.judge(stats(10_000, 0), 0)
    judge.judge(stats(20_000, 0), 2 * SECOND)
    assert judge.judge(stats(20_090, 10), 4 * SECOND) == (1, 20.0, 0.1)


def test_silence_says_nothing() -> None:
    judge = UplinkQuality()
    assert [judge.judge(stats(5, 0), n * SECOND) for n in range(0, 30, 2)] == [None] * 15


def test_another_connection_begins_at_zero() -> None:
    judge = UplinkQuality()
    judge.judge(stats(10_000, 0), 0)
    assert judge.judge(stats(10, 0), 2 * SECOND) is None
    assert judge.judge(stats(110, 0), 4 * SECOND) == (4, 20.0, 0.0)
