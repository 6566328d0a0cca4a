"""The footage of all volumes as replay sees it.

Opens each volume's index for reading, joins what several volumes hold of one stream, and completes open segments
from their fragments so that "a minute ago" is there. Blocking, called on the replay app's worker threads; one lock
per volume. A volume that is away is left out and found again when it is back.
"""

import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from media.base.errors import HubError, RemoteProtocolError
from media.container.boxes import find
from media.container.fmp4 import TrackConfig
from media.container.hls import CHUNK_S, Chunk, chunks_of, pack_chunks, unpack_chunks
from media.container.parse import parse_moov
from media.container.samples import SegmentColumns, columns, decode_columns, decode_fragments
from recorder.format import StoredTrack
from recorder.index.migrate import INDEX_NAME
from recorder.index.queries import IndexQueries
from recorder.index.rows import ConfigRow, GapRow, SegmentRow, SegmentState, StreamRow
from recorder.replay.spans import Extent, History
from recorder.segmenter import LEAD_ID
from recorder.store import read_trailer_at
from recorder.volume import Volume, open_volume, segment_path


@dataclass(frozen=True, slots=True)
class Located:
    """A segment with all that is needed to serve it. `index` is set while the file has no trailer."""

    volume: Volume
    row: SegmentRow
    path: str
    config: ConfigRow
    index: bytes | None

    @property
    def chunks(self) -> list[Chunk]:
        """Return the segment's HLS chunks."""
        return unpack_chunks(self.row.chunks or b"", self.row.init_bytes)

    @property
    def tracks(self) -> tuple[TrackConfig, ...]:
        """Return the segment's tracks, the lead first; RemoteProtocolError when its configuration is damaged."""
        moov = find(self.config.moov, 0, len(self.config.moov), b"moov")
        if moov is None:
            raise RemoteProtocolError("configuration has no moov", code="bad_index")
        return parse_moov(self.config.moov, moov)

    @property
    def has_pictures(self) -> bool:
        """Tell whether the segment holds video; a source may have sound only."""
        return any(track.width for track in self.config.tracks)

    def media_at(self, wall_us: int) -> int:
        """Return the lead track's ticks at a moment on the hub's clock; beyond the segment it extrapolates."""
        row = self.row
        return row.media_start + (wall_us - row.start_us) * row.media_ticks // max(1, row.wall_us)

    def samples(self, fd: int) -> SegmentColumns:
        """Return the sample index: one read of the trailer, none for an open segment. RemoteProtocolError."""
        if self.index is not None:
            return columns(self.index)
        return decode_columns(read_trailer_at(fd, self.row.body_bytes, self.row.file_bytes).index)


