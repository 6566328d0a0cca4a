"""HLS VOD playlists over byte ranges (RFC 8216), and the packed chunk table from which they are made.

`pack_chunks` is called when a segment is closed, `playlist` per request in the replay process. Pure. A chunk is a
stretch of a segment file that begins with a key frame and lasts at least `CHUNK_S`; players fetch it by byte range.
"""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from media.base.clock import rfc3339
from media.base.errors import RemoteProtocolError
from media.container.samples import FragmentIndex, Keys, SegmentColumns

CHUNK_S = 6.0
"""Long enough that the packed table of a camera-month stays below 2 MB, short enough to fetch on a slow link."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """`ticks` of media in `size_bytes` from file offset `offset`; begins with a key frame."""

    offset: int
    size_bytes: int
    ticks: int


@dataclass(frozen=True, slots=True)
class Stretch:
    """Ticks [begin, end) of a timeline."""

    begin: int
    end: int

    @property
    def ticks(self) -> int:
        """Return the length."""
        return self.end - self.begin


class ChunkBuilder:
    """Joins the fragments of one segment, as they come, into chunks of at least `chunk_ticks` cut before key frames."""

    __slots__ = ("_chunk_ticks", "_done", "_offset", "_size_bytes", "_ticks")

    def __init__(self, chunk_ticks: int) -> None:
        """Start without fragments."""
        self._chunk_ticks = chunk_ticks
        self._done: list[Chunk] = []
        self._offset = 0
        self._size_bytes = 0
        self._ticks = 0

    def add(self, fragment: FragmentIndex, lead_id: int) -> None:
        """Take the next fragment."""
        run = fragment.run(lead_id)
        ticks = run.duration if run is not None else 0
        is_key = run is not None and run.keys is not Keys.NONE
        self.put(fragment.offset, fragment.size_bytes, ticks, is_key=is_key)

    def put(self, offset: int, size_bytes: int, ticks: int, *, is_key: bool) -> None:
        """Take the next fragment by its place, its lead track's duration, and whether it begins with a key frame."""
        if self._size_bytes and self._ticks >= self._chunk_ticks and is_key:
            self._done.append(Chunk(self._offset, self._size_bytes, self._ticks))
            self._size_bytes = self._ticks = 0
        if not self._size_bytes:
            self._offset = offset
        self._size_bytes += size_bytes
        self._ticks += ticks

    def chunks(self) -> list[Chunk]:
        """Return the chunks so far; the last may still grow."""
        if not self._size_bytes:
            return list(self._done)
        return [*self._done, Chunk(self._offset, self._size_bytes, self._ticks)]


def chunks_of(fragments: Iterable[FragmentIndex], lead_id: int, chunk_ticks: int) -> list[Chunk]:
    """Return the chunks of a segment whose fragments are all there."""
    builder = ChunkBuilder(chunk_ticks)
    for fragment in fragments:
        builder.add(fragment, lead_id)
    return builder.chunks()


def chunks_of_columns(found: SegmentColumns, lead_id: int, chunk_ticks: int) -> list[Chunk]:
    """Return the chunks of a segment from its arrays; the same as `chunks_of` finds in its fragments."""
    lead = found.tracks.get(lead_id)
    builder = ChunkBuilder(chunk_ticks)
    if lead is not None and len(lead.chunk_counts) == len(found.fragment_offsets):
        ends = np.cumsum(lead.chunk_counts)
        total = np.concatenate(([0], np.cumsum(lead.durations)))
        firsts = ends - lead.chunk_counts
        ticks = (total[ends] - total[firsts]).tolist()
        keys = lead.is_key[np.minimum(firsts, max(0, len(lead.is_key) - 1))].tolist()
        bounds = zip(found.fragment_offsets.tolist(), found.fragment_ends.tolist(), strict=True)
        for (start, end), length, is_key in zip(bounds, ticks, keys, strict=True):
            builder.put(start, end - start, length, is_key=is_key)
    return builder.chunks()


