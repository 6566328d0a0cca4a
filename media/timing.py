"""Media time: endless timelines from 32-bit stamps, decoding order, the camera's wall clock, tick conversion.

Called by the depacketizers, ingest and outputs, on whatever loop they live on. Pure integers: ticks of a clock rate,
microseconds of wall time, 64-bit NTP; no clock is read. Judges nothing: what to do about a jump is the caller's.
"""

import heapq
from dataclasses import dataclass

NTP_EPOCH_OFFSET_S = 2_208_988_800
"""Seconds from 1900-01-01 (NTP, RFC 5905) to 1970-01-01."""
NTP_ERA_S = 1 << 32
_HALF = 1 << 31


def rescale(ticks: int, from_hz: int, to_hz: int) -> int:
    """Convert ticks between clock rates, rounding half up; exact for any size."""
    return (2 * ticks * to_hz + from_hz) // (2 * from_hz)


def ticks_of_us(duration_us: int, clock_rate_hz: int) -> int:
    """Convert microseconds to ticks, rounding half up."""
    return rescale(duration_us, 1_000_000, clock_rate_hz)


def us_of_ticks(ticks: int, clock_rate_hz: int) -> int:
    """Convert ticks to microseconds, rounding half up."""
    return rescale(ticks, clock_rate_hz, 1_000_000)


def us_of_ntp(ntp64: int) -> int:
    """Return a 64-bit NTP time as microseconds since 1970; seconds below 2**31 belong to the era from 2036."""
    seconds = ntp64 >> 32
    if seconds < _HALF:
        seconds += NTP_ERA_S
    return (seconds - NTP_EPOCH_OFFSET_S) * 1_000_000 + ((ntp64 & 0xFFFF_FFFF) * 1_000_000 + _HALF >> 32)


def ntp_of_us(wall_us: int) -> int:
    """Return microseconds since 1970 as 64-bit NTP time, the era dropped."""
    seconds, fraction_us = divmod(wall_us, 1_000_000)
    return (((seconds + NTP_EPOCH_OFFSET_S) << 32) + (fraction_us << 32) // 1_000_000) & 0xFFFF_FFFF_FFFF_FFFF


def signed_delta_32(later: int, earlier: int) -> int:
    """Return `later - earlier` of two 32-bit stamps, between -2**31 and 2**31 - 1."""
    return ((later - earlier + _HALF) & 0xFFFF_FFFF) - _HALF


class RtpTimeline:
    """Extends 32-bit RTP stamps to a timeline that starts at 0 and survives any number of wraps.

    A stamp is taken as the one nearest to its predecessor (signed difference), so reordering across a wrap is right.
    """

    __slots__ = ("_last_pts", "_last_ts32", "clock_rate_hz", "last_delta", "origin_ts32")

    def __init__(self, clock_rate_hz: int, origin_ts32: int | None = None) -> None:
        """Start at the first stamp seen, or at `origin_ts32` (RTP-Info) as zero."""
        self.clock_rate_hz = clock_rate_hz
        self.origin_ts32 = origin_ts32
        self.last_delta = 0
        self._last_ts32 = origin_ts32 or 0
        self._last_pts = 0

    def extend(self, ts32: int) -> int:
        """Return the ticks of `ts32` since the origin; negative for a stamp before it."""
        if self.origin_ts32 is None:
            self.origin_ts32 = self._last_ts32 = ts32
        delta = ((ts32 - self._last_ts32 + 0x8000_0000) & 0xFFFF_FFFF) - 0x8000_0000
        self.last_delta = delta
        self._last_ts32 = ts32
        self._last_pts += delta
        return self._last_pts

    def peek(self, ts32: int) -> int | None:
        """Return what `extend` would, changing nothing; None before the first stamp. For RTCP sender reports."""
        if self.origin_ts32 is None:
            return None
        return self._last_pts + signed_delta_32(ts32, self._last_ts32)

    def resume(self, ts32: int, after_ticks: int) -> None:
        """Go on `after_ticks` after the last stamp with `ts32`: the sender began to count anew."""
        if self.origin_ts32 is not None:
            self._last_ts32 = (ts32 - after_ticks) & 0xFFFF_FFFF

    def has_jumped(self, limit_s: float) -> bool:
        """Tell whether the last step was longer than `limit_s` seconds, forward or back."""
        return abs(self.last_delta) > limit_s * self.clock_rate_hz


@dataclass(slots=True)
class NtpMapping:
    """The camera's wall clock against a track's ticks, from the sender reports (RFC 3550 §6.4.1) as they come.

    The camera's clock is recorded and measured, never trusted: it may be hours off, step, or stand at 1900.
    """

    clock_rate_hz: int
    report_pts: int | None = None
    report_wall_us: int = 0
    offset_us: int = 0

    def update(self, ntp64: int, pts: int, now_wall_us: int) -> int | None:
        """Take one report: camera time `ntp64` at ticks `pts`, received at `now_wall_us`.

        Returns by how much the camera's clock stepped against its own media clock since the last report
        (microseconds), None for the first. NTP time 0 means "no clock" (RFC 3550) and is ignored.
        """
        if ntp64 == 0:
            return None
        wall_us = us_of_ntp(ntp64)
        predicted_us = self.wall_us(pts)
        self.report_pts, self.report_wall_us = pts, wall_us
        self.offset_us = wall_us - now_wall_us
        return None if predicted_us is None else wall_us - predicted_us

    def wall_us(self, pts: int) -> int | None:
        """Return the camera's wall time of `pts` in microseconds since 1970; None before the first report."""
        if self.report_pts is None:
            return None
        return self.report_wall_us + us_of_ticks(pts - self.report_pts, self.clock_rate_hz)

    @property
    def offset_ms(self) -> int | None:
        """Return camera time minus ours in ms (transit time included); None before the first report."""
        return None if self.report_pts is None else round(self.offset_us / 1000)


class DecodeOrder:
    """Derives decoding times from presentation times that arrive in decoding order.

    With at most `depth` pictures reordered, the picture number i in decoding order is decoded when the picture
    number i - depth in presentation order is shown; the first `depth` are put one frame apart before that. So
    dts <= pts holds, and no picture has to wait; except for pictures shown before the very first one (after a CRA),
    where only the rise is kept. With depth 0 dts is pts, whatever pts does.
    """

    __slots__ = ("_depth", "_frame_ticks", "_last_dts", "_waiting")

    def __init__(self, depth: int, frame_ticks: int) -> None:
        """Reorder at most `depth` (0 to 16) pictures of nominally `frame_ticks` each."""
        self._depth = depth
        self._frame_ticks = max(1, frame_ticks)
        self._waiting: list[int] = []
        self._last_dts: int | None = None

    @property
    def depth(self) -> int:
        """Return the reordering depth."""
        return self._depth

    def deepen(self, depth: int) -> None:
        """Reorder `depth` pictures from here on, if that is more; the decoding times go on without going back."""
        for _ in range(self._depth, depth):
            if self._last_dts is not None:
                heapq.heappush(self._waiting, self._last_dts)
        self._depth = max(self._depth, depth)

    def dts(self, pts: int) -> int:
        """Return the decoding time of the next picture in decoding order; strictly increasing when depth > 0."""
        last = self._last_dts
        if self._depth == 0:
            self._last_dts = pts
            return pts
        if last is None:
            self._waiting = [pts - i * self._frame_ticks for i in range(self._depth, 0, -1)]
        dts = heapq.heappushpop(self._waiting, pts)
        if last is not None and dts <= last:
            dts = last + 1
        self._last_dts = dts
        return dts
