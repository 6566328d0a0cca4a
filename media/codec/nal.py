"""NAL units as H.264 and H.265 share them: framing, emulation prevention, and the bits inside.

Called by the parameter-set parsers, the depacketizers and the container writer. Pure; every function is linear in
its input and raises nothing but RemoteProtocolError. Knows no NAL unit type.
"""

import re
from collections.abc import Iterable

from media.base.errors import RemoteProtocolError

START_CODE = b"\x00\x00\x01"
_NEEDS_PREVENTION = re.compile(rb"\x00\x00(?=[\x00-\x03])")
_MAX_UE_LEADING_ZEROS = 32


def split_annexb(data: bytes) -> list[bytes]:
    """Return the NAL units between Annex B start codes, without start codes and trailing zeros.

    Bytes before the first start code count as a NAL unit too: cameras send "NAL, start code, NAL" in one packet.
    """
    return [nal for part in data.split(START_CODE) if (nal := part.rstrip(b"\x00"))]


def split_length_prefixed(data: bytes, length_size: int = 4) -> list[bytes]:
    """Return the NAL units of length-prefixed data; RemoteProtocolError when a length runs past the end."""
    nals: list[bytes] = []
    pos, end = 0, len(data)
    while pos < end:
        start = pos + length_size
        pos = start + int.from_bytes(data[start - length_size : start], "big")
        if start > end or pos > end:
            raise RemoteProtocolError("a NAL unit runs past its access unit", offset=start, size=end)
        if pos > start:
            nals.append(data[start:pos])
    return nals


def to_length_prefixed(nals: Iterable[bytes]) -> bytes:
    """Return the NAL units each with a 4-byte big-endian length before it."""
    return b"".join([part for nal in nals for part in (len(nal).to_bytes(4, "big"), nal)])


def to_annexb(nals: Iterable[bytes]) -> bytes:
    """Return the NAL units each with a 4-byte start code before it, as command line tools read them."""
    return b"".join([part for nal in nals for part in (b"\x00\x00\x00\x01", nal)])


def remove_emulation_prevention(nal: bytes) -> bytes:
    """Return the raw payload of a NAL unit: 00 00 03 becomes 00 00 (H.264 §7.4.1, H.265 §7.4.2)."""
    return nal.replace(b"\x00\x00\x03", b"\x00\x00")


def add_emulation_prevention(rbsp: bytes) -> bytes:
    """Return `rbsp` with 03 put after every 00 00 that a byte 00 to 03, or the end, would follow."""
    nal = _NEEDS_PREVENTION.sub(b"\x00\x00\x03", rbsp)
    return nal + b"\x03" if nal.endswith(b"\x00") else nal


class BitReader:
    """Reads bits from the most significant on; RemoteProtocolError past the end."""

    __slots__ = ("_data", "_end", "_pos")

    def __init__(self, data: bytes) -> None:
        """Start at the first bit of `data`, a payload without emulation prevention."""
        self._data = data
        self._pos = 0
        self._end = len(data) * 8

    @property
    def position_bits(self) -> int:
        """Return the number of bits read."""
        return self._pos

    @property
    def left_bits(self) -> int:
        """Return the number of bits not yet read."""
        return self._end - self._pos

    def bits(self, count: int) -> int:
        """Read an unsigned number of `count` bits."""
        start = self._pos
        stop = start + count
        if stop > self._end:
            raise RemoteProtocolError("bits run out", offset=start >> 3, size=len(self._data))
        self._pos = stop
        number = int.from_bytes(self._data[start >> 3 : (stop + 7) >> 3], "big")
        return number >> (-stop & 7) & ((1 << count) - 1)

    def flag(self) -> bool:
        """Read one bit as a claim."""
        return self.bits(1) == 1

    def skip(self, count: int) -> None:
        """Step over `count` bits."""
        if self._pos + count > self._end:
            raise RemoteProtocolError("bits run out", offset=self._pos >> 3, size=len(self._data))
        self._pos += count

    def ue(self) -> int:
        """Read an unsigned Exp-Golomb number (H.264 §9.1), at most 2**32 - 1."""
        zeros = 0
        while not self.bits(1):
            zeros += 1
            if zeros > _MAX_UE_LEADING_ZEROS:
                raise RemoteProtocolError("an Exp-Golomb number is too long", offset=self._pos >> 3)
        return (1 << zeros) - 1 + (self.bits(zeros) if zeros else 0)

    def se(self) -> int:
        """Read a signed Exp-Golomb number (H.264 §9.1.1)."""
        number = self.ue()
        return (number + 1) >> 1 if number & 1 else -(number >> 1)


class BitWriter:
    """Writes bits from the most significant on."""

    __slots__ = ("_count", "_number")

    def __init__(self) -> None:
        """Start empty."""
        self._number = 0
        self._count = 0

    @property
    def position_bits(self) -> int:
        """Return the number of bits written."""
        return self._count

    def bits(self, number: int, count: int) -> None:
        """Write `number` in `count` bits; ValueError when it does not fit."""
        if number < 0 or number >> count:
            msg = f"{number} does not fit into {count} bits"
            raise ValueError(msg)
        self._number = self._number << count | number
        self._count += count

    def flag(self, claim: bool) -> None:
        """Write one bit."""
        self.bits(int(claim), 1)

    def ue(self, number: int) -> None:
        """Write an unsigned Exp-Golomb number."""
        length = (number + 1).bit_length()
        self.bits(number + 1, 2 * length - 1)

    def se(self, number: int) -> None:
        """Write a signed Exp-Golomb number."""
        self.ue(2 * number - 1 if number > 0 else -2 * number)

    def rbsp_trailing(self) -> None:
        """Write a one and zeros up to the byte border (H.264 §7.3.2.11)."""
        self.bits(1, 1)
        self.bits(0, -self._count & 7)

    def to_bytes(self) -> bytes:
        """Return what was written, filled with zeros up to the byte border."""
        fill = -self._count & 7
        return (self._number << fill).to_bytes((self._count + fill) >> 3, "big")
