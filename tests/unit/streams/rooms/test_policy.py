"""What follows from the room's state for media."""

import pytest

from streams.publication import TrackName
from streams.rooms.policy import allowed, head_count_total, main_picture, may_share, may_speak, may_watch, microphones
from streams.rooms.values import Role, SeatKind, Spotlight
from tests.unit.streams.rooms.meeting import usual

MIC, CAM, SCREEN, SOUND = TrackName.MICROPHONE, TrackName.CAMERA, TrackName.SCREEN, TrackName.SCREEN_AUDIO


def sends(meeting, who):
    return allowed(meeting.state, meeting.seat(who))


def test_in_an_open_room_everybody_but_observers_speaks() -> None:
    meeting = usual()
    assert microphones(meeting.state) == ("chair", "speaker", "east", "west")
    assert sends(meeting, "guest") == frozenset()


def test_with_the_floor_only_chair_speakers_and_holders_speak_and_all_are_seen() -> None:
    meeting = usual(speech="floor")
    assert microphones(meeting.state) == ("chair", "speaker")
    assert sends(meeting, "east") == {CAM}
    meeting.do("floor_grant", "chair", target="east")
    assert sends(meeting, "east") == {CAM, MIC}
    meeting.do("floor_revoke", "chair", target="east")
    assert sends(meeting, "east") == {CAM}


def test_a_roll_call_silences_all_but_the_called_and_the_chair() -> None:
    meeting = usual()
    meeting.do("mute", "chair", target="west")
    meeting.do("share_start", "speaker")
    assert sends(meeting, "speaker") == {CAM, MIC, SCREEN, SOUND}
    meeting.do("roll_call_start", "chair")
    assert microphones(meeting.state) == ("chair",)
    assert sends(meeting, "speaker") == {CAM, SCREEN}, "the content stays, without its sound"
    meeting.do("roll_call_call", "chair", target="west")
    assert may_speak(meeting.state, meeting.seat("west")), "called, whatever the chair muted before"
    assert meeting.do("mute_self", "west", track="microphone", muted=False) == ""
    assert microphones(meeting.state) == ("chair", "west")
    meeting.do("roll_call_end", "chair")
    assert microphones(meeting.state) == ("chair", "speaker", "east"), "the mute is there again"


def test_the_sound_of_a_screen_is_heard_of_who_may_speak_only() -> None:
    meeting = usual()
    assert meeting.do("share_start", "east") == ""
    assert sends(meeting, "east") == {CAM, MIC, SCREEN, SOUND}
    meeting.do("mute", "chair", target="east")
    assert sends(meeting, "east") == {CAM, SCREEN}, "a voice could be sent as it"
    meeting.do("unmute", "chair", target="east")
    assert sends(meeting, "east") == {CAM, SCREEN, SOUND}, "the microphone stays off until its owner opens it"
    meeting.do("mute_all", "chair", is_locked=True)
    assert sends(meeting, "east") == {CAM, SCREEN}


def test_a_camera_with_sound_is_silent_during_a_roll_call() -> None:
    meeting = usual()
    meeting.do("show_camera", camera_id="gate", name="大门")
    meeting.do("unmute", "chair", target="camera-gate")
    meeting.do("roll_call_start", "chair")
    assert sends(meeting, "camera-gate") == {TrackName.VIDEO}


def test_all_muted_and_locked_leaves_chair_speakers_and_the_floor() -> None:
    meeting = usual()
    meeting.do("floor_grant", "chair", target="west")
    meeting.do("mute_all", "chair", is_locked=True)
    assert microphones(meeting.state) == ("chair", "speaker", "west")


def test_all_muted_unlocked_may_be_lifted_by_oneself() -> None:
    meeting = usual()
    meeting.do("mute_all", "chair")
    assert microphones(meeting.state) == ("chair", "speaker")
    meeting.do("mute_self", "east", track="microphone", muted=False)
    assert microphones(meeting.state) == ("chair", "speaker", "east")


def test_what_a_person_muted_is_not_forwarded_whatever_the_page_sends() -> None:
    meeting = usual()
    meeting.do("mute_self", "east", track="camera", muted=True)
    assert sends(meeting, "east") == {MIC}


def test_the_chair_may_take_a_picture_away() -> None:
    meeting = usual()
    meeting.do("mute", "chair", target="east", track="camera")
    assert sends(meeting, "east") == {MIC}


@pytest.mark.parametrize("who", ["east", "west", "speaker"])
def test_the_screen_is_forwarded_for_who_has_the_content_only(who: str) -> None:
    meeting = usual()
    assert SCREEN not in sends(meeting, who)
    assert may_share(meeting.state, meeting.seat(who))
    meeting.do("share_start", "chair")
    assert not may_share(meeting.state, meeting.seat(who))
    assert may_share(meeting.state, meeting.seat("chair"))


def test_who_waits_in_the_lobby_sends_nothing_and_sees_nobody() -> None:
    meeting = usual(lobby=True)
    waiting = meeting.seat("east")
    assert waiting.is_in_lobby
    assert sends(meeting, "east") == frozenset()
    assert not may_watch(meeting.state, waiting, meeting.seat("chair"))
    assert not may_watch(meeting.state, meeting.seat("chair"), waiting)
    meeting.do("admit", "chair", target="east")
    assert may_watch(meeting.state, meeting.seat("east"), meeting.seat("chair"))


def test_observers_watch_and_are_not_watched() -> None:
    meeting = usual()
    assert may_watch(meeting.state, meeting.seat("guest"), meeting.seat("east"))
    assert not may_watch(meeting.state, meeting.seat("east"), meeting.seat("guest"))


def test_the_main_picture_is_the_called_then_the_spotlight_then_content_then_who_speaks() -> None:
    meeting = usual()
    everybody = set(meeting.state.seats)
    assert main_picture(meeting.state, None, everybody) == Spotlight("participant/chair", CAM)
    assert main_picture(meeting.state, "east", everybody) == Spotlight("participant/east", CAM)
    assert main_picture(meeting.state, "east", {"chair"}) == Spotlight("participant/chair", CAM)
    meeting.do("share_start", "speaker")
    assert main_picture(meeting.state, "east", everybody) == Spotlight("participant/speaker", SCREEN)
    meeting.do("spotlight", "chair", source="participant/west")
    assert main_picture(meeting.state, "east", everybody) == Spotlight("participant/west")
    meeting.do("roll_call_start", "chair")
    meeting.do("roll_call_call", "chair", target="east")
    assert main_picture(meeting.state, "west", everybody) == Spotlight("participant/east", CAM)
    meeting.do("end", "chair")
    assert main_picture(meeting.state, "east", everybody) is None


def test_heads_are_counted_not_assumed() -> None:
    meeting = usual(lobby=True)
    meeting.join("hall", kind=SeatKind.VENUE, head_count=40)
    assert head_count_total(meeting.state) == 1, "who waits in the lobby does not count"
    meeting.do("admit", "chair", target="hall")
    meeting.do("show_camera", camera_id="gate", name="大门")
    assert head_count_total(meeting.state) == 41
    meeting.do("detach", target="hall")
    assert head_count_total(meeting.state) == 41, "the seat is kept"


def test_a_host_without_the_chair_speaks_freely() -> None:
    meeting = usual(speech="floor")
    meeting.join("host", Role.CHAIR)
    assert "host" in microphones(meeting.state)
