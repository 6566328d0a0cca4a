"""Puts RTP packets that came over UDP back into sequence, within a small window.

Called by ingest before the depacketizer, for UDP only (interleaved TCP keeps order). Pure: bytes and the monotonic
clock are arguments. Holds at most `window` packets; a gap is given up when the window is full or `max_wait_ns` has
passed, and then the depacketizer counts the loss.
"""

from media.rtp.packet import HEADER_BYTES
from media.rtp.receive import MAX_DROPOUT

MAX_PACKET_BYTES = 65_535
_LATE = 0x8000


class ReorderBuffer:
    """The packets of one stream that wait for one before them."""

    def __init__(self, window: int = 64, max_wait_ns: int = 100_000_000) -> None:
        """Wait for a missing packet at most `max_wait_ns` or until `window` packets are waiting."""
        self._window = window
        self._max_wait_ns = max_wait_ns
        self._waiting: dict[int, tuple[bytes, int]] = {}
        self._next_seq: int | None = None
        self.late = 0
        self.reordered = 0

    def __len__(self) -> int:
        """Return the number of packets waiting."""
        return len(self._waiting)

    def push(self, packet: bytes, now_mono_ns: int) -> list[bytes]:
        """Take one packet; return those whose turn it is, in order. Duplicates and late ones are counted, dropped.

        A packet too short for a header is handed on: the depacketizer counts it.
        """
        if len(packet) < HEADER_BYTES:
            return [packet]
        seq = packet[2] << 8 | packet[3]
        step = 0 if self._next_seq is None else (seq - self._next_seq) & 0xFFFF
        if step == 0 and not self._waiting:
            self._next_seq = (seq + 1) & 0xFFFF
            return [packet]
        if MAX_DROPOUT <= step <= 0x10000 - MAX_DROPOUT:  # the sender began anew
            released = self._release_all()
            self._next_seq = (seq + 1) & 0xFFFF
            return [*released, packet]
        if step >= _LATE or seq in self._waiting:
            self.late += 1
            return []
        if step:
            self.reordered += 1
        self._waiting[seq] = (packet, now_mono_ns)
        return self._release(now_mono_ns)

    def expire(self, now_mono_ns: int) -> list[bytes]:
        """Return packets that have waited long enough for one that does not come; for a timer on a quiet stream."""
        return self._release(now_mono_ns) if self._waiting else []

    def _release(self, now_mono_ns: int) -> list[bytes]:
        released: list[bytes] = []
        self._release_in_turn(released)
        while self._waiting and self._is_overdue(now_mono_ns):
            assert self._next_seq is not None
            expected = self._next_seq
            self._next_seq = min(self._waiting, key=lambda seq: (seq - expected) & 0xFFFF)
            self._release_in_turn(released)
        return released

    def _release_in_turn(self, released: list[bytes]) -> None:
        while self._next_seq is not None and (found := self._waiting.pop(self._next_seq, None)) is not None:
            released.append(found[0])
            self._next_seq = (self._next_seq + 1) & 0xFFFF

    def _is_overdue(self, now_mono_ns: int) -> bool:
        oldest_ns = min([came_ns for _, came_ns in self._waiting.values()])
        return len(self._waiting) >= self._window or now_mono_ns - oldest_ns >= self._max_wait_ns

    def _release_all(self) -> list[bytes]:
        expected = self._next_seq or 0
        in_order = sorted(self._waiting, key=lambda seq: (seq - expected) & 0xFFFF)
        released = [self._waiting[seq][0] for seq in in_order]
        self._waiting.clear()
        return released
