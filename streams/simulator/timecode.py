"""The code painted into every simulated picture: camera number and time, for people and for programs.

Painted by `streams.simulator.clips`, read back from decoded pictures by tests. Pure; needs numpy.

The top of a picture holds two strips of `strip_height(height)` rows, dark (luma 32) with light marks (luma 220):
the first says the camera number, the second the time modulo the loop in milliseconds. In each, the left half of the
width is divided into 40 equal cells; cell 0 is dark, cells 1-4 are light, dark, light, dark, cells 5-24 the number,
highest bit first, cells 25-32 its CRC-8 (polynomial 0x07 over 3 bytes, start 0), the rest dark. A cell is read by
the mean of its middle. The right half says the same in figures: `CAM 012`, `T 00:12.340`.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Luma = NDArray[np.uint8]

DARK, LIGHT = 32, 220
CELLS = 40
_MARKER = (1, 0, 1, 0)
_NUMBER_BITS, _CRC_BITS = 20, 8
_FIRST_CELL = 1
MAX_NUMBER = (1 << _NUMBER_BITS) - 1
_MIN_CONTRAST = 60

_FONT = {
    "0": "01110 10001 10011 10101 11001 10001 01110",
    "1": "00100 01100 00100 00100 00100 00100 01110",
    "2": "01110 10001 00001 00110 01000 10000 11111",
    "3": "01110 10001 00001 00110 00001 10001 01110",
    "4": "00010 00110 01010 10010 11111 00010 00010",
    "5": "11111 10000 11110 00001 00001 10001 01110",
    "6": "00110 01000 10000 11110 10001 10001 01110",
    "7": "11111 00001 00010 00100 01000 01000 01000",
    "8": "01110 10001 10001 01110 10001 10001 01110",
    "9": "01110 10001 10001 01111 00001 00010 01100",
    "A": "01110 10001 10001 11111 10001 10001 10001",
    "C": "01110 10001 10000 10000 10000 10001 01110",
    "M": "10001 11011 10101 10101 10001 10001 10001",
    "T": "11111 00100 00100 00100 00100 00100 00100",
    ":": "00000 00100 00100 00000 00100 00100 00000",
    ".": "00000 00000 00000 00000 00000 01100 01100",
    " ": "00000 00000 00000 00000 00000 00000 00000",
}
_GLYPHS = {c: np.array([[b == "1" for b in row] for row in rows.split()], dtype=bool) for c, rows in _FONT.items()}


@dataclass(frozen=True, slots=True)
class Reading:
    """What a picture says: which camera, and its time modulo the loop in milliseconds."""

    camera: int
    time_ms: int


def strip_height(picture_height: int) -> int:
    """Return the rows of one of the two strips: whole macroblocks, readable at the picture's size."""
    return 32 if picture_height >= 720 else 16


def crc8(number: int) -> int:
    """Return the CRC-8 (polynomial 0x07) of a 20-bit number as 3 bytes."""
    crc = 0
    for byte in number.to_bytes(3, "big"):
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1 ^ 0x07) & 0xFF if crc & 0x80 else crc << 1
    return crc


def paint_camera(width: int, rows: int, camera: int) -> Luma:
    """Return the first strip for `camera` (1 to 2**20 - 1)."""
    return _paint(width, rows, camera, f"CAM {camera:03d}")


def paint_time(width: int, rows: int, time_ms: int) -> Luma:
    """Return the second strip for a time within the loop."""
    return _paint(width, rows, time_ms, f"T {time_ms // 60_000:02d}:{time_ms // 1000 % 60:02d}.{time_ms % 1000:03d}")


def paint_empty(width: int, rows: int) -> Luma:
    """Return a strip that says nothing."""
    return np.full((rows, width), DARK, dtype=np.uint8)


def _paint(width: int, rows: int, number: int, text: str) -> Luma:
    strip = paint_empty(width, rows)
    margin = rows // 8
    for index, bit in enumerate(_bits_of(number), start=_FIRST_CELL):
        if bit:
            strip[margin : rows - margin, _cell_edge(width, index) : _cell_edge(width, index + 1)] = LIGHT
    scale = rows // 8
    left = width // 2 + 2 * scale
    for glyph in (_GLYPHS[c] for c in text):
        enlarged = glyph.repeat(scale, axis=0).repeat(scale, axis=1)
        area = strip[scale // 2 : scale // 2 + enlarged.shape[0], left : left + enlarged.shape[1]]
        area[enlarged[:, : area.shape[1]]] = LIGHT
        left += 6 * scale
    return strip


def _bits_of(number: int) -> list[int]:
    value = number << _CRC_BITS | crc8(number)
    count = _NUMBER_BITS + _CRC_BITS
    return [*_MARKER, *(value >> (count - 1 - i) & 1 for i in range(count))]


def _cell_edge(width: int, index: int) -> int:
    return width // 2 * index // CELLS


def read(luma: Luma) -> Reading | None:
    """Read a whole decoded picture (rows x columns of luma or grey); None when either code is damaged."""
    height, width = luma.shape
    rows = strip_height(height)
    camera, time_ms = _read_strip(luma[:rows], width), _read_strip(luma[rows : 2 * rows], width)
    return None if camera is None or time_ms is None else Reading(camera, time_ms)


def _read_strip(strip: Luma, width: int) -> int | None:
    rows = strip.shape[0]
    middle = strip[rows // 4 : rows - rows // 4].astype(np.int32)
    values = []
    for index in range(_FIRST_CELL, _FIRST_CELL + len(_MARKER) + _NUMBER_BITS + _CRC_BITS):
        left, right = _cell_edge(width, index), _cell_edge(width, index + 1)
        inset = (right - left) // 4
        values.append(float(middle[:, left + inset : right - inset].mean()))
    light, dark = (values[0] + values[2]) / 2, (values[1] + values[3]) / 2
    if light - dark < _MIN_CONTRAST:
        return None
    bits = [int(value > (light + dark) / 2) for value in values[len(_MARKER) :]]
    value = int("".join(map(str, bits)), 2)
    number = value >> _CRC_BITS
    return number if crc8(number) == value & 0xFF else None
