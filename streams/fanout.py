"""The arithmetic of sending one source to many: numbering, history, and how a latecomer is spliced in.

Pure: no clock, no socket, no asyncio; used by `streams.webrtc` for cameras and people alike. A source's packets carry
a *source sequence* that counts for ever (cameras from 0 and without holes; people as their RTP counts, with holes and
packets that come late) and a *source timestamp* that grows. Each outlet (one track to one viewer) sees them through a
`Splice`, a mapping into its own 16-bit sequence and 32-bit timestamps, so that nothing per packet is stored per viewer
and a NACK finds its packet by subtraction.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

NACK_HISTORY_PACKETS = 1024
"""Kept behind the head for retransmission: 4 s of a 2.4 Mbit/s camera, two round trips of any link we know."""

GROUP_MAX_PACKETS = 16_384
"""A GOP longer than this is not kept whole; half the 16-bit sequence space must stay unambiguous."""

GROUP_MAX_BYTES = 8 << 20
"""The same cap as the hub's GOP cache."""

CATCH_UP_SPAN_TICKS = 3600
"""A latecomer's cached GOP is squeezed into 40 ms of 90 kHz timestamps, so that it ends live and not seconds behind."""

LEAST_SPAN_TICKS = 900
"""10 ms: into so little a GOP is squeezed when the last picture of what was shown before is hardly older."""


@dataclass(frozen=True, slots=True)
class GroupLimit:
    """How much of a group is kept for latecomers; a group that outgrows it is given up until the next key frame.

    `span_s` is its length in source time. `is_key_on_request` tells whether the source makes a key frame when asked.
    """

    max_bytes: int = GROUP_MAX_BYTES
    max_packets: int = GROUP_MAX_PACKETS
    span_s: float = 3600.0
    is_key_on_request: bool = False


CAMERA = GroupLimit()

PEOPLE = GroupLimit(2 << 20, 2048, 12.0, is_key_on_request=True)
"""Browsers make no key frame on their own; a longer group is dearer to send than the key frame it saves."""


class Packet(NamedTuple):
    """One RTP packet of a source without its header. `marker` is 0 or 0x80, ready to be ORed to the payload type.

    `extension` is a whole header extension block (RFC 8285) with the canonical ids, or empty.
    """

    payload: bytes
    timestamp: int
    marker: int
    extension: bytes = b""


class Place(Enum):
    """Where a packet with a number of its own stood when it came."""

    NEXT = "next"
    """At the head, perhaps behind a hole."""
    LATE = "late"
    """In a hole behind the head."""
    JUMP = "jump"
    """The first of all, or so far ahead that nothing before it is of use any more."""
    IGNORED = "ignored"
    """A repeat, or older than what is kept."""


