"""TURN servers as a browser wants them: with credentials that expire.

Pure; called by `app` for the Link headers of a WHEP answer and by whoever tells browsers their ICE servers. The
worker itself uses no TURN server: it is reachable, the browser may not be.
"""

import base64
import hashlib
import hmac
from dataclasses import dataclass

CREDENTIAL_LIFE_S = 6 * 3600
"""As long as a shift; a TURN allocation lives on after the credential it was made with."""


@dataclass(frozen=True, slots=True)
class IceServer:
    """One entry of `iceServers`."""

    url: str
    username: str = ""
    credential: str = ""

    def as_link(self) -> str:
        """Return the value of a Link header (draft-ietf-wish-whep §4.4)."""
        link = f'<{self.url}>; rel="ice-server"'
        if self.username:
            link += f'; username="{self.username}"; credential="{self.credential}"; credential-type="password"'
        return link


def ice_servers(urls: tuple[str, ...], secret: str, user_id: str, now_wall_us: int) -> tuple[IceServer, ...]:
    """Return the servers with credentials made from the shared secret (coturn's `use-auth-secret`), if there is one."""
    username = f"{now_wall_us // 1_000_000 + CREDENTIAL_LIFE_S}:{user_id}"
    digest = hmac.new(secret.encode(), username.encode(), hashlib.sha1).digest()
    credential = base64.b64encode(digest).decode()
    with_credential = bool(secret)
    return tuple(
        IceServer(url, username, credential) if with_credential and url.startswith("turn") else IceServer(url)
        for url in urls
    )
