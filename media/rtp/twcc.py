"""The body of transport-wide congestion feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1).

Built by `media.rtp.arrivals` for publishers; read by the tests and, later, for bandwidth estimation. Pure and total; at most 65535 packets in a body by its format, each
body is read in time linear in its status count.
"""

import struct
from dataclasses import dataclass

from media.base.errors import RemoteProtocolError

DELTA_US = 250
REFERENCE_US = 64_000
_HEAD = struct.Struct("!HHI")
_NOT_RECEIVED, _SMALL, _LARGE = 0, 1, 2


@dataclass(frozen=True, slots=True)
class TransportArrivals:
    """Per packet from `base_sequence` on: arrival in microseconds on the receiver's clock, None when lost."""

    base_sequence: int
    feedback_count: int
    arrivals_us: tuple[int | None, ...]


def parse_arrivals(body: bytes) -> TransportArrivals:
    """Parse the body of a `media.rtp.rtcp.TransportFeedback`; RemoteProtocolError when malformed."""
    if len(body) < _HEAD.size:
        raise RemoteProtocolError("transport feedback is too short", size=len(body))
    base, count, reference = _HEAD.unpack_from(body)
    symbols, pos = _parse_symbols(body, _HEAD.size, count)
    now_us = (reference >> 8) * REFERENCE_US
    arrivals: list[int | None] = []
    for symbol in symbols:
        if symbol not in (_SMALL, _LARGE):
            arrivals.append(None)
            continue
        if pos + symbol > len(body):
            raise RemoteProtocolError("transport feedback is cut short", offset=pos)
        now_us += int.from_bytes(body[pos : pos + symbol], "big", signed=symbol == _LARGE) * DELTA_US
        pos += symbol
        arrivals.append(now_us)
    return TransportArrivals(base, reference & 0xFF, tuple(arrivals))


def _parse_symbols(body: bytes, pos: int, count: int) -> tuple[list[int], int]:
    symbols: list[int] = []
    while len(symbols) < count:
        if pos + 2 > len(body):
            raise RemoteProtocolError("transport feedback is cut short", offset=pos)
        chunk = body[pos] << 8 | body[pos + 1]
        pos += 2
        if not chunk & 0x8000:  # run length
            symbols += [chunk >> 13 & 3] * min(chunk & 0x1FFF, count - len(symbols))
            if not chunk & 0x1FFF:
                raise RemoteProtocolError("an empty run in transport feedback", offset=pos)
        elif chunk & 0x4000:  # seven symbols of two bits
            symbols += [chunk >> shift & 3 for shift in range(12, -1, -2)]
        else:  # fourteen symbols of one bit
            symbols += [chunk >> shift & 1 for shift in range(13, -1, -1)]
    return symbols[:count], pos


def build_arrivals(feedback: TransportArrivals) -> bytes:
    """Return the body for arrivals in non-decreasing order; deltas beyond 16 bits are cut to the nearest that fits."""
    known = [arrival for arrival in feedback.arrivals_us if arrival is not None]
    reference = known[0] // REFERENCE_US if known else 0
    now = reference * REFERENCE_US // DELTA_US
    symbols: list[int] = []
    deltas = bytearray()
    for arrival in feedback.arrivals_us:
        if arrival is None:
            symbols.append(_NOT_RECEIVED)
            continue
        delta = max(-0x8000, min(0x7FFF, arrival // DELTA_US - now))
        now += delta
        symbols.append(_SMALL if 0 <= delta <= 0xFF else _LARGE)
        deltas += delta.to_bytes(symbols[-1], "big", signed=symbols[-1] == _LARGE)
    head = _HEAD.pack(feedback.base_sequence, len(symbols), (reference & 0xFF_FFFF) << 8 | feedback.feedback_count)
    return head + _build_chunks(symbols) + bytes(deltas)


def _build_chunks(symbols: list[int]) -> bytes:
    """Return the symbols as runs where a run is long, else seven in a chunk."""
    chunks: list[int] = []
    at = 0
    while at < len(symbols):
        run = at
        while run < len(symbols) and symbols[run] == symbols[at] and run - at < 0x1FFF:
            run += 1
        if run - at >= 7 or run == len(symbols):
            chunks.append(symbols[at] << 13 | run - at)
            at = run
            continue
        seven = symbols[at : at + 7] + [0] * max(0, at + 7 - len(symbols))
        chunks.append(0xC000 | sum([symbol << 12 - 2 * i for i, symbol in enumerate(seven)]))
        at += 7
    return b"".join([chunk.to_bytes(2, "big") for chunk in chunks])
