"""Virtual MP4s being served: built once, frozen, pinned against retention.

Blocking; called on the replay app's worker threads. A build opens the segments, takes a shared lock on each (which
retention respects and the kernel drops with the process), reads one trailer per segment, and keeps the result for a
minute after its last use, so that all ranges of a download come from one and the same file. Covers one codec
configuration and at most two hours.
"""

import fcntl
import hashlib
import os
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from media.base.clock import rfc3339
from media.base.errors import ErrorKind, HubError, RemoteProtocolError
from media.container.virtual_mp4 import Piece, Slice, VirtualMp4, build
from recorder.replay.catalog import Located
from recorder.replay.playlist import continues
from recorder.store import open_segment

MAX_DURATION_US = 7_200_000_000
IDLE_NS = 60_000_000_000
MAX_PINNED = 24
"""Files kept open: 24 of them over two hours are 600 descriptors."""
READ_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for; equal requests within a minute share one file."""

    camera_id: str
    quality: str
    start_us: int
    end_us: int


@dataclass(slots=True)
class PinnedMp4:
    """A virtual MP4 whose segments are held open. `users` counts answers being sent; `retired` closes with the last."""

    layout: VirtualMp4
    descriptors: list[int]
    etag: str
    used_ns: int
    users: int = 0
    retired: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    def read(self, start: int, end: int) -> Iterator[bytes]:
        """Yield bytes [start, end) in pieces of at most a megabyte. HubError DATA_LOSS when a file is too short."""
        for part in self.layout.ranges(start, end):
            if isinstance(part, bytes):
                yield part
            else:
                yield from self._read_piece(part)

    def _read_piece(self, piece: Piece) -> Iterator[bytes]:
        offset, end = piece.offset, piece.offset + piece.size_bytes
        while offset < end:
            data = os.pread(self.descriptors[piece.slice], min(READ_BYTES, end - offset), offset)
            if not data:
                raise HubError(ErrorKind.DATA_LOSS, "segment is shorter than its index", code="segment_short")
            yield data
            offset += len(data)

    def acquire(self, now_ns: int) -> bool:
        """Count a user; False when the file was let go meanwhile."""
        with self.lock:
            if self.retired:
                return False
            self.users += 1
            self.used_ns = now_ns
            return True

    def release(self, now_ns: int) -> None:
        """Count a user out."""
        with self.lock:
            self.users -= 1
            self.used_ns = max(self.used_ns, now_ns)
            self._close_if_done()

    def retire(self) -> None:
        """Let the segments go as soon as nobody reads them."""
        with self.lock:
            self.retired = True
            self._close_if_done()

    def _close_if_done(self) -> None:
        if self.retired and not self.users:
            descriptors, self.descriptors = self.descriptors, []
            for descriptor in descriptors:
                os.close(descriptor)


class Pins:
    """The virtual MP4s of the last minute."""

    def __init__(self) -> None:
        """Start empty."""
        self._kept: OrderedDict[Request, PinnedMp4] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, request: Request, now_ns: int) -> PinnedMp4 | None:
        """Return the file already built for a request, with a user counted, or None."""
        self.sweep(now_ns)
        with self._lock:
            found = self._kept.get(request)
            if found is None or not found.acquire(now_ns):
                return None
            self._kept.move_to_end(request)
            return found

    def keep(self, request: Request, made: PinnedMp4, now_ns: int) -> PinnedMp4:
        """Keep a new file, count a user, and let the longest unused go when there are too many."""
        made.acquire(now_ns)
        with self._lock:
            before = self._kept.pop(request, None)
            self._kept[request] = made
            surplus = [self._kept.popitem(last=False)[1] for _ in range(len(self._kept) - MAX_PINNED)]
        for old in (*surplus, *([before] if before is not None else [])):
            old.retire()
        return made

    def sweep(self, now_ns: int) -> None:
        """Let go what nobody used for a minute."""
        with self._lock:
            idle = [key for key, made in self._kept.items() if not made.users and now_ns - made.used_ns > IDLE_NS]
            gone = [self._kept.pop(key) for key in idle]
        for made in gone:
            made.retire()

    def close(self) -> None:
        """Let everything go."""
        with self._lock:
            gone = list(self._kept.values())
            self._kept.clear()
        for made in gone:
            made.retire()


def make(items: Sequence[Located], request: Request, now_ns: int) -> PinnedMp4:
    """Build the virtual MP4 of `items` within the request.

    HubError NOT_FOUND `no_footage`, CONFLICT `too_long` or `several_codecs` with `spans` that would each do, NOT_FOUND
    `segment_gone` when retention was faster, DATA_LOSS when an index is damaged.
    """
    if not items:
        raise HubError(ErrorKind.NOT_FOUND, "nothing was recorded in this range", code="no_footage")
    _check_whole(items, request)
    descriptors: list[int] = []
    try:
        descriptors += [pin(item) for item in items]
        slices = _slices(items, descriptors, request)
        layout = build(items[0].tracks, slices, max(request.start_us, items[0].row.start_us))
    except RemoteProtocolError as exc:
        _close(descriptors)
        raise HubError(ErrorKind.DATA_LOSS, "a segment's index is damaged", code="segment_damaged") from exc
    except BaseException:
        _close(descriptors)
        raise
    return PinnedMp4(layout, descriptors, _etag(items, layout), now_ns)


def _close(descriptors: list[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


def pin(item: Located) -> int:
    """Open a segment so that retention passes it over while the descriptor is open; HubError when it is gone."""
    descriptor = open_segment(item.volume, item.path)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    return descriptor


def _slices(items: Sequence[Located], descriptors: Sequence[int], request: Request) -> list[Slice]:
    slices: list[Slice] = []
    group = 0
    for number, (item, descriptor) in enumerate(zip(items, descriptors, strict=True)):
        group += number > 0 and not continues(items[number - 1], item)
        begins = item.row.start_us < request.start_us
        ends = item.row.end_us > request.end_us
        end = item.row.media_start + item.row.media_ticks
        media_from = item.media_at(request.start_us) if begins else item.row.media_start
        media_to = item.media_at(request.end_us) if ends else end
        slices.append(Slice(item.samples(descriptor), (group,), media_from, media_to))
    return slices


def _check_whole(items: Sequence[Located], request: Request) -> None:
    """Refuse what one plain MP4 cannot be: more than one configuration, more than two hours."""
    spans = usable_spans(items, request)
    if len({_configuration(item) for item in items}) > 1:
        raise HubError(ErrorKind.CONFLICT, "the codec changes within this range", code="several_codecs", spans=spans)
    if request.end_us - request.start_us > MAX_DURATION_US:
        raise HubError(ErrorKind.CONFLICT, "a file covers at most two hours", code="too_long", spans=spans)


def _configuration(item: Located) -> bytes:
    """Two volumes number the same configuration differently; its bytes are the same."""
    return item.config.moov


def usable_spans(items: Sequence[Located], request: Request) -> list[dict[str, str]]:
    """Return stretches of the range that would each make one file."""
    spans: list[tuple[int, int, bytes]] = []
    for item in items:
        first = max(item.row.start_us, request.start_us)
        last = min(item.row.end_us, request.end_us)
        if last <= first:
            continue
        joins = bool(spans) and spans[-1][2] == _configuration(item) and last - spans[-1][0] <= MAX_DURATION_US
        if joins:
            spans[-1] = (spans[-1][0], last, spans[-1][2])
        else:
            spans.append((first, last, _configuration(item)))
    return [{"start": rfc3339(first), "end": rfc3339(last)} for first, last, _ in spans]


def _etag(items: Sequence[Located], layout: VirtualMp4) -> str:
    """Return a strong validator: the head tells every sample, the segments' identities tell the bytes behind it."""
    digest = hashlib.sha256(layout.head)
    for item in items:
        digest.update(f"{item.volume.uuid}/{item.row.id};".encode())
    return f'"{digest.hexdigest()[:40]}"'
