"""Many pieces of footage at once: spans, gaps and codecs, as the record of a meeting needs them.

Called by the replay app on a worker thread. A meeting has two pieces for everybody who was there, most of which were
never made: one that no volume knows costs one look into each index.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from media.base.errors import ErrorKind, HubError
from media.base.ids import Quality, check_id
from recorder.format import StoredTrack
from recorder.replay.catalog import Catalog
from recorder.replay.spans import timeline

MAX_PIECES = 4000
_MAX_US = 1 << 53


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of one stream."""

    camera_id: str
    start_us: int
    end_us: int


def parse_pieces(body: Any) -> list[Piece]:
    """Return the pieces of a request; HubError INVALID."""
    items = body.get("pieces") if isinstance(body, dict) else None
    if not isinstance(items, list) or len(items) > MAX_PIECES:
        raise HubError(ErrorKind.INVALID, "pieces are a list", code="invalid", limit=MAX_PIECES)
    return [_piece(item) for item in items]


def _piece(item: Any) -> Piece:
    values = [item.get(name) for name in ("camera_id", "start_us", "end_us")] if isinstance(item, dict) else [None] * 3
    camera_id, start_us, end_us = values
    if not isinstance(camera_id, str) or type(start_us) is not int or type(end_us) is not int:
        raise HubError(ErrorKind.INVALID, "a piece has a name and two moments", code="invalid")
    if not 0 <= start_us < end_us <= _MAX_US:
        raise HubError(ErrorKind.INVALID, "not a range of time", code="invalid_range")
    return Piece(check_id(camera_id), start_us, end_us)


def summaries(catalog: Catalog, pieces: Sequence[Piece], now_us: int) -> list[dict[str, Any]]:
    """Return what there is of each piece, in the same order; all lists are empty where there is nothing."""
    known = catalog.known({piece.camera_id for piece in pieces}, Quality.MAIN.value)
    return [_summary(catalog, piece, now_us) if piece.camera_id in known else dict(_NOTHING) for piece in pieces]


_NOTHING: dict[str, list[Any]] = {"spans": [], "gaps": [], "codecs": []}


def _summary(catalog: Catalog, piece: Piece, now_us: int) -> dict[str, Any]:
    bounds = (piece.start_us, piece.end_us)
    extents = catalog.extents(piece.camera_id, Quality.MAIN.value, *bounds)
    found = timeline(extents, catalog.history(piece.camera_id, Quality.MAIN.value, *bounds), bounds, now_us)
    tracks = catalog.stored_tracks(piece.camera_id, Quality.MAIN.value, *bounds)
    return {
        "spans": [[span.start_us, span.end_us] for span in found.spans],
        "gaps": [[gap.start_us, gap.end_us, gap.reason] for gap in found.gaps],
        "codecs": leading_codecs(tracks),
    }


def leading_codecs(configs: Iterable[Sequence[StoredTrack]]) -> list[str]:
    """Return the codecs of the pictures, or of the sound when there were none, each once in order of time."""
    leads = [tracks[0] for tracks in configs if tracks]
    pictures = [track.codec for track in leads if track.width]
    return list(dict.fromkeys(pictures or [track.codec for track in leads]))
