"""The cameras of one worker: source, hub stream and recorder joined.

The one place where `streams` meets `recorder`. Used on the worker's event loop by the slot (`apply`), the announcer
(`statuses`) and the private app. Each camera has one recorder reader on its main stream; a camera
whose address cannot be read any more is shown as offline with that reason and hurts nobody else.
"""

from collections.abc import Mapping
from typing import Any

import structlog

from api.secrets.cipher import Cipher
from api.secrets.source_urls import unseal
from api.state import CameraDesired
from media.base.clock import Clock, rfc3339
from media.base.errors import HubError
from media.base.ids import CameraId, Quality, StreamKey, camera_source
from media.rtsp.transport import Transport
from recorder.policy import Mode, RecordingPolicy, Window
from recorder.recorder import CameraRecorder, Recorder
from recorder.schedule import ALWAYS
from streams.hub import Hub
from streams.registry import Registry
from streams.source import CameraConfig

log = structlog.get_logger(__name__)

NO_EVENTS = "no_event_source"
"""Why a camera in the mode `event` is not recorded: nothing of this version makes events."""


class Deck:
    """Keeps sources and recordings as they are desired."""

    def __init__(self, hub: Hub, registry: Registry, recorder: Recorder, cipher: Cipher, clock: Clock) -> None:
        """Join the parts; the caller closes them."""
        self._hub = hub
        self._registry = registry
        self._recorder = recorder
        self._cipher = cipher
        self._clock = clock
        self._desired: dict[str, CameraDesired] = {}
        self._readers: dict[str, CameraRecorder] = {}
        self._unreadable_since_us: dict[str, int] = {}

    @property
    def camera_ids(self) -> frozenset[str]:
        """Return the cameras of this worker."""
        return frozenset(self._desired)

    async def apply(self, desired: Mapping[str, CameraDesired]) -> None:
        """Make what runs equal `desired`; cameras that did not change are not touched.

        Readers are attached before the source starts and detached after it stopped, so that the recorder sees each
        run from its first unit to its end and knows why it ended.
        """
        configs = {config.camera_id: config for camera in desired.values() if (config := self._config(camera))}
        for camera in desired.values():
            self._record(camera)
        await self._registry.reconcile(configs)
        for camera_id in [key for key in self._readers if key not in desired]:
            self._forget(camera_id)
        self._unreadable_since_us = {key: at for key, at in self._unreadable_since_us.items() if key in desired}
        self._desired = dict(desired)

    def _config(self, camera: CameraDesired) -> CameraConfig | None:
        try:
            source_url = unseal(self._cipher, camera.id, camera.source_url_enc)
            sub_url = camera.sub_source_url_enc and unseal(self._cipher, camera.id, camera.sub_source_url_enc)
            transport = Transport(camera.transport)
        except (HubError, ValueError) as error:
            if camera.id not in self._unreadable_since_us:
                log.error("the camera's address cannot be read", camera=camera.id, cause=str(error))
                self._unreadable_since_us[camera.id] = self._clock.wall_us()
            return None
        self._unreadable_since_us.pop(camera.id, None)
        return CameraConfig(
            camera_id=CameraId(camera.id),
            source_url=source_url,
            sub_source_url=sub_url or None,
            enabled=camera.enabled,
            transport=transport,
        )

    def _record(self, camera: CameraDesired) -> None:
        """Give the camera a recorder reader and its policy; with recording off the reader only notes why not."""
        reader = self._recorder.reader(CameraId(camera.id), Quality.MAIN, policy_of(camera))
        if camera.id not in self._readers:
            self._readers[camera.id] = reader
            self._hub.stream(main_stream(camera.id)).attach(reader)

    def _forget(self, camera_id: str) -> None:
        reader = self._readers.pop(camera_id)
        stream = self._hub.get(main_stream(camera_id))
        if stream is not None:
            stream.detach(reader)
        self._recorder.drop(CameraId(camera_id))

    def tick(self) -> None:
        """Let recording plans begin and end; call it every few seconds."""
        now_us = self._clock.wall_us()
        for reader in self._readers.values():
            reader.tick(now_us)

    def status(self, camera_id: str) -> dict[str, Any] | None:
        """Return the camera state object of the API; None for a camera of another worker."""
        camera = self._desired.get(camera_id)
        if camera is None:
            return None
        source = self._registry.status(CameraId(camera_id))
        state: dict[str, Any] = source.as_json() if source is not None else self._unreadable(camera_id)
        sub = self._registry.status(CameraId(camera_id), Quality.SUB)
        if sub is not None:
            state["sub"] = {key: value for key, value in sub.as_json().items() if key in _SUB_FIELDS}
        state["recording"] = self._recording(camera)
        return state

    def _unreadable(self, camera_id: str) -> dict[str, Any]:
        since_us = self._unreadable_since_us.get(camera_id, self._clock.wall_us())
        return {
            "state": "offline",
            "reason": "secret_unreadable",
            "since": rfc3339(since_us),
            "last_packet_at": None,
            "video": None,
            "audio": None,
            "bitrate_bps": 0,
            "clock_offset_ms": None,
        }

    def _recording(self, camera: CameraDesired) -> dict[str, Any]:
        status = self._recorder.status(CameraId(camera.id))
        state = status.state.value if camera.enabled else "off"
        reason = NO_EVENTS if camera.recording.mode == Mode.EVENT else status.reason or None
        return {"state": state, "since": rfc3339(status.since_wall_us), "reason": reason}

    def statuses(self) -> dict[str, dict[str, Any]]:
        """Return the state objects of all cameras."""
        found = ((camera_id, self.status(camera_id)) for camera_id in self._desired)
        return {camera_id: status for camera_id, status in found if status is not None}


_SUB_FIELDS = frozenset({"state", "reason", "since", "video", "bitrate_bps"})


def main_stream(camera_id: str) -> StreamKey:
    """Return the key of a camera's main stream."""
    return StreamKey(camera_source(CameraId(camera_id)), Quality.MAIN)


def policy_of(camera: CameraDesired) -> RecordingPolicy:
    """Return a camera's own recording plan."""
    wanted = camera.recording
    return RecordingPolicy(
        mode=Mode(wanted.mode),
        retention_days=max(1, wanted.retention_days),
        windows=tuple(Window(start, end) for start, end in wanted.windows) or ALWAYS,
    )
