"""The recorder of a worker: one reader per camera stream, one writer thread per volume.

Made by the worker's wiring on its event loop; all methods are called there. `reader()` gives what is attached to the
hub. `on_unit` never blocks: fragments go to the volume's writer through a bounded queue; when that is full the rest
of the GOP is dropped, counted, and the gap is called `overload`. Never imports `streams`.
"""

import asyncio
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

import structlog

from media.base.clock import Clock
from media.base.errors import ErrorKind, HubError
from media.base.ids import CameraId, Quality
from media.container.entries import is_storable
from media.ffmpeg.transcode import AudioTranscoder, TranscodedTrack, is_transcodable
from media.packet import AccessUnit, EndReason, Track
from recorder.identities import IdentityBook
from recorder.index.rows import HoldRow
from recorder.policy import RecordingPolicy
from recorder.segmenter import Fragment, Segmenter
from recorder.stream_writer import StreamPlan
from recorder.volume import Limits
from recorder.writer import OnEvent, Ticket, VolumeWriter, WriterOptions

log = structlog.get_logger(__name__)

PLANNED = "planned"
STARTING = "starting"


class State(StrEnum):
    """What a camera's recording is doing."""

    RECORDING = "recording"
    WAITING = "waiting"
    OFF = "off"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class RecordingStatus:
    """A camera's recording: state, since when, and why when it is not recording."""

    state: State
    since_wall_us: int
    reason: str = ""


@dataclass(slots=True)
class _Cursor:
    """Where a stream's footage ends; written by the writer threads."""

    end_us: int = 0


@dataclass(frozen=True, slots=True)
class RecorderOptions:
    """Rarely changed: limits per volume (None: by size), the volumes' remembered identities, cutting lengths."""

    limits: Limits | None = None
    identities: IdentityBook | None = None
    fragment_s: float = 1.0
    segment_s: float = 300.0


