"""The HLS playlist of a stretch of time, and which bytes of a segment belong to it.

Made from index rows alone, without opening a file. Pure given the catalog's rows. The same window arithmetic bounds
the segments route: whoever was granted ten minutes gets the chunks of those ten minutes and no byte more.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

from media.base.clock import rfc3339
from media.container.hls import Chunk, PlaylistPart, Stretch, playlist
from media.container.keys import KeyPart, key_playlist, stretches
from recorder.replay.catalog import Located


@dataclass(frozen=True, slots=True)
class Window:
    """What of a segment lies in a stretch of time: its chunks, and when the first of them begins.

    `first_ticks` is where that is in the segment, `ticks` how long the chunks last together.
    """

    chunks: tuple[Chunk, ...]
    start_us: int
    wall_scale: float
    first_ticks: int

    @property
    def ticks(self) -> Stretch:
        """Return the part of the segment that the chunks fill, in ticks from its start."""
        return Stretch(self.first_ticks, self.first_ticks + sum(chunk.ticks for chunk in self.chunks))


def window(item: Located, start_us: int, end_us: int) -> Window:
    """Return the chunks of a segment that touch [start_us, end_us)."""
    row = item.row
    scale = row.wall_us / max(1, row.media_ticks)
    kept: list[Chunk] = []
    first_us = row.start_us
    ticks = first_ticks = 0
    for chunk in item.chunks:
        begins_us = row.start_us + round(ticks * scale)
        ticks += chunk.ticks
        if row.start_us + round(ticks * scale) > start_us and begins_us < end_us:
            if not kept:
                first_us, first_ticks = begins_us, ticks - chunk.ticks
            kept.append(chunk)
    return Window(tuple(kept), first_us, scale, first_ticks)


@dataclass(frozen=True, slots=True)
class Links:
    """How segment addresses are written: `base`, volume, id, the range, and `query` as given by the caller."""

    base: str
    query: str
    start_us: int
    end_us: int

    def of(self, item: Located) -> str:
        """Return the address of a segment."""
        return self._to(item, ".mp4", "")

    def of_keys(self, item: Located, ticks: Stretch | None = None) -> str:
        """Return the address of the key pictures in `ticks` of a segment, or of what goes before all of them."""
        return self._to(item, ".keys.mp4", f"&ticks={ticks.begin}-{ticks.end}" if ticks is not None else "")

    def _to(self, item: Located, ending: str, part: str) -> str:
        times = f"start={quote(rfc3339(self.start_us))}&end={quote(rfc3339(self.end_us))}"
        more = f"&{self.query.lstrip('?&')}" if self.query else ""
        return f"{self.base.rstrip('/')}/{item.volume.uuid}/{item.row.id}{ending}?{times}{part}{more}"


def make_playlist(items: Sequence[Located], links: Links) -> str:
    """Return the VOD playlist of `items` (in order of time) within the links' range."""
    parts: list[PlaylistPart] = []
    before: Located | None = None
    for item in items:
        share = window(item, links.start_us, links.end_us)
        if not share.chunks:
            continue
        part = PlaylistPart(
            url=links.of(item),
            init_bytes=item.row.init_bytes,
            chunks=share.chunks,
            timescale=item.row.timescale,
            start_us=share.start_us,
            wall_scale=share.wall_scale,
            continues=before is not None and continues(before, item),
            media_start=item.row.media_start + share.first_ticks,
        )
        parts.append(part)
        before = item
    return playlist(parts)


def make_key_playlist(items: Sequence[Located], links: Links) -> str:
    """Return the VOD playlist of the key pictures of `items`; segments without pictures are passed over."""
    parts: list[KeyPart] = []
    before: Located | None = None
    for item in items:
        share = window(item, links.start_us, links.end_us)
        found = stretches(share.chunks, share.first_ticks, item.row.timescale)
        if not found or not item.has_pictures:
            continue
        part = KeyPart(
            map_url=links.of_keys(item),
            stretches=tuple((stretch, links.of_keys(item, stretch)) for stretch in found),
            timescale=item.row.timescale,
            start_us=share.start_us,
            wall_scale=share.wall_scale,
            continues=before is not None and continues(before, item),
            media_start=item.row.media_start,
        )
        parts.append(part)
        before = item
    return key_playlist(parts)


def continues(before: Located, after: Located) -> bool:
    """Tell whether a decoder goes on from one segment to the next: same run and configuration, nothing between."""
    return (
        before.volume.uuid == after.volume.uuid
        and before.row.run_id == after.row.run_id
        and before.row.config_id == after.row.config_id
        and before.row.media_start + before.row.media_ticks == after.row.media_start
    )


def allowed(item: Located, start_us: int, end_us: int) -> list[tuple[int, int]]:
    """Return the byte ranges [from, to) of a segment's file that belong to a stretch of time: map and chunks."""
    chunks = window(item, start_us, end_us).chunks
    if not chunks:
        return []
    first, last = chunks[0].offset, chunks[-1].offset + chunks[-1].size_bytes
    if first == item.row.init_bytes:
        return [(0, last)]
    return [(0, item.row.init_bytes), (first, last)]
