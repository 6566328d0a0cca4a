"""Asking for lost packets and answering: the pid/blp pairs of RFC 4585 §6.2.1, and what a receiver still misses.

Called by RTCP parsing, and by the WebRTC side for every stream a browser publishes. Pure and bounded: at most
`MAX_MISSING` sequence numbers are asked for, the oldest given up first.
"""

import struct
from collections.abc import Iterable

MAX_NACKED = 1024
"""Sequence numbers taken from one NACK; a receiver that misses more wants a key frame, not packets."""
MAX_MISSING = 512
"""Half a second of a 10 Mbit/s layer; whoever misses more wants a key frame."""

REORDER_WAIT_NS = 8_000_000
"""How long a packet may only have been overtaken, at first; asking at once would have it sent twice."""
MAX_REORDER_WAIT_NS = 25_000_000

MIN_RETRY_NS = 20_000_000
MAX_ROUND_TRIP_NS = 1_000_000_000
GIVE_UP_NS = 1_000_000_000
"""A picture that waits longer is worth less than the next key frame."""

_PAIR = struct.Struct("!HH")


def unpack_nacks(body: bytes) -> tuple[int, ...]:
    """Return the sequence numbers of pid/blp pairs in order, at most `MAX_NACKED`."""
    sequences: list[int] = []
    for at in range(0, len(body) - 3, 4):
        pid, mask = _PAIR.unpack_from(body, at)
        sequences.append(pid)
        sequences += [(pid + bit + 1) & 0xFFFF for bit in range(16) if mask >> bit & 1]
        if len(sequences) >= MAX_NACKED:
            break
    return tuple(sequences[:MAX_NACKED])


def pack_nacks(sequences: Iterable[int]) -> bytes:
    """Return pid/blp pairs for sequence numbers given in sending order (a wrap may be among them)."""
    pairs: list[tuple[int, int]] = []
    for seq in sequences:
        if pairs:
            pid, mask = pairs[-1]
            ahead = (seq - pid) & 0xFFFF
            if ahead == 0:
                continue
            if ahead <= 16:
                pairs[-1] = (pid, mask | 1 << (ahead - 1))
                continue
        pairs.append((seq, 0))
    return b"".join([_PAIR.pack(pid, mask) for pid, mask in pairs])


class RoundTrip:
    """How long an answer to a NACK takes, smoothed as RFC 6298 does; one per path."""

    __slots__ = ("_deviation_ns", "is_measured", "smoothed_ns")

    def __init__(self, first_ns: int = 100_000_000) -> None:
        """Assume `first_ns` until something was measured."""
        self.smoothed_ns = first_ns
        self.is_measured = False
        self._deviation_ns = 0

    def sample(self, took_ns: int) -> None:
        """Take one measurement."""
        took_ns = min(took_ns, MAX_ROUND_TRIP_NS)
        if not self.is_measured:
            self.is_measured = True
            self.smoothed_ns, self._deviation_ns = took_ns, took_ns // 4
            return
        error = took_ns - self.smoothed_ns
        self.smoothed_ns += error // 8
        self._deviation_ns += (abs(error) - self._deviation_ns) // 4

    @property
    def retry_ns(self) -> int:
        """Return how long to wait for an answer before asking again."""
        return max(self.smoothed_ns + 2 * self._deviation_ns, MIN_RETRY_NS)


class NackTracker:
    """Knows what is missing of one stream and when to ask again. Numbers are extended sequence numbers, time is given.

    What was asked for in vain is given up, but still welcome when it comes: only a number that is neither missing nor
    given up has been seen before.
    """

    def __init__(self, round_trip: RoundTrip) -> None:
        """Ask again by `round_trip`, which this tracker also feeds."""
        self._round_trip = round_trip
        self._missing: dict[int, list[int]] = {}
        """Number → when it was missed, how often it was asked for, when last."""
        self._lost: dict[int, None] = {}
        self._reorder_wait_ns = REORDER_WAIT_NS
        self.given_up = 0
        self.recovered = 0
        self.reordered = 0
        self.asked = 0

    def __len__(self) -> int:
        """Return how many numbers are still asked for."""
        return len(self._missing)

    def skipped(self, first: int, until: int, now_mono_ns: int) -> None:
        """Take notice that `first` … `until - 1` did not come."""
        if until - first > MAX_MISSING:
            self.given_up += until - first - MAX_MISSING
            first = until - MAX_MISSING
        for number in range(first, until):
            self._missing[number] = [now_mono_ns, 0, 0]
        while len(self._missing) > MAX_MISSING:
            self._give_up(next(iter(self._missing)))

    def arrived(self, number: int, now_mono_ns: int, *, is_repair: bool) -> bool:
        """Take notice of a packet behind the newest; False when it has been there before or is too old to tell.

        Only what surely is an answer (`is_repair`) tells the round trip; an original that comes after all tells how
        far packets overtake one another here.
        """
        entry = self._missing.pop(number, None)
        if entry is None:
            if number not in self._lost:
                return False
            del self._lost[number]
            self.recovered += 1
            return True
        missed_ns, tries, asked_ns = entry
        if tries:
            self.recovered += 1
        else:
            self.reordered += 1
        if not is_repair:
            self._note_overtaken(now_mono_ns - missed_ns)
        elif tries == 1:
            self._round_trip.sample(now_mono_ns - asked_ns)
        return True

    def _note_overtaken(self, late_ns: int) -> None:
        """Wait as long as the latest of late, forgetting it slowly; a repeat under the old number is no late packet."""
        if late_ns <= MAX_REORDER_WAIT_NS:
            self._reorder_wait_ns = max(late_ns, self._reorder_wait_ns * 63 // 64)

    def misses(self, number: int) -> bool:
        """Tell whether a packet has not come, whether it is still asked for or not."""
        return number in self._missing or number in self._lost

    def due(self, now_mono_ns: int) -> list[int]:
        """Return the numbers to ask for now, oldest first, and count the try; gives up what has been asked for long."""
        if not self._missing:
            return []
        retry_ns, reorder_ns = self._round_trip.retry_ns, self._reorder_wait_ns
        wanted, lost = [], []
        for number, entry in self._missing.items():
            missed_ns, tries, asked_ns = entry
            if now_mono_ns - missed_ns >= GIVE_UP_NS:
                lost.append(number)
            elif now_mono_ns - asked_ns >= retry_ns if tries else now_mono_ns - missed_ns >= reorder_ns:
                entry[1], entry[2] = tries + 1, now_mono_ns
                wanted.append(number)
        for number in lost:
            self._give_up(number)
        self.asked += len(wanted)
        return wanted

    def _give_up(self, number: int) -> None:
        del self._missing[number]
        self.given_up += 1
        self._lost[number] = None
        if len(self._lost) > MAX_MISSING:
            del self._lost[next(iter(self._lost))]

    def forget(self) -> None:
        """Miss nothing any more: another sequence begins."""
        self._missing.clear()
        self._lost.clear()

    @property
    def missing(self) -> tuple[int, ...]:
        """Return what is missing, oldest first."""
        return tuple(self._missing)
