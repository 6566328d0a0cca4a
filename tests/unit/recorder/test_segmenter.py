import itertools
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media.container.samples import Keys
from recorder.segmenter import AUDIO_ID, LEAD_ID, Segmenter
from tests.unit.recorder import footage


def cut(units, **options):
    segmenter = Segmenter(**options)
    segmenter.begin(footage.TRACKS)
    found = [fragment for unit in units if (fragment := segmenter.push(unit)) is not None]
    last = segmenter.end()
    return [*found, last] if last is not None else found


@settings(max_examples=40, deadline=None)
@given(
    fps=st.sampled_from([1.0, 5.0, 12.5, 25.0, 29.97, 60.0]),
    gop_s=st.sampled_from([0.2, 1.0, 2.0, 4.0, 10.0]),
    seconds=st.integers(3, 25),
)
def test_no_unit_is_lost_and_no_fragment_holds_more_than_a_second(fps, gop_s, seconds):
    units = list(footage.video(seconds, fps=fps, gop_s=gop_s, size=100))
    fragments = cut(units, segment_s=5)
    assert b"".join(part for fragment in fragments for part in fragment.payload) == b"".join(u.data for u in units)
    assert all(fragment.lead_ticks <= 90_000 for fragment in fragments)
    for before, after in itertools.pairwise(fragments):
        assert before.lead_dts + before.lead_ticks == after.lead_dts
    assert all(fragment.runs[0].keys is Keys.FIRST for fragment in fragments if fragment.opens is not None)


def test_a_segment_begins_at_the_first_key_frame_after_its_time():
    fragments = cut(footage.video(21, gop_s=2.0), segment_s=5)
    opened = [fragment.lead_dts / 90_000 for fragment in fragments if fragment.opens is not None]
    assert opened == [0, 6, 12, 18]


def test_units_before_the_first_key_frame_are_skipped():
    segmenter = Segmenter()
    segmenter.begin(footage.TRACKS)
    for unit in footage.video(1, first=10):
        assert segmenter.push(unit) is None
    assert segmenter.skipped == 25
    assert segmenter.end() is None


def test_new_parameters_open_a_segment_at_their_key_frame():
    other = replace(footage.params(), width=1280)
    units = [*footage.video(4), *footage.video(4, first=100, codec=other)]
    opens = [fragment.opens for fragment in cut(units) if fragment.opens is not None]
    assert [o.lead.width for o in opens] == [640, 1280]


def test_equal_parameters_in_a_new_object_change_nothing():
    units = [unit._replace(params=footage.params()) for unit in footage.video(4)]
    assert len(cut(units)) == 4


def test_pictures_between_new_parameters_and_their_key_frame_are_skipped():
    other = replace(footage.params(), width=1280)
    units = [*footage.video(1), *footage.video(2, first=25, codec=other)]
    fragments = cut(units)
    assert [fragment.opens is not None for fragment in fragments] == [True, True]
    assert fragments[1].lead_dts == 50 * 3600


def test_sound_lies_beside_the_pictures_without_a_hole():
    fragments = cut(footage.merged(footage.video(10), footage.audio(10)))
    runs = [run for fragment in fragments for run in fragment.runs if run.track_id == AUDIO_ID]
    for before, after in itertools.pairwise(runs):
        assert before.base_dts + before.duration == after.base_dts
    assert sum(len(run.sizes) for run in runs) == 156


def test_sound_that_stops_does_not_hold_pictures_back():
    fragments = cut([*footage.merged(footage.video(2), footage.audio(2)), *footage.video(8, first=50)])
    assert sum(fragment.lead_ticks for fragment in fragments) == 10 * 90_000


def test_a_hole_in_the_sound_keeps_the_later_sound_in_its_place():
    sound = [*footage.audio(2), *footage.audio(3, first=100)]
    fragments = cut(sorted([*footage.video(10), *sound], key=lambda unit: unit.received_mono_ns))
    times = []
    for fragment in fragments:
        for run in fragment.runs:
            if run.track_id == AUDIO_ID:
                dts = run.base_dts
                for ticks in run.durations:
                    times.append(dts)
                    dts += ticks
    assert times == [unit.dts for unit in sound]


def test_the_estimate_is_that_of_the_least_delayed_frame():
    late = [unit._replace(received_mono_ns=unit.received_mono_ns + 800_000_000) for unit in footage.video(1)]
    late[7] = late[7]._replace(received_mono_ns=late[7].received_mono_ns - 700_000_000)
    (fragment,) = cut(late)
    assert fragment.estimate_us - footage.WALL_US == pytest.approx(100_000 - 800_000, abs=2)


def test_a_stepped_wall_clock_is_not_taken_for_a_punctual_frame():
    units = [
        unit._replace(received_wall_us=unit.received_wall_us - (3_600_000_000 if number > 30 else 0))
        for number, unit in enumerate(footage.video(4))
    ]
    assert {fragment.estimate_us for fragment in cut(units)} == {footage.WALL_US}


def test_composition_offsets_are_kept():
    units = [unit._replace(pts=unit.dts + 7200 * (number % 3)) for number, unit in enumerate(footage.video(1))]
    (fragment,) = cut(units)
    assert list(fragment.runs[0].offsets) == [7200 * (n % 3) for n in range(25)]
    assert fragment.runs[0].track_id == LEAD_ID


def test_sound_alone_is_cut_by_time_and_not_at_every_frame():
    segmenter = Segmenter(segment_s=4)
    segmenter.begin((footage.TRACKS[1],))
    units = list(footage.audio(10))
    fragments = [fragment for unit in units if (fragment := segmenter.push(unit)) is not None]
    last = segmenter.end()
    assert last is not None
    fragments.append(last)
    assert [len(fragment.payload) for fragment in fragments[:-1]] == [15] * (len(fragments) - 1)
    assert b"".join(part for fragment in fragments for part in fragment.payload) == b"".join(u.data for u in units)
    assert [fragment.lead_dts / 16_000 for fragment in fragments if fragment.opens is not None] == [0, 4.8, 9.6]
    assert all(fragment.runs[0].keys is Keys.ALL for fragment in fragments)
