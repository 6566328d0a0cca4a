"""Reconciling: what starts, what stops, and what is left alone."""

import asyncio
from collections.abc import Coroutine

from media.base.ids import CameraId, Quality, StreamKey, camera_source
from media.packet import EndReason
from streams.hub import Hub
from streams.ingest.connection import SourceRequest, SourceStats
from streams.registry import Registry
from streams.source import CameraConfig, ConnectGate, SupervisorWorld
from streams.status import SourceState, SourceStatus
from tests.unit.streams.simulated_loop import loop_clock, run_simulated


class FakeConnection:
    """Publishes for ever."""

    is_publishing = True

    def __init__(self, request: SourceRequest) -> None:
        self.request = request
        self.ended: asyncio.Future[EndReason] = asyncio.get_running_loop().create_future()
        self.closed: EndReason | None = None

    @property
    def last_media_mono_ns(self) -> int:
        return loop_clock().mono_ns()

    def stats(self) -> SourceStats:
        return SourceStats()

    async def aclose(self, reason: EndReason) -> None:
        await asyncio.sleep(1.0)
        self.closed = reason


class Rig:
    """A registry whose cameras all answer."""

    def __init__(self) -> None:
        self.hub = Hub()
        self.connections: list[FakeConnection] = []
        self.told: list[tuple[CameraId, SourceStatus]] = []
        world = SupervisorWorld(self.connect, loop_clock(), ConnectGate())
        self.registry = Registry(self.hub, world, lambda camera, status: self.told.append((camera, status)))

    async def connect(self, request: SourceRequest) -> FakeConnection:
        self.hub.stream(request.key)
        self.connections.append(FakeConnection(request))
        return self.connections[-1]

    async def reconcile(self, *cameras: CameraConfig) -> None:
        await self.registry.reconcile({camera.camera_id: camera for camera in cameras})
        await asyncio.sleep(2.0)

    @property
    def open(self) -> list[str]:
        return sorted(f"{c.request.key} {c.request.url}" for c in self.connections if c.closed is None)


def camera(name: str, url: str = "rtsp://a", sub: str | None = None, *, enabled: bool = True) -> CameraConfig:
    return CameraConfig(camera_id=CameraId(name), source_url=url, sub_source_url=sub, enabled=enabled)


def simulate(story) -> None:
    async def run() -> None:
        rig = Rig()
        try:
            await story(rig)
        finally:
            await rig.registry.aclose()
        assert rig.open == []

    work: Coroutine[None, None, None] = run()
    run_simulated(work)


def test_desired_streams_run_and_removed_ones_are_gone_from_the_hub() -> None:
    async def story(rig: Rig) -> None:
        await rig.reconcile(camera("a", sub="rtsp://a/sub"), camera("b"))
        assert rig.open == ["camera/a:main rtsp://a", "camera/a:sub rtsp://a/sub", "camera/b:main rtsp://a"]
        assert rig.registry.status(CameraId("a"), Quality.SUB).state is SourceState.ONLINE
        await rig.reconcile(camera("b"))
        assert rig.open == ["camera/b:main rtsp://a"]
        assert rig.registry.status(CameraId("a")) is None
        assert rig.hub.get(StreamKey(camera_source(CameraId("a")))) is None
        assert {c.closed for c in rig.connections if c.closed} == {EndReason.DISABLED}

    simulate(story)


def test_what_did_not_change_is_not_touched() -> None:
    async def story(rig: Rig) -> None:
        await rig.reconcile(camera("a"), camera("b"))
        await rig.reconcile(camera("a"), camera("b", url="rtsp://elsewhere"))
        assert rig.open == ["camera/a:main rtsp://a", "camera/b:main rtsp://elsewhere"]
        assert len(rig.connections) == 3
        assert rig.connections[1].closed is EndReason.DISCONNECTED

    simulate(story)


def test_a_disabled_camera_says_so_and_since_when() -> None:
    async def story(rig: Rig) -> None:
        await rig.reconcile(camera("a"))
        at_us = loop_clock().wall_us()
        await rig.reconcile(camera("a", enabled=False))
        await rig.reconcile(camera("a", enabled=False), camera("b"))
        status = rig.registry.status(CameraId("a"))
        assert status.state is SourceState.DISABLED
        assert at_us <= status.since_wall_us <= at_us + 1_100_000
        assert [s.state for c, s in rig.told if c == "a"].count(SourceState.DISABLED) == 1
        assert ("a", SourceState.DISABLED) in [(c, s.state) for c, s in rig.registry.statuses()]
        assert rig.hub.get(StreamKey(camera_source(CameraId("a")))) is not None
        await rig.reconcile(camera("a"))
        assert rig.registry.status(CameraId("a")).state is SourceState.ONLINE

    simulate(story)


def test_losing_the_sub_stream_leaves_the_main_stream_alone() -> None:
    async def story(rig: Rig) -> None:
        await rig.reconcile(camera("a", sub="rtsp://sub"))
        await rig.reconcile(camera("a"))
        assert rig.open == ["camera/a:main rtsp://a"]
        assert len(rig.connections) == 2
        assert rig.hub.get(StreamKey(camera_source(CameraId("a")), Quality.SUB)) is None

    simulate(story)


def test_a_hundred_cameras_close_at_once_and_not_one_after_the_other() -> None:
    async def story(rig: Rig) -> None:
        await rig.reconcile(*(camera(f"c{n}") for n in range(100)))
        started_s = asyncio.get_running_loop().time()
        await rig.registry.aclose()
        assert asyncio.get_running_loop().time() - started_s <= 2.0
        assert {c.closed for c in rig.connections} == {EndReason.SHUTDOWN}

    simulate(story)


def test_reconciling_calls_queue_up() -> None:
    async def story(rig: Rig) -> None:
        desired = [{CameraId("a"): camera("a", url=f"rtsp://{n}")} for n in range(5)]
        await asyncio.gather(*(rig.registry.reconcile(one) for one in desired))
        await asyncio.sleep(1.0)
        assert rig.open == ["camera/a:main rtsp://4"]

    simulate(story)
