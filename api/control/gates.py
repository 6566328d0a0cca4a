"""The gates that are open in this process, by session, so that the sweeper and other gates can end them.

Lives as long as the api process. What is put out here is ended at its worker too: the page may be a bad one.
"""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Protocol

from api.context import ApiContext
from api.db.seats import SessionRow
from api.forward.private_apps import error_of, translated
from api.services import room_media, sessions

REVOKE_TIMEOUT_S = 2.0
"""Short of the five seconds in which a withdrawn right must bite, so that one stuck worker does not use them up."""


class Open(Protocol):
    """What can be ended."""

    def revoke(self, code: str) -> None:
        """End it with a closing code."""
        ...


class Gates:
    """The open gates."""

    def __init__(self, ctx: ApiContext) -> None:
        """Begin with none."""
        self._ctx = ctx
        self._open: dict[str, Open] = {}

    def __len__(self) -> int:
        """Return how many pages are here."""
        return len(self._open)

    @contextlib.contextmanager
    def registered(self, session: SessionRow, gate: Open) -> Iterator[None]:
        """Keep a gate while it is open; one of the same session that a page left behind goes."""
        before = self._open.get(session.id)
        self._open[session.id] = gate
        if before is not None:
            before.revoke(sessions.REPLACED)
        try:
            yield
        finally:
            if self._open.get(session.id) is gate:
                del self._open[session.id]

    def close(self, session_id: str, code: str) -> None:
        """End the gate of a session, if it is in this process."""
        gate = self._open.get(session_id)
        if gate is not None:
            gate.revoke(code)

    async def put_out(self, session: SessionRow, reason: str) -> None:
        """End a session: here, in the database, at its worker; HubError when the worker cannot be told."""
        self.close(session.id, reason)
        if room_media.is_foreign(session.id):
            await room_media.stop(self._ctx, session, reason)
            return
        await self.revoke(session.slot, {"session_ids": [session.id], "code": reason})
        await sessions.note_end(self._ctx, session.id, reason)

    async def revoke(self, slot: str, what: Mapping[str, object]) -> None:
        """Tell a worker to end sessions or subscriptions; HubError when it does not answer."""
        link = await self._ctx.workers.of_slot(slot)
        async with translated("worker"):
            response = await link.client.post("/sessions/revoke", json=dict(what), timeout=REVOKE_TIMEOUT_S)
        if response.status_code not in {200, 204, 404}:
            raise error_of(response, "worker")
