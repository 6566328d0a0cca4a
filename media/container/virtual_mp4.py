"""A virtual MP4: one plain, seekable MP4 whose picture data stays where it is, in the segment files.

Called by replay for downloads. Pure: segment indexes in, `moov` and a list of byte pieces out. Each piece is one
contiguous stretch of one segment file; the fragments' own headers inside it are bytes no sample points to, so an hour
is twelve pieces and not thousands. Starts at the exact picture asked for (edit list), ends with the last one before
the end. Gaps are closed up: the file shows footage only.
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from media.base.errors import ErrorKind, HubError, RemoteProtocolError
from media.container.boxes import LARGE_HEADER_BYTES, box, full_box, large_header
from media.container.fmp4 import TrackConfig, media_box, movie_header, sample_description, track_header
from media.container.samples import Ints, SegmentColumns, TrackColumns, positions


@dataclass(frozen=True, slots=True)
class Slice:
    """One segment's share.

    `run` tells which slices continue each other's timeline; `media_from` and `media_to` bound what is wanted, in
    ticks of the lead track on that timeline.
    """

    columns: SegmentColumns
    run: tuple[int, ...]
    media_from: int
    media_to: int


@dataclass(frozen=True, slots=True)
class Piece:
    """`size_bytes` bytes of the virtual file lie in segment number `slice` at file offset `offset`."""

    slice: int
    offset: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class VirtualMp4:
    """The finished layout: `head` in memory, then the pieces."""

    head: bytes
    pieces: tuple[Piece, ...]
    starts: tuple[int, ...]
    size_bytes: int
    duration_ticks: int

    def ranges(self, start: int, end: int) -> Iterator[bytes | Piece]:
        """Yield what makes up bytes [start, end) of the file: bytes of the head, then stretches of segments."""
        if start < len(self.head):
            yield self.head[start : min(end, len(self.head))]
        for piece, begins in zip(self.pieces, self.starts, strict=True):
            first, last = max(start, begins), min(end, begins + piece.size_bytes)
            if first < last:
                yield Piece(piece.slice, piece.offset + first - begins, last - first)


@dataclass(slots=True)
class _Samples:
    """The chosen samples of one track: times on the virtual timeline, positions relative to the first piece."""

    dts: Ints
    durations: Ints
    sizes: Ints
    offsets: Ints
    is_key: npt.NDArray[np.bool_]
    positions: Ints


@dataclass(frozen=True, slots=True)
class _Cut:
    """What is taken of one slice: lead samples [first, last), and the piece of file around them."""

    number: int
    first: int
    last: int
    piece: Piece


def build(tracks: Sequence[TrackConfig], slices: Sequence[Slice], created_us: int) -> VirtualMp4:
    """Return the virtual MP4 of `slices` (in order of time, one codec configuration; `tracks[0]` leads).

    HubError NOT_FOUND `no_footage` when no picture lies in the range; RemoteProtocolError when an index is damaged.
    """
    cuts = [cut for number, item in enumerate(slices) if (cut := _cut(item, number, tracks[0].track_id)) is not None]
    if not cuts:
        raise HubError(ErrorKind.NOT_FOUND, "no picture lies in this range", code="no_footage")
    lead, shifts = _lead_samples(tracks[0], slices, cuts)
    end = int(lead.dts[-1] + lead.durations[-1])
    first = slices[cuts[0].number]
    skip = max(0, first.media_from - int(first.columns.tracks[tracks[0].track_id].dts[cuts[0].first]))
    chosen: list[tuple[TrackConfig, _Samples]] = [(tracks[0], lead)]
    for track in tracks[1:]:
        samples = _other_samples((tracks[0], track), slices, cuts, shifts, end)
        if samples is not None:
            chosen.append((track, samples))
    return _layout(chosen, cuts, (skip, end, created_us))


def _cut(item: Slice, number: int, lead_id: int) -> _Cut | None:
    """Choose the pictures from the key frame at or before the start up to the end."""
    lead = item.columns.tracks.get(lead_id)
    if lead is None or not len(lead.sizes):
        return None
    if len(lead.chunk_counts) != len(item.columns.fragment_offsets):
        raise RemoteProtocolError("a fragment lacks pictures", code="bad_index")
    last = int(np.searchsorted(lead.dts, item.media_to, side="left"))
    keys = np.flatnonzero(lead.is_key[:last])
    if not len(keys):
        return None
    before = keys[lead.dts[keys] <= item.media_from]
    first = int(before[-1] if len(before) else keys[0])
    ends = np.cumsum(lead.chunk_counts)
    head, tail = int(np.searchsorted(ends, first, side="right")), int(np.searchsorted(ends, last - 1, side="right"))
    offset = int(item.columns.fragment_offsets[head])
    return _Cut(number, first, last, Piece(number, offset, int(item.columns.fragment_ends[tail]) - offset))


def _take(track: TrackColumns, chosen: slice | npt.NDArray[np.bool_], shift: int, places: Ints) -> _Samples:
    return _Samples(
        track.dts[chosen] + shift,
        track.durations[chosen],
        track.sizes[chosen].astype(np.int64),
        track.offsets[chosen].astype(np.int64),
        track.is_key[chosen],
        places[chosen],
    )


def _join(parts: Sequence[_Samples]) -> _Samples:
    """Join parts in order; each sample lasts until the next, the last one as long as it said."""
    dts = np.concatenate([part.dts for part in parts])
    durations = np.append(np.diff(dts), parts[-1].durations[-1:])
    return _Samples(
        dts,
        durations,
        np.concatenate([part.sizes for part in parts]),
        np.concatenate([part.offsets for part in parts]),
        np.concatenate([part.is_key for part in parts]),
        np.concatenate([part.positions for part in parts]),
    )


def _lead_samples(track: TrackConfig, slices: Sequence[Slice], cuts: Sequence[_Cut]) -> tuple[_Samples, list[int]]:
    """Return the pictures on the virtual timeline, and per cut what was added to its run's times."""
    parts: list[_Samples] = []
    shifts: list[int] = []
    base = at = 0
    for number, cut in enumerate(cuts):
        columns = slices[cut.number].columns.tracks[track.track_id]
        is_same_run = number > 0 and slices[cut.number].run == slices[cuts[number - 1].number].run
        shift = shifts[-1] if is_same_run and cut.first == 0 else at - int(columns.dts[cut.first])
        if parts and int(columns.dts[cut.first]) + shift <= int(parts[-1].dts[-1]):
            shift = at - int(columns.dts[cut.first])
        part = _take(columns, slice(cut.first, cut.last), shift, positions(columns) - cut.piece.offset + base)
        at = int(part.dts[-1] + part.durations[-1])
        parts.append(part)
        shifts.append(shift)
        base += cut.piece.size_bytes
    return _join(parts), shifts