class History:
    """The last packets of one track: at least enough for NACK, and the whole group since the last key frame."""

    def __init__(
        self, group: GroupLimit = CAMERA, *, clock_rate_hz: int = 90_000, nack_packets: int = NACK_HISTORY_PACKETS
    ) -> None:
        """Keep `nack_packets` behind the head, and a group within its limit."""
        self.limit = group
        self._packets: dict[int, Packet] = {}
        self._nack_packets = nack_packets
        self._span_ticks = round(group.span_s * clock_rate_hz)
        self._group_bytes = 0
        self._group_ts = 0
        self.first_seq = 0
        self.next_seq = 0
        self.group_seq: int | None = None
        """Source sequence of the first packet of the last key frame; None when a latecomer cannot start from here."""
        self.octets = 0
        """Payload bytes ever taken."""

    def __len__(self) -> int:
        """Return the number of packets held."""
        return len(self._packets)

    def append(self, packets: Iterable[Packet], *, is_key: bool) -> None:
        """Add the packets of one access unit of a source without holes; a key unit begins a new group."""
        if is_key:
            self.group_seq = self.next_seq
            self._group_bytes = 0
        for packet in packets:
            self._packets[self.next_seq] = packet
            self.next_seq += 1
            self._group_bytes += len(packet.payload)
            self.octets += len(packet.payload)
        if self.group_seq is not None and (
            self._group_bytes > self.limit.max_bytes or self.next_seq - self.group_seq > self.limit.max_packets
        ):
            self.group_seq = None
        self._trim()

    def put(self, seq: int, packet: Packet, place: Place, *, is_key: bool) -> None:
        """Add a packet that brings its number, in its `place_of`; `is_key` marks the first packet of a key frame.

        A number is taken once: what comes again, perhaps with other bytes, is ignored, for it may have been sent.
        """
        if place is Place.IGNORED:
            return
        if place is Place.JUMP:
            self._packets.clear()
            self.group_seq = None
            self.first_seq = self.next_seq = seq
        self._packets[seq] = packet
        self.octets += len(packet.payload)
        self.next_seq = max(self.next_seq, seq + 1)
        if is_key and (self.group_seq is None or seq > self.group_seq):
            self._begin_group(seq, packet.timestamp)
        elif self.group_seq is not None and seq > self.group_seq:
            self._group_bytes += len(packet.payload)
            self._limit_group(packet.timestamp)
        self._trim()

    def place_of(self, seq: int) -> Place:
        """Return where a packet with this number stands; the first of all is a jump."""
        ahead = seq - self.next_seq
        if ahead >= self._nack_packets or not self._packets:
            return Place.JUMP
        if ahead >= 0:
            return Place.NEXT
        return Place.IGNORED if seq < self.first_seq or seq in self._packets else Place.LATE

    def _begin_group(self, seq: int, timestamp: int) -> None:
        self.group_seq = seq
        self._group_ts = timestamp
        self._group_bytes = sum(len(p.payload) for n in range(seq, self.next_seq) if (p := self._packets.get(n)))

    def _limit_group(self, timestamp: int) -> None:
        assert self.group_seq is not None
        limit = self.limit
        if (
            self._group_bytes > limit.max_bytes
            or self.next_seq - self.group_seq > limit.max_packets
            or timestamp - self._group_ts > self._span_ticks
        ):
            self.group_seq = None

    @property
    def group_bytes(self) -> int:
        """Return the payload bytes of the cached group, 0 without one."""
        return self._group_bytes if self.group_seq is not None else 0

    def is_group_whole(self) -> bool:
        """Tell whether there is a cached group and nothing is missing in it."""
        return self.group_seq is not None and all(n in self._packets for n in range(self.group_seq, self.next_seq))

    def end_group(self) -> None:
        """Forget where the group began: the run ended, what follows does not continue it."""
        self.group_seq = None
        self._trim()

    def get(self, seq: int) -> Packet | None:
        """Return the packet of source sequence `seq`, or None when it is gone, missing or not yet there."""
        return self._packets.get(seq)

    def last_between(self, first_seq: int, next_seq: int) -> Packet | None:
        """Return the newest packet there is from `first_seq` on and before `next_seq`, None when there is none."""
        packets = self._packets
        for seq in range(next_seq - 1, max(first_seq, self.first_seq) - 1, -1):
            if seq in packets:
                return packets[seq]
        return None

    def _trim(self) -> None:
        keep_from = self.next_seq - self._nack_packets
        if self.group_seq is not None:
            keep_from = min(keep_from, self.group_seq)
        while self.first_seq < keep_from:
            self._packets.pop(self.first_seq, None)
            self.first_seq += 1


@dataclass(frozen=True, slots=True)
class Splice:
    """How an outlet sees its source from source sequence `start_seq` on.

    Timestamps up to `live_ts` are squeezed by `squeeze` (numerator, denominator) towards it; from there on they
    differ from the source's by the constant `ts_offset`.
    """

    start_seq: int
    seq_offset: int
    ts_offset: int
    live_ts: int
    squeeze: tuple[int, int] = (1, 1)

    def out_seq(self, seq: int) -> int:
        """Return the outlet's 16-bit sequence number of source sequence `seq`."""
        return (seq + self.seq_offset) & 0xFFFF

    def out_ts(self, timestamp: int) -> int:
        """Return the outlet's timestamp, not yet cut to 32 bits; strictly increasing with the source's."""
        behind = self.live_ts - timestamp
        if behind <= 0:
            return timestamp + self.ts_offset
        numerator, denominator = self.squeeze
        return self.live_ts + self.ts_offset - behind * numerator // denominator

    def source_seq(self, out_seq: int, next_seq: int) -> int | None:
        """Return the source sequence behind `out_seq`, given the next one to be sent; None when before the splice."""
        last = next_seq - 1
        seq = last - ((self.out_seq(last) - out_seq) & 0xFFFF)
        return seq if seq >= self.start_seq else None


@dataclass(frozen=True, slots=True)
class SplicePoint:
    """Where an outlet's own numbering stands: the next sequence number and the first timestamp it may use.

    `ts_offset` is by how much its timestamps should differ from the source's to go on as they did; None at first.
    """

    next_out_seq: int
    first_out_ts: int
    ts_offset: int | None = None