class CameraRecorder:
    """The reader of one stream. Attach it to the hub; `close` ends it."""

    def __init__(self, plan: StreamPlan, policy: RecordingPolicy, deps: "Deps") -> None:
        """Start waiting for a run."""
        self._plan = plan
        self._policy = policy
        self._deps = deps
        self._segmenter = Segmenter(fragment_s=deps.options.fragment_s, segment_s=deps.options.segment_s)
        self._tracks: tuple[Track, ...] = ()
        self._transcode: TranscodedTrack | None = None
        self._transcode_index = -1
        self._ticket: Ticket | None = None
        self._writer: VolumeWriter | None = None
        self._status = RecordingStatus(State.OFF, deps.clock.wall_us())
        self.dropped = 0
        self._is_planned = False
        self._apply_plan(deps.clock.wall_us())

    @property
    def policy(self) -> RecordingPolicy:
        """Return the policy in force."""
        return self._policy

    @property
    def plan(self) -> StreamPlan:
        """Return what the writers know it by."""
        return self._plan

    @property
    def status(self) -> RecordingStatus:
        """Return what the recording is doing now."""
        if self._ticket is not None and self._ticket.failed is not None:
            self._segment_failed(self._ticket.failed)
        return self._status

    # the hub calls

    def on_run(self, tracks: tuple[Track, ...]) -> None:
        """Begin a run with what of `tracks` can be stored."""
        self._tracks = tracks
        self._begin()

    def on_unit(self, unit: AccessUnit) -> None:
        """Take one unit: the hot path, about 2 µs unless a fragment is complete."""
        if unit.track == self._transcode_index:
            if self._transcode is not None:
                self._transcode.push(unit)
            return
        if unit.is_key and self._policy.windows:
            self.tick(unit.received_wall_us)
        if not self._is_planned:
            return
        fragment = self._segmenter.push(unit)
        if fragment is not None:
            self._store(fragment)

    def on_end(self, reason: EndReason) -> None:
        """End the run: what is pending is written, the gap begins."""
        self._end(reason.value)
        self._tracks = ()

    # the wiring calls

    def set_policy(self, policy: RecordingPolicy) -> None:
        """Change the policy, at once; recording begins at the next key frame or ends now."""
        self._policy = policy
        self._plan = replace(self._plan, retention_days=policy.retention_days, minimum_days=policy.kept_days)
        self._apply_plan(self._deps.clock.wall_us())

    def tick(self, now_wall_us: int) -> None:
        """Follow the schedule; called at key frames, and by the wiring while no run goes on if it likes."""
        if self._policy.is_planned(now_wall_us) is not self._is_planned:
            self._apply_plan(now_wall_us)

    def close(self, reason: EndReason = EndReason.DISABLED) -> None:
        """End the run, if any. The caller detaches the reader from the hub."""
        self._end(reason.value)
        self._set(State.OFF, reason.value)

    # inside

    def _apply_plan(self, now_us: int) -> None:
        self._is_planned = self._policy.is_planned(now_us)
        writer = self._deps.place(self._plan)
        if self._is_planned:
            if writer is not None:
                writer.expect(self._plan, STARTING, now_us)
            if self._status.state is State.OFF:
                self._set(State.WAITING, STARTING)
                self._begin()
            return
        self._end(PLANNED)
        if writer is not None:
            writer.expect(self._plan, PLANNED, now_us)
        self._set(State.OFF, PLANNED)

    def _begin(self) -> None:
        if not self._tracks or not self._is_planned:
            return
        self._close_transcode()
        storable = [track for track in self._tracks if is_storable(track.params) or not track.params.is_complete]
        for track in self._tracks:
            if is_transcodable(track.params):
                self._transcode = self._deps.transcoder.open(track, self._on_transcoded)
                self._transcode_index = track.index
                storable.append(Track(track.index, self._transcode.params))
                break
        self._segmenter.begin(tuple(storable))
        self._set(State.WAITING, "key_frame" if storable else EndReason.UNSUPPORTED.value)

    def _on_transcoded(self, unit: AccessUnit) -> None:
        if not self._is_planned:
            return
        fragment = self._segmenter.push(unit)
        if fragment is not None:  # a source of sound alone
            self._store(fragment)

    def _close_transcode(self) -> None:
        transcode, self._transcode = self._transcode, None
        self._transcode_index = -1
        if transcode is not None:
            transcode.close()

    def _store(self, fragment: Fragment) -> None:
        """Hand a fragment to a writer, or drop it and wait for the next key frame."""
        if fragment.opens is not None and not self._take_writer():
            return
        ticket, writer = self._ticket, self._writer
        if ticket is None or writer is None:
            self._drop()
        elif ticket.failed is not None:
            self._segment_failed(ticket.failed)
        elif not writer.has_room(fragment.size_bytes):
            writer.end(self._plan, EndReason.OVERLOAD.value)
            self._ticket = None
            self._drop()
            self._set(State.WAITING, EndReason.OVERLOAD.value)
        else:
            writer.write(self._plan, fragment, ticket)
            if self._status.state is not State.RECORDING:
                self._set(State.RECORDING, "")

    def _take_writer(self) -> bool:
        """Find a volume for a new segment; the one written before is left in good order when it changes."""
        writer = self._deps.place(self._plan)
        if self._writer is not None and writer is not self._writer and self._ticket is not None:
            self._writer.end(self._plan, EndReason.DISK_ERROR.value)
        self._writer = writer
        self._ticket = Ticket()
        if writer is None:
            self._drop()
            self._set(State.STOPPED, self._deps.stop_reason())
            self._ticket = None
            return False
        return True

    def _segment_failed(self, reason: EndReason) -> None:
        self._ticket = None
        self._drop()
        self._set(State.STOPPED, reason.value)

    def _drop(self) -> None:
        self.dropped += 1
        self._segmenter.reset()

    def _end(self, reason: str) -> None:
        fragment = self._segmenter.end()
        if fragment is not None and self._is_planned:
            self._store(fragment)
        self._close_transcode()
        if self._ticket is not None and self._writer is not None:
            self._writer.end(self._plan, reason)
        self._ticket = None
        if self._status.state is not State.OFF:
            self._set(State.WAITING, reason)

    def _set(self, state: State, reason: str) -> None:
        if (state, reason) != (self._status.state, self._status.reason):
            since = self._deps.clock.wall_us() if state is not self._status.state else self._status.since_wall_us
            self._status = RecordingStatus(state, since, reason)


@dataclass(frozen=True, slots=True)
class Deps:
    """What every camera's recorder shares."""

    clock: Clock
    writers: tuple[VolumeWriter, ...]
    transcoder: AudioTranscoder
    options: RecorderOptions

    def place(self, plan: StreamPlan) -> VolumeWriter | None:
        """Return the volume for a stream: always the same one while it accepts, else the next that does."""
        first = zlib.crc32(f"{plan.camera_id}:{plan.quality}".encode()) % len(self.writers)
        order = self.writers[first:] + self.writers[:first]
        return next((writer for writer in order if writer.accepts), None)

    def stop_reason(self) -> str:
        """Return why no volume accepts."""
        return next((w.stop_reason for w in self.writers if w.stopped is not None), EndReason.SHUTDOWN.value)


