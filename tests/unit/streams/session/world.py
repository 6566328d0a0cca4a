"""A worker's world around sessions without sockets: peers that only keep books, a plane that holds what it is given.

An offer is a line of words: `video audio video` makes slots `0`, `1`, `2` of these kinds; `bad` is refused as an SDP
would be.
"""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from media.base.clock import SimulatedClock
from media.base.errors import ErrorKind, HubError
from media.base.ids import SourceId
from media.packet import Codec, CodecParams, Kind
from streams.plane import Plane
from streams.publication import Layer, Publication, PublishedTrack, TrackName
from streams.rooms.directory import RoomDirectory
from streams.rooms.seat import SeatClaims
from streams.rooms.values import Role
from streams.session.accounts import Accounts
from streams.session.directory import SessionDirectory
from streams.session.identity import Grant, Identity
from streams.session.outgoing import Outgoing
from streams.session.session import Session, SessionWorld
from streams.webrtc.layers import Wish
from streams.webrtc.outlet import SourceTrack
from streams.webrtc.publishing import PublishEnd, PublishEvents
from streams.webrtc.subscribing import EndCause, SubscribeEvents

PARAMS = {
    Kind.VIDEO: CodecParams(codec=Codec.H264, clock_rate_hz=90_000),
    Kind.AUDIO: CodecParams(codec=Codec.OPUS, clock_rate_hz=48_000, channels=2),
}
WAIT_S = 30.0
"""What is waited for comes in milliseconds, on a machine that has nothing else to do."""

H265 = CodecParams(codec=Codec.H265, clock_rate_hz=90_000)


def bad_sdp() -> HubError:
    return HubError(ErrorKind.INVALID, "not an offer", code="bad_sdp")


class FakeOrigin:
    """Feeds nothing."""

    def request_key(self, name: TrackName, rid: str) -> None:
        """Make no key frame."""

    def demand_changed(self, name: TrackName) -> None:
        """Care for nobody."""


def published(name: TrackName, params: CodecParams | None = None, rids: tuple[str, ...] = ("",)) -> PublishedTrack:
    layers = [Layer(rid, SourceTrack(params or PARAMS[name.kind]), 320, 180) for rid in rids]
    return PublishedTrack(name, layers, FakeOrigin())


def publication(source: str, *names: TrackName) -> Publication:
    made = Publication(SourceId(source))
    for name in names:
        made.put(published(name))
    return made


