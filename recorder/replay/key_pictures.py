"""Answers that hold key pictures only: an init segment without sound, and fragments made for the moment.

Called by the replay app's handlers on its worker threads. A fragment costs one read of the segment's sample index and
one of each picture, announced to the kernel together so that a disk fetches them in one sweep. The same window bounds
it as the ordinary segments; the file is pinned until the answer ends.
"""

import os
import re
from collections.abc import Iterator

from fastapi import Request, Response
from fastapi.responses import StreamingResponse

from media.base.errors import ErrorKind, HubError, RemoteProtocolError
from media.container.fmp4 import file_type, init_moov
from media.container.hls import Stretch
from media.container.keys import KeyFragment, key_fragment
from recorder.replay import mp4
from recorder.replay.bodies import MEDIA_TYPE, Releasing, file_bytes
from recorder.replay.catalog import Located
from recorder.replay.playlist import window
from recorder.segmenter import LEAD_ID

_TICKS = re.compile(r"(\d{1,18})-(\d{1,18})", re.ASCII)
_HEADERS = {"Cache-Control": "private, max-age=3600", "Accept-Ranges": "none"}


def key_response(item: Located, bounds_us: tuple[int, int], ticks: str | None, request: Request) -> Response:
    """Return the init segment (`ticks` None), or the fragment of `ticks` (`first-last`, counted from the start).

    HubError INVALID `outside_window` when that lies outside the chunks of `bounds_us`, NOT_FOUND `no_key_picture`,
    `segment_gone`, DATA_LOSS `segment_damaged`.
    """
    granted = window(item, *bounds_us).ticks
    wanted = _parse(ticks) if ticks is not None else granted
    if not granted.begin <= wanted.begin < wanted.end <= granted.end:
        raise HubError(ErrorKind.INVALID, "these pictures lie outside the granted time", code="outside_window")
    if not item.has_pictures:
        raise HubError(ErrorKind.NOT_FOUND, "this recording is sound only", code="no_key_picture")
    if ticks is None:
        return Response(_init(item), headers=_HEADERS, media_type=MEDIA_TYPE)
    descriptor = mp4.pin(item)
    try:
        fragment = _fragment(item, descriptor, wanted)
        headers = {
            **_HEADERS,
            "ETag": f'"{item.volume.uuid}-{item.row.id}-{wanted.begin}-{wanted.end}"',
            "Content-Length": str(fragment.size_bytes),
        }
        if request.method == "HEAD":
            os.close(descriptor)
            return Response(headers=headers, media_type=MEDIA_TYPE)
        body = Releasing(_bytes_of(fragment, descriptor), lambda: os.close(descriptor))
        return StreamingResponse(body, headers=headers, media_type=MEDIA_TYPE)
    except BaseException:
        os.close(descriptor)
        raise


def _parse(ticks: str) -> Stretch:
    found = _TICKS.fullmatch(ticks)
    if found is None:
        raise HubError(ErrorKind.INVALID, "ticks are written first-last", code="invalid_ticks")
    return Stretch(int(found[1]), int(found[2]))


def _init(item: Located) -> bytes:
    try:
        return file_type() + init_moov(item.tracks[:1])
    except RemoteProtocolError as exc:
        raise HubError(ErrorKind.DATA_LOSS, "a segment's index is damaged", code="segment_damaged") from exc


def _fragment(item: Located, descriptor: int, wanted: Stretch) -> KeyFragment:
    first = item.row.media_start
    try:
        lead = item.samples(descriptor).tracks.get(LEAD_ID)
    except RemoteProtocolError as exc:
        raise HubError(ErrorKind.DATA_LOSS, "a segment's index is damaged", code="segment_damaged") from exc
    on_run = Stretch(first + wanted.begin, first + wanted.end)
    fragment = key_fragment(lead, LEAD_ID, on_run, item.row.timescale) if lead is not None else None
    if fragment is None:
        raise HubError(ErrorKind.NOT_FOUND, "no key picture begins in this stretch", code="no_key_picture")
    return fragment


def _bytes_of(fragment: KeyFragment, descriptor: int) -> Iterator[bytes]:
    for offset, size_bytes in fragment.pieces:
        os.posix_fadvise(descriptor, offset, size_bytes, os.POSIX_FADV_WILLNEED)
    yield fragment.header
    for offset, size_bytes in fragment.pieces:
        yield from file_bytes(descriptor, offset, offset + size_bytes)
