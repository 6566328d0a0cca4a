"""Receiver reports: what we tell a camera of how its packets arrive (RFC 3550 §6.4 and appendix A.3).

Called by ingest at most every 5 s per track (some cameras hang up without). Pure: the counters come from the
depacketizer's `stats`, the clock is an argument.
"""

from media.rtp.receive import ReceptionStats
from media.rtp.rtcp import ReportBlock, SenderReport


class ReceptionReporter:
    """Remembers between two reports what the next one needs."""

    def __init__(self) -> None:
        """Start before the first report."""
        self._expected = 0
        self._received = 0
        self._resets = 0
        self._last_sr = 0
        self._sr_mono_ns = 0

    def on_sender_report(self, report: SenderReport, now_mono_ns: int) -> None:
        """Take the sender's report received at `now_mono_ns`: its time goes back with the next block."""
        self._last_sr = report.ntp64 >> 16 & 0xFFFF_FFFF
        self._sr_mono_ns = now_mono_ns

    def report_block(self, stats: ReceptionStats, now_mono_ns: int) -> ReportBlock:
        """Return the block for the time since the last one."""
        if stats.resets != self._resets:
            self._resets, self._expected, self._received = stats.resets, 0, 0
        expected = stats.expected - self._expected
        lost = expected - (stats.received - self._received)
        self._expected, self._received = stats.expected, stats.received
        delay = (now_mono_ns - self._sr_mono_ns) * 65_536 // 1_000_000_000 if self._last_sr else 0
        return ReportBlock(
            ssrc=stats.ssrc,
            fraction_lost=min(255, (lost << 8) // expected) if expected > 0 and lost > 0 else 0,
            cumulative_lost=stats.expected - stats.received,
            highest_sequence=stats.highest_sequence & 0xFFFF_FFFF,
            jitter=stats.jitter,
            last_sr=self._last_sr,
            delay=min(delay, 0xFFFF_FFFF),
        )


def round_trip_us(block: ReportBlock, now_ntp64: int) -> int | None:
    """Return the round trip a receiver's block implies (RFC 3550 figure 2); None when it has seen no report of ours."""
    if not block.last_sr:
        return None
    elapsed = ((now_ntp64 >> 16) - block.last_sr - block.delay) & 0xFFFF_FFFF
    return elapsed * 1_000_000 >> 16 if elapsed < 1 << 31 else 0
