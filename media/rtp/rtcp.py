"""RTCP: reports, goodbyes and feedback, parsed into values and built from them.

RFC 3550 §6 (SR, RR, SDES, BYE), RFC 4585 (NACK, PLI), RFC 5104 (FIR), draft-alvestrand-rmcat-remb (REMB),
draft-holmer-rmcat-transport-wide-cc (TWCC body, in `media.rtp.twcc`). Called by ingest and WebRTC a few times a
second; pure. `parse_compound` is lenient towards the tail of a compound: cheap cameras send a good SR and a broken SDES.
"""

import struct
from collections.abc import Iterable
from dataclasses import dataclass

from media.base.errors import RemoteProtocolError
from media.rtp.nack import pack_nacks, unpack_nacks

SR, RR, SDES, BYE, APP, RTPFB, PSFB = range(200, 207)
NACK_FORMAT, TWCC_FORMAT = 1, 15
PLI_FORMAT, FIR_FORMAT, AFB_FORMAT = 1, 4, 15
CNAME = 1
MAX_PACKETS = 64
"""Packets in one compound; more is garbage."""

_BLOCK = struct.Struct("!IB3sIIII")
_SENDER_INFO = struct.Struct("!IQIII")
_TWO_SSRCS = struct.Struct("!II")
_REMB = b"REMB"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportBlock:
    """What a receiver says of one source. `fraction_lost` in 1/256; `last_sr` and `delay` in 1/65536 s."""

    ssrc: int
    fraction_lost: int = 0
    cumulative_lost: int = 0
    highest_sequence: int = 0
    jitter: int = 0
    last_sr: int = 0
    delay: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SenderReport:
    """A sender's two clocks at one moment, and what it has sent."""

    ssrc: int
    ntp64: int
    rtp_timestamp: int
    packets: int = 0
    octets: int = 0
    reports: tuple[ReportBlock, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiverReport:
    """What one receiver says of its sources."""

    ssrc: int
    reports: tuple[ReportBlock, ...] = ()


@dataclass(frozen=True, slots=True)
class SourceDescription:
    """Names: per source its items by type (1 is CNAME)."""

    chunks: tuple[tuple[int, tuple[tuple[int, bytes], ...]], ...]


@dataclass(frozen=True, slots=True)
class Goodbye:
    """Sources that leave."""

    ssrcs: tuple[int, ...]
    reason: bytes = b""


@dataclass(frozen=True, slots=True)
class GenericNack:
    """Sequence numbers that `sender_ssrc` misses of `media_ssrc`."""

    sender_ssrc: int
    media_ssrc: int
    sequences: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class PictureLoss:
    """PLI: a decoder has lost the picture and wants a key frame."""

    sender_ssrc: int
    media_ssrc: int


@dataclass(frozen=True, slots=True)
class FullIntraRequest:
    """FIR: per media ssrc a command number; a new number asks for a key frame."""

    sender_ssrc: int
    requests: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class BitrateEstimate:
    """REMB: the rate a receiver believes it can take for these sources together."""

    sender_ssrc: int
    rate_bps: int
    ssrcs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class TransportFeedback:
    """TWCC: the body is parsed by `media.rtp.twcc` when somebody wants it."""

    sender_ssrc: int
    media_ssrc: int
    body: bytes


@dataclass(frozen=True, slots=True)
class OtherRtcp:
    """A packet of a type we have no use for; `count` is the five bits of count or format."""

    packet_type: int
    count: int
    body: bytes


RtcpPacket = (
    SenderReport
    | ReceiverReport
    | SourceDescription
    | Goodbye
    | GenericNack
    | PictureLoss
    | FullIntraRequest
    | BitrateEstimate
    | TransportFeedback
    | OtherRtcp
)


def parse_compound(data: bytes) -> list[RtcpPacket]:
    """Return the packets of a compound up to the first broken one; RemoteProtocolError when that is the first."""
    packets: list[RtcpPacket] = []
    pos, size = 0, len(data)
    while pos < size and len(packets) < MAX_PACKETS:
        try:
            packet, pos = _parse_at(data, pos)
        except (RemoteProtocolError, struct.error, IndexError) as error:
            if packets:
                break
            raise RemoteProtocolError("not an RTCP packet", offset=pos, size=size) from error
        packets.append(packet)
    if not packets:
        raise RemoteProtocolError("an empty RTCP compound", size=size)
    return packets


def _parse_at(data: bytes, pos: int) -> tuple[RtcpPacket, int]:
    flags, packet_type, words = struct.unpack_from("!BBH", data, pos)
    end = pos + 4 + 4 * words
    if flags >> 6 != 2 or end > len(data):
        raise RemoteProtocolError("a broken RTCP header", offset=pos)
    body = data[pos + 4 : end]
    if flags & 0x20:
        if not body or not 0 < body[-1] <= len(body):
            raise RemoteProtocolError("broken RTCP padding", offset=pos)
        body = body[: -body[-1]]
    return _parse_body(packet_type, flags & 0x1F, body), end


def _parse_body(packet_type: int, count: int, body: bytes) -> RtcpPacket:
    match packet_type:
        case 200:
            ssrc, ntp64, timestamp, packets, octets = _SENDER_INFO.unpack_from(body)
            return SenderReport(
                ssrc=ssrc,
                ntp64=ntp64,
                rtp_timestamp=timestamp,
                packets=packets,
                octets=octets,
                reports=_parse_blocks(body, _SENDER_INFO.size, count),
            )
        case 201:
            return ReceiverReport(ssrc=_word(body, 0), reports=_parse_blocks(body, 4, count))
        case 202:
            return _parse_sdes(body, count)
        case 203:
            return _parse_bye(body, count)
        case 205:
            return _parse_transport_feedback(count, body)
        case 206:
            return _parse_payload_feedback(count, body)
        case _:
            return OtherRtcp(packet_type, count, body)


def _word(body: bytes, pos: int) -> int:
    if pos + 4 > len(body):
        raise RemoteProtocolError("an RTCP packet is too short", size=len(body))
    return int.from_bytes(body[pos : pos + 4], "big")


def _parse_blocks(body: bytes, pos: int, count: int) -> tuple[ReportBlock, ...]:
    """Return as many of the announced blocks as are there."""
    blocks = []
    for at in range(pos, min(pos + count * _BLOCK.size, len(body) - _BLOCK.size + 1), _BLOCK.size):
        ssrc, fraction, lost, highest, jitter, last_sr, delay = _BLOCK.unpack_from(body, at)
        blocks.append(
            ReportBlock(
                ssrc=ssrc,
                fraction_lost=fraction,
                cumulative_lost=int.from_bytes(lost, "big", signed=True),
                highest_sequence=highest,
                jitter=jitter,
                last_sr=last_sr,
                delay=delay,
            )
        )
    return tuple(blocks)


def _parse_sdes(body: bytes, count: int) -> SourceDescription:
    chunks = []
    pos = 0
    for _ in range(count):
        ssrc = _word(body, pos)
        pos += 4
        items = []
        while pos < len(body) and body[pos]:
            size = body[pos + 1]
            if pos + 2 + size > len(body):
                raise RemoteProtocolError("an SDES item is cut short", offset=pos)
            items.append((body[pos], body[pos + 2 : pos + 2 + size]))
            pos += 2 + size
        pos = (pos + 4) & ~3  # at least one zero ends the chunk
        chunks.append((ssrc, tuple(items)))
    return SourceDescription(tuple(chunks))


def _parse_bye(body: bytes, count: int) -> Goodbye:
    ssrcs = tuple(_word(body, 4 * i) for i in range(count))
    at = 4 * count
    reason = body[at + 1 : at + 1 + body[at]] if at < len(body) else b""
    return Goodbye(ssrcs, reason)


def _parse_transport_feedback(kind: int, body: bytes) -> RtcpPacket:
    sender, media = _TWO_SSRCS.unpack_from(body)
    if kind == NACK_FORMAT:
        return GenericNack(sender, media, unpack_nacks(body[8:]))
    if kind == TWCC_FORMAT:
        return TransportFeedback(sender, media, body[8:])
    return OtherRtcp(RTPFB, kind, body)


def _parse_payload_feedback(kind: int, body: bytes) -> RtcpPacket:
    sender, media = _TWO_SSRCS.unpack_from(body)
    if kind == PLI_FORMAT:
        return PictureLoss(sender, media)
    if kind == FIR_FORMAT:
        return FullIntraRequest(sender, tuple((_word(body, at), body[at + 4]) for at in range(8, len(body) - 7, 8)))
    if kind == AFB_FORMAT and body[8:12] == _REMB and len(body) >= 16:
        exponent, mantissa = body[13] >> 2, (body[13] & 3) << 16 | body[14] << 8 | body[15]
        ssrcs = tuple(_word(body, 16 + 4 * i) for i in range(min(body[12], (len(body) - 16) // 4)))
        return BitrateEstimate(sender, mantissa << exponent, ssrcs)
    return OtherRtcp(PSFB, kind, body)


def build_compound(packets: Iterable[RtcpPacket]) -> bytes:
    """Return the packets as one compound, in the given order (RFC 3550 wants a report first)."""
    return b"".join(map(build, packets))


def build(packet: RtcpPacket) -> bytes:
    """Return one RTCP packet as sent; counts that do not fit five bits are cut."""
    match packet:
        case SenderReport():
            info = _SENDER_INFO.pack(
                packet.ssrc, packet.ntp64, packet.rtp_timestamp, packet.packets & _U32, packet.octets & _U32
            )
            return _with_blocks(SR, info, packet.reports)
        case ReceiverReport():
            return _with_blocks(RR, packet.ssrc.to_bytes(4, "big"), packet.reports)
        case SourceDescription():
            return _framed(SDES, len(packet.chunks[:31]), b"".join(map(_build_chunk, packet.chunks[:31])))
        case Goodbye():
            reason = packet.reason[:255]
            return _framed(BYE, len(packet.ssrcs[:31]), _words(packet.ssrcs[:31]) + _counted(reason))
        case OtherRtcp():
            return _framed(packet.packet_type, packet.count, packet.body)
        case _:
            return _build_feedback(packet)


_U32 = 0xFFFF_FFFF


def _build_feedback(
    packet: GenericNack | PictureLoss | FullIntraRequest | BitrateEstimate | TransportFeedback,
) -> bytes:
    match packet:
        case GenericNack():
            body = _TWO_SSRCS.pack(packet.sender_ssrc, packet.media_ssrc) + pack_nacks(packet.sequences)
            return _framed(RTPFB, NACK_FORMAT, body)
        case TransportFeedback():
            body = _TWO_SSRCS.pack(packet.sender_ssrc, packet.media_ssrc) + packet.body
            return _framed(RTPFB, TWCC_FORMAT, body)
        case PictureLoss():
            return _framed(PSFB, PLI_FORMAT, _TWO_SSRCS.pack(packet.sender_ssrc, packet.media_ssrc))
        case FullIntraRequest():
            requests = [struct.pack("!IB3x", ssrc, number & 0xFF) for ssrc, number in packet.requests]
            return _framed(PSFB, FIR_FORMAT, _TWO_SSRCS.pack(packet.sender_ssrc, 0) + b"".join(requests))
        case BitrateEstimate():
            exponent = max(0, packet.rate_bps.bit_length() - 18)
            rate = exponent << 18 | packet.rate_bps >> exponent
            head = _TWO_SSRCS.pack(packet.sender_ssrc, 0) + _REMB + bytes([len(packet.ssrcs)])
            return _framed(PSFB, AFB_FORMAT, head + rate.to_bytes(3, "big") + _words(packet.ssrcs))


def source_name(ssrc: int, cname: str) -> SourceDescription:
    """Return the description every compound must carry (RFC 3550 §6.1): `cname`, cut to 255 bytes."""
    return SourceDescription(((ssrc, ((CNAME, cname.encode()[:255]),)),))


def _framed(packet_type: int, count: int, body: bytes) -> bytes:
    padded = body + bytes(-len(body) % 4)
    return struct.pack("!BBH", 0x80 | count, packet_type, len(padded) // 4) + padded


def _counted(text: bytes) -> bytes:
    return bytes([len(text)]) + text if text else b""


def _words(numbers: Iterable[int]) -> bytes:
    return b"".join([number.to_bytes(4, "big") for number in numbers])


def _with_blocks(packet_type: int, head: bytes, blocks: tuple[ReportBlock, ...]) -> bytes:
    packed = [
        _BLOCK.pack(
            block.ssrc,
            block.fraction_lost,
            max(-0x80_0000, min(0x7F_FFFF, block.cumulative_lost)).to_bytes(3, "big", signed=True),
            block.highest_sequence & _U32,
            block.jitter & _U32,
            block.last_sr,
            block.delay & _U32,
        )
        for block in blocks[:31]
    ]
    return _framed(packet_type, len(packed), head + b"".join(packed))


def _build_chunk(chunk: tuple[int, tuple[tuple[int, bytes], ...]]) -> bytes:
    ssrc, items = chunk
    body = _words([ssrc]) + b"".join([bytes([kind, len(value[:255])]) + value[:255] for kind, value in items])
    return body + bytes(4 - len(body) % 4)
