"""Accounts, roles, and grants on single cameras."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path

from api.auth.roles import ROLES
from api.auth.verbs import Verb
from api.http.permission import Access, LoggedIn, Scope, require
from api.messages import locale_of
from api.schemas.base import Id
from api.schemas.paging import DEFAULT_LIMIT, Cursor, Limit, decode_cursor, encode_cursor
from api.schemas.users import (
    CameraGrantList,
    CameraGrantPut,
    RoleList,
    RoleOut,
    User,
    UserCreate,
    UserPage,
    UserPatch,
    grant_out,
    user_out,
)
from api.services import users
from api.services.users import NewUser, UserChanges
from media.base.clock import us_of_utc

router = APIRouter(tags=["users"])

UserId = Annotated[Id, Path()]
CameraId = Annotated[Id, Path()]
Lister = Annotated[Access, Depends(require(Verb.USER_READ, Scope.SOMEWHERE))]
Keeper = Annotated[Access, Depends(require(Verb.USER_MANAGE, Scope.SOMEWHERE))]
"""The service checks the subtree of the account that is touched."""


@router.get("/roles")
async def list_roles(access: LoggedIn) -> RoleList:
    """List the roles and their verbs."""
    is_english = locale_of(access.me.locale) == "en"
    items = [
        RoleOut(
            id=role.id, name=role.name_en if is_english else role.name_zh, name_zh=role.name_zh, name_en=role.name_en,
            verbs=sorted(verb.value for verb in role.verbs),
        )
        for role in ROLES.values()
    ]  # fmt: skip
    return RoleList(items=items)


@router.get("/users")
async def list_users(access: Lister, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None) -> UserPage:
    """List the accounts of one's subtree."""
    page = await users.page(access.ctx, access.me.org_path, decode_cursor(cursor), limit)
    return UserPage(items=[user_out(view) for view in page.items], next_cursor=encode_cursor(page.next_key))


@router.post("/users", status_code=201)
async def create_user(access: Keeper, body: UserCreate) -> User:
    """Make an account."""
    wanted = NewUser(
        id=body.id, username=body.username, password=body.password, display_name=body.display_name,
        org_id=body.org_id, roles=tuple(body.roles), locale=body.locale,
    )  # fmt: skip
    return user_out(await users.create(access.ctx, access.actor, wanted))


@router.get("/users/{user_id}")
async def read_user(access: Lister, user_id: UserId) -> User:
    """Show an account."""
    view = await users.find(access.ctx, user_id)
    access.actor.check_known(Verb.USER_READ, view.user.org_path or "/", code="unknown_user")
    return user_out(view)


@router.patch("/users/{user_id}")
async def change_user(access: Keeper, user_id: UserId, body: UserPatch) -> User:
    """Change an account; what it may no longer do ends within five seconds."""
    wanted = UserChanges(
        display_name=body.display_name, org_id=body.org_id, enabled=body.enabled, password=body.password,
        roles=None if body.roles is None else tuple(body.roles), locale=body.locale,
    )  # fmt: skip
    return user_out(await users.change(access.ctx, access.actor, user_id, wanted))


@router.delete("/users/{user_id}", status_code=204)
async def delete_user(access: Keeper, user_id: UserId) -> None:
    """Remove an account; the audit log keeps its name."""
    await users.remove(access.ctx, access.actor, user_id)


@router.get("/users/{user_id}/camera-grants")
async def list_camera_grants(access: Lister, user_id: UserId) -> CameraGrantList:
    """List what was granted to one person camera by camera."""
    view = await users.find(access.ctx, user_id)
    access.actor.check_known(Verb.USER_READ, view.user.org_path or "/", code="unknown_user")
    return CameraGrantList(items=[grant_out(row) for row in await users.camera_grants(access.ctx, user_id)])


@router.put("/users/{user_id}/camera-grants/{camera_id}")
async def grant_camera(access: Keeper, user_id: UserId, camera_id: CameraId, body: CameraGrantPut) -> CameraGrantList:
    """Grant verbs on one camera, beyond the person's roles."""
    expires_us = us_of_utc(body.expires_at) if body.expires_at else None
    rows = await users.grant_camera(access.ctx, access.actor, user_id, camera_id, body.verbs, expires_us)
    return CameraGrantList(items=[grant_out(row) for row in rows])


@router.delete("/users/{user_id}/camera-grants/{camera_id}", status_code=204)
async def withdraw_camera(access: Keeper, user_id: UserId, camera_id: CameraId) -> None:
    """Withdraw what was granted on one camera."""
    await users.withdraw_camera(access.ctx, access.actor, user_id, camera_id)
