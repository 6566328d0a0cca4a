"""Cameras: made, changed, removed, and told to the workers. Called by routes, import and the demo.

The database is the truth; the shared state is a projection that workers read. A change is committed first and then
announced; when announcing fails, `reconcile` (every few seconds, in `tasks.desired`) makes it good.
"""

import json
from dataclasses import asdict, dataclass, field
from typing import Any

import structlog

from api.auth.actor import Actor, Target
from api.auth.principal import Principal
from api.auth.verbs import Verb
from api.context import ApiContext
from api.db import audit, cameras
from api.db.cameras import CameraFilter, CameraRow
from api.db.engine import Connection
from api.db.rows import Page
from api.secrets.source_urls import MASK, check_source, mask, seal
from api.services.orgs import existing as existing_org
from api.services.presence import told
from api.state import CameraDesired, RecordingDesired
from media.base.errors import ErrorKind, HubError
from media.base.ids import Quality, new_id
from recorder.meetings import is_meeting
from recorder.schedule import windows_of

log = structlog.get_logger(__name__)

NOT_SHOWN = frozenset({"at", "at_wall_us", "slot"})
"""Of a state object: between workers and api only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraDetails:
    """What is only described, not acted upon."""

    address: str | None = None
    longitude: float | None = None
    latitude: float | None = None
    gb_code: str | None = None
    manufacturer: str | None = None
    model: str | None = None
    managing_unit: str | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCamera:
    """A camera to be made; URLs carry their credentials and are kept out of representations."""

    name: str
    org_id: str
    source_url: str = field(repr=False)
    sub_source_url: str | None = field(default=None, repr=False)
    id: str | None = None
    enabled: bool = True
    transport: str = "tcp"
    recording_mode: str = "continuous"
    retention_days: int = 30
    schedule: str | None = None
    """JSON, see `schedule_text`."""
    details: CameraDetails = CameraDetails()


async def find(ctx: ApiContext, camera_id: str) -> CameraRow:
    """Return a camera; HubError NOT_FOUND `unknown_camera`."""
    async with ctx.db.read() as connection:
        return await _existing(connection, camera_id)


def check_stream(camera: CameraRow, quality: Quality) -> None:
    """Refuse to show what cannot come: HubError CONFLICT of a disabled camera, NOT_FOUND of a stream it does not have."""
    if not camera.enabled:
        raise HubError(ErrorKind.CONFLICT, "the camera is disabled", code="camera_disabled")
    if quality is Quality.SUB and camera.sub_source_url_enc is None:
        raise HubError(ErrorKind.NOT_FOUND, "the camera has no sub stream", code="no_sub_stream", camera=camera.id)


async def _existing(connection: Connection, camera_id: str) -> CameraRow:
    camera = await cameras.get(connection, camera_id)
    if camera is None:
        raise HubError(ErrorKind.NOT_FOUND, "no such camera", code="unknown_camera")
    return camera


async def page(ctx: ApiContext, wanted: CameraFilter, after: str, limit: int) -> Page[CameraRow]:
    """Return the cameras the principal may see, narrowed by `wanted`."""
    async with ctx.db.read() as connection:
        return await cameras.page(connection, wanted, after, limit)


def filter_for(principal: Principal, **narrowed: Any) -> CameraFilter:
    """Return the filter of what the principal may see: the subtree of the role, and cameras granted one by one."""
    path = principal.org_path if Verb.CAMERA_READ in principal.verbs else "//"
    return CameraFilter(path=path, granted=principal.cameras_granted(Verb.CAMERA_READ), **narrowed)


async def create(ctx: ApiContext, actor: Actor, wanted: NewCamera) -> CameraRow:
    """Make a camera; HubError CONFLICT `duplicate_id`/`duplicate_gb_code`, INVALID for URL, network or organisation."""
    await check_urls(ctx, wanted)
    async with ctx.db.write() as connection:
        await check_place(connection, actor, wanted.org_id)
        camera_id = wanted.id or new_id("cam-")
        await refuse_taken(connection, camera_id, wanted.details.gb_code)
        await cameras.add(connection, row_values(ctx, wanted, camera_id))
        camera = await _existing(connection, camera_id)
        await audit.append(connection, created_entry(ctx, actor, camera))
    await announce(ctx, camera)
    return camera


async def check_urls(ctx: ApiContext, wanted: NewCamera) -> None:
    """Refuse URLs that are none or lead outside the allowed networks."""
    await check_source(wanted.source_url, ctx.networks)
    if wanted.sub_source_url:
        await check_source(wanted.sub_source_url, ctx.networks)


async def check_place(connection: Connection, actor: Actor, org_id: str) -> None:
    """Refuse an organisation that does not exist or where the actor may not manage cameras."""
    org = await existing_org(connection, org_id, within=actor)
    actor.check(Verb.CAMERA_MANAGE, org.path)


async def refuse_taken(connection: Connection, camera_id: str | None, gb_code: str | None) -> None:
    """Refuse an id or GB code that is in use, or a name that only meetings' footage may have."""
    if camera_id and is_meeting(camera_id):
        raise HubError(ErrorKind.CONFLICT, "the id is taken", code="duplicate_id")
    ids, codes = await cameras.taken(connection, [camera_id] if camera_id else [], [gb_code] if gb_code else [])
    if ids:
        raise HubError(ErrorKind.CONFLICT, "the id is taken", code="duplicate_id")
    if codes:
        raise HubError(ErrorKind.CONFLICT, "the GB code is taken", code="duplicate_gb_code")