class _Shelf:
    """One volume's index, opened when needed."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.lock = threading.Lock()
        self._volume: Volume | None = None
        self._index: IndexQueries | None = None
        self._inode = 0

    def open(self) -> tuple[Volume, IndexQueries] | None:
        """Return volume and index, or None while the volume is away. A replaced index is opened anew."""
        try:
            inode = (self.root / INDEX_NAME).stat().st_ino
            if self._index is None or self._volume is None or inode != self._inode:
                self.close()
                self._volume = open_volume(self.root, create=False)
                self._index = IndexQueries.open(self.root / INDEX_NAME)
                self._inode = inode
        except (OSError, HubError):
            self.close()
            return None
        return self._volume, self._index

    @contextmanager
    def reading(self) -> Iterator[tuple[Volume, IndexQueries] | None]:
        """Lock the volume and hold one moment of its index: a segment closed meanwhile must not fall between rows."""
        with self.lock:
            opened = self.open()
            if opened is None:
                yield None
                return
            with opened[1].snapshot():
                yield opened

    def close(self) -> None:
        """Forget the connection."""
        if self._index is not None:
            self._index.close()
        self._index = None


class Catalog:
    """All volumes."""

    def __init__(self, roots: Sequence[Path]) -> None:
        """Look at the volumes at `roots`; none needs to be there yet."""
        self._shelves = [_Shelf(root) for root in roots]

    def close(self) -> None:
        """Close every index."""
        for shelf in self._shelves:
            with shelf.lock:
                shelf.close()

    def segments(self, camera_id: str, quality: str, start_us: int, end_us: int) -> list[Located]:
        """Return the segments that touch the range, in order of time, open ones as far as they are committed."""
        found: list[Located] = []
        for shelf in self._shelves:
            with shelf.reading() as opened:
                if opened is not None and (stream := opened[1].stream(camera_id, quality)) is not None:
                    found += _located(*opened, stream, opened[1].segments(stream.id, start_us, end_us))
        kept = [item for item in found if item.row.end_us > start_us and item.row.start_us < end_us]
        return sorted(kept, key=lambda item: item.row.start_us)

    def segment(self, volume_id: str, segment_id: int, camera_id: str) -> Located | None:
        """Return one segment of a camera, or None."""
        for shelf in self._shelves:
            with shelf.reading() as opened:
                if opened is None or opened[0].uuid != volume_id:
                    continue
                rows = opened[1].segments_by_id([segment_id])
                streams = [s for s in opened[1].streams() if rows and s.id == rows[0].stream_id]
                if streams and streams[0].camera_id == camera_id:
                    return next(iter(_located(*opened, streams[0], rows)), None)
        return None

    def extents(self, camera_id: str, quality: str, start_us: int, end_us: int) -> list[Extent]:
        """Return the footage in the range, in order of time."""
        found: list[Extent] = []
        for shelf in self._shelves:
            with shelf.reading() as opened:
                if opened is not None and (stream := opened[1].stream(camera_id, quality)) is not None:
                    rows = opened[1].extents(stream.id, start_us, end_us)
                    found += joined(rows)
                    found += _open_extents(opened[1], stream.id)
        found.sort(key=lambda extent: extent.start_us)
        return found

    def history(self, camera_id: str, quality: str, start_us: int, end_us: int) -> History:
        """Return the gaps in the range and what else explains time without footage."""
        gaps: list[GapRow] = []
        known: list[int] = []
        expired_us = 0
        is_recording = False
        for shelf in self._shelves:
            with shelf.reading() as opened:
                if opened is None or (stream := opened[1].stream(camera_id, quality)) is None:
                    continue
                index = opened[1]
                gaps += index.gaps(stream.id, start_us, end_us)
                first = index.first_known(stream.id)
                known += [first] if first is not None else []
                expired_us = max(expired_us, stream.expired_us)
                is_recording = is_recording or bool(_open_extents(index, stream.id))
        gaps.sort(key=lambda gap: gap.start_us)
        return History(gaps, min(known, default=None), expired_us, is_recording)

    def known(self, camera_ids: Collection[str], quality: str) -> set[str]:
        """Return those of the streams that any volume has heard of."""
        found: set[str] = set()
        for shelf in self._shelves:
            with shelf.reading() as opened:
                if opened is not None:
                    found |= {name for name in camera_ids if opened[1].stream(name, quality) is not None}
        return found

    def stored_tracks(self, camera_id: str, quality: str, start_us: int, end_us: int) -> list[tuple[StoredTrack, ...]]:
        """Return the tracks of each configuration in the range, in order of first use on each volume."""
        found: list[tuple[StoredTrack, ...]] = []
        for shelf in self._shelves:
            with shelf.reading() as opened:
                if opened is not None and (stream := opened[1].stream(camera_id, quality)) is not None:
                    ids = opened[1].config_ids(stream.id, start_us, end_us)
                    rows = opened[1].configs(ids)
                    found += [rows[config_id].tracks for config_id in ids]
        return found

    def stock(self) -> list[tuple[Volume, list[tuple[StreamRow, tuple[int, int] | None]]]]:
        """Return per volume its streams with the bounds of their footage."""
        found = []
        for shelf in self._shelves:
            with shelf.reading() as opened:
                if opened is not None:
                    volume, index = opened
                    found.append((volume, [(stream, index.bounds(stream.id)) for stream in index.streams()]))
        return found


def joined(rows: Sequence[tuple[int, int, int]]) -> list[Extent]:
    """Return (start, duration, bytes) rows as extents, joining those that touch.

    The first and the last stay apart: a range may cut them, and their bytes are shared out by time.
    """
    rows = [row for row in rows if row[1]]
    if len(rows) < 3:
        return [Extent(start, start + wall, size) for start, wall, size in rows]
    found = [Extent(rows[0][0], rows[0][0] + rows[0][1], rows[0][2])]
    begin, wall, total = rows[1]
    end = begin + wall
    for start, wall, size in rows[2:-1]:
        if start != end:
            found.append(Extent(begin, end, total))
            begin, total = start, 0
        end = start + wall
        total += size
    last = rows[-1]
    return [*found, Extent(begin, end, total), Extent(last[0], last[0] + last[1], last[2])]


def _open_extents(index: IndexQueries, stream_id: int) -> list[Extent]:
    """Return the extents of segments that are being written."""
    found = []
    for row in index.segments_in_state(SegmentState.OPEN):
        if row.stream_id == stream_id:
            ticks, size_bytes = index.open_extent(row.id)
            if ticks:
                found.append(Extent(row.start_us, row.start_us + ticks * 1_000_000 // row.timescale, size_bytes))
    return found


def _located(volume: Volume, index: IndexQueries, stream: StreamRow, rows: Sequence[SegmentRow]) -> list[Located]:
    configs = index.configs({row.config_id for row in rows})
    found = []
    for row in rows:
        path = segment_path(stream.camera_id, stream.quality, row.opened_us, row.id)
        entries: bytes | None = None
        known = row
        if row.state is not SegmentState.CLOSED:
            entries = index.fragments(row.id)
            if row.state is SegmentState.OPEN:
                known = _completed(row, entries)
        if known.media_ticks:
            found.append(Located(volume, known, path, configs[row.config_id], entries))
    return found


def _completed(row: SegmentRow, entries: bytes) -> SegmentRow:
    """Return the row of an open segment as if it ended with its last fragment."""
    fragments = decode_fragments(entries)
    if not fragments:
        return row
    chunks = chunks_of(fragments, LEAD_ID, round(CHUNK_S * row.timescale))
    ticks = sum(chunk.ticks for chunk in chunks)
    return replace(
        row,
        wall_us=ticks * 1_000_000 // row.timescale,
        media_ticks=ticks,
        body_bytes=fragments[-1].end,
        file_bytes=fragments[-1].end,
        chunks=pack_chunks(chunks),
    )
