"""Pictures and probes asked of a worker: a still of a camera, a look at a source that may become one."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx

from api.auth.actor import Actor, Target
from api.auth.verbs import Verb
from api.context import ApiContext
from api.db import audit, cameras
from api.db.cameras import CameraRow
from api.forward.private_apps import error_of, private_headers, translated
from api.secrets.source_urls import MASK, check_source, mask, unseal
from api.services.cameras import check_stream
from media.base.errors import ErrorKind, HubError
from media.base.ids import Quality

PROBE_TIMEOUT = httpx.Timeout(20.0, connect=2.0)
"""The worker gives up after ten seconds; the rest is for the preview."""


@dataclass(frozen=True, slots=True)
class Still:
    """One picture and when it was taken (RFC 3339)."""

    jpeg: bytes
    taken_at: str


@dataclass(frozen=True, slots=True)
class StillRequest:
    """Which picture; `is_noted` says that an audit row of this looking was written a moment ago."""

    quality: Quality
    width: int
    is_noted: bool


async def take(ctx: ApiContext, actor: Actor, camera: CameraRow, wanted: StillRequest) -> Still:
    """Return the latest key picture; HubError of the worker, such as `camera_offline`. The audit row comes first."""
    check_stream(camera, wanted.quality)
    link = await ctx.workers.of_camera(camera.id)
    if not wanted.is_noted:
        target = Target("camera", camera.id, camera.org_path)
        entry = actor.entry(ctx.clock.wall_us(), "view.snapshot", target, stream=wanted.quality.value)
        async with ctx.db.write() as connection:
            await audit.append(connection, entry)
    params = {"stream": wanted.quality.value, "width": str(wanted.width)}
    async with translated("worker"):
        response = await link.client.get(
            f"/cameras/{camera.id}/snapshot.jpg", params=params, headers=private_headers(actor)
        )
    if response.status_code != 200:
        raise error_of(response, "worker")
    return Still(response.content, response.headers.get("X-Xiangyun-Taken-At", ""))


async def probe(ctx: ApiContext, actor: Actor, url: str, camera_id: str | None) -> dict[str, Any]:
    """Return what is behind a source URL; HubError INVALID for a URL that may not even be tried.

    With `camera_id` a masked URL stands for the stored one, and its credentials serve for another path of that host.
    """
    clear = await _stored_url(ctx, actor, url, camera_id) if camera_id and f"//{MASK}@" in url else url
    await check_source(clear, ctx.networks, must_resolve=True)
    async with ctx.db.write() as connection:
        entry = actor.entry(ctx.clock.wall_us(), "camera.probe", Target("camera", camera_id or ""), source=mask(clear))
        await audit.append(connection, entry)
    link = await ctx.workers.any()
    async with translated("worker"):
        response = await link.client.post(
            "/probe", json={"source_url": clear}, headers=private_headers(actor), timeout=PROBE_TIMEOUT
        )
    if response.status_code != 200:
        raise error_of(response, "worker")
    found = response.json()
    return found if isinstance(found, dict) else {"ok": False, "code": "not_a_camera"}


async def _stored_url(ctx: ApiContext, actor: Actor, url: str, camera_id: str) -> str:
    async with ctx.db.read() as connection:
        camera = await cameras.get(connection, camera_id)
    if camera is None:
        raise HubError(ErrorKind.NOT_FOUND, "no such camera", code="unknown_camera")
    actor.check_known(Verb.CAMERA_READ, camera.org_path, camera.id, code="unknown_camera")
    actor.check(Verb.CAMERA_MANAGE, camera.org_path, camera.id)
    for shown, sealed in (
        (camera.source_url_masked, camera.source_url_enc),
        (camera.sub_source_url_masked, camera.sub_source_url_enc),
    ):
        if shown == url and sealed is not None:
            return unseal(ctx.cipher, camera.id, sealed)
    raise HubError(ErrorKind.INVALID, "give the password again", code="bad_url", host=urlsplit(url).hostname)
