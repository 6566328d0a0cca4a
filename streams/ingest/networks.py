"""Which networks a source may live in: the allow-list that keeps a source URL from becoming a probe of the server room.

Called by every ingest before it connects, also after a redirect. A host name is resolved once and the *checked
address* is what gets connected to, so a second DNS answer cannot slip by. Runs on the event loop; refuses
unspecified and multicast addresses whatever the list says.
"""

import asyncio
import ipaddress
import socket
from dataclasses import dataclass
from typing import Self

from media.base.errors import ErrorKind, HubError
from media.packet import EndReason
from streams.ingest.connection import SourceError

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

DEFAULT_NETWORKS = "10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,100.64.0.0/10,127.0.0.0/8,::1/128,fc00::/7"
"""Private, carrier-private (county video networks use 100.64/10) and loopback; link-local holds cloud metadata."""

RESOLVE_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class SourceNetworks:
    """The allowed networks."""

    networks: tuple[Network, ...]

    @classmethod
    def parse(cls, text: str = DEFAULT_NETWORKS) -> Self:
        """Return the list written as comma-separated CIDR; HubError INVALID names the part that is not one."""
        networks: list[Network] = []
        for part in filter(None, (piece.strip() for piece in text.split(","))):
            try:
                networks.append(ipaddress.ip_network(part, strict=False))
            except ValueError:
                raise HubError(ErrorKind.INVALID, f"{part} is not a network", code="invalid_network") from None
        return cls(tuple(networks))

    def allows(self, address: Address) -> bool:
        """Tell whether a source may be contacted at `address`."""
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        if address.is_unspecified or address.is_multicast:
            return False
        return any(address.version == network.version and address in network for network in self.networks)

    async def resolve(self, host: str, port: int) -> tuple[str, ...]:
        """Return the allowed addresses of `host`, in the resolver's order; SourceError when there is none."""
        found = await _addresses(host, port)
        allowed = tuple(str(address) for address in found if self.allows(address))
        if not allowed:
            raise SourceError(
                EndReason.REFUSED, "the address is outside the allowed networks", code="network_not_allowed", host=host
            )
        return allowed


async def _addresses(host: str, port: int) -> list[Address]:
    """Return the addresses of `host`; numbers do not touch the resolver's thread."""
    try:
        return [ipaddress.ip_address(host.partition("%")[0])]
    except ValueError:
        pass
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(RESOLVE_TIMEOUT_S):
            infos = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise SourceError(EndReason.UNREACHABLE, "the host name is not known", code="unreachable", host=host) from None
    except TimeoutError:
        raise SourceError(EndReason.UNREACHABLE, "the host name did not resolve", code="timeout", host=host) from None
    return list(dict.fromkeys(ipaddress.ip_address(str(info[4][0]).partition("%")[0]) for info in infos))
