"""One meeting at work: commands in, one after another; each accepted one on disk before anybody hears of it.

The actor of a room on its home worker, on the worker's loop, held by `directory`. What may happen decides `machine`,
what follows for media `policy`; who is told what, `audience`. Commands that wait together are written together, so
that a slow disk makes a meeting slower and not wrong. A failure of one receiver or of one command ends there.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from media.base.clock import Clock
from media.base.errors import HubError
from media.base.ids import SourceId
from media.base.tasks import Backoff, Owner, run_supervised
from streams.publication import TrackName
from streams.rooms.attendance import Attendance
from streams.rooms.audience import Audience, Link
from streams.rooms.commands import OF_THE_ROOM, SYSTEM, Action, Command, parse
from streams.rooms.effects import Accepted
from streams.rooms.journal import Journal, JournalEntry
from streams.rooms.machine import apply
from streams.rooms.refusals import Code, Refusal, Refused, error_of
from streams.rooms.seat import RoomEvents, RoomSource, SeatClaims
from streams.rooms.speakers import Hearing, Speakers
from streams.rooms.values import Phase, RoomState, SeatKind

log = structlog.get_logger(__name__)

GRACE_S = 60.0
"""How long a seat is kept for somebody whose page is away."""

INBOX_LIMIT = 2000
"""Commands waiting; more are refused `too_fast`."""

LISTEN_EVERY_S = 0.125
"""How often the voices are weighed; told every second time: at most 4 a second."""


@dataclass(slots=True)
class _Asked:
    """A command on its way, and what waits for it."""

    command: Command
    answer: asyncio.Future[dict[str, Any]] | None
    link: Link | None = None
    """Who begins to listen with it."""


@dataclass(frozen=True, slots=True)
class _Step:
    """A command that was accepted but not announced."""

    asked: _Asked
    old: RoomState
    accepted: Accepted
    at_us: int


@dataclass(frozen=True, slots=True)
class RoomWorld:
    """What a room needs of its worker. `on_change(room)` is called after every change of state or sources."""

    slot: str
    clock: Clock
    on_change: Callable[["Room"], None]


class Room:
    """The actor. `state` is what has been announced."""

    def __init__(self, state: RoomState, journal: Journal, attendance: Attendance, world: RoomWorld) -> None:
        """Go on from `state`, which stands in the journal."""
        self.state = state
        self.journal = journal
        self.attendance = attendance
        self._world = world
        self._ahead = state
        self._inbox: deque[_Asked] = deque()
        self._wake = asyncio.Event()
        self._owner = Owner(f"room {state.id}")
        self._audience = Audience(state, world.slot, self._guard)
        self._speakers = Speakers()
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._telling: asyncio.TimerHandle | None = None
        self._told_s = float("-inf")
        self._listening: asyncio.TimerHandle | None = None
        self._is_second_look = False
        self._told_voices: tuple[str | None, dict[str, int]] = (None, {})
        self.last_us = 0
        self.refused = 0

    @property
    def is_ended(self) -> bool:
        """Tell whether it is over."""
        return self.state.phase is Phase.ENDED

    @property
    def links(self) -> Mapping[str, Link]:
        """Return who listens."""
        return self._audience.links

    def start(self) -> None:
        """Begin to work; who sat there before a restart has a minute to come back."""
        for seat in self.state.seats.values():
            if seat.kind is not SeatKind.CAMERA:
                if seat.is_online:
                    self._tell(Command(Action.DETACH, SYSTEM, {"target": seat.id}))
                self._await_return(seat.id)
        self._owner.start(run_supervised(f"room {self.state.id}", self._work, Backoff(limit_s=5.0)), "commands")

    async def aclose(self) -> None:
        """Stop working; the state stays in the journal."""
        await self._owner.aclose()
        for timer in (*self._timers.values(), self._telling, self._listening):
            if timer is not None:
                timer.cancel()
        code = Code.ROOM_ENDED if self.is_ended else Code.WORKER_UNAVAILABLE
        while self._inbox:
            _fail(self._inbox.popleft(), error_of(code, "the room does nothing more"))

    async def join(
        self, claims: SeatClaims, events: RoomEvents, names: frozenset[TrackName] = frozenset(), slot: str = ""
    ) -> Link:
        """Seat somebody who sends `names` already, or take up the seat; return the link that listens from then on."""
        body: dict[str, Any] = {"target": claims.participant_id, "name": claims.display_name, "venue": claims.venue}
        body |= {"kind": claims.kind.value, "role": claims.role.value, "head_count": claims.head_count}
        body |= {"user_id": claims.user_id, "org_id": claims.org_id, "org_name": claims.org_name}
        link = Link(claims.participant_id, events, names, slot)
        await self._ask(self._parsed(Action.JOIN, SYSTEM, body), link)
        return link

    async def act(self, action: str, by: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Do something as somebody in the room, or as `system`; HubError with a code of SIGNALING.md."""
        command = self._parsed(action, by, body)
        if by != SYSTEM and command.action in OF_THE_ROOM:
            raise error_of(Code.BAD_MESSAGE, "no such action")
        return await self._ask(command)

    async def configure(self, config: Mapping[str, Any]) -> None:
        """Take over an arrangement; nothing happens when it is the one there is."""
        command = self._parsed(Action.CONFIGURE, SYSTEM, config)
        outcome = apply(self._ahead, command, self.last_us)
        if isinstance(outcome, Accepted) and outcome.state.config == self._ahead.config:
            return
        await self._ask(command)

    async def leave(self, link: Link, reason: str) -> None:
        """Give a seat up, if it still is this link's."""
        if self.links.get(link.seat_id) is link:
            with contextlib.suppress(HubError):
                await self._ask(Command(Action.LEAVE, SYSTEM, {"target": link.seat_id, "reason": reason}))

    def turned(self, link: Link, *, is_online: bool) -> None:
        """Take note that a page is away, or back."""
        if self.links.get(link.seat_id) is link:
            self._tell(Command(Action.RECONNECT if is_online else Action.DETACH, SYSTEM, {"target": link.seat_id}))

    def publishes(self, link: Link, names: frozenset[TrackName], slot: str) -> None:
        """Take note of what a seat sends; a screen is a claim to the content, and its end gives it back."""
        if self.links.get(link.seat_id) is not link:
            return
        had_screen, has_screen = TrackName.SCREEN in link.published, TrackName.SCREEN in names
        self._audience.publishes(link, names, slot)
        if has_screen and not had_screen and self._ahead.content != link.seat_id:
            self._tell(Command(Action.SHARE_START, link.seat_id))
        if had_screen and not has_screen:
            self._tell(Command(Action.SHARE_STOP, link.seat_id))
        self._rank()
        self._announce_soon()

    def hear(self, link: Link, name: TrackName, level_dbov: int) -> None:
        """Take a level of a microphone that may be heard."""
        if name is TrackName.MICROPHONE and link.allowed is not None and name in link.allowed:
            self._speakers.hear(link.seat_id, level_dbov, self._world.clock.mono_ns())
            if self._listening is None:
                self._listening = asyncio.get_running_loop().call_later(LISTEN_EVERY_S, self._listen)

    def snapshot(self, seat_id: str) -> dict[str, Any]:
        """Return what a seat sees now; HubError `not_in_room` when there is no such seat."""
        if seat_id not in self.state.seats:
            raise error_of(Code.NOT_IN_ROOM, "no seat in this room")
        return self._audience.snapshot(seat_id)

    @property
    def sources(self) -> tuple[RoomSource, ...]:
        """Return what may be watched in the room, as told last."""
        return self._audience.sources

    def figures(self) -> dict[str, Any]:
        """Return what an operator or the placement of rooms wants to know."""
        people = [seat for seat in self.state.seats.values() if seat.kind is not SeatKind.CAMERA]
        return {
            "room_id": self.state.id,
            "seq": self.state.version,
            "people": len(people),
            "online": sum(seat.is_online for seat in people),
            "cameras": len(self.state.seats) - len(people),
            "sources": len(self.sources),
            "chair": self.state.chair,
            "is_recording": self.state.recording_since_us is not None,
            "refused": self.refused,
            "journal_failures": self.journal.failures,
            "last_at_wall_us": self.last_us,
        }

    # Commands.

    @staticmethod
    def _parsed(action: str, by: str, body: Mapping[str, Any]) -> Command:
        try:
            return parse(action, by, body)
        except Refused as refused:
            raise refused.refusal.as_error() from None

    async def _ask(self, command: Command, link: Link | None = None) -> dict[str, Any]:
        if self.is_ended:
            raise error_of(Code.ROOM_ENDED, "the room has ended")
        if len(self._inbox) >= INBOX_LIMIT:
            raise error_of(Code.TOO_FAST, "too many commands wait")
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._inbox.append(_Asked(command, answer, link))
        self._wake.set()
        return await answer

    def _tell(self, command: Command) -> None:
        """Do something nobody waits for."""
        if not self.is_ended:
            self._inbox.append(_Asked(command, None))
            self._wake.set()

    async def _work(self) -> None:
        while not self.is_ended:
            await self._wake.wait()
            self._wake.clear()
            batch = tuple(self._inbox)
            self._inbox.clear()
            try:
                await self._do(batch)
            finally:
                for asked in batch:
                    _fail(asked, error_of(Code.INTERNAL, "the room could not do this"))
        await asyncio.Event().wait()  # until the directory lets it go

    async def _do(self, batch: tuple[_Asked, ...]) -> None:
        """Decide, write, announce; a room that has ended while a command waited refuses it."""
        steps = [step for asked in batch if (step := self._decide(asked)) is not None]
        if not steps:
            return
        entries = [JournalEntry(s.accepted.state.version, s.at_us, s.asked.command) for s in steps]
        await self.journal.append(entries)
        for step in steps:
            with self._guard(step.asked.command.by):
                self._announce(step)
        self._rank()
        self._announce_soon()
        self._world.on_change(self)

    def _decide(self, asked: _Asked) -> _Step | None:
        now_us = self._now_us()
        try:
            outcome = apply(self._ahead, asked.command, now_us)
        except Exception:
            log.exception("a command failed", room=self.state.id, action=asked.command.action.value)
            return None
        if isinstance(outcome, Refusal):
            self.refused += asked.answer is not None
            self._refuse(asked, outcome)
            return None
        step = _Step(asked, self._ahead, outcome, now_us)
        self._ahead = outcome.state
        return step

    def _refuse(self, asked: _Asked, refusal: Refusal) -> None:
        _fail(asked, refusal.as_error())
        if asked.command.action is Action.SHARE_START and asked.answer is None:
            notice = {"type": "notice", "code": refusal.code.value, "message": refusal.message}
            self._audience.send(asked.command.by, notice)

    def _now_us(self) -> int:
        """Return the room's time: wall time that never goes back."""
        self.last_us = max(self.last_us, self._world.clock.wall_us())
        return self.last_us

    # Announcing.

    def _announce(self, step: _Step) -> None:
        old, new = step.old, step.accepted.state
        self.state = new
        self._audience.follow(old, new, step.accepted.effects)
        self.attendance.follow(old, new, step.at_us)
        if step.asked.link is not None:
            self._attach(step.asked.link)
        self._watch_seats(old, new)
        if step.asked.answer is not None and not step.asked.answer.done():
            step.asked.answer.set_result(dict(step.accepted.answer))
        self._let_go(step)

    def _attach(self, link: Link) -> None:
        former = self._audience.attach(link)
        if former is not None and former.events is not link.events:
            with self._guard(link.seat_id):
                former.events.on_ended("replaced")
        if self._ahead.content == link.seat_id and TrackName.SCREEN not in link.published:
            self._tell(Command(Action.SHARE_STOP, link.seat_id))  # the page that shared is gone

    def _watch_seats(self, old: RoomState, new: RoomState) -> None:
        """Start and stop the minute of grace."""
        for seat in new.seats.values():
            if old.seats.get(seat.id) is not seat:
                if not seat.is_online:
                    self._await_return(seat.id)
                elif (timer := self._timers.pop(seat.id, None)) is not None:
                    timer.cancel()

    def _await_return(self, seat_id: str) -> None:
        if seat_id not in self._timers:
            self._timers[seat_id] = asyncio.get_running_loop().call_later(GRACE_S, self._expire, seat_id)

    def _expire(self, seat_id: str) -> None:
        self._timers.pop(seat_id, None)
        self._tell(Command(Action.EXPIRE, SYSTEM, {"target": seat_id}))

    def _let_go(self, step: _Step) -> None:
        """End the links of seats that are no more."""
        if len(step.accepted.state.seats) >= len(step.old.seats) and step.accepted.state.phase is Phase.OPEN:
            return
        if self.is_ended:
            self._audience.flush()
        code = {Action.REMOVE: "removed", Action.REJECT: "rejected", Action.EXPIRE: "expired", Action.END: "room_ended"}
        for seat_id in step.old.seats.keys() - step.accepted.state.seats.keys():
            if (timer := self._timers.pop(seat_id, None)) is not None:
                timer.cancel()
            self._speakers.forget(seat_id)
            link = self._audience.drop(seat_id)
            if link is not None:
                with self._guard(seat_id):
                    link.events.on_ended(code.get(step.asked.command.action, "left"))

    def _announce_soon(self) -> None:
        """Tell what changed: now, or when the last telling is long enough ago."""
        if self._telling is not None or not self._audience.is_dirty:
            return
        loop = asyncio.get_running_loop()
        wait_s = self._told_s + self._audience.pause_s - loop.time()
        if wait_s <= 0:
            self._tell_all()
        else:
            self._telling = loop.call_later(wait_s, self._tell_all)

    def _tell_all(self) -> None:
        self._telling = None
        self._told_s = asyncio.get_running_loop().time()
        has_other_sources = self._audience.flush()
        self._rank()
        if has_other_sources and not self.is_ended:
            self._world.on_change(self)

    # Voices.

    def _rank(self) -> Hearing:
        """Choose anew who is heard, now that rights or microphones have changed."""
        hearing = self._speakers.pick(
            self._audience.open_microphones(), self.state.config.audio_loudest, self._world.clock.mono_ns()
        )
        cameras = self._audience.open_cameras
        people = tuple(SourceId(self.state.seats[seat_id].source) for seat_id in hearing.ranking)
        self._audience.rank((*cameras, *people)[: self.state.config.audio_loudest + 1])
        return hearing

    def _listen(self) -> None:
        """Weigh the voices, and tell who speaks; rests when all are silent."""
        self._listening = None
        hearing = self._rank()
        self._is_second_look = not self._is_second_look
        told = (hearing.active, hearing.levels)
        if self._is_second_look and told != self._told_voices:
            self._told_voices = told
            loudest = dict(sorted(hearing.levels.items(), key=lambda item: -item[1])[:16])
            self._audience.send_all({"type": "speakers", "active": hearing.active, "levels": loudest})
        if not self.is_ended and (hearing.levels or told != self._told_voices):
            self._listening = asyncio.get_running_loop().call_later(LISTEN_EVERY_S, self._listen)

    def _guard(self, seat_id: str) -> "_Guard":
        """Let a receiver's failure end with the receiver."""
        return _Guard(self.state.id, seat_id)


class _Guard:
    """A context in which an unknown exception ends, logged."""

    __slots__ = ("_room_id", "_seat_id")

    def __init__(self, room_id: str, seat_id: str) -> None:
        self._room_id = room_id
        self._seat_id = seat_id

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool:
        if not isinstance(error, Exception):
            return False
        log.error("a seat could not be told", room=self._room_id, seat=self._seat_id, exc_info=error)
        return True


def _fail(asked: _Asked, error: HubError) -> None:
    if asked.answer is not None and not asked.answer.done():
        asked.answer.set_exception(error)
