"""Moves calls on in time: unanswered ones end, and those whose room one side has left. A task of the api process.

Everything it needs is in the database, so that a process that restarts goes on where the last one stopped. Looks each
second while there is a call, and at once when somebody answers, hangs up or leaves.
"""

import asyncio
import contextlib
from collections import Counter

import structlog

from api.context import ApiContext
from api.control.metrics import Metrics
from api.db import calls
from api.db.calls import RINGING, TALKING
from api.services import calls as service
from media.base.errors import HubError

log = structlog.get_logger(__name__)

LOOK_EVERY_S = 0.5
IDLE_EVERY_S = 5.0
"""Without a call: another api process may have begun one and died."""


class CallClock:
    """`run` is a task; `look` is one round."""

    def __init__(self, ctx: ApiContext, metrics: Metrics) -> None:
        """Watch the calls in the database of `ctx`."""
        self._ctx = ctx
        self._metrics = metrics

    async def run(self) -> None:
        """Look for ever; a round that fails is logged and tried again."""
        changed = self._ctx.calls_changed
        while True:
            changed.clear()
            wait_s = LOOK_EVERY_S
            try:
                wait_s = LOOK_EVERY_S if await self.look() else IDLE_EVERY_S
            except HubError as error:
                log.warning("calls cannot be looked after, will retry", cause=error.code)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await changed.wait()

    async def look(self) -> int:
        """Do one round; return how many calls there are."""
        async with self._ctx.db.read() as connection:
            present = await calls.open_calls(connection)
        states = Counter(call.state for call in present)
        for state in (RINGING, TALKING):
            self._metrics.calls.labels(state).set(states[state])
        for call in present:
            await service.move_on(self._ctx, call)
        return len(present)
