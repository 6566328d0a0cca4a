"""Which layer is recorded, what is watched, and when key frames are asked for."""

import itertools

import pytest

from media.packet import Kind
from streams.recording.picture import KEY_EVERY_NS
from tests.unit.streams.recording.talker import CAMERA, Stage, Talker, pictures


@pytest.fixture
def stage():
    return Stage()


@pytest.fixture
def li(stage):
    return Talker(stage)


def widths(take):
    return [width for width, _ in itertools.groupby(unit.params.width for unit in take.of(Kind.VIDEO))]


def layers(li):
    camera = li.track(CAMERA, ("q", "h"))
    li.send(camera, pictures("160x90"), rid="q")
    li.send(camera, pictures("320x180"), rid="h", seq=40_000)
    return camera


def test_the_highest_layer_that_flows_is_taken_and_watched(stage, li):
    camera = layers(li)
    li.recorded()
    stage.run(5)
    (take,) = stage.reels.takes()
    assert widths(take) == [320]
    assert camera.watched == {"h"}


def test_when_the_highest_ceases_the_next_is_taken_at_its_key_frame(stage, li):
    camera = layers(li)
    li.flow(camera, "h", 5.0, is_flowing=False)
    li.recorded()
    stage.run(9)
    (take,) = stage.reels.takes()
    assert widths(take) == [320, 160]
    video = take.of(Kind.VIDEO)
    first_low = next(unit for unit in video if unit.params.width == 160)
    assert first_low.is_key
    assert first_low.pts == 6 * 90_000
    dts = [unit.dts for unit in video]
    assert dts == sorted(set(dts))
    assert camera.watched == {"h", "q"}, "the higher is watched on, so that it may come back"


def test_the_higher_is_taken_up_again_when_it_has_been_back_for_a_while(stage, li):
    camera = layers(li)
    li.flow(camera, "h", 1.0, is_flowing=False)
    li.flow(camera, "h", 2.5, is_flowing=True)
    li.recorded()
    stage.run(11)
    (take,) = stage.reels.takes()
    assert widths(take) == [320, 160, 320]
    back = [unit for unit in take.of(Kind.VIDEO) if unit.is_key and unit.params.width == 320][1]
    assert back.pts >= 5 * 90_000


def test_a_key_frame_is_asked_for_at_the_start_and_at_least_every_ten_seconds(stage, li):
    camera = li.track(CAMERA)
    frames = pictures()
    li.send(camera, [frame for frame in frames if not frame.is_key or frame.ticks == 0])
    asked = []
    li.origin.on_asked = lambda _: asked.append(stage.now_s)
    li.recorded()
    stage.run(12)
    assert asked[0] == 0
    later = [at_s for at_s in asked if at_s > 1]
    assert KEY_EVERY_NS / 1e9 <= later[0] < 10
    assert all(after - before >= 0.99 for before, after in itertools.pairwise(later))


def test_until_the_first_key_frame_it_is_asked_for_once_a_second(stage, li):
    camera = li.track(CAMERA)
    li.send(camera, [frame for frame in pictures() if not frame.is_key])
    li.recorded()
    stage.run(5.05)
    assert 5 <= len(li.origin.asked) <= 6
    assert stage.reels.takes() == []


def test_at_the_end_nothing_is_watched_or_tapped(stage, li):
    camera = layers(li)
    li.recorded()
    stage.run(3)
    stage.recorder.close()
    assert camera.watched == frozenset()
    (take,) = stage.reels.takes()
    before = len(take.units)
    stage.run(6)
    assert len(take.units) == before
