"""Desired cameras become running sources: the reconcile loop of a worker.

Called by the worker's wiring whenever the desired state changes, on the event loop. Starts, stops and replaces one
supervisor per stream; a camera whose configuration did not change is not touched. Knows no database.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import structlog

from media.base.ids import CameraId, Quality
from media.base.tasks import Owner
from media.packet import EndReason
from streams.hub import Hub
from streams.source import CameraConfig, SourceSupervisor, SupervisorWorld
from streams.status import SourceState, SourceStatus

log = structlog.get_logger(__name__)

OnStatus = Callable[[CameraId, SourceStatus], None]


@dataclass(slots=True)
class _Running:
    """One supervised stream and its task."""

    supervisor: SourceSupervisor
    task: asyncio.Task[None]


class Registry:
    """The cameras of one worker."""

    def __init__(self, hub: Hub, world: SupervisorWorld, on_status: OnStatus) -> None:
        """Start empty. `on_status` is called on every change of state, must return at once and must not raise."""
        self._hub = hub
        self._world = world
        self._on_status = on_status
        self._owner = Owner("sources")
        self._configs: dict[CameraId, CameraConfig] = {}
        self._running: dict[tuple[CameraId, Quality], _Running] = {}
        self._disabled_since_us: dict[CameraId, int] = {}
        self._lock = asyncio.Lock()

    async def reconcile(self, desired: Mapping[CameraId, CameraConfig]) -> None:
        """Make the running sources those of `desired`. Stops take at most about 2 s, all at once; calls queue up."""
        async with self._lock:
            wanted = {
                (config.camera_id, quality): config
                for config in desired.values()
                if config.enabled
                for quality in Quality
                if config.request(quality) is not None
            }
            stale = [key for key in self._running if not self._is_same(key, wanted.get(key))]
            await asyncio.gather(*(self._stop(key, self._stop_reason(key, desired)) for key in stale))
            self._forget(desired)
            self._configs = dict(desired)
            for key, config in wanted.items():
                if key not in self._running:
                    self._start(key, config)

    def _is_same(self, key: tuple[CameraId, Quality], config: CameraConfig | None) -> bool:
        old = self._configs.get(key[0])
        if config is None or old is None:
            return False
        return old.request(key[1]) == config.request(key[1]) and old.silence_s == config.silence_s

    @staticmethod
    def _stop_reason(key: tuple[CameraId, Quality], desired: Mapping[CameraId, CameraConfig]) -> EndReason:
        """A camera switched off is a planned gap; one whose address changed is not."""
        config = desired.get(key[0])
        return EndReason.DISCONNECTED if config is not None and config.enabled else EndReason.DISABLED

    def _forget(self, desired: Mapping[CameraId, CameraConfig]) -> None:
        """Drop the hub streams that no longer exist and note who was switched off."""
        now_us = self._world.clock.wall_us()
        for camera_id, old in self._configs.items():
            config = desired.get(camera_id)
            for quality in Quality:
                request = old.request(quality)
                if request is not None and (config is None or config.request(quality) is None):
                    self._hub.drop(request.key)
        self._disabled_since_us = {
            camera_id: self._disabled_since_us.get(camera_id, now_us)
            for camera_id, config in desired.items()
            if not config.enabled
        }
        for camera_id in self._disabled_since_us:
            if camera_id not in self._configs or self._configs[camera_id].enabled:
                self._on_status(camera_id, self._disabled(camera_id))

    def _start(self, key: tuple[CameraId, Quality], config: CameraConfig) -> None:
        request = config.request(key[1])
        assert request is not None  # only wanted keys come here

        def changed(status: SourceStatus) -> None:
            self._on_status(key[0], status)

        supervisor = SourceSupervisor(request, self._world, changed, silence_s=config.silence_s)
        self._running[key] = _Running(supervisor, self._owner.start(supervisor.run(), str(request.key)))
        changed(supervisor.status())

    async def _stop(self, key: tuple[CameraId, Quality], reason: EndReason) -> None:
        running = self._running.pop(key)
        running.supervisor.stop_reason = reason
        running.task.cancel()
        await asyncio.wait((running.task,))

    def status(self, camera_id: CameraId, quality: Quality = Quality.MAIN) -> SourceStatus | None:
        """Return the status of a stream; None when the camera is unknown here or has no such stream."""
        running = self._running.get((camera_id, quality))
        if running is not None:
            return running.supervisor.status()
        if camera_id in self._disabled_since_us and quality is Quality.MAIN:
            return self._disabled(camera_id)
        return None

    def statuses(self) -> Iterator[tuple[CameraId, SourceStatus]]:
        """Yield the status of every stream, disabled cameras included."""
        for (camera_id, _quality), running in self._running.items():
            yield camera_id, running.supervisor.status()
        for camera_id in self._disabled_since_us:
            yield camera_id, self._disabled(camera_id)

    def retry_now(self, camera_id: CameraId) -> None:
        """Cut the waits of a camera short; nothing happens when it is online or unknown."""
        for quality in Quality:
            running = self._running.get((camera_id, quality))
            if running is not None:
                running.supervisor.retry_now()

    def _disabled(self, camera_id: CameraId) -> SourceStatus:
        return SourceStatus(
            quality=Quality.MAIN,
            state=SourceState.DISABLED,
            reason=EndReason.DISABLED.value,
            since_wall_us=self._disabled_since_us[camera_id],
        )

    async def aclose(self) -> None:
        """End every source with reason SHUTDOWN, all at once, within about 2 s."""
        async with self._lock:
            await asyncio.gather(*(self._stop(key, EndReason.SHUTDOWN) for key in list(self._running)))
            await self._owner.aclose()
