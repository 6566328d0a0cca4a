"""The kinds of values that stand in messages, each with its bounds.

Pure declarations, read by pydantic at the border (`wire`, `schema`); inside they are plain strings and numbers. Strict:
`"1"` is no number and `1` is no truth value, whoever sends it.
"""

from typing import Annotated, Literal

from pydantic import Field

MAX_SDP_CHARS = 256 << 10
MAX_NUMBER = 2**53 - 1
"""The largest integer that is the same in JavaScript."""

PLAIN_TEXT = r"^[^\x00-\x08\x0b-\x1f\x7f]*$"
"""No control characters but tab and line feed."""

RequestId = Annotated[int, Field(strict=True, ge=0, le=MAX_NUMBER)]
Truth = Annotated[bool, Field(strict=True)]
Pixels = Annotated[int, Field(strict=True, ge=0, le=16384)]
Number = Annotated[float, Field(strict=True, ge=0, le=MAX_NUMBER, allow_inf_nan=False)]
AnyNumber = Annotated[float, Field(strict=True, ge=-MAX_NUMBER, le=MAX_NUMBER, allow_inf_nan=False)]
HeadCount = Annotated[int, Field(strict=True, ge=1, le=10_000)]

Secret = Annotated[str, Field(min_length=16, max_length=512)]
Sdp = Annotated[str, Field(min_length=1, max_length=MAX_SDP_CHARS)]
Mid = Annotated[str, Field(pattern=r"^[!-~]{1,32}$")]
ParticipantRef = Annotated[str, Field(pattern=r"^[a-z0-9-]{1,64}$")]
SourceRef = Annotated[str, Field(pattern=r"^(camera|participant)/[a-z0-9-]{1,64}$")]
Name = Annotated[str, Field(min_length=1, max_length=64, pattern=PLAIN_TEXT)]
Venue = Annotated[str, Field(max_length=64, pattern=PLAIN_TEXT)]
Note = Annotated[str, Field(max_length=200, pattern=PLAIN_TEXT)]
ChatText = Annotated[str, Field(min_length=1, max_length=2000, pattern=PLAIN_TEXT)]
Moment = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")]

TrackRef = Literal["video", "audio", "camera", "microphone", "screen", "screen-audio"]
OwnTrack = Literal["camera", "microphone", "screen", "screen-audio"]
Connection = Literal["publish", "subscribe"]
MediaKind = Literal["video", "audio"]
Role = Literal["chair", "speaker", "attendee", "observer"]
Speech = Literal["open", "floor"]
RollCallMark = Literal["present", "absent", "leave", "substitute"]
