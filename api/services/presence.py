"""What the workers last said of cameras, and whether it still holds.

A worker tells every 2 s how its cameras are (`api.processes.announcer`). A word older than `STALE_S` is that of a dead
or unreachable worker: the camera is not online, it is waited for. Used wherever states are shown or counted; clocks of
several machines are kept together by NTP, which `doctor` checks.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from api.context import ApiContext

STALE_S = 6.0
"""Three words missed; the next worker speaks some 3 s after a crash."""

REASON = "worker_restarting"


async def told(ctx: ApiContext, camera_ids: Iterable[str] | None = None) -> dict[str, dict[str, Any]]:
    """Return the state objects by camera id, stale ones as `connecting`. HubError UNAVAILABLE."""
    reported = await ctx.state.statuses(camera_ids)
    now_us = ctx.clock.wall_us()
    return {camera_id: believed(status, now_us) for camera_id, status in reported.items()}


def believed(status: Mapping[str, Any], now_us: int) -> dict[str, Any]:
    """Return the state object as far as it can be believed at `now_us`. One without a time is believed."""
    at = status.get("at")
    if not isinstance(at, str) or status.get("state") == "disabled" or now_us - _us(at, now_us) <= STALE_S * 1e6:
        return dict(status)
    waiting = {"state": "waiting", "since": at, "reason": REASON}
    off = {"state": "off", "since": at, "reason": REASON}
    is_recorded = (status.get("recording") or {}).get("state") != "off"
    stale = {**status, "state": "connecting", "reason": REASON, "since": at, "bitrate_bps": 0}
    if status.get("sub"):
        stale["sub"] = {**status["sub"], "state": "connecting", "reason": REASON, "bitrate_bps": 0}
    return stale | {"recording": waiting if is_recorded else off}


def is_stale(status: Mapping[str, Any]) -> bool:
    """Tell whether `believed` had to replace what was said."""
    return status.get("reason") == REASON


def _us(moment: str, otherwise_us: int) -> int:
    try:
        return round(datetime.fromisoformat(moment).timestamp() * 1e6)
    except ValueError:
        return otherwise_us
