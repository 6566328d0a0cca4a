"""One stream on one volume: fragments in, files and index rows out.

Owned by the writer thread of the volume. Keeps the run, the open segment, its place in time, the gaps and the chain of
seals. A failing disk ends the segment at its last whole fragment and raises `SegmentError`; the caller decides what
becomes of the volume.
"""

import errno
from dataclasses import dataclass, replace
from typing import Protocol

import structlog

from media.container.fmp4 import (
    TrackConfig,
    file_type,
    fragment_header,
    fragment_index,
    init_moov,
    track_config,
)
from media.container.hls import CHUNK_S, ChunkBuilder, pack_chunks
from media.container.samples import columns, encode_columns
from media.packet import CodecParams, EndReason
from recorder.format import NO_SEAL, SegmentFacts, SegmentHeader, StoredGap, StoredTrack, header_box
from recorder.index.rows import SegmentRow, SegmentState, StreamRow
from recorder.index.writer import IndexWriter
from recorder.segment_file import SegmentFile
from recorder.segmenter import AUDIO_ID, LEAD_ID, Fragment, SegmentTracks
from recorder.timeline import Placement, place_first, place_next, refine, wall_duration_us
from recorder.volume import Volume, segment_path

log = structlog.get_logger(__name__)

CLOCK_STEP = "clock_step"
NOT_ASKED = frozenset({"planned", EndReason.DISABLED.value})
"""Reasons of gaps during which nobody asked for footage."""


class SegmentError(Exception):
    """The disk refused; the segment ended at its last whole fragment."""

    def __init__(self, reason: EndReason, detail: str) -> None:
        """Remember why, for the gap and the alarm."""
        super().__init__(detail)
        self.reason = reason


class Cursor(Protocol):
    """Where a stream's footage ends, shared by the stream's writers on all volumes."""

    end_us: int


@dataclass(frozen=True, slots=True)
class StreamPlan:
    """A stream as its feeder sees it: ids, how long its footage stays, and where it ends on any volume."""

    camera_id: str
    quality: str
    retention_days: int
    minimum_days: int
    cursor: Cursor

    @property
    def key(self) -> tuple[str, str]:
        """Return camera and quality."""
        return (self.camera_id, self.quality)


@dataclass(slots=True)
class Shared:
    """What every stream of a volume needs."""

    volume: Volume
    index: IndexWriter
    node: str
    epoch: int


@dataclass(slots=True)
class _Open:
    """The segment being written. `entries` are the encoded fragments."""

    row: SegmentRow
    file: SegmentFile
    placement: Placement
    previous_end_us: int
    entries: list[bytes]
    chunks: ChunkBuilder
    ticks: int = 0
    lost_packets: int = 0


