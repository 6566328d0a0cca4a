"""Cut a run of access units into fragments, and fragments into segments.

Pure: no clock, no disk, no asyncio. Called by `recorder.recorder` once per unit on the hub's loop; what it returns is
written elsewhere. A fragment holds at most one second of the lead track (video) and ends before each key frame, also
inside a long GOP; a segment begins at a key frame and ends before the first one after five minutes or where the codec
parameters change. Audio never holds video back: what has come by then goes into the fragment. Of a source of sound
alone every frame is a key frame, and only time cuts.
"""

import itertools
from dataclasses import dataclass

from media.container.samples import Keys, TrackRun
from media.packet import AccessUnit, CodecParams, Kind, Track

FRAGMENT_S = 1.0
SEGMENT_S = 300.0
FRAGMENT_BYTES = 8 << 20
"""A camera of 60 Mbit/s fills it in a second; beyond that fragments get shorter, not larger."""
LEAD_ID = 1
AUDIO_ID = 2
_AUDIO_PENDING = 600
"""Frames kept while no video comes: 12 s of Opus. Ingest ends a run without video after 10 s."""


@dataclass(frozen=True, slots=True)
class SegmentTracks:
    """The codec parameters a segment opens with; track ids are `LEAD_ID` and `AUDIO_ID`."""

    lead: CodecParams
    audio: CodecParams | None


@dataclass(frozen=True, slots=True)
class Fragment:
    """One fragment ready to be written. `opens` is set on the first of a segment.

    `estimate_us` is the segment's start on the hub's clock as the least delayed unit of this fragment tells it;
    `lead_ticks` is the lead track's duration in its own ticks.
    """

    opens: SegmentTracks | None
    runs: tuple[TrackRun, ...]
    payload: tuple[bytes, ...]
    lead_dts: int
    lead_ticks: int
    estimate_us: int
    lost_packets: int
    size_bytes: int


