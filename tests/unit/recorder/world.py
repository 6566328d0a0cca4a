"""A recorder on a temporary volume with a simulated clock, for tests of what ends up on disk."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from media.base.clock import SimulatedClock
from media.base.ids import CameraId, Quality
from media.packet import AccessUnit, EndReason
from recorder.index.migrate import INDEX_NAME
from recorder.index.queries import IndexQueries
from recorder.index.rows import SegmentRow
from recorder.policy import RecordingPolicy
from recorder.recorder import CameraRecorder, Recorder, RecorderOptions
from tests.unit.recorder import footage

GATE = CameraId("gate")


@dataclass
class World:
    """One worker's recorder over `root`."""

    root: Path
    options: RecorderOptions = field(default_factory=lambda: RecorderOptions(segment_s=4))
    clock: SimulatedClock = field(default_factory=lambda: SimulatedClock(footage.WALL_US))
    events: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    epoch: int = 1
    readers: dict[CameraId, CameraRecorder] = field(default_factory=dict)

    async def __aenter__(self) -> Self:
        self.recorder = Recorder([self.root], self.clock, "node", self.epoch, self._event, options=self.options)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.recorder.close()

    def _event(self, kind: str, camera_id: str, details: dict[str, Any]) -> None:
        self.events.append((kind, camera_id, details))

    def reader(self, camera: CameraId = GATE, policy: RecordingPolicy | None = None) -> CameraRecorder:
        found = self.recorder.reader(camera, Quality.MAIN, policy or RecordingPolicy())
        self.readers[camera] = found
        return found

    async def run(
        self, units: Iterable[AccessUnit], end: EndReason | None = EndReason.DISCONNECTED, camera: CameraId = GATE
    ) -> CameraRecorder:
        """Feed one run and wait until it is on disk."""
        reader = self.readers.get(camera) or self.reader(camera)
        reader.on_run(footage.TRACKS)
        for unit in units:
            reader.on_unit(unit)
        if end is not None:
            reader.on_end(end)
        await self.recorder.flush()
        return reader

    @property
    def files(self) -> list[Path]:
        return segment_paths(self.root)


def segment_paths(root: Path) -> list[Path]:
    """Return a volume's segment files in the order they were opened."""
    return sorted(root.rglob("*.mp4"), key=lambda path: int(path.stem.rpartition("-")[2]))


@dataclass(frozen=True)
class Snapshot:
    """What an index says, in a form two indexes can be compared in."""

    segments: list[SegmentRow]
    gaps: list[Any]
    runs: list[Any]
    configs: Any
    streams: list[Any]


def snapshot(root: Path, camera: str = "gate") -> Snapshot:
    """Read an index."""
    index = IndexQueries.open(root / INDEX_NAME)
    try:
        stream = index.stream(camera, "main")
        assert stream is not None
        segments = index.all_segments(stream.id)
        return Snapshot(
            segments,
            index.gaps(stream.id, 0, 1 << 62),
            index.runs(stream.id),
            index.configs({row.config_id for row in segments}),
            index.streams(),
        )
    finally:
        index.close()
