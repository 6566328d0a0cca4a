"""One publisher, many readers: the fan-out every source passes through.

Owned by a worker process and used on its event loop only. The ingest side publishes access units; recorders, WebRTC
fan-outs and snapshotters attach as `media.packet.Reader`s. A unit is shared, never copied. A GOP cache, capped in
bytes, lets a reader that comes late start with a picture. Touches no disk, no socket and no clock.
"""

from collections import deque
from collections.abc import Callable, Iterable

import structlog

from media.base.ids import StreamKey
from media.packet import AccessUnit, CodecParams, EndReason, Kind, Reader, Track

log = structlog.get_logger(__name__)

GOP_CACHE_BYTES = 8 << 20
"""Holds 2 s of a 32 Mbit/s camera; a longer GOP is not cached and late readers wait for the next key frame."""


class GopCache:
    """The units since the last video key unit, video and audio interleaved as they came.

    `key` is the last video key unit of the run, kept also when the GOP behind it grew over the cap: stills need no more.
    """

    def __init__(self, limit_bytes: int = GOP_CACHE_BYTES) -> None:
        """Hold at most `limit_bytes`; over that, hold nothing until the next key unit."""
        self._units: deque[AccessUnit] = deque()
        self._size_bytes = 0
        self._limit_bytes = limit_bytes
        self.key: AccessUnit | None = None
        self.overflows = 0

    def add(self, unit: AccessUnit) -> None:
        """Take one published unit."""
        if unit.is_key and unit.kind is Kind.VIDEO:
            self._drop()
            self.key = unit
        elif not self._units:
            return
        self._units.append(unit)
        self._size_bytes += len(unit.data)
        if self._size_bytes > self._limit_bytes:
            self.overflows += 1
            self._drop()

    def clear(self) -> None:
        """Forget everything, the last key unit too."""
        self._drop()
        self.key = None

    def _drop(self) -> None:
        self._units.clear()
        self._size_bytes = 0

    def units(self) -> tuple[AccessUnit, ...]:
        """Return the cached units in publishing order; empty or beginning with a video key unit."""
        return tuple(self._units)

    @property
    def size_bytes(self) -> int:
        """Return the bytes held."""
        return self._size_bytes


class Stream:
    """One stream of one source. It exists while somebody publishes or reads; runs come and go within it."""

    def __init__(self, key: StreamKey, *, gop_cache_bytes: int = GOP_CACHE_BYTES) -> None:
        """Start without a run and without readers."""
        self.key = key
        self.tracks: tuple[Track, ...] = ()
        self.gop = GopCache(gop_cache_bytes)
        self._readers: tuple[Reader, ...] = ()
        self._listeners: tuple[Callable[[], None], ...] = ()
        self.last_end = EndReason.UNKNOWN

    @property
    def is_live(self) -> bool:
        """Tell whether a run is going on."""
        return bool(self.tracks)

    @property
    def reader_count(self) -> int:
        """Return the number of attached readers."""
        return len(self._readers)

    def attach(self, reader: Reader) -> tuple[AccessUnit, ...]:
        """Attach `reader`, tell it of the current run, and return the GOP cache for it to start from.

        The cached units are returned, not delivered: a recorder ignores them (it would record the past twice), a
        viewer sends them first.
        """
        self._readers = (*self._readers, reader)
        if self.is_live:
            reader.on_run(self.tracks)
        return self.gop.units()

    def detach(self, reader: Reader) -> None:
        """Remove `reader`; nothing happens when it is not attached."""
        self._readers = tuple(r for r in self._readers if r is not reader)

    def listen(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call `listener` after a run has begun or ended, without the units between; return what stops it."""
        self._listeners = (*self._listeners, listener)

        def stop() -> None:
            self._listeners = tuple(each for each in self._listeners if each is not listener)

        return stop

    def begin(self, tracks: Iterable[Track]) -> None:
        """Begin a run with these tracks."""
        self.gop.clear()
        self.tracks = tuple(tracks)
        for reader in self._readers:
            self._call(reader, lambda r: r.on_run(self.tracks))
        for listener in self._listeners:
            listener()

    def retune(self, params: CodecParams, track: int) -> None:
        """Remember that the units of `track` carry new `params` from here on, for readers that attach later.

        The run goes on and present readers are not called: the units themselves tell them.
        """
        self.tracks = tuple(Track(track, params) if old.index == track else old for old in self.tracks)

    def publish(self, unit: AccessUnit) -> None:
        """Hand one unit to every reader. The hot path: about 2 µs and one call per reader."""
        self.gop.add(unit)
        for reader in self._readers:
            try:
                reader.on_unit(unit)
            except Exception as error:  # a bug in one subscriber must not hurt the others
                self._evict(reader, error)

    def end(self, reason: EndReason) -> None:
        """End the run; readers stay attached and wait for the next."""
        if not self.is_live:
            return
        self.tracks = ()
        self.last_end = reason
        self.gop.clear()
        for reader in self._readers:
            self._call(reader, lambda r: r.on_end(reason))
        for listener in self._listeners:
            listener()

    def _call(self, reader: Reader, call: Callable[[Reader], None]) -> None:
        try:
            call(reader)
        except Exception as error:  # as in publish
            self._evict(reader, error)

    def _evict(self, reader: Reader, error: Exception) -> None:
        """Detach a reader that raised; its owner sees it in the log and in `reader_count`."""
        log.error("reader failed and was detached", stream=str(self.key), reader=type(reader).__name__, exc_info=error)
        self.detach(reader)


class Hub:
    """All streams of a worker, by key."""

    def __init__(self) -> None:
        """Start empty."""
        self._streams: dict[StreamKey, Stream] = {}

    def stream(self, key: StreamKey) -> Stream:
        """Return the stream of `key`, making it when it does not exist."""
        found = self._streams.get(key)
        if found is None:
            found = self._streams[key] = Stream(key)
        return found

    def get(self, key: StreamKey) -> Stream | None:
        """Return the stream of `key` or None."""
        return self._streams.get(key)

    def drop(self, key: StreamKey) -> None:
        """Forget a stream whose camera is gone; its run is ended first."""
        found = self._streams.pop(key, None)
        if found is not None:
            found.end(EndReason.DISABLED)

    def streams(self) -> tuple[Stream, ...]:
        """Return all streams."""
        return tuple(self._streams.values())
