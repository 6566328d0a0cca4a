"""What a crash left: open segments are cut to their last whole fragment, unknown files are taken in.

`recover` runs on the writer thread before a volume accepts footage; it is quick because the index names the fragments
up to the last second, so that only a file's tail is read. `Sealer` writes the missing trailers later, in idle
moments. Both may be interrupted anywhere and run again.
"""

import hashlib
import os
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import structlog

from media.base.clock import utc_of_us
from media.base.errors import HubError, RemoteProtocolError
from media.container.fmp4 import init_moov
from media.container.hls import CHUNK_S, chunks_of, chunks_of_columns, pack_chunks
from media.container.samples import (
    FragmentIndex,
    columns,
    decode_columns,
    decode_fragments,
    encode_columns,
)
from media.packet import EndReason
from recorder.format import NO_SEAL, SegmentFacts, SegmentHeader, Trailer, seal_of, trailer_box
from recorder.index.rows import SegmentRow, SegmentState, StreamRow
from recorder.index.writer import IndexWriter
from recorder.segmenter import FRAGMENT_BYTES, LEAD_ID
from recorder.store import (
    MAX_INIT_BYTES,
    Front,
    fragments_from,
    is_intact,
    open_segment,
    path_exists,
    read_front,
    read_trailer,
    segment_files,
)
from recorder.stream_writer import closed_row
from recorder.volume import Volume, segment_path

log = structlog.get_logger(__name__)

CRASH = EndReason.CRASH.value
SUSPECT_FRAGMENTS = 32
"""Files are made durable every 10 s and fragments last a second: older ones survived even a power cut."""
_HASH_STEP_BYTES = 4 << 20
_FAR_US = 1 << 62
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def recover(volume: Volume, index: IndexWriter, reason: str = CRASH) -> int:
    """Bring index and files of `volume` together after whatever happened; return the number of segments touched.

    `reason` is why runs that nobody ended have ended: a crash, or what the disk did to the writer that is still here.
    """
    was_clean = index.meta("clean") == "1"
    streams = {stream.id: stream for stream in index.streams()}
    touched = 0
    for state in (SegmentState.OPEN, SegmentState.RECOVERED):  # a power cut may take a recovered file's tail, too
        for row in index.segments_in_state(state):
            _recover_open(volume, index, streams[row.stream_id], row)
            touched += 1
    if not was_clean:
        for path in _unknown(volume, index):
            touched += adopt(volume, index, path) is not None or _sweep(volume, path)
    for stream in index.streams():
        _end_runs(index, stream, reason)
    finish_deletions(volume, index)
    index.set_meta("volume_uuid", volume.uuid)
    index.set_meta("boot_id", _boot_id())
    index.set_meta("clean", "0")
    return touched


def _boot_id() -> str:
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _end_runs(index: IndexWriter, stream: StreamRow, reason: str) -> None:
    """A run that nobody ended has ended for `reason`; where footage, or a gap before footage now lost, stops one begins."""
    started_us = 0
    for run_id, run_started_us, _, _, end_reason in index.runs(stream.id):
        started_us = started_us or run_started_us
        if not end_reason:
            index.end_run(run_id, reason)
    _, footage_end_us = index.bounds(stream.id) or (0, 0)
    gap_ends = [gap.end_us for gap in index.gaps(stream.id, footage_end_us, _FAR_US) if gap.end_us is not None]
    known_end_us = max([footage_end_us, *gap_ends]) or started_us
    lasting = index.open_gap_of(stream.id)
    if lasting is not None and 0 < known_end_us < lasting.start_us:  # it began where footage ended that is now lost
        index.close_gap(stream.id, lasting.start_us)
        reason = lasting.reason
    if known_end_us:
        index.open_gap(stream.id, known_end_us, reason)


