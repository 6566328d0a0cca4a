"""Events for browsers (SSE): heard once from the shared state, handed to every listener who may know.

`EventHub.run` is a background task of the api process. Each listener has a bounded queue; one too slow loses the
oldest events, counted, and is told to read everything again (`resync`). Holds no history.
"""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import structlog

from api.auth.principal import Principal
from api.auth.verbs import Verb
from api.context import ApiContext
from api.control.metrics import Metrics
from api.db import cameras
from api.services import rooms
from api.services.cameras import NOT_SHOWN
from api.services.presence import is_stale, told
from api.services.principals import Login, load
from api.services.room_access import RoomView, role_of
from api.state import Message
from api.state.channels import ALARM_CHANNEL, CALL_CHANNEL, ROOM_CHANNEL, SESSION_CHANNEL, STATUS_CHANNEL
from api.state.messages import CONNECTED
from media.base.errors import ErrorKind, HubError

log = structlog.get_logger(__name__)

CHANNELS = (STATUS_CHANNEL, ALARM_CHANNEL, SESSION_CHANNEL, ROOM_CHANNEL, CALL_CHANNEL)
CALL_EVENTS = frozenset({"call_ringing", "call_accepted", "call_ended"})
QUEUE_ITEMS = 512
CHECK_EVERY_S = 2.0
PING_EVERY_S = 15.0
PLACES_FRESH_S = 5.0
SILENCE_EVERY_S = 2.0
LISTENERS_EACH = 64
"""Event streams of one account at once: a control room shares one, each screen has a few tabs."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event; of a camera or a room, for one user, or for everybody."""

    name: str
    data: dict[str, Any]
    camera_id: str | None = None
    user_id: str | None = None
    room_id: str | None = None

    def encoded(self) -> bytes:
        """Return the event in the format of `text/event-stream`."""
        return f"event: {self.name}\ndata: {json.dumps(self.data, ensure_ascii=False)}\n\n".encode()


class Listener:
    """One open event stream."""

    def __init__(self, principal: Principal) -> None:
        """Listen for `principal`, as far as its rights go."""
        self.principal = principal
        self._queue: deque[Event] = deque()
        self._wake = asyncio.Event()
        self.dropped = 0

    def put(self, event: Event) -> None:
        """Queue an event; drops the oldest when full."""
        if len(self._queue) >= QUEUE_ITEMS:
            self._queue.clear()
            self.dropped += 1
            event = Event("resync", {})
        self._queue.append(event)
        self._wake.set()

    def wake(self) -> None:
        """Let `get` return without an event."""
        self._wake.set()

    async def get(self, timeout_s: float) -> Event | None:
        """Return the next event, or None after `timeout_s` without one."""
        if not self._queue:
            self._wake.clear()
            try:
                async with asyncio.timeout(timeout_s):
                    await self._wake.wait()
            except TimeoutError:
                return None
        return self._queue.popleft() if self._queue else None


