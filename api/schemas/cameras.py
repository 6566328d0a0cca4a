"""Cameras over HTTP; clear source URLs come in, only masked ones go out."""

import json
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StringConstraints

from api.db.cameras import CameraRow
from api.schemas.base import Id, Input, LongText, Name, Output, ShortText, moment
from api.services.cameras import CameraDetails, NewCamera, schedule_text

Url = Annotated[str, StringConstraints(min_length=1, max_length=1024)]
GbCode = Annotated[str, StringConstraints(pattern=r"^[0-9]{20}$")]
Mode = Literal["continuous", "schedule", "event", "off"]
RETENTION_DAYS = 30
"""799 令 17: at least thirty days."""


class Stretch(Input):
    """A stretch of the week: days (1 is Monday), local times `HH:MM`; an end at or before the start is on the next day."""

    days: Annotated[list[Annotated[int, Field(ge=1, le=7)]], Field(min_length=1, max_length=7)]
    start: Annotated[str, StringConstraints(pattern=r"^[0-9]{2}:[0-9]{2}$")]
    end: Annotated[str, StringConstraints(pattern=r"^[0-9]{2}:[0-9]{2}$")]


class Recording(Input):
    """How the camera is recorded.

    `schedule` counts in the mode `schedule`; without one that mode records always, so that nothing is missed before
    the plan is written. The mode `event` records nothing until events exist: the state says `no_event_source`.
    """

    mode: Mode = "continuous"
    retention_days: Annotated[int, Field(ge=1, le=3650)] = RETENTION_DAYS
    schedule: Annotated[list[Stretch], Field(min_length=1, max_length=50)] | None = None


class Location(Input):
    """Where the camera is; a bare text is an address."""

    address: Annotated[str, StringConstraints(max_length=200)] | None = None
    longitude: Annotated[float, Field(ge=-180, le=180)] | None = None
    latitude: Annotated[float, Field(ge=-90, le=90)] | None = None


def _location(value: Any) -> Any:
    return {"address": value} if isinstance(value, str) else value


class CameraInput(Input):
    """What creating and changing share."""

    sub_source_url: Url | None = None
    location: Annotated[Location, BeforeValidator(_location)] | None = None
    gb_code: GbCode | None = None
    manufacturer: ShortText | None = None
    model: ShortText | None = None
    managing_unit: ShortText | None = None
    note: LongText | None = None


class CameraCreate(CameraInput):
    """A new camera."""

    id: Id | None = None
    name: Name
    org_id: Id
    source_url: Url
    enabled: bool = True
    transport: Literal["tcp", "udp"] = "tcp"
    recording: Recording = Recording()


class CameraPatch(CameraInput):
    """What may be changed; a masked URL sent back means unchanged."""

    name: Name | None = None
    org_id: Id | None = None
    source_url: Url | None = None
    enabled: bool | None = None
    transport: Literal["tcp", "udp"] | None = None
    recording: Recording | None = None


class RecordingOut(Output):
    """How the camera is recorded."""

    mode: str
    retention_days: int
    schedule: list[Stretch] | None


class LocationOut(Output):
    """Where the camera is."""

    address: str | None
    longitude: float | None
    latitude: float | None


class Camera(Output):
    """A camera with its present state (the object of `/cameras/{id}/status`)."""

    id: str
    name: str
    org_id: str
    source_url: str
    sub_source_url: str | None
    transport: str
    enabled: bool
    recording: RecordingOut
    location: LocationOut | None
    gb_code: str | None
    manufacturer: str | None
    model: str | None
    managing_unit: str | None
    note: str | None
    version: int
    created_at: str
    updated_at: str
    status: dict[str, Any]


class CameraPage(Output):
    """Cameras by id."""

    items: list[Camera]
    next_cursor: str | None


class ProbeRequest(Input):
    """A URL to try; `camera_id` lets a masked URL of a stored camera be tried with its password."""

    source_url: Url
    camera_id: Id | None = None


class ImportRow(Output):
    """What became of one row of the file; rows count from 1 after the heading."""

    row: int
    id: str | None = None
    name: str | None = None
    state: Literal["created", "rejected"]
    code: str | None = None
    message: str | None = None


class ImportReport(Output):
    """What became of the file."""

    created: int
    rejected: int
    rows: list[ImportRow]


def new_camera(body: CameraCreate) -> NewCamera:
    """Return the request as the service takes it."""
    where = body.location or Location()
    details = CameraDetails(
        address=where.address, longitude=where.longitude, latitude=where.latitude, gb_code=body.gb_code,
        manufacturer=body.manufacturer, model=body.model, managing_unit=body.managing_unit, note=body.note,
    )  # fmt: skip
    return NewCamera(
        id=body.id, name=body.name, org_id=body.org_id, source_url=body.source_url, sub_source_url=body.sub_source_url,
        enabled=body.enabled, transport=body.transport, recording_mode=body.recording.mode,
        retention_days=body.recording.retention_days, details=details,
        schedule=schedule_text(body.recording.model_dump()["schedule"]),
    )  # fmt: skip


_RECORDING_COLUMNS = {"mode": "recording_mode", "schedule": "recording_schedule"}


def camera_changes(body: CameraPatch) -> dict[str, Any]:
    """Return the columns a patch names; null clears what may be empty and is passed over elsewhere."""
    given = body.model_dump(exclude_unset=True, exclude={"location", "recording"})
    keep_when_null = {"name", "org_id", "source_url", "enabled", "transport"}
    changes = {key: value for key, value in given.items() if value is not None or key not in keep_when_null}
    if body.recording is not None:
        recording = body.recording.model_dump(exclude_unset=True)
        if "schedule" in recording:
            recording["schedule"] = schedule_text(recording["schedule"])
        changes |= {_RECORDING_COLUMNS.get(key, key): value for key, value in recording.items()}
    if "location" in body.model_fields_set:
        changes |= (body.location or Location()).model_dump()
    return changes


def camera_out(row: CameraRow, status: dict[str, Any]) -> Camera:
    """Return the camera as answered."""
    has_place = any(value is not None for value in (row.address, row.longitude, row.latitude))
    return Camera(
        id=row.id, name=row.name, org_id=row.org_id, source_url=row.source_url_masked,
        sub_source_url=row.sub_source_url_masked, transport=row.transport, enabled=row.enabled,
        recording=RecordingOut(
            mode=row.recording_mode, retention_days=row.retention_days,
            schedule=json.loads(row.recording_schedule) if row.recording_schedule else None,
        ),
        location=LocationOut(address=row.address, longitude=row.longitude, latitude=row.latitude) if has_place else None,
        gb_code=row.gb_code, manufacturer=row.manufacturer, model=row.model, managing_unit=row.managing_unit,
        note=row.note, version=row.version, created_at=moment(row.created_us), updated_at=moment(row.updated_us),
        status=status,
    )  # fmt: skip