def pack_chunks(chunks: Sequence[Chunk]) -> bytes:
    """Return the table: runs of equally long chunks (count, change of duration as zigzag, sizes), all LEB128.

    About 3 bytes per chunk: nearly all last the same, for a camera's key frames come regularly.
    """
    out = bytearray()
    before = 0
    for ticks, run in itertools.groupby(chunks, key=lambda chunk: chunk.ticks):
        sizes = [chunk.size_bytes for chunk in run]
        change = ticks - before
        before = ticks
        for number in (len(sizes), change << 1 if change >= 0 else (-change << 1) - 1, *sizes):
            _put(out, number)
    return bytes(out)


def unpack_chunks(data: bytes, offset: int) -> list[Chunk]:
    """Return the chunks of a packed table; the first lies at file `offset`. RemoteProtocolError when damaged."""
    found: list[Chunk] = []
    at = ticks = 0
    while at < len(data):
        count, at = _take(data, at)
        zigzag, at = _take(data, at)
        ticks += -(zigzag + 1 >> 1) if zigzag & 1 else zigzag >> 1
        for _ in range(count):
            size_bytes, at = _take(data, at)
            found.append(Chunk(offset, size_bytes, ticks))
            offset += size_bytes
    return found


def _put(out: bytearray, number: int) -> None:
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)


def _take(data: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while at < len(data) and shift < 64:
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
        shift += 7
    raise RemoteProtocolError("chunk table is damaged", code="bad_index", offset=at)


@dataclass(frozen=True, slots=True)
class PlaylistPart:
    """One segment file's share of a playlist.

    `url` may be repeated; `init_bytes` is the size of the map at the file's front. `continues` says that the decoder
    goes on from the part before: same run, same codec parameters. `start_us` is the wall time of the first chunk,
    `wall_scale` wall microseconds per tick, `media_start` the lead track's ticks in the file where it begins.
    """

    url: str
    init_bytes: int
    chunks: tuple[Chunk, ...]
    timescale: int
    start_us: int
    wall_scale: float
    continues: bool
    media_start: int = 0


def playlist(parts: Sequence[PlaylistPart]) -> str:
    """Return the VOD playlist of `parts`: a map and a date per file, a discontinuity wherever a decoder must restart."""
    longest = max((c.ticks / p.timescale for p in parts for c in p.chunks), default=CHUNK_S)
    lines = playlist_front(longest)
    for number, part in enumerate(parts):
        if number and not part.continues:
            lines.append("#EXT-X-DISCONTINUITY")
        lines.append(f'#EXT-X-MAP:URI="{part.url}",BYTERANGE="{part.init_bytes}@0"')
        _put_chunks(lines, part)
    lines.append("#EXT-X-ENDLIST\n")
    return "\n".join(lines)


def playlist_front(longest_s: float) -> list[str]:
    """Return the lines a VOD playlist begins with; no entry lasts longer than `longest_s` seconds."""
    return [
        "#EXTM3U",
        "#EXT-X-VERSION:7",
        f"#EXT-X-TARGETDURATION:{int(longest_s) + 1}",
        "#EXT-X-MEDIA-SEQUENCE:0",
        "#EXT-X-PLAYLIST-TYPE:VOD",
        "#EXT-X-INDEPENDENT-SEGMENTS",
    ]


def entry_line(ticks: int, media_start: int, timescale: int) -> str:
    """Return the `EXTINF` of an entry; its title tells when its first picture comes on the file's own timeline.

    Players that sync on sound place an entry by its first sound, which may lie half a second from the picture that
    its date belongs to. With the title a player finds the picture all the same.
    """
    return f"#EXTINF:{ticks / timescale:.6f},media={media_start / timescale:.6f}"


def _put_chunks(lines: list[str], part: PlaylistPart) -> None:
    ticks = 0
    for chunk in part.chunks:
        lines.append(f"#EXT-X-PROGRAM-DATE-TIME:{rfc3339(part.start_us + round(ticks * part.wall_scale))}")
        lines.append(entry_line(chunk.ticks, part.media_start + ticks, part.timescale))
        lines.append(f"#EXT-X-BYTERANGE:{chunk.size_bytes}@{chunk.offset}")
        lines.append(part.url)
        ticks += chunk.ticks
