"""Every statement that changes an index.

Owned by the writer thread of one volume; nobody else writes. Changes gather in one transaction that the owner ends
with `commit` about once a second, so that 64 cameras cost one commit. Raises HubError DATA_LOSS when SQLite fails.
"""

import hashlib
import json
import os
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from media.base.errors import ErrorKind, HubError
from recorder.format import StoredTrack
from recorder.index.migrate import open_writable
from recorder.index.queries import IndexQueries
from recorder.index.rows import HoldRow, SegmentRow, StreamRow
from recorder.volume import sync_directory

_TOP = {
    "segment": "select coalesce(max(id), 0) from segment",
    "run": "select coalesce(max(id), 0) from run",
}


class IndexWriter(IndexQueries):
    """The one writer of an index. Reads see its own uncommitted changes."""

    def __init__(self, path: Path) -> None:
        """Open the index at `path`, creating it when absent."""
        super().__init__(open_writable(path))
        self._wal = path.with_name(path.name + "-wal")
        self._next_segment = self._next_id("segment")
        self._next_run = self._next_id("run")

    def _next_id(self, table: str) -> int:
        """Return an id never given before: retention may have deleted the rows of the newest ones."""
        known = self.meta(f"next_{table}")
        ((top,),) = self._rows(_TOP[table])
        return max(int(known or 1), int(top) + 1)

    def _write(self, sql: str, values: Sequence[Any] = ()) -> sqlite3.Cursor:
        try:
            if not self._db.in_transaction:
                self._db.execute("begin immediate")
            return self._db.execute(sql, values)
        except sqlite3.Error as exc:
            raise HubError(ErrorKind.DATA_LOSS, "index cannot be written", code="index_failed") from exc

    @property
    def is_dirty(self) -> bool:
        """Tell whether changes wait for a commit."""
        return self._db.in_transaction

    def commit(self) -> None:
        """Make the gathered changes visible to readers and safe from a killed process."""
        try:
            if self._db.in_transaction:
                self._db.execute("commit")
        except sqlite3.Error as exc:
            raise HubError(ErrorKind.DATA_LOSS, "index cannot be committed", code="index_failed") from exc

    def commit_durably(self) -> None:
        """Commit so that a power cut cannot undo it: two waits for the disk, for what must not come back or be lost."""
        self.commit()
        try:
            descriptor = os.open(self._wal, os.O_RDWR | os.O_CLOEXEC)
            try:
                os.fdatasync(descriptor)
            finally:
                os.close(descriptor)
            sync_directory(self._wal.parent)
        except OSError as exc:
            raise HubError(ErrorKind.DATA_LOSS, "index cannot be made durable", code="index_failed") from exc

    def rollback(self) -> None:
        """Forget the gathered changes."""
        if self._db.in_transaction:
            self._db.execute("rollback")

    def close(self) -> None:
        """Commit and close; the write-ahead log is merged and removed when no reader has it open."""
        try:
            self.commit()
        finally:
            self._db.close()

    def set_meta(self, key: str, value: str) -> None:
        """Set one value of `meta`."""
        self._write(
            "insert into meta values (?, ?) on conflict (key) do update set value = excluded.value", (key, value)
        )

    # streams, configurations, runs

    def ensure_stream(self, camera_id: str, quality: str, retention_days: int, minimum_days: int) -> StreamRow:
        """Return the stream's row after noting its policy, making it when it is new."""
        self._write(
            "insert into stream (camera_id, quality, retention_days, minimum_days) values (?, ?, ?, ?)"
            " on conflict (camera_id, quality) do update set"
            " retention_days = excluded.retention_days, minimum_days = excluded.minimum_days",
            (camera_id, quality, retention_days, minimum_days),
        )
        found = self.stream(camera_id, quality)
        assert found is not None
        return found

    def restore_stream(self, stream_id: int, camera_id: str, quality: str, days: tuple[int, int]) -> StreamRow:
        """Make a stream's row anew, under its old id unless another stream has it by now."""
        is_free = not self._rows("select 1 from stream where id = ?", (stream_id,))
        self._write(
            "insert into stream (id, camera_id, quality, retention_days, minimum_days) values (?, ?, ?, ?, ?)",
            (stream_id if is_free else None, camera_id, quality, *days),
        )
        found = self.stream(camera_id, quality)
        assert found is not None
        return found

    def forget_stream(self, stream_id: int) -> None:
        """Delete the rows of a stream without segments: its gaps, its runs and its own."""
        self._write("delete from gap where stream_id = ?", (stream_id,))
        self._write("delete from run where stream_id = ?", (stream_id,))
        self._write("delete from stream where id = ?", (stream_id,))

    def recount(self) -> None:
        """Set every stream's running total to what its segments add up to."""
        self._write(
            "update stream set file_bytes ="
            " (select coalesce(sum(file_bytes), 0) from segment where segment.stream_id = stream.id)"
        )

    def ensure_config(self, moov: bytes, tracks: tuple[StoredTrack, ...]) -> int:
        """Return the id of a codec configuration, making its row when it is new."""
        text = json.dumps([asdict(track) for track in tracks], separators=(",", ":"))
        digest = hashlib.sha256(moov + text.encode()).digest()
        self._write("insert or ignore into codec_config (digest, moov, tracks) values (?, ?, ?)", (digest, moov, text))
        (config_id,) = self._db.execute("select id from codec_config where digest = ?", (digest,)).fetchone()
        return int(config_id)

    def add_run(self, stream_id: int, started_us: int, epoch: int, node: str) -> int:
        """Begin a run and return its id."""
        run_id = self._next_run
        self._next_run += 1
        self.set_meta("next_run", str(self._next_run))
        self.put_run(run_id, stream_id, started_us, epoch, node)
        return run_id

    def put_run(self, run_id: int, stream_id: int, started_us: int, epoch: int, node: str) -> None:
        """Insert a run under a known id, unless it is there."""
        self._write(
            "insert or ignore into run (id, stream_id, started_us, epoch, node) values (?, ?, ?, ?, ?)",
            (run_id, stream_id, started_us, epoch, node),
        )

    def end_run(self, run_id: int, reason: str) -> None:
        """Note why a run ended."""
        self._write("update run set end_reason = ? where id = ?", (reason, run_id))

    # segments

    def take_segment_id(self) -> int:
        """Return a fresh segment id."""
        segment_id = self._next_segment
        self._next_segment += 1
        self.set_meta("next_segment", str(self._next_segment))
        return segment_id

    def keep_ids_above(self, segment_id: int, run_id: int) -> None:
        """Never give out ids up to these: files with them exist."""
        self._next_segment = max(self._next_segment, segment_id + 1)
        self._next_run = max(self._next_run, run_id + 1)

    def put_segment(self, row: SegmentRow) -> None:
        """Insert a segment, or replace what the index says of it; keeps the stream's total."""
        self._count(row.stream_id, row.file_bytes - self._file_bytes(row.id))
        values = tuple(getattr(row, field.name) for field in fields(row))
        self._write(
            "insert into segment (id, stream_id, run_id, config_id, state, opened_us, start_us, wall_us, media_start,"
            " media_ticks, timescale, init_bytes, body_bytes, file_bytes, lost_packets, chunks, seal)"
            " values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
            " on conflict (id) do update set config_id = excluded.config_id, state = excluded.state,"
            " start_us = excluded.start_us, wall_us = excluded.wall_us, media_start = excluded.media_start,"
            " media_ticks = excluded.media_ticks, init_bytes = excluded.init_bytes, body_bytes = excluded.body_bytes,"
            " file_bytes = excluded.file_bytes, lost_packets = excluded.lost_packets, chunks = excluded.chunks,"
            " seal = excluded.seal",
            values,
        )

    def _file_bytes(self, segment_id: int) -> int:
        found = self._db.execute("select file_bytes from segment where id = ?", (segment_id,)).fetchone()
        return int(found[0]) if found else 0

    def _count(self, stream_id: int, change_bytes: int) -> None:
        if change_bytes:
            self._write("update stream set file_bytes = file_bytes + ? where id = ?", (change_bytes, stream_id))

    def set_head(self, stream_id: int, seal: bytes) -> None:
        """Note the seal to which the stream's next one is chained."""
        self._write("update stream set head = ? where id = ?", (seal, stream_id))

    def move_start(self, stream_id: int, segment_id: int, old_us: int, new_us: int) -> None:
        """Let a run's first segment, and the end of the gap before it, begin earlier than thought."""
        self._write("update segment set start_us = ? where id = ?", (new_us, segment_id))
        self._write("update gap set end_us = ? where stream_id = ? and end_us = ?", (new_us, stream_id, old_us))
        self._write("delete from gap where stream_id = ? and start_us >= end_us", (stream_id,))

    def add_fragment(self, segment_id: int, number: int, ticks: int, size_bytes: int, entry: bytes) -> None:
        """Note a fragment of an open segment."""
        self._write(
            "insert or replace into open_fragment values (?, ?, ?, ?, ?)",
            (segment_id, number, ticks, size_bytes, entry),
        )

    def drop_fragments(self, segment_id: int, from_number: int = 0) -> None:
        """Forget the fragments of a segment from `from_number` on."""
        self._write("delete from open_fragment where segment_id = ? and number >= ?", (segment_id, from_number))

    def forget_segment(self, segment_id: int) -> None:
        """Delete the rows of a segment whose file is gone or empty."""
        self.drop_fragments(segment_id)
        for row in self.segments_by_id([segment_id]):
            self._count(row.stream_id, -row.file_bytes)
        self._write("delete from segment where id = ?", (segment_id,))

    # gaps

    def open_gap(self, stream_id: int, start_us: int, reason: str) -> None:
        """Begin a gap, unless one lasts already."""
        if self.open_gap_of(stream_id) is None:
            self.put_gap(stream_id, start_us, None, reason)

    def put_gap(self, stream_id: int, start_us: int, end_us: int | None, reason: str) -> None:
        """Insert or replace the gap that begins at `start_us`."""
        self._write("insert or replace into gap values (?, ?, ?, ?)", (stream_id, start_us, end_us, reason))

    def close_gap(self, stream_id: int, end_us: int) -> None:
        """End the lasting gap, if any; one without length is forgotten."""
        self._write(
            "update gap set end_us = max(start_us, ?) where stream_id = ? and end_us is null", (end_us, stream_id)
        )
        self._write("delete from gap where stream_id = ? and end_us <= start_us", (stream_id,))

    # deletion and holds

    def mark_garbage(self, stream: StreamRow, paths: Sequence[tuple[int, str, int]], expired_us: int) -> None:
        """Move segments (id, relative path, bytes) out of the timeline; footage before `expired_us` counts as deleted."""
        for segment_id, path, file_bytes in paths:
            self._write("insert or replace into garbage values (?, ?)", (path, file_bytes))
            self.forget_segment(segment_id)
        self._write("update stream set expired_us = max(expired_us, ?) where id = ?", (expired_us, stream.id))
        self._write("delete from gap where stream_id = ? and end_us <= ?", (stream.id, expired_us))
        self._write(
            "delete from run where stream_id = ?1 and end_reason <> '' and not exists"
            " (select 1 from segment where segment.run_id = run.id) and id <"
            " coalesce((select min(run_id) from segment where stream_id = ?1), 0)",
            (stream.id,),
        )

    def drop_garbage(self, paths: Iterable[str]) -> None:
        """Forget files that are unlinked."""
        for path in paths:
            self._write("delete from garbage where path = ?", (path,))

    def put_hold(self, hold: HoldRow) -> None:
        """Insert or replace a hold."""
        values = (hold.id, hold.camera_id, hold.start_us, hold.end_us, hold.reason, hold.created_us, hold.expires_us)
        self._write("insert or replace into hold values (?, ?, ?, ?, ?, ?, ?)", values)

    def drop_hold(self, hold_id: str) -> None:
        """Release a hold."""
        self._write("delete from hold where id = ?", (hold_id,))
