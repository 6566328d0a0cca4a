"""The history of a room on disk: one JSON line for each accepted command, appended before anybody hears of it.

Used by the room's actor; written from one thread of the directory's executor, so that a slow disk holds no loop. What
a killed worker leaves is read again by `load`: a torn last line is cut off, everything before it holds. A disk that
refuses stops no meeting: lines wait in memory, in order, up to `LIMIT_BYTES`, and what does not fit ends the journal.
"""

import asyncio
import json
import os
from array import array
from collections.abc import Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from streams.rooms.commands import Command, parse
from streams.rooms.refusals import Refused

log = structlog.get_logger(__name__)

LIMIT_BYTES = 8 << 20
APPEND_WAIT_S = 1.0
"""A meeting waits this long for the disk; then it goes on and the disk follows."""

READ_LIMIT = 1000


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """A command in its place."""

    seq: int
    at_us: int
    command: Command

    def as_json(self) -> dict[str, Any]:
        """Return the entry as a line has it."""
        command = self.command
        return {
            "seq": self.seq,
            "at_wall_us": self.at_us,
            "kind": command.action.value,
            "by": command.by,
            "data": dict(command.values),
        }

    def as_line(self) -> bytes:
        """Return the line."""
        return json.dumps(self.as_json(), ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def entry_of(line: bytes | str) -> JournalEntry | None:
    """Return the entry of a line, None when it is none."""
    try:
        value = json.loads(line)
        seq, at_us = int(value["seq"]), int(value["at_wall_us"])
        return JournalEntry(seq, at_us, parse(value["kind"], str(value["by"]), value["data"]))
    except (ValueError, KeyError, TypeError, AttributeError, Refused):
        return None


@dataclass(frozen=True, slots=True)
class History:
    """What a file holds: the entries, and where each ends."""

    entries: tuple[JournalEntry, ...] = ()
    ends: tuple[int, ...] = ()


def load(path: Path) -> History:
    """Return the history, and cut the file where it ends making sense; what is cut is kept beside it."""
    data = path.read_bytes()
    entries: list[JournalEntry] = []
    ends: list[int] = []
    good_bytes = 0
    for line in data.splitlines(keepends=True):
        entry = entry_of(line) if line.endswith(b"\n") else None
        if entry is None or entry.seq != len(entries) + 1:
            break
        entries.append(entry)
        good_bytes += len(line)
        ends.append(good_bytes)
    if good_bytes < len(data):
        log.warning("a journal ends torn", room=path.stem, lost_bytes=len(data) - good_bytes, entries=len(entries))
        with path.with_suffix(".torn").open("ab") as kept:
            kept.write(data[good_bytes:])
        os.truncate(path, good_bytes)
    return History(tuple(entries), tuple(ends))


class Journal:
    """The journal of one room."""

    def __init__(self, path: Path, executor: Executor, ends: Iterable[int] = ()) -> None:
        """Go on after the entries that end at `ends` in the file."""
        self._path = path
        self._executor = executor
        self._ends = array("Q", ends)
        self._size_bytes = self._ends[-1] if self._ends else 0
        self._behind = b""
        self._is_broken = False
        self.failures = 0

    def __len__(self) -> int:
        """Return the seq of the last entry."""
        return len(self._ends)

    def _count(self, line: bytes) -> None:
        self._ends.append((self._ends[-1] if self._ends else 0) + len(line))

    async def append(self, entries: Sequence[JournalEntry]) -> None:
        """Write entries; returns when they are in the file, or when the disk is too slow or refuses (counted)."""
        lines = [entry.as_line() for entry in entries]
        for line in lines:
            self._count(line)
        writing = asyncio.get_running_loop().run_in_executor(self._executor, self._write, b"".join(lines))
        done, _ = await asyncio.wait({writing}, timeout=APPEND_WAIT_S)
        if not done or (error := writing.exception()) is not None:
            self.failures += 1
            reason = str(error) if done else "slow"
            log.error("a journal is behind, the meeting goes on", room=self._path.stem, reason=reason)
            writing.add_done_callback(lambda future: future.exception())

    def _write(self, lines: bytes) -> None:
        """Append in the writer's thread; OSError leaves the file at its last whole entry and the lines for next time."""
        if self._is_broken:
            return
        data = self._behind + lines
        try:
            descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                _write_all(descriptor, data, self._size_bytes)
            finally:
                os.close(descriptor)
        except OSError:
            self._behind = data
            self._is_broken = len(data) > LIMIT_BYTES
            raise
        self._size_bytes += len(data)
        self._behind = b""

    async def read(self, since: int, limit: int = READ_LIMIT) -> list[dict[str, Any]]:
        """Return at most `limit` entries after seq `since`, as JSON."""
        first = max(0, since)
        last = min(len(self._ends), first + limit)
        if first >= last:
            return []
        begin = self._ends[first - 1] if first else 0
        size = self._ends[last - 1] - begin
        data = await asyncio.get_running_loop().run_in_executor(self._executor, self._read, begin, size)
        return [json.loads(line) for line in data.splitlines(keepends=True) if line.endswith(b"\n")]

    def remove(self) -> None:
        """Delete the file; call it in the writer's thread."""
        self._path.unlink(missing_ok=True)

    def _read(self, begin: int, size_bytes: int) -> bytes:
        with self._path.open("rb") as file:
            file.seek(begin)
            return file.read(size_bytes)


def _write_all(descriptor: int, data: bytes, size_bytes: int) -> None:
    view = memoryview(data)
    try:
        while view:
            view = view[os.write(descriptor, view) :]
    except OSError:
        os.ftruncate(descriptor, size_bytes)
        raise
