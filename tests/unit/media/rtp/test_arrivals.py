"""What a sender is told of the arrival of its packets."""

import random

from media.rtp.arrivals import INTERVAL_NS, MAX_REPORTED, ArrivalRecorder
from media.rtp.twcc import DELTA_US, parse_arrivals

MS = 1_000_000


def told(bodies: list[bytes]) -> dict[int, int | None]:
    """Return sequence number → arrival in µs (None: lost) of some reports; no number is told twice in one of them."""
    found: dict[int, int | None] = {}
    for body in bodies:
        report = parse_arrivals(body)
        for at, arrival in enumerate(report.arrivals_us):
            found[(report.base_sequence + at) & 0xFFFF] = arrival
    return found


def test_arrivals_and_losses_are_told_once():
    recorder = ArrivalRecorder()
    for at, seq in enumerate([65_534, 65_535, 1, 2]):
        recorder.note(seq, at * 10 * MS)
    assert recorder.is_due(INTERVAL_NS)
    found = told(recorder.reports(INTERVAL_NS))
    assert list(found) == [65_534, 65_535, 0, 1, 2]
    assert found[0] is None
    assert abs((found[2] - found[65_534]) - 30_000) <= DELTA_US
    assert not recorder.is_due(2 * INTERVAL_NS)
    assert recorder.reports(2 * INTERVAL_NS) == []
    recorder.note(3, 250 * MS)
    assert list(told(recorder.reports(3 * INTERVAL_NS))) == [3]


def test_reports_are_counted_and_no_more_than_ten_a_second():
    recorder = ArrivalRecorder()
    counts = []
    for now in range(0, 1000 * MS, 20 * MS):
        recorder.note(now // (20 * MS), now)
        if recorder.is_due(now):
            counts += [parse_arrivals(body).feedback_count for body in recorder.reports(now)]
    assert counts == list(range(len(counts)))
    assert 9 <= len(counts) <= 10


def test_a_packet_that_came_late_is_told_with_its_neighbours():
    recorder = ArrivalRecorder()
    for seq in (10, 12):
        recorder.note(seq, 5 * MS)
    assert told(recorder.reports(0))[11] is None
    recorder.note(11, 20 * MS)
    recorder.note(13, 21 * MS)
    found = told(recorder.reports(0))
    assert list(found) == [11, 12, 13]
    assert None not in found.values()


def test_repeats_are_told_with_their_first_arrival():
    recorder = ArrivalRecorder()
    recorder.note(5, 64 * MS)
    recorder.note(5, 300 * MS)
    assert told(recorder.reports(0)) == {5: 64_000}


def test_long_stretches_become_several_reports_that_fit_a_packet():
    recorder = ArrivalRecorder()
    rng = random.Random(1)
    now = 0
    for seq in range(1500):
        now += rng.randrange(0, 20 * MS)
        if rng.random() < 0.9:
            recorder.note(seq, now)
    bodies = recorder.reports(0)
    assert len(bodies) == -(-1500 // MAX_REPORTED)
    assert max(map(len, bodies)) < 1200
    assert len(told(bodies)) in (1499, 1500)


def test_another_beginning_forgets_the_old_and_memory_is_bounded():
    recorder = ArrivalRecorder()
    for seq in range(100):
        recorder.note(seq, seq * MS)
    recorder.note(30_000, 200 * MS)
    assert list(told(recorder.reports(0))) == [30_000]
    for seq in range(30_001, 60_000):
        recorder.note(seq, seq * MS)
        if seq % 500 == 0:
            recorder.reports(seq * MS)
    assert len(recorder) <= 3000


def test_arrivals_stay_exact_after_weeks_of_uptime():
    recorder = ArrivalRecorder()
    weeks = 60 * 24 * 3600 * 1_000_000_000
    recorder.note(1, weeks)
    recorder.note(2, weeks + 30 * MS)
    found = told(recorder.reports(weeks))
    assert abs(found[2] - found[1] - 30_000) <= DELTA_US
