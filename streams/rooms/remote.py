"""Seats in rooms of other workers: one channel per room, joined again when it breaks, without the page noticing.

Used by `directory`, on the worker's loop; the other end is `gateway`. A broken channel is opened again for as long as
the seats are kept there; then each seat is joined with what it publishes, and told the state anew. Requests under way
when it breaks are refused `worker_unavailable`: nobody knows whether they were done.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Container, Mapping
from typing import Any

import structlog

from media.base.errors import ErrorKind, HubError
from media.base.ids import SourceId
from media.base.tasks import Backoff, Owner
from streams.publication import TrackName
from streams.rooms.audience import BULK
from streams.rooms.gateway import Channel, names_of
from streams.rooms.refusals import Code, error_of
from streams.rooms.room import GRACE_S
from streams.rooms.seat import RoomEvents, RoomPort, RoomSource, SeatClaims

log = structlog.get_logger(__name__)

LEVELS_EVERY_S = 0.1
ANSWER_S = 10.0
"""A request that is not answered by then has failed; pages wait half as long."""

SETTLE_S = 4.0
"""After a break the seats of all workers are back by then. Until then a source that is not told of is only not back
yet; it stays watchable, which lets nothing through: the gates of who sends are set at once."""

_TRY_AGAIN = frozenset({Code.WORKER_UNAVAILABLE, Code.ROOM_NOT_FOUND, Code.TOO_FAST})
"""What a home says while it is being restored."""

OpenChannel = Callable[[str, dict[str, Any]], Awaitable[Channel]]
"""`open(slot, body)`; HubError `worker_unavailable`."""


class RemotePort:
    """A seat in a room of another worker."""

    def __init__(self, outpost: "_Outpost", number: int, claims: SeatClaims, events: RoomEvents) -> None:
        """Speak over `outpost` as seat `number`."""
        self.participant_id = claims.participant_id
        self.claims = claims
        self.events = events
        self.published: frozenset[TrackName] = frozenset()
        self.slot = ""
        self.is_online = True
        self.sources: tuple[RoomSource, ...] = ()
        """What may be watched, as the room said last."""
        self.shown: tuple[RoomSource, ...] = ()
        """The same as the page was told: after a break also what is not back yet."""
        self._outpost = outpost
        self._number = number

    async def snapshot(self) -> dict[str, Any]:
        """Return what the seat sees now."""
        return await self._outpost.ask({"do": "snapshot", "seat": self._number})

    async def command(self, action: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Do something as this seat."""
        return await self._outpost.ask({"do": "command", "seat": self._number, "action": action, "body": dict(body)})

    def report_level(self, name: TrackName, level_dbov: int) -> None:
        """Tell how loud the microphone is: the loudest of a tenth of a second crosses."""
        if name is TrackName.MICROPHONE:
            self._outpost.hear(self._number, level_dbov)

    def report_published(self, names: frozenset[TrackName], slot: str) -> None:
        """Tell what this seat sends."""
        self.published, self.slot = names, slot
        self._outpost.tell({"do": "published", "seat": self._number, "names": sorted(names), "slot": slot})

    def detached(self) -> None:
        """Tell that the page is away."""
        self._turned(is_online=False)

    def attached(self) -> None:
        """Tell that the page is back."""
        self._turned(is_online=True)

    def take_sources(self, sources: tuple[RoomSource, ...], awaited: Container[str] = ()) -> None:
        """Hand on what may be watched, and what was shown before of participants who are `awaited`."""
        self.sources = sources
        back = {each.source for each in sources}
        missing = [each for each in self.shown if each.source not in back and each.participant_id in awaited]
        sources = (*sources, *missing)
        if sources != self.shown:
            self.shown = sources
            self.events.on_sources(sources)

    def _turned(self, *, is_online: bool) -> None:
        self.is_online = is_online
        self._outpost.tell({"do": "turned", "seat": self._number, "is_online": is_online})

    async def leave(self, reason: str = "left") -> None:
        """Give the seat up; when the home does not answer, it expires there."""
        with contextlib.suppress(HubError):
            await self._outpost.ask({"do": "leave", "seat": self._number, "reason": reason})
        self._outpost.drop(self._number)


