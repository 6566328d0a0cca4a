"""Fragmented MP4: the init segment and the header of each fragment.

Called by the recorder's writer for every segment and every fragment (about one per second and camera), and by live
HLS. Pure: returns bytes; payloads are never touched. A fragment is one `moof` with a `traf` per track and one `mdat`
in which each track's samples lie together.
"""

import struct
from dataclasses import dataclass

from media.container.boxes import HEADER_BYTES, box, full_box
from media.container.entries import dimensions, sample_entry
from media.container.samples import FragmentIndex, Keys, TrackRun
from media.packet import CodecParams, Kind

KEY_FLAGS = 0x0200_0000
"""ISO 14496-12 §8.8.3.1: depends on nothing, is a sync sample."""
DELTA_FLAGS = 0x0101_0000
"""Depends on others, is no sync sample."""
MATRIX = struct.pack(">9I", 0x1_0000, 0, 0, 0, 0x1_0000, 0, 0, 0, 0x4000_0000)
_UNDETERMINED = 0x55C4
_EPOCH_1904_S = 2_082_844_800
_MDAT = struct.Struct(">I4s")


@dataclass(frozen=True, slots=True)
class TrackConfig:
    """One track of a file: its id, its timescale in ticks per second, and its sample entry."""

    track_id: int
    kind: Kind
    timescale: int
    entry: bytes
    width: int = 0
    height: int = 0


def track_config(track_id: int, params: CodecParams) -> TrackConfig:
    """Return the configuration that stores units of `params`; HubError `codec_unsupported` when it cannot."""
    width, height = dimensions(params)
    return TrackConfig(track_id, params.codec.kind, params.clock_rate_hz, sample_entry(params), width, height)


def file_type() -> bytes:
    """Return the `ftyp` of a segment: fragmented, readable by iso5 players."""
    return box(b"ftyp", b"iso5", struct.pack(">I", 512), b"iso5iso6mp41")


def seconds_since_1904(wall_us: int) -> int:
    """Return the creation time of MP4 headers; 0 for 0 (unknown)."""
    return wall_us // 1_000_000 + _EPOCH_1904_S if wall_us else 0


def movie_header(timescale: int, duration: int, created_us: int, next_track: int) -> bytes:
    """Return `mvhd`, version 1; `duration` in `timescale` ticks."""
    created = seconds_since_1904(created_us)
    head = struct.pack(">QQIQIH10x", created, created, timescale, duration, 0x1_0000, 0x100)
    return full_box(b"mvhd", 1, 0, head, MATRIX, bytes(24), struct.pack(">I", next_track))


def track_header(track: TrackConfig, duration: int, created_us: int) -> bytes:
    """Return `tkhd`, version 1, enabled and in the movie; `duration` in movie ticks."""
    created = seconds_since_1904(created_us)
    volume = 0x100 if track.kind is Kind.AUDIO else 0
    group = 1 if track.kind is Kind.AUDIO else 0
    head = struct.pack(">QQI4xQ8xHHH2x", created, created, track.track_id, duration, 0, group, volume)
    return full_box(b"tkhd", 1, 3, head, MATRIX, struct.pack(">II", track.width << 16, track.height << 16))


def media_box(track: TrackConfig, duration: int, created_us: int, sample_table: bytes) -> bytes:
    """Return `mdia` around the given `stbl`; `duration` in ticks of the track."""
    created = seconds_since_1904(created_us)
    is_video = track.kind is Kind.VIDEO
    mdhd = struct.pack(">QQIQHH", created, created, track.timescale, duration, _UNDETERMINED, 0)
    handler = struct.pack(">4x4s12x", b"vide" if is_video else b"soun") + (b"video\0" if is_video else b"sound\0")
    header = full_box(b"vmhd", 0, 1, bytes(8)) if is_video else full_box(b"smhd", 0, 0, bytes(4))
    here = box(b"dinf", full_box(b"dref", 0, 0, struct.pack(">I", 1), full_box(b"url ", 0, 1)))
    return box(
        b"mdia",
        full_box(b"mdhd", 1, 0, mdhd),
        full_box(b"hdlr", 0, 0, handler),
        box(b"minf", header, here, sample_table),
    )


def sample_description(track: TrackConfig) -> bytes:
    """Return `stsd` with the track's one entry."""
    return full_box(b"stsd", 0, 0, struct.pack(">I", 1), track.entry)


