"""From depacketized units to runs in the hub: when a run begins, on which timeline, and when it must end.

Fed by one connection, on the event loop, once per access unit. A run begins with the first picture a decoder can
start from (without video: with the first sound); everything before is left out. Each track passes its timestamp gate;
a jump of the picture ends the run with TIMESTAMPS and the next key picture begins another on the same connection.
"""

from collections.abc import Callable, Sequence

from media.packet import AccessUnit, CodecParams, EndReason, Kind, Track
from media.timing import ticks_of_us
from streams.hub import Stream
from streams.ingest.gate import GateLimits, TimestampGate, Verdict
from streams.ingest.meter import Meter

SYNC_TOLERANCE_MS = 80
"""Sound this far from the picture is noticed (ITU-R BT.1359: -125 to +45 ms); less is left alone."""
SYNC_LIMIT_MS = 2_000
"""Sender reports that claim more than this contradict the arrival times too much to be believed."""


class PublishedTrack:
    """One track of the connection, and its place in the present run."""

    __slots__ = ("gate", "has_begun", "index", "is_synced", "is_video", "params")

    def __init__(self, index: int, params: CodecParams) -> None:
        """Know the track as the camera described it."""
        self.index = index
        self.params = params
        self.is_video = params.codec.kind is Kind.VIDEO
        self.gate = TimestampGate(params.clock_rate_hz, is_video=self.is_video)
        self.has_begun = False
        self.is_synced = False