class Recorder:
    """All recording of one worker."""

    def __init__(  # the composition root names each
        self,
        volumes: Sequence[Path],
        clock: Clock,
        node: str,
        epoch: int,
        on_event: OnEvent,
        *,
        options: RecorderOptions | None = None,
    ) -> None:
        """Open the volumes (in their threads). `on_event(kind, camera_id, details)` is called on the running loop.

        Kinds: `disk_full`, `disk_error`, `recording_stopped`, `recording_resumed`, `retention_deleted`; the camera is
        empty for what concerns a whole volume.
        """
        if not volumes:
            raise HubError(ErrorKind.INVALID, "recording needs a volume", code="no_volume")
        self._loop = asyncio.get_running_loop()
        self._on_event = on_event
        self._cameras: dict[tuple[str, str], CameraRecorder] = {}
        options = options or RecorderOptions()
        writers = tuple(
            VolumeWriter(WriterOptions(root, node, epoch, options.limits, options.identities), clock, self._event)
            for root in volumes
        )
        self._deps = Deps(clock, writers, AudioTranscoder(), options)

    @property
    def transcoder(self) -> AudioTranscoder:
        """Return the audio transcoder, for figures."""
        return self._deps.transcoder

    @property
    def writers(self) -> tuple[VolumeWriter, ...]:
        """Return the volumes' writers, for figures."""
        return self._deps.writers

    @property
    def dropped(self) -> int:
        """Return how often a camera's stream was cut because its volume did not keep up or failed."""
        return sum(camera.dropped for camera in self._cameras.values())

    def reader(self, camera_id: CameraId, quality: Quality, policy: RecordingPolicy) -> CameraRecorder:
        """Return the stream's reader, with `policy` in force; the same one for the same stream until `drop`."""
        key = (str(camera_id), quality.value)
        found = self._cameras.get(key)
        if found is None:
            plan = StreamPlan(*key, policy.retention_days, policy.kept_days, _Cursor())
            found = self._cameras[key] = CameraRecorder(plan, policy, self._deps)
        elif found.policy != policy:
            found.set_policy(policy)
        return found

    def set_policy(self, camera_id: CameraId, policy: RecordingPolicy, quality: Quality = Quality.MAIN) -> None:
        """Change a camera's policy; HubError NOT_FOUND when it has no reader."""
        found = self._cameras.get((str(camera_id), quality.value))
        if found is None:
            raise HubError(ErrorKind.NOT_FOUND, "camera is not recorded here", code="unknown_camera")
        found.set_policy(policy)

    def status(self, camera_id: CameraId, quality: Quality = Quality.MAIN) -> RecordingStatus:
        """Return what a camera's recording is doing; off when it has no reader."""
        found = self._cameras.get((str(camera_id), quality.value))
        return found.status if found is not None else RecordingStatus(State.OFF, 0, "unknown_camera")

    def drop(self, camera_id: CameraId, quality: Quality = Quality.MAIN) -> None:
        """End a camera's reader: the camera was taken out. Footage stays as long as its policy said."""
        found = self._cameras.pop((str(camera_id), quality.value), None)
        if found is not None:
            found.close(EndReason.DISABLED)
            for writer in self._deps.writers:
                writer.forget(found.plan)

    async def hold(self, hold: HoldRow) -> None:
        """Keep footage from being deleted, on every volume; durable when it returns. HubError UNAVAILABLE."""
        await self._everywhere(lambda writer: lambda: writer.put_hold(hold))

    async def release(self, hold_id: str) -> None:
        """Let held footage follow its policy again. HubError UNAVAILABLE."""
        await self._everywhere(lambda writer: lambda: writer.drop_hold(hold_id))

    async def flush(self) -> None:
        """Return when everything handed over so far is written and committed."""
        await self._everywhere(lambda _: lambda: None)

    async def close(self) -> None:
        """End every run, close every file, end the threads and the transcoder."""
        for camera in self._cameras.values():
            camera.close(EndReason.SHUTDOWN)
        self._cameras.clear()
        await asyncio.gather(*(asyncio.to_thread(writer.close) for writer in self._deps.writers))
        await self._deps.transcoder.close()

    async def _everywhere(self, work: Callable[[VolumeWriter], Callable[[], None]]) -> None:
        futures = [writer.call(work(writer)) for writer in self._deps.writers]
        await asyncio.gather(*(asyncio.wrap_future(future) for future in futures))

    def _event(self, kind: str, camera_id: str, details: dict[str, Any]) -> None:
        """Carry an event from a writer's thread to the loop."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._on_event, kind, camera_id, details)
