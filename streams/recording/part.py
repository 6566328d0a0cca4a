"""One part of a source: a picture track and a sound track, joined into runs.

Made by `source`, on the event loop. With a picture, a run has picture and sound on one timeline that begins with a
key frame; without one it has sound alone, in a stream of its own; with neither there is none. What is muted is not
recorded, whatever is sent. Mutes end runs, losses do not. The publisher's
sender reports keep lips and voice together: when they move a clock, the sound moves, the picture stays.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from media.base.clock import Clock
from media.codec.opus import opus_params
from media.packet import AccessUnit, CodecParams, EndReason, Track
from streams.hub import Stream
from streams.publication import Publication, PublishedTrack, TrackName
from streams.recording.lane import Lane
from streams.recording.picture import VIDEO_INDEX, Picture
from streams.recording.sound import AUDIO_INDEX, Sound, can_be_silent
from streams.webrtc.outlet import SourceTrack

PICTURE_WAIT_NS = 1_500_000_000
"""Sound waits so long for the first picture of somebody who sends one; then it is recorded alone."""

_PENDING_FRAMES = 300
ALIGN_EVERY_NS = 1_000_000_000
ALIGN_S = 0.015
"""A smaller difference between picture and sound is nobody's."""

FILL_BEHIND_S = 1.0
"""Sound that is on its way may be so late."""

FILL_MUTED_S = 0.3
"""The same of a microphone known to be muted: what it says next must find its place free."""


@dataclass(frozen=True, slots=True)
class Names:
    """Which tracks of a source make the part, and what its streams of footage are called.

    With `alone`, sound without picture is recorded under that name. That is for people, whose microphones come and
    go: their pictures always have a sound track, of silence if need be.
    """

    part: str
    picture: TrackName
    sound: TrackName
    alone: str = ""


@dataclass(slots=True)
class _Run:
    """A run that goes on. Origins are source timestamps of its beginning; `picture` is None for sound alone."""

    stream: Stream
    began_ns: int
    picture: SourceTrack | None
    origin: int
    last_dts: int
    sound: Sound | None
    sound_origin: int | None = None
    aligned_ns: int = 0


