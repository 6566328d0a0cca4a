"""Recordings of meetings over HTTP: the tracks of a room, each with its own spans, for one synchronised player."""

from typing import Literal

from api.schemas.base import Output, moment, moment_or_none
from api.services.meeting_recordings import MeetingRecording, RecordedTrack


class RecordedSpan(Output):
    """A stretch with footage."""

    start: str
    end: str


class RecordedGap(Output):
    """A stretch without, and why: `muted`, `left`, or one of a camera's reasons."""

    start: str
    end: str
    reason: str


class RecordedTrackOut(Output):
    """What one participant sent, or a camera that was shown.

    `camera` has the sound with it, `microphone` is what was said while there was no picture. `codec` is the picture's,
    or the sound's where there is none. A track that browsers cannot play is there to be downloaded. `playlist_url` is
    the address of the playlist without its range: add `?start=&end=`; the file for taking away lies beside it, with
    `.mp4` for `.m3u8`. Both need a playback grant for the room.
    """

    id: str
    participant_id: str
    name: str
    venue: str
    track: Literal["camera", "microphone", "screen", "video"]
    codec: str
    is_playable: bool
    playlist_url: str
    spans: list[RecordedSpan]
    gaps: list[RecordedGap]


class MeetingRecordingOut(Output):
    """All tracks of a room; `start` and `end` span them, null while there are none."""

    start: str | None
    end: str | None
    tracks: list[RecordedTrackOut]


def meeting_recording_out(room_id: str, found: MeetingRecording) -> MeetingRecordingOut:
    """Return a recording as answered."""
    return MeetingRecordingOut(
        start=moment_or_none(found.start_us),
        end=moment_or_none(found.end_us),
        tracks=[_track_out(room_id, track) for track in found.tracks],
    )


def _track_out(room_id: str, track: RecordedTrack) -> RecordedTrackOut:
    return RecordedTrackOut(
        id=track.id, participant_id=track.participant_id, name=track.name, venue=track.venue, track=track.track,
        codec=track.codec, is_playable=track.is_playable,
        playlist_url=f"/api/v1/rooms/{room_id}/recordings/{track.id}/playback.m3u8",
        spans=[RecordedSpan(start=moment(span[0]), end=moment(span[1])) for span in track.spans],
        gaps=[RecordedGap(start=moment(gap[0]), end=moment(gap[1]), reason=gap[2]) for gap in track.gaps],
    )  # fmt: skip