class StreamWriter:
    """Writes one stream. Not thread-safe; see the module."""

    def __init__(self, shared: Shared, stream: StreamRow, cursor: Cursor) -> None:
        """Go on after what the index knows of the stream."""
        self._shared = shared
        self.stream = stream
        self._cursor = cursor
        self._run_id: int | None = None
        self._run_started_us = 0
        self._open: _Open | None = None
        bounds = shared.index.bounds(stream.id)
        if bounds is not None:
            cursor.end_us = max(cursor.end_us, bounds[1])

    @property
    def file(self) -> SegmentFile | None:
        """Return the file being written."""
        return self._open.file if self._open is not None else None

    def write(self, fragment: Fragment, now_mono_ns: int) -> bool:
        """Write one fragment and tell whether it began a file, which is worth a commit at once; raises SegmentError.

        Fragments of a segment that failed before are ignored.
        """
        if fragment.opens is not None:
            self._finish("")
            self._begin(fragment, fragment.opens, now_mono_ns)
        if self._open is None:
            return False
        try:
            self._append(self._open, fragment)
        except OSError as exc:
            reason = reason_of(exc)
            self.end(reason)
            raise SegmentError(reason, str(exc)) from exc
        return fragment.opens is not None

    def end(self, reason: str) -> None:
        """End the run: close the segment, begin the gap. Nothing happens without a run."""
        if self._run_id is None:
            return
        self._finish(reason)
        self._shared.index.end_run(self._run_id, reason)
        self._run_id = None
        self._shared.index.open_gap(self.stream.id, self._cursor.end_us, reason)

    def expect(self, reason: str, now_us: int) -> None:
        """Say that from now on footage is awaited (`starting`) or not planned (`planned`): the lasting gap's reason.

        An unplanned gap goes on with its own reason when footage is awaited: a crash stays a crash.
        """
        index = self._shared.index
        current = index.open_gap_of(self.stream.id)
        if current is not None and (current.reason in NOT_ASKED) is (reason in NOT_ASKED):
            return
        start_us = max(now_us, self._cursor.end_us)
        index.close_gap(self.stream.id, start_us)
        index.open_gap(self.stream.id, start_us, reason)

    def abandon(self) -> None:
        """Close the file without a trailer; recovery will find the rest. For a volume that is gone."""
        if self._open is not None:
            self._open.file.close()
            self._open = None
        self._run_id = None

    def _begin(self, fragment: Fragment, tracks: SegmentTracks, now_mono_ns: int) -> None:
        index = self._shared.index
        placement = self._place(fragment.estimate_us)
        if self._run_id is None:
            self._run_id = index.add_run(self.stream.id, placement.start_us, self._shared.epoch, self._shared.node)
            self._run_started_us = placement.start_us
            index.close_gap(self.stream.id, placement.start_us)
        configs = _configs(tracks)
        stored = _stored_tracks(tracks)
        row = self._new_row(fragment, index.ensure_config(init_moov(configs), stored), placement, configs[0].timescale)
        head = self._header(row, stored, placement.start_us)
        init = file_type() + header_box(head) + init_moov(configs, row.opened_us)
        path = segment_path(self.stream.camera_id, self.stream.quality, row.opened_us, row.id)
        try:
            file = SegmentFile(self._shared.volume.path(path), init, now_mono_ns)
        except OSError as exc:
            reason = reason_of(exc)
            self.end(reason)
            raise SegmentError(reason, str(exc)) from exc
        row = replace(row, init_bytes=len(init))
        index.put_segment(row)
        chunks = ChunkBuilder(round(CHUNK_S * row.timescale))
        self._open = _Open(row, file, placement, self._cursor.end_us, [], chunks)

    def _place(self, estimate_us: int) -> Placement:
        """Place a new segment; a late one ends the run and begins another behind a gap."""
        if self._run_id is not None:
            placement = place_next(estimate_us, self._cursor.end_us)
            if placement is not None:
                return placement
            self.end(CLOCK_STEP)
        return place_first(estimate_us, self._cursor.end_us)

    def _new_row(self, fragment: Fragment, config_id: int, placement: Placement, timescale: int) -> SegmentRow:
        assert self._run_id is not None
        return SegmentRow(
            id=self._shared.index.take_segment_id(),
            stream_id=self.stream.id,
            run_id=self._run_id,
            config_id=config_id,
            state=SegmentState.OPEN,
            opened_us=placement.start_us,
            start_us=placement.start_us,
            wall_us=0,
            media_start=fragment.lead_dts,
            media_ticks=0,
            timescale=timescale,
            init_bytes=0,
            body_bytes=0,
            file_bytes=0,
            lost_packets=0,
            chunks=None,
            seal=None,
        )

    def _header(self, row: SegmentRow, tracks: tuple[StoredTrack, ...], start_us: int) -> SegmentHeader:
        gaps = self._shared.index.gaps(self.stream.id, self._cursor.end_us, start_us)
        return SegmentHeader(
            volume=self._shared.volume.uuid,
            segment_id=row.id,
            stream_id=self.stream.id,
            camera_id=self.stream.camera_id,
            quality=self.stream.quality,
            run_id=row.run_id,
            run_started_us=self._run_started_us,
            epoch=self._shared.epoch,
            node=self._shared.node,
            opened_us=row.opened_us,
            start_us=start_us,
            retention_days=self.stream.retention_days,
            minimum_days=self.stream.minimum_days,
            tracks=tracks,
            gaps=tuple(StoredGap(gap.start_us, gap.end_us or start_us, gap.reason) for gap in gaps),
        )

    def _append(self, open_: _Open, fragment: Fragment) -> None:
        index = self._shared.index
        header = fragment_header(len(open_.entries) + 1, fragment.runs)
        offset = open_.file.append(b"".join((header, *fragment.payload)))
        entry = fragment_index(header, fragment.runs, offset)
        encoded = entry.encode()
        index.add_fragment(open_.row.id, len(open_.entries), fragment.lead_ticks, entry.size_bytes, encoded)
        open_.entries.append(encoded)
        open_.chunks.add(entry, LEAD_ID)
        open_.ticks += fragment.lead_ticks
        open_.lost_packets += fragment.lost_packets
        placement = refine(open_.placement, fragment.estimate_us, open_.previous_end_us)
        if placement.start_us != open_.placement.start_us:
            index.move_start(self.stream.id, open_.row.id, open_.placement.start_us, placement.start_us)
        open_.placement = placement

    def _finish(self, end_reason: str) -> None:
        """Close the open segment: trailer, file, row. A segment whose trailer fails is left to recovery."""
        open_, self._open = self._open, None
        if open_ is None:
            return
        if not open_.entries:
            self._discard(open_)
            return
        index = encode_columns(columns(b"".join(open_.entries)))
        media_us = open_.ticks * 1_000_000 // open_.row.timescale
        facts = SegmentFacts(
            start_us=open_.placement.start_us,
            wall_us=wall_duration_us(open_.placement, media_us),
            media_start=open_.row.media_start,
            media_ticks=open_.ticks,
            timescale=open_.row.timescale,
            init_bytes=open_.row.init_bytes,
            body_bytes=open_.file.size_bytes,
            body_sha256=open_.file.body_sha256(),
            previous_seal=(self._shared.index.head(self.stream.id) or NO_SEAL).hex(),
            lost_packets=open_.lost_packets,
            end_reason=end_reason,
        )
        self._cursor.end_us = facts.start_us + facts.wall_us
        row = closed_row(open_.row, facts, pack_chunks(open_.chunks.chunks()))
        try:
            seal = open_.file.seal(facts, index)
        except OSError as exc:
            log.warning("segment left without trailer", path=open_.file.path.name, error=str(exc))
            recovered = replace(row, state=SegmentState.RECOVERED, file_bytes=row.body_bytes)
            self._shared.index.put_segment(recovered)
            return
        self._shared.index.set_head(self.stream.id, seal)
        self._shared.index.put_segment(replace(row, seal=seal, file_bytes=open_.file.size_bytes))
        self._shared.index.drop_fragments(row.id)

    def _discard(self, open_: _Open) -> None:
        """Remove a file that never got a fragment."""
        open_.file.close()
        open_.file.path.unlink(missing_ok=True)
        self._shared.index.forget_segment(open_.row.id)


