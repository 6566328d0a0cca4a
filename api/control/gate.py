"""The gate of sessions: one per browser. Who comes in, what they may watch, and what passes to and from the worker.

`Gate.run` lives as long as the WebSocket of one page, on the api's loop. It spends the token or finds the session to
resume, opens the worker's socket and passes frames; only `subscribe` and `unsubscribe` of cameras are looked into,
because a camera is watched by right and written down first. It decides nothing about rooms and carries no media. Ends
with a reason the page can show; a session outlives its gate, so that a page comes back to it.
"""

import asyncio
import contextlib
from dataclasses import dataclass, field, replace
from typing import Any

import structlog

from api.auth.actor import Actor
from api.context import ApiContext
from api.control.camera_watch import CameraWatch
from api.control.gates import Gates
from api.control.page_socket import PageGoneError, PageSlowError, PageSocket
from api.forward.session_link import LinkEndedError, SessionLink
from api.messages import closing, sentence
from api.services import sessions
from api.services.sessions import Opening
from api.services.turn import ice_servers
from media.base.clock import rfc3339
from media.base.errors import ErrorKind, HubError
from media.base.tasks import Owner
from streams.session.codes import CLOSE_NUMBERS, code_of
from streams.session.messages import PROTOCOL_VERSION, Hello
from streams.session.wire import parse_message, read_frame, request_id

log = structlog.get_logger(__name__)

HELLO_TIMEOUT_S = 10.0
FIRST_FRAMES = 4
"""So many frames may come before a good hello: a page may get its first one wrong, a scanner only sends wrong ones."""
WORKER_WAIT_S = 6.0
"""A worker that was killed is back within four seconds; a page that waits here is back with it."""
WORKER_RETRY_S = 0.25
RATE_PER_S, BURST = 60.0, 400.0
"""Frames of one page; a full wall of sixteen tiles that is resized sends thirty at once."""
FLOOD = 500
"""Refused frames in a row after which the page is closed."""
LIMITS = {"messages_per_s": round(RATE_PER_S)}


@dataclass(frozen=True, slots=True)
class Farewell:
    """How it ends: a closing code of SIGNALING.md, whether the page may come back, whether it knows already."""

    code: str
    can_resume: bool = False
    is_told: bool = False


@dataclass(slots=True)
class Throttle:
    """How fast a page speaks."""

    rate_per_s: float = RATE_PER_S
    tokens: float = BURST
    at_ns: int = 0
    refused: int = 0

    def admits(self, now_ns: int) -> bool:
        """Take one frame; False when it comes too fast."""
        elapsed_s = (now_ns - self.at_ns) / 1e9 if self.at_ns else 0.0
        self.tokens, self.at_ns = min(BURST, self.tokens + elapsed_s * self.rate_per_s), now_ns
        if self.tokens < 1:
            self.refused += 1
            return False
        self.tokens -= 1
        self.refused = 0
        return True


