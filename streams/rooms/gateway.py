"""The home side of seats on other workers: one channel per room and worker, many seats on it.

Served by the relay through `serve`, on the worker's loop. A message for many seats of one worker crosses once, with
the numbers of the seats. Nothing is queued here beyond a turn of the loop: a worker that does not read loses its link,
its seats are away for the minute of grace, and it joins them again with the state anew.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Protocol

import structlog

from media.base.errors import HubError
from media.base.ids import SourceId
from media.base.tasks import Owner
from streams.publication import TrackName
from streams.rooms.audience import Link
from streams.rooms.commands import PAGE_ACTIONS
from streams.rooms.refusals import Code, error_of
from streams.rooms.room import Room
from streams.rooms.seat import RoomSource, SeatClaims

log = structlog.get_logger(__name__)

CHANNEL_NAME = "room"
IN_FLIGHT = 512
"""Requests of one worker under way at once."""


class Channel(Protocol):
    """What the relay gives: messages both ways until it ends, with the link or by `close`."""

    def send(self, message: dict[str, Any]) -> None:
        """Send a message; silently nothing once closed."""
        ...

    def close(self) -> None:
        """Close both ends. Idempotent."""
        ...

    def __aiter__(self) -> AsyncIterator[dict[str, Any]]:
        """Iterate over what comes, until the channel ends."""
        ...


def error_json(error: HubError) -> dict[str, Any]:
    """Return an error as it crosses a channel."""
    return {"kind": error.kind.value, "code": error.code, "message": error.message, "context": dict(error.context)}


def source_json(source: RoomSource) -> list[Any]:
    """Return a source as it crosses a channel."""
    return [source.source, source.slot, source.participant_id, sorted(source.tracks), source.is_visible]


class _Post:
    """What goes to one worker: gathered for a turn, the same thing for several seats once."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._waiting: list[tuple[list[int], str, Any]] = []
        self._flush: asyncio.Handle | None = None

    def put(self, seat: int, what: str, value: Any) -> None:
        if self._waiting and self._waiting[-1][1] == what and self._waiting[-1][2] is value:
            self._waiting[-1][0].append(seat)
        else:
            self._waiting.append(([seat], what, value))
        if self._flush is None:
            self._flush = asyncio.get_running_loop().call_soon(self.flush)

    def flush(self) -> None:
        if self._flush is not None:
            self._flush.cancel()
            self._flush = None
        waiting, self._waiting = self._waiting, []
        for seats, what, value in waiting:
            self._channel.send({"to": seats, what: _WRITTEN[what](value)})

    def answer(self, message: dict[str, Any]) -> None:
        """Send an answer behind everything that was told before it."""
        self.flush()
        self._channel.send(message)


_WRITTEN: Mapping[str, Callable[[Any], Any]] = {
    "message": lambda message: message,
    "allowed": sorted,
    "sources": lambda sources: [source_json(source) for source in sources],
    "audible": list,
    "ended": lambda code: code,
}


class _RemoteEvents:
    """The ear of one seat on another worker."""

    def __init__(self, post: _Post, seat: int) -> None:
        self._post = post
        self._seat = seat

    def on_message(self, message: Mapping[str, Any]) -> None:
        self._post.put(self._seat, "message", message)

    def on_allowed(self, names: frozenset[TrackName]) -> None:
        self._post.put(self._seat, "allowed", names)

    def on_sources(self, sources: tuple[RoomSource, ...]) -> None:
        self._post.put(self._seat, "sources", sources)

    def on_audible(self, sources: tuple[SourceId, ...]) -> None:
        self._post.put(self._seat, "audible", sources)

    def on_ended(self, code: str) -> None:
        self._post.put(self._seat, "ended", code)


class _Branch:
    """The seats of one room on one other worker, as long as its channel lasts."""

    def __init__(self, room: Room, channel: Channel) -> None:
        self._room = room
        self._channel = channel
        self._post = _Post(channel)
        self._links: dict[int, Link] = {}
        self._owner = Owner(f"branch of {room.state.id}")

    async def run(self) -> None:
        try:
            async for message in self._channel:
                self._take(message)
        finally:
            await self._owner.aclose()
            for link in self._links.values():
                self._room.turned(link, is_online=False)

    def _take(self, message: dict[str, Any]) -> None:
        if "id" in message:
            if len(self._owner) >= IN_FLIGHT:
                refusal = error_of(Code.TOO_FAST, "too much under way")
                self._post.answer({"re": message["id"], "error": error_json(refusal)})
            else:
                self._owner.start(self._answer(message), str(message["do"]))
            return
        if message["do"] == "levels":
            for seat, level_dbov in message["levels"]:
                if (link := self._links.get(seat)) is not None:
                    self._room.hear(link, TrackName.MICROPHONE, level_dbov)
            return
        link = self._links.get(message["seat"])
        if link is not None and message["do"] == "published":
            self._room.publishes(link, names_of(message["names"]), message["slot"])
        elif link is not None and message["do"] == "turned":
            self._room.turned(link, is_online=message["is_online"])

    async def _answer(self, message: dict[str, Any]) -> None:
        try:
            result = await self._do(message)
        except HubError as error:
            self._post.answer({"re": message["id"], "error": error_json(error)})
        else:
            self._post.answer({"re": message["id"], "ok": result})

    async def _do(self, message: dict[str, Any]) -> dict[str, Any]:
        seat = message["seat"]
        if message["do"] == "join":
            return await self._join(seat, message)
        link = self._links.get(seat)
        if link is None or self._room.links.get(link.seat_id) is not link:
            raise error_of(Code.ROOM_ENDED if self._room.is_ended else Code.NOT_IN_ROOM, "this seat is no longer yours")
        match message["do"]:
            case "command":
                if message["action"] not in PAGE_ACTIONS:
                    raise error_of(Code.BAD_MESSAGE, "no such action")
                return await self._room.act(message["action"], link.seat_id, message["body"])
            case "snapshot":
                return self._room.snapshot(link.seat_id)
            case "leave":
                await self._room.leave(link, message["reason"])
                return {}
            case _:
                raise error_of(Code.INTERNAL, "the workers are of different versions")

    async def _join(self, seat: int, message: dict[str, Any]) -> dict[str, Any]:
        """Seat somebody; the snapshot answers, so that whoever joins again knows what it missed."""
        claims = SeatClaims.parse(message["claims"])
        events = _RemoteEvents(self._post, seat)
        link = await self._room.join(claims, events, names_of(message["names"]), message["slot"])
        self._links[seat] = link
        return self._room.snapshot(link.seat_id)


def names_of(names: list[str]) -> frozenset[TrackName]:
    """Return track names as they came over a channel."""
    return frozenset(TrackName(name) for name in names)


async def serve(find: Callable[[str], Room], channel: Channel, body: Mapping[str, Any]) -> None:
    """Serve one channel of another worker until it ends; `find` returns an open room or raises HubError."""
    try:
        room = find(str(body.get("room_id", "")))
    except HubError as error:
        channel.send({"refused": error_json(error)})
        channel.close()
        return
    await _Branch(room, channel).run()
