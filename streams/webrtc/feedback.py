"""What a viewer's RTCP means to us, and the reports we send.

Pure; called by `subscribing` a few times a second. Reduces `media.rtp.rtcp`'s packets to the three things a sender acts
on: reception reports, lost packets, and the wish for a key frame.
"""

from dataclasses import dataclass

from media.rtp import rtcp
from media.rtp.rtcp import ReportBlock
from media.timing import ntp_of_us

MAX_NACKS = 512
"""Sequence numbers taken from one compound; a browser in trouble asks for about 100."""


@dataclass(frozen=True, slots=True)
class Feedback:
    """One compound packet. `nacks` are (ssrc, lost sequence numbers); `key_requests` are ssrcs."""

    reports: tuple[ReportBlock, ...]
    nacks: tuple[tuple[int, tuple[int, ...]], ...]
    key_requests: tuple[int, ...]


class Allowance:
    """A token bucket: `per_s` a second, at most `burst` at once. Time is an argument."""

    __slots__ = ("_burst", "_credit", "_filled_ns", "_per_ns")

    def __init__(self, per_s: float, burst: float) -> None:
        """Start full."""
        self._per_ns = per_s / 1e9
        self._burst = burst
        self._credit = burst
        self._filled_ns = 0

    def take(self, now_ns: int) -> bool:
        """Take one; False when there is none."""
        self._credit = min(self._credit + (now_ns - self._filled_ns) * self._per_ns, self._burst)
        self._filled_ns = now_ns
        if self._credit < 1:
            return False
        self._credit -= 1
        return True


def read_feedback(plain: bytes) -> Feedback:
    """Read a compound packet; RemoteProtocolError when nothing in it is RTCP."""
    reports: list[ReportBlock] = []
    nacks: list[tuple[int, tuple[int, ...]]] = []
    keys: list[int] = []
    left = MAX_NACKS
    for packet in rtcp.parse_compound(plain):
        match packet:
            case rtcp.ReceiverReport() | rtcp.SenderReport():
                reports += packet.reports
            case rtcp.GenericNack():
                wanted = packet.sequences[:left]
                left -= len(wanted)
                nacks.append((packet.media_ssrc, wanted))
            case rtcp.PictureLoss():
                keys.append(packet.media_ssrc)
            case rtcp.FullIntraRequest():
                keys += [ssrc for ssrc, _ in packet.requests]
            case _:
                pass
    return Feedback(tuple(reports), tuple(nacks), tuple(dict.fromkeys(keys)))


def round_trip_ms(block: ReportBlock, now_wall_us: int) -> float | None:
    """Return the round trip of the report the block answers (RFC 3550 §6.4.1), None when it answers none or lies."""
    if not block.last_sr:
        return None
    now_mid = ntp_of_us(now_wall_us) >> 16 & 0xFFFFFFFF
    units = (now_mid - block.last_sr - block.delay) & 0xFFFFFFFF
    return units * 1000 / 65_536 if units < 60 * 65_536 else None


def sender_report(ssrc: int, wall_us: int, rtp_timestamp: int, sent: tuple[int, int], cname: str) -> bytes:
    """Return a sender report with its name; `sent` is packets and payload octets so far."""
    report = rtcp.SenderReport(
        ssrc=ssrc,
        ntp64=ntp_of_us(wall_us),
        rtp_timestamp=rtp_timestamp & 0xFFFFFFFF,
        packets=sent[0] & 0xFFFFFFFF,
        octets=sent[1] & 0xFFFFFFFF,
    )
    return rtcp.build_compound([report, rtcp.source_name(ssrc, cname)])


def goodbye(ssrcs: tuple[int, ...]) -> bytes:
    """Return the compound packet with which these sources leave; a report comes first (RFC 3550 §6.1)."""
    return rtcp.build_compound([rtcp.ReceiverReport(ssrc=ssrcs[0] if ssrcs else 0), rtcp.Goodbye(ssrcs)])
