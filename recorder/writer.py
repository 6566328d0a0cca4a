"""The writer thread of one volume: everything that touches the disk and the index.

Fed by `recorder.recorder` from the event loop through a queue bounded in bytes; a feeder that finds it full drops and
says so. The thread writes fragments, commits the index once a second, makes files durable in turn, runs retention and
recovery's remainder, and watches the free space: it stops accepting before a write would fail. Events go to `on_event`
on this thread.
"""

import json
import os
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import structlog

from media.base.clock import Clock
from media.base.errors import ErrorKind, HubError
from media.packet import EndReason
from recorder.identities import IdentityBook
from recorder.index.rows import HoldRow
from recorder.index.writer import IndexWriter
from recorder.lock import WriterLock
from recorder.rebuild import open_index, rebuild_locked
from recorder.recovery import Sealer
from recorder.retention import Keeper
from recorder.segmenter import Fragment
from recorder.stream_writer import SegmentError, Shared, StreamPlan, StreamWriter, reason_of
from recorder.volume import HOLDS_NAME, Limits, Volume, open_volume, write_durably

log = structlog.get_logger(__name__)

COMMIT_EVERY_NS = 1_000_000_000
SYNC_EVERY_NS = 10_000_000_000
"""A power cut may cost this much footage per camera; a killed process loses none that was written."""
SPACE_EVERY_NS = 1_000_000_000
RETAIN_EVERY_NS = 60_000_000_000
RETRY_EVERY_NS = 10_000_000_000
REBUILD_EVERY_NS = 3_600_000_000_000
SLOW_NS = 500_000_000
"""A turn of the thread that takes longer is worth a line in the log."""
QUEUE_BYTES = 64 << 20
"""Half a minute of 64 cameras at 2 Mbit/s would need 480 MB; a disk that stands still longer than 4 s loses footage."""
_TICK_S = 0.25
_FULL_BYTES = 1 << 20
"""Less room than the index may need for one commit."""
_REBUILT = frozenset({"index_damaged", "index_outdated"})
_TOLD = frozenset({"volume_unavailable", "wrong_volume", "volume_damaged", "volume_busy", "index_version"})
"""Codes that say more to a person than `disk_error`; a camera's recording state gives them as its reason."""

OnEvent = Callable[[str, str, dict[str, Any]], None]
StreamId = tuple[str, str]


@dataclass(slots=True)
class Ticket:
    """Shared by a segment's feeder and its writer: the writer says here that the segment failed, and why."""

    failed: EndReason | None = None


@dataclass(frozen=True, slots=True)
class WriterOptions:
    """What a volume's writer is told. `limits` None: by the size of the file system."""

    root: Path
    node: str
    epoch: int
    limits: Limits | None = None
    identities: IdentityBook | None = None


@dataclass(slots=True)
class WriterStats:
    """Counters; written by the thread, read by anyone."""

    fragments: int = 0
    written_bytes: int = 0
    failed_writes: int = 0
    commits: int = 0
    deleted_files: int = 0
    space: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Work:
    """One piece of queued work; `future`, when there is one, hears of its end, `ticket` of its refusal."""

    run: Callable[[], None]
    size_bytes: int = 0
    future: "Future[Any] | None" = None
    ticket: Ticket | None = None