class PartRecording:
    """One part of one source."""

    def __init__(self, names: Names, clock: Clock, open_stream: Callable[[str], Stream]) -> None:
        """Record nothing yet; `open_stream(part)` is called when there is something, once for each part."""
        self._names = names
        self._clock = clock
        self._open_stream = open_stream
        self._streams: dict[str, Stream] = {}
        self._picture: Picture | None = None
        self._voice: Lane | None = None
        self._voice_track: PublishedTrack | None = None
        self._voice_rid = ""
        self._run: _Run | None = None
        self._pending: deque[AccessUnit] = deque(maxlen=_PENDING_FRAMES)
        self._picture_since_ns = 0
        self.late_units = 0

    @property
    def is_running(self) -> bool:
        """Tell whether a run goes on."""
        return self._run is not None

    def look(self, publication: Publication | None) -> None:
        """Follow the tracks of the publication, None when it is gone."""
        tracks = {} if publication is None or publication.is_ended else {each.name: each for each in publication.tracks}
        self._follow_picture(tracks.get(self._names.picture))
        self._follow_voice(tracks.get(self._names.sound))

    def _follow_picture(self, published: PublishedTrack | None) -> None:
        if self._picture is not None and self._picture.published is not published:
            self._picture.close()
            self._picture = None
        if published is not None and self._picture is None:
            self._picture_since_ns = self._clock.mono_ns()
            self._picture = Picture(published, self._clock, self._take_picture)
        elif self._picture is not None:
            self._picture.look()

    def _follow_voice(self, published: PublishedTrack | None) -> None:
        track = published.layers[0].track if published is not None and published.layers else None
        if self._voice is not None and self._voice.track is not track:
            self._voice.close()
            self._unwatch_voice()
            self._voice = None
            self._pending.clear()
        if track is not None and published is not None and self._voice is None and can_be_silent(track.params.codec):
            self._voice_track = published
            self._voice_rid = published.layers[0].rid
            published.watch(self._voice_rid)
            self._voice = Lane(track, AUDIO_INDEX, self._clock, self._take_sound)

    def _unwatch_voice(self) -> None:
        if self._voice_track is not None:
            self._voice_track.unwatch(self._voice_rid)
        self._voice_track = None

    # Units.

    def _take_picture(self, lane: Lane, unit: AccessUnit) -> None:
        if not self._has_picture():
            return
        run = self._run
        if unit.is_key and (run is None or not self._continues(run, lane)):
            run = self._begin_with_picture(lane, unit)
        if run is None or run.picture is None or run.picture.timeline is not lane.track.timeline:
            return
        dts = unit.dts - run.origin
        if dts <= run.last_dts:
            self.late_units += 1
            return
        run.last_dts = dts
        run.stream.publish(unit._replace(pts=unit.pts - run.origin, dts=dts))
        if self._pending:  # readers take no sound before the first picture
            self._place_pending(run)

    def _continues(self, run: _Run, lane: Lane) -> bool:
        """Tell whether a key frame goes on with the run: the same clock, and no sound that is not in it."""
        if run.picture is None or run.picture.timeline is not lane.track.timeline:
            return False
        codec = self._voice.track.params.codec if self._voice is not None else None
        return codec is None or (run.sound is not None and run.sound.params.codec is codec)

    def _begin_with_picture(self, lane: Lane, unit: AccessUnit) -> _Run:
        if self._run is not None:
            self._end_run(EndReason.TRACKS)  # forgets what was pending: it was of that run
        params = self._sound_params()
        run = self._begin(unit.params, params, unit.received_mono_ns)
        run.picture, run.origin = lane.track, unit.dts
        return run

    def _place_pending(self, run: _Run) -> None:
        pending = tuple(self._pending)
        self._pending.clear()
        for each in pending if run.sound is not None else ():
            self._place(run, each)

    def _sound_params(self) -> CodecParams | None:
        if self._voice is not None:
            return self._voice.track.params
        return opus_params() if self._names.alone else None

    def _begin(self, picture: CodecParams | None, sound: CodecParams | None, now_ns: int) -> _Run:
        part = self._names.part if picture is not None else self._names.alone
        stream = self._streams.get(part)
        if stream is None:
            stream = self._streams[part] = self._open_stream(part)
        tracks = [] if picture is None else [Track(VIDEO_INDEX, picture)]
        tracks += [] if sound is None else [Track(AUDIO_INDEX, sound)]
        stream.begin(tracks)
        self._run = _Run(stream, now_ns, None, 0, -1, None if sound is None else Sound(sound))
        return self._run

    def _take_sound(self, lane: Lane, unit: AccessUnit) -> None:
        if not self._has_voice():
            return
        run = self._run
        if run is None:
            self._pending.append(unit)
            if self._names.alone and not self._awaits_picture(unit.received_mono_ns):
                self._begin_with_sound(lane)
        elif run.sound is not None and run.sound.params.codec is unit.params.codec:
            self._place(run, unit)

    def _awaits_picture(self, now_ns: int) -> bool:
        return self._has_picture() and now_ns - self._picture_since_ns < PICTURE_WAIT_NS

    def _has_picture(self) -> bool:
        return self._picture is not None and self._picture.published.is_live

    def _has_voice(self) -> bool:
        return self._voice is not None and self._voice_track is not None and self._voice_track.is_live

    def _begin_with_sound(self, lane: Lane) -> None:
        first = self._pending[0]
        run = self._begin(None, lane.track.params, first.received_mono_ns)
        run.sound_origin = first.pts
        self._place_pending(run)

    def _place(self, run: _Run, unit: AccessUnit) -> None:
        assert run.sound is not None
        if run.sound_origin is None:
            self._align(run, unit.received_mono_ns)
        if run.sound_origin is None:
            run.sound_origin = unit.pts - _ticks(unit.received_mono_ns - run.began_ns, unit.params.clock_rate_hz)
        for placed in run.sound.place(unit, unit.pts - run.sound_origin):
            run.stream.publish(placed)

    def _align(self, run: _Run, now_ns: int) -> None:
        """Find where the sound of the run's beginning lies on the sound's clock, now that reports may have moved it."""
        run.aligned_ns = now_ns
        if run.picture is None or self._voice is None or run.sound is None:
            return
        picture_now = run.picture.timeline.at(now_ns)
        sound_now = self._voice.track.timeline.at(now_ns)
        if picture_now is None or sound_now is None:
            return
        rate_hz = run.sound.params.clock_rate_hz
        origin = sound_now - (picture_now - run.origin) * rate_hz // run.picture.clock_rate_hz
        if run.sound_origin is None or abs(origin - run.sound_origin) > ALIGN_S * rate_hz:
            run.sound_origin = origin

    # Time.

    def tick(self, now_ns: int) -> None:
        """Do what is due; about ten times a second."""
        if self._picture is not None:
            self._picture.tick(now_ns)
        if self._voice is not None:
            self._voice.tick(now_ns)
        run = self._run
        if run is None:
            self._begin_overdue_sound(now_ns)
        if run is None or run.picture is None:
            self._wish_for_picture(now_ns)
        if run is None:
            return
        if not (self._has_voice() if run.picture is None else self._has_picture()):
            self._end_run(EndReason.MUTED)
        else:
            self._keep(run, now_ns)

    def _begin_overdue_sound(self, now_ns: int) -> None:
        if not self._names.alone or self._awaits_picture(now_ns):
            return
        if self._pending and self._voice is not None:
            self._begin_with_sound(self._voice)

    def _wish_for_picture(self, now_ns: int) -> None:
        """Ask for the key frame without which a picture cannot begin."""
        if self._picture is not None and self._has_picture():
            self._picture.ask(now_ns)

    def _keep(self, run: _Run, now_ns: int) -> None:
        """Hold picture and sound together, and fill up where no sound comes."""
        if run.sound is None:
            if self._has_voice():
                self._wish_for_picture(now_ns)  # the next key frame begins a run with both
            return
        if now_ns - run.aligned_ns >= ALIGN_EVERY_NS:
            self._align(run, now_ns)
        behind_s = FILL_BEHIND_S if self._has_voice() else FILL_MUTED_S
        rate_hz = run.sound.params.clock_rate_hz
        until = _ticks(now_ns - run.began_ns, rate_hz) - round(behind_s * rate_hz)
        if run.picture is not None:  # never ahead of the picture: what is cut off with it would be lost
            until = min(until, run.last_dts * rate_hz // run.picture.clock_rate_hz)
        for unit in run.sound.fill(until, now_ns, self._clock.wall_us()):
            run.stream.publish(unit)

    def _end_run(self, reason: EndReason) -> None:
        run, self._run = self._run, None
        self._pending.clear()
        if run is not None:
            run.stream.end(reason)

    def end(self, reason: EndReason) -> None:
        """End the run, if any, and listen to nothing any more; `look` begins anew."""
        self._follow_picture(None)
        self._follow_voice(None)
        self._end_run(reason)

    def close(self) -> dict[str, Stream]:
        """Return the streams by name, which the caller closes; call `end` before."""
        streams, self._streams = self._streams, {}
        return streams


def _ticks(duration_ns: int, rate_hz: int) -> int:
    return duration_ns * rate_hz // 1_000_000_000
