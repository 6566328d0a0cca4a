"""Live viewing: asked for, begun, ended, and taken away.

The audit row of the start is committed before the worker is even asked, so no media byte comes before it; whatever
ends a session (viewer, worker, withdrawn right) writes the row of its end, once. Called by routes, the sweeper and
the reader of worker events.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import structlog

from api.auth.actor import Actor
from api.auth.verbs import Verb
from api.context import ApiContext
from api.db import audit, live
from api.db.audit import AuditEntry
from api.db.cameras import CameraRow
from api.db.live import LiveSessionRow
from api.forward.private_apps import error_of, private_headers, translated
from api.services.cameras import check_stream
from media.base.errors import ErrorKind, HubError
from media.base.ids import Quality, new_id

log = structlog.get_logger(__name__)

MAX_STREAMS = 64
"""Streams one person may watch at once: four walls of sixteen tiles."""
SDP = "application/sdp"
REVOKED, BY_VIEWER = "revoked", "viewer"
REASON_OF_WORKER = {"deleted": BY_VIEWER}
"""A worker is told to delete a session when its viewer asks for that."""
STOP_TIMEOUT_S = 2.0
"""Short of the five seconds in which a withdrawn right must bite, so that one stuck worker does not use them up."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The worker's answer to an offer."""

    session_id: str
    sdp: bytes
    audio: str
    links: tuple[str, ...]


async def start(ctx: ApiContext, actor: Actor, camera: CameraRow, quality: Quality, offer: bytes) -> Answer:
    """Begin a session; HubError of the worker (`camera_offline`, `codec_unsupported`, `bad_sdp`, …) or our own."""
    assert actor.principal is not None
    actor.check(Verb.LIVE_VIEW, camera.org_path, camera.id)
    check_stream(camera, quality)
    link = await ctx.workers.of_camera(camera.id)
    session = LiveSessionRow(
        id=new_id(), user_id=actor.principal.user_id, username=actor.principal.username,
        login_session_id=actor.principal.session_id, camera_id=camera.id, org_path=camera.org_path,
        quality=quality.value, slot=link.slot, address=actor.address[:64], started_us=ctx.clock.wall_us(), ended_us=None, end_reason=None,
    )  # fmt: skip
    await _register(ctx, session, actor.trace_id)
    try:
        async with translated("worker"):
            response = await link.client.post(
                f"/whep/{camera.id}", params={"stream": quality.value}, content=offer,
                headers={**private_headers(actor, session.id), "Content-Type": SDP},
            )  # fmt: skip
        if response.status_code != 201:
            raise error_of(response, "worker")
    except HubError as error:
        await note_end(ctx, session.id, error.code, outcome="failed")
        raise
    audio = response.headers.get("X-Xiangyun-Audio", "none")
    return Answer(session.id, response.content, audio, tuple(response.headers.get_list("link")))


async def _register(ctx: ApiContext, session: LiveSessionRow, trace_id: str) -> None:
    async with ctx.db.write() as connection:
        if await live.count_open(connection, session.user_id) >= MAX_STREAMS:
            raise HubError(ErrorKind.EXHAUSTED, "too many streams", code="too_many_streams", limit=MAX_STREAMS)
        await live.add(connection, session)
        details = {"session": session.id, "quality": session.quality}
        await audit.append(connection, _entry(session, session.started_us, "view.start", details, trace_id=trace_id))


def _entry(
    session: LiveSessionRow,
    at_us: int,
    action: str,
    details: Mapping[str, object],
    *,
    outcome: str = "ok",
    trace_id: str = "",
) -> AuditEntry:
    return AuditEntry(
        at_us=at_us, user_id=session.user_id, username=session.username, address=session.address, action=action,
        target_kind="camera", target_id=session.camera_id, org_path=session.org_path, outcome=outcome,
        details=details, trace_id=trace_id[:40],
    )  # fmt: skip


async def note_end(ctx: ApiContext, session_id: str, reason: str, *, outcome: str = "ok") -> bool:
    """Write that a session has ended, once; False when it was known already, or never existed."""
    now_us = ctx.clock.wall_us()
    async with ctx.db.write() as connection:
        session = await live.get(connection, session_id)
        if session is None or not await live.end(connection, session_id, now_us, reason):
            return False
        watched_s = round((now_us - session.started_us) / 1e6, 1)
        details = {"session": session.id, "reason": reason, "watched_s": watched_s}
        await audit.append(connection, _entry(session, now_us, "view.end", details, outcome=outcome))
    return True


async def find_own(ctx: ApiContext, actor: Actor, session_id: str) -> LiveSessionRow:
    """Return the actor's own session; HubError NOT_FOUND also for somebody else's."""
    async with ctx.db.read() as connection:
        session = await live.get(connection, session_id)
    if session is None or session.user_id != actor.user_id:
        raise HubError(ErrorKind.NOT_FOUND, "no such session", code="not_found")
    return session


async def stop(ctx: ApiContext, session: LiveSessionRow, reason: str) -> None:
    """End a session at the worker and write it down; HubError UNAVAILABLE when the worker cannot be told."""
    if session.ended_us is not None:
        return
    link = await ctx.workers.of_slot(session.slot)
    async with translated("worker"):
        if reason == REVOKED:  # the worker's own report of the end may be written first; it must say the same
            asked = {"session_ids": [session.id]}
            response = await link.client.post("/whep/revoke", json=asked, timeout=STOP_TIMEOUT_S)
        else:
            response = await link.client.delete(f"/whep/sessions/{session.id}", timeout=STOP_TIMEOUT_S)
    if response.status_code not in {200, 204, 404}:
        raise error_of(response, "worker")
    await note_end(ctx, session.id, reason)


async def trickle(ctx: ApiContext, session: LiveSessionRow, fragment: bytes) -> None:
    """Pass the viewer's late candidates on."""
    link = await ctx.workers.of_slot(session.slot)
    async with translated("worker"):
        response = await link.client.patch(
            f"/whep/sessions/{session.id}",
            content=fragment,
            headers={"Content-Type": "application/trickle-ice-sdpfrag"},
        )
    if response.status_code != 204:
        raise error_of(response, "worker")


async def running_at(ctx: ApiContext, slot: str) -> frozenset[str]:
    """Return the sessions the worker in `slot` really serves."""
    link = await ctx.workers.of_slot(slot)
    async with translated("worker"):
        response = await link.client.get("/whep/sessions")
    if response.status_code != 200:
        raise error_of(response, "worker")
    items = response.json().get("items", ())
    return frozenset(str(item.get("session_id", "")) for item in items if isinstance(item, dict))
