"""Retransmitted packets (RFC 4588): the lost one again, under another source, sequence and payload type.

Called by the WebRTC side for every packet of a retransmission source, on its event loop, and by tests and tools that
play the sender. Pure and total. Knows no sources: which stream a retransmission repairs is decided where it is routed.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from media.base.errors import RemoteProtocolError
from media.rtp.packet import Buffer, RtpPacket

OSN_BYTES = 2
"""The original sequence number, in front of the original payload (§4)."""


def original_sequence(buf: Buffer, start: int, end: int) -> int:
    """Return which packet the retransmission payload in `buf[start:end]` repeats; -1 when it is padding for probing."""
    return buf[start] << 8 | buf[start + 1] if end - start > OSN_BYTES else -1


def wrap(packet: RtpPacket, *, ssrc: int, payload_type: int, sequence: int) -> RtpPacket:
    """Return `packet` as a retransmission."""
    payload = packet.sequence.to_bytes(OSN_BYTES, "big") + packet.payload
    return replace(packet, ssrc=ssrc, payload_type=payload_type, sequence=sequence, payload=payload, padding_bytes=0)


def unwrap(packet: RtpPacket, *, ssrc: int, payload_type: int) -> RtpPacket:
    """Return the packet a retransmission repeats; RemoteProtocolError when it is mere padding."""
    sequence = original_sequence(packet.payload, 0, len(packet.payload))
    if sequence < 0:
        raise RemoteProtocolError("a retransmission of nothing", ssrc=packet.ssrc, seq=packet.sequence)
    payload = packet.payload[OSN_BYTES:]
    return replace(packet, ssrc=ssrc, payload_type=payload_type, sequence=sequence, payload=payload, padding_bytes=0)


def associated(parameters: Iterable[tuple[int, str]], known: Mapping[int, object]) -> dict[int, int]:
    """Return retransmission payload type → original, from (payload type, value of `apt`) pairs (§8.6).

    Pairs whose original is not in `known`, or which are no numbers, are left out.
    """
    found: dict[int, int] = {}
    for payload_type, text in parameters:
        if text.isascii() and text.isdigit() and len(text) <= 3 and int(text) in known:
            found[payload_type] = int(text)
    return found
