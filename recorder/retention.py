"""What is deleted, and when.

`plan` is pure: now, room wanted, footage, holds in; deletions out. `Keeper` carries it out on the writer thread of a
volume: mark in the index, unlink, forget. Footage past its retention goes; when room is short the oldest of what is
past its minimum goes next, whichever camera it is of; nothing else is ever touched. Held footage never goes, and a
segment being served (a shared lock on its file) is left for a later round.
"""

import fcntl
import heapq
import os
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

import structlog

from recorder.index.rows import HoldRow, StreamRow
from recorder.index.writer import IndexWriter
from recorder.meetings import is_meeting
from recorder.policy import DAY_US
from recorder.recovery import finish_deletions
from recorder.volume import Volume, segment_path

log = structlog.get_logger(__name__)

ROUND_SEGMENTS = 256
"""Segments of one stream looked at per round: a day. More follow in the next round."""
MAX_ROUNDS = 20


@dataclass(frozen=True, slots=True)
class Footage:
    """One segment that may be a candidate."""

    segment_id: int
    start_us: int
    end_us: int
    file_bytes: int
    opened_us: int


@dataclass(frozen=True, slots=True)
class StreamFootage:
    """The oldest closed segments of one stream, in order of time."""

    stream: StreamRow
    segments: tuple[Footage, ...]


@dataclass(frozen=True, slots=True)
class Deletion:
    """One segment to delete. `is_early` says: before its retention was over, for want of room."""

    stream: StreamRow
    segment: Footage
    is_early: bool


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was deleted of one camera's stream."""

    camera_id: str
    quality: str
    files: int
    deleted_bytes: int
    until_us: int
    is_early: bool

    def facts(self) -> dict[str, object]:
        """Return the event's details."""
        return {
            "quality": self.quality,
            "files": self.files,
            "bytes": self.deleted_bytes,
            "until_us": self.until_us,
            "early": self.is_early,
        }


def plan(now_us: int, need_bytes: int, footage: Iterable[StreamFootage], holds: Sequence[HoldRow]) -> list[Deletion]:
    """Return what to delete, so that nothing is older than its retention and, if allowed, `need_bytes` become free."""
    footage = tuple(footage)
    kept = held_ids(footage, [hold for hold in holds if hold.expires_us is None or hold.expires_us > now_us])
    overdue: list[Deletion] = []
    early: list[tuple[int, int, Deletion]] = []
    for item in footage:
        expires_us = now_us - item.stream.retention_days * DAY_US
        yields_us = now_us - item.stream.minimum_days * DAY_US
        for segment in item.segments:
            if segment.segment_id in kept:
                continue
            if segment.end_us <= expires_us:
                overdue.append(Deletion(item.stream, segment, is_early=False))
            elif segment.end_us <= yields_us:
                entry = Deletion(item.stream, segment, is_early=True)
                early.append((segment.start_us, segment.segment_id, entry))
    missing = need_bytes - sum(deletion.segment.file_bytes for deletion in overdue)
    heapq.heapify(early)
    while early and missing > 0:
        _, _, deletion = heapq.heappop(early)
        overdue.append(deletion)
        missing -= deletion.segment.file_bytes
    return overdue


def held_ids(footage: Iterable[StreamFootage], holds: Sequence[HoldRow]) -> set[int]:
    """Return the segments that one of the given (active) holds touches."""
    return {
        segment.segment_id
        for item in footage
        for hold in holds
        if hold.camera_id == item.stream.camera_id
        for segment in item.segments
        if hold.start_us < segment.end_us and segment.start_us < hold.end_us
    }


class Keeper:
    """Carries plans out on one volume."""

    def __init__(self, volume: Volume, index: IndexWriter, in_use: Callable[[], Collection[int]] = tuple) -> None:
        """Delete from `volume` and its `index`; `in_use` tells the ids of streams that a writer knows."""
        self._volume = volume
        self._index = index
        self._in_use = in_use

    def run(self, now_us: int, need_bytes: int) -> list[Outcome]:
        """Delete what is due and, if allowed, enough to free `need_bytes`; return what went, per stream."""
        outcomes: list[Outcome] = []
        skip: set[int] = set()
        for _ in range(MAX_ROUNDS):
            footage = self._footage(now_us, is_short=need_bytes > 0, skip=skip)
            holds = [hold for hold in self._index.holds() if hold.expires_us is None or hold.expires_us > now_us]
            done, pinned = self._delete(plan(now_us, need_bytes, footage, holds))
            kept = pinned | held_ids(footage, holds)
            outcomes += done
            need_bytes -= sum(outcome.deleted_bytes for outcome in done)
            if not done and not kept - skip:
                break
            skip |= kept
        self._forget_meetings(now_us)
        return outcomes

    def _forget_meetings(self, now_us: int) -> None:
        """Forget what is left of meetings whose footage is gone; a camera goes on, a meeting never does."""
        in_use = self._in_use()
        for stream in self._index.streams():
            if not is_meeting(stream.camera_id) or stream.id in in_use or self._index.bounds(stream.id) is not None:
                continue
            lasting = self._index.open_gap_of(stream.id)
            if lasting is None or lasting.start_us <= now_us - stream.retention_days * DAY_US:
                self._index.forget_stream(stream.id)

    def _footage(self, now_us: int, *, is_short: bool, skip: set[int]) -> list[StreamFootage]:
        found = []
        for stream in self._index.streams():
            days = stream.minimum_days if is_short else stream.retention_days
            rows = self._index.oldest(stream.id, now_us - days * DAY_US, ROUND_SEGMENTS + len(skip))
            segments = (Footage(key, start, start + wall, size, opened) for key, start, wall, size, opened in rows)
            found.append(StreamFootage(stream, tuple(item for item in segments if item.segment_id not in skip)))
        return found

    def _delete(self, deletions: list[Deletion]) -> tuple[list[Outcome], set[int]]:
        """Mark, unlink, forget; segments that somebody reads are returned instead."""
        by_stream: dict[int, list[Deletion]] = {}
        pinned: set[int] = set()
        for deletion in deletions:
            if self._is_pinned(deletion):
                pinned.add(deletion.segment.segment_id)
            else:
                by_stream.setdefault(deletion.stream.id, []).append(deletion)
        outcomes = [self._mark(group) for group in by_stream.values()]
        if outcomes:
            self._index.commit_durably()  # or a power cut could bring rows back whose files are gone
            finish_deletions(self._volume, self._index)
            self._index.commit()
        return outcomes, pinned

    def _path(self, deletion: Deletion) -> str:
        stream, segment = deletion.stream, deletion.segment
        return segment_path(stream.camera_id, stream.quality, segment.opened_us, segment.segment_id)

    def _is_pinned(self, deletion: Deletion) -> bool:
        """Replay holds a shared lock on what it serves; the kernel drops it with the process."""
        try:
            fd = os.open(self._volume.path(self._path(deletion)), os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
        finally:
            os.close(fd)
        return False

    def _mark(self, group: list[Deletion]) -> Outcome:
        stream = group[0].stream
        until_us = max(deletion.segment.end_us for deletion in group)
        paths = [(item.segment.segment_id, self._path(item), item.segment.file_bytes) for item in group]
        self._index.mark_garbage(stream, paths, until_us)
        return Outcome(
            stream.camera_id,
            stream.quality,
            len(group),
            sum(item.segment.file_bytes for item in group),
            until_us,
            is_early=any(item.is_early for item in group),
        )
