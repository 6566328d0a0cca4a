"""The media worker: cameras come in, are recorded and watched. One event loop (uvloop), one process per slot.

Started by the supervisor as `python -m api.processes.worker N`. Wires hub, sources, recorder, viewing and the private
app together and lets them run; needs neither Redis nor the database to go on. On SIGTERM viewers are told, cameras
get their TEARDOWN, recordings are closed: within 5 s, or the process ends the hard way.
"""

import asyncio
import gc
import os
import signal
import sys
from collections.abc import AsyncIterator, Hashable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import structlog
import uvloop
from prometheus_client import CollectorRegistry

from api.processes.announcer import Announcer
from api.processes.deck import Deck
from api.processes.figures import WorkerFigures
from api.processes.footage import identity_book
from api.processes.home import installation_id
from api.processes.meeting_footage import MeetingFootage
from api.processes.meetings import Meetings
from api.processes.outbox import Outbox
from api.processes.private_app import QuietServer, bind_unix, private_config
from api.processes.relaying import SlotAddresses, listen_at, make_relay
from api.processes.shown_cameras import ShownCameras
from api.processes.slot import Slot, SlotLostError
from api.processes.spare import wait_for_slot
from api.processes.start import start_process
from api.processes.volumes import volumes_of_slot
from api.processes.worker_app import WorkerParts, create_worker_app
from api.secrets.cipher import Cipher
from api.settings import Settings
from api.state import State
from media.base.clock import Clock, SystemClock
from media.base.tasks import Owner
from media.ffmpeg.decoder import KeyFrameDecoder
from recorder.recorder import Recorder, RecorderOptions
from streams.hub import Hub
from streams.ingest.connector import RtspConnector
from streams.ingest.leftover import FileSessionStore
from streams.ingest.networks import SourceNetworks
from streams.ingest.probe import Prober
from streams.plane import Plane
from streams.recording.meetings import MeetingRecorder
from streams.registry import Registry
from streams.snapshot import Snapshotter
from streams.source import ConnectGate, SupervisorWorld
from streams.webrtc.camera_source import CameraSources
from streams.webrtc.engine import EngineSettings, WebRtcEngine
from streams.webrtc.viewer import ViewerStats
from streams.webrtc.whep import WhepEndpoint

log = structlog.get_logger(__name__)

DRAIN_S = 4.7
"""The supervisor kills after 5 s; ending by ourselves leaves a line in the log that says so."""

LAG_EVERY_S = 0.25
LAG_WARN_S = 0.25
TICK_S = 5.0


