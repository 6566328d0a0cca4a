"""Recordings: what there is, the calendar, the disks."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import AwareDatetime

from api.auth.verbs import Verb
from api.deps import Access, Scope, require
from api.ranges import time_range
from api.schemas.base import Id
from api.services import footage

router = APIRouter(tags=["recordings"])

Reader = Annotated[Access, Depends(require(Verb.REPLAY_VIEW, Scope.CAMERA))]
Keeper = Annotated[Access, Depends(require(Verb.STORAGE_READ, Scope.SOMEWHERE))]


@router.get("/recordings")
async def list_recordings(access: Reader, camera_id: Id, start: AwareDatetime, end: AwareDatetime) -> Any:
    """List a camera's recorded spans, and the gaps with their reasons."""
    span = time_range(start, end, access.ctx.clock.wall_us())
    return await footage.recordings(access.ctx, access.actor, camera_id, span)


@router.get("/recordings/calendar")
async def show_calendar(
    access: Reader, camera_id: Id, month: Annotated[str, Query(pattern=r"^20[0-9]{2}-(0[1-9]|1[0-2])$")]
) -> Any:
    """Tell which days of a month have recordings."""
    return await footage.calendar(access.ctx, access.actor, camera_id, month)


@router.get("/storage")
async def show_storage(access: Keeper) -> Any:
    """Tell how full the disks are and how many days each camera has left."""
    return await footage.storage(access.ctx, access.actor, access.me)
