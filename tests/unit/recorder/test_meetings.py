from media.base.ids import SourceId, is_id
from recorder.meetings import Part, footage_of, is_meeting, meeting_policy

LI = SourceId("participant/li")


def test_a_name_fits_the_grammar_of_ids_however_long_room_and_person_are():
    name = footage_of("r" * 64, SourceId("participant/" + "p" * 64), Part.CAMERA)
    assert is_id(name)
    assert is_meeting(name)


def test_the_same_room_person_and_part_have_the_same_name_in_every_process():
    """A hash of this process's own would lose the footage at every start."""
    assert footage_of("weekly", LI, Part.CAMERA) == "meeting-03bdf2cdb60243fdd6daabc345ac99c0"


def test_rooms_people_and_parts_are_told_apart():
    names = {
        footage_of(room, source, part)
        for room in ("weekly", "daily")
        for source in (LI, SourceId("participant/wang"), SourceId("camera/li"))
        for part in Part
    }
    assert len(names) == 24


def test_cameras_are_not_taken_for_meetings():
    assert not is_meeting("meeting-room-2")
    assert not is_meeting("gate")
    assert not is_meeting("meeting-" + "g" * 32)


def test_meetings_have_days_of_their_own():
    policy = meeting_policy(90)
    assert policy.retention_days == policy.kept_days == 90
    assert policy.is_planned(0)
