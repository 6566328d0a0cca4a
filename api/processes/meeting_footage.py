"""Where meetings are written: the worker's recorder under the names of `recorder.meetings`, in the class `meeting`.

The second place where `streams` meets `recorder` (the first is `deck`). Used by `streams.recording` on the worker's
event loop. A stream has one reader, opened when there is something to write and dropped at the end.
"""

from media.base.ids import Quality, SourceId, StreamKey
from recorder.meetings import Part, footage_of, meeting_policy
from recorder.recorder import Recorder
from streams.hub import Stream


class MeetingFootage:
    """Opens streams that are recorded."""

    def __init__(self, recorder: Recorder, days: int) -> None:
        """Write with `recorder`; footage stays for `days`."""
        self._recorder = recorder
        self._policy = meeting_policy(days)

    def open(self, room_id: str, source: SourceId, part: str) -> Stream:
        """Return a stream whose runs are written; what was written under these names before goes on."""
        stream = Stream(StreamKey(source), gop_cache_bytes=0)
        name = footage_of(room_id, source, Part(part))
        stream.attach(self._recorder.reader(name, Quality.MAIN, self._policy))
        return stream

    def close(self, room_id: str, source: SourceId, part: str, stream: Stream) -> None:
        """Let a stream go whose run has ended."""
        del stream
        self._recorder.drop(footage_of(room_id, source, Part(part)))
