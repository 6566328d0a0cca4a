"""What the footage of meetings is called, and how long it stays.

Pure. Named by room, source and part, and by nothing else: a worker that was restarted, or another one, goes on with
the same stream, and the control plane finds it without being told. The names are hashes because ids of rooms and
people together are longer than an id may be.
"""

import hashlib
import re
from enum import StrEnum

from media.base.ids import CameraId, SourceId
from recorder.policy import RecordingPolicy

PREFIX = "meeting-"
_NAME = re.compile(r"meeting-[0-9a-f]{32}", re.ASCII)


class Part(StrEnum):
    """What of a source one stream of footage holds.

    Sound without picture is a stream of its own: players cannot change over between files with and without pictures.
    """

    CAMERA = "camera"
    """A person's camera, and the microphone as long as there is a picture."""
    SOUND = "sound"
    """The microphone while there is no picture."""
    SCREEN = "screen"
    """A shared screen and its sound."""
    VIDEO = "video"
    """A camera of the hub that a room shows."""


def footage_of(room_id: str, source: SourceId, part: Part) -> CameraId:
    """Return the name under which a source's part is recorded in a room, in the grammar of camera ids."""
    digest = hashlib.blake2b(f"{room_id}\n{source}\n{part.value}".encode(), digest_size=16)
    return CameraId(PREFIX + digest.hexdigest())


def is_meeting(camera_id: str) -> bool:
    """Tell whether footage of this name is a meeting's; no camera may be called so."""
    return _NAME.fullmatch(camera_id) is not None


def meeting_policy(days: int) -> RecordingPolicy:
    """Return the retention class `meeting`: recorded while the room says so, kept for `days`."""
    return RecordingPolicy(retention_days=days)
