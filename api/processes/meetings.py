"""Meetings and sessions of one worker: rooms, browsers' sessions and foreign software, joined to the media plane.

Made by `worker`, which starts and closes it; everything runs on the worker's loop. Rooms are restored before anybody
can ask for them; at the end pages are told first, then seats are left waiting, then rooms stop.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping
from pathlib import Path

from fastapi import APIRouter

from api.processes.figures import ReadCounts, WorkerFigures
from media.base.clock import Clock
from media.base.ids import SourceId
from streams.plane import Plane
from streams.recording.meetings import MeetingRecorder
from streams.recording.seats import RecordedRooms
from streams.relay.node import RelayNode
from streams.rooms import app as rooms_app
from streams.rooms.directory import RoomDirectory
from streams.rooms.gateway import CHANNEL_NAME, serve
from streams.rooms.remote import OtherWorkers
from streams.rooms.room import Room
from streams.session import app as sessions_app
from streams.session import foreign as foreign_app
from streams.session.accounts import Accounts
from streams.session.directory import SessionDirectory
from streams.session.foreign import ForeignSoftware
from streams.session.ports import Notify
from streams.session.session import SessionWorld
from streams.webrtc.engine import WebRtcEngine
from streams.webrtc.publishing import PublishEvents, PublishingPeer, PublishStats
from streams.webrtc.subscribing import SubscribeEvents, SubscriberStats, SubscribingPeer
from streams.webrtc.whep import WhepEndpoint


class Peers:
    """Makes sessions' peer connections on the worker's one port."""

    def __init__(self, engine: WebRtcEngine) -> None:
        """Make them on `engine`."""
        self._engine = engine

    def publishing(self, source: SourceId, events: PublishEvents) -> PublishingPeer:
        """Return a new publisher."""
        return PublishingPeer(self._engine, source, events)

    def subscribing(self, name: str, events: SubscribeEvents) -> SubscribingPeer:
        """Return a new viewer."""
        return SubscribingPeer(self._engine, name, events)


class Meetings:
    """What people of one worker do."""

    def __init__(  # the composition root names each
        self,
        engine: WebRtcEngine,
        plane: Plane,
        whep: WhepEndpoint,
        folder: Path,
        notify: Notify,
        recording: MeetingRecorder,
    ) -> None:
        """Join the parts; journals of rooms are kept in `folder`. Nothing runs before `start`."""
        clock: Clock = engine.clock
        self.whep = whep
        self.recording = recording
        self._port = engine.port
        self._others: OtherWorkers | None = None
        self._relay_figures: Callable[[], dict[str, int]] = dict
        self.rooms = RoomDirectory(plane.slot, folder, clock, notify)
        recorded = RecordedRooms(self.rooms, recording)
        plane.on_published(recording.published)
        self.sessions = SessionDirectory(
            SessionWorld(
                peers=Peers(engine),
                plane=plane,
                rooms=recorded,
                accounts=Accounts(),
                clock=clock,
                ice_servers=engine.ice_servers,
                notify=notify,
            )
        )
        self.foreign = ForeignSoftware(engine, plane, recorded, self.rooms, whep)
        self.rooms.listen(lambda room: self.foreign.room_changed(room.state.id))

    async def start(self, relay: RelayNode) -> None:
        """Restore the rooms, join them to those of other workers, and begin to look after sessions."""
        others = self._others = OtherWorkers(lambda slot, body: relay.open_channel(slot, CHANNEL_NAME, body))
        self.rooms.remote = others
        relay.serve_channel(CHANNEL_NAME, lambda channel, body: serve(self.rooms.room, channel, body))
        self._relay_figures = relay.figures
        await self.rooms.start()
        self.sessions.start()

    async def farewell(self) -> None:
        """Tell every page that the worker ends. Idempotent."""
        await self.sessions.aclose()

    async def aclose(self) -> None:
        """End everything; rooms go on at the next start."""
        await self.farewell()
        await self.foreign.aclose()
        self.recording.close()
        if self._others is not None:
            await self._others.aclose()
        await self.rooms.aclose()

    def routers(self) -> tuple[APIRouter, ...]:
        """Return the private routes."""
        return (
            sessions_app.make_router(self.sessions),
            foreign_app.make_router(self.foreign),
            rooms_app.make_router(self.rooms),
        )

    def add_figures(self, figures: WorkerFigures) -> None:
        """Add what Prometheus is told of meetings."""
        figures.gauges |= {
            "sessions": (
                "Browsers' sessions, those waiting for their page included",
                lambda: float(len(self.sessions)),
            ),
            "rooms": ("Open rooms", lambda: float(len(self.rooms.rooms))),
            "recorded_sources": ("Sources of meetings being written", lambda: float(self.recording.running)),
            "participants": ("Seats in open rooms", lambda: float(_seats(self.rooms.rooms))),
            "relayed_sources": ("Sources pulled from other workers", self._of_relay("pulled")),
            "peer_connections": ("Connections of viewers and publishers", lambda: float(self._port.link_count)),
            "relay_links": ("Links to and from other workers", self._of_relay("links")),
            "published_tracks": (
                "Tracks people publish",
                lambda: float(sum(len(p.tracks) for p in self._publishers())),
            ),
        }
        figures.counters |= {
            "people_packets_received": ("Packets of people's media", self._of_publishers("packets")),
            "people_packets_repaired": ("Packets that came when asked for again", self._of_publishers("repairs")),
            "people_packets_gated": ("Packets that were not allowed and went nowhere", self._of_publishers("gated")),
            "people_packets_limited": ("Packets over an uplink's rate", self._of_publishers("limited")),
            "people_key_requests": ("Key frames asked of people's browsers", self._key_requests),
            "session_packets_sent": ("Packets into media slots", self._of_slots("packets_sent")),
            "session_packets_resent": ("Packets browsers asked for again", self._of_slots("packets_resent")),
            "session_nacks": ("Packets browsers reported missing", self._of_slots("nacks")),
            "session_key_requests": ("Key frames browsers asked for", self._of_slots("key_requests")),
        }

    def _of_relay(self, name: str) -> Callable[[], float]:
        return lambda: float(self._relay_figures().get(name, 0))

    def _publishers(self) -> list[PublishStats]:
        own = [
            s.sending.peer.stats() for s in self.sessions.all() if s.sending is not None and s.sending.peer is not None
        ]
        return [*own, *self.foreign.whip.stats().values()]

    def _of_publishers(self, name: str) -> ReadCounts:
        return lambda: [(stats.source, int(getattr(stats, name))) for stats in self._publishers()]

    def _key_requests(self) -> Iterable[tuple[Hashable, int]]:
        return [
            ((stats.source, name, layer.rid), layer.key_requests)
            for stats in self._publishers()
            for name, layers in stats.tracks.items()
            for layer in layers
        ]

    def _of_slots(self, name: str) -> ReadCounts:
        def read() -> list[tuple[Hashable, int]]:
            peers = [session.watching.peer for session in self.sessions.all()]
            stats: list[SubscriberStats] = [peer.stats() for peer in peers if peer is not None]
            return [((each.name, slot.mid), int(getattr(slot, name))) for each in stats for slot in each.slots]

        return read


def _seats(rooms: Mapping[str, Room]) -> int:
    return sum(len(room.state.seats) for room in rooms.values())
