"""Every question put to an index.

Used by the replay process (read only), by `check`, and inherited by the writer. One connection, one user at a time;
all answers are whole values, no cursor escapes. Questions about time are answered from the covering index.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any, Self

from media.base.errors import ErrorKind, HubError
from recorder.format import StoredTrack
from recorder.index.migrate import objects_of, open_readable, trouble
from recorder.index.rows import (
    SELECT_SEGMENT,
    SELECT_STREAM,
    ConfigRow,
    GapRow,
    HoldRow,
    SegmentRow,
    SegmentState,
    StreamRow,
)

_SEGMENT_FIELDS = tuple(field.name for field in fields(SegmentRow))


class IndexQueries:
    """Reads of one index."""

    def __init__(self, db: sqlite3.Connection) -> None:
        """Read through `db`, which this object owns."""
        self._db = db

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open the index at `path` for reading; HubError UNAVAILABLE when it is not there."""
        return cls(open_readable(path))

    def close(self) -> None:
        """Close the connection."""
        self._db.close()

    def _rows(self, sql: str, values: Sequence[Any] = ()) -> list[Any]:
        try:
            return self._db.execute(sql, values).fetchall()
        except sqlite3.Error as exc:
            raise HubError(ErrorKind.UNAVAILABLE, f"index cannot be read: {exc}", code=trouble(exc)) from exc

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Let all questions asked inside see the same moment. Not for the writer, which is always in one."""
        self._rows("begin")
        try:
            yield
        finally:
            self._rows("commit")

    def meta(self, key: str) -> str | None:
        """Return one value of `meta`."""
        found = self._rows("select value from meta where key = ?", (key,))
        return str(found[0][0]) if found else None

    def integrity_errors(self) -> list[str]:
        """Return what SQLite finds wrong with the file; empty when nothing."""
        rows = [str(row[0]) for row in self._rows("pragma integrity_check(20)")]
        rows += [f"foreign key {row}" for row in self._rows("pragma foreign_key_check")]
        return [row for row in rows if row != "ok"]

    def schema_objects(self) -> dict[str, str]:
        """Return the schema as SQLite remembers it; compare with `recorder.index.migrate.schema_objects`."""
        try:
            return objects_of(self._db)
        except sqlite3.Error as exc:
            raise HubError(ErrorKind.UNAVAILABLE, f"index cannot be read: {exc}", code=trouble(exc)) from exc

    # streams and configurations

    def streams(self) -> list[StreamRow]:
        """Return all streams."""
        return [StreamRow(*row) for row in self._rows(SELECT_STREAM + "order by id")]

    def stream(self, camera_id: str, quality: str) -> StreamRow | None:
        """Return one stream."""
        found = self._rows(SELECT_STREAM + "where camera_id = ? and quality = ?", (camera_id, quality))
        return StreamRow(*found[0]) if found else None

    def head(self, stream_id: int) -> bytes | None:
        """Return the seal to which the stream's next segment is chained; None before the first."""
        found = self._rows("select head from stream where id = ?", (stream_id,))
        return found[0][0] if found else None

    def newest_sealed(self, stream_id: int) -> int:
        """Return the id of the stream's newest segment with a seal; 0 without any."""
        rows = self._rows("select max(id) from segment where stream_id = ? and seal is not null", (stream_id,))
        return int(rows[0][0] or 0)

    def configs(self, ids: Iterable[int]) -> dict[int, ConfigRow]:
        """Return codec configurations by id."""
        found: dict[int, ConfigRow] = {}
        for config_id in set(ids):
            for moov, text in self._rows("select moov, tracks from codec_config where id = ?", (config_id,)):
                tracks = tuple(StoredTrack(**item) for item in json.loads(text))
                found[config_id] = ConfigRow(config_id, moov, tracks)
        return found

    # segments

    def segments(self, stream_id: int, start_us: int, end_us: int) -> list[SegmentRow]:
        """Return the segments that touch [start_us, end_us), in order; open ones as the index has them."""
        since_us = self._first_start(stream_id, start_us)
        rows = self._rows(
            SELECT_SEGMENT + "where stream_id = ? and start_us >= ? and start_us < ? order by start_us",
            (stream_id, since_us, end_us),
        )
        return [row for row in map(_segment, rows) if row.end_us > start_us or row.state is SegmentState.OPEN]

    def extents(self, stream_id: int, start_us: int, end_us: int) -> list[tuple[int, int, int]]:
        """Return (start_us, wall_us, file_bytes) of the segments that touch the range, in order, from the index alone."""
        since_us = self._first_start(stream_id, start_us)
        return self._rows(
            "select start_us, wall_us, file_bytes from segment where stream_id = ? and start_us >= ? and start_us < ?"
            " order by start_us",
            (stream_id, since_us, end_us),
        )

    def config_ids(self, stream_id: int, start_us: int, end_us: int) -> list[int]:
        """Return the configurations of the segments that touch the range, in order of first use."""
        rows = self._rows(
            "select config_id from segment where stream_id = ? and start_us >= ? and start_us < ?"
            " group by config_id order by min(start_us)",
            (stream_id, self._first_start(stream_id, start_us), end_us),
        )
        return [int(row[0]) for row in rows]

    def _first_start(self, stream_id: int, start_us: int) -> int:
        """Return the start of the segment that is running at `start_us`, or `start_us`: segments do not overlap."""
        found = self._rows(
            "select start_us from segment where stream_id = ? and start_us <= ? order by start_us desc limit 1",
            (stream_id, start_us),
        )
        return int(found[0][0]) if found else start_us

    def segments_by_id(self, ids: Iterable[int]) -> list[SegmentRow]:
        """Return segments by id; missing ones are left out."""
        rows = [self._rows(SELECT_SEGMENT + "where id = ?", (key,)) for key in ids]
        return [_segment(row[0]) for row in rows if row]

    def segments_in_state(self, state: SegmentState) -> list[SegmentRow]:
        """Return the open or the recovered segments; never the closed ones."""
        rows = self._rows(
            SELECT_SEGMENT + "indexed by segment_unfinished where state <> 1 and state = ? order by id", (int(state),)
        )
        return [_segment(row) for row in rows]

    def all_segments(self, stream_id: int) -> list[SegmentRow]:
        """Return every segment of a stream in order of time."""
        rows = self._rows(SELECT_SEGMENT + "where stream_id = ? order by start_us", (stream_id,))
        return [_segment(row) for row in rows]

    def oldest(self, stream_id: int, before_us: int, limit: int) -> list[tuple[int, int, int, int, int]]:
        """Return (id, start_us, wall_us, file_bytes, opened_us) of the oldest closed segments that start earlier."""
        return self._rows(
            "select id, start_us, wall_us, file_bytes, opened_us from segment"
            " where stream_id = ? and start_us < ? and state = 1 order by start_us limit ?",
            (stream_id, before_us, limit),
        )

    def bounds(self, stream_id: int) -> tuple[int, int] | None:
        """Return where a stream's footage begins and ends (closed segments only count), or None without any."""
        first = self._rows("select start_us from segment where stream_id = ? order by start_us limit 1", (stream_id,))
        last = self._rows(
            "select start_us + wall_us from segment where stream_id = ? order by start_us desc limit 1", (stream_id,)
        )
        return (int(first[0][0]), int(last[0][0])) if first else None

    def first_known(self, stream_id: int) -> int | None:
        """Return when the stream's footage or first gap begins: when it was first to be recorded, as far as is known."""
        rows = self._rows(
            "select start_us from (select min(start_us) as start_us from segment where stream_id = ?1"
            " union all select min(start_us) from gap where stream_id = ?1) where start_us is not null",
            (stream_id,),
        )
        return min((int(row[0]) for row in rows), default=None)

    def fragments(self, segment_id: int) -> bytes:
        """Return the joined sample index of an open or recovered segment."""
        rows = self._rows("select entry from open_fragment where segment_id = ? order by number", (segment_id,))
        return b"".join(row[0] for row in rows)

    def open_extent(self, segment_id: int) -> tuple[int, int]:
        """Return (lead ticks, bytes) of an open segment's fragments."""
        (row,) = self._rows(
            "select coalesce(sum(ticks), 0), coalesce(sum(size_bytes), 0) from open_fragment where segment_id = ?",
            (segment_id,),
        )
        return int(row[0]), int(row[1])

    def runs(self, stream_id: int) -> list[tuple[int, int, int, str, str]]:
        """Return (id, started_us, epoch, node, end_reason) of a stream's runs."""
        sql = "select id, started_us, epoch, node, end_reason from run where stream_id = ? order by id"
        return self._rows(sql, (stream_id,))

    # gaps, garbage, holds

    def gaps(self, stream_id: int, start_us: int, end_us: int) -> list[GapRow]:
        """Return the gaps that touch [start_us, end_us), in order."""
        rows = self._rows(
            "select start_us, end_us, reason from gap where stream_id = ? and start_us < ?"
            " and (end_us is null or end_us > ?) order by start_us",
            (stream_id, end_us, start_us),
        )
        return [GapRow(*row) for row in rows]

    def open_gap_of(self, stream_id: int) -> GapRow | None:
        """Return the gap that lasts, if any."""
        found = self._rows(
            "select start_us, end_us, reason from gap where stream_id = ? and end_us is null", (stream_id,)
        )
        return GapRow(*found[0]) if found else None

    def garbage(self) -> list[str]:
        """Return the relative paths of files on their way out."""
        return [str(row[0]) for row in self._rows("select path from garbage")]

    def holds(self) -> list[HoldRow]:
        """Return all holds, expired ones too."""
        sql = "select id, camera_id, start_us, end_us, reason, created_us, expires_us from hold order by id"
        return [HoldRow(*row) for row in self._rows(sql)]


def _segment(row: Sequence[Any]) -> SegmentRow:
    values = dict(zip(_SEGMENT_FIELDS, row, strict=True))
    values["state"] = SegmentState(values["state"])
    return SegmentRow(**values)
