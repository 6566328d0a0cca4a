"""Cameras: list, make, change, remove, and their state."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from api.auth.verbs import Verb
from api.http.permission import Access, Scope, require
from api.schemas.base import Id
from api.schemas.cameras import Camera, CameraCreate, CameraPage, CameraPatch, camera_changes, camera_out, new_camera
from api.schemas.paging import DEFAULT_LIMIT, Cursor, Limit, decode_cursor, encode_cursor
from api.services import cameras, orgs

router = APIRouter(prefix="/cameras", tags=["cameras"])

Lister = Annotated[Access, Depends(require(Verb.CAMERA_READ, Scope.SOMEWHERE))]
Reader = Annotated[Access, Depends(require(Verb.CAMERA_READ, Scope.CAMERA))]
Maker = Annotated[Access, Depends(require(Verb.CAMERA_MANAGE, Scope.SOMEWHERE))]
Keeper = Annotated[Access, Depends(require(Verb.CAMERA_MANAGE, Scope.CAMERA))]


@router.get("")
async def list_cameras(
    access: Lister,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
    org_id: Annotated[Id | None, Query()] = None,
    q: Annotated[str, Query(max_length=100)] = "",
    enabled: bool | None = None,
) -> CameraPage:
    """List the cameras one may see, each with its present state; `org_id` narrows to a subtree, `q` to a name."""
    within = (await orgs.find(access.ctx, org_id, access.me)).path if org_id else "/"
    wanted = cameras.filter_for(access.me, within=within, text=q.strip(), enabled=enabled)
    page = await cameras.page(access.ctx, wanted, decode_cursor(cursor), limit)
    states = await cameras.statuses(access.ctx, page.items)
    items = [camera_out(row, states[row.id]) for row in page.items]
    return CameraPage(items=items, next_cursor=encode_cursor(page.next_key))


@router.post("", status_code=201)
async def create_camera(access: Maker, body: CameraCreate) -> Camera:
    """Make a camera; its source is opened within seconds."""
    row = await cameras.create(access.ctx, access.actor, new_camera(body))
    return camera_out(row, cameras.status_of(row, None))


@router.get("/{camera_id}")
async def read_camera(access: Reader) -> Camera:
    """Show a camera."""
    row = access.the_camera
    return camera_out(row, (await cameras.statuses(access.ctx, (row,)))[row.id])


@router.patch("/{camera_id}")
async def change_camera(access: Keeper, body: CameraPatch) -> Camera:
    """Change a camera; its source is opened anew when the address changed."""
    row = await cameras.change(access.ctx, access.actor, access.the_camera, camera_changes(body))
    return camera_out(row, (await cameras.statuses(access.ctx, (row,)))[row.id])


@router.delete("/{camera_id}", status_code=204)
async def delete_camera(access: Keeper) -> None:
    """Remove a camera."""
    await cameras.remove(access.ctx, access.actor, access.the_camera)


@router.get("/{camera_id}/status")
async def camera_status(access: Reader) -> dict[str, Any]:
    """Show what the camera does now: its source, its pictures, its recording."""
    row = access.the_camera
    return (await cameras.statuses(access.ctx, (row,)))[row.id]
