"""RTP payloads and packets out of access units: H.264 (RFC 6184), H.265 (RFC 7798), AAC (RFC 3640), G.711, Opus.

Called by the WebRTC fan-out and the simulator, once per source, never per viewer. Pure. Splits evenly, because equal
packets leave a pacer and a Wi-Fi queue better than full ones with a crumb behind them.
"""

from collections.abc import Iterable, Sequence

from media.base.errors import ErrorKind, HubError, LocalProtocolError
from media.codec.nal import split_length_prefixed
from media.packet import AccessUnit, Codec, Kind
from media.rtp.packet import HEADER, HEADER_BYTES, MARKER, PLAIN_FLAGS

DEFAULT_PAYLOAD_BYTES = 1200
"""Fits an IPv6 path of 1280 with UDP, SRTP tag and extensions."""
MIN_PAYLOAD_BYTES = 16
_STAP_A, _FU_A = 24, 28
_AP, _FU = 48, 49


class VideoPacketizer:
    """Splits access units of H.264 or H.265 into RTP payloads."""

    def __init__(self, codec: Codec, max_payload_bytes: int = DEFAULT_PAYLOAD_BYTES) -> None:
        """Make payloads of at most `max_payload_bytes` (at least 16); HubError for a codec without NAL units."""
        if codec not in (Codec.H264, Codec.H265):
            raise HubError(ErrorKind.INVALID, "no payload format for this codec", code="unsupported_codec", codec=codec)
        if max_payload_bytes < MIN_PAYLOAD_BYTES:
            raise LocalProtocolError("a payload of so few bytes cannot carry a fragment", size=max_payload_bytes)
        self._limit = max_payload_bytes
        self._aggregate = _aggregate_h264 if codec is Codec.H264 else _aggregate_h265
        self._fragment = _fragment_h264 if codec is Codec.H264 else _fragment_h265

    def payloads(self, unit: AccessUnit) -> list[bytes]:
        """Return the payloads of `unit` in order; a key unit is led by its parameter sets. The last takes the marker.

        RemoteProtocolError when the unit's data is not well-formed.
        """
        payloads: list[bytes] = []
        if unit.is_key and unit.params.parameter_sets:
            payloads += self._of_sets(unit.params.parameter_sets)
        limit = self._limit
        for nal in split_length_prefixed(unit.data):
            if len(nal) <= limit:
                payloads.append(nal)
            else:
                payloads += self._fragment(nal, limit)
        return payloads

    def _of_sets(self, sets: Sequence[bytes]) -> list[bytes]:
        if len(sets) > 1 and 2 + sum(map(len, sets)) + 2 * len(sets) <= self._limit:
            return [self._aggregate(sets)]
        return [
            payload
            for nal in sets
            for payload in ((nal,) if len(nal) <= self._limit else self._fragment(nal, self._limit))
        ]


class AudioPacketizer:
    """Puts audio frames into RTP payloads: AAC behind one AU header (AAC-hbr), everything else as it is."""

    def __init__(self, codec: Codec, max_payload_bytes: int = DEFAULT_PAYLOAD_BYTES) -> None:
        """Split only AAC frames longer than `max_payload_bytes`; HubError for a video codec."""
        if codec.kind is not Kind.AUDIO:
            raise HubError(ErrorKind.INVALID, "not an audio codec", code="unsupported_codec", codec=codec)
        self._is_aac = codec is Codec.AAC
        self._limit = max_payload_bytes

    def payloads(self, unit: AccessUnit) -> list[bytes]:
        """Return the payloads of `unit` in order; LocalProtocolError for an AAC frame of more than 8191 bytes."""
        data = unit.data
        if not self._is_aac:
            return [data]
        if len(data) >> 13:
            raise LocalProtocolError("an AAC frame does not fit 13 bits of size", size=len(data))
        header = b"\x00\x10" + (len(data) << 3).to_bytes(2, "big")
        return [header + part for part in _even_parts(data, 0, self._limit - len(header))]


class RtpWriter:
    """Adds headers: the sequence goes on, the timestamp is the unit's, the last packet carries the marker."""

    def __init__(self, ssrc: int, payload_type: int, first_seq: int = 0, ts_offset: int = 0) -> None:
        """Begin at `first_seq`; `ts_offset` is added to every timestamp."""
        self.ssrc = ssrc
        self.payload_type = payload_type
        self.seq = first_seq & 0xFFFF
        self.ts_offset = ts_offset
        self.packets_sent = 0
        self.octets_sent = 0

    def packets(self, payloads: Sequence[bytes], pts: int, *, has_marker: bool = True) -> list[bytes]:
        """Return whole packets for the payloads of one unit stamped `pts`; `has_marker` False for audio."""
        ts32 = (pts + self.ts_offset) & 0xFFFF_FFFF
        last = len(payloads) - 1
        packets = []
        for index, payload in enumerate(payloads):
            second = self.payload_type | (MARKER if has_marker and index == last else 0)
            packets.append(HEADER.pack(PLAIN_FLAGS, second, self.seq, ts32, self.ssrc) + payload)
            self.seq = (self.seq + 1) & 0xFFFF
        self.packets_sent += len(packets)
        self.octets_sent += sum(map(len, packets)) - HEADER_BYTES * len(packets)
        return packets


def _even_parts(data: bytes, start: int, limit: int) -> Iterable[bytes]:
    """Cut `data[start:]` into the fewest parts of at most `limit` bytes, sizes differing by at most one."""
    total = len(data) - start
    count = max(1, -(-total // limit))
    small, larger = divmod(total, count)
    for index in range(count):
        size = small + (index < larger)
        yield data[start : start + size]
        start += size


def _fragment_h264(nal: bytes, limit: int) -> list[bytes]:
    indicator = nal[0] & 0xE0 | _FU_A
    kind = nal[0] & 0x1F
    parts = list(_even_parts(nal, 1, limit - 2))
    heads = [bytes((indicator, kind))] * len(parts)
    heads[0] = bytes((indicator, kind | 0x80))
    heads[-1] = bytes((indicator, kind | 0x40))
    return [head + part for head, part in zip(heads, parts, strict=True)]


def _fragment_h265(nal: bytes, limit: int) -> list[bytes]:
    header = bytes((nal[0] & 0x81 | _FU << 1, nal[1]))
    kind = nal[0] >> 1 & 0x3F
    parts = list(_even_parts(nal, 2, limit - 3))
    heads = [header + bytes((kind,))] * len(parts)
    heads[0] = header + bytes((kind | 0x80,))
    heads[-1] = header + bytes((kind | 0x40,))
    return [head + part for head, part in zip(heads, parts, strict=True)]


def _aggregate_h264(nals: Sequence[bytes]) -> bytes:
    importance = max([nal[0] & 0x60 for nal in nals])
    return bytes((importance | _STAP_A,)) + b"".join([len(nal).to_bytes(2, "big") + nal for nal in nals])


def _aggregate_h265(nals: Sequence[bytes]) -> bytes:
    return bytes((_AP << 1, 1)) + b"".join([len(nal).to_bytes(2, "big") + nal for nal in nals])
