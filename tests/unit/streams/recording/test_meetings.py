"""Many recordings of one worker."""

from media.base.ids import SourceId
from media.packet import EndReason
from tests.unit.streams.recording.talker import CAMERA, LI, ROOM, Reels, Stage, Talker, pictures

WANG = SourceId("participant/wang")


def talking(stage, source=LI, **options):
    talker = Talker(stage, source)
    talker.send(talker.track(CAMERA), pictures(), **options)
    return talker


def test_seat_and_publication_may_come_in_either_order():
    for first in ("seat", "publication"):
        stage = Stage()
        li = talking(stage)
        if first == "seat":
            stage.recorder.record(ROOM, LI, li)
            stage.recorder.published(li.publication)
        else:
            stage.recorder.published(li.publication)
            stage.recorder.record(ROOM, LI, li)
        stage.run(3)
        assert len(stage.reels.takes()) == 1
        assert stage.recorder.running == 1


def test_who_is_not_to_be_recorded_is_not():
    stage = Stage()
    li = talking(stage)
    stage.recorder.published(li.publication)
    stage.run(3)
    assert stage.reels.reels == {}
    assert stage.recorder.running == 0


def test_the_seat_before_cannot_end_what_its_successor_wants():
    stage = Stage()
    li = talking(stage)
    stage.recorder.published(li.publication)
    stage.recorder.record(ROOM, LI, "old")
    stage.run(2)
    stage.recorder.record(ROOM, LI, "new")
    stage.recorder.stop(ROOM, LI, "old", EndReason.LEFT)
    stage.run(4)
    (take,) = stage.reels.takes()
    assert take.end is None
    stage.recorder.stop(ROOM, LI, "new", EndReason.LEFT)
    assert take.end is EndReason.LEFT


def test_one_that_fails_takes_no_other_with_it():
    class Broken(Reels):
        def open(self, room_id, source, part):
            if source == WANG:
                raise ValueError("no such disk")
            return super().open(room_id, source, part)

    stage = Stage(Broken())
    for talker in (talking(stage), talking(stage, WANG)):
        talker.recorded()
    stage.run(5)
    assert len(stage.reels.takes()) == 1
    assert stage.reels.takes("camera", WANG) == []
    assert len(stage.reels.takes()[0].units) > 100


def test_an_ended_publication_is_forgotten():
    stage = Stage()
    li = talking(stage)
    stage.recorder.published(li.publication)
    li.publication.end()
    stage.recorder.record(ROOM, LI, li)
    stage.run(3)
    assert stage.reels.reels == {}


def test_the_end_of_the_worker_ends_all_in_order():
    stage = Stage()
    for talker in (talking(stage), talking(stage, WANG)):
        talker.recorded()
    stage.run(3)
    stage.recorder.close()
    takes = [*stage.reels.takes(), *stage.reels.takes("camera", WANG)]
    assert [take.end for take in takes] == [EndReason.SHUTDOWN] * 2
    assert all(reel.is_closed for reel in stage.reels.reels.values())
