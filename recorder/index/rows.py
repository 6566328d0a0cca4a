"""The rows of the index as values. Units as in schema.sql."""

from dataclasses import dataclass
from enum import IntEnum

from recorder.format import StoredTrack


class SegmentState(IntEnum):
    """The life of a segment."""

    OPEN = 0
    CLOSED = 1
    RECOVERED = 2


@dataclass(frozen=True, slots=True)
class StreamRow:
    """One camera's stream on this volume."""

    id: int
    camera_id: str
    quality: str
    retention_days: int
    minimum_days: int
    file_bytes: int
    head: bytes | None
    expired_us: int


@dataclass(frozen=True, slots=True)
class ConfigRow:
    """One codec configuration."""

    id: int
    moov: bytes
    tracks: tuple[StoredTrack, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentRow:
    """One file."""

    id: int
    stream_id: int
    run_id: int
    config_id: int
    state: SegmentState
    opened_us: int
    start_us: int
    wall_us: int
    media_start: int
    media_ticks: int
    timescale: int
    init_bytes: int
    body_bytes: int
    file_bytes: int
    lost_packets: int
    chunks: bytes | None
    seal: bytes | None

    @property
    def end_us(self) -> int:
        """Return where the segment ends on the hub's clock."""
        return self.start_us + self.wall_us


@dataclass(frozen=True, slots=True)
class GapRow:
    """A stretch without footage; `end_us` is None while it lasts."""

    start_us: int
    end_us: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class HoldRow:
    """Footage nobody may delete; `expires_us` None until released."""

    id: str
    camera_id: str
    start_us: int
    end_us: int
    reason: str
    created_us: int
    expires_us: int | None


SELECT_SEGMENT = (
    "select id, stream_id, run_id, config_id, state, opened_us, start_us, wall_us, media_start, media_ticks, timescale,"
    " init_bytes, body_bytes, file_bytes, lost_packets, chunks, seal from segment "
)
"""Columns in the order of `SegmentRow`."""
SELECT_STREAM = "select id, camera_id, quality, retention_days, minimum_days, file_bytes, head, expired_us from stream "
"""Columns in the order of `StreamRow`."""
