"""Sound without holes: what never came, and what nobody said, is silence.

Pure; used by `part` on the event loop. Players place sound by its number of samples and stall where a stream that has
sound brings none, so a muted microphone, a lost packet and Opus' discontinuous transmission become frames of silence
of 20 ms. Frames that would lie over what was written are left out: after a correction of the clocks there are some.
"""

from media.codec import opus
from media.packet import AccessUnit, Codec, CodecParams

AUDIO_INDEX = 1
FRAME_S = 0.02
MAX_FILL_FRAMES = 3000
"""A minute at once: a hole that long means that nobody called `fill`, and what lies behind it matters more."""

_SILENCE = {Codec.OPUS: b"\xfc\xff\xfe", Codec.PCMU: b"\xff" * 160, Codec.PCMA: b"\xd5" * 160}
"""Opus: one CELT frame of 20 ms, stereo, with nothing in it (RFC 6716 §3.1); G.711: its zero."""


class Sound:
    """The sound of one run. Times are ticks of the run."""

    def __init__(self, params: CodecParams) -> None:
        """Begin at the run's beginning."""
        self.params = params
        self._frame_ticks = round(FRAME_S * params.clock_rate_hz)
        self._end = 0
        self._last = -1
        self.filled_frames = 0
        self.left_out = 0

    @property
    def end_ticks(self) -> int:
        """Return up to where there is sound."""
        return self._end

    def place(self, unit: AccessUnit, ticks: int) -> list[AccessUnit]:
        """Return the unit at its place, with silence before it where there was nothing."""
        if ticks < 0 or ticks <= self._last or ticks < self._end - self._frame_ticks // 2:
            self.left_out += 1
            return []
        placed = self.fill(ticks, unit.received_mono_ns, unit.received_wall_us)
        placed.append(unit._replace(track=AUDIO_INDEX, params=self.params, pts=ticks, dts=ticks, is_key=True))
        self._last = ticks
        self._end = ticks + (self._duration(unit.data) or self._frame_ticks)
        return placed

    def fill(self, until_ticks: int, now_ns: int, wall_us: int) -> list[AccessUnit]:
        """Return the silence between what there is and `until_ticks`, whole frames only."""
        frames = (until_ticks - self._end) // self._frame_ticks
        if frames > MAX_FILL_FRAMES:
            self._end += (frames - MAX_FILL_FRAMES) * self._frame_ticks
            frames = MAX_FILL_FRAMES
        made = []
        for _ in range(frames):
            self._last = max(self._end, self._last + 1)
            made.append(
                AccessUnit(
                    AUDIO_INDEX, self.params, self._last, self._last, True, _SILENCE[self.params.codec], now_ns, wall_us
                )
            )
            self._end += self._frame_ticks
        self.filled_frames += max(frames, 0)
        return made

    def _duration(self, data: bytes) -> int:
        return opus.duration_ticks(data) if self.params.codec is Codec.OPUS else len(data)


def can_be_silent(codec: Codec) -> bool:
    """Tell whether we know this codec's silence."""
    return codec in _SILENCE
