"""How recordings of a person end, and go on."""

import pytest

from media.packet import EndReason
from streams.recording.source import WORD_NS
from tests.unit.streams.recording.talker import CAMERA, LI, MICROPHONE, ROOM, SCREEN, Stage, Talker, pictures, sounds


@pytest.fixture
def stage():
    return Stage()


@pytest.fixture
def li(stage):
    talker = Talker(stage)
    talker.send(talker.track(CAMERA), pictures())
    talker.send(talker.track(MICROPHONE), sounds())
    talker.recorded()
    return talker


def test_who_leaves_has_left_though_the_connection_ended_first(stage, li):
    stage.run(5)
    li.publication.end()
    stage.run(5.5)
    stage.recorder.stop(ROOM, LI, li, EndReason.LEFT)
    (take,) = stage.reels.takes()
    assert take.end is EndReason.LEFT
    assert stage.reels.reels[LI, "camera"].is_closed


def test_whose_path_is_lost_is_disconnected(stage, li):
    stage.run(5)
    li.publication.end()
    stage.run(5 + WORD_NS / 1e9 - 0.3)
    (take,) = stage.reels.takes()
    assert take.end is None
    stage.run(5 + WORD_NS / 1e9 + 0.3)
    assert take.end is EndReason.DISCONNECTED


def test_who_comes_back_goes_on_in_the_same_footage(stage, li):
    stage.run(5)
    li.publication.end()
    stage.run(5.5)
    again = Talker(stage)
    again.send(again.track(CAMERA, offset=77), pictures(), start_s=6.0)
    stage.recorder.published(again.publication)
    stage.run(10)
    first, second = stage.reels.takes()
    assert first.end is EndReason.DISCONNECTED
    assert second.units[0].is_key
    assert len(stage.reels.reels) == 1


def test_a_recording_that_is_switched_off_ends_and_may_begin_again(stage, li):
    stage.run(3)
    stage.recorder.stop(ROOM, LI, li, EndReason.DISABLED)
    stage.run(6)
    li.recorded()
    stage.run(10)
    first, second = stage.reels.takes()
    assert first.end is EndReason.DISABLED
    assert second.units[0].is_key
    assert second.units[0].received_mono_ns - first.units[-1].received_mono_ns > 2_500_000_000


def test_a_screen_shared_for_a_while_ends_by_itself(stage, li):
    screen = li.track(SCREEN)
    li.send(screen, [frame for frame in pictures("640x360") if frame.ticks < 4 * 90_000])
    stage.at(4.0, lambda: li.publication.drop(SCREEN))
    stage.run(6)
    (take,) = stage.reels.takes("screen")
    assert take.end is EndReason.MUTED
    assert stage.reels.takes()[0].end is None