class FakeSlot:
    """A slot that shows what it is told to."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.track: PublishedTrack | None = None
        self.wishes: list[Wish] = []
        self.sent_bytes = 0
        self.stream = SimpleNamespace(totals=lambda: (0, self.sent_bytes))

    @property
    def shown(self) -> tuple[PublishedTrack | None, str | None]:
        return self.track, None if self.track is None else self.track.layers[0].rid

    def show(self, track: PublishedTrack | None, wish: Wish | None = None) -> None:
        if track is not None and track.layers[0].track.params.codec is Codec.H265:
            raise HubError(ErrorKind.CONFLICT, "no H.265 here", code="codec_unsupported")
        self.track = track
        if wish is not None:
            self.wishes.append(wish)

    def wish(self, wish: Wish) -> None:
        self.wishes.append(wish)


class FakeSubscriber:
    """A subscribing connection that makes slots of words."""

    def __init__(self, events: SubscribeEvents) -> None:
        self.events = events
        self.slots: dict[str, FakeSlot] = {}
        self.ended = asyncio.Event()
        self.candidates: list[str] = []

    async def answer(self, offer_sdp: str) -> str:
        if offer_sdp == "bad":
            raise bad_sdp()
        kinds = [Kind(word) for word in offer_sdp.split()]
        self.slots = {str(n): self.slots.get(str(n)) or FakeSlot(kind) for n, kind in enumerate(kinds)}
        return f"answer to {len(kinds)}"

    async def add_candidates(self, fragment: str) -> None:
        self.candidates.append(fragment)

    async def aclose(self) -> None:
        self.finish(EndCause.CLOSED)

    def finish(self, cause: EndCause) -> None:
        if not self.ended.is_set():
            self.ended.set()
            self.events.on_ended(cause)

    def stats(self) -> Any:
        return SimpleNamespace(slots=())


class FakePublisher:
    """A publishing connection that keeps its gate. `no-camera` in an offer is a line it cannot carry."""

    def __init__(self, source: SourceId, events: PublishEvents) -> None:
        self.events = events
        self.publication = Publication(source)
        self.ended = asyncio.Event()
        self.allowed: frozenset[TrackName] = frozenset()
        self.muted: frozenset[TrackName] = frozenset()
        self.names: dict[str, TrackName] = {}
        self.candidates: list[str] = []

    @property
    def accepted(self) -> frozenset[TrackName]:
        return frozenset(self.names.values())

    async def answer(self, offer_sdp: str, names: Mapping[str, TrackName]) -> str:
        if offer_sdp == "bad":
            raise bad_sdp()
        refused = {TrackName(word.removeprefix("no-")) for word in offer_sdp.split() if word.startswith("no-")}
        self.names = {mid: name for mid, name in names.items() if name not in refused}
        for name in self.names.values():
            if self.publication.get(name) is None:
                self.publication.put(published(name))
        return "published"

    def allow(self, names: frozenset[TrackName]) -> None:
        self.allowed = names

    def unpublish(self, name: TrackName) -> None:
        self.names = {mid: each for mid, each in self.names.items() if each is not name}
        self.publication.drop(name)

    def set_muted(self, names: frozenset[TrackName]) -> None:
        self.muted = names

    async def add_candidates(self, fragment: str) -> None:
        self.candidates.append(fragment)

    async def aclose(self) -> None:
        self.finish(PublishEnd.CLOSED)

    def finish(self, cause: PublishEnd) -> None:
        if not self.ended.is_set():
            self.ended.set()
            self.publication.end()
            self.events.on_ended(cause)

    def stats(self) -> Any:
        return SimpleNamespace(rtt_ms=None, tracks={})


class FakePeers:
    """Makes connections, and remembers them."""

    def __init__(self) -> None:
        self.publishers: list[FakePublisher] = []
        self.subscribers: list[FakeSubscriber] = []

    def publishing(self, source: SourceId, events: PublishEvents) -> FakePublisher:
        self.publishers.append(FakePublisher(source, events))
        return self.publishers[-1]

    def subscribing(self, name: str, events: SubscribeEvents) -> FakeSubscriber:
        self.subscribers.append(FakeSubscriber(events))
        return self.subscribers[-1]


class FakeCameras:
    """Opens the cameras it is given; `hold` makes opening wait."""

    def __init__(self) -> None:
        self.cameras: dict[str, Publication] = {}
        self.opened: list[str] = []
        self.closed: list[str] = []
        self.hold: asyncio.Event | None = None

    async def open(self, source: SourceId, slot: str) -> Publication:
        self.opened.append(source)
        if self.hold is not None:
            await self.hold.wait()
        if source not in self.cameras:
            raise HubError(ErrorKind.UNAVAILABLE, "the camera is offline", code="source_offline")
        return self.cameras[source]

    def close(self, publication: Publication) -> None:
        self.closed.append(publication.source)


class Page:
    """What a browser would see of its session."""

    def __init__(self, session: Session, outgoing: Outgoing) -> None:
        self.session = session
        self.outgoing = outgoing
        self.told: deque[dict[str, Any]] = deque()
        self.history: list[dict[str, Any]] = []
        self.api: list[dict[str, Any]] = []
        self.number = 0

    async def read(self) -> None:
        """Take everything that waits."""
        while len(self.outgoing):
            frame = json.loads(await self.outgoing.take() or "{}")
            if "page" in frame:
                self.told.append(frame["page"])
                self.history.append(frame["page"])
            else:
                self.api.append(frame["api"])

    async def send(self, name: str, /, *, grant: Grant | None = None, **fields: Any) -> int:
        self.number += 1
        await self.session.requests.handle({"type": name, "id": self.number, **fields}, grant)
        return self.number

    async def ask(self, name: str, /, *, grant: Grant | None = None, **fields: Any) -> dict[str, Any]:
        """Send a request and return its answer."""
        number = await self.send(name, grant=grant, **fields)
        return await self.answer(number)

    async def answer(self, number: int) -> dict[str, Any]:
        return await self.wait_for(lambda message: message.get("id") == number)

    async def code(self, name: str, /, **fields: Any) -> str:
        """Send a request and return the code of its refusal, or `ok`."""
        answer = await self.ask(name, **fields)
        return answer["code"] if answer["type"] == "error" else answer["type"]

    async def wait_for(self, is_it: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        """Return the first message that is it, and leave the others; TimeoutError when it never comes."""
        async with asyncio.timeout(WAIT_S):
            while True:
                await self.read()
                for message in self.told:
                    if is_it(message):
                        self.told.remove(message)
                        return message
                await asyncio.sleep(0.005)

    async def heard(self, name: str) -> dict[str, Any]:
        return await self.wait_for(lambda message: message["type"] == name)

    async def person(self, name: str, is_it: Callable[[dict[str, Any]], object]) -> None:
        """Wait until somebody is told to be so, alone or among others."""

        def says(message: dict[str, Any]) -> bool:
            people = message.get("participants") or [message.get("participant") or {}]
            return message["type"].startswith("participant") and any(p.get("id") == name and is_it(p) for p in people)

        await self.wait_for(says)

    async def all_of(self, name: str) -> list[dict[str, Any]]:
        """Return what was told of one type so far."""
        await self.read()
        return [message for message in self.told if message["type"] == name]


def seat(name: str, role: Role = Role.ATTENDEE, room_id: str = "room-1") -> SeatClaims:
    return SeatClaims(
        room_id=room_id, home_slot="w0", participant_id=name, display_name=name, role=role, user_id=f"u-{name}"
    )


def wall(name: str, user_id: str = "u-1") -> Identity:
    return Identity(session_id=name, user_id=user_id)


def in_room(name: str, role: Role = Role.ATTENDEE) -> Identity:
    return Identity(session_id=f"s-{name}", user_id=f"u-{name}", seat=seat(name, role))


class World:
    """Everything of one worker that sessions meet."""

    def __init__(self, folder: Path) -> None:
        self.clock = SimulatedClock()
        self.peers = FakePeers()
        self.cameras = FakeCameras()
        self.plane = Plane("w0", self.cameras, None)
        self.notices: list[tuple[str, dict[str, Any]]] = []
        self.rooms = RoomDirectory("w0", folder, self.clock, self.notify)
        self.directory = SessionDirectory(
            SessionWorld(
                peers=self.peers, plane=self.plane, rooms=self.rooms, accounts=Accounts(), clock=self.clock,
                ice_servers=lambda _user: (), notify=self.notify,
            )
        )  # fmt: skip

    def notify(self, kind: str, body: dict[str, Any]) -> None:
        self.notices.append((kind, body))

    def noticed(self, kind: str) -> list[dict[str, Any]]:
        return [body for each, body in self.notices if each == kind]

    async def open(self, identity: Identity, *, is_resume: bool = False) -> tuple[Page, dict[str, Any]]:
        session, is_resumed = await self.directory.open(identity, is_resume=is_resume)
        page = Page(session, session.attach())
        return page, await session.welcome(is_resumed=is_resumed)

    async def page(self, identity: Identity) -> Page:
        return (await self.open(identity))[0]

    async def join(self, name: str, role: Role = Role.ATTENDEE) -> Page:
        return await self.page(in_room(name, role))

    async def watcher(self, name: str = "s-1", offer: str = "video video audio") -> Page:
        """Open a wall with slots."""
        page = await self.page(wall(name))
        await page.ask("slots", sdp=offer)
        return page


@asynccontextmanager
async def world(folder: Path, **config: Any) -> AsyncIterator[World]:
    """Run a world with one open room."""
    made = World(folder)
    await made.rooms.start()
    await made.rooms.put("room-1", {"name": "Room", **config})
    try:
        yield made
    finally:
        await made.directory.aclose()
        await made.rooms.aclose()
        made.plane.close()


async def settled(condition: Callable[[], object]) -> None:
    """Wait until something holds that follows in a few turns of the loop; TimeoutError when it never does."""
    async with asyncio.timeout(WAIT_S):
        while not condition():  # noqa: ASYNC110  # what is waited for has no event
            await asyncio.sleep(0.005)


async def turns(count: int = 20) -> None:
    """Let everything run that is ready."""
    for _ in range(count):
        await asyncio.sleep(0)
