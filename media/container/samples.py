"""The sample index: which samples lie where in a segment, in the form that is written down.

A `FragmentIndex` describes one `moof`+`mdat` pair; its bytes go into the index's rows of an open segment. `columns`
joins a segment's fragments into arrays, whose bytes are the trailer of a closed segment: an hour (150 000 samples) is
read back in a millisecond. Pure. Media times count the track's timescale on the 64-bit timeline of the run.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from media.base.errors import RemoteProtocolError

_FRAGMENT = struct.Struct("<QIHB")  # offset, size, header bytes, runs
_RUN = struct.Struct("<BBBIq")  # track, keys, has composition offsets, samples, base dts
_COLUMNS = struct.Struct("<4sIB")  # magic, fragments, tracks
_TRACK = struct.Struct("<BBII")  # track, has composition offsets, chunks, samples
_MAGIC = b"XYI1"
Ints = npt.NDArray[np.int64]
MAX_FRAGMENT_SAMPLES = 100_000
"""A second of 8 kHz PCM sample by sample would be 8000; anything above this is not ours."""


class Keys(IntEnum):
    """Which samples of a run are sync samples. The segmenter cuts before every key frame, so these three suffice."""

    NONE = 0
    FIRST = 1
    ALL = 2


@dataclass(frozen=True, slots=True)
class TrackRun:
    """The samples of one track in one fragment, in decoding order.

    `offsets` are composition offsets (pts - dts); empty when all are zero.
    """

    track_id: int
    base_dts: int
    keys: Keys
    sizes: Sequence[int]
    durations: Sequence[int]
    offsets: Sequence[int] = ()

    @property
    def duration(self) -> int:
        """Return the run's length in ticks."""
        return sum(self.durations)


@dataclass(frozen=True, slots=True)
class FragmentIndex:
    """One fragment: `size_bytes` from file offset `offset`, of which the first `header_bytes` precede the payload."""

    offset: int
    size_bytes: int
    header_bytes: int
    runs: tuple[TrackRun, ...]

    @property
    def end(self) -> int:
        """Return the file offset behind the fragment."""
        return self.offset + self.size_bytes

    def run(self, track_id: int) -> TrackRun | None:
        """Return the run of a track, or None when the fragment has none."""
        return next((run for run in self.runs if run.track_id == track_id), None)

    def encode(self) -> bytes:
        """Return the stored form; `decode_fragments` reads it back."""
        parts = [_FRAGMENT.pack(self.offset, self.size_bytes, self.header_bytes, len(self.runs))]
        for run in self.runs:
            n = len(run.sizes)
            parts.append(_RUN.pack(run.track_id, run.keys, bool(run.offsets), n, run.base_dts))
            parts.append(struct.pack(f"<{2 * n}I", *run.sizes, *run.durations))
            if run.offsets:
                parts.append(struct.pack(f"<{n}i", *run.offsets))
        return b"".join(parts)


def decode_fragments(data: bytes) -> list[FragmentIndex]:
    """Return the fragments encoded one after another in `data`; RemoteProtocolError `bad_index` when damaged."""
    found: list[FragmentIndex] = []
    at = 0
    try:
        while at < len(data):
            offset, size_bytes, header_bytes, run_count = _FRAGMENT.unpack_from(data, at)
            at += _FRAGMENT.size
            runs = []
            for _ in range(run_count):
                run, at = _decode_run(data, at)
                runs.append(run)
            payload = sum(sum(run.sizes) for run in runs)
            if payload + header_bytes != size_bytes:
                raise RemoteProtocolError("sample sizes do not fill the fragment", code="bad_index", offset=at)
            found.append(FragmentIndex(offset, size_bytes, header_bytes, tuple(runs)))
    except (struct.error, ValueError) as exc:
        raise RemoteProtocolError("sample index is damaged", code="bad_index", offset=at) from exc
    return found


def _decode_run(data: bytes, at: int) -> tuple[TrackRun, int]:
    track_id, keys, has_offsets, n, base_dts = _RUN.unpack_from(data, at)
    at += _RUN.size
    if n * 8 > len(data) - at:
        raise ValueError(n)
    numbers = struct.unpack_from(f"<{2 * n}I", data, at)
    at += 8 * n
    offsets: tuple[int, ...] = ()
    if has_offsets:
        offsets = struct.unpack_from(f"<{n}i", data, at)
        at += 4 * n
    return TrackRun(track_id, base_dts, Keys(keys), numbers[:n], numbers[n:], offsets), at