class VolumeWriter:
    """Owns one volume. `submit`, `write`, `end`, `plan` and `close` may be called from the loop; they never block."""

    def __init__(self, options: WriterOptions, clock: Clock, on_event: OnEvent) -> None:
        """Start the thread, which opens and recovers the volume before it does anything else."""
        self._options = options
        self._clock = clock
        self._on_event = on_event
        self._queue: queue.SimpleQueue[_Work] = queue.SimpleQueue()
        self._submitted_bytes = 0
        self._done_bytes = 0
        self._is_closing = False
        self.stopped: EndReason | None = None
        self.stop_reason = ""
        self._damage: HubError | None = None
        self._rebuild_ns = 0
        self.stats = WriterStats()
        self._streams: dict[StreamId, StreamWriter] = {}
        self._tickets: dict[StreamId, Ticket] = {}
        self._committed_ns = self._space_ns = self._retained_ns = self._retry_ns = self._sync_ns = 0
        self._free_bytes = 0
        self._shared: Shared | None = None
        self._sealer: Sealer | None = None
        self._keeper: Keeper | None = None
        self._lock: WriterLock | None = None
        self._thread = threading.Thread(target=self._run, name=f"volume {options.root.name}", daemon=True)
        self._thread.start()

    # called by the feeder

    @property
    def root(self) -> Path:
        """Return where the volume is mounted."""
        return self._options.root

    @property
    def accepts(self) -> bool:
        """Tell whether a new segment may be begun here."""
        return self.stopped is None and not self._is_closing

    @property
    def queued_bytes(self) -> int:
        """Return the bytes waiting to be written."""
        return self._submitted_bytes - self._done_bytes

    @property
    def is_idle(self) -> bool:
        """Tell whether the volume is open and no recovered file waits for its trailer."""
        return self._sealer is not None and not self._sealer.has_work

    def has_room(self, size_bytes: int) -> bool:
        """Tell whether a fragment fits the queue; one always does when the queue is empty."""
        queued = self.queued_bytes
        return queued == 0 or queued + size_bytes <= QUEUE_BYTES

    def submit(self, run: Callable[[], None], size_bytes: int = 0, ticket: Ticket | None = None) -> None:
        """Let the thread `run` something; it counts as `size_bytes` until done."""
        self._submitted_bytes += size_bytes
        self._queue.put(_Work(run, size_bytes, ticket=ticket))

    def call(self, work: Callable[[], Any]) -> "Future[Any]":
        """Let the thread do `work`, commit, and hand its result or exception to the returned future.

        HubError UNAVAILABLE when the volume cannot be used.
        """
        future: Future[Any] = Future()

        def run() -> None:
            try:
                result = work()
                self._commit()
            except Exception as exc:
                future.set_exception(exc)
            else:
                future.set_result(result)

        self._queue.put(_Work(run, future=future))
        return future

    def write(self, plan: StreamPlan, fragment: Fragment, ticket: Ticket) -> None:
        """Queue one fragment."""
        self.submit(lambda: self._write(plan, fragment, ticket), fragment.size_bytes, ticket)

    def end(self, plan: StreamPlan, reason: str) -> None:
        """Queue the end of a stream's run."""
        self.submit(lambda: self._stream(plan).end(reason))

    def expect(self, plan: StreamPlan, reason: str, now_us: int) -> None:
        """Queue what the stream's lasting gap is to be called; see StreamWriter.expect."""
        self.submit(lambda: self._stream(plan).expect(reason, now_us))

    def forget(self, plan: StreamPlan) -> None:
        """Queue that nobody writes a stream any more; what it will be called goes on with what the index knows."""
        self.submit(lambda: self._forget(plan.key))

    def put_hold(self, hold: HoldRow) -> None:
        """Keep footage from deletion; on the thread (`call`)."""
        self.shared.index.put_hold(hold)
        self._save_holds()
        self.shared.index.commit_durably()

    def drop_hold(self, hold_id: str) -> None:
        """Release a hold; on the thread (`call`)."""
        self.shared.index.drop_hold(hold_id)
        self._save_holds()
        self.shared.index.commit_durably()

    def _save_holds(self) -> None:
        """Holds are the one thing the files do not tell: keep them beside the index, for its rebuilding."""
        holds = [asdict(hold) for hold in self.shared.index.holds()]
        write_durably(self.shared.volume.path(HOLDS_NAME), json.dumps(holds).encode())

    def close(self) -> None:
        """Finish what is queued, close every segment and end the thread. Blocks; idempotent."""
        self._is_closing = True
        self.submit(lambda: None)
        self._thread.join()

    # on the thread

    @property
    def shared(self) -> Shared:
        """Return volume and index; only on the thread, once the volume is open."""
        assert self._shared is not None
        return self._shared

    def _run(self) -> None:
        while not self._is_closing or not self._queue.empty():
            try:
                if self._shared is None:
                    if self._clock.mono_ns() < self._retry_ns:
                        self._refuse()
                        continue
                    self._open()
                self._turn()
            except Exception as exc:  # the volume's supervisor: a failing disk is retried, never fatal
                self._fail(exc)
        self._shut()

    def _open(self) -> None:
        """Open volume and index, repair what a crash left, then accept."""
        book = self._options.identities
        volume = open_volume(self._options.root, expected_uuid=book.expected(self._options.root) if book else None)
        self._lock = self._lock or WriterLock(volume)
        if book:
            book.note(volume)
        reason = self.stopped or EndReason.CRASH
        index, recovered = self._open_index(volume, reason)
        self._shared = Shared(volume, index, self._options.node, self._options.epoch)
        self._sealer = Sealer(volume, index)
        self._keeper = Keeper(volume, index, lambda: {found.stream.id for found in self._streams.values()})
        if self.stopped is not None:
            self._check_space()
        log.info("volume open", volume=volume.uuid, recovered=recovered)

    def _open_index(self, volume: Volume, reason: EndReason) -> tuple[IndexWriter, int]:
        """Open the index; one that cannot be used, or could not before, is built anew, at most once an hour."""
        damage, self._damage = self._damage, None
        if damage is None:
            try:
                return open_index(volume, reason.value)
            except HubError as exc:
                if exc.code not in _REBUILT or self._clock.mono_ns() < self._rebuild_ns:
                    raise
                damage = exc
        self._rebuild(volume, damage)
        return open_index(volume, reason.value)

    def _rebuild(self, volume: Volume, cause: HubError) -> None:
        """Make an index that cannot be used anew from the files; other volumes take over meanwhile."""
        self._rebuild_ns = self._clock.mono_ns() + REBUILD_EVERY_NS
        log.error("the index is built anew from the files", volume=volume.uuid, cause=str(cause))
        if self.stopped is None:
            self._alarm(EndReason.DISK_ERROR, cause.code, {"volume": volume.uuid, "error": str(cause)})
        self.stopped, self.stop_reason = EndReason.DISK_ERROR, cause.code
        self._on_event("index_rebuilt", "", {"volume": volume.uuid, "segments": rebuild_locked(volume)})

    def _turn(self) -> None:
        """Do one piece of queued work, or idle work, then what is due."""
        try:
            work = self._queue.get(timeout=_TICK_S if self.is_idle else 0)
        except queue.Empty:
            began_ns = self._clock.mono_ns()
            self._idle()
        else:
            began_ns = self._clock.mono_ns()
            try:
                work.run()
            finally:
                self._done_bytes += work.size_bytes
        worked_ns = now_ns = self._clock.mono_ns()
        if now_ns - self._space_ns >= SPACE_EVERY_NS:
            self._space_ns = now_ns
            self._check_space()
        if now_ns - self._committed_ns >= COMMIT_EVERY_NS and self.shared.index.is_dirty:
            self._commit()
        if now_ns - self._retained_ns >= RETAIN_EVERY_NS:
            self._retained_ns = now_ns
            self._retain()
        self._sync_one(now_ns)
        ended_ns = self._clock.mono_ns()
        if ended_ns - began_ns > SLOW_NS:
            took_s = {"work": (worked_ns - began_ns) / 1e9, "upkeep": (ended_ns - worked_ns) / 1e9}
            log.warning("the disk was slow", volume=self.shared.volume.uuid, queued_bytes=self.queued_bytes, **took_s)

    def _idle(self) -> None:
        if self._sealer is not None:
            self._sealer.step()

    def _write(self, plan: StreamPlan, fragment: Fragment, ticket: Ticket) -> None:
        if ticket.failed is not None:
            return
        if self._free_bytes - fragment.size_bytes < self._limits().stop_bytes:
            self._check_space()
        if self.stopped is not None:
            ticket.failed = self.stopped
            return
        self._tickets[plan.key] = ticket
        try:
            if self._stream(plan).write(fragment, self._clock.mono_ns()):
                self._commit()
        except SegmentError as exc:
            ticket.failed = exc.reason
            self.stats.failed_writes += 1
            self._stop(exc.reason, str(exc))
            return
        self._free_bytes -= fragment.size_bytes
        self.stats.fragments += 1
        self.stats.written_bytes += fragment.size_bytes

    def _stream(self, plan: StreamPlan) -> StreamWriter:
        found = self._streams.get(plan.key)
        days = (plan.retention_days, plan.minimum_days)
        if found is not None and (found.stream.retention_days, found.stream.minimum_days) == days:
            return found
        row = self.shared.index.ensure_stream(plan.camera_id, plan.quality, *days)
        if found is None:
            found = self._streams[plan.key] = StreamWriter(self.shared, row, plan.cursor)
        found.stream = row
        return found

    def _forget(self, key: StreamId) -> None:
        self._streams.pop(key, None)
        self._tickets.pop(key, None)

    def _limits(self) -> Limits:
        return self._options.limits or Limits.of(self.stats.space.get("total_bytes", 0))

    def _check_space(self) -> None:
        """Measure the room; below the floor delete what may go, below the stop stop, above the floor resume."""
        space = self.shared.volume.space()
        self._free_bytes = space.free_bytes
        self.stats.space = {"total_bytes": space.total_bytes, "free_bytes": space.free_bytes}
        limits = self._limits()
        if space.free_bytes < limits.floor_bytes:
            self._retain()
            self._free_bytes = self.shared.volume.space().free_bytes
        if self.stopped is None and self._free_bytes < limits.stop_bytes:
            self._stop(EndReason.DISK_FULL, "free space reached the reserve")
        elif self.stopped is not None and self._free_bytes >= self._resume_bytes():
            self._resume()

    def _resume_bytes(self) -> int:
        """A full disk must get room for a while; one that failed may have lived below its floor before."""
        limits = self._limits()
        return limits.floor_bytes if self.stopped is EndReason.DISK_FULL else limits.stop_bytes

    def _stop(self, reason: EndReason, detail: str) -> None:
        """End every segment in good order and refuse new ones; say so."""
        if self.stopped is not None:
            return
        self.stopped, self.stop_reason = reason, reason.value
        self._retry_ns = self._clock.mono_ns() + RETRY_EVERY_NS
        log.error("recording stopped on volume", volume=self.shared.volume.uuid, reason=reason.value, detail=detail)
        self._alarm(reason, reason.value, {"volume": self.shared.volume.uuid, "free_bytes": self._free_bytes})
        self._fail_tickets(reason)
        for stream in self._streams.values():
            stream.end(reason)
        self._commit()

    def _alarm(self, reason: EndReason, why: str, facts: dict[str, Any]) -> None:
        facts = facts | {"path": str(self._options.root), "reason": why}
        self._on_event("disk_full" if reason is EndReason.DISK_FULL else "disk_error", "", facts)
        self._on_event("recording_stopped", "", facts)

    def _resume(self) -> None:
        """Accept again; after an error only when some time has passed."""
        if self.stopped is EndReason.DISK_ERROR and self._clock.mono_ns() < self._retry_ns:
            return
        self.stopped = None
        self._on_event("recording_resumed", "", {"volume": self.shared.volume.uuid})

    def _commit(self) -> None:
        if self._shared is None:
            return
        self._committed_ns = self._clock.mono_ns()
        self._shared.index.commit()
        self.stats.commits += 1

    def _retain(self) -> None:
        """Delete what is too old, and below the floor what may be deleted early."""
        if self._keeper is None:
            return
        need_bytes = max(0, self._limits().floor_bytes - self.shared.volume.space().free_bytes)
        for outcome in self._keeper.run(self._clock.wall_us(), need_bytes):
            self.stats.deleted_files += outcome.files
            self._on_event("retention_deleted", outcome.camera_id, outcome.facts())

    def _sync_one(self, now_ns: int) -> None:
        """Make at most one file durable per turn, the one that waited longest: the disk's queue stays short."""
        if now_ns < self._sync_ns:  # when the oldest is due; files opened since then are younger
            return
        files = [file for stream in self._streams.values() if (file := stream.file) is not None]
        if files:
            oldest = min(files, key=lambda file: file.synced_mono_ns)
            self._sync_ns = oldest.synced_mono_ns + SYNC_EVERY_NS
            if now_ns >= self._sync_ns:
                oldest.sync(now_ns)

    def _fail(self, exc: Exception) -> None:
        """A volume that cannot be used: leave its files as they are, drop what comes, try again later."""
        reason = self._reason(exc)
        if self.stopped is None or self._shared is not None:
            is_bug = not isinstance(exc, OSError | HubError)
            log.error("volume failed", root=self._options.root.name, error=str(exc), exc_info=exc if is_bug else None)
        if isinstance(exc, HubError) and exc.code in _REBUILT and self._clock.mono_ns() >= self._rebuild_ns:
            self._damage = exc
        why = exc.code if isinstance(exc, HubError) and exc.code in _TOLD else reason.value
        if self.stopped is None or (why in _TOLD and why != self.stop_reason):
            self._alarm(reason, why, {"error": str(exc)})
        self.stopped, self.stop_reason = reason, why
        self._retry_ns = self._clock.mono_ns() + RETRY_EVERY_NS
        self._let_go()

    def _reason(self, exc: Exception) -> EndReason:
        """SQLite on a full disk says only that it failed: look at the room."""
        if isinstance(exc, OSError):
            return reason_of(exc)
        try:
            free = os.statvfs(self._options.root)
        except OSError:
            return EndReason.DISK_ERROR
        return EndReason.DISK_FULL if free.f_bavail * free.f_frsize < _FULL_BYTES else EndReason.DISK_ERROR

    def _fail_tickets(self, reason: EndReason) -> None:
        """Tell every feeder that its segment has ended: its next one waits for a key frame and for room."""
        for ticket in self._tickets.values():
            ticket.failed = reason
        self._tickets.clear()

    def _let_go(self) -> None:
        self._fail_tickets(self.stopped or EndReason.DISK_ERROR)
        for stream in self._streams.values():
            stream.abandon()
        self._streams.clear()
        shared, self._shared = self._shared, None
        if shared is not None:
            try:
                shared.index.rollback()
                shared.index.close()
            except (HubError, OSError) as exc:
                log.warning("index not closed in order", error=str(exc))
        lock, self._lock = self._lock, None
        if lock is not None:  # an open file keeps a disk from being unmounted
            lock.close()

    def _refuse(self) -> None:
        """Throw one piece of work away while the volume cannot be used; who waits for it is told."""
        try:
            work = self._queue.get(timeout=_TICK_S)
        except queue.Empty:
            return
        self._done_bytes += work.size_bytes
        if work.ticket is not None:
            work.ticket.failed = self.stopped or EndReason.DISK_ERROR
        if work.future is not None:
            work.future.set_exception(HubError(ErrorKind.UNAVAILABLE, "volume is away", code="volume_unavailable"))

    def _shut(self) -> None:
        """Close every segment, the index and the lock."""
        try:
            self._close_in_order()
        except (OSError, HubError) as exc:
            log.error("volume not closed in order", error=str(exc))
        if self._lock is not None:
            self._lock.close()

    def _close_in_order(self) -> None:
        if self._shared is None:
            return
        for stream in self._streams.values():
            stream.end(EndReason.SHUTDOWN)
        self._shared.index.set_meta("clean", "1")
        self._shared.index.close()
