"""The first run: one county and one administrator, made once. Called by `routes.setup` and at the start of api."""

from dataclasses import dataclass, field

from api.auth.actor import SYSTEM, Actor
from api.context import ApiContext
from api.db import users
from api.services import orgs as org_service
from api.services import users as user_service
from api.services.orgs import NewOrg
from api.services.users import NewUser
from media.base.errors import ErrorKind, HubError

FIRST_ID = "admin"


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstRun:
    """What the set-up page asks."""

    username: str
    password: str = field(repr=False)
    county_name: str
    display_name: str = ""


async def is_needed(ctx: ApiContext) -> bool:
    """Tell whether there is no user yet."""
    async with ctx.db.read() as connection:
        return not await users.has_any(connection)


async def first_run(ctx: ApiContext, wanted: FirstRun, address: str, trace_id: str = "") -> None:
    """Make the administrator and the county; HubError CONFLICT `setup_done` when somebody was first."""
    actor = Actor(username="setup", address=address, trace_id=trace_id)
    await _make_admin(ctx, actor, wanted)
    await org_service.create(ctx, actor, NewOrg(name=wanted.county_name, level="county"))


async def _make_admin(ctx: ApiContext, actor: Actor, wanted: FirstRun, *, is_policy_waived: bool = False) -> None:
    """Make the one account; its id is fixed, so of two set-ups at the same moment the second fails."""
    if not await is_needed(ctx):
        raise HubError(ErrorKind.CONFLICT, "already set up", code="setup_done")
    account = NewUser(
        id=FIRST_ID,
        username=wanted.username,
        password=wanted.password,
        display_name=wanted.display_name,
        roles=("admin",),
    )
    await user_service.create(ctx, actor, account, is_policy_waived=is_policy_waived)


async def ensure_admin(ctx: ApiContext, password: str) -> bool:
    """Make the user `admin` of an empty database with the operator's password; tell whether it was made."""
    if not await is_needed(ctx):
        return False
    wanted = FirstRun(username="admin", password=password, county_name="", display_name="管理员")
    await _make_admin(ctx, SYSTEM, wanted, is_policy_waived=True)
    return True
