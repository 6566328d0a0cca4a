"""The WHIP endpoint of a worker (RFC 9725): foreign software publishes into a room, one session per participant.

Made and closed by the worker's wiring; called by its routes, on the event loop. The first video of an offer is the
participant's camera, the first audio its microphone; whether they may be seen and heard is decided by whoever is told
`on_started` and holds the gate. A second session of a participant takes the place of the first: encoders reconnect
without saying goodbye. Decides no permissions.
"""

import asyncio
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Header, Request, Response

from media.base.errors import ErrorKind, HubError
from media.base.ids import SourceId, check_id
from media.base.tasks import Owner
from streams.publication import TrackName
from streams.webrtc.app import SDP, check_session, text_of
from streams.webrtc.engine import WebRtcEngine
from streams.webrtc.offer import parse_offer
from streams.webrtc.publishing import PublishEnd, PublishEvents, PublishingPeer, PublishStats

log = structlog.get_logger(__name__)

MAX_PUBLISHERS = 64
"""A worker takes in about 60 publishers of 2 Mbit/s beside its viewers."""

CLOSE_TIMEOUT_S = 2.0

_NAMES = {"video": TrackName.CAMERA, "audio": TrackName.MICROPHONE}


@dataclass(frozen=True, slots=True, eq=False)
class WhipSession:
    """One publisher; `peer.allow` is its gate, `peer.publication` what it shows."""

    session_id: str
    source: SourceId
    peer: PublishingPeer


@dataclass(frozen=True, slots=True)
class WhipEvents:
    """What the endpoint tells the room; all must return at once.

    `on_started` comes before the answer is given, `on_ended` with the cause once per session.
    """

    on_started: Callable[[WhipSession], None]
    on_ended: Callable[[WhipSession, str], None]
    on_level: Callable[[SourceId, TrackName, int, int], None]


class WhipEndpoint:
    """All WHIP sessions of a worker."""

    def __init__(self, engine: WebRtcEngine, events: WhipEvents) -> None:
        """Prepare; the engine is started and closed by its owner."""
        self._engine = engine
        self._events = events
        self._owner = Owner("whip")
        self._sessions: dict[str, WhipSession] = {}

    async def create(self, offer_sdp: str, source: SourceId, session_id: str) -> str:
        """Answer an offer and begin to connect.

        HubError: INVALID `bad_sdp`, CONFLICT `codec_unsupported` or `session_exists`, EXHAUSTED `too_many_publishers`.
        """
        names = names_of(offer_sdp)
        if session_id in self._sessions:
            raise HubError(ErrorKind.CONFLICT, "this session exists already", code="session_exists")
        await self.close_source(source, "replaced")
        if len(self._sessions) >= MAX_PUBLISHERS:
            raise HubError(ErrorKind.EXHAUSTED, "too many publishers", code="too_many_publishers", limit=MAX_PUBLISHERS)
        session = WhipSession(session_id, source, PublishingPeer(self._engine, source, self._events_of(session_id)))
        self._sessions[session_id] = session
        try:
            answer = await session.peer.answer(offer_sdp, names)
        except BaseException:
            del self._sessions[session_id]
            await session.peer.aclose()
            raise
        self._events.on_started(session)
        return answer

    def _events_of(self, session_id: str) -> PublishEvents:
        def on_level(name: TrackName, level_dbov: int, mono_ns: int) -> None:
            session = self._sessions.get(session_id)
            if session is not None:
                self._events.on_level(session.source, name, level_dbov, mono_ns)

        def on_ended(cause: PublishEnd) -> None:
            session = self._sessions.get(session_id)
            if session is not None:
                self._owner.start(self._forget(session, cause.value), session_id)

        return PublishEvents(on_level=on_level, on_ended=on_ended)

    def session(self, session_id: str) -> WhipSession:
        """Return a session; HubError NOT_FOUND `session_not_found`."""
        session = self._sessions.get(session_id)
        if session is None:
            raise HubError(ErrorKind.NOT_FOUND, "no such session", code="session_not_found")
        return session

    async def trickle(self, session_id: str, fragment_sdp: str) -> None:
        """Take later candidates; HubError NOT_FOUND, or CONFLICT for another ICE generation."""
        await self.session(session_id).peer.add_candidates(fragment_sdp)

    async def delete(self, session_id: str) -> None:
        """End a session at the wish of its publisher; HubError NOT_FOUND when there is none."""
        await self._forget(self.session(session_id), "deleted")

    async def close_source(self, source: SourceId, cause: str) -> int:
        """End the sessions of a participant; return how many there were."""
        found = [session for session in self._sessions.values() if session.source == source]
        for session in found:
            await self._forget(session, cause)
        return len(found)

    async def aclose(self) -> None:
        """End every session. Idempotent."""
        await asyncio.gather(*(self._forget(session, "shutdown") for session in tuple(self._sessions.values())))
        await self._owner.aclose()

    def stats(self) -> dict[str, PublishStats]:
        """Return the figures of every session by its id."""
        return {session_id: session.peer.stats() for session_id, session in self._sessions.items()}

    async def _forget(self, session: WhipSession, cause: str) -> None:
        if self._sessions.get(session.session_id) is not session:
            return
        del self._sessions[session.session_id]
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await session.peer.aclose()
        except TimeoutError:
            log.warning("publisher would not close", session=session.session_id)
        self._events.on_ended(session, cause)


def names_of(offer_sdp: str) -> dict[str, TrackName]:
    """Name the first video and the first audio of an offer; HubError INVALID `bad_sdp`."""
    names: dict[str, TrackName] = {}
    for section in parse_offer(offer_sdp).sections:
        name = _NAMES.get(section.kind)
        if name is not None and section.mid and not section.is_rejected and name not in names.values():
            names[section.mid] = name
    return names


def make_whip_router(endpoint: WhipEndpoint) -> APIRouter:
    """Return the private routes of one endpoint: reached over the worker's unix socket, after all checks of the api."""
    router = APIRouter()

    @router.get("/whip/sessions")
    async def sessions() -> dict[str, Any]:
        return {"items": {session_id: asdict(stats) for session_id, stats in endpoint.stats().items()}}

    @router.delete("/whip/sessions/{session_id}", status_code=204)
    async def delete(session_id: str) -> Response:
        await endpoint.delete(session_id)
        return Response(status_code=204)

    @router.patch("/whip/sessions/{session_id}", status_code=204)
    async def trickle(session_id: str, request: Request) -> Response:
        await endpoint.trickle(session_id, await text_of(request))
        return Response(status_code=204)

    @router.post("/whip/{participant_id}", status_code=201)
    async def create(
        participant_id: str, request: Request, session: Annotated[str, Header(alias="X-Xiangyun-Session")]
    ) -> Response:
        source = SourceId(f"participant/{check_id(participant_id)}")
        answer = await endpoint.create(await text_of(request), source, check_session(session))
        response = Response(answer, status_code=201, media_type=SDP)
        response.headers["Location"] = f"/whip/sessions/{session}"
        return response

    return router
