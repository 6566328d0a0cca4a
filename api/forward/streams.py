"""Bytes passed through from a private app to a client, while the right to them lasts.

A stream under way belongs to a replay view; when the view is ended by the sweeper, or the client goes away, the
upstream connection is closed. Used by `services.playback`; lives on the event loop.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

import httpx
import structlog
from starlette.responses import StreamingResponse

from api.forward.private_apps import error_of, translated
from media.base.errors import HubError

log = structlog.get_logger(__name__)

_KEPT_HEADERS = (
    "content-type", "content-length", "content-range", "accept-ranges", "etag", "last-modified", "cache-control",
    "content-disposition",
)  # fmt: skip
_SENT_HEADERS = ("range", "if-range", "if-none-match", "if-modified-since")
_PASSED = frozenset({200, 206, 304})
STREAM_TIMEOUT = httpx.Timeout(30.0, connect=2.0)
CHUNK_BYTES = 256 * 1024


@dataclass(eq=False, slots=True)
class ActiveStream:
    """One answer being sent under a replay view."""

    view_id: str
    is_revoked: asyncio.Event = field(default_factory=asyncio.Event)


class ActiveStreams:
    """The streams under way, so that they can be cut."""

    def __init__(self) -> None:
        """Begin with none."""
        self._streams: set[ActiveStream] = set()

    def begin(self, view_id: str) -> ActiveStream:
        """Note a stream of the view."""
        stream = ActiveStream(view_id)
        self._streams.add(stream)
        return stream

    def end(self, stream: ActiveStream) -> None:
        """Forget a stream."""
        self._streams.discard(stream)

    def view_ids(self) -> frozenset[str]:
        """Return the views with a stream under way."""
        return frozenset(stream.view_id for stream in self._streams)

    def cut(self, view_id: str) -> None:
        """End every stream of the view."""
        for stream in self._streams:
            if stream.view_id == view_id:
                stream.is_revoked.set()


def conditional_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the request headers that a private app must see to answer ranges, as far as they are plain ASCII."""
    found = {name: headers[name] for name in _SENT_HEADERS if name in headers}
    return {
        name: value for name, value in found.items() if value.isascii() and value.isprintable() and len(value) < 1000
    }


async def pass_through(
    client: httpx.AsyncClient, request: httpx.Request, streams: ActiveStreams, view_id: str
) -> StreamingResponse:
    """Return the private app's answer as a stream; HubError for a refusal or silence."""
    async with translated("replay"):
        upstream = await client.send(request, stream=True)
    if upstream.status_code not in _PASSED:
        async with translated("replay"):
            await upstream.aread()
        await upstream.aclose()
        error = error_of(upstream, "replay")
        error.context["content_range"] = upstream.headers.get("content-range")
        raise error
    headers = {name: upstream.headers[name] for name in _KEPT_HEADERS if name in upstream.headers}
    return StreamingResponse(_pieces(upstream, streams, view_id), upstream.status_code, headers)


async def _pieces(upstream: httpx.Response, streams: ActiveStreams, view_id: str) -> AsyncIterator[bytes]:
    stream = streams.begin(view_id)
    try:
        async with translated("replay"):
            async for piece in upstream.aiter_raw(CHUNK_BYTES):
                if stream.is_revoked.is_set():
                    log.info("stream cut, the right to it has ended", view=view_id)
                    return
                yield piece
    except HubError as error:
        log.warning("replay stream broke off", view=view_id, cause=error.code)
        raise
    finally:
        streams.end(stream)
        await asyncio.shield(upstream.aclose())
