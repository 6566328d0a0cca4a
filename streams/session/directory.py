"""The sessions of one worker: opened, resumed, expired, revoked; and the limits of each account.

One per worker, made and closed by its wiring, on its loop; `app` brings the sockets. A session whose page is gone lives
on for 60 s. What one session does wrong hurts no other: each is closed by a task of its own.
"""

import asyncio
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from media.base.errors import ErrorKind, HubError
from media.base.ids import SourceId
from media.base.tasks import Owner
from streams.publication import Publication
from streams.session.codes import CLOSE_NUMBERS
from streams.session.identity import Identity
from streams.session.session import Session, SessionWorld

log = structlog.get_logger(__name__)

GRACE_NS = 60_000_000_000
TICK_S = 1.0
TICK_SLICE = 32
"""Sessions looked at in one turn of the loop."""

CLOSE_TIMEOUT_S = 2.5
FAREWELL_S = 0.5
"""So long sockets have to take their last message when the worker ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocation:
    """Whose sessions to end, or with `camera_id` only what is watched of that camera in them."""

    session_ids: Collection[str] = ()
    user_id: str = ""
    participant_id: str = ""
    camera_id: str = ""
    code: str = "revoked"


class SessionDirectory:
    """The sessions."""

    def __init__(self, world: SessionWorld) -> None:
        """Begin with none."""
        self._world = world
        self._sessions: dict[str, Session] = {}
        self._closing: dict[Session, asyncio.Task[None]] = {}
        self._owner = Owner("sessions")
        self._is_closed = False
        self.ended: Counter[str] = Counter()
        """How many sessions ended, by reason."""
        self.opened = 0
        self.resumed = 0
        world.plane.on_published(self._published)

    def start(self) -> None:
        """Begin to look after sessions once a second."""
        self._owner.start(self._run(), "clockwork")

    def __len__(self) -> int:
        """Return how many sessions there are."""
        return len(self._sessions)

    def all(self) -> tuple[Session, ...]:
        """Return every session."""
        return tuple(self._sessions.values())

    async def open(self, identity: Identity, *, is_resume: bool) -> tuple[Session, bool]:
        """Return the session to serve and whether it is an older one taken up again.

        HubError: NOT_FOUND `resume_unknown`, EXHAUSTED `too_many_sessions`, or of the room.
        """
        if self._is_closed:
            raise HubError(ErrorKind.UNAVAILABLE, "the worker ends", code="worker_unavailable")
        known = self._sessions.get(identity.session_id)
        if known is not None and _is_same(known.identity, identity):
            await known.opened.wait()
            if self._sessions.get(identity.session_id) is known:
                self.resumed += is_resume
                return known, is_resume
            known = None
        if is_resume or known is not None:
            raise HubError(ErrorKind.NOT_FOUND, "no such session", code="resume_unknown")
        self._world.accounts.open_session(identity.account)
        session = Session(identity, self._world, self._ended)
        self._sessions[identity.session_id] = session
        try:
            await session.open()
        except BaseException:
            await self._undo(session)
            raise
        finally:
            session.opened.set()
        self.opened += 1
        return session, False

    async def _undo(self, session: Session) -> None:
        """Take back a session whose room has no place for it."""
        if self._sessions.get(session.name) is session:
            del self._sessions[session.name]
            self._world.accounts.close_session(session.account)
        await session.owner.aclose()

    def _ended(self, session: Session) -> None:
        """Let a session go that has ended itself."""
        if self._sessions.get(session.name) is not session:
            return
        del self._sessions[session.name]
        self._world.accounts.close_session(session.account)
        self.ended[session.reason] += 1
        seat = session.identity.seat
        self._world.notify(
            "session.ended",
            {
                "session_id": session.name,
                "user_id": session.identity.user_id,
                "room_id": seat.room_id if seat is not None else None,
                "participant_id": seat.participant_id if seat is not None else None,
                "reason": session.reason,
                "at_wall_us": self._world.clock.wall_us(),
            },
        )
        self._closing[session] = self._owner.start(self._close(session), f"close {session.name}")

    async def _close(self, session: Session) -> None:
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await session.aclose()
        except TimeoutError:
            log.warning("a session would not close", session=session.name)
        finally:
            self._closing.pop(session, None)

    # --- the clockwork ------------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            for count, session in enumerate(self.all()):
                if count % TICK_SLICE == 0:
                    await asyncio.sleep(0)
                self.look_at(session, self._world.clock.mono_ns())

    def look_at(self, session: Session, now_mono_ns: int) -> None:
        """End a session whose page did not come back; let another do what is due."""
        since_ns = session.detached_mono_ns
        if since_ns is not None and now_mono_ns - since_ns >= GRACE_NS:
            session.end("left", "expired")
        else:
            session.tick(now_mono_ns)

    def _published(self, publication: Publication) -> None:
        for session in self.all():
            session.source_published(publication)

    # --- rights -------------------------------------------------------------------------------------------------------

    def revoke(self, what: Revocation) -> tuple[int, int]:
        """End sessions, or what they watch of a camera; return how many sessions and subscriptions."""
        found = [session for session in self.all() if _is_meant(session, what)]
        if what.camera_id:
            source = SourceId(f"camera/{what.camera_id}")
            return 0, sum(session.revoke(source, "revoked") for session in found)
        code = what.code if what.code in CLOSE_NUMBERS else "revoked"
        for session in found:
            session.end(code)
        return len(found), 0

    def figures(self) -> list[Mapping[str, Any]]:
        """Return what the sweeper and an operator want to know of every session."""
        return [_figures(session) for session in self.all()]

    async def aclose(self) -> None:
        """Tell every page that the worker ends, and let everything go; seats wait for who comes back. Idempotent."""
        self._is_closed = True
        for session in self.all():
            session.end("worker_restart")
        waited_s = 0.0
        while waited_s < FAREWELL_S and any(s.is_attached and len(s.outgoing) for s in self._closing):
            await asyncio.sleep(0.02)
            waited_s += 0.02
        if self._closing:
            await asyncio.wait(self._closing.values())
        await self._owner.aclose()


def _is_same(known: Identity, asked: Identity) -> bool:
    """Tell whether a session is opened again by its own person, in its own seat."""
    seats = [(seat.room_id, seat.participant_id) if seat is not None else None for seat in (known.seat, asked.seat)]
    return known.user_id == asked.user_id and seats[0] == seats[1]


def _is_meant(session: Session, what: Revocation) -> bool:
    seat = session.identity.seat
    named = session.name in what.session_ids
    is_user = bool(what.user_id) and session.identity.user_id == what.user_id
    is_seat = bool(what.participant_id) and seat is not None and seat.participant_id == what.participant_id
    is_anybody = bool(what.camera_id) and not (what.session_ids or what.user_id or what.participant_id)
    return named or is_user or is_seat or is_anybody


def _figures(session: Session) -> dict[str, Any]:
    identity, seat = session.identity, session.identity.seat
    return {
        "session_id": session.name,
        "user_id": identity.user_id,
        "room_id": seat.room_id if seat is not None else None,
        "participant_id": seat.participant_id if seat is not None else None,
        "is_attached": session.is_attached,
        "since_wall_us": session.since_wall_us,
        "grants": [grant.source for grant in session.grants.all()],
        "subscriptions": session.watching.count,
        "published": sorted(session.sending.names) if session.sending is not None else [],
        "waiting": len(session.outgoing),
        "left_out": session.outgoing.left_out,
        "chat_dropped": session.outgoing.dropped,
        "report": dict(session.requests.report),
    }
