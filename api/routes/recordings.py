"""Recordings: what there is, the calendar, the disks."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import AwareDatetime

from api.auth.verbs import Verb
from api.http.permission import Access, Scope, require
from api.schemas.base import Id
from api.services import footage
from api.services.ranges import time_range
from media.base.ids import Quality

router = APIRouter(tags=["recordings"])

Reader = Annotated[Access, Depends(require(Verb.REPLAY_VIEW, Scope.CAMERA))]
Stream = Annotated[Quality, Query()]
Keeper = Annotated[Access, Depends(require(Verb.STORAGE_READ, Scope.SOMEWHERE))]


@router.get("/recordings")
async def list_recordings(
    access: Reader, camera_id: Id, start: AwareDatetime, end: AwareDatetime, stream: Stream = Quality.MAIN
) -> Any:
    """List a camera's recorded spans, and the gaps with their reasons."""
    span = time_range(start, end, access.ctx.clock.wall_us())
    params = {"camera_id": camera_id, "stream": stream.value, **span.params()}
    return await footage.recordings(access.ctx, access.actor, params)


@router.get("/recordings/calendar")
async def show_calendar(
    access: Reader,
    camera_id: Id,
    month: Annotated[str, Query(pattern=r"^20[0-9]{2}-(0[1-9]|1[0-2])$")],
    utc_offset_minutes: Annotated[int, Query(ge=-840, le=840)] = 480,
    stream: Stream = Quality.MAIN,
) -> Any:
    """Tell which local days of a month have recordings; China's days by default."""
    params = {
        "camera_id": camera_id, "month": month, "utc_offset_minutes": str(utc_offset_minutes), "stream": stream.value,
    }  # fmt: skip
    return await footage.calendar(access.ctx, access.actor, params)


@router.get("/storage")
async def show_storage(access: Keeper) -> Any:
    """Tell how full the disks are and how many days each camera has left."""
    return await footage.storage(access.ctx, access.actor, access.me)