def row_values(ctx: ApiContext, wanted: NewCamera, camera_id: str) -> dict[str, Any]:
    """Return the columns of a new camera, URLs sealed."""
    now_us = ctx.clock.wall_us()
    sub = wanted.sub_source_url or None
    return {
        "id": camera_id,
        "name": wanted.name,
        "org_id": wanted.org_id,
        "source_url_enc": seal(ctx.cipher, camera_id, wanted.source_url),
        "source_url_masked": mask(wanted.source_url),
        "sub_source_url_enc": seal(ctx.cipher, camera_id, sub) if sub else None,
        "sub_source_url_masked": mask(sub) if sub else None,
        "transport": wanted.transport,
        "enabled": wanted.enabled,
        "recording_mode": wanted.recording_mode,
        "retention_days": wanted.retention_days,
        "recording_schedule": wanted.schedule,
        "version": 1,
        "created_us": now_us,
        "updated_us": now_us,
        **asdict(wanted.details),
    }


def created_entry(ctx: ApiContext, actor: Actor, camera: CameraRow) -> audit.AuditEntry:
    """Return the audit entry of a camera's creation."""
    target = Target("camera", camera.id, camera.org_path)
    return actor.entry(ctx.clock.wall_us(), "camera.create", target, name=camera.name, source=camera.source_url_masked)


async def change(ctx: ApiContext, actor: Actor, camera: CameraRow, wanted: dict[str, Any]) -> CameraRow:
    """Set the named columns; `source_url` and `sub_source_url` come in clear and unchanged when they are the mask."""
    values = await _changed_values(ctx, camera, dict(wanted))
    if not values:
        return camera
    now_us = ctx.clock.wall_us()
    async with ctx.db.write() as connection:
        if "org_id" in values:
            await check_place(connection, actor, values["org_id"])
        if values.get("gb_code") and values["gb_code"] != camera.gb_code:
            await refuse_taken(connection, None, values["gb_code"])
        await cameras.change(connection, camera.id, values | {"updated_us": now_us})
        after = await _existing(connection, camera.id)
        shown = {key: value for key, value in values.items() if not key.endswith("_enc")}
        target = Target("camera", camera.id, after.org_path)
        await audit.append(connection, actor.entry(now_us, "camera.update", target, changes=shown))
    ctx.access_changed.set()
    await announce(ctx, after)
    return after


async def _changed_values(ctx: ApiContext, camera: CameraRow, wanted: dict[str, Any]) -> dict[str, Any]:
    """Return columns for `wanted`: URLs checked, sealed and masked; values that stay as they are left out."""
    for key, shown in (("source_url", camera.source_url_masked), ("sub_source_url", camera.sub_source_url_masked)):
        if key not in wanted:
            continue
        url = wanted.pop(key) or None
        if url is not None and (url == shown or f"//{MASK}@" in url):
            if url != shown:
                raise HubError(ErrorKind.INVALID, "give the password again", code="bad_url", field=key)
            continue
        if url is not None:
            await check_source(url, ctx.networks)
        elif key == "source_url":
            raise HubError(ErrorKind.INVALID, "a camera has a source", code="bad_url", field=key)
        wanted[f"{key}_enc"] = seal(ctx.cipher, camera.id, url) if url else None
        wanted[f"{key}_masked"] = mask(url) if url else None
    return {key: value for key, value in wanted.items() if key.endswith("_enc") or getattr(camera, key) != value}