class _Outpost:
    """One room of another worker, seen from here."""

    def __init__(self, room_id: str, slot: str, open_channel: OpenChannel, on_empty: Callable[[], None]) -> None:
        self.seats: dict[int, RemotePort] = {}
        self._room_id = room_id
        self._slot = slot
        self._open = open_channel
        self._on_empty = on_empty
        self._channel: Channel | None = None
        self._asked: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._number = 0
        self._levels: dict[int, int] = {}
        self._levels_timer: asyncio.TimerHandle | None = None
        self._known: set[str] = set()
        self._owner = Owner(f"outpost of {room_id}")
        self._opening = asyncio.Lock()
        self._backoff = Backoff(first_s=0.2, limit_s=2.0)
        self._lost_s: float | None = None
        self._settling: asyncio.TimerHandle | None = None

    async def aclose(self) -> None:
        await self._owner.aclose()
        for timer in (self._levels_timer, self._settling):
            if timer is not None:
                timer.cancel()
        if self._channel is not None:
            self._channel.close()
        self._fail_asked()

    # Seats.

    async def join(self, claims: SeatClaims, events: RoomEvents) -> RemotePort:
        """Take a seat, over the channel there is or a new one."""
        async with self._opening:
            if self._channel is None and not self.seats:
                self._channel = await self._open(self._slot, {"room_id": self._room_id})
                self._owner.start(self._run(self._channel), "channel")
        self._number += 1
        number = self._number
        port = self.seats[number] = RemotePort(self, number, claims, events)
        try:
            snapshot = await self.ask(self._joining(number, port))
        except BaseException:
            self.drop(number)
            raise
        self._known.update(each["id"] for each in snapshot["participants"])
        return port

    def _joining(self, number: int, port: RemotePort) -> dict[str, Any]:
        names = sorted(port.published)
        return {"do": "join", "seat": number, "claims": port.claims.as_json(), "names": names, "slot": port.slot}

    def drop(self, number: int) -> None:
        """Forget a seat; without any the channel is closed."""
        self.seats.pop(number, None)
        self._levels.pop(number, None)
        if not self.seats:
            if self._channel is not None:
                self._channel.close()
            self._on_empty()

    def _end(self, number: int, code: str) -> None:
        port = self.seats.get(number)
        if port is not None:
            self.drop(number)
            port.events.on_ended(code)

    # To the home.

    async def ask(self, message: dict[str, Any]) -> dict[str, Any]:
        """Send a request and wait for its answer."""
        channel = self._channel
        if channel is None:
            raise error_of(Code.WORKER_UNAVAILABLE, "the room's worker is away")
        self._number += 1
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._asked[self._number] = answer
        number = self._number
        channel.send({**message, "id": number})
        try:
            async with asyncio.timeout(ANSWER_S):
                return await answer
        except TimeoutError:
            raise error_of(Code.WORKER_UNAVAILABLE, "the room's worker does not answer") from None
        finally:
            self._asked.pop(number, None)

    def tell(self, message: dict[str, Any]) -> None:
        """Send what needs no answer; while the channel is broken the next join says it."""
        if self._channel is not None:
            self._channel.send(message)

    def hear(self, number: int, level_dbov: int) -> None:
        """Gather levels."""
        self._levels[number] = min(level_dbov, self._levels.get(number, 127))
        if self._levels_timer is None:
            self._levels_timer = asyncio.get_running_loop().call_later(LEVELS_EVERY_S, self._tell_levels)

    def _tell_levels(self) -> None:
        self._levels_timer = None
        levels, self._levels = self._levels, {}
        self.tell({"do": "levels", "levels": [[number, level] for number, level in levels.items()]})

    # The channel.

    async def _run(self, channel: Channel) -> None:
        """Listen while the channel lasts; open it again while there are seats and the home keeps them."""
        opened: Channel | None = channel
        while opened is not None:
            refusal = await self._listen(opened)
            if refusal is not None and refusal.code not in _TRY_AGAIN:
                self._end_all("room_ended" if refusal.code == Code.ROOM_ENDED else "worker_unavailable")
            if not self.seats:
                return
            opened = await self._reopen()

    async def _listen(self, channel: Channel) -> HubError | None:
        """Take what comes until the channel ends; return why it was refused, if it was."""
        refusal: HubError | None = None
        async for message in channel:
            if "refused" in message:
                refusal = _error_from(message["refused"])
            else:
                self._take(message)
        self._channel = None
        self._fail_asked(refusal)
        return refusal

    def _take(self, message: dict[str, Any]) -> None:
        if "re" in message:
            answer = self._asked.get(message["re"])
            if answer is not None and not answer.done():
                if "error" in message:
                    answer.set_exception(_error_from(message["error"]))
                else:
                    answer.set_result(message["ok"])
            return
        if "message" in message:
            self._note(message["message"])
        value = {key: _READ[key](message[key]) for key in _READ if key in message}
        for number in message["to"]:
            port = self.seats.get(number)
            if port is not None:
                self._hand_on(number, port, value)

    def _hand_on(self, number: int, port: RemotePort, value: dict[str, Any]) -> None:
        match value:
            case {"message": said}:
                port.events.on_message(said)
            case {"allowed": names}:
                port.events.on_allowed(names)
            case {"sources": sources}:
                port.take_sources(sources, self._awaited)
            case {"audible": audible}:
                port.events.on_audible(audible)
            case {"ended": code}:
                self._end(number, code)

    def _note(self, said: dict[str, Any]) -> None:
        """Remember who is there, to tell after a break who has left meanwhile."""
        match said:
            case {"type": "participant", "participant": one}:
                self._known.add(one["id"])
            case {"type": "participants", "participants": some}:
                self._known.update(each["id"] for each in some)
            case {"type": "participant_left", "participant_id": gone}:
                self._known.discard(gone)

    def _fail_asked(self, error: HubError | None = None) -> None:
        for answer in self._asked.values():
            if not answer.done():
                answer.set_exception(error or error_of(Code.WORKER_UNAVAILABLE, "the room's worker went away"))

    def _end_all(self, code: str) -> None:
        for number in tuple(self.seats):
            self._end(number, code)

    # Coming back.

    async def _reopen(self) -> Channel | None:
        """Open the channel again and see to the seats; None when it took too long for them."""
        loop = asyncio.get_running_loop()
        self._lost_s = loop.time() if self._lost_s is None else self._lost_s
        while self.seats and loop.time() - self._lost_s < GRACE_S:
            await asyncio.sleep(self._backoff.next_s())
            with contextlib.suppress(HubError):
                channel = await self._open(self._slot, {"room_id": self._room_id})
                self._channel = channel
                self._owner.start(self._rejoin_all(channel), "rejoin")
                return channel
        log.warning("a room's worker did not come back", room=self._room_id, slot=self._slot)
        self._end_all("worker_unavailable")
        return None

    async def _rejoin_all(self, channel: Channel) -> None:
        """Take every seat up again; when the home is not ready, give the channel up and try again."""
        present: set[str] = set()
        for number, port in tuple(self.seats.items()):
            try:
                snapshot = await self.ask(self._joining(number, port))
            except HubError as error:
                if error.code in _TRY_AGAIN:
                    channel.close()
                    return
                self._end(number, "room_ended" if error.code == Code.ROOM_ENDED else "worker_unavailable")
                continue
            present = {each["id"] for each in snapshot["participants"]}
            self._tell_anew(port.events, snapshot, self._known - present)
            if not port.is_online:
                port.detached()
        self._known = present
        self._lost_s = None
        self._backoff.reset()
        if self._settling is not None:
            self._settling.cancel()
        self._settling = asyncio.get_running_loop().call_later(SETTLE_S, self._settled)
        self._look_again()

    def _settled(self) -> None:
        """Let go what did not come back."""
        self._settling = None
        self._look_again()

    def _look_again(self) -> None:
        for port in tuple(self.seats.values()):
            port.take_sources(port.sources, self._awaited)

    @property
    def _awaited(self) -> Container[str]:
        """Return whose sources may be missing only because not everybody is back yet after a break."""
        return self._known if self._lost_s is not None or self._settling is not None else ()

    @staticmethod
    def _tell_anew(events: RoomEvents, snapshot: dict[str, Any], gone: set[str]) -> None:
        for seat_id in gone:
            events.on_message({"type": "participant_left", "participant_id": seat_id, "reason": "left"})
        for first in range(0, len(snapshot["participants"]), BULK):
            some = snapshot["participants"][first : first + BULK]
            events.on_message({"type": "participants", "participants": some})
        events.on_message({"type": "room", "room": snapshot["room"]})


