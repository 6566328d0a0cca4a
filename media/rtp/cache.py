"""The packets sent last, for receivers that missed some (RFC 4585 generic NACK).

Called by the WebRTC fan-out: one history per source, not per viewer. Pure. Holds `capacity` packets and not one more;
a packet is found by the 16-bit sequence number it was stored under.
"""


class PacketHistory:
    """A ring of packets; storing and finding cost one list access each."""

    __slots__ = ("_mask", "_packets", "_seqs")

    def __init__(self, capacity: int = 512) -> None:
        """Hold `capacity` packets, a power of two up to 32768; ValueError otherwise. 512 is 2 s of 2 Mbit/s."""
        if capacity < 1 or capacity > 32_768 or capacity & (capacity - 1):
            msg = f"{capacity} is not a power of two up to 32768"
            raise ValueError(msg)
        self._mask = capacity - 1
        self._seqs = [-1] * capacity
        self._packets = [b""] * capacity

    @property
    def capacity(self) -> int:
        """Return how many packets are held at most."""
        return self._mask + 1

    def store(self, seq: int, packet: bytes) -> None:
        """Remember `packet` under `seq`, in place of the one `capacity` before it."""
        at = seq & self._mask
        self._seqs[at] = seq
        self._packets[at] = packet

    def get(self, seq: int) -> bytes | None:
        """Return the packet stored under `seq`, or None when it has gone or never came."""
        at = seq & self._mask
        return self._packets[at] if self._seqs[at] == seq else None

    def clear(self) -> None:
        """Forget everything."""
        self._seqs = [-1] * len(self._seqs)
        self._packets = [b""] * len(self._packets)