async def remove(ctx: ApiContext, actor: Actor, camera: CameraRow) -> None:
    """Delete a camera: its source is closed; what was recorded ages out."""
    now_us = ctx.clock.wall_us()
    async with ctx.db.write() as connection:
        await cameras.remove(connection, camera.id)
        target = Target("camera", camera.id, camera.org_path)
        await audit.append(connection, actor.entry(now_us, "camera.delete", target, name=camera.name))
    ctx.access_changed.set()
    try:
        await ctx.state.remove_camera(camera.id)
    except HubError as error:
        ctx.desired_behind.set()
        log.warning("a deleted camera could not be announced, will retry", camera=camera.id, cause=error.code)


async def announce(ctx: ApiContext, camera: CameraRow) -> None:
    """Tell the workers; what fails is made good by `reconcile`."""
    try:
        await ctx.state.put_camera(desired(camera))
    except HubError as error:
        ctx.desired_behind.set()
        log.warning("a camera change could not be announced, will retry", camera=camera.id, cause=error.code)


def desired(camera: CameraRow) -> CameraDesired:
    """Return a camera as the workers must have it."""
    return CameraDesired(
        id=camera.id,
        source_url_enc=camera.source_url_enc,
        sub_source_url_enc=camera.sub_source_url_enc,
        enabled=camera.enabled,
        recording=RecordingDesired(
            mode=camera.recording_mode,
            retention_days=camera.retention_days,
            windows=_windows(camera.recording_schedule),
        ),
        org_id=camera.org_id,
        version=camera.version,
        transport=camera.transport,
    )


def schedule_text(stretches: list[dict[str, Any]] | None) -> str | None:
    """Return a weekly plan as it is kept, None for none; HubError INVALID `bad_schedule`."""
    if stretches is None:
        return None
    windows_of((item["days"], item["start"], item["end"]) for item in stretches)
    return json.dumps(stretches, separators=(",", ":"))


def _windows(schedule: str | None) -> tuple[tuple[int, int], ...]:
    if schedule is None:
        return ()
    plan = windows_of((item["days"], item["start"], item["end"]) for item in json.loads(schedule))
    return tuple((window.start_minute, window.end_minute) for window in plan)


async def reconcile(ctx: ApiContext) -> bool:
    """Make the shared state equal the database; tell whether anything differed. HubError when either is away."""
    async with ctx.db.read() as connection:
        wanted = await cameras.versions(connection)
    present = await ctx.state.cameras()
    if present is not None and {key: camera.version for key, camera in present.items()} == wanted:
        return False
    async with ctx.db.read() as connection:
        rows = await cameras.everything(connection)
    await ctx.state.replace_cameras([desired(row) for row in rows])
    return True


async def statuses(ctx: ApiContext, listed: tuple[CameraRow, ...]) -> dict[str, dict[str, Any]]:
    """Return the CONTRACT state object of each camera; one nobody has reported on is `connecting` or `disabled`."""
    try:
        known = await told(ctx, [camera.id for camera in listed])
    except HubError:
        known = {}
    return {camera.id: status_of(camera, known.get(camera.id)) for camera in listed}


def status_of(camera: CameraRow, reported: dict[str, Any] | None) -> dict[str, Any]:
    """Return the state object to answer: what was reported, or what can be said without a report."""
    if reported is not None and camera.enabled:
        return {key: value for key, value in reported.items() if key not in NOT_SHOWN}
    state, reason = ("connecting", "starting") if camera.enabled else ("disabled", "disabled")
    return {
        "state": state, "reason": reason, "since": None, "last_packet_at": None, "video": None, "audio": None,
        "bitrate_bps": 0, "clock_offset_ms": None, "recording": {"state": "off", "since": None, "reason": reason},
    }  # fmt: skip