_READ: Mapping[str, Callable[[Any], Any]] = {
    "message": lambda message: message,
    "allowed": names_of,
    "sources": lambda sources: tuple(_source_from(each) for each in sources),
    "audible": lambda sources: tuple(SourceId(each) for each in sources),
    "ended": str,
}


def _source_from(value: list[Any]) -> RoomSource:
    return RoomSource(SourceId(value[0]), value[1], value[2], names_of(value[3]), value[4])


def _error_from(value: dict[str, Any]) -> HubError:
    return HubError(ErrorKind(value["kind"]), value["message"], code=value["code"], **value["context"])


class OtherWorkers:
    """The way to the rooms of other workers."""

    def __init__(self, open_channel: OpenChannel) -> None:
        """Open channels by `open_channel(slot, body)`."""
        self._open = open_channel
        self._outposts: dict[tuple[str, str], _Outpost] = {}
        self._owner = Owner("outposts")

    async def join(self, claims: SeatClaims, events: RoomEvents) -> RoomPort:
        """Take a seat in a room whose home is `claims.home_slot`."""
        key = (claims.home_slot, claims.room_id)
        outpost = self._outposts.get(key)
        if outpost is None:
            outpost = self._outposts[key] = _Outpost(
                claims.room_id, claims.home_slot, self._open, lambda: self._empty(key)
            )
        try:
            return await outpost.join(claims, events)
        finally:
            if not outpost.seats:
                self._empty(key)

    def _empty(self, key: tuple[str, str]) -> None:
        outpost = self._outposts.pop(key, None)
        if outpost is not None:
            self._owner.start(outpost.aclose(), "close")

    async def aclose(self) -> None:
        """End every channel; the seats expire at their homes unless they come back."""
        outposts, self._outposts = tuple(self._outposts.values()), {}
        for outpost in outposts:
            await outpost.aclose()
        await self._owner.aclose()
