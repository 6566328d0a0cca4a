"""Opens RTSP sources: the `Connect` of a worker. Resolves and checks the address, ends left sessions, follows redirects.

Made once per worker by the wiring, called by the supervisors and by the probe, on the event loop.
"""

import dataclasses
import ssl

import structlog

from media.base.clock import Clock
from media.base.ids import StreamKey
from media.packet import EndReason
from media.rtsp.transport import Transport
from streams.hub import Hub
from streams.ingest.connection import SourceError, SourceRequest
from streams.ingest.farewell import end_left_session
from streams.ingest.interleaved import ReceiveBuffer
from streams.ingest.leftover import MemorySessionStore, SessionStore
from streams.ingest.networks import SourceNetworks
from streams.ingest.rtsp import RedirectError, RtspSource, RtspWorld
from streams.ingest.turns import ReadTurns
from streams.ingest.url import SourceUrl, parse_source_url

log = structlog.get_logger(__name__)

MAX_REDIRECTS = 3


class RtspConnector:
    """Connects cameras to the streams of one hub. An instance is a `streams.ingest.connection.Connect`."""

    def __init__(self, hub: Hub, clock: Clock, networks: SourceNetworks, sessions: SessionStore | None = None) -> None:
        """`sessions` remembers what is open on the cameras, across restarts when it is a file."""
        self._hub = hub
        self._networks = networks
        sessions = sessions or MemorySessionStore()
        self._world = RtspWorld(clock, ReceiveBuffer(), ReadTurns(), sessions, _camera_tls())
        self._udp_fails: set[StreamKey] = set()

    async def __call__(self, request: SourceRequest) -> RtspSource:
        """Open `request`; SourceError says why not."""
        url = parse_source_url(request.url)
        for _ in range(MAX_REDIRECTS + 1):
            try:
                return await self._open(request, url)
            except RedirectError as redirect:
                url = _follow(url, redirect.url)
        raise SourceError(EndReason.REFUSED, "the camera redirects in circles")

    async def _open(self, request: SourceRequest, url: SourceUrl) -> RtspSource:
        addresses = await self._networks.resolve(url.host, url.port)
        await self._end_left(request.key, url, addresses[0])
        is_tcp = request.transport is Transport.TCP or request.key in self._udp_fails
        source = RtspSource(url, self._hub.stream(request.key), Transport.TCP if is_tcp else Transport.UDP, self._world)
        await source.open(addresses)
        if not is_tcp:
            source.ended.add_done_callback(lambda _ended: self._note(request.key, source))
        return source

    async def _end_left(self, key: StreamKey, url: SourceUrl, address: str) -> None:
        """Tear down the session noted for this stream; it is tried once."""
        left = self._world.sessions.load(key)
        if left is None:
            return
        self._world.sessions.forget(key)
        tls = self._world.tls if url.scheme == "rtsps" else None
        has_answered = await end_left_session(url, address, left, self._world.clock, tls)
        log.info("left session torn down", stream=str(key), answered=has_answered)

    def _note(self, key: StreamKey, source: RtspSource) -> None:
        """Remember that UDP does not get through to this camera; a restart of the worker forgets it."""
        if source.udp_failed:
            log.warning("nothing comes by udp, using tcp from now on", stream=str(key))
            self._udp_fails.add(key)


def _follow(old: SourceUrl, location: str) -> SourceUrl:
    """Return where a redirect leads. Credentials go along to the same host only."""
    new = parse_source_url(location)
    if new.credentials is None and new.host == old.host:
        return dataclasses.replace(new, credentials=old.credentials)
    return new


def _camera_tls() -> ssl.SSLContext:
    """Return TLS as cameras speak it: self-signed certificates and old RSA suites."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    return context
