"""Asking for lost packets and answering: the pid/blp pairs of RFC 4585 §6.2.1, and what a receiver still misses.

Called by RTCP parsing, and by whoever receives media over UDP. Pure and bounded: at most `MAX_MISSING` sequence
numbers are remembered, the oldest given up first.
"""

import struct
from collections.abc import Iterable

from media.rtp.receive import MAX_DROPOUT

MAX_NACKED = 1024
"""Sequence numbers taken from one NACK; a receiver that misses more wants a key frame, not packets."""
MAX_MISSING = 512
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


class NackTracker:
    """Knows what is missing of one stream and when to ask again."""

    def __init__(self, *, retry_ns: int = 50_000_000, max_tries: int = 5) -> None:
        """Ask for each packet at most `max_tries` times, `retry_ns` apart (about a round trip)."""
        self._retry_ns = retry_ns
        self._max_tries = max_tries
        self._next_seq: int | None = None
        self._missing: dict[int, tuple[int, int]] = {}
        self.given_up = 0
        self.recovered = 0

    def received(self, seq: int) -> None:
        """Take notice of a packet; what lies between it and the newest before is missing from now on."""
        if self._next_seq is None:
            self._next_seq = (seq + 1) & 0xFFFF
            return
        step = (seq - self._next_seq) & 0xFFFF
        if step >= 0x8000:
            if self._missing.pop(seq, None) is not None:
                self.recovered += 1
            return
        if step >= MAX_DROPOUT:
            self.given_up += len(self._missing)
            self._missing.clear()
            step = 0
        for ahead in range(step):
            self._missing[(self._next_seq + ahead) & 0xFFFF] = (0, 0)
        self._next_seq = (seq + 1) & 0xFFFF
        while len(self._missing) > MAX_MISSING:
            self._missing.pop(next(iter(self._missing)))
            self.given_up += 1

    def due(self, now_mono_ns: int) -> tuple[int, ...]:
        """Return the sequence numbers to ask for now, oldest first, and count the try."""
        asked = []
        for seq, (tries, due_ns) in list(self._missing.items()):
            if tries and now_mono_ns < due_ns:
                continue
            if tries >= self._max_tries:
                del self._missing[seq]
                self.given_up += 1
                continue
            self._missing[seq] = (tries + 1, now_mono_ns + self._retry_ns)
            asked.append(seq)
        return tuple(asked)

    @property
    def missing(self) -> tuple[int, ...]:
        """Return what is missing, oldest first."""
        return tuple(self._missing)
