"""TURN credentials for browsers: a name with an expiry and its HMAC (the TURN REST convention). Pure."""

import base64
import hashlib
import hmac
from dataclasses import dataclass, field

from api.context import ControlOptions

LIFETIME_S = 6 * 3600


@dataclass(frozen=True, slots=True)
class IceServer:
    """One entry of a browser's `iceServers`."""

    urls: tuple[str, ...]
    username: str | None = None
    credential: str | None = field(default=None, repr=False)


def ice_servers(options: ControlOptions, user_id: str, now_us: int) -> tuple[IceServer, ...]:
    """Return the servers; those of TURN carry credentials of the user good for some hours."""
    stun = tuple(url for url in options.turn_urls if url.startswith("stun"))
    turn = tuple(url for url in options.turn_urls if url.startswith("turn"))
    found = [IceServer(stun)] if stun else []
    if turn and options.turn_secret:
        name = f"{now_us // 1_000_000 + LIFETIME_S}:{user_id}"
        # SHA-1 is what coturn and the convention use; the key is secret and the text short-lived
        digest = hmac.new(options.turn_secret.encode(), name.encode(), hashlib.sha1).digest()
        found.append(IceServer(turn, name, base64.b64encode(digest).decode()))
    return tuple(found)
