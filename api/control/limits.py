"""Rate limits: per account, and generously per address, because a county shares one public address.

Counted in the shared state, so that several api processes count together; while that is away, in this process.
Called by `http.permission` for every request under `/api/v1`.
"""

from collections import OrderedDict
from dataclasses import dataclass

from api.context import StateStore
from media.base.clock import Clock
from media.base.errors import ErrorKind, HubError


@dataclass(frozen=True, slots=True)
class Limit:
    """A token bucket."""

    name: str
    rate_per_s: float
    burst: int


ACCOUNT = Limit("account", 40.0, 500)
"""A wall of 16 tiles opens in 16 requests at once; a script at full speed is stopped within seconds
and leaves half of a village box, which answers 75 to 150 a second, to the others."""
ADDRESS = Limit("address", 400.0, 2000)
ANONYMOUS = Limit("anonymous", 50.0, 300)
"""Requests without a valid token, per address: a whole town hall may log in at eight o'clock."""
LOGIN = Limit("login", 5.0, 100)
PROBE = Limit("probe", 0.5, 20)
PASSWORD = Limit("password", 0.05, 10)
"""Changes of one's own password: who found an open console must not guess at full speed."""

_KEPT_BUCKETS = 10_000
_AWAY_S = 2.0
"""So long the shared state is not asked again after it did not answer: each asking may take as long."""


class Limiter:
    """Takes tokens."""

    def __init__(self, state: StateStore, clock: Clock) -> None:
        """Count in `state`, or here by `clock`."""
        self._state = state
        self._clock = clock
        self._local: OrderedDict[str, tuple[float, int]] = OrderedDict()
        self._away_until_ns: int | None = None
        self.refused = 0

    async def take(self, limit: Limit, who: str) -> None:
        """Take one token of `who`; HubError EXHAUSTED `rate_limited` with the seconds to wait when there is none."""
        key = f"{limit.name}:{who}"
        wait_s = self._take_locally(key, limit) if self._is_away() else await self._take_shared(key, limit)
        if wait_s > 0:
            self.refused += 1
            raise HubError(ErrorKind.EXHAUSTED, "too many requests", code="rate_limited", retry_after_s=float(wait_s))

    def _is_away(self) -> bool:
        return self._away_until_ns is not None and self._clock.mono_ns() < self._away_until_ns

    async def _take_shared(self, key: str, limit: Limit) -> float:
        try:
            return (await self._state.take_token(key, rate_per_s=limit.rate_per_s, burst=limit.burst)).retry_after_s
        except HubError:
            self._away_until_ns = self._clock.mono_ns() + round(_AWAY_S * 1e9)
            return self._take_locally(key, limit)

    def _take_locally(self, key: str, limit: Limit) -> float:
        now_ns = self._clock.mono_ns()
        tokens, at_ns = self._local.pop(key, (float(limit.burst), now_ns))
        tokens = min(limit.burst, tokens + (now_ns - at_ns) / 1e9 * limit.rate_per_s)
        wait_s = 0.0 if tokens >= 1 else (1 - tokens) / limit.rate_per_s
        self._local[key] = (tokens - 1 if tokens >= 1 else tokens, now_ns)
        while len(self._local) > _KEPT_BUCKETS:
            self._local.popitem(last=False)
        return wait_s


class Recent:
    """Tells whether something has happened within a while; remembers a bounded number of them, in this process."""

    def __init__(self, clock: Clock) -> None:
        """Measure by `clock`."""
        self._clock = clock
        self._seen: OrderedDict[str, int] = OrderedDict()

    def has(self, key: str, within_s: float) -> bool:
        """Tell whether `key` was noted within the last `within_s` seconds."""
        noted_ns = self._seen.get(key)
        return noted_ns is not None and self._clock.mono_ns() - noted_ns < within_s * 1e9

    def note(self, key: str) -> None:
        """Note that it happened just now."""
        self._seen[key] = self._clock.mono_ns()
        self._seen.move_to_end(key)
        while len(self._seen) > _KEPT_BUCKETS:
            self._seen.popitem(last=False)
