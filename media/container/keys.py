"""Key-frame play: the pictures of a segment that decode alone, as fragments and a playlist of their own.

Called by the replay process for speeds at which nobody could see every picture. Pure: sample arrays in, the header of
a fragment and places in the file out; picture data is not touched. Times are those of the footage, so a player may
change between this and the ordinary playlist at any moment. A picture lasts until the next one. Sound is left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from media.base.clock import rfc3339
from media.container.fmp4 import fragment_header
from media.container.hls import CHUNK_S, Chunk, Stretch, entry_line, playlist_front
from media.container.samples import Ints, Keys, TrackColumns, TrackRun, positions

STRETCH_S = 30.0
"""Footage per fragment: two seconds of play at 16×, and what a viewer who jumps waits for."""
MAX_STRETCH_S = 60.0
MAX_BYTES = 8 << 20
"""Picture data per fragment; an all-intra camera is thinned to it."""
MIN_SPACING_S = 0.25
"""At 16× more than 64 pictures a second would only be dropped by the browser."""


@dataclass(frozen=True, slots=True)
class KeyFragment:
    """`header` (`moof` and the header of `mdat`), then `pieces` of the segment file, each (offset, bytes)."""

    header: bytes
    pieces: tuple[tuple[int, int], ...]

    @property
    def size_bytes(self) -> int:
        """Return the size of the whole fragment."""
        return len(self.header) + sum(size for _, size in self.pieces)


def stretches(chunks: Sequence[Chunk], first_ticks: int, timescale: int) -> list[Stretch]:
    """Join chunks that follow each other into stretches of about `STRETCH_S`, the first beginning at `first_ticks`.

    None is longer than `MAX_STRETCH_S`, unless one chunk is: between two key pictures nothing can be cut.
    """
    found: list[Stretch] = []
    begin = at = first_ticks
    for chunk in chunks:
        is_full = at - begin >= STRETCH_S * timescale
        if at > begin and (is_full or at + chunk.ticks - begin > MAX_STRETCH_S * timescale):
            found.append(Stretch(begin, at))
            begin = at
        at += chunk.ticks
    return [*found, Stretch(begin, at)] if at > begin else found


def key_fragment(track: TrackColumns, track_id: int, dts: Stretch, timescale: int) -> KeyFragment | None:
    """Return the fragment of the key pictures decoded in `dts` (run timeline), or None when there are none.

    The last picture lasts until the end of the stretch.
    """
    within = np.flatnonzero(track.is_key & (track.dts >= dts.begin) & (track.dts < dts.end))
    chosen = _thinned(track, within, timescale)
    if not len(chosen):
        return None
    begins = track.dts[chosen]
    durations = np.minimum(np.diff(np.append(begins, dts.end)), 0xFFFF_FFFF).tolist()
    offsets = track.offsets[chosen].tolist()
    sizes = track.sizes[chosen].tolist()
    run = TrackRun(track_id, int(begins[0]), Keys.ALL, sizes, durations, offsets if any(offsets) else ())
    header = fragment_header(1 + dts.begin // timescale, (run,))
    return KeyFragment(header, tuple(zip(positions(track)[chosen].tolist(), sizes, strict=True)))


def _thinned(track: TrackColumns, keys: Ints, timescale: int) -> Ints:
    """Leave out pictures that come too soon after the one before, then every other one until the bytes are few."""
    kept: list[int] = []
    free_at = -1 << 62
    for key, at in zip(keys.tolist(), track.dts[keys].tolist(), strict=True):
        if at >= free_at:
            kept.append(key)
            free_at = at + MIN_SPACING_S * timescale
    chosen = np.array(kept, np.int64)
    while len(chosen) > 1 and int(track.sizes[chosen].sum(dtype=np.int64)) > MAX_BYTES:
        chosen = chosen[::2]
    return chosen


@dataclass(frozen=True, slots=True)
class KeyPart:
    """One segment file's share of a key playlist: `stretches` of its ticks, each with the address of its fragment.

    `start_us` is the wall time of the first stretch, `wall_scale` wall microseconds per tick, `media_start` what the
    file's ticks begin with; `map_url` is an init segment without sound. `continues` says that the decoder goes on from the part before.
    """

    map_url: str
    stretches: tuple[tuple[Stretch, str], ...]
    timescale: int
    start_us: int
    wall_scale: float
    continues: bool
    media_start: int = 0


def key_playlist(parts: Sequence[KeyPart]) -> str:
    """Return the VOD playlist of key pictures: dates and discontinuities as in the ordinary one, a map per decoder."""
    longest_s = max((s.ticks / part.timescale for part in parts for s, _ in part.stretches), default=CHUNK_S)
    lines = playlist_front(longest_s)
    for number, part in enumerate(parts):
        if number and not part.continues:
            lines.append("#EXT-X-DISCONTINUITY")
        if not part.continues or not number:
            lines.append(f'#EXT-X-MAP:URI="{part.map_url}"')
        first = part.stretches[0][0].begin if part.stretches else 0
        for stretch, url in part.stretches:
            begins_us = part.start_us + round((stretch.begin - first) * part.wall_scale)
            lines.append(f"#EXT-X-PROGRAM-DATE-TIME:{rfc3339(begins_us)}")
            lines.append(entry_line(stretch.ticks, part.media_start + stretch.begin, part.timescale))
            lines.append(url)
    lines.append("#EXT-X-ENDLIST\n")
    return "\n".join(lines)
