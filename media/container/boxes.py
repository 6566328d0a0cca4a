"""ISO base media boxes: writing them, and walking them in bytes nobody vouches for.

Used by every other module of this package and by the recorder's recovery. Pure. Reading refuses, with
RemoteProtocolError, sizes that do not fit their parent; it never allocates by a number found in the data.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from media.base.errors import RemoteProtocolError

HEADER_BYTES = 8
LARGE_HEADER_BYTES = 16
MAX_BOXES = 100_000
"""More children than any file of ours has; a bound for hostile input."""

Buffer = bytes | bytearray | memoryview


def box(kind: bytes, *parts: Buffer) -> bytes:
    """Return a box of `kind` around the joined `parts`."""
    return b"".join((struct.pack(">I4s", HEADER_BYTES + sum(map(len, parts)), kind), *parts))


def full_box(kind: bytes, version: int, flags: int, *parts: Buffer) -> bytes:
    """Return a full box: `kind` with version (8 bits) and flags (24 bits)."""
    return box(kind, struct.pack(">I", version << 24 | flags), *parts)


def large_header(kind: bytes, body_bytes: int) -> bytes:
    """Return the 16-byte header of a box whose body of `body_bytes` follows from elsewhere."""
    return struct.pack(">I4sQ", 1, kind, LARGE_HEADER_BYTES + body_bytes)


@dataclass(frozen=True, slots=True)
class Box:
    """Where a box lies in a buffer: it begins at `start`, its body at `body`, and it ends before `end`."""

    kind: bytes
    start: int
    body: int
    end: int


def read_header(data: Buffer, at: int, limit: int) -> Box | None:
    """Return the box that begins at `at`, its end checked against `limit` only (not against `data`).

    `limit` may lie beyond `data`: a scanner of files hands in the first bytes of a box and the size of the file.
    None when fewer than a header's bytes are there or the box would not end by `limit`: what a torn write leaves.
    RemoteProtocolError when the size is smaller than the header.
    """
    if at + HEADER_BYTES > min(len(data), limit):
        return None
    size, kind = struct.unpack_from(">I4s", data, at)
    body = at + HEADER_BYTES
    if size == 1:
        if at + LARGE_HEADER_BYTES > min(len(data), limit):
            return None
        (size,) = struct.unpack_from(">Q", data, body)
        body = at + LARGE_HEADER_BYTES
    elif size == 0:
        size = limit - at
    if size < body - at:
        raise RemoteProtocolError("box smaller than its header", code="bad_box", offset=at)
    return Box(kind, at, body, at + size) if at + size <= limit else None


def children(data: Buffer, start: int, end: int) -> Iterator[Box]:
    """Yield the boxes that fill `data[start:end]`; RemoteProtocolError when they do not fill it exactly."""
    at = start
    for _ in range(MAX_BOXES):
        if at == end:
            return
        found = read_header(data, at, end)
        if found is None:
            raise RemoteProtocolError("box exceeds its parent", code="bad_box", offset=at)
        yield found
        at = found.end
    raise RemoteProtocolError("too many boxes", code="bad_box", offset=at)


def find(data: Buffer, start: int, end: int, *path: bytes) -> Box | None:
    """Return the first box at `path` (kinds from the outside in) within `data[start:end]`, or None."""
    found: Box | None = None
    for kind in path:
        found = next((child for child in children(data, start, end) if child.kind == kind), None)
        if found is None:
            return None
        start, end = found.body, found.end
    return found


def unpack(layout: str, data: Buffer, at: int, end: int) -> tuple[int, ...]:
    """Unpack the struct `layout` at `at`; RemoteProtocolError when it would pass `end`."""
    if at < 0 or at + struct.calcsize(layout) > min(end, len(data)):
        raise RemoteProtocolError("box too short for its fields", code="bad_box", offset=at)
    values: tuple[int, ...] = struct.unpack_from(layout, data, at)
    return values