class RunPublisher:
    """Publishes one connection's units into one stream. `take` is the hot path."""

    def __init__(
        self,
        stream: Stream,
        tracks: Sequence[CodecParams],
        *,
        limits: GateLimits | None = None,
        on_reorder_lost: Callable[[int], None] = lambda _track: None,
    ) -> None:
        """Publish units whose `track` counts `tracks`, at most one of them video.

        `on_reorder_lost(track)` is called when a stream with reordered pictures jumped: its decoding order must be
        found anew (a fresh depacketizer).
        """
        self._stream = stream
        self._limits = limits or GateLimits()
        self._on_reorder_lost = on_reorder_lost
        self.tracks = tuple(PublishedTrack(index, params) for index, params in enumerate(tracks))
        self._lead = next((track for track in self.tracks if track.is_video), self.tracks[0])
        self._begun_mono_ns = 0
        self._repaired = self._dropped = 0
        self.meter = Meter()
        self.is_live = False
        self.runs = 0
        self.last_lead_mono_ns = 0

    @property
    def timestamps_repaired(self) -> int:
        """Return the decode times that were moved."""
        return self._repaired + sum(track.gate.repaired for track in self.tracks)

    @property
    def units_dropped(self) -> int:
        """Return the units the gates refused."""
        return self._dropped + sum(track.gate.dropped for track in self.tracks)

    def params_of(self, kind: Kind) -> CodecParams | None:
        """Return the parameters last seen on the track of `kind`."""
        return next((track.params for track in self.tracks if track.params.codec.kind is kind), None)

    def take(self, unit: AccessUnit) -> None:
        """Publish one unit, or not."""
        track = self.tracks[unit.track]
        meter = self.meter
        meter.bytes_total += len(unit.data)
        if track.is_video:
            meter.pictures_total += 1
        if not self.is_live or not track.has_begun:
            if not self._begin(track, unit):
                return
        elif unit.params is not track.params:
            self._retune(track, unit.params)
        gate = track.gate
        dts = gate.admit(unit.pts, unit.dts, unit.received_mono_ns)
        if isinstance(dts, Verdict):
            if dts is Verdict.JUMP:
                self._jumped(track, unit)
            return
        if track is self._lead:
            self.last_lead_mono_ns = unit.received_mono_ns
        self._publish(unit, unit.pts + gate.offset, dts)

    def _publish(self, unit: AccessUnit, pts: int, dts: int) -> None:
        if dts != unit.dts or pts != unit.pts or pts < dts:
            unit = AccessUnit(
                unit.track,
                unit.params,
                max(pts, dts),
                dts,
                unit.is_key,
                unit.data,
                unit.received_mono_ns,
                unit.received_wall_us,
                unit.lost_packets,
            )
        self._stream.publish(unit)

    def _begin(self, track: PublishedTrack, unit: AccessUnit) -> bool:
        """Begin the run or the track's part in it, if this unit can; tell whether it is to be published."""
        if not self.is_live:
            if track is not self._lead or not (unit.is_key or not track.is_video) or not unit.params.is_complete:
                return False
            self._begin_run(unit)
        at_ticks = self._place(track, unit)
        if at_ticks < 0:
            return False
        self._count(track)
        track.gate = TimestampGate(track.params.clock_rate_hz, is_video=track.is_video, limits=self._limits)
        track.gate.start(unit.pts, unit.dts, unit.received_mono_ns, at_ticks)
        track.has_begun = True
        return True

    def _begin_run(self, unit: AccessUnit) -> None:
        self._lead.params = unit.params
        self._begun_mono_ns = unit.received_mono_ns
        for track in self.tracks:
            track.has_begun = track.is_synced = False
        self.is_live = True
        self.runs += 1
        self._stream.begin(Track(track.index, track.params) for track in self.tracks)

    def _place(self, track: PublishedTrack, unit: AccessUnit) -> int:
        """Return where on the run's timeline the track's first unit goes: by arrival, until sender reports tell better."""
        elapsed_us = (unit.received_mono_ns - self._begun_mono_ns) // 1000
        return ticks_of_us(elapsed_us, track.params.clock_rate_hz)

    def _count(self, track: PublishedTrack) -> None:
        self._repaired += track.gate.repaired
        self._dropped += track.gate.dropped

    def _retune(self, track: PublishedTrack, params: CodecParams) -> None:
        """The stream changed its parameters: the units say so themselves, late readers hear it from the hub."""
        track.params = params
        self._stream.retune(params, track.index)

    def _jumped(self, track: PublishedTrack, unit: AccessUnit) -> None:
        """A jump of the picture ends the run; a jump of the sound beside a picture is put back in its place."""
        if track is self._lead:
            self.end(EndReason.TIMESTAMPS)
            if unit.dts != unit.pts:
                self._on_reorder_lost(track.index)
            elif self._begin(track, unit):
                self._admit_first(track, unit)
            return
        track.has_begun = track.is_synced = False
        if self._begin(track, unit):
            self._admit_first(track, unit)

    def _admit_first(self, track: PublishedTrack, unit: AccessUnit) -> None:
        dts = track.gate.admit(unit.pts, unit.dts, unit.received_mono_ns)
        assert not isinstance(dts, Verdict)  # a gate admits the unit it was started with
        self._publish(unit, unit.pts + track.gate.offset, dts)

    def synchronise(self, wall_us_of: Callable[[int, int], int | None]) -> None:
        """Bring sound and picture together once per run, by the camera's own clock.

        `wall_us_of(track, pts)` is the camera's time of incoming ticks, None before its first sender report. Called
        after each report.
        """
        if not self.is_live:
            return
        lead_us = wall_us_of(self._lead.index, -self._lead.gate.offset)
        for track in self.tracks:
            if track is self._lead or not track.has_begun or track.is_synced:
                continue
            own_us = wall_us_of(track.index, -track.gate.offset)
            if lead_us is None or own_us is None:
                continue
            track.is_synced = True
            error_us = own_us - lead_us
            if SYNC_TOLERANCE_MS * 1000 < abs(error_us) < SYNC_LIMIT_MS * 1000:
                track.gate.shift(ticks_of_us(error_us, track.params.clock_rate_hz))

    def end(self, reason: EndReason) -> None:
        """End the run, if there is one."""
        if self.is_live:
            self.is_live = False
            self._stream.end(reason)
