"""How good a person's own uplink is, from what arrived and what had to be asked for again.

Pure: totals in, a verdict out; asked by `session` every two seconds. Said when the level changes, and every 10 s.
"""

from streams.webrtc.layers import quality
from streams.webrtc.publishing import PublishStats

EVERY_NS = 2_000_000_000
TOLD_EVERY_NS = 10_000_000_000


class UplinkQuality:
    """The judge of one publishing connection."""

    def __init__(self) -> None:
        """Begin without a verdict."""
        self._arrived = 0
        self._missed = 0
        self._judged_ns: int | None = None
        self._told: tuple[int, int] = (-1, 0)

    def judge(self, stats: PublishStats, now_mono_ns: int) -> tuple[int, float, float] | None:
        """Return level 0..4, round trip in ms and share lost, or None when there is nothing new to say."""
        if self._judged_ns is not None and now_mono_ns - self._judged_ns < EVERY_NS:
            return None
        layers = [layer for track in stats.tracks.values() for layer in track]
        arrived = sum(layer.packets for layer in layers)
        missed = sum(layer.lost + layer.repaired for layer in layers)
        arrived_now, missed_now = max(0, arrived - self._arrived), max(0, missed - self._missed)
        is_first = self._judged_ns is None
        self._arrived, self._missed, self._judged_ns = arrived, missed, now_mono_ns
        if is_first or not arrived_now + missed_now:
            return None
        loss = missed_now / (arrived_now + missed_now)
        level = quality(loss, stats.rtt_ms)
        if level == self._told[0] and now_mono_ns - self._told[1] < TOLD_EVERY_NS:
            return None
        self._told = (level, now_mono_ns)
        return level, stats.rtt_ms or 0.0, loss