class Worker:
    """The parts of one worker, made in the order in which they need each other."""

    def __init__(self, settings: Settings, number: int, clock: Clock) -> None:
        """Make what needs no running loop and no epoch."""
        self.settings = settings
        self.number = number
        self.clock = clock
        self.state = State.open(settings.state_url)
        self.slot = Slot(settings, number, self.state, clock, installation_id(settings.data_dir))
        self.outbox = Outbox(self.state)
        self.hub = Hub()
        self.networks = SourceNetworks.parse(",".join(settings.source_networks))
        self.longest_lag_s = 0.0
        self._is_healthy = False

    async def run(self) -> None:
        """Run until cancelled; SlotLostError when the slot has another worker."""
        await self.slot.enter()
        log.info("slot entered", slot=self.slot.name, epoch=self.slot.epoch, cameras=len(self.slot.cameras))
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self.state.aclose)
            stack.push_async_callback(self._say_goodbye)
            recorder = await stack.enter_async_context(self._open_recorder())
            engine = WebRtcEngine(self._engine_settings(), self.clock)
            addresses = SlotAddresses(self.settings, self.state)
            relay = make_relay(self.settings, self.slot.name, addresses, engine.make_track, self.clock)
            plane = Plane(self.slot.name, CameraSources(self.hub, engine), relay)
            whep = WhepEndpoint(engine, plane, self._on_session_end)
            announcer = Announcer(self.state, self.slot.name, self.clock)
            sessions = FileSessionStore(self.settings.data_dir / "workers" / f"sessions-{self.number}.json")
            stack.push_async_callback(sessions.aclose)
            registry = self._make_registry(announcer, sessions)
            stack.push_async_callback(registry.aclose)
            await engine.start()
            stack.push_async_callback(engine.aclose)
            stack.callback(plane.close)
            stack.push_async_callback(whep.aclose)
            folder = self.settings.data_dir / "workers" / f"rooms-{self.number}"
            recording = MeetingRecorder(self.clock, MeetingFootage(recorder, self.settings.meeting_days))
            meetings = Meetings(engine, plane, whep, folder, self.outbox.post, recording)
            stack.push_async_callback(meetings.aclose)
            await meetings.start(relay)
            stack.push_async_callback(relay.aclose)
            await relay.start(plane, listen_at(self.settings, self.number))
            deck = Deck(self.hub, registry, recorder, Cipher(self.settings.secret), self.clock)
            server = await self._serve_private(stack, deck, registry, meetings, recorder)
            shown = ShownCameras(meetings.rooms, plane, recording, self.state.cameras, self.clock)
            stack.callback(shown.close)
            await self._live(deck, announcer, server, meetings, shown)

    @asynccontextmanager
    async def _open_recorder(self) -> AsyncIterator[Recorder]:
        recorder = Recorder(
            volumes_of_slot(self.settings, self.number),
            self.clock,
            node=self.settings.node,
            epoch=self.slot.epoch,
            on_event=self._on_recorder_event,
            options=RecorderOptions(identities=identity_book(self.settings)),
        )
        try:
            yield recorder
        finally:
            await recorder.close()

    def _make_registry(self, announcer: Announcer, sessions: FileSessionStore) -> Registry:
        connect = RtspConnector(self.hub, self.clock, self.networks, sessions)
        return Registry(self.hub, SupervisorWorld(connect, self.clock, ConnectGate()), announcer.changed)

    def _engine_settings(self) -> EngineSettings:
        settings = self.settings
        return EngineSettings(
            udp_port=settings.media_udp_port + self.number if settings.media_udp_port else 0,
            public_addresses=settings.public_addresses,
            turn_urls=settings.turn_urls,
            turn_secret=settings.turn_secret.get_secret_value() if settings.turn_secret else "",
        )

    async def _serve_private(
        self, stack: AsyncExitStack, deck: Deck, registry: Registry, meetings: Meetings, recorder: Recorder
    ) -> QuietServer:
        whep = meetings.whep
        decoder = KeyFrameDecoder()
        stack.push_async_callback(decoder.aclose)
        snapshots = Snapshotter(self.hub, decoder, self.clock)
        stack.push_async_callback(snapshots.aclose)
        figures = WorkerFigures(self.slot.name, deck.statuses)
        figures.gauges |= {
            "viewers": ("Live viewing sessions", lambda: float(len(whep.sessions()))),
            "loop_lag_seconds": ("Longest wait of the event loop since the last look", self._take_lag),
            "tasks": ("Tasks on the event loop", lambda: float(len(asyncio.all_tasks()))),
            "state_connected": ("Whether Redis answers", lambda: float(self.slot.is_connected)),
            "events_waiting": ("Events not delivered to api yet", lambda: float(len(self.outbox))),
        }
        figures.counters |= {
            "recording_drops": ("Streams cut by a disk that did not keep up", lambda: [("", recorder.dropped)]),
            "viewer_packets_sent": ("Packets to viewers", lambda: _of_sessions(whep, "packets_sent")),
            "viewer_bytes_sent": ("Bytes to viewers", lambda: _of_sessions(whep, "bytes_sent")),
            "viewer_packets_resent": ("Packets viewers asked for again", lambda: _of_sessions(whep, "packets_resent")),
            "viewer_packets_lost": ("Packets viewers missed, in their words", lambda: _of_sessions(whep, "lost")),
        }
        figures.volumes = lambda: recorder.writers
        meetings.add_figures(figures)
        collected = CollectorRegistry()
        collected.register(figures)
        parts = WorkerParts(
            slot=self.slot.name,
            deck=deck,
            registry=registry,
            whep=whep,
            snapshots=snapshots,
            prober=Prober(self.networks, self.clock, decoder),
            figures=collected,
            is_healthy=lambda: self._is_healthy,
            routers=meetings.routers(),
        )
        return QuietServer(private_config(create_worker_app(parts), lifespan="off", has_sockets=True))

    async def _live(
        self, deck: Deck, announcer: Announcer, server: QuietServer, meetings: Meetings, shown: ShownCameras
    ) -> None:
        """Run every task until one ends; a worker that has lost a limb is replaced as a whole."""
        path = self.settings.worker_socket(self.number)
        async with Owner("worker") as owner:
            tasks = {
                owner.start(self.slot.run(deck.apply), "slot"),
                owner.start(announcer.run(deck.statuses), "announcer"),
                owner.start(self.outbox.run(), "outbox"),
                owner.start(self._watch_lag(), "lag"),
                owner.start(_tick(deck), "recording plans"),
                owner.start(meetings.recording.run(), "meeting recording"),
                owner.start(shown.run(), "cameras shown"),
                owner.start(server.serve(sockets=[bind_unix(path)]), "private app"),
            }
            self._is_healthy = True
            try:
                done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            finally:
                await meetings.farewell()  # while the private app still carries it
            for task in done:
                task.result()

    async def _watch_lag(self) -> None:
        """Notice when something holds the loop: media waits for nobody."""
        loop = asyncio.get_running_loop()
        while True:
            expected_s = loop.time() + LAG_EVERY_S
            await asyncio.sleep(LAG_EVERY_S)
            lag_s = loop.time() - expected_s
            self.longest_lag_s = max(self.longest_lag_s, lag_s)
            if lag_s > LAG_WARN_S:
                log.warning("the event loop was held up", lag_s=round(lag_s, 3))

    def _take_lag(self) -> float:
        lag_s, self.longest_lag_s = self.longest_lag_s, 0.0
        return lag_s

    def _on_session_end(self, session_id: str, user_id: str, camera_id: str, reason: str, stats: ViewerStats) -> None:
        self.outbox.post(
            "live.ended",
            {
                "session_id": session_id,
                "user_id": user_id,
                "camera_id": camera_id,
                "reason": reason,
                "slot": self.slot.name,
                "at_wall_us": self.clock.wall_us(),
                "bytes_sent": getattr(stats, "bytes_sent", 0),
            },
        )

    def _on_recorder_event(self, kind: str, camera_id: str, details: dict[str, Any]) -> None:
        log.warning("recorder event", kind=kind, camera=camera_id, **details)
        self.outbox.post(
            "recording.alarm",
            {
                "kind": kind,
                "camera_id": camera_id or None,
                "at_wall_us": self.clock.wall_us(),
                "slot": self.slot.name,
                **details,
            },
        )

    async def _say_goodbye(self) -> None:
        await self.outbox.flush(0.5)
        await self.slot.leave()


