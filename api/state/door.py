"""The connection to Redis or Valkey, and the translation of its errors.

Base of every store in this package; used on one event loop. A call waits at most `CALL_TIMEOUT_S` and then raises
HubError UNAVAILABLE `state_unavailable`: losing Redis must slow nobody down, so nothing here retries for long.
Holds no secret in clear: source URLs arrive encrypted.
"""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import redis.asyncio as aioredis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from media.base.errors import ErrorKind, HubError

CALL_TIMEOUT_S = 2.0
"""Long against a local call (under 1 ms), short against the 5 s in which a revocation must bite."""


def connect(url: str) -> "aioredis.Redis":
    """Return a client of `redis://`, `rediss://` or `unix://` `url`; connects at the first call.

    One immediate retry of a lost connection, so that nobody notices the server's restart; none of an answer that did
    not come, because a hung server would hold everybody up twice as long.
    """
    return aioredis.Redis.from_url(
        url,
        decode_responses=True,
        socket_timeout=CALL_TIMEOUT_S,
        socket_connect_timeout=CALL_TIMEOUT_S,
        retry=Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,)),
        health_check_interval=15,
    )


def _cancellations() -> int:
    task = asyncio.current_task()
    return task.cancelling() if task is not None else 0


@contextmanager
def translated() -> Iterator[None]:
    """Turn what Redis or the network raise into HubError UNAVAILABLE.

    A cancellation that came during the call is raised anew when the client lost it: redis-py sends through
    `asyncio.wait_for`, which on Python 3.11 swallows a cancellation that meets the end of its work.
    """
    before = _cancellations()
    try:
        yield
        if _cancellations() > before:
            raise asyncio.CancelledError
    except (RedisError, OSError, TimeoutError) as error:
        raise HubError(
            ErrorKind.UNAVAILABLE, "the shared state cannot be reached", code="state_unavailable", cause=str(error)
        ) from error


def dump(value: object) -> str:
    """Return `value` as compact JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def load(text: str) -> dict[str, Any] | None:
    """Return the JSON object in `text`, or None when it is anything else: what others wrote is input."""
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


class Door:
    """Holds the client for the stores below."""

    def __init__(self, client: "aioredis.Redis") -> None:
        """Use `client`, shared by all stores of a process."""
        self._redis = client

    async def _hash(self, name: str) -> dict[str, str]:
        """Return a whole hash; the client decodes, but its types do not know."""
        return {str(key): str(value) for key, value in (await self._redis.hgetall(name)).items()}

    async def _fields(self, name: str, fields: list[str]) -> dict[str, str]:
        """Return the fields of a hash that exist."""
        values = await self._redis.hmget(name, fields) if fields else []
        return {field: str(value) for field, value in zip(fields, values, strict=True) if value is not None}
