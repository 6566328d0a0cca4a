"""The Transport header (RFC 2326 §12.39), read leniently.

Called by both sessions; pure. A reply that contradicts the request is believed where that can work: a camera that
answers TCP to UDP sends by TCP, one that answers `RTP/AVP` to TCP (Escam Q6) sends by TCP all the same.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

_PORTS = re.compile(r"\s*(\d{1,5})\s*(?:-\s*(\d{1,5}))?\s*")
_SSRC = re.compile(r"\s*([0-9a-fA-F]{1,8})\s*")


class Transport(StrEnum):
    """How RTP travels."""

    TCP = "tcp"
    UDP = "udp"


@dataclass(frozen=True, slots=True, kw_only=True)
class TransportReply:
    """What a camera agreed to. Channels count for TCP; ports for UDP, 0 when the camera did not say."""

    transport: Transport
    rtp_channel: int = 0
    rtcp_channel: int = 1
    server_rtp_port: int = 0
    server_rtcp_port: int = 0
    source: str = ""
    ssrc: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TransportRequest:
    """What a client asks for: a channel pair or a port pair. `is_specified` tells whether it named one."""

    transport: Transport
    first: int = 0
    second: int = 0
    is_specified: bool = False


def parse_transport(text: str, asked: Transport, asked_channel: int) -> TransportReply:
    """Return what the reply `text` agrees to; what it leaves out is as asked."""
    protocol, parameters = _split(text.split(",", 1)[0])
    has_channels = "interleaved" in parameters
    is_tcp = "TCP" in protocol or has_channels or asked is Transport.TCP
    channels = _pair(parameters.get("interleaved", ""), (asked_channel, asked_channel + 1))
    if max(channels) > 255:
        channels = (asked_channel, asked_channel + 1)
    ports = _pair(parameters.get("server_port", ""), (0, 0))
    ssrc = _SSRC.fullmatch(parameters.get("ssrc", ""))
    return TransportReply(
        transport=Transport.TCP if is_tcp else Transport.UDP,
        rtp_channel=channels[0],
        rtcp_channel=channels[1],
        server_rtp_port=ports[0],
        server_rtcp_port=ports[1],
        source=parameters.get("source", ""),
        ssrc=int(ssrc.group(1), 16) if ssrc else None,
    )


def parse_transport_request(text: str) -> list[TransportRequest]:
    """Return the unicast transports a client offers, in its order of preference."""
    found = []
    for offer in text.split(",")[:8]:
        protocol, parameters = _split(offer)
        if "multicast" in parameters or not protocol.startswith("RTP/AVP"):
            continue
        is_tcp = "TCP" in protocol
        key = "interleaved" if is_tcp else "client_port"
        first, second = _pair(parameters.get(key, ""), (-1, -1))
        lowest, highest = (0, 255) if is_tcp else (1, 65_535)
        is_specified = lowest <= first <= highest and lowest <= second <= highest
        found.append(
            TransportRequest(
                transport=Transport.TCP if is_tcp else Transport.UDP,
                first=first if is_specified else 0,
                second=second if is_specified else 0,
                is_specified=is_specified,
            )
        )
    return found


def _split(text: str) -> tuple[str, dict[str, str]]:
    protocol, *rest = text.split(";")
    pairs = (part.partition("=") for part in rest[:32])
    return protocol.strip().upper(), {name.strip().lower(): value.strip() for name, _, value in pairs}


def _pair(text: str, missing: tuple[int, int]) -> tuple[int, int]:
    """Return the two numbers of `a-b`; of `a` alone, a and a+1."""
    match = _PORTS.fullmatch(text)
    if match is None:
        return missing
    first = int(match.group(1))
    second = int(match.group(2)) if match.group(2) else first + 1
    return (first, second) if max(first, second) <= 65_535 else missing