def splice_live(point: SplicePoint, start_seq: int, start_ts: int) -> Splice:
    """Return the splice of an outlet that joins at a packet not yet sent to anybody.

    After a pause the wished timestamp offset is kept when it can be, so that the pause lasts as long in timestamps.
    """
    ts_offset = point.first_out_ts - start_ts
    if point.ts_offset is not None:
        ts_offset = max(ts_offset, point.ts_offset)
    return Splice(start_seq=start_seq, seq_offset=point.next_out_seq - start_seq, ts_offset=ts_offset, live_ts=start_ts)


def splice_group(point: SplicePoint, history: History, live_seq: int) -> Splice | None:
    """Return the splice of an outlet that starts with the cached group; None when there is none.

    `live_seq` is the next packet the live outlets get. What they have had already is squeezed into
    `CATCH_UP_SPAN_TICKS`: sent in a burst, it is then shown in a burst, and the viewer is live at its end.
    Unsqueezed, a browser would play the group in real time and stay that far behind.
    """
    start_seq = history.group_seq
    if start_seq is None:
        return None
    first = history.get(start_seq)
    last = history.last_between(start_seq, max(live_seq, start_seq + 1))
    if first is None or last is None:
        return None
    span = max(last.timestamp - first.timestamp, 0)
    squeezed = min(span, CATCH_UP_SPAN_TICKS)
    live_out_ts = point.first_out_ts + squeezed
    if point.ts_offset is not None:
        wished = last.timestamp + point.ts_offset
        least = max(LEAST_SPAN_TICKS, live_seq - start_seq)  # every picture needs a timestamp of its own
        squeezed = min(squeezed, max(wished - point.first_out_ts, least))
        live_out_ts = max(wished, point.first_out_ts + squeezed)
    return Splice(
        start_seq=start_seq,
        seq_offset=point.next_out_seq - start_seq,
        ts_offset=live_out_ts - last.timestamp,
        live_ts=last.timestamp,
        squeeze=(squeezed, span) if span > squeezed else (1, 1),
    )


class RunTimeline:
    """Joins the runs of one track: every run starts at 0, the source timestamps of a track never go back.

    Also remembers the least-delayed arrival of the run, from which sender reports tell the wall clock.
    """

    def __init__(self, clock_rate_hz: int) -> None:
        """Count ticks of `clock_rate_hz`."""
        self.clock_rate_hz = clock_rate_hz
        self._offset: int | None = None
        self._last_ts = 0
        self._last_mono_ns = 0
        self._zero_mono_ns: int | None = None
        """When tick 0 of the source happened, by the least-delayed unit so far."""

    def begin_run(self, clock_rate_hz: int) -> None:
        """Expect a new run; its first unit continues where the clock, not the last unit, has got to."""
        if clock_rate_hz != self.clock_rate_hz:
            self.clock_rate_hz = clock_rate_hz
        self._offset = None
        self._zero_mono_ns = None

    def stamp(self, pts: int, received_mono_ns: int) -> int:
        """Return the source timestamp of a unit of the current run."""
        if self._offset is None:
            self._offset = self._next_after_gap(received_mono_ns) - pts
        timestamp = pts + self._offset
        self._last_ts = max(self._last_ts, timestamp)
        passed_ns = max(received_mono_ns - self._last_mono_ns, 0)
        self._last_mono_ns = received_mono_ns
        self._follow_zero(received_mono_ns - timestamp * 1_000_000_000 // self.clock_rate_hz, passed_ns)
        return timestamp

    def _follow_zero(self, zero_ns: int, passed_ns: int) -> None:
        """Jump down to a less delayed unit at once; climb with a slow camera clock by at most 500 ppm."""
        if self._zero_mono_ns is None or zero_ns < self._zero_mono_ns:
            self._zero_mono_ns = zero_ns
        else:
            self._zero_mono_ns += min(zero_ns - self._zero_mono_ns, passed_ns // 2000)

    def _next_after_gap(self, now_mono_ns: int) -> int:
        if self._last_mono_ns == 0:
            return 0
        passed_ns = max(now_mono_ns - self._last_mono_ns, 0)
        return self._last_ts + max(passed_ns * self.clock_rate_hz // 1_000_000_000, 1)

    def at(self, mono_ns: int) -> int | None:
        """Return the source timestamp that belongs to a moment; None before the first unit of a run."""
        if self._zero_mono_ns is None:
            return None
        return (mono_ns - self._zero_mono_ns) * self.clock_rate_hz // 1_000_000_000
