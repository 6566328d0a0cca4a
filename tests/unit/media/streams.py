"""Makes synthetic access units and RTP packets, and feeds packets to depacketizers, for the tests of `media`."""

import random
import struct
from collections.abc import Iterable, Sequence

from media.codec import h264, h265
from media.codec.nal import add_emulation_prevention, to_length_prefixed
from media.packet import AccessUnit, Codec, CodecParams
from media.rtp.depacketize import Depacketizer
from media.rtp.packetize import RtpWriter, VideoPacketizer
from tests.unit.media import captures

MODULES = {Codec.H264: h264, Codec.H265: h265}
# No reordering announced, so that dts is pts.
SETS = {Codec.H264: captures.H264[0].nals, Codec.H265: captures.H265_PLAIN.nals}
OTHER_SETS = {Codec.H264: captures.H264[3].nals, Codec.H265: captures.H265[0].nals}
FRAME_TICKS = 3600


def params(codec: Codec) -> CodecParams:
    return MODULES[codec].codec_params(SETS[codec])


def nal(header: bytes, size: int, seed: int) -> bytes:
    """Return a NAL unit of about `size` bytes without anything that looks like a start code."""
    body = random.Random(seed).randbytes(max(1, size - len(header) - 1))
    return header + add_emulation_prevention(body) + b"\x80"


def slice_nal(codec: Codec, size: int, seed: int, *, is_key: bool = False, is_first: bool = True) -> bytes:
    key, other = (b"\x65", b"\x41") if codec is Codec.H264 else (b"\x26\x01", b"\x02\x01")
    header = key if is_key else other
    return nal(header + (b"\x88" if is_first else b"\x48"), size, seed)


def sei_nal(codec: Codec) -> bytes:
    return b"\x06\x05\x04\xaa\xbb\xcc\xdd\x80" if codec is Codec.H264 else b"\x4e\x01\x05\x04\xaa\xbb\xcc\xdd\x80"


def unit_of(codec: Codec, nals: Iterable[bytes], pts: int, *, is_key: bool = False) -> AccessUnit:
    return AccessUnit(0, params(codec), pts, pts, is_key, to_length_prefixed(nals), 0, 0)


def make_units(codec: Codec, sizes: Sequence[Sequence[int]], *, gop: int = 5) -> list[AccessUnit]:
    """Return a unit per entry of `sizes`, with a slice per size in it; every `gop`th is a key unit."""
    units = []
    for number, slice_sizes in enumerate(sizes):
        is_key = number % gop == 0
        nals = [
            slice_nal(codec, size, 100 * number + at, is_key=is_key, is_first=at == 0)
            for at, size in enumerate(slice_sizes)
        ]
        units.append(unit_of(codec, nals, number * FRAME_TICKS, is_key=is_key))
    return units


def make_packets(
    codec: Codec, units: Iterable[AccessUnit], *, mtu: int = 1200, first_seq: int = 0, ts_offset: int = 0
) -> list[bytes]:
    packetizer = VideoPacketizer(codec, mtu)
    writer = RtpWriter(0x1234, 96, first_seq, ts_offset)
    return [packet for unit in units for packet in writer.packets(packetizer.payloads(unit), unit.pts)]


def payload_packets(payloads: Sequence[bytes], *, ts: int = 0, first_seq: int = 0, marker: bool = True) -> list[bytes]:
    return RtpWriter(0x1234, 96, first_seq).packets(payloads, ts, has_marker=marker)


def feed(depacketizer: Depacketizer, packets: Iterable[bytes], *, step_ns: int = 1_000_000) -> list[AccessUnit]:
    """Push each packet from the middle of a larger buffer, as ingest does, and return all units."""
    units: list[AccessUnit] = []
    for number, packet in enumerate(packets):
        buffer = memoryview(b"$\x00\x00\x00" + packet + b"\xff\xff")
        done = depacketizer.push(buffer, 4, 4 + len(packet), number * step_ns, number * step_ns // 1000)
        if isinstance(done, list):
            units += done
        elif done is not None:
            units.append(done)
    return units


def feed_framed(depacketizer: Depacketizer, packets: Sequence[bytes], *, lead: int = 0x2400) -> list[AccessUnit]:
    """Push and follow packets that came in one read of an RTSP connection, and return all units."""
    data = b"".join(struct.pack("!HH", lead, len(packet)) + packet for packet in packets)
    buffer, pos, units = memoryview(data), 0, []
    while pos < len(data):
        start = pos + 4
        pos = start + int.from_bytes(data[pos + 2 : start], "big")
        done = depacketizer.push(buffer, start, pos, 0, 0)
        units += done if isinstance(done, list) else [done] if done is not None else []
        pos = depacketizer.follow(buffer, pos, len(data), lead)
    return units


def content(units: Iterable[AccessUnit]) -> list[tuple[int, bool, bytes]]:
    return [(unit.pts, unit.is_key, unit.data) for unit in units]
