"""Answers whose bodies are recorded bytes: conditional requests, ranges, streaming, letting go.

Called by the replay app's handlers on its worker threads. Bodies are read a megabyte at a time on the thread pool,
so that a slow client costs neither memory nor a thread; the pin on the segments is given back when the answer ends,
also when the client is gone.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from fastapi import Request, Response
from fastapi.responses import StreamingResponse

from media.base.clock import Clock, utc_of_us
from media.base.errors import ErrorKind, HubError
from recorder.replay import mp4
from recorder.replay.catalog import Catalog, Located
from recorder.replay.playlist import allowed
from recorder.replay.ranges import parse_range
from recorder.volume import Limits

MEDIA_TYPE = "video/mp4"


class Replay:
    """What the app's handlers share."""

    def __init__(self, volumes: Sequence[Path], clock: Clock, limits: Limits | None) -> None:
        """Look at the volumes; nothing is opened before it is asked for."""
        self.catalog = Catalog(volumes)
        self.clock = clock
        self.limits = limits
        self.pins = mp4.Pins()

    def close(self) -> None:
        """Let every file go."""
        self.pins.close()
        self.catalog.close()


def mp4_response(replay: Replay, wanted: mp4.Request, request: Request) -> Response:
    """Return the virtual MP4 or a range of it: 200, 206, 304, or HubError for 404, 409 and 416."""
    now_ns = replay.clock.mono_ns()
    pinned = replay.pins.find(wanted, now_ns)
    if pinned is None:
        items = replay.catalog.segments(wanted.camera_id, wanted.quality, wanted.start_us, wanted.end_us)
        pinned = replay.pins.keep(wanted, mp4.make(items, wanted, now_ns), now_ns)
    try:
        return _pinned_response(replay, pinned, wanted, request)
    except BaseException:
        pinned.release(now_ns)
        raise


def _pinned_response(replay: Replay, pinned: mp4.PinnedMp4, wanted: mp4.Request, request: Request) -> Response:
    headers = {
        "ETag": pinned.etag,
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, no-cache",
        "Content-Disposition": f'attachment; filename="{_file_name(wanted)}"',
    }
    if pinned.etag in _tags(request.headers.get("if-none-match")):
        pinned.release(replay.clock.mono_ns())
        return Response(status_code=304, headers=headers)
    size = pinned.layout.size_bytes
    condition = request.headers.get("if-range")
    header = request.headers.get("range") if condition is None or condition.strip() == pinned.etag else None
    bounds = parse_range(header, size)
    start, end = bounds or (0, size)
    headers["Content-Length"] = str(end - start)
    if bounds is not None:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    status = 200 if bounds is None else 206
    if request.method == "HEAD":
        pinned.release(replay.clock.mono_ns())
        return Response(status_code=status, headers=headers, media_type=MEDIA_TYPE)
    body = _pinned_body(replay, pinned, start, end)
    return StreamingResponse(body, status, headers, media_type=MEDIA_TYPE)


def _pinned_body(replay: Replay, pinned: mp4.PinnedMp4, start: int, end: int) -> Iterator[bytes]:
    return Releasing(pinned.read(start, end), lambda: pinned.release(replay.clock.mono_ns()))


def _tags(header: str | None) -> set[str]:
    """Return the validators named in `If-None-Match`; weak ones compare equal to their strong form here."""
    return {tag.strip().removeprefix("W/") for tag in (header or "").split(",")}


def _file_name(wanted: mp4.Request) -> str:
    return f"{wanted.camera_id}-{utc_of_us(wanted.start_us):%Y%m%dT%H%M%SZ}.mp4"


def segment_response(item: Located, bounds_us: tuple[int, int], request: Request) -> Response:
    """Return bytes of a segment file, none outside the chunks of `bounds_us`: 200, 206 or HubError for 416.

    A range that reaches over the window's edge is answered up to the edge; one that begins outside is refused.
    """
    size = item.row.body_bytes
    window = allowed(item, *bounds_us)
    wanted = parse_range(request.headers.get("range"), size)
    inside = [(a, b) for a, b in window if a <= (wanted or (0, size))[0] < b]
    if not inside or (wanted is None and inside[0] != (0, size)):
        raise HubError(
            ErrorKind.INVALID, "these bytes lie outside the granted time", code="outside_window", size_bytes=size
        )
    start, end = wanted or (0, size)
    end = min(end, inside[0][1])
    headers = {
        "ETag": f'"{item.volume.uuid}-{item.row.id}"',
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, max-age=3600",
        "Content-Length": str(end - start),
    }
    if wanted is not None:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    status = 200 if wanted is None else 206
    if request.method == "HEAD":
        return Response(status_code=status, headers=headers, media_type=MEDIA_TYPE)
    descriptor = mp4.pin(item)
    body = Releasing(file_bytes(descriptor, start, end), lambda: os.close(descriptor))
    return StreamingResponse(body, status, headers, media_type=MEDIA_TYPE)


def file_bytes(descriptor: int, start: int, end: int) -> Iterator[bytes]:
    """Yield bytes [start, end) of a file in pieces of at most a megabyte; HubError DATA_LOSS when it is too short."""
    while start < end:
        data = os.pread(descriptor, min(mp4.READ_BYTES, end - start), start)
        if not data:
            raise HubError(ErrorKind.DATA_LOSS, "segment is shorter than its index", code="segment_short")
        yield data
        start += len(data)


class Releasing:
    """An iterator that calls `release` once: at its end, on an error, or when it is dropped unread."""

    def __init__(self, body: Iterator[bytes], release: Callable[[], None]) -> None:
        """Take over `body` and whatever `release` gives back."""
        self._body = body
        self._release: Callable[[], None] | None = release

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            return next(self._body)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Give back what the body held."""
        release, self._release = self._release, None
        if release is not None:
            release()

    def __del__(self) -> None:
        """A client that went away leaves the iterator to be collected."""
        self.close()
