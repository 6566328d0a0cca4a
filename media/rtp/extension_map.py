"""Header extensions of one session read in one pass (RFC 8285): what the receiver needs, and what travels on.

Called by the WebRTC side for every packet a browser publishes, on its event loop: a microsecond or two each.
Pure and total: a broken block yields what stands before the break. The ids on the wire are the session's own; those
of what travels on are given by the caller.
"""

from collections.abc import Mapping

from media.rtp.packet import ONE_BYTE_PROFILE, TWO_BYTE_PROFILE, Buffer

_HEAD = ONE_BYTE_PROFILE.to_bytes(2, "big")
_LONGEST_VALUE_BYTES = 16
_LAST_ONE_BYTE_ID = 14
_NONE = -1


class ExtensionMap:
    """Reads the blocks of one m-line's packets. After `read`, `transport_sequence` and `level` are of that packet."""

    __slots__ = ("_level_id", "_new_ids", "_transport_id", "level", "transport_sequence")

    def __init__(self, kept: Mapping[int, int], *, transport: int | None = None, level: int | None = None) -> None:
        """Keep the elements `kept` (id on the wire → id 1 … 14 to travel on under); the others name ids on the wire."""
        self._new_ids = bytearray(256)
        for wire, new in kept.items():
            self._new_ids[wire] = new if new <= _LAST_ONE_BYTE_ID else 0
        self._transport_id = _NONE if transport is None else transport
        self._level_id = _NONE if level is None else level
        self.transport_sequence = _NONE
        """Transport-wide sequence number, -1 without one."""
        self.level = _NONE
        """Volume of the sound in -dBov (0 loud … 127 silent, RFC 6464), -1 without one."""

    def read(self, buf: Buffer, pos: int, end: int) -> bytes:
        """Read the block in `buf[pos:end]`, profile and length first; return the block that travels on, or b""."""
        self.transport_sequence = self.level = _NONE
        profile = buf[pos] << 8 | buf[pos + 1]
        if profile == ONE_BYTE_PROFILE:
            return self._read_one_byte(buf, pos + 4, end)
        if profile & 0xFFF0 == TWO_BYTE_PROFILE:
            return self._read_two_byte(buf, pos + 4, end)
        return b""

    def _read_one_byte(self, buf: Buffer, pos: int, end: int) -> bytes:
        transport, new_ids, body = self._transport_id, self._new_ids, b""
        while pos < end:
            head = buf[pos]
            if head == 0:  # padding
                pos += 1
                continue
            wire = head >> 4
            after = pos + (head & 0x0F) + 2
            if wire == 15 or after > end:
                break
            if wire == transport:
                self._take_transport(buf, pos + 1, after)
            elif new_ids[wire]:
                body += self._keep(wire, bytes(buf[pos + 1 : after]))
            pos = after
        return _block(body) if body else b""

    def _read_two_byte(self, buf: Buffer, pos: int, end: int) -> bytes:
        body = b""
        while pos + 1 < end:
            wire = buf[pos]
            if wire == 0:
                pos += 1
                continue
            after = pos + 2 + buf[pos + 1]
            if after > end:
                break
            if wire == self._transport_id:
                self._take_transport(buf, pos + 2, after)
            elif self._new_ids[wire]:
                body += self._keep(wire, bytes(buf[pos + 2 : after]))
            pos = after
        return _block(body) if body else b""

    def _take_transport(self, buf: Buffer, start: int, end: int) -> None:
        if end - start == 2:
            self.transport_sequence = buf[start] << 8 | buf[start + 1]

    def _keep(self, wire: int, value: bytes) -> bytes:
        if not 1 <= len(value) <= _LONGEST_VALUE_BYTES:
            return b""
        if wire == self._level_id:
            self.level = value[0] & 0x7F
        return bytes((self._new_ids[wire] << 4 | len(value) - 1,)) + value


def _block(body: bytes) -> bytes:
    words = (len(body) + 3) >> 2
    return _HEAD + words.to_bytes(2, "big") + body.ljust(4 * words, b"\x00")
