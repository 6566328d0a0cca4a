"""The cameras one page watches, as far as its gate sees them: a view begins before the wish is passed on.

A camera has two tracks; its view begins with the first of them and ends with the last, or when the worker refuses.
Called by `control.gate` for every frame, in order.
"""

from dataclasses import dataclass, field
from typing import Any

from api.context import ApiContext
from api.db import live
from api.db.seats import SessionRow
from api.services import session_views
from api.services.session_views import View
from media.base.errors import HubError
from media.base.ids import parse_source
from streams.session.messages import Subscribe, Unsubscribe
from streams.session.wire import parse_message

CAMERA = "camera"
MAX_WAITING = 256
"""Requests whose answer is awaited; a page that sends more without reading is refused by its worker long before."""


@dataclass(slots=True)
class Watched:
    """One camera and its tracks that are watched."""

    view: View
    tracks: set[str] = field(default_factory=set)


class CameraWatch:
    """What is watched in one session."""

    def __init__(self, ctx: ApiContext, session: SessionRow, trace_id: str) -> None:
        """Begin with nothing."""
        self._ctx = ctx
        self._session = session
        self._trace_id = trace_id
        self._watched: dict[str, Watched] = {}
        self._asked: dict[int, tuple[bool, str, str]] = {}

    async def take_over(self) -> None:
        """Find what an earlier gate of the same session had begun."""
        async with self._ctx.db.read() as connection:
            rows = await live.open_of_session(connection, self._session.id)
        for row in rows:
            self._watched[row.camera_id] = Watched(View(row.id, row.camera_id, "", row.room_id is not None), {"video"})

    async def before(self, frame: dict[str, Any]) -> dict[str, Any] | None:
        """Look at a frame of the page: return the grant to pass on with it; HubError when it may not pass."""
        if frame.get("type") not in {"subscribe", "unsubscribe"}:
            return None
        message = parse_message(frame)
        assert isinstance(message, Subscribe | Unsubscribe)
        kind, camera_id = parse_source(message.source)
        if kind != CAMERA:
            return None
        is_wish = isinstance(message, Subscribe)
        grant = await self._begin(camera_id, message.track) if is_wish else None
        self._asked[message.id] = (is_wish, camera_id, message.track)
        while len(self._asked) > MAX_WAITING:
            self._asked.pop(next(iter(self._asked)))
        return grant

    async def _begin(self, camera_id: str, track: str) -> dict[str, Any] | None:
        known = self._watched.get(camera_id)
        if known is None:
            view = await session_views.begin(self._ctx, self._session, camera_id, self._trace_id)
            known = self._watched.setdefault(camera_id, Watched(view))
        known.tracks.add(track)
        if known.view.is_shown:
            return None
        slot = known.view.slot or await session_views.slot_of(self._ctx, camera_id)
        return {"id": known.view.id, "source": f"{CAMERA}/{camera_id}", "slot": slot}

    async def after(self, answer: dict[str, Any]) -> None:
        """Look at a message of the worker: a refused wish or a granted farewell ends what it was about."""
        number = answer.get("id")
        if not isinstance(number, int) or answer.get("type") not in {"ok", "error"}:
            return
        is_wish, camera_id, track = self._asked.pop(number, (True, "", ""))
        is_refused = answer.get("type") == "error"
        if camera_id and is_wish == is_refused:
            await self._drop(camera_id, track, str(answer.get("code")) if is_refused else "viewer")

    async def _drop(self, camera_id: str, track: str, reason: str) -> None:
        known = self._watched.get(camera_id)
        if known is None:
            return
        known.tracks.discard(track)
        if not known.tracks:
            del self._watched[camera_id]
            await self._end(known, reason)

    async def _end(self, known: Watched, reason: str) -> None:
        outcome = "ok" if reason in {"viewer", "revoked"} else "failed"
        try:
            await session_views.end(self._ctx, known.view.id, reason, outcome=outcome)
        except HubError:
            return  # the sweeper compares with the worker and writes it later

    async def ended(self, source: str, reason: str) -> None:
        """Note that the worker has ended whatever was watched of a source."""
        known = self._watched.pop(source.removeprefix(f"{CAMERA}/"), None) if source.startswith(CAMERA) else None
        if known is not None:
            await self._end(known, reason)