def _configs(tracks: SegmentTracks) -> tuple[TrackConfig, ...]:
    lead = track_config(LEAD_ID, tracks.lead)
    return (lead,) if tracks.audio is None else (lead, track_config(AUDIO_ID, tracks.audio))


def _stored_tracks(tracks: SegmentTracks) -> tuple[StoredTrack, ...]:
    lead = _stored(LEAD_ID, tracks.lead)
    return (lead,) if tracks.audio is None else (lead, _stored(AUDIO_ID, tracks.audio))


def _stored(track_id: int, params: CodecParams) -> StoredTrack:
    return StoredTrack(
        track_id,
        params.codec.value,
        params.rfc6381,
        params.width,
        params.height,
        float(params.fps),
        params.sample_rate_hz,
        params.channels,
    )


def reason_of(exc: OSError) -> EndReason:
    """Return the end reason for a disk error."""
    return EndReason.DISK_FULL if exc.errno in (errno.ENOSPC, errno.EDQUOT) else EndReason.DISK_ERROR


def closed_row(row: SegmentRow, facts: SegmentFacts, chunks: bytes) -> SegmentRow:
    """Return the row of a segment that `facts` describe, without seal and with the body's size as the file's."""
    return replace(
        row,
        state=SegmentState.CLOSED,
        start_us=facts.start_us,
        wall_us=facts.wall_us,
        media_start=facts.media_start,
        media_ticks=facts.media_ticks,
        timescale=facts.timescale,
        init_bytes=facts.init_bytes,
        body_bytes=facts.body_bytes,
        file_bytes=facts.body_bytes,
        lost_packets=facts.lost_packets,
        chunks=chunks,
    )
