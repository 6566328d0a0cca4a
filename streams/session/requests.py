"""What a page asks of its session, message by message: judged, done, answered.

Part of `session`, on the worker's loop. One message is worked on at a time; only `subscribe` waits beside the others.
Every request is answered exactly once. Whatever goes wrong with a message ends with its answer; who sends too much is
refused, and at last closed.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, Protocol

import structlog

from media.base.clock import Clock, rfc3339
from media.base.errors import ErrorKind, HubError
from media.base.ids import SourceId
from media.base.tasks import Owner
from streams.publication import TrackName
from streams.rooms.seat import RoomPort
from streams.session import messages as page
from streams.session.codes import code_of
from streams.session.events import Ok, Pong, Published, Refused, SlotsAnswer
from streams.session.grants import Grants
from streams.session.identity import Grant, Identity
from streams.session.rate import MessageRate
from streams.session.sending import Sending
from streams.session.sources import Sources
from streams.session.watching import Watching
from streams.session.wire import parse_message, request_id, to_wire
from streams.webrtc.layers import Wish

log = structlog.get_logger(__name__)

REPORT_EVERY_NS = 5_000_000_000


class RequestHost(Protocol):
    """What requests need of their session."""

    name: str
    identity: Identity
    owner: Owner
    sources: Sources
    watching: Watching
    sending: Sending | None
    room: RoomPort | None
    grants: Grants
    me: Mapping[str, Any]
    ending: str

    def say(self, message: Mapping[str, Any]) -> None:
        """Send a message to the page."""
        ...

    def end(self, code: str, reason: str = "") -> None:
        """End the session."""
        ...

    def hang_up(self, code: str) -> None:
        """Close the socket; the page may resume."""
        ...

    async def ask_room(self, asking: Awaitable[dict[str, Any]]) -> dict[str, Any]:
        """Return what the room answers, in time."""
        ...


def _refused(kind: ErrorKind, code: str, message: str) -> HubError:
    return HubError(kind, message, code=code)


class Requests:
    """The desk of one session."""

    def __init__(self, host: RequestHost, clock: Clock) -> None:
        """Begin with a full allowance of messages."""
        self._host = host
        self._clock = clock
        self._rate = MessageRate(clock.mono_ns())
        self._turn = asyncio.Lock()
        self._reported_ns = -REPORT_EVERY_NS
        self.report: Mapping[str, Any] = {}
        """What the page last said of itself."""
        self._handlers: dict[type[Any], Callable[[Any], Awaitable[None]]] = {
            page.Hello: self._hello,
            page.Publish: self._publish,
            page.Unpublish: self._unpublish,
            page.Slots: self._slots,
            page.Candidate: self._candidate,
            page.Subscribe: self._subscribe,
            page.Unsubscribe: self._unsubscribe,
            page.Quality: self._quality,
            page.Mute: self._mute,
            page.Chair: self._chair,
            page.Chat: self._chat,
            page.Report: self._report,
            page.Ping: self._ping,
            page.Leave: self._leave,
        }

    async def handle(self, found: Mapping[str, Any], grant: Grant | None = None) -> None:
        """Do what a message says. Never raises; every request is answered once, `subscribe` perhaps later."""
        number = request_id(found)
        if not self._may_speak(number):
            return
        async with self._turn:
            if not self._host.ending:
                await self._guard(number, lambda: self._dispatch(found, grant))

    async def _dispatch(self, found: Mapping[str, Any], grant: Grant | None) -> None:
        message = parse_message(found)
        if grant is not None and isinstance(message, page.Subscribe) and message.source == grant.source:
            self._host.grants.take(grant)
        await self._handlers[type(message)](message)

    @property
    def is_busy(self) -> bool:
        """Tell whether a message is being worked on."""
        return self._turn.locked()

    async def settle(self) -> None:
        """Return when no message is being worked on."""
        async with self._turn:
            return

    def refuse(self, number: int | None, error: HubError) -> None:
        """Answer with an error of the closed list."""
        field = error.context.get("field")
        answer = Refused(
            id=number,
            code=code_of(error),  # type: ignore[arg-type]  # the closed list
            message=error.message,
            field=field if isinstance(field, str) else None,
        )
        self._host.say(to_wire(answer))

    def _may_speak(self, number: int | None) -> bool:
        if self._rate.take(self._clock.mono_ns()):
            return True
        if self._rate.is_hopeless:
            self._host.hang_up("too_fast")
        else:
            self.refuse(number, _refused(ErrorKind.EXHAUSTED, "too_fast", "too many messages"))
        return False

    async def _guard(self, number: int | None, work: Callable[[], Awaitable[None]]) -> None:
        """Let what goes wrong with a message end in its answer."""
        try:
            await work()
        except HubError as error:
            self.refuse(number, error)
        except TimeoutError:
            self.refuse(number, _refused(ErrorKind.TIMEOUT, "worker_unavailable", "it took too long"))
        except Exception:  # the supervisor of one message
            log.exception("a message failed", session=self._host.name)
            self.refuse(number, _refused(ErrorKind.INTERNAL, "internal", "an internal error"))

    def _ok(self, number: int, **more: Any) -> None:
        self._host.say({**more, **to_wire(Ok(id=number))})

    async def _hello(self, message: page.Hello) -> None:
        raise _refused(ErrorKind.CONFLICT, "wrong_state", "this session has said hello already")

    async def _ping(self, message: page.Ping) -> None:
        self._host.say(to_wire(Pong(id=message.id, t=message.t, server_time=rfc3339(self._clock.wall_us()))))

    async def _leave(self, message: page.Leave) -> None:
        self._ok(message.id)
        self._host.end("left")

    async def _report(self, message: page.Report) -> None:
        now_ns = self._clock.mono_ns()
        if now_ns - self._reported_ns >= REPORT_EVERY_NS:
            self._reported_ns = now_ns
            self.report = {k: v for k, v in to_wire(message).items() if k != "type"}

    # --- publishing ---------------------------------------------------------------------------------------------------

    def _sender(self) -> Sending:
        if self._host.sending is None:
            raise _refused(ErrorKind.CONFLICT, "not_in_room", "this session has no seat")
        if self._host.me.get("is_in_lobby"):
            raise _refused(ErrorKind.DENIED, "in_lobby", "not admitted yet")
        if self._host.me.get("role") == "observer":
            raise _refused(ErrorKind.DENIED, "not_permitted", "observers publish nothing")
        return self._host.sending

    async def _publish(self, message: page.Publish) -> None:
        names = {mid: TrackName(name) for mid, name in message.tracks.items()}
        answer = await self._sender().answer(message.sdp, names, is_fresh=message.fresh)
        self._host.say(to_wire(Published(id=message.id, sdp=answer)))

    async def _unpublish(self, message: page.Unpublish) -> None:
        self._sender().unpublish(TrackName(message.track))
        self._ok(message.id)

    async def _mute(self, message: page.Mute) -> None:
        sending = self._sender()
        await self._command("mute_self", {"track": message.track, "muted": message.muted})
        sending.set_muted(TrackName(message.track), is_muted=message.muted)
        self._ok(message.id)

    # --- watching -----------------------------------------------------------------------------------------------------

    async def _slots(self, message: page.Slots) -> None:
        answer = await self._host.watching.answer(message.sdp, is_fresh=message.fresh)
        self._host.say(to_wire(SlotsAnswer(id=message.id, sdp=answer)))
        for view in self._host.watching.views():
            self._host.watching.announce(view.mid)

    async def _candidate(self, message: page.Candidate) -> None:
        half = self._sender() if message.connection == "publish" else self._host.watching
        if message.candidate is not None:
            await half.add_candidates(message.candidate)
        self._ok(message.id)

    async def _subscribe(self, message: page.Subscribe) -> None:
        source, name = SourceId(message.source), TrackName(message.track)
        wish = Wish(message.width or 0, message.height or 0)
        try:
            slot = self._permit(source, name)
        except HubError:
            self._give_back(source)
            raise
        watch = partial(self._watch, message.id, (source, name), slot, wish)
        self._host.owner.start(self._guard(message.id, watch), f"watch {source}")

    async def _watch(self, number: int, what: tuple[SourceId, TrackName], slot: str, wish: Wish) -> None:
        source, name = what
        try:
            mid = await self._host.watching.subscribe(source, name, slot, wish)
        except BaseException:
            self._give_back(source)
            raise
        self._ok(number, mid=mid)
        self._host.watching.announce(mid)

    def _give_back(self, source: SourceId) -> None:
        """Hold the grant no more of a camera that is not watched after all."""
        if not self._host.watching.is_watched(source):
            self._host.grants.end(source, "refused")

    def _permit(self, source: SourceId, name: TrackName) -> str:
        """Return the worker a source lives on when it may be watched; HubError DENIED otherwise."""
        if self._host.identity.seat is not None and self._host.me.get("is_in_lobby"):
            raise _refused(ErrorKind.DENIED, "in_lobby", "not admitted yet")
        if name is TrackName.MICROPHONE:
            raise _refused(ErrorKind.DENIED, "not_permitted", "microphones are put into slots by the server")
        shown, grant = self._host.sources.shown(source), self._host.grants.get(source)
        if shown is not None and source != self._host.identity.own_source:
            return shown.slot
        if grant is not None:
            return grant.slot
        raise _refused(ErrorKind.DENIED, "not_permitted", "this may not be watched")

    async def _unsubscribe(self, message: page.Unsubscribe) -> None:
        self._host.watching.unsubscribe(SourceId(message.source), TrackName(message.track))
        self._ok(message.id)

    async def _quality(self, message: page.Quality) -> None:
        wish = Wish(message.width, message.height, message.paused)
        self._host.watching.quality(SourceId(message.source), TrackName(message.track), wish)
        self._ok(message.id)

    # --- the room ----------------------------------------------------------------------------------------------------

    def _seat(self) -> RoomPort:
        if self._host.room is None:
            raise _refused(ErrorKind.CONFLICT, "not_in_room", "this session has no seat")
        return self._host.room

    async def _command(self, action: str, body: Mapping[str, Any]) -> dict[str, Any]:
        return await self._host.ask_room(self._seat().command(action, body))

    async def _chair(self, message: page.Chair) -> None:
        self._ok(message.id, **await self._command(message.action, message.body()))

    async def _chat(self, message: page.Chat) -> None:
        if not message.text.strip():
            raise HubError(ErrorKind.INVALID, "nothing was written", code="bad_message", field="text")
        body = {"text": message.text} | ({"to": message.to} if message.to is not None else {})
        await self._command("chat", body)
        self._ok(message.id)