@dataclass(frozen=True, slots=True)
class TrackColumns:
    """All samples of one track of a segment as arrays; `chunk_*` has one entry per fragment that holds the track.

    `dts` are run timeline ticks, `durations` the distance to the next sample; `chunk_offsets` are file offsets of the
    first sample of each chunk.
    """

    sizes: npt.NDArray[np.uint32]
    dts: npt.NDArray[np.int64]
    durations: npt.NDArray[np.int64]
    offsets: npt.NDArray[np.int32]
    is_key: npt.NDArray[np.bool_]
    chunk_offsets: npt.NDArray[np.int64]
    chunk_counts: npt.NDArray[np.int64]
    chunk_bases: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class SegmentColumns:
    """All samples of a segment: fragment bounds in the file, and columns per track id."""

    fragment_offsets: npt.NDArray[np.int64]
    fragment_ends: npt.NDArray[np.int64]
    tracks: dict[int, TrackColumns]


def columns(data: bytes) -> SegmentColumns:
    """Return the arrays of the fragments encoded in `data`; RemoteProtocolError `bad_index` when damaged."""
    starts: list[int] = []
    ends: list[int] = []
    gathered: dict[int, _Gather] = {}
    at = 0
    try:
        while at < len(data):
            offset, size_bytes, header_bytes, run_count = _FRAGMENT.unpack_from(data, at)
            at += _FRAGMENT.size
            starts.append(offset)
            ends.append(offset + size_bytes)
            position = offset + header_bytes
            for _ in range(run_count):
                track_id = data[at]
                gather = gathered.setdefault(track_id, _Gather())
                at, payload = gather.take(data, at, position)
                position += payload
            if position != offset + size_bytes:
                raise RemoteProtocolError("sample sizes do not fill the fragment", code="bad_index", offset=at)
    except (struct.error, ValueError, IndexError) as exc:
        raise RemoteProtocolError("sample index is damaged", code="bad_index", offset=at) from exc
    return SegmentColumns(
        np.array(starts, np.int64), np.array(ends, np.int64), {key: g.columns() for key, g in gathered.items()}
    )


class _Gather:
    """Collects one track's array views while the fragments are walked."""

    __slots__ = ("base", "counts", "durations", "keys", "offsets", "positions", "sizes")

    def __init__(self) -> None:
        self.sizes: list[npt.NDArray[np.uint32]] = []
        self.durations: list[npt.NDArray[np.uint32]] = []
        self.offsets: list[npt.NDArray[np.int32]] = []
        self.keys: list[Keys] = []
        self.base: list[int] = []
        self.counts: list[int] = []
        self.positions: list[int] = []

    def take(self, data: bytes, at: int, position: int) -> tuple[int, int]:
        """Take the run at `at` whose payload begins at file offset `position`; return what follows, payload bytes."""
        _, keys, has_offsets, n, base_dts = _RUN.unpack_from(data, at)
        at += _RUN.size
        sizes = np.frombuffer(data, "<u4", n, at)
        self.sizes.append(sizes)
        self.durations.append(np.frombuffer(data, "<u4", n, at + 4 * n))
        at += 8 * n
        if has_offsets:
            self.offsets.append(np.frombuffer(data, "<i4", n, at))
            at += 4 * n
        else:
            self.offsets.append(np.zeros(n, np.int32))
        self.keys.append(Keys(keys))
        self.base.append(base_dts)
        self.counts.append(n)
        self.positions.append(position)
        return at, int(sizes.sum())

    def columns(self) -> TrackColumns:
        """Join what was taken."""
        counts = np.array(self.counts, np.int64)
        firsts = np.cumsum(counts) - counts
        modes = np.repeat(np.array(self.keys, np.int64), counts)
        is_first = np.zeros(int(counts.sum()), np.bool_)
        is_first[firsts[counts > 0]] = True
        is_key = (modes == Keys.ALL) | ((modes == Keys.FIRST) & is_first)
        durations = np.concatenate(self.durations).astype(np.int64)
        bases = np.array(self.base, np.int64)
        return TrackColumns(
            np.concatenate(self.sizes),
            _dts(bases, counts, durations),
            durations,
            np.concatenate(self.offsets),
            is_key,
            np.array(self.positions, np.int64),
            counts,
            bases,
        )


