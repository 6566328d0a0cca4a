"""Reading segment files: the header, the fragments one by one, the trailer.

Used by recovery and `check` (whole scans) and by replay (one read for a trailer). Trusts nothing it reads: a torn or
overwritten file yields the whole fragments before the damage. Blocking; never on an event loop.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from media.base.errors import ErrorKind, HubError, RemoteProtocolError
from media.container.boxes import read_header
from media.container.fmp4 import TrackConfig
from media.container.parse import parse_fragment, parse_moov
from media.container.samples import FragmentIndex
from media.packet import Kind
from recorder.format import (
    FOOTER,
    SegmentHeader,
    Trailer,
    parse_header,
    parse_trailer,
    trailer_bytes,
)
from recorder.segmenter import LEAD_ID
from recorder.volume import FOOTAGE_DIR, Volume

_PEEK_BYTES = 4096
"""Holds the `moof` of 25 pictures and their sound; a longer one costs a second read."""
MAX_MOOF_BYTES = 4 << 20
MAX_INIT_BYTES = 256 << 10
MAX_TRAILER_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class Front:
    """What a segment file begins with; fragments follow at `init_bytes`. `moov` is as written."""

    header: SegmentHeader
    tracks: tuple[TrackConfig, ...]
    moov: bytes
    init_bytes: int


def read_front(fd: int) -> Front:
    """Return what the file begins with; RemoteProtocolError `bad_segment` when it is not a segment of ours."""
    data = os.pread(fd, MAX_INIT_BYTES, 0)
    size = os.fstat(fd).st_size
    at = 0
    header: SegmentHeader | None = None
    for kind in (b"ftyp", b"uuid", b"moov"):
        found = read_header(data, at, min(size, len(data)))
        if found is None or found.kind != kind:
            raise RemoteProtocolError("not a segment file", code="bad_segment", offset=at)
        at = found.end
        if kind == b"uuid":
            header = parse_header(data[found.body : found.end])
        elif kind == b"moov" and header is not None:
            tracks = parse_moov(data, found)
            return Front(header, tracks, data[found.start : found.end], found.end)
    raise RemoteProtocolError("not a segment file", code="bad_segment")


def fragments_from(fd: int, offset: int) -> Iterator[FragmentIndex]:
    """Yield the whole fragments from file `offset` on, up to the trailer, the end, or the first damage."""
    size = os.fstat(fd).st_size
    while True:
        try:
            found = _fragment_at(fd, offset, size)
        except RemoteProtocolError:
            return
        if found is None:
            return
        yield found
        offset = found.end


def _fragment_at(fd: int, offset: int, size: int) -> FragmentIndex | None:
    data = os.pread(fd, _PEEK_BYTES, offset)
    moof = read_header(data, 0, size - offset)
    if moof is None or moof.kind != b"moof" or moof.end > MAX_MOOF_BYTES:
        return None
    if moof.end + 16 > len(data):
        data = os.pread(fd, moof.end + 16, offset)
    mdat = read_header(data, moof.end, size - offset)
    if mdat is None or mdat.kind != b"mdat":
        return None
    return parse_fragment(data, moof, offset, mdat)


def is_intact(fd: int, fragment: FragmentIndex, lead: TrackConfig) -> bool:
    """Tell whether the NAL lengths of the fragment's pictures add up: zeros of a power cut do not.

    VP8 has no lengths; its frame tags are never zero.
    """
    run = fragment.run(LEAD_ID)
    if run is None or lead.kind is not Kind.VIDEO:
        return True
    data = os.pread(fd, sum(run.sizes), fragment.offset + fragment.header_bytes)
    at = 0
    has_lengths = lead.entry[4:8] != b"vp08"
    for size in run.sizes:
        end = at + size
        if not has_lengths:
            if not any(data[at : at + 3]):
                return False
            at = end
        while at + 4 < end:
            length = int.from_bytes(data[at : at + 4], "big")
            if not length:
                return False
            at += 4 + length
        if at != end or end > len(data):
            return False
    return True


def read_trailer(fd: int) -> Trailer | None:
    """Return the trailer at the end of the file, or None when there is none; two reads. RemoteProtocolError: damaged."""
    size = os.fstat(fd).st_size
    if size < FOOTER.size:
        return None
    length = trailer_bytes(os.pread(fd, FOOTER.size, size - FOOTER.size))
    if length is None:
        return None
    if length > min(size, MAX_TRAILER_BYTES):
        raise RemoteProtocolError("trailer is cut", code="bad_segment")
    return parse_trailer(os.pread(fd, length, size - length))


def read_trailer_at(fd: int, body_bytes: int, file_bytes: int) -> Trailer:
    """Return the trailer whose place the index knows: one read. RemoteProtocolError when it is not there."""
    return parse_trailer(os.pread(fd, min(file_bytes - body_bytes, MAX_TRAILER_BYTES), body_bytes))


def open_segment(volume: Volume, path: str) -> int:
    """Open a segment for reading and return its descriptor; HubError NOT_FOUND or UNAVAILABLE."""
    try:
        return os.open(volume.path(path), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError as exc:
        raise HubError(ErrorKind.NOT_FOUND, "segment is gone", code="segment_gone", path=path) from exc
    except OSError as exc:
        raise HubError(ErrorKind.UNAVAILABLE, "segment cannot be read", code="segment_unreadable", path=path) from exc


def segment_files(volume: Volume, *, since_day: str = "", stream: str = "*/*") -> Iterator[str]:
    """Yield the relative paths of segment files on the volume, streams in name order, files by day and name.

    `since_day` (`2026/11/22`) leaves older directories unread; `stream` is `camera/quality`.
    """
    base = volume.root / FOOTAGE_DIR
    for directory in sorted(base.glob(f"{stream}/*/*/*")):
        if "/".join(directory.parts[-3:]) >= since_day and directory.is_dir():
            for path in sorted(directory.glob("*.mp4")):
                yield str(path.relative_to(volume.root))


def path_exists(path: Path) -> bool:
    """Tell whether a file is there; an unreadable directory counts as absent."""
    try:
        return path.is_file()
    except OSError:
        return False
