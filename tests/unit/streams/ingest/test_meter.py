"""Bitrate and frame rate over the last seconds."""

from streams.ingest.meter import Meter


def run(meter: Meter, seconds: int, *, bytes_per_s: int, fps: int, from_s: int = 0) -> None:
    for second in range(from_s, from_s + seconds):
        meter.turn(second * 1_000_000_000)
        meter.bytes_total += bytes_per_s
        meter.pictures_total += fps


def test_nothing_is_known_before_the_second_turn() -> None:
    meter = Meter()
    assert meter.rates() == (0, 0.0)
    meter.turn(0)
    assert meter.rates() == (0, 0.0)


def test_rates_are_those_of_the_last_five_seconds() -> None:
    meter = Meter()
    run(meter, 60, bytes_per_s=250_000, fps=25)
    run(meter, 7, bytes_per_s=125_000, fps=10, from_s=60)
    assert meter.rates() == (1_000_000, 10.0)


def test_a_silent_source_falls_to_zero() -> None:
    meter = Meter()
    run(meter, 10, bytes_per_s=250_000, fps=25)
    run(meter, 7, bytes_per_s=0, fps=0, from_s=10)
    assert meter.rates() == (0, 0.0)