class EventHub:
    """Hears and hands on."""

    def __init__(self, ctx: ApiContext, metrics: Metrics) -> None:
        """Hear from the state of `ctx`."""
        self._ctx = ctx
        self._metrics = metrics
        self._listeners: set[Listener] = set()
        self._silent: frozenset[str] = frozenset()
        self._places: dict[str, str] = {}
        self._places_at_ns: int | None = None
        self._is_closing = False

    def close(self) -> None:
        """End every stream now: the process is about to stop, and an open stream would hold up its end."""
        self._is_closing = True
        for listener in self._listeners:
            listener.wake()

    async def run(self) -> None:
        """Hear for ever; after each reconnection listeners are told to read everything again."""
        async for message in self._ctx.state.listen(*CHANNELS):
            event = event_of(message)
            if event is not None and self._listeners:
                await self._hand_on(event)

    async def watch_silence(self) -> None:
        """Tell for ever of cameras whose worker has fallen silent, or speaks again: nobody else announces that."""
        while True:
            await asyncio.sleep(SILENCE_EVERY_S)
            if not self._listeners:
                self._silent = frozenset()
                continue
            try:
                statuses = await told(self._ctx)
            except HubError:
                continue
            silent = frozenset(camera_id for camera_id, status in statuses.items() if is_stale(status))
            for camera_id in sorted(silent ^ self._silent):
                if camera_id in statuses:
                    await self._hand_on(status_event(camera_id, statuses[camera_id]))
            self._silent = silent

    async def _hand_on(self, event: Event) -> None:
        path = await self._place(event.camera_id) if event.camera_id else None
        room = await self._room(event.room_id) if event.room_id else None
        for listener in tuple(self._listeners):
            if _may_know(listener.principal, event, path, room):
                before = listener.dropped
                listener.put(event)
                self._metrics.events_dropped.inc(listener.dropped - before)

    async def _room(self, room_id: str) -> RoomView | None:
        try:
            return await rooms.find(self._ctx, room_id)
        except HubError:
            return None

    async def _place(self, camera_id: str) -> str | None:
        now_ns = self._ctx.clock.mono_ns()
        is_stale = self._places_at_ns is None or now_ns - self._places_at_ns > PLACES_FRESH_S * 1e9
        if is_stale or camera_id not in self._places:
            try:
                async with self._ctx.db.read() as connection:
                    self._places = await cameras.places(connection)
                self._places_at_ns = now_ns
            except HubError:
                log.warning("events are sorted by an old picture of the cameras, the database is away")
        return self._places.get(camera_id)

    def check_room(self, principal: Principal) -> None:
        """Raise HubError EXHAUSTED `too_many_streams` when the person listens too often already."""
        mine = sum(listener.principal.user_id == principal.user_id for listener in self._listeners)
        if mine >= LISTENERS_EACH:
            raise HubError(ErrorKind.EXHAUSTED, "too many streams", code="too_many_streams", limit=LISTENERS_EACH)

    async def stream(self, principal: Principal) -> AsyncIterator[bytes]:
        """Yield the events of one listener until its log-in ends."""
        listener = Listener(principal)
        self._listeners.add(listener)
        self._metrics.listeners.set(len(self._listeners))
        try:
            yield b"retry: 3000\n\n" + Event("ready", {}).encoded()
            async for piece in self._until_revoked(listener):
                yield piece
        finally:
            self._listeners.discard(listener)
            self._metrics.listeners.set(len(self._listeners))

    async def _until_revoked(self, listener: Listener) -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        checked_s = pinged_s = loop.time()
        while not self._is_closing:
            event = await listener.get(CHECK_EVERY_S)
            now_s = loop.time()
            if now_s - checked_s >= CHECK_EVERY_S:
                checked_s = now_s
                if not await self._still_stands(listener):
                    yield Event("session.revoked", {"reason": "login_ended"}).encoded()
                    return
            if event is not None:
                yield event.encoded()
            if now_s - pinged_s >= PING_EVERY_S:
                pinged_s = now_s
                yield Event("ping", {}).encoded()

    async def _still_stands(self, listener: Listener) -> bool:
        """Tell whether the log-in still stands; takes over today's rights. Without a database nothing is concluded."""
        mine = listener.principal
        try:
            present = await load(self._ctx, Login(mine.user_id, mine.session_id))
        except HubError:
            return True
        if present is not None:
            listener.principal = present
        return present is not None


def event_of(message: Message) -> Event | None:
    """Return the event a message stands for, or None for one that is malformed."""
    data = message.data
    camera_id = data.get("id") or data.get("camera_id")
    if message.channel == CONNECTED:
        return Event("resync", {})
    if message.channel == STATUS_CHANNEL and isinstance(camera_id, str) and isinstance(data.get("status"), dict):
        return status_event(camera_id, data["status"])
    if message.channel == ALARM_CHANNEL:
        return Event("recording.alarm", data, camera_id=camera_id if isinstance(camera_id, str) else None)
    if message.channel == SESSION_CHANNEL and isinstance(data.get("user_id"), str):
        return Event("session.revoked", data, user_id=data["user_id"])
    if message.channel == ROOM_CHANNEL and isinstance(data.get("room_id"), str):
        return Event("room_changed", data, room_id=data["room_id"])
    if message.channel == CALL_CHANNEL and isinstance(data.get("user_id"), str) and data.get("event") in CALL_EVENTS:
        shown = {key: value for key, value in data.items() if key not in {"user_id", "event"}}
        return Event(data["event"], shown, user_id=data["user_id"])
    return None


def status_event(camera_id: str, status: dict[str, Any]) -> Event:
    """Return the event of a camera's state."""
    shown = {key: value for key, value in status.items() if key not in NOT_SHOWN}
    return Event("camera.status", {"id": camera_id, "status": shown}, camera_id=camera_id)


def _may_know(principal: Principal, event: Event, path: str | None, room: RoomView | None) -> bool:
    if event.user_id is not None:
        return principal.user_id == event.user_id
    if event.room_id is not None:
        return room is not None and role_of(room, principal) is not None
    if event.camera_id is not None:
        return path is not None and principal.may(Verb.CAMERA_READ, path, event.camera_id)
    return event.name == "resync" or Verb.STORAGE_READ in principal.verbs
