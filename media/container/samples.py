"""The sample index: which samples lie where in a segment, in the form that is written down.

A `FragmentIndex` describes one `moof`+`mdat` pair. The same bytes of it go into the index's rows of an open segment
and, joined, into the trailer of a closed one; `columns` turns them into arrays for building a virtual MP4. Pure.
Media times count the track's timescale on the 64-bit timeline of the run.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from media.base.errors import RemoteProtocolError

_FRAGMENT = struct.Struct("<QIHB")  # offset, size, header bytes, runs
_RUN = struct.Struct("<BBBIq")  # track, keys, has composition offsets, samples, base dts
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


@dataclass(frozen=True, slots=True)
class SegmentColumns:
    """All samples of a segment: fragment bounds in the file, and columns per track id."""

    fragment_offsets: npt.NDArray[np.int64]
    fragment_ends: npt.NDArray[np.int64]
    tracks: dict[int, TrackColumns]


def columns(data: bytes) -> SegmentColumns:
    """Return the arrays of the fragments encoded in `data`; RemoteProtocolError `bad_index` when damaged.

    Walks headers only; the per-sample numbers are taken as array views, so an hour (90 000 samples) takes
    milliseconds.
    """
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
        firsts = np.concatenate(([0], np.cumsum(counts)[:-1])).astype(np.int64)
        durations = np.concatenate(self.durations).astype(np.int64)
        total = len(durations)
        before = np.concatenate(([0], np.cumsum(durations)[:-1])).astype(np.int64)
        chunk_of = np.repeat(np.arange(len(counts)), counts)
        dts = np.array(self.base, np.int64)[chunk_of] + before - before[np.minimum(firsts, max(total - 1, 0))][chunk_of]
        modes = np.array(self.keys, np.int64)[chunk_of]
        is_first = np.zeros(total, np.bool_)
        is_first[firsts[counts > 0]] = True
        is_key = (modes == Keys.ALL) | ((modes == Keys.FIRST) & is_first)
        return TrackColumns(
            np.concatenate(self.sizes),
            dts,
            durations,
            np.concatenate(self.offsets),
            is_key,
            np.array(self.positions, np.int64),
            counts,
        )
