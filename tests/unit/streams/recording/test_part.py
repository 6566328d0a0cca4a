"""What becomes of a person's picture and sound: runs, times, mutes, losses."""

import itertools

import pytest

from media.codec import g711, vp8
from media.packet import Codec, EndReason, Kind
from streams.publication import TrackName
from streams.recording.part import PICTURE_WAIT_NS
from tests.unit.recorder import footage
from tests.unit.streams.recording.talker import (
    CAMERA,
    MICROPHONE,
    SCREEN,
    Line,
    Stage,
    Talker,
    pictures,
    pictures_vp8,
    sounds,
)


@pytest.fixture
def stage():
    return Stage()


@pytest.fixture
def li(stage):
    return Talker(stage)


def both(li, seconds=12, **options):
    camera, microphone = li.track(CAMERA, offset=900_000), li.track(MICROPHONE, offset=77)
    li.send(camera, pictures(seconds=seconds), **options)
    li.send(microphone, sounds(seconds), **options)
    return camera, microphone


def check_times(take):
    for kind in Kind:
        dts = [unit.dts for unit in take.of(kind)]
        assert all(after > before for before, after in itertools.pairwise(dts))
        assert not dts or dts[0] >= 0


def test_picture_and_sound_are_one_run_from_the_first_key_frame_on(stage, li):
    both(li)
    li.recorded()
    stage.run(12.5)
    li.publication.end()
    stage.run(15)
    (take,) = stage.reels.takes()
    assert take.kinds == [Kind.VIDEO, Kind.AUDIO]
    assert [unit.data for unit in take.of(Kind.VIDEO)] == [u.data for u in footage.real_units("libx264", 12)]
    assert [unit.pts for unit in take.of(Kind.VIDEO)] == [n * 3600 for n in range(300)]
    assert take.units[0].is_key
    assert take.units[0].kind is Kind.VIDEO, "readers take no sound before the first picture"
    assert take.end is EndReason.DISCONNECTED
    check_times(take)


def test_lips_and_voice_stay_together_whatever_the_timestamps_are(stage, li):
    both(li)
    li.recorded()
    stage.run(12.5)
    (take,) = stage.reels.takes()
    spoken = [unit for unit in take.of(Kind.AUDIO) if len(unit.data) == 80]
    assert spoken[0].pts == 0
    assert [unit.pts for unit in spoken] == [n * 960 for n in range(len(spoken))]


def test_reports_that_move_the_clocks_move_the_sound_to_the_picture(stage, li):
    """Before the first sender report the sound's clock was 200 ms wrong."""
    camera, microphone = both(li)
    line = microphone.layers[0].track.timeline
    assert isinstance(line, Line)
    line.offset += 9600

    def corrected():
        line.offset -= 9600

    stage.at(3.0, corrected)
    li.recorded()
    stage.run(12.5)
    (take,) = stage.reels.takes()
    late = [unit for unit in take.of(Kind.AUDIO) if len(unit.data) == 80 and unit.pts > 5 * 48_000]
    assert {unit.pts % 960 for unit in late} == {0}
    check_times(take)
    assert len(take.of(Kind.VIDEO)) == 300
    del camera


def test_pictures_repaired_late_are_all_there(stage, li):
    both(li, fate=lambda number: 0.4 if number % 23 == 5 else 0.0)
    li.recorded()
    stage.run(13)
    (take,) = stage.reels.takes()
    assert len(take.of(Kind.VIDEO)) == 300
    assert sum(unit.lost_packets for unit in take.units) == 0


def test_a_lost_packet_costs_its_picture_is_counted_and_a_key_frame_is_asked_for(stage, li):
    camera, _ = both(li, fate=lambda number: None if number == 150 else 0.0)
    li.recorded()
    stage.run(5)
    before = len(li.origin.asked)
    stage.run(12.9)
    (take,) = stage.reels.takes()
    assert len(take.of(Kind.VIDEO)) == 299
    assert sum(unit.lost_packets for unit in take.of(Kind.VIDEO)) == 1
    assert len(take.of(Kind.AUDIO)) >= 595  # the frame of sound that never came is silence
    assert before + 1 <= len(li.origin.asked)
    del camera


def test_a_muted_microphone_is_silence_in_a_run_that_goes_on(stage, li):
    camera, microphone = li.track(CAMERA), li.track(MICROPHONE)
    li.send(camera, pictures())
    first = [frame for frame in sounds() if frame.ticks < 4 * 48_000]
    later = [frame for frame in sounds() if frame.ticks >= 9 * 48_000]
    seq = li.send(microphone, first)
    li.send(microphone, later, seq=seq)
    li.live(microphone, 4.0, is_live=False)
    li.live(microphone, 9.0, is_live=True)
    li.recorded()
    stage.run(12.5)
    (take,) = stage.reels.takes()
    sound = take.of(Kind.AUDIO)
    steps = {after.dts - before.dts for before, after in itertools.pairwise(sound)}
    assert max(steps) < 2 * 960
    silent = [unit for unit in sound if len(unit.data) == 3]
    assert 4.5 < len(silent) * 0.02 < 5.5
    spoken = [unit for unit in sound if len(unit.data) == 80]
    assert len(spoken) >= len(first) + len(later) - 20


def test_somebody_without_a_microphone_is_recorded_with_silence(stage, li):
    li.send(li.track(CAMERA), pictures())
    li.recorded()
    stage.run(12.5)
    (take,) = stage.reels.takes()
    assert take.kinds == [Kind.VIDEO, Kind.AUDIO]
    assert len(take.of(Kind.AUDIO)) > 500


