import itertools

import pytest

from media.codec import g711, opus
from media.packet import AccessUnit, Codec
from streams.recording.sound import MAX_FILL_FRAMES, Sound, can_be_silent

OPUS = opus.opus_params()
FRAME = bytes((0xFC, 1, 2, 3))
"""20 ms, whatever is in it."""


def unit(data=FRAME):
    return AccessUnit(0, opus.opus_params(), 0, 0, True, data, 7, 8)


def test_frames_that_follow_each_other_stay_as_they_are():
    sound = Sound(OPUS)
    placed = [each for n in range(5) for each in sound.place(unit(), n * 960)]
    assert [each.pts for each in placed] == [0, 960, 1920, 2880, 3840]
    assert all(each.data == FRAME and each.params is OPUS for each in placed)
    assert sound.filled_frames == 0


def test_a_hole_is_silence_of_whole_frames():
    sound = Sound(OPUS)
    sound.place(unit(), 0)
    placed = sound.place(unit(), 960 * 4 + 100)
    assert [each.pts for each in placed] == [960, 1920, 2880, 960 * 4 + 100]
    assert {opus.duration_ticks(each.data) for each in placed} == {960}
    assert sound.filled_frames == 3


def test_a_frame_over_what_is_written_is_left_out():
    sound = Sound(OPUS)
    sound.place(unit(), 0)
    sound.place(unit(), 960)
    assert sound.place(unit(), 960) == []
    assert sound.place(unit(), 1400) == []
    assert sound.place(unit(), -960) == []
    assert sound.left_out == 3


def test_a_frame_a_little_early_keeps_its_place_and_times_grow():
    sound = Sound(OPUS)
    sound.place(unit(), 0)
    assert [each.pts for each in sound.place(unit(), 700)] == [700]


def test_silence_is_made_up_to_a_moment_and_once_only():
    sound = Sound(OPUS)
    assert len(sound.fill(48_000, 1, 2)) == 50
    assert sound.fill(48_000, 1, 2) == []
    assert sound.end_ticks == 48_000


def test_a_hole_of_hours_costs_a_minute_of_frames():
    sound = Sound(OPUS)
    made = sound.fill(48_000 * 7200, 1, 2)
    assert len(made) == MAX_FILL_FRAMES
    assert made[-1].pts == 48_000 * 7200 - 960
    assert all(after.pts > before.pts for before, after in itertools.pairwise(made))


@pytest.mark.parametrize("codec", [Codec.PCMU, Codec.PCMA])
def test_telephone_codecs_have_a_silence_too(codec):
    sound = Sound(g711.g711_params(codec))
    assert [len(each.data) for each in sound.fill(320, 1, 2)] == [160, 160]
    assert can_be_silent(codec)
    assert not can_be_silent(Codec.AAC)


def test_long_frames_are_known_by_their_first_byte():
    sound = Sound(OPUS)
    sound.place(unit(bytes((3 << 3, 0))), 0)
    assert sound.end_ticks == 2880
