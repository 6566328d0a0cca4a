"""Live viewing over HTTP, as far as it is JSON."""

from api.schemas.base import Output
from api.services.turn import IceServer


class IceServerOut(Output):
    """One entry of a browser's `iceServers`."""

    urls: list[str]
    username: str | None = None
    credential: str | None = None


class IceServers(Output):
    """The servers."""

    ice_servers: list[IceServerOut]


def ice_out(servers: tuple[IceServer, ...]) -> IceServers:
    """Return the servers as answered."""
    return IceServers(
        ice_servers=[
            IceServerOut(urls=list(one.urls), username=one.username, credential=one.credential) for one in servers
        ]
    )