def _dts(bases: npt.NDArray[np.int64], counts: npt.NDArray[np.int64], durations: npt.NDArray[np.int64]) -> Ints:
    """Return decoding times: each chunk begins at its base, within it durations add up."""
    before = np.concatenate(([0], np.cumsum(durations)))
    firsts = np.cumsum(counts) - counts
    found: Ints = np.repeat(bases - before[firsts], counts) + before[:-1]
    return found


def positions(track: TrackColumns) -> Ints:
    """Return the file offset of each sample: within a fragment a track's samples lie together."""
    sizes = track.sizes.astype(np.int64)
    before = np.cumsum(sizes) - sizes
    firsts = np.cumsum(track.chunk_counts) - track.chunk_counts
    chunk_of = np.repeat(np.arange(len(track.chunk_counts)), track.chunk_counts)
    found: Ints = track.chunk_offsets[chunk_of] + before - before[firsts][chunk_of]
    return found


def encode_columns(found: SegmentColumns) -> bytes:
    """Return the arrays as one piece of bytes; `decode_columns` reads it back."""
    sizes = found.fragment_ends - found.fragment_offsets
    parts = [_COLUMNS.pack(_MAGIC, len(sizes), len(found.tracks))]
    parts += [found.fragment_offsets.astype("<u8").tobytes(), sizes.astype("<u4").tobytes()]
    for track_id, track in found.tracks.items():
        has_offsets = bool(track.offsets.any())
        parts.append(_TRACK.pack(track_id, has_offsets, len(track.chunk_counts), len(track.sizes)))
        parts += [
            track.chunk_offsets.astype("<u8").tobytes(),
            track.chunk_bases.astype("<i8").tobytes(),
            track.chunk_counts.astype("<u4").tobytes(),
            track.sizes.astype("<u4").tobytes(),
            track.durations.astype("<u4").tobytes(),
            np.packbits(track.is_key).tobytes(),
        ]
        if has_offsets:
            parts.append(track.offsets.astype("<i4").tobytes())
    return b"".join(parts)


def decode_columns(data: bytes) -> SegmentColumns:
    """Return the arrays encoded in `data`; RemoteProtocolError `bad_index` when damaged."""
    if data[:4] != _MAGIC:
        raise RemoteProtocolError("not a sample index", code="bad_index")
    try:
        _, fragments, track_count = _COLUMNS.unpack_from(data)
        cursor = _Cursor(data, _COLUMNS.size)
        starts = cursor.take("<u8", fragments).astype(np.int64)
        ends = starts + cursor.take("<u4", fragments)
        tracks: dict[int, TrackColumns] = {}
        for _ in range(track_count):
            track_id, has_offsets, chunks, samples = _TRACK.unpack_from(data, cursor.at)
            cursor.at += _TRACK.size
            tracks[track_id] = _decode_track(cursor, chunks, samples, has_offsets=bool(has_offsets))
    except (struct.error, ValueError) as exc:
        raise RemoteProtocolError("sample index is damaged", code="bad_index") from exc
    return SegmentColumns(starts, ends, tracks)


class _Cursor:
    """Takes arrays from bytes, one after the other; ValueError when there are too few."""

    def __init__(self, data: bytes, at: int) -> None:
        self._data = data
        self.at = at

    def take(self, kind: str, count: int) -> npt.NDArray[Any]:
        found = np.frombuffer(self._data, kind, count, self.at) if count else np.zeros(0, kind)
        self.at += found.nbytes
        return found


def _decode_track(cursor: _Cursor, chunks: int, samples: int, *, has_offsets: bool) -> TrackColumns:
    positions = cursor.take("<u8", chunks).astype(np.int64)
    bases = cursor.take("<i8", chunks).astype(np.int64)
    counts = cursor.take("<u4", chunks).astype(np.int64)
    if int(counts.sum()) != samples:
        raise ValueError(samples)
    sizes = cursor.take("<u4", samples)
    durations = cursor.take("<u4", samples).astype(np.int64)
    keys = np.unpackbits(cursor.take("u1", (samples + 7) // 8))[:samples].astype(np.bool_)
    offsets = cursor.take("<i4", samples) if has_offsets else np.zeros(samples, np.int32)
    return TrackColumns(sizes, _dts(bases, counts, durations), durations, offsets, keys, positions, counts, bases)
