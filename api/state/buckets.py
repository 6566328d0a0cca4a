"""Token buckets shared by all api processes, so that a limit means what it says.

Kept in Redis with Redis's own clock. Buckets refill at `rate_per_s` up to `burst` and vanish when full again.
"""

from dataclasses import dataclass

from api.state.door import Door, translated

_TAKE = """
local rate, burst, cost = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
local kept = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local tokens = tonumber(kept[1]) or burst
local at = tonumber(kept[2]) or now
tokens = math.min(burst, tokens + math.max(0, now - at) * rate)
local wait = 0
if tokens >= cost then tokens = tokens - cost else wait = (cost - tokens) / rate end
redis.call('HSET', KEYS[1], 'tokens', tostring(tokens), 'at', string.format('%.6f', now))
redis.call('PEXPIRE', KEYS[1], math.ceil(burst / rate * 1000) + 1000)
return tostring(wait)
"""


@dataclass(frozen=True, slots=True)
class Taken:
    """Whether the token was there, and else after how many seconds it will be."""

    is_allowed: bool
    retry_after_s: float


class BucketStore(Door):
    """Rate limits."""

    async def take_token(self, key: str, *, rate_per_s: float, burst: float, cost: float = 1.0) -> Taken:
        """Take `cost` tokens from the bucket `key`; HubError UNAVAILABLE lets the caller fall back to its own count."""
        with translated():
            wait_s = float(await self._redis.eval(_TAKE, 1, f"xy:bucket:{key}", str(rate_per_s), str(burst), str(cost)))
        return Taken(wait_s <= 0, wait_s)