def _recover_open(volume: Volume, index: IndexWriter, stream: StreamRow, row: SegmentRow) -> None:
    path = segment_path(stream.camera_id, stream.quality, row.opened_us, row.id)
    try:
        fd = os.open(volume.path(path), os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        index.forget_segment(row.id)
        return
    try:
        front = read_front(fd)
        trailer = _trailer_or_none(fd)
        if trailer is not None:
            _take_closed(index, row, trailer, os.fstat(fd).st_size)
            return
        known = _known_fragments(index, row.id, os.fstat(fd).st_size, front)
        fragments = whole_fragments(fd, front, known)
        os.ftruncate(fd, fragments[-1].end if fragments else 0)
    except RemoteProtocolError as exc:
        log.warning("open segment is unreadable and was removed", path=path, error=str(exc))
        fragments = []
    finally:
        os.close(fd)
    if not fragments:
        volume.path(path).unlink(missing_ok=True)
        index.forget_segment(row.id)
        return
    _take_recovered(index, replace(row, init_bytes=front.init_bytes), fragments)


def _trailer_or_none(fd: int) -> Trailer | None:
    """A file may have got its trailer when the index had not heard of it yet; a torn one counts as none."""
    try:
        return read_trailer(fd)
    except RemoteProtocolError:
        return None


def _known_fragments(index: IndexWriter, segment_id: int, size: int, front: Front) -> list[FragmentIndex]:
    """Return the fragments the index knows, as long as they follow each other and lie within the file."""
    known: list[FragmentIndex] = []
    offset = front.init_bytes
    try:
        entries = decode_fragments(index.fragments(segment_id))
    except RemoteProtocolError:
        return []
    for entry in entries:
        if entry.offset != offset or entry.end > size:
            break
        known.append(entry)
        offset = entry.end
    return known


def whole_fragments(fd: int, front: Front, known: list[FragmentIndex]) -> list[FragmentIndex]:
    """Return `known` (what the index tells of the file) and what the file holds behind it, without a torn or zeroed end.

    `known` may reach beyond the file's damage but not beyond its end.
    """
    fragments = list(known)
    fragments += fragments_from(fd, known[-1].end if known else front.init_bytes)
    for number in range(max(0, len(fragments) - SUSPECT_FRAGMENTS), len(fragments)):
        if not is_intact(fd, fragments[number], front.tracks[0]):
            return fragments[:number]
    return fragments


def _take_recovered(index: IndexWriter, row: SegmentRow, fragments: list[FragmentIndex]) -> None:
    """Note a whole file without trailer; its wall duration is its media duration, for its delays are forgotten."""
    runs = [run for fragment in fragments if (run := fragment.run(LEAD_ID)) is not None]
    ticks = sum(run.duration for run in runs)
    chunks = chunks_of(fragments, LEAD_ID, round(CHUNK_S * row.timescale))
    index.put_segment(
        replace(
            row,
            state=SegmentState.RECOVERED,
            wall_us=ticks * 1_000_000 // row.timescale,
            media_start=runs[0].base_dts if runs else row.media_start,
            media_ticks=ticks,
            body_bytes=fragments[-1].end,
            file_bytes=fragments[-1].end,
            chunks=pack_chunks(chunks),
        )
    )
    index.drop_fragments(row.id, len(fragments))
    for number, fragment in enumerate(fragments):
        run = fragment.run(LEAD_ID)
        ticks = run.duration if run is not None else 0
        index.add_fragment(row.id, number, ticks, fragment.size_bytes, fragment.encode())


def _take_closed(index: IndexWriter, row: SegmentRow, trailer: Trailer, file_bytes: int) -> None:
    """Note a file that has its trailer."""
    facts = trailer.facts
    if facts.start_us != row.start_us:  # the start was refined after the header, or the last commit, told the gap's end
        index.move_start(row.stream_id, row.id, row.start_us, facts.start_us)
    chunks = chunks_of_columns(decode_columns(trailer.index), LEAD_ID, round(CHUNK_S * facts.timescale))
    row = closed_row(row, facts, pack_chunks(chunks))
    index.put_segment(replace(row, file_bytes=file_bytes, seal=trailer.seal))
    index.drop_fragments(row.id)
    if index.newest_sealed(row.stream_id) <= row.id:
        index.set_head(row.stream_id, trailer.seal)
    if facts.end_reason:
        index.end_run(row.run_id, facts.end_reason)
        index.open_gap(row.stream_id, row.end_us, facts.end_reason)


# files the index does not know


def _unknown(volume: Volume, index: IndexWriter) -> Iterator[str]:
    """Yield files the index lost to a power cut: only days since each stream's newest known segment are read."""
    known = {f"{stream.camera_id}/{stream.quality}": stream for stream in index.streams()}
    base = volume.root / "footage"
    for directory in sorted(base.glob("*/*")):
        name = "/".join(directory.parts[-2:])
        bounds = index.bounds(known[name].id) if name in known else None
        since_day = f"{utc_of_us(bounds[1] - 86_400_000_000):%Y/%m/%d}" if bounds is not None else ""
        for path in segment_files(volume, since_day=since_day, stream=name):
            if not index.segments_by_id([segment_id_of(path)]) and path not in index.garbage():
                yield path


def segment_id_of(path: str) -> int:
    """Return the segment id in a file's name; 0 when the name is not ours."""
    text = path.rpartition("-")[2].removesuffix(".mp4")
    return int(text) if text.isascii() and text.isdigit() else 0


def adopt(volume: Volume, index: IndexWriter, path: str) -> SegmentHeader | None:
    """Write into the index what a file says of itself; None when it is not a whole segment of this volume."""
    try:
        fd = open_segment(volume, path)
    except HubError:
        return None
    try:
        front = read_front(fd)
        trailer = _trailer_or_none(fd)
        if front.header.volume != volume.uuid or segment_id_of(path) != front.header.segment_id:
            return None
        row = _row_of(index, front)
        if trailer is not None:
            _take_closed(index, row, trailer, os.fstat(fd).st_size)
            return front.header
        fragments = whole_fragments(fd, front, [])
    except RemoteProtocolError as exc:
        log.warning("file is no segment of ours", path=path, error=str(exc))
        return None
    finally:
        os.close(fd)
    if not fragments:
        return None
    os.truncate(volume.path(path), fragments[-1].end)
    _take_recovered(index, row, fragments)
    return front.header


def _sweep(volume: Volume, path: str) -> bool:
    """Remove what a power cut left of a file that had no whole fragment yet; tell whether that is what it was.

    Such a file is empty, or zeros, or ends within its first fragment. Whatever is more is left for people to look at.
    """
    try:
        fd = open_segment(volume, path)
    except HubError:
        return False
    try:
        size = os.fstat(fd).st_size
        if size > MAX_INIT_BYTES + FRAGMENT_BYTES:
            return False
        try:
            has_more = bool(whole_fragments(fd, read_front(fd), []))
        except RemoteProtocolError:
            has_more = any(os.pread(fd, size, 0))
    finally:
        os.close(fd)
    if has_more:
        return False
    log.warning("segment without a whole fragment was removed", path=path, size_bytes=size)
    volume.path(path).unlink(missing_ok=True)
    return True


def _row_of(index: IndexWriter, front: Front) -> SegmentRow:
    """Make stream, run, gaps and configuration of a file known, and return its row as if it were open."""
    header = front.header
    stream = index.stream(header.camera_id, header.quality)
    if stream is None:
        stream = index.restore_stream(
            header.stream_id, header.camera_id, header.quality, (header.retention_days, header.minimum_days)
        )
    index.put_run(header.run_id, stream.id, header.run_started_us, header.epoch, header.node)
    lasting = index.open_gap_of(stream.id)
    if lasting is not None and lasting.start_us <= header.start_us:
        index.close_gap(stream.id, header.start_us)
    for gap in header.gaps:
        index.put_gap(stream.id, gap.start_us, gap.end_us, gap.reason)
    index.keep_ids_above(header.segment_id, header.run_id)
    return SegmentRow(
        id=header.segment_id,
        stream_id=stream.id,
        run_id=header.run_id,
        config_id=index.ensure_config(init_moov(front.tracks), header.tracks),
        state=SegmentState.OPEN,
        opened_us=header.opened_us,
        start_us=header.start_us,
        wall_us=0,
        media_start=0,
        media_ticks=0,
        timescale=front.tracks[0].timescale,
        init_bytes=front.init_bytes,
        body_bytes=0,
        file_bytes=0,
        lost_packets=0,
        chunks=None,
        seal=None,
    )


def finish_deletions(volume: Volume, index: IndexWriter) -> None:
    """Unlink what was on its way out."""
    done = []
    for path in index.garbage():
        try:
            volume.path(path).unlink(missing_ok=True)
            done.append(path)
        except OSError as exc:
            log.warning("file cannot be deleted", path=path, error=str(exc))
    index.drop_garbage(done)


# trailers of recovered segments


class Sealer:
    """Writes the trailers of recovered segments, a few megabytes of hashing per `step`, so that writing goes on."""

    def __init__(self, volume: Volume, index: IndexWriter) -> None:
        """Take up every recovered segment of the index."""
        self._volume = volume
        self._index = index
        self._rows = index.segments_in_state(SegmentState.RECOVERED)
        self._job: Iterator[None] | None = None

    @property
    def has_work(self) -> bool:
        """Tell whether segments wait for a trailer."""
        return self._job is not None or bool(self._rows)

    def step(self) -> None:
        """Do a little; nothing when there is nothing to do. A file that cannot be sealed is left for the next start."""
        if self._job is None:
            if not self._rows:
                return
            self._job = self._seal(self._rows.pop(0))
        try:
            next(self._job)
        except StopIteration:
            self._job = None
        except (OSError, HubError) as exc:
            log.warning("recovered segment not sealed", error=str(exc))
            self._job = None

    def run(self) -> None:
        """Do all of it now."""
        while self.has_work:
            self.step()

    def _seal(self, row: SegmentRow) -> Iterator[None]:
        stream = next(stream for stream in self._index.streams() if stream.id == row.stream_id)
        path = self._volume.path(segment_path(stream.camera_id, stream.quality, row.opened_us, row.id))
        if not path_exists(path):
            return
        with closing(_Reader(path)) as reader:
            digest = hashlib.sha256()
            for offset in range(0, row.body_bytes, _HASH_STEP_BYTES):
                digest.update(os.pread(reader.fd, min(_HASH_STEP_BYTES, row.body_bytes - offset), offset))
                yield
            facts = self._facts(row, stream, digest.hexdigest())
            index = encode_columns(columns(self._index.fragments(row.id)))
            trailer = trailer_box(facts, index)
            os.ftruncate(reader.fd, row.body_bytes)
            if os.pwrite(reader.fd, trailer, row.body_bytes) != len(trailer):
                os.ftruncate(reader.fd, row.body_bytes)
                raise OSError("trailer does not fit")
            os.fdatasync(reader.fd)
        seal = seal_of(facts, index)
        file_bytes = row.body_bytes + len(trailer)
        self._index.put_segment(replace(row, state=SegmentState.CLOSED, file_bytes=file_bytes, seal=seal))
        self._index.drop_fragments(row.id)
        self._index.set_head(row.stream_id, seal)

    def _facts(self, row: SegmentRow, stream: StreamRow, body_sha256: str) -> SegmentFacts:
        reasons = {run_id: reason for run_id, _, _, _, reason in self._index.runs(stream.id)}
        return SegmentFacts(
            start_us=row.start_us,
            wall_us=row.wall_us,
            media_start=row.media_start,
            media_ticks=row.media_ticks,
            timescale=row.timescale,
            init_bytes=row.init_bytes,
            body_bytes=row.body_bytes,
            body_sha256=body_sha256,
            previous_seal=(self._index.head(row.stream_id) or NO_SEAL).hex(),
            lost_packets=row.lost_packets,
            end_reason=reasons.get(row.run_id) or CRASH,
            is_recovered=True,
        )


class _Reader:
    """A descriptor that closes itself."""

    def __init__(self, path: Path) -> None:
        self.fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)

    def close(self) -> None:
        os.close(self.fd)
