"""Foreign software in rooms: WHIP publishers have a seat, WHEP viewers see what the room shows.

Made by the wiring beside the session directory; `make_router` are its private routes. A WHIP session is a seat of kind
`whip` whose gate the room sets like everybody's. A WHEP viewer takes no seat, but stands before the same door: lobby, lock
and removal hold for it. What it watches ends when the room no longer shows it, or sends its person away.
Serves rooms whose home is this worker; the api forwards there.
"""

import asyncio
import base64
import binascii
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any, Protocol

import structlog
from fastapi import APIRouter, Header, Query, Request, Response
from pydantic_core import from_json

from media.base.errors import ErrorKind, HubError
from media.base.ids import SourceId, check_id, parse_source
from media.base.tasks import Owner
from streams.plane import Plane
from streams.publication import TrackName
from streams.rooms.seat import RoomPort, RoomSource, SeatClaims
from streams.rooms.values import SeatKind
from streams.session.ports import RoomsPort
from streams.webrtc.app import SDP, check_session, text_of
from streams.webrtc.engine import WebRtcEngine
from streams.webrtc.whep import WhepAnswer, WhepEndpoint
from streams.webrtc.whip import WhipEndpoint, WhipEvents, WhipSession, names_of

log = structlog.get_logger(__name__)

ROOM_TIMEOUT_S = 5.0


class Door(Protocol):
    """What viewers ask of the rooms of this worker; HubError `room_not_found`, `room_ended`."""

    def sources(self, room_id: str) -> tuple[RoomSource, ...]:
        """Return what a room shows now."""
        ...

    def check_viewer(self, claims: SeatClaims) -> None:
        """Let somebody watch without a seat; HubError also `in_lobby`, `room_locked`."""
        ...

    def is_sent_away(self, claims: SeatClaims) -> bool:
        """Tell whether somebody was removed meanwhile."""
        ...


class Ender(Protocol):
    """What a seat needs of the endpoint it sits in front of."""

    def end_soon(self, source: SourceId, cause: str) -> None:
        """End the sessions of a participant."""
        ...


@dataclass(slots=True, eq=False)
class WhipSeat:
    """The seat of one WHIP session; the ear of the room for it."""

    source: SourceId
    ender: Ender
    port: RoomPort | None = None
    session: WhipSession | None = None
    allowed: frozenset[TrackName] = frozenset()
    is_lost: bool = field(default=False)

    def on_message(self, message: Mapping[str, Any]) -> None:
        """Hear nothing: there is no page."""

    def on_sources(self, sources: tuple[RoomSource, ...]) -> None:
        """Watch nothing."""

    def on_audible(self, sources: tuple[SourceId, ...]) -> None:
        """Hear nobody."""

    def on_allowed(self, names: frozenset[TrackName]) -> None:
        """Set the gate."""
        self.allowed = names
        if self.session is not None:
            self.session.peer.allow(names)

    def on_ended(self, code: str) -> None:
        """End the session: its seat is gone."""
        if not self.is_lost:
            self.is_lost = True
            if self.session is not None:
                self.ender.end_soon(self.source, code)


