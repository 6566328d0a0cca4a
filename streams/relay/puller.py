"""The puller's end: one link to one other worker, with everything this worker pulls from it.

Made by `node` per slot, on the event loop; its task connects, proves, asks, and when the link breaks does it all again
while anybody needs it. Sources live on through a broken link: their viewers wait.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import structlog

from media.base.errors import ErrorKind, HubError, RemoteProtocolError
from media.base.tasks import Backoff, Owner
from streams.publication import TrackName
from streams.relay.address import binding_of
from streams.relay.channel import Channel
from streams.relay.frames import Frame, FrameType, parse_clock, parse_json, parse_packet
from streams.relay.handshake import HANDSHAKE_S, Credentials, PullerHandshake
from streams.relay.holder import source_error
from streams.relay.link import Link
from streams.relay.remote import RemotePublication

log = structlog.get_logger(__name__)

CONNECT_S = 4.0
"""How long somebody who wants a source waits for the other worker; one that was killed is back after 3 s."""

IDLE_S = 30.0
"""A link nobody needs any more is kept so long."""

Connect = Callable[[], Awaitable[Link]]


class Puller:
    """Everything this worker has from the worker in `slot`."""

    def __init__(self, slot: str, connect: Connect, credentials: Credentials) -> None:
        """Prepare; the link is made when something is needed."""
        self.slot = slot
        self._connect = connect
        self._credentials = credentials
        self._owner = Owner(f"relay {slot}")
        self._task: asyncio.Task[None] | None = None
        self._link: Link | None = None
        self._up = asyncio.Event()
        self._down = asyncio.Event()
        self._sources: dict[int, RemotePublication] = {}
        self._channels: dict[int, Channel] = {}
        self._next_number = 1
        self._idle_since_s = 0.0
        self._waiting = 0
        self._failure = "the other worker does not answer"

    async def aclose(self) -> None:
        """End the link. Idempotent."""
        await self._owner.aclose()
        if self._link is not None:
            self._link.abort()
        for channel in tuple(self._channels.values()):
            channel.ended()

    @property
    def is_up(self) -> bool:
        """Tell whether the link stands."""
        return self._link is not None

    @property
    def source_count(self) -> int:
        """Return how many sources are pulled."""
        return len(self._sources)

    async def ready(self) -> Link:
        """Return the open link, making it; HubError UNAVAILABLE `worker_unavailable` when it takes too long."""
        if self._task is None or self._task.done():
            self._idle_since_s = asyncio.get_running_loop().time()
            self._task = self._owner.start(self._run(), "link")
        self._waiting += 1
        try:
            async with asyncio.timeout(CONNECT_S):
                while self._link is None:  # one that came up may be lost before we are woken
                    await self._up.wait()
        except TimeoutError:
            raise HubError(ErrorKind.UNAVAILABLE, self._failure, code="worker_unavailable", slot=self.slot) from None
        finally:
            self._waiting -= 1
        return self._link

    async def pull(self, publication: RemotePublication) -> None:
        """Pull a source and wait for its description; HubError of the holder, or `worker_unavailable`."""
        link = await self.ready()
        number = self._take_number()
        self._sources[number] = publication
        self._ask(link, number, publication)
        try:
            async with asyncio.timeout(CONNECT_S):
                await asyncio.shield(publication.described)
        except TimeoutError:
            self.drop(publication)
            raise HubError(
                ErrorKind.UNAVAILABLE, "the other worker does not answer", code="worker_unavailable", slot=self.slot
            ) from None
        except BaseException:
            self.drop(publication)
            raise

    def drop(self, publication: RemotePublication) -> None:
        """Pull a source no more."""
        for number, found in tuple(self._sources.items()):
            if found is publication:
                del self._sources[number]
                if self._link is not None:
                    self._link.send_json(FrameType.CLOSE, {"stream": number})
        publication.ask_want = publication.ask_key = None

    async def open_channel(self, name: str, body: dict[str, Any]) -> Channel:
        """Open a channel to the other worker; it ends with the link."""
        link = await self.ready()
        channel = Channel(link, self._take_number(), self._forget)
        self._channels[channel.number] = channel
        link.send_json(FrameType.CHANNEL_OPEN, {"channel": channel.number, "name": name, "body": body})
        return channel

    def _forget(self, channel: Channel) -> None:
        self._channels.pop(channel.number, None)

    def _take_number(self) -> int:
        while self._next_number in self._sources or self._next_number in self._channels:
            self._next_number = self._next_number % 0xFFFF + 1
        number = self._next_number
        self._next_number = self._next_number % 0xFFFF + 1
        return number

    async def _run(self) -> None:
        backoff = Backoff(first_s=0.2, limit_s=1.5)
        while not self._is_idle():
            try:
                await self._connect_once()
                backoff.reset()
                await self._watch()
            except (OSError, HubError, TimeoutError) as error:
                self._failure = str(error) or "the other worker does not answer"
                log.info("relay link not made", slot=self.slot, cause=self._failure)
            await asyncio.sleep(backoff.next_s())

    def _is_idle(self) -> bool:
        now_s = asyncio.get_running_loop().time()
        if self._sources or self._channels or self._waiting:
            self._idle_since_s = now_s
        return now_s - self._idle_since_s > IDLE_S

    async def _connect_once(self) -> None:
        async with asyncio.timeout(HANDSHAKE_S):
            link = await self._connect()
            assert link.transport is not None
            handshake = PullerHandshake(
                link, self._credentials, binding_of(link.transport.get_extra_info("ssl_object"))
            )
            settled = asyncio.Event()

            def take(frame: Frame) -> None:
                if handshake.take(frame):
                    link.on_frame = self._take
                    settled.set()

            link.listen(take, settled.set)
            try:
                await settled.wait()
            except BaseException:
                link.abort()
                raise
        if link.is_lost:
            raise HubError(ErrorKind.UNAVAILABLE, "the relay link was refused", code="worker_unavailable")
        self._opened(link)

    def _opened(self, link: Link) -> None:
        self._link = link
        self._down.clear()
        link.on_lost = self._lost
        self._up.set()
        for number, publication in self._sources.items():
            self._ask(link, number, publication)

    def _ask(self, link: Link, number: int, publication: RemotePublication) -> None:
        link.send_json(FrameType.OPEN, {"stream": number, "source": publication.source})

        def want(name: TrackName, rids: frozenset[str]) -> None:
            link.send_json(FrameType.WANT, {"stream": number, "track": name.value, "rids": sorted(rids)})

        def key(name: TrackName, rid: str) -> None:
            link.send_json(FrameType.KEY, {"stream": number, "track": name.value, "rid": rid})

        publication.ask_want, publication.ask_key = want, key

    async def _watch(self) -> None:
        """Wait until the link is lost, or nobody has needed it for long."""
        while not self._down.is_set() and not self._is_idle():
            try:
                async with asyncio.timeout(IDLE_S / 4):
                    await self._down.wait()
            except TimeoutError:
                continue
        if self._link is not None:
            self._link.abort()

    def _lost(self) -> None:
        self._link = None
        self._up.clear()
        self._down.set()
        for publication in tuple(self._sources.values()):
            publication.lost()
        for channel in tuple(self._channels.values()):
            channel.ended()

    def _take(self, frame: Frame) -> None:
        if frame.type == FrameType.PACKET:
            relayed = parse_packet(frame.body)
            publication = self._sources.get(relayed.stream)
            if publication is not None:
                publication.take_packet(relayed)
        elif frame.type == FrameType.CLOCK:
            reading = parse_clock(frame.body)
            publication = self._sources.get(reading.stream)
            if publication is not None:
                publication.take_clock(reading)
        else:
            try:
                self._take_message(frame.type, parse_json(frame.body))
            except (KeyError, TypeError, ValueError) as error:
                raise RemoteProtocolError("a malformed relay message", type=frame.type) from error

    def _take_message(self, kind: int, told: dict[str, Any]) -> None:
        if kind == FrameType.SOURCE:
            self._described(int(told["stream"]), told)
        elif kind == FrameType.REFUSED:
            self._refused(int(told["stream"]), told)
        elif kind in (FrameType.CHANNEL_MESSAGE, FrameType.CHANNEL_CLOSE):
            channel = self._channels.get(int(told["channel"]))
            if channel is None:
                return
            if kind == FrameType.CHANNEL_CLOSE:
                channel.ended()
            else:
                channel.take(dict(told["message"]))
        else:
            raise RemoteProtocolError("an unexpected relay frame", type=kind)

    def _described(self, number: int, told: dict[str, Any]) -> None:
        publication = self._sources.get(number)
        if publication is None:
            return
        publication.take_description(told)
        if publication.needs_asking:
            publication.ask_all()

    def _refused(self, number: int, told: dict[str, Any]) -> None:
        publication = self._sources.pop(number, None)
        if publication is None:
            return
        if publication.described.done():
            publication.end()
        else:
            publication.described.set_exception(source_error(told))
