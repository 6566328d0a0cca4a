"""The index made from the files: mended where it is wrong, or built anew.

Called under the volume's writer lock by `recorder.check.repair`, and by the writer thread when it finds an index it
cannot use. The files are the truth: every row but holds follows from them, and holds lie beside the index. Never
deletes footage.
"""

import json
import os
from pathlib import Path

import structlog

from media.base.errors import RemoteProtocolError
from recorder.format import SegmentHeader
from recorder.index.migrate import INDEX_NAME
from recorder.index.rows import HoldRow, SegmentState
from recorder.index.writer import IndexWriter
from recorder.lock import WriterLock
from recorder.recovery import Sealer, adopt, recover, segment_id_of
from recorder.store import path_exists, read_trailer, segment_files
from recorder.volume import HOLDS_NAME, Volume, segment_path

log = structlog.get_logger(__name__)


def open_index(volume: Volume, reason: str) -> tuple[IndexWriter, int]:
    """Open the index under the lock and recover; return it and the number of segments touched. HubError, OSError."""
    index = IndexWriter(volume.path(INDEX_NAME))
    try:
        recovered = recover(volume, index, reason)
        index.commit()
    except BaseException:
        index.rollback()
        index.close()
        raise
    return index, recovered


def mend(volume: Volume) -> None:
    """Bring rows and files together: finish what a crash left, forget rows without file, believe the trailers.

    HubError CONFLICT `volume_busy`, OSError.
    """
    with WriterLock(volume):
        index = IndexWriter(volume.path(INDEX_NAME))
        try:
            recover(volume, index)
            _forget_lost(volume, index)
            for path in segment_files(volume):
                if not _is_right(volume, index, path):
                    adopt(volume, index, path)
            _seal_all(volume, index)
        finally:
            index.close()


def rebuild(volume: Volume) -> int:
    """Build the index anew from the files; the old one is kept as `index.sqlite3.old`. Return the segments found.

    HubError CONFLICT `volume_busy`, OSError.
    """
    with WriterLock(volume):
        return rebuild_locked(volume)


def rebuild_locked(volume: Volume) -> int:
    """Do as `rebuild` does, for a caller that holds the writer lock. HubError, OSError."""
    fresh = volume.path(INDEX_NAME + ".new")
    _remove_index(fresh)
    index = IndexWriter(fresh)
    try:
        found = _adopt_all(volume, index)
        for hold in _saved_holds(volume):
            index.put_hold(hold)
        index.set_meta("volume_uuid", volume.uuid)
        _seal_all(volume, index)
    finally:
        index.close()
    old = volume.path(INDEX_NAME)
    if path_exists(old):
        old.replace(volume.path(INDEX_NAME + ".old"))
    _remove_index(old)
    fresh.replace(old)
    log.info("index rebuilt", volume=volume.uuid, segments=found)
    return found


def _adopt_all(volume: Volume, index: IndexWriter) -> int:
    """Take in every file in the order in which they were opened: so gaps, chains and ids come out as they were."""
    found = 0
    newest: dict[tuple[str, str], SegmentHeader] = {}
    for path in sorted(segment_files(volume), key=segment_id_of):
        header = adopt(volume, index, path)
        if header is not None:
            found += 1
            newest[header.camera_id, header.quality] = header
    for header in newest.values():
        index.ensure_stream(header.camera_id, header.quality, header.retention_days, header.minimum_days)
    return found


def _seal_all(volume: Volume, index: IndexWriter) -> None:
    index.commit()
    Sealer(volume, index).run()
    index.recount()
    index.set_meta("clean", "1")


def _forget_lost(volume: Volume, index: IndexWriter) -> None:
    """Forget rows whose file is gone; the timeline shows the time as missing."""
    for stream in index.streams():
        for row in index.all_segments(stream.id):
            path = segment_path(stream.camera_id, stream.quality, row.opened_us, row.id)
            if not path_exists(volume.path(path)):
                log.warning("segment file is missing", path=path)
                index.forget_segment(row.id)
                index.put_gap(stream.id, row.start_us, row.end_us, "missing")


def _is_right(volume: Volume, index: IndexWriter, path: str) -> bool:
    """Tell whether the index knows a file and agrees with its trailer."""
    rows = index.segments_by_id([segment_id_of(path)])
    if not rows:
        return False
    if rows[0].state is not SegmentState.CLOSED:
        return True
    fd = os.open(volume.path(path), os.O_RDONLY | os.O_CLOEXEC)
    try:
        trailer = read_trailer(fd)
    except RemoteProtocolError:
        return False
    finally:
        os.close(fd)
    return trailer is not None and trailer.seal == rows[0].seal and trailer.facts.start_us == rows[0].start_us


def _saved_holds(volume: Volume) -> list[HoldRow]:
    try:
        return [HoldRow(**item) for item in json.loads(volume.path(HOLDS_NAME).read_text(encoding="utf-8"))]
    except FileNotFoundError:
        return []


def _remove_index(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