class ForeignSoftware:
    """WHIP and WHEP in the rooms of one worker."""

    def __init__(self, engine: WebRtcEngine, plane: Plane, rooms: RoomsPort, door: Door, whep: WhepEndpoint) -> None:
        """Prepare; `whep` is the worker's, shared with viewers outside of rooms."""
        self._plane = plane
        self._rooms = rooms
        self._door = door
        self._whep = whep
        self._owner = Owner("foreign software")
        self._seats: dict[str, WhipSeat] = {}
        self._viewers: dict[str, tuple[SeatClaims, SourceId]] = {}
        whep.listen(self.viewer_ended)
        self.whip = WhipEndpoint(engine, WhipEvents(self._started, self._ended, self._level))

    async def publish(self, offer_sdp: str, claims: SeatClaims, session_id: str) -> str:
        """Take a seat and answer; HubError of the room or of the endpoint, and then there is no seat."""
        source = SourceId(f"participant/{check_id(claims.participant_id)}")
        names = frozenset(names_of(offer_sdp).values())
        if session_id in self._seats:
            raise HubError(ErrorKind.CONFLICT, "this session exists already", code="session_exists")
        seat = self._seats[session_id] = WhipSeat(source, self)
        try:
            return await self._publish(offer_sdp, (claims, session_id), seat, names)
        except BaseException:
            if self._seats.get(session_id) is seat:
                del self._seats[session_id]
            raise

    async def _publish(
        self, offer_sdp: str, who: tuple[SeatClaims, str], seat: WhipSeat, names: frozenset[TrackName]
    ) -> str:
        claims, session_id = who
        async with asyncio.timeout(ROOM_TIMEOUT_S):
            seat.port = await self._rooms.join(claims, seat)
        try:
            answer = await self.whip.create(offer_sdp, seat.source, session_id)
        except BaseException:
            await seat.port.leave("left")
            raise
        seat.port.report_published(names, self._plane.slot)
        return answer

    def _started(self, session: WhipSession) -> None:
        seat = self._seats[session.session_id]
        seat.session = session
        session.peer.allow(seat.allowed)
        self._plane.publish(session.peer.publication)

    def _ended(self, session: WhipSession, cause: str) -> None:
        self._plane.withdraw(session.peer.publication)
        seat = self._seats.pop(session.session_id, None)
        if seat is None or seat.port is None:
            return
        seat.is_lost = True
        if cause == "shutdown":
            seat.port.detached()
        else:
            self._owner.start(seat.port.leave("left"), f"leave {session.session_id}")

    def _level(self, source: SourceId, name: TrackName, level_dbov: int, _mono_ns: int) -> None:
        for seat in self._seats.values():
            if seat.source == source and seat.port is not None:
                seat.port.report_level(name, level_dbov)

    def end_soon(self, source: SourceId, cause: str) -> None:
        """End the sessions of a participant whose seat is gone."""
        self._owner.start(self.whip.close_source(source, cause), f"end {source}")

    async def watch(
        self, claims: SeatClaims, source: SourceId, offer_sdp: str, session_id: str, user_id: str
    ) -> WhepAnswer:
        """Answer a viewer of something a room shows; HubError DENIED `not_permitted` when it shows it not, or of the door."""
        self._door.check_viewer(claims)
        shown = next((each for each in self._door.sources(claims.room_id) if each.source == source), None)
        if shown is None or not shown.is_visible:
            raise HubError(ErrorKind.DENIED, "the room does not show this", code="not_permitted")
        self._viewers[session_id] = (claims, source)
        try:
            return await self._whep.create_for(offer_sdp, source, session_id, user_id, slot=shown.slot)
        except BaseException:
            self.viewer_ended(session_id)
            raise

    def viewer_ended(self, session_id: str) -> None:
        """Take notice that a WHEP session is over."""
        self._viewers.pop(session_id, None)

    def room_changed(self, room_id: str) -> None:
        """End who watches what the room no longer shows, and who was sent away."""
        viewers = [(name, *each) for name, each in self._viewers.items() if each[0].room_id == room_id]
        if not viewers:
            return
        try:
            shown = {each.source for each in self._door.sources(room_id)}
            lost = [name for name, claims, source in viewers if source not in shown or self._door.is_sent_away(claims)]
        except HubError:
            lost = [name for name, _, _ in viewers]
        if lost:
            self._owner.start(self._whep.close_sessions(lost), f"viewers of {room_id}")

    async def aclose(self) -> None:
        """End every WHIP session; seats are kept for those who come back."""
        await self.whip.aclose()
        await self._owner.aclose()


def read_claims(encoded: str, room_id: str) -> SeatClaims:
    """Return the claims in a header: JSON in base64; HubError INVALID when they are none, or of another room."""
    try:
        found = from_json(base64.b64decode(encoded, validate=True))
    except (binascii.Error, ValueError):
        found = None
    if not isinstance(found, dict):
        raise HubError(ErrorKind.INVALID, "not the claims of a seat", code="bad_message")
    claims = SeatClaims.parse({**found, "kind": SeatKind.WHIP})
    if claims.room_id != room_id:
        raise HubError(ErrorKind.DENIED, "the seat is in another room", code="not_in_room")
    return claims


def make_router(foreign: ForeignSoftware) -> APIRouter:
    """Return the private routes; later candidates and the end of a session go to those of WHIP and WHEP themselves."""
    router = APIRouter()

    @router.post("/rooms/{room_id}/whip", status_code=201)
    async def publish(
        room_id: str,
        request: Request,
        session: Annotated[str, Header(alias="X-Xiangyun-Session")],
        seat: Annotated[str, Header(alias="X-Xiangyun-Seat", max_length=8192)],
    ) -> Response:
        claims = read_claims(seat, check_id(room_id))
        answer = await foreign.publish(await text_of(request), claims, check_session(session))
        response = Response(answer, status_code=201, media_type=SDP)
        response.headers["Location"] = f"/whip/sessions/{session}"
        return response

    @router.get("/whip/sessions")
    async def sessions() -> dict[str, Any]:
        items = [{"session_id": name, **asdict(stats)} for name, stats in foreign.whip.stats().items()]
        return {"items": items}

    @router.patch("/whip/sessions/{session_id}", status_code=204)
    async def trickle(session_id: str, request: Request) -> Response:
        await foreign.whip.trickle(session_id, await text_of(request))
        return Response(status_code=204)

    @router.delete("/whip/sessions/{session_id}", status_code=204)
    async def stop(session_id: str) -> Response:
        await foreign.whip.delete(session_id)
        return Response(status_code=204)

    @router.post("/rooms/{room_id}/whep", status_code=201)
    async def watch(
        room_id: str,
        request: Request,
        user: Annotated[str, Header(alias="X-Xiangyun-User")],
        session: Annotated[str, Header(alias="X-Xiangyun-Session")],
        seat: Annotated[str, Header(alias="X-Xiangyun-Seat", max_length=8192)],
        source: Annotated[str, Query(max_length=80)],
    ) -> Response:
        parse_source(source)
        claims = read_claims(seat, check_id(room_id))
        offer = await text_of(request)
        answer = await foreign.watch(claims, SourceId(source), offer, check_session(session), user)
        response = Response(answer.sdp, status_code=201, media_type=SDP)
        response.headers["Location"] = f"/whep/sessions/{session}"
        response.headers["X-Xiangyun-Audio"] = answer.audio
        return response

    return router
