"""The holder's end of a link: serves another worker with our sources and our channels.

Made by `node` for every incoming connection, on the event loop. Answers nothing before the other side has proved
that it belongs to this hub. Bounded: `MAX_STREAMS` sources and `MAX_CHANNELS` channels a link.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import structlog

from media.base.clock import Clock
from media.base.errors import ErrorKind, HubError, RemoteProtocolError
from media.base.ids import SourceId, parse_source
from media.base.tasks import Owner
from streams.plane import Plane
from streams.publication import TrackName
from streams.relay.channel import Channel
from streams.relay.exporter import Exporter
from streams.relay.frames import Frame, FrameType, parse_json
from streams.relay.handshake import HANDSHAKE_S, Credentials, HolderHandshake
from streams.relay.link import Link

log = structlog.get_logger(__name__)

MAX_STREAMS = 4096
MAX_CHANNELS = 4096
FAREWELL_S = 1.0
"""How long the servers of channels may take to notice that the link is gone."""

Handler = Callable[[Channel, dict[str, Any]], Awaitable[None]]
"""Serves a channel that another worker opened with a body; the channel is closed when it returns."""


class Holder:
    """One link that another worker opened."""

    def __init__(self, link: Link, plane: Plane, handlers: Mapping[str, Handler], clock: Clock) -> None:
        """Prepare; `greet` begins."""
        self._link = link
        self._plane = plane
        self._handlers = handlers
        self._clock = clock
        self._owner = Owner("relay")
        self._exporters: dict[int, Exporter] = {}
        self._opening: dict[int, asyncio.Task[None]] = {}
        self._channels: dict[int, Channel] = {}
        self._serving: set[asyncio.Task[None]] = set()
        self._handshake: HolderHandshake | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self.is_open = False
        link.on_frame = self._take_proof
        self._on_frame: dict[int, Callable[[dict[str, Any]], None]] = {
            FrameType.OPEN: self._open,
            FrameType.CLOSE: self._close_stream,
            FrameType.WANT: self._want,
            FrameType.KEY: self._key,
            FrameType.CHANNEL_OPEN: self._open_channel,
            FrameType.CHANNEL_MESSAGE: self._channel_message,
            FrameType.CHANNEL_CLOSE: self._close_channel,
        }

    def greet(self, credentials: Credentials, binding: bytes) -> None:
        """Begin the handshake on the connected link; a peer that does not finish it is cut off."""
        self._handshake = HolderHandshake(self._link, credentials, binding)
        self._deadline = asyncio.get_running_loop().call_later(HANDSHAKE_S, self._give_up)

    @property
    def dropped(self) -> int:
        """Return how many packets this peer missed because it did not keep up."""
        return sum(exporter.dropped for exporter in self._exporters.values())

    @property
    def stream_count(self) -> int:
        """Return how many sources are pulled over this link."""
        return len(self._exporters)

    async def aclose(self) -> None:
        """End the link and let everything go. Idempotent."""
        self._link.abort()
        if self._deadline is not None:
            self._deadline.cancel()
        for exporter in self._exporters.values():
            exporter.close()
            self._plane.release(exporter.publication)
        self._exporters.clear()
        for channel in tuple(self._channels.values()):
            channel.ended()
        if self._serving:
            await asyncio.wait(self._serving, timeout=FAREWELL_S)
        await self._owner.aclose()

    def tick(self) -> None:
        """Tell clocks and small changes; called about once a second."""
        for exporter in self._exporters.values():
            exporter.tick()

    def _give_up(self) -> None:
        if not self.is_open:
            log.warning("a relay peer proved nothing in time")
            self._link.abort()

    def _take_proof(self, frame: Frame) -> None:
        assert self._handshake is not None
        self._handshake.take(frame)
        self.is_open = True
        if self._deadline is not None:
            self._deadline.cancel()
        self._link.on_frame = self._take

    def _take(self, frame: Frame) -> None:
        handle = self._on_frame.get(frame.type)
        if handle is None:
            raise RemoteProtocolError("an unexpected relay frame", type=frame.type)
        try:
            handle(parse_json(frame.body))
        except (KeyError, TypeError, ValueError) as error:
            raise RemoteProtocolError("a malformed relay request", type=frame.type) from error

    def _open(self, told: dict[str, Any]) -> None:
        number, source = int(told["stream"]), str(told["source"])
        if number in self._exporters or number in self._opening or len(self._exporters) >= MAX_STREAMS:
            raise RemoteProtocolError("a relay stream cannot be opened", stream=number)
        parse_source(source)
        self._opening[number] = self._owner.start(self._serve(number, SourceId(source)), f"open {source}")

    async def _serve(self, number: int, source: SourceId) -> None:
        try:
            publication = await self._plane.acquire(source, self._plane.slot)
        except HubError as error:
            refusal = {"stream": number, "kind": error.kind.value, "code": error.code, "message": error.message}
            self._link.send_json(FrameType.REFUSED, refusal)
            return
        finally:
            self._opening.pop(number, None)
        self._exporters[number] = Exporter(number, publication, self._link, self._clock)

    def _close_stream(self, told: dict[str, Any]) -> None:
        number = int(told["stream"])
        if (opening := self._opening.pop(number, None)) is not None:
            opening.cancel()
        if (exporter := self._exporters.pop(number, None)) is not None:
            exporter.close()
            self._plane.release(exporter.publication)

    def _want(self, told: dict[str, Any]) -> None:
        exporter = self._exporters.get(int(told["stream"]))
        if exporter is not None:
            exporter.want(TrackName(told["track"]), frozenset(str(rid) for rid in told["rids"][:8]))

    def _key(self, told: dict[str, Any]) -> None:
        exporter = self._exporters.get(int(told["stream"]))
        if exporter is not None:
            exporter.request_key(TrackName(told["track"]), str(told["rid"]))

    def _open_channel(self, told: dict[str, Any]) -> None:
        number, name, body = int(told["channel"]), str(told["name"]), dict(told["body"])
        if number in self._channels or len(self._channels) >= MAX_CHANNELS:
            raise RemoteProtocolError("a relay channel cannot be opened", channel=number)
        channel = self._channels[number] = Channel(self._link, number, self._forget)
        handler = self._handlers.get(name)
        if handler is None:
            channel.close()
        else:
            task = self._owner.start(self._serve_channel(handler, channel, body), f"{name} {number}")
            self._serving.add(task)
            task.add_done_callback(self._serving.discard)

    async def _serve_channel(self, handler: Handler, channel: Channel, body: dict[str, Any]) -> None:
        try:
            await handler(channel, body)
        except HubError as error:
            refusal = {"kind": error.kind.value, "code": error.code, "message": error.message}
            channel.send({"refused": refusal})
        finally:
            channel.close()

    def _forget(self, channel: Channel) -> None:
        self._channels.pop(channel.number, None)

    def _channel_message(self, told: dict[str, Any]) -> None:
        channel = self._channels.get(int(told["channel"]))
        if channel is not None:
            channel.take(dict(told["message"]))

    def _close_channel(self, told: dict[str, Any]) -> None:
        channel = self._channels.get(int(told["channel"]))
        if channel is not None:
            channel.ended()


def source_error(told: Mapping[str, Any]) -> HubError:
    """Return the HubError of a refusal; an unknown kind is UNAVAILABLE."""
    try:
        kind = ErrorKind(str(told.get("kind")))
    except ValueError:
        kind = ErrorKind.UNAVAILABLE
    return HubError(kind, str(told.get("message", "refused")), code=str(told.get("code", kind.value)))