def init_moov(tracks: tuple[TrackConfig, ...], created_us: int = 0) -> bytes:
    """Return the `moov` of a fragmented file: no samples, `mvex` with one `trex` per track."""
    traks = [
        box(b"trak", track_header(track, 0, created_us), media_box(track, 0, created_us, _empty_table(track)))
        for track in tracks
    ]
    extends = [full_box(b"trex", 0, 0, struct.pack(">5I", track.track_id, 1, 0, 0, 0)) for track in tracks]
    header = movie_header(tracks[0].timescale, 0, created_us, len(tracks) + 1)
    return box(b"moov", header, *traks, box(b"mvex", *extends))


def _empty_table(track: TrackConfig) -> bytes:
    empty = [full_box(kind, 0, 0, bytes(4)) for kind in (b"stts", b"stsc")]
    return box(
        b"stbl",
        sample_description(track),
        *empty,
        full_box(b"stsz", 0, 0, bytes(8)),
        full_box(b"stco", 0, 0, bytes(4)),
    )


def fragment_header(sequence: int, runs: tuple[TrackRun, ...]) -> bytes:
    """Return `moof` and the header of `mdat` for samples that follow in the order of `runs`."""
    sizes = [_traf_bytes(run) for run in runs]
    moof_bytes = HEADER_BYTES + 16 + sum(sizes)
    position = moof_bytes + HEADER_BYTES
    parts = [struct.pack(">I4sI4sII", moof_bytes, b"moof", 16, b"mfhd", 0, sequence & 0xFFFF_FFFF)]
    for run, traf_bytes in zip(runs, sizes, strict=True):
        parts.append(_traf(run, traf_bytes, position))
        position += sum(run.sizes)
    parts.append(_MDAT.pack(position - moof_bytes, b"mdat"))
    return b"".join(parts)


def fragment_index(header: bytes, runs: tuple[TrackRun, ...], offset: int) -> FragmentIndex:
    """Return the index of a fragment whose `header` (from `fragment_header`) is written at file `offset`."""
    payload = sum(sum(run.sizes) for run in runs)
    return FragmentIndex(offset, len(header) + payload, len(header), runs)


def _is_even(run: TrackRun) -> bool:
    """Tell whether one default duration does for the run."""
    return len(set(run.durations)) <= 1


def _sample_words(run: TrackRun) -> int:
    return 1 + (not _is_even(run)) + bool(run.offsets)


def _traf_bytes(run: TrackRun) -> int:
    """Header, tfhd (with duration and flags), tfdt version 1, trun with data offset and perhaps first flags."""
    first = 4 if run.keys is Keys.FIRST else 0
    return 8 + 24 + 20 + 20 + first + 4 * _sample_words(run) * len(run.sizes)


def _traf(run: TrackRun, traf_bytes: int, data_offset: int) -> bytes:
    is_even = _is_even(run)
    default_flags = KEY_FLAGS if run.keys is Keys.ALL else DELTA_FLAGS
    default_duration = run.durations[0] if is_even and run.durations else 0
    tfhd = struct.pack(">I4s4I", 24, b"tfhd", 0x02_0028, run.track_id, default_duration, default_flags)
    tfdt = struct.pack(">I4sIq", 20, b"tfdt", 1 << 24, run.base_dts)
    flags = 0x201 | (0 if is_even else 0x100) | (0x800 if run.offsets else 0) | (0x4 if run.keys is Keys.FIRST else 0)
    trun_bytes = traf_bytes - 8 - 24 - 20
    trun = struct.pack(">I4s3I", trun_bytes, b"trun", 1 << 24 | flags, len(run.sizes), data_offset)
    first = struct.pack(">I", KEY_FLAGS) if run.keys is Keys.FIRST else b""
    return b"".join((struct.pack(">I4s", traf_bytes, b"traf"), tfhd, tfdt, trun, first, _trun_table(run, is_even)))


def _trun_table(run: TrackRun, is_even: bool) -> bytes:
    """Per sample: duration unless even, size, composition offset when there is any (signed: version 1)."""
    n = len(run.sizes)
    if is_even and not run.offsets:
        return struct.pack(f">{n}I", *run.sizes)
    lists: list[list[int]] = [] if is_even else [list(run.durations)]
    lists.append(list(run.sizes))
    if run.offsets:
        lists.append([offset & 0xFFFF_FFFF for offset in run.offsets])
    flat = [number for sample in zip(*lists, strict=True) for number in sample]
    return struct.pack(f">{len(flat)}I", *flat)