def _of_sessions(whep: WhepEndpoint, name: str) -> list[tuple[Hashable, int]]:
    return [(stats.session_id, max(0, int(getattr(stats, name)))) for stats in whep.sessions()]


async def _tick(deck: Deck) -> None:
    while True:
        await asyncio.sleep(TICK_S)
        deck.tick()


async def serve(settings: Settings, number: int) -> int:
    """Run the worker until SIGTERM; return the exit status."""
    worker = Worker(settings, number, SystemClock())
    loop = asyncio.get_running_loop()
    main_task = asyncio.current_task()
    assert main_task is not None
    is_told = False

    def drain() -> None:
        nonlocal is_told
        if not is_told:
            is_told = True
            loop.call_later(DRAIN_S, _end_hard)
            main_task.cancel()

    for sign in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sign, drain)
    try:
        await worker.run()
    except asyncio.CancelledError:
        if not is_told:
            raise
    except SlotLostError as error:
        log.error("this slot has another worker, ending", slot=worker.slot.name, cause=str(error))
        return 1
    log.info("worker ended in order", slot=worker.slot.name)
    return 0


def _end_hard() -> None:
    log.error("the worker could not end in order in time")
    os._exit(1)


def main() -> None:
    """Run slot N, the only argument; without it, the slot this spare is told to man."""
    gc.freeze()  # what is loaded stays: looking through it again held the loop up for 50 ms
    number = int(sys.argv[1]) if len(sys.argv) > 1 else wait_for_slot()
    settings = start_process(f"worker {number}")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        status = runner.run(serve(settings, number))
    raise SystemExit(status)


if __name__ == "__main__":
    main()
