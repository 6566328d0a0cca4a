"""The first run."""

from fastapi import APIRouter

from api.auth.address import network_of
from api.control.limits import LOGIN
from api.http.permission import Public
from api.schemas.auth import SetupRequest, SetupState
from api.services import setup
from api.services.setup import FirstRun

router = APIRouter(prefix="/setup", tags=["setup"])


@router.get("")
async def read_setup(access: Public) -> SetupState:
    """Tell whether the first-run page is needed."""
    return SetupState(needed=await setup.is_needed(access.ctx))


@router.post("", status_code=201)
async def run_setup(access: Public, body: SetupRequest) -> SetupState:
    """Make the first administrator and the county; once."""
    await access.control.limiter.take(LOGIN, network_of(access.actor.address))
    wanted = FirstRun(
        username=body.username, password=body.password, county_name=body.county_name, display_name=body.display_name
    )
    await setup.first_run(access.ctx, wanted, access.actor.address, access.actor.trace_id)
    return SetupState(needed=False)
