"""What workers report and api must not miss: ended viewing sessions, recording alarms.

A Redis stream `xy:worker-events`, read by the consumer group `api`; an event read but not acknowledged comes again
after a restart. Bounded: the oldest of more than `EVENTS_MAX` is dropped. A worker that cannot reach Redis keeps its
events itself (`api.processes.outbox`).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from redis.exceptions import ResponseError

from api.state.door import Door, dump, load, translated

EVENTS = "xy:worker-events"
GROUP = "api"
EVENTS_MAX = 10_000
"""A day of a busy county; beyond it api has been away for too long to care about the oldest."""


@dataclass(frozen=True, slots=True)
class WorkerEvent:
    """One event: `kind` such as `session.ended` or `recording.alarm`, and its details."""

    id: str
    kind: str
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class EventBatch:
    """Events read together; acknowledge them with `State.ack_events`."""

    events: tuple[WorkerEvent, ...]


class EventStore(Door):
    """The stream of worker events."""

    async def add_event(self, kind: str, data: dict[str, Any]) -> None:
        """Append one event."""
        with translated():
            fields: dict[Any, Any] = {"kind": kind, "data": dump(data)}
            await self._redis.xadd(EVENTS, fields, maxlen=EVENTS_MAX, approximate=True)

    async def read_events(
        self, consumer: str, *, is_unacknowledged: bool = False, limit: int = 100, wait_s: float = 1.0
    ) -> EventBatch:
        """Return new events, waiting up to `wait_s` (below 2) for one; or those read before and not acknowledged."""
        with translated():
            try:
                answer = await self._read(consumer, "0" if is_unacknowledged else ">", limit, wait_s)
            except ResponseError as error:
                if "NOGROUP" not in str(error):
                    raise
                await self._make_group()
                answer = await self._read(consumer, ">", limit, wait_s)
        return EventBatch(tuple(_parse(item) for item in _items(answer)))

    async def _read(self, consumer: str, start: str, limit: int, wait_s: float) -> Any:
        block_ms = max(1, round(wait_s * 1000))
        return await self._redis.xreadgroup(GROUP, consumer, {EVENTS: start}, count=limit, block=block_ms)

    async def _make_group(self) -> None:
        try:
            await self._redis.xgroup_create(EVENTS, GROUP, id="0", mkstream=True)
        except ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise

    async def ack_events(self, events: Iterable[WorkerEvent]) -> None:
        """Mark events as dealt with."""
        ids = [event.id for event in events]
        if ids:
            with translated():
                await self._redis.xack(EVENTS, GROUP, *ids)


def _items(answer: Any) -> list[tuple[str, dict[str, str]]]:
    """Return the entries of an XREADGROUP answer, of RESP2 (list of pairs) or RESP3 (mapping)."""
    streams = answer.values() if isinstance(answer, dict) else (entries for _, entries in answer or ())
    found: list[tuple[str, dict[str, str]]] = []
    for entries in streams:
        for entry in entries:
            found.extend(entry if isinstance(entry, list) and entry and isinstance(entry[0], tuple) else [entry])
    return found


def _parse(item: tuple[str, dict[str, str]]) -> WorkerEvent:
    identifier, fields = item
    return WorkerEvent(identifier, (fields or {}).get("kind", ""), load((fields or {}).get("data", "")) or {})
