"""What lies on the disks: spans and gaps, calendar, storage. Asked of the replay process, narrowed to one's rights."""

from collections.abc import Mapping
from typing import Any

from api.auth.actor import Actor
from api.auth.principal import Principal
from api.auth.verbs import Verb
from api.context import ApiContext
from api.db import cameras
from api.forward.private_apps import ask_json


async def recordings(ctx: ApiContext, actor: Actor, params: Mapping[str, str]) -> Any:
    """Return the spans and gaps of a camera in the shape of CONTRACT."""
    return await ask_json(ctx.replay, "replay", "/recordings", params, actor)


async def calendar(ctx: ApiContext, actor: Actor, params: Mapping[str, str]) -> Any:
    """Return which days of a month have recordings."""
    return await ask_json(ctx.replay, "replay", "/calendar", params, actor)


async def storage(ctx: ApiContext, actor: Actor, principal: Principal) -> Any:
    """Return volumes, and the cameras among them that the principal may know of."""
    found = await ask_json(ctx.replay, "replay", "/storage", {}, actor)
    if not isinstance(found, dict):
        return {"volumes": [], "cameras": []}
    async with ctx.db.read() as connection:
        places = await cameras.places(connection)

    def may_know(entry: Any) -> bool:
        camera_id = entry.get("camera_id", entry.get("id")) if isinstance(entry, dict) else None
        path = places.get(camera_id) if isinstance(camera_id, str) else None
        return principal.may(Verb.STORAGE_READ, path or "/", camera_id)

    listed = found.get("cameras")
    return {**found, "cameras": [entry for entry in listed if may_know(entry)] if isinstance(listed, list) else []}