def _other_samples(
    pair: tuple[TrackConfig, TrackConfig],
    slices: Sequence[Slice],
    cuts: Sequence[_Cut],
    shifts: Sequence[int],
    end: int,
) -> _Samples | None:
    """Return the sound that lies in the pieces and in the pictures' time; None without any."""
    lead, track = pair
    parts: list[_Samples] = []
    base, at = 0, 0
    for number, (cut, shift) in enumerate(zip(cuts, shifts, strict=True)):
        columns = slices[cut.number].columns.tracks.get(track.track_id)
        if columns is not None and len(columns.sizes):
            places = positions(columns) - cut.piece.offset + base
            own_shift = shift * track.timescale // lead.timescale
            is_last = number + 1 == len(cuts)
            until = (
                end
                if is_last or shifts[number + 1] == shift
                else _begin(lead, slices, cuts[number + 1], shifts[number + 1])
            )
            times = columns.dts + own_shift
            inside = (places >= base) & (places < base + cut.piece.size_bytes)
            wanted = inside & (times >= at) & (times < until * track.timescale // lead.timescale)
            if wanted.any():
                part = _take(columns, wanted, own_shift, places)
                at = int(part.dts[-1]) + 1
                parts.append(part)
        base += cut.piece.size_bytes
    return _join(parts) if parts else None


def _begin(lead: TrackConfig, slices: Sequence[Slice], cut: _Cut, shift: int) -> int:
    return int(slices[cut.number].columns.tracks[lead.track_id].dts[cut.first]) + shift


def _layout(
    chosen: Sequence[tuple[TrackConfig, _Samples]], cuts: Sequence[_Cut], times: tuple[int, int, int]
) -> VirtualMp4:
    """Write the head twice: its size does not depend on the offsets in it, they depend on its size."""
    skip, end, created_us = times
    data_bytes = sum(cut.piece.size_bytes for cut in cuts)
    file_type = box(b"ftyp", b"isom", struct.pack(">I", 512), b"isomiso2avc1mp41")
    moov_bytes = len(_moov(chosen, (skip, end, created_us), 0))
    base = len(file_type) + moov_bytes + LARGE_HEADER_BYTES
    head = file_type + _moov(chosen, (skip, end, created_us), base) + large_header(b"mdat", data_bytes)
    assert len(head) == base
    starts = []
    at = base
    for cut in cuts:
        starts.append(at)
        at += cut.piece.size_bytes
    return VirtualMp4(head, tuple(cut.piece for cut in cuts), tuple(starts), at, end - skip)


def _moov(chosen: Sequence[tuple[TrackConfig, _Samples]], times: tuple[int, int, int], base: int) -> bytes:
    skip, end, created_us = times
    lead = chosen[0][0]
    traks = []
    for track, samples in chosen:
        duration = int(samples.dts[-1] + samples.durations[-1] - samples.dts[0])
        media = media_box(track, duration, created_us, _sample_table(track, samples, base))
        edits = _edits(samples, skip, end, (lead.timescale, track.timescale))
        traks.append(box(b"trak", track_header(track, end - skip, created_us), edits, media))
    return box(b"moov", movie_header(lead.timescale, end - skip, created_us, len(chosen) + 1), *traks)


def _edits(samples: _Samples, skip: int, end: int, scales: tuple[int, int]) -> bytes:
    """Show the track from `skip` on; a track that begins later is preceded by an empty edit."""
    movie, own = scales
    begins = int(samples.dts[0])
    media_time = skip * own // movie - begins
    empty = max(0, -media_time) * movie // own
    shown = max(0, end - skip - empty)
    entry = struct.pack(">QqHH", shown, max(0, media_time) + int(samples.offsets[0]), 1, 0)
    if not empty:
        return box(b"edts", full_box(b"elst", 1, 0, struct.pack(">I", 1), entry))
    pause = struct.pack(">QqHH", empty, -1, 1, 0)
    return box(b"edts", full_box(b"elst", 1, 0, struct.pack(">I", 2), pause, entry))


def _sample_table(track: TrackConfig, samples: _Samples, base: int) -> bytes:
    parts = [sample_description(track), _run_lengths(b"stts", 0, samples.durations)]
    if samples.offsets.any():
        parts.append(_run_lengths(b"ctts", 1, samples.offsets))
    if not samples.is_key.all():
        keys = np.flatnonzero(samples.is_key) + 1
        parts.append(full_box(b"stss", 0, 0, struct.pack(">I", len(keys)), keys.astype(">u4").tobytes()))
    sizes = samples.sizes.astype(">u4").tobytes()
    parts.append(full_box(b"stsz", 0, 0, struct.pack(">II", 0, len(samples.sizes)), sizes))
    parts += _chunk_tables(samples, base)
    return box(b"stbl", *parts)


def _run_lengths(kind: bytes, version: int, values: Ints) -> bytes:
    """Return `stts` or `ctts`: runs of equal values as (count, value)."""
    starts = np.concatenate(([0], np.flatnonzero(np.diff(values)) + 1))
    counts = np.diff(np.append(starts, len(values)))
    table = np.column_stack((counts, values[starts] & 0xFFFF_FFFF)).astype(">u4").tobytes()
    return full_box(kind, version, 0, struct.pack(">I", len(starts)), table)


def _chunk_tables(samples: _Samples, base: int) -> list[bytes]:
    """Return `stsc` and `co64`: a chunk ends wherever the next sample does not follow directly."""
    breaks = np.flatnonzero(samples.positions[1:] != samples.positions[:-1] + samples.sizes[:-1]) + 1
    starts = np.concatenate(([0], breaks))
    counts = np.diff(np.append(starts, len(samples.positions)))
    first = np.concatenate(([0], np.flatnonzero(np.diff(counts)) + 1))
    table = np.column_stack((first + 1, counts[first], np.ones(len(first), np.int64))).astype(">u4").tobytes()
    offsets = (samples.positions[starts] + base).astype(">u8").tobytes()
    return [
        full_box(b"stsc", 0, 0, struct.pack(">I", len(first)), table),
        full_box(b"co64", 0, 0, struct.pack(">I", len(starts)), offsets),
    ]