class Segmenter:
    """The state of one stream between two calls: the units of the fragment being filled."""

    def __init__(self, *, fragment_s: float = FRAGMENT_S, segment_s: float = SEGMENT_S) -> None:
        """Cut fragments of at most `fragment_s` and segments of at least `segment_s` seconds."""
        self._fragment_s = fragment_s
        self._segment_s = segment_s
        self._lead_index = -1
        self._audio_index = -1
        self._rate_hz = 1
        self._fragment_ticks = 0
        self._audio_params: CodecParams | None = None
        self._params: CodecParams | None = None
        self._pending: list[AccessUnit] = []
        self._audio: list[tuple[AccessUnit, int]] = []
        self._held_audio: AccessUnit | None = None
        self._size_bytes = 0
        self._last_ticks = 0
        self._is_sound = False
        self._segment_dts = 0
        self._clock_us = 0
        self._must_cut = False
        self._opens: SegmentTracks | None = None
        self.skipped = 0

    def begin(self, tracks: tuple[Track, ...]) -> None:
        """Begin a run: the first video track leads (or the first audio track of a source without video)."""
        self.reset()
        videos = [track for track in tracks if track.kind is Kind.VIDEO]
        audios = [track for track in tracks if track.kind is Kind.AUDIO]
        lead = next(iter(videos or audios), None)
        audio = audios[0] if videos and audios else None
        self._lead_index = lead.index if lead is not None else -1
        self._audio_index = audio.index if audio is not None else -1
        self._audio_params = audio.params if audio is not None else None
        self._is_sound = not videos
        self._last_ticks = 0

    def reset(self) -> None:
        """Forget what is pending and wait for a key frame, which will open a segment."""
        self._pending = []
        self._params = None
        self._audio = []
        self._held_audio = None
        self._size_bytes = 0
        self._must_cut = False

    def push(self, unit: AccessUnit) -> Fragment | None:
        """Take one unit; return a fragment when one is complete. The hot path: about 1 µs."""
        if unit.track != self._lead_index:
            if unit.track == self._audio_index:
                self._push_audio(unit)
            return None
        pending = self._pending
        if not pending:
            if not unit.is_key:
                self.skipped += 1
                return None
            self._open(unit)
            self._append(unit)
            return None
        ticks = unit.dts - pending[0].dts
        if (
            (unit.is_key and not self._is_sound)
            or ticks + (self._last_ticks or 1) > self._fragment_ticks
            or (unit.params is not self._params and self._is_changed(unit.params))
            or self._size_bytes > FRAGMENT_BYTES
        ):
            return self._cut(unit)
        self._last_ticks = unit.dts - pending[-1].dts
        self._append(unit)
        return None

    def end(self) -> Fragment | None:
        """End the run: return what is pending, its last unit lasting as long as the one before."""
        if not self._pending:
            self.reset()
            return None
        if self._held_audio is not None:
            self._audio.append((self._held_audio, _nominal_ticks(self._held_audio)))
        last_ticks = self._last_ticks or self._guess_ticks()
        fragment = self._flush(self._pending[-1].dts + last_ticks)
        self.reset()
        return fragment

    def _is_changed(self, params: CodecParams) -> bool:
        """Tell whether `params` differ from the segment's; an equal object is remembered for the next comparison."""
        if params is self._params:
            return False
        if params != self._params:
            return True
        self._params = params
        return False

    def _append(self, unit: AccessUnit) -> None:
        self._pending.append(unit)
        self._size_bytes += len(unit.data)

    def _guess_ticks(self) -> int:
        """Return a plausible duration of a run's only unit: by its frame rate, or 40 ms."""
        fps = self._params.fps if self._params is not None else 0.0
        return max(1, round(self._rate_hz / (fps or 25.0)))

    def _open(self, unit: AccessUnit) -> None:
        """Begin a segment at `unit`."""
        self._params = unit.params
        self._rate_hz = unit.params.clock_rate_hz
        self._fragment_ticks = round(self._fragment_s * self._rate_hz)
        self._segment_dts = unit.dts
        self._clock_us = unit.received_wall_us - unit.received_mono_ns // 1000
        self._opens = SegmentTracks(unit.params, self._audio_params)
        self._must_cut = False

    def _cut(self, unit: AccessUnit) -> Fragment:
        """Flush what is pending and go on with `unit`, in this segment or a new one."""
        self._last_ticks = unit.dts - self._pending[-1].dts
        fragment = self._flush(unit.dts)
        is_changed = self._is_changed(unit.params)
        if not unit.is_key:
            if is_changed:  # nothing before the next key frame can be decoded with these parameters
                self._params = None
                self.skipped += 1
                return fragment
            self._append(unit)
            return fragment
        if is_changed or self._must_cut or unit.dts - self._segment_dts >= self._segment_s * self._rate_hz:
            self._open(unit)
        self._append(unit)
        return fragment

    def _flush(self, next_dts: int) -> Fragment:
        """Make a fragment of what is pending; `next_dts` is where the lead track goes on."""
        units = self._pending
        dts = [unit.dts for unit in units]
        dts.append(next_dts)
        durations = [after - before for before, after in itertools.pairwise(dts)]
        payload = [unit.data for unit in units]
        is_all_key = units[0].kind is Kind.AUDIO
        keys = Keys.ALL if is_all_key else Keys.FIRST if units[0].is_key else Keys.NONE
        runs = [TrackRun(LEAD_ID, dts[0], keys, [len(d) for d in payload], durations, _offsets(units))]
        if self._audio:
            runs.append(self._audio_run(payload))
        fragment = Fragment(
            opens=self._opens,
            runs=tuple(runs),
            payload=tuple(payload),
            lead_dts=dts[0],
            lead_ticks=next_dts - dts[0],
            estimate_us=self._estimate_us(units),
            lost_packets=sum(unit.lost_packets for unit in units),
            size_bytes=sum(map(len, payload)),
        )
        self._opens = None
        self._pending = []
        self._audio = []
        self._size_bytes = 0
        return fragment

    def _audio_run(self, payload: list[bytes]) -> TrackRun:
        frames = [unit.data for unit, _ in self._audio]
        payload += frames
        ticks = [ticks for _, ticks in self._audio]
        return TrackRun(AUDIO_ID, self._audio[0][0].dts, Keys.ALL, [len(d) for d in frames], ticks)

    def _estimate_us(self, units: list[AccessUnit]) -> int:
        """Return the segment's start as the least delayed of `units` tells it.

        Arrival is taken from the monotonic clock, tied to the wall clock once per segment: a stepped wall clock must
        not look like a frame that was on time.
        """
        first, rate = self._segment_dts, self._rate_hz
        earliest = min(u.received_mono_ns // 1000 - (u.dts - first) * 1_000_000 // rate for u in units)
        return earliest + self._clock_us

    def _push_audio(self, unit: AccessUnit) -> None:
        """Hold one unit back until the next tells its duration."""
        if unit.params is not self._audio_params and unit.params != self._audio_params:
            self._audio_params = unit.params
            self._held_audio = None
            self._must_cut = True
        if self._params is None:
            return
        held, self._held_audio = self._held_audio, unit
        if held is None or self._must_cut:
            return
        ticks = unit.dts - held.dts
        if not 0 < ticks <= unit.params.clock_rate_hz:
            ticks = _nominal_ticks(held)
        if self._audio and self._audio[-1][0].dts + self._audio[-1][1] != held.dts:
            self._close_hole(held.dts)
        if len(self._audio) < _AUDIO_PENDING:
            self._audio.append((held, ticks))

    def _close_hole(self, next_dts: int) -> None:
        """Within a fragment durations must add up: let the frame before a hole last until `next_dts`."""
        before, _ = self._audio[-1]
        self._audio[-1] = (before, max(1, next_dts - before.dts))


def _offsets(units: list[AccessUnit]) -> list[int]:
    """Return composition offsets, or nothing when every unit is shown when it is decoded."""
    offsets = [unit.pts - unit.dts for unit in units]
    return offsets if any(offsets) else []


def _nominal_ticks(unit: AccessUnit) -> int:
    """Return a plausible duration of a lone audio frame: an AAC frame, or 20 ms."""
    return 1024 if unit.params.config else unit.params.clock_rate_hz // 50
