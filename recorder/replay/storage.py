"""What the disks hold and how long they will do: the answer to `/storage`. Pure, from the catalog's stock.

Rates are means over what is kept of a stream; the forecast says when a volume reaches its floor, and how many days of
each camera it will then hold.
"""

from collections.abc import Sequence
from typing import Any

from media.base.clock import rfc3339
from recorder.index.rows import StreamRow
from recorder.policy import DAY_US
from recorder.volume import Limits, Space

Stock = Sequence[tuple[StreamRow, tuple[int, int] | None]]


def volume_report(space: Space, limits: Limits, stock: Stock, now_us: int) -> dict[str, Any]:
    """Return a volume's figures; `days_left` is None when nothing is being recorded on it."""
    rate = sum(_bytes_per_day(stream, bounds, now_us) for stream, bounds in stock)
    room = max(0, space.free_bytes - limits.floor_bytes)
    return {
        "total_bytes": space.total_bytes,
        "free_bytes": space.free_bytes,
        "floor_bytes": limits.floor_bytes,
        "stop_bytes": limits.stop_bytes,
        "footage_bytes": sum(stream.file_bytes for stream, _ in stock),
        "bytes_per_day": round(rate),
        "days_left": round(room / rate, 1) if rate else None,
    }


def camera_report(
    stream: StreamRow, bounds: tuple[int, int] | None, days_left: float | None, now_us: int
) -> dict[str, Any]:
    """Return one stream's figures. `is_short` says that its retention will not be reached (存储不达标)."""
    kept = _days_kept(bounds, now_us)
    expected = float(stream.retention_days) if days_left is None else min(kept + days_left, stream.retention_days)
    return {
        "camera_id": stream.camera_id,
        "quality": stream.quality,
        "bytes": stream.file_bytes,
        "oldest": rfc3339(bounds[0]) if bounds is not None else None,
        "days_kept": round(kept, 2),
        "required_days": stream.retention_days,
        "minimum_days": stream.minimum_days,
        "bytes_per_day": round(_bytes_per_day(stream, bounds, now_us)),
        "days_left": days_left,
        "expected_days": round(expected, 1),
        "is_short": expected < stream.retention_days,
    }


def _days_kept(bounds: tuple[int, int] | None, now_us: int) -> float:
    return max(0, now_us - bounds[0]) / DAY_US if bounds is not None else 0.0


def _bytes_per_day(stream: StreamRow, bounds: tuple[int, int] | None, now_us: int) -> float:
    """Return the mean rate; a stream silent for a day counts as none."""
    if bounds is None or now_us - bounds[1] > DAY_US or bounds[1] <= bounds[0]:
        return 0.0
    return stream.file_bytes * DAY_US / (bounds[1] - bounds[0])


def meetings_report(stock: Stock, now_us: int) -> dict[str, Any]:
    """Return the figures of all meetings together: each of their streams is of one person in one meeting."""
    kept = [(stream, bounds) for stream, bounds in stock if bounds is not None]
    oldest = min((bounds[0] for _, bounds in kept), default=None)
    return {
        "bytes": sum(stream.file_bytes for stream, _ in stock),
        "tracks": len(kept),
        "oldest": rfc3339(oldest) if oldest is not None else None,
        "days_kept": round(max(0, now_us - oldest) / DAY_US, 2) if oldest is not None else 0.0,
        "required_days": max((stream.retention_days for stream, _ in stock), default=0),
    }
