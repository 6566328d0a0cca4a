"""Addresses of clients as limits and locks count them. Pure."""

import ipaddress

_SUBSCRIBER_BITS = 64
"""An IPv6 subscriber has at least a /64 and changes addresses within it at will (RFC 8981)."""


def plain_address(text: str) -> str:
    """Return an IP address in its usual form, or `local` for anything else a proxy on this machine may call one."""
    try:
        parsed = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return "local"
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return str(mapped or parsed)


def network_of(address: str) -> str:
    """Return what stands for one subscriber: an IPv4 address, the /64 of an IPv6 one, anything else as it is."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address[:64]
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((parsed, _SUBSCRIBER_BITS), strict=False))
    return str(parsed)