@dataclass(slots=True)
class Gate:
    """One page."""

    ctx: ApiContext
    gates: Gates
    page: PageSocket
    actor: Actor
    locale: str = "zh-CN"
    revoked: asyncio.Event = field(default_factory=asyncio.Event)
    code: str = ""
    """Why it was revoked."""

    def revoke(self, code: str) -> None:
        """End it: a right is gone, or somebody else has the seat."""
        self.code = self.code or code
        self.revoked.set()

    async def run(self, token: str | None) -> None:
        """Serve the page until one side ends; `token` is what its address carried."""
        try:
            async with asyncio.timeout(HELLO_TIMEOUT_S):
                hello = await self._hello(token)
        except (PageGoneError, PageSlowError):
            return
        except TimeoutError:
            await self._close(Farewell("refused"))
            return
        if hello is not None:
            await self._serve(hello, token)

    async def _hello(self, token: str | None) -> Hello | None:
        for _ in range(FIRST_FRAMES):
            text = await self.page.receive()
            number: int | None = None
            try:
                frame = read_frame(text)
                number = request_id(frame)
                return greeting(frame, token)
            except HubError as error:
                await self._refuse(number, error)
        await self._close(Farewell("refused"))
        return None

    async def _refuse(self, number: int | None, error: HubError) -> None:
        said = sentence(error.code, error.kind, self.locale)
        code = error.code if error.code == "too_many_sessions" else code_of(error)
        refusal: dict[str, Any] = {"type": "error", "id": number, "code": code, "message": said}
        if (name := error.context.get("field")) is not None:
            refusal["field"] = name
        await self.page.send(refusal)

    async def _close(self, farewell: Farewell) -> None:
        number = CLOSE_NUMBERS.get(farewell.code, 1011)
        if not farewell.is_told:
            said = closing(farewell.code, self.locale)
            told = {"type": "closing", "code": farewell.code, "message": said, "can_resume": farewell.can_resume}
            with contextlib.suppress(PageGoneError, PageSlowError):
                await self.page.send(told)
        await self.page.close(number, farewell.code)

    # The session.

    async def _serve(self, hello: Hello, token: str | None) -> None:
        opening: Opening | None = None
        try:
            if hello.resume:
                opening = await sessions.resume(self.ctx, hello.resume)
            else:
                opening = await sessions.begin(self.ctx, hello.token or token or "", self.actor)
            opening, link, opened = await self._open(opening)
        except HubError as error:
            await self._turn_away(hello.id, error, opening)
            return
        async with link:
            await self._put_out_rivals(opening)
            with self.gates.registered(opening.session, self):
                farewell = await self._relay(hello.id, opening, link, opened)
        await self._close(farewell)

    async def _turn_away(self, number: int, error: HubError, opening: Opening | None) -> None:
        is_away = error.kind in {ErrorKind.UNAVAILABLE, ErrorKind.TIMEOUT}
        if opening is not None and not opening.is_resume:
            with contextlib.suppress(HubError):  # without a database the token stays spent, and the page gets another
                await sessions.unspend(self.ctx, opening, keep=not is_away)
        with contextlib.suppress(PageGoneError, PageSlowError):
            await self._refuse(number, error)
        await self._close(Farewell("worker_restart", can_resume=True) if is_away else Farewell("refused"))

    async def _open(self, opening: Opening) -> tuple[Opening, SessionLink, dict[str, Any]]:
        """Open the session at its worker, waiting for one that restarts; a forgotten session begins anew."""
        if not opening.is_resume and opening.session.ended_us is not None:
            opening = await sessions.afresh(self.ctx, opening, self.actor)
        deadline_s = asyncio.get_running_loop().time() + WORKER_WAIT_S
        is_told_anew = False
        while True:
            try:
                link, answer = await self._ask(opening)
            except LinkEndedError:
                if asyncio.get_running_loop().time() > deadline_s:
                    raise
                await asyncio.sleep(WORKER_RETRY_S)
                opening = replace(opening, home_slot=None)  # by now the room may live elsewhere
                continue
            if isinstance(answer.get("opened"), dict):
                return opening, link, answer["opened"]
            await link.close()
            error = refusal_of(answer)
            if error.code == "resume_unknown" and opening.is_resume:
                opening = await sessions.afresh(self.ctx, opening, self.actor)
            elif error.code == "room_not_found" and not is_told_anew and opening.session.room_id:
                is_told_anew = True
                await sessions.open_room_anew(self.ctx, opening.session.room_id, self.actor)
                opening = replace(opening, home_slot=None)
            else:
                raise error

    async def _ask(self, opening: Opening) -> tuple[SessionLink, dict[str, Any]]:
        worker = await self.ctx.workers.of_slot(opening.session.slot)
        link = await SessionLink.open(worker.socket)
        try:
            home = opening.home_slot or await sessions.home_slot(self.ctx, opening.session.room_id)
            return link, await link.ask(opening.frame(home, LIMITS))
        except BaseException:
            await link.close()
            raise

    async def _put_out_rivals(self, opening: Opening) -> None:
        """End the sessions that had this seat before."""
        for rival in await sessions.rivals(self.ctx, opening.session):
            await self.gates.put_out(rival, sessions.REPLACED)

    # Passing on.

    async def _relay(self, number: int, opening: Opening, link: SessionLink, opened: dict[str, Any]) -> Farewell:
        watch = CameraWatch(self.ctx, opening.session, self.actor.trace_id)
        try:
            await watch.take_over()
            await self.page.send(self._welcome(number, opening, opened))
        except HubError:
            return Farewell("worker_restart", can_resume=True)
        async with Owner("session") as owner:
            from_page = owner.start(self._from_page(link, watch), "page")
            ends = {
                owner.start(self._from_worker(link, watch, opening), "worker"),
                owner.start(self._until_revoked(opening), "revoked"),
            }
            await asyncio.wait({from_page, *ends}, return_when=asyncio.FIRST_COMPLETED)
            if from_page.done() and from_page.result() is None:
                await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        farewells: list[Farewell | None] = [task.result() for task in (from_page, *ends) if not task.cancelled()]
        return next(farewell for farewell in farewells if farewell is not None)

    def _welcome(self, number: int, opening: Opening, opened: dict[str, Any]) -> dict[str, Any]:
        now_us = self.ctx.clock.wall_us()
        servers = ice_servers(self.ctx.options, opening.session.user_id or opening.session.id, now_us)
        ice = [{"urls": list(one.urls), "username": one.username, "credential": one.credential} for one in servers]
        shown = [{name: value for name, value in server.items() if value is not None} for server in ice]
        return {
            "resumed": False,
            "limits": LIMITS,
            **opened,
            "type": "welcome",
            "id": number,
            "session_id": opening.session.id,
            "resume_token": opening.resume,
            "ice_servers": shown or opened.get("ice_servers", []),
            "server_time": rfc3339(now_us),
        }

    async def _until_revoked(self, opening: Opening) -> Farewell:
        await self.revoked.wait()
        code = self.code if self.code in CLOSE_NUMBERS else "revoked"
        log.info("session put out", session=opening.session.id, code=code)
        return Farewell(code, can_resume=code == "worker_restart")

    async def _from_page(self, link: SessionLink, watch: CameraWatch) -> Farewell | None:
        """Pass on what the page says; None when the worker takes nothing more: `_from_worker` still reads why."""
        throttle = Throttle()
        try:
            while True:
                text = await self.page.receive()
                if not throttle.admits(self.ctx.clock.mono_ns()):
                    if throttle.refused > FLOOD:
                        return Farewell("too_fast", can_resume=True)
                    await self._refuse(None, HubError(ErrorKind.EXHAUSTED, "too fast", code="too_fast"))
                    continue
                await self._pass_in(text, link, watch)
        except PageGoneError:
            return Farewell("left", can_resume=True, is_told=True)
        except PageSlowError:
            return Farewell("too_slow", can_resume=True)
        except LinkEndedError:
            return None

    async def _pass_in(self, text: str, link: SessionLink, watch: CameraWatch) -> None:
        number: int | None = None
        try:
            frame = read_frame(text)
            number = request_id(frame)
            check_later(frame)
            grant = await watch.before(frame)
        except LinkEndedError:
            raise
        except HubError as error:
            await self._refuse(number, error)
            return
        await link.send({"page": frame} | ({"grant": grant} if grant else {}))

    async def _from_worker(self, link: SessionLink, watch: CameraWatch, opening: Opening) -> Farewell:
        ended: Farewell | None = None
        try:
            while True:
                frame = await link.receive()
                page, told = frame.get("page"), frame.get("api")
                if isinstance(told, dict):
                    ended = await self._hear(told, watch, opening) or ended
                if isinstance(page, dict):
                    if page.get("type") == "closing":
                        ended = Farewell(str(page.get("code")), bool(page.get("can_resume")), is_told=True)
                    await watch.after(page)
                    await self.page.send(page)
        except PageGoneError:
            return Farewell("left", can_resume=True, is_told=True)
        except PageSlowError:
            return Farewell("too_slow", can_resume=True)
        except LinkEndedError:
            return ended or Farewell("worker_restart", can_resume=True)

    async def _hear(self, told: dict[str, Any], watch: CameraWatch, opening: Opening) -> Farewell | None:
        """Write down what the worker says to us."""
        reason = str(told.get("reason") or told.get("code") or "unknown")
        try:
            if told.get("type") == "unsubscribed":
                await watch.ended(str(told.get("source")), reason)
            elif told.get("type") == "ended":
                await sessions.note_end(self.ctx, opening.session.id, reason)
                return Farewell(reason if reason in CLOSE_NUMBERS else "left")
        except HubError as error:
            log.warning("a session's end is written later", session=opening.session.id, cause=error.code)
        return None


