"""What every camera should do (written by api) and what it does (written by workers).

`xy:cameras` is a hash of camera id to the JSON of `CameraDesired`; each change is announced on the channel
`xy:changed`. `xy:status` is a hash of camera id to the camera state object of the API with `at` and `slot`; a
*change* of state is announced on the channel `xy:camera-status`. The desired hash is a projection: api writes it from SQL, and marks
it complete.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from api.state.door import Door, dump, load, translated

CAMERAS = "xy:cameras"
CHANGED = "xy:changed"
COMPLETE = "xy:cameras:complete"
STATUS = "xy:status"
STATUS_CHANNEL = "xy:camera-status"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingDesired:
    """How a camera is to be recorded. `windows` are minutes of the local week, from Monday 00:00, for `schedule`."""

    mode: str = "continuous"
    retention_days: int = 30
    windows: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraDesired:
    """One camera as the workers must have it. URLs are sealed by `api.secrets.cipher.Cipher`; `version` grows by change."""

    id: str
    source_url_enc: str
    sub_source_url_enc: str | None = None
    enabled: bool = True
    recording: RecordingDesired = field(default_factory=RecordingDesired)
    org_id: str = ""
    version: int = 1
    transport: str = "tcp"

    def to_json(self) -> str:
        """Return the value as stored."""
        return dump(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "CameraDesired | None":
        """Return the stored value, or None when it is not one. Fields of a newer version are ignored."""
        value = load(text)
        if value is None or not isinstance(value.get("id"), str) or not isinstance(value.get("source_url_enc"), str):
            return None
        recording = value.get("recording")
        given = recording if isinstance(recording, dict) else {}
        known = {key: value[key] for key in _FIELDS & value.keys()}
        return cls(
            **known,
            recording=RecordingDesired(
                mode=str(given.get("mode", "continuous")),
                retention_days=int(given.get("retention_days", 30)),
                windows=tuple((int(start), int(end)) for start, end in given.get("windows", ())),
            ),
        )


_FIELDS = frozenset({"id", "source_url_enc", "sub_source_url_enc", "enabled", "org_id", "version", "transport"})


class CameraStore(Door):
    """Desired cameras and their states."""

    async def put_camera(self, camera: CameraDesired) -> None:
        """Store one camera and announce it; HubError UNAVAILABLE when the state cannot be reached."""
        with translated():
            async with self._redis.pipeline() as pipe:
                pipe.hset(CAMERAS, camera.id, camera.to_json())
                pipe.publish(CHANGED, dump({"id": camera.id}))
                await pipe.execute()

    async def remove_camera(self, camera_id: str) -> None:
        """Forget one camera and its state, and announce it."""
        with translated():
            async with self._redis.pipeline() as pipe:
                pipe.hdel(CAMERAS, camera_id)
                pipe.hdel(STATUS, camera_id)
                pipe.hdel("xy:assignment", camera_id)
                pipe.publish(CHANGED, dump({"id": camera_id}))
                await pipe.execute()

    async def replace_cameras(self, cameras: Iterable[CameraDesired]) -> None:
        """Make the desired cameras exactly these, in one step, and announce it; from now on they are all there."""
        wanted: dict[Any, Any] = {camera.id: camera.to_json() for camera in cameras}
        with translated():
            async with self._redis.pipeline() as pipe:
                pipe.delete(CAMERAS)
                if wanted:
                    pipe.hset(CAMERAS, mapping=wanted)
                pipe.set(COMPLETE, "1")
                pipe.publish(CHANGED, dump({"id": None}))
                await pipe.execute()

    async def cameras(self) -> dict[str, CameraDesired] | None:
        """Return the desired cameras, or None when nobody wrote them all since this Redis began.

        None is not the empty county: a worker that meets a freshly emptied Redis keeps what it runs.
        """
        with translated():
            async with self._redis.pipeline() as pipe:
                pipe.get(COMPLETE)
                pipe.hgetall(CAMERAS)
                complete, raw = await pipe.execute()
        if not complete:
            return None
        parsed = ((key, CameraDesired.from_json(text)) for key, text in raw.items())
        return {key: camera for key, camera in parsed if camera is not None}

    async def put_statuses(self, statuses: Mapping[str, Mapping[str, Any]], changed: Iterable[str] = ()) -> None:
        """Store states by camera id; those named in `changed` are announced as `{"id", "status"}`."""
        if not statuses:
            return
        packed: dict[Any, Any] = {key: dump(status) for key, status in statuses.items()}
        with translated():
            async with self._redis.pipeline(transaction=False) as pipe:
                pipe.hset(STATUS, mapping=packed)
                for key in changed:
                    pipe.publish(STATUS_CHANNEL, dump({"id": key, "status": statuses[key]}))
                await pipe.execute()

    async def drop_statuses(self, camera_ids: Iterable[str], slot: str) -> None:
        """Forget the states that `slot` wrote of cameras it no longer has; another slot's word stays."""
        written = await self.statuses(list(camera_ids))
        stale = [key for key, status in written.items() if status.get("slot") == slot]
        if stale:
            with translated():
                await self._redis.hdel(STATUS, *stale)

    async def statuses(self, camera_ids: Iterable[str] | None = None) -> dict[str, dict[str, Any]]:
        """Return the stored states, of all cameras or of these; unknown ones are left out."""
        with translated():
            raw = await (self._hash(STATUS) if camera_ids is None else self._fields(STATUS, list(camera_ids)))
        parsed = {key: load(text) for key, text in raw.items()}
        return {key: value for key, value in parsed.items() if value is not None}

    async def status(self, camera_id: str) -> dict[str, Any] | None:
        """Return the stored state of one camera, or None."""
        return (await self.statuses([camera_id])).get(camera_id)
