"""The relay of a worker: serves other workers, and is the plane's opener for what they hold.

One per worker, made and closed by its wiring, on its event loop. Listens on a unix socket and, for other machines, on
TCP with TLS; keeps at most one link to each other worker. Knows no permissions: whoever proves to be a worker of this
hub gets what it asks for.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import structlog

from media.base.clock import Clock
from media.base.errors import ErrorKind, HubError
from media.base.ids import SourceId
from media.base.tasks import Owner
from streams.plane import Plane
from streams.publication import Publication
from streams.relay.address import RelayAddress, bind_path, client_tls, parse_address, server_tls
from streams.relay.channel import Channel
from streams.relay.handshake import Credentials
from streams.relay.holder import Handler, Holder
from streams.relay.link import Link
from streams.relay.puller import Puller
from streams.relay.remote import MakeTrack, RemotePublication

log = structlog.get_logger(__name__)

TICK_S = 1.0
MAX_LINKS = 256

Resolve = Callable[[str], Awaitable[str]]
"""Returns the relay address of a slot; HubError UNAVAILABLE when it is not known."""


class RelayNode:
    """This worker's place in the relay. It is the `streams.plane.Opener` for sources of other workers."""

    def __init__(self, credentials: Credentials, resolve: Resolve, make_track: MakeTrack, clock: Clock) -> None:
        """Prepare; `serve` and `start` begin."""
        self._credentials = credentials
        self._resolve = resolve
        self._make_track = make_track
        self._clock = clock
        self._owner = Owner("relay")
        self._handlers: dict[str, Handler] = {}
        self._pullers: dict[str, Puller] = {}
        self._homes: dict[Publication, Puller] = {}
        self._holders: set[Holder] = set()
        self._servers: list[asyncio.Server] = []
        self._plane: Plane | None = None
        self.addresses: list[str] = []
        """Where it listens, once started."""

    def serve_channel(self, name: str, handler: Handler) -> None:
        """Let other workers open channels of this name."""
        self._handlers[name] = handler

    async def start(self, plane: Plane, listen: Iterable[str]) -> None:
        """Serve `plane` to other workers at these addresses; OSError when one is taken, HubError when malformed."""
        self._plane = plane
        for text in listen:
            self.addresses.append(await self._listen(parse_address(text)))
        self._owner.start(self._tick(), "tick")

    async def _listen(self, address: RelayAddress) -> str:
        loop = asyncio.get_running_loop()
        if address.path:
            server = await loop.create_unix_server(lambda: self._accept(b""), sock=bind_path(address.path))
            self._servers.append(server)
            return str(address)
        tls, binding = server_tls()
        server = await loop.create_server(lambda: self._accept(binding), address.host, address.port, ssl=tls)
        self._servers.append(server)
        return str(RelayAddress(host=address.host, port=server.sockets[0].getsockname()[1]))

    def _accept(self, binding: bytes) -> Link:
        link = Link()
        link.on_connected = lambda connected: self._greet(connected, binding)
        return link

    def _greet(self, link: Link, binding: bytes) -> None:
        assert self._plane is not None
        if len(self._holders) >= MAX_LINKS:
            log.warning("too many relay links", limit=MAX_LINKS)
            link.abort()
            return
        holder = Holder(link, self._plane, self._handlers, self._clock)
        self._holders.add(holder)
        link.on_lost = lambda: self._lost(holder)
        holder.greet(self._credentials, binding)

    def _lost(self, holder: Holder) -> None:
        if holder in self._holders:
            self._holders.discard(holder)
            self._owner.start(holder.aclose(), "link ended")

    async def aclose(self) -> None:
        """End every link. Idempotent."""
        for server in self._servers:
            server.close()
        for puller in tuple(self._pullers.values()):
            await puller.aclose()
        holders, self._holders = self._holders, set()
        for holder in holders:
            await holder.aclose()
        await self._owner.aclose()

    async def open(self, source: SourceId, slot: str) -> Publication:
        """Pull a source from the worker in `slot`; HubError of that worker, or UNAVAILABLE `worker_unavailable`."""
        publication = RemotePublication(source, self._make_track, self._clock)
        puller = self._puller(slot)
        await puller.pull(publication)
        self._homes[publication] = puller
        return publication

    def close(self, publication: Publication) -> None:
        """Pull it no more."""
        puller = self._homes.pop(publication, None)
        if puller is not None and isinstance(publication, RemotePublication):
            puller.drop(publication)
            publication.end()

    async def open_channel(self, slot: str, name: str, body: dict[str, Any]) -> Channel:
        """Open a channel to the worker in `slot`; HubError UNAVAILABLE `worker_unavailable` when it does not answer."""
        return await self._puller(slot).open_channel(name, body)

    def _puller(self, slot: str) -> Puller:
        if slot == self._credentials.slot:
            raise HubError(ErrorKind.CONFLICT, "a worker pulls nothing from itself", code="wrong_state")
        puller = self._pullers.get(slot)
        if puller is None:
            puller = self._pullers[slot] = Puller(slot, lambda: self._connect(slot), self._credentials)
        return puller

    async def _connect(self, slot: str) -> Link:
        address = parse_address(await self._resolve(slot))
        loop = asyncio.get_running_loop()
        if address.path:
            _, link = await loop.create_unix_connection(Link, address.path)
        else:
            _, link = await loop.create_connection(Link, address.host, address.port, ssl=client_tls())
        return link

    def figures(self) -> dict[str, int]:
        """Return how much is relayed: links, sources pulled and served, packets other workers missed."""
        return {
            "links": sum(puller.is_up for puller in self._pullers.values()) + len(self._holders),
            "pulled": sum(puller.source_count for puller in self._pullers.values()),
            "served": sum(holder.stream_count for holder in self._holders),
            "dropped": sum(holder.dropped for holder in self._holders),
        }

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            for holder in tuple(self._holders):
                holder.tick()