def greeting(frame: dict[str, Any], token: str | None) -> Hello:
    """Return the hello in a frame; HubError when it is none, or says nothing of who comes."""
    if frame.get("type") != "hello":
        raise HubError(ErrorKind.INVALID, "say hello first", code="hello_first")
    message = parse_message(frame)
    assert isinstance(message, Hello)
    if message.protocol != PROTOCOL_VERSION:
        raise HubError(ErrorKind.INVALID, "another protocol is spoken here", code="unsupported_protocol")
    if not (message.resume or message.token or token):
        raise HubError(ErrorKind.UNAUTHENTICATED, "no token", code="token_invalid")
    return message


def check_later(frame: dict[str, Any]) -> None:
    """Raise HubError `wrong_state` for a hello that comes twice."""
    if frame.get("type") == "hello":
        raise HubError(ErrorKind.CONFLICT, "hello was said", code="wrong_state")


def refusal_of(answer: dict[str, Any]) -> HubError:
    """Return the error in a worker's refusal; anything else it says is `internal`."""
    refused = answer.get("refused")
    told = refused if isinstance(refused, dict) else {}
    code = str(told.get("code") or "internal")
    kinds = {"worker_unavailable": ErrorKind.UNAVAILABLE, "resume_unknown": ErrorKind.NOT_FOUND}
    kind = kinds.get(code, ErrorKind.CONFLICT)
    return HubError(kind, str(told.get("message") or "refused")[:200], code=code)