def test_sound_alone_is_a_run_of_its_own(stage, li):
    li.send(li.track(MICROPHONE), sounds())
    li.recorded()
    stage.run(12.5)
    (take,) = stage.reels.takes("sound")
    assert stage.reels.takes() == []
    assert take.kinds == [Kind.AUDIO]
    assert len(take.units) == 600
    assert take.units[0].pts == 0


def test_sound_waits_a_while_for_the_picture_that_is_to_come(stage, li):
    both_start_s = PICTURE_WAIT_NS / 1e9 - 0.5
    camera, microphone = li.track(CAMERA), li.track(MICROPHONE)
    li.send(microphone, sounds())
    li.send(camera, pictures(), start_s=both_start_s)
    li.recorded()
    stage.run(12)
    (take,) = stage.reels.takes()
    assert take.kinds == [Kind.VIDEO, Kind.AUDIO]
    assert [unit.kind for unit in take.units[:2]] == [Kind.VIDEO, Kind.AUDIO]
    assert len(take.units[1].data) == 80, "what was said with the first picture is not silence"
    assert stage.reels.takes("sound") == []


def test_a_camera_switched_on_later_begins_a_run_with_both(stage, li):
    microphone = li.track(MICROPHONE)
    li.send(microphone, sounds())
    li.recorded()
    stage.at(4.0, lambda: li.send(li.track(CAMERA), pictures(), start_s=4.0))
    stage.run(12)
    (alone,), (both_,) = stage.reels.takes("sound"), stage.reels.takes()
    assert [alone.kinds, both_.kinds] == [[Kind.AUDIO], [Kind.VIDEO, Kind.AUDIO]]
    assert alone.end is EndReason.TRACKS
    spoken = [unit for unit in both_.of(Kind.AUDIO) if len(unit.data) == 80]
    assert 0 <= spoken[0].pts < 960 * 3


def test_a_camera_switched_off_leaves_the_sound(stage, li):
    camera, microphone = li.track(CAMERA), li.track(MICROPHONE)
    li.send(camera, [frame for frame in pictures() if frame.ticks < 5 * 90_000])
    li.send(microphone, sounds())
    li.live(camera, 5.0, is_live=False)
    li.recorded()
    stage.run(12)
    (both_,), (alone,) = stage.reels.takes(), stage.reels.takes("sound")
    assert [both_.kinds, alone.kinds] == [[Kind.VIDEO, Kind.AUDIO], [Kind.AUDIO]]
    assert both_.end is EndReason.MUTED
    assert len(alone.units) > 320


def test_both_muted_end_the_run_for_that_reason(stage, li):
    camera, microphone = both(li)
    li.live(camera, 5.0, is_live=False)
    li.live(microphone, 5.0, is_live=False)
    li.recorded()
    stage.run(5.3)
    (take,) = stage.reels.takes()
    assert take.end is EndReason.MUTED


def test_vp8_is_taken_as_it_is(stage, li):
    camera = li.track(CAMERA, params=vp8.vp8_params())
    li.send(camera, pictures_vp8())
    li.recorded()
    stage.run(7)
    (take,) = stage.reels.takes()
    assert len(take.of(Kind.VIDEO)) == 150
    assert take.tracks[0].params.codec is Codec.VP8
    assert (take.units[0].params.width, take.units[0].params.height) == (320, 180)


def test_another_codec_begins_another_run(stage, li):
    camera = li.track(CAMERA)
    li.send(camera, [frame for frame in pictures() if frame.ticks < 4 * 90_000])
    li.recorded()

    def change():
        li.send(li.track(CAMERA, params=vp8.vp8_params(), offset=5), pictures_vp8(), start_s=4.0, seq=9)

    stage.at(4.0, change)
    stage.run(10)
    takes = stage.reels.takes()
    assert [take.tracks[0].params.codec for take in takes] == [Codec.H264, Codec.VP8]
    for take in takes:
        check_times(take)


def test_a_screen_has_a_stream_of_its_own_without_invented_sound(stage, li):
    both(li)
    li.send(li.track(SCREEN), pictures("640x360"))
    li.recorded()
    stage.run(12.5)
    (take,) = stage.reels.takes("screen")
    assert take.kinds == [Kind.VIDEO]
    assert take.units[0].params.width == 640


def test_sound_we_cannot_be_silent_in_is_left_to_others(stage, li):
    """AAC never comes by WebRTC; whatever does not fit is no reason to lose the picture."""
    microphone = li.track(MICROPHONE, params=g711.g711_params(Codec.PCMA))
    li.send(microphone, [])
    li.send(li.track(CAMERA), pictures())
    li.recorded()
    stage.run(12.5)
    (take,) = stage.reels.takes()
    assert [track.params.codec for track in take.tracks] == [Codec.H264, Codec.PCMA]
    assert {len(unit.data) for unit in take.of(Kind.AUDIO)} == {160}


def test_the_sound_of_a_screen_without_its_picture_is_nobodys(stage, li):
    li.send(li.track(TrackName.SCREEN_AUDIO), sounds())
    li.recorded()
    stage.run(5)
    assert stage.reels.reels == {}


def test_a_screen_whose_sound_comes_later_begins_a_run_with_both(stage, li):
    li.send(li.track(SCREEN), pictures())
    li.recorded()
    stage.at(3.0, lambda: li.send(li.track(TrackName.SCREEN_AUDIO), sounds(), start_s=3.0))
    stage.run(9)
    takes = stage.reels.takes("screen")
    assert [take.kinds for take in takes] == [[Kind.VIDEO], [Kind.VIDEO, Kind.AUDIO]]
    assert takes[0].end is EndReason.TRACKS
    assert li.origin.asked.count((SCREEN, "")) >= 2
