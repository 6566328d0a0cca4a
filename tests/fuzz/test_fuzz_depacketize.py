"""Depacketizers: any packets, streams of odd payloads, mutated streams; total, bounded and not slow."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.packet import AccessUnit, Codec
from media.rtp.packet import RtpPacket
from media.rtp.packetize import AudioPacketizer, RtpWriter
from tests.fuzz import media_targets as targets
from tests.fuzz.mutate import mutated
from tests.unit.media import streams
from tests.unit.media.rtp.test_depacketize_vp8 import stream as vp8_stream

CODECS = st.sampled_from(list(targets.KNOWN))
VIDEO = st.sampled_from(list(targets.EMPTY))


def aac_packets() -> list[bytes]:
    packetizer, writer = AudioPacketizer(Codec.AAC, 300), RtpWriter(7, 97)
    params = targets.KNOWN[Codec.AAC]
    units = [AccessUnit(0, params, n * 1024, n * 1024, True, bytes([n]) * 700, 0, 0) for n in range(4)]
    return [one for unit in units for one in writer.packets(packetizer.payloads(unit), unit.pts)]


STREAMS = {
    codec: streams.make_packets(codec, streams.make_units(codec, [[900, 400], [70], [1500], [20]], gop=2), mtu=300)
    for codec in targets.EMPTY
} | {
    Codec.VP8: [packet for group in vp8_stream(4, gop=2)[1] for packet in group],
    Codec.AAC: aac_packets(),
    Codec.PCMA: aac_packets(),
    Codec.OPUS: aac_packets(),
}

# Payload headers that mean something: fragments, aggregates, sets, start codes, delimiters.
HEADS = st.sampled_from(
    [bytes.fromhex(text) for text in ["7c85", "7c05", "7c45", "7cc5", "7c87", "7c47", "78", "1800", "67", "68", "65", "41", "06", "09", "0c", "0a", "1a", "1c", "1f", "000001", "00000001", "5c81", "620193", "620113", "620153", "6201d3", "6201a1", "6001", "4001", "4201", "4401", "2601", "0201", "0001", "4e01", "6401", "6209", "0020", "0010"]]
)  # fmt: skip


@given(CODECS, st.lists(st.binary(max_size=120), max_size=20))
def test_any_packets(codec, packets):
    targets.depacketize(targets.KNOWN[codec], packets)


@given(
    CODECS,
    st.lists(
        st.tuples(
            HEADS, st.binary(max_size=60), st.booleans(), st.integers(0, 2), st.sampled_from([1, 1, 1, 1, 0, 2, -1])
        ),
        max_size=30,
    ),
    st.booleans(),
)
def test_streams_of_odd_payloads(codec, parts, is_known):
    packets, seq, timestamp = [], 65530, 0
    for head, body, has_marker, ticks, step in parts:
        seq = (seq + step) & 0xFFFF
        timestamp += ticks * 3600
        packet = RtpPacket(
            payload_type=96, sequence=seq, timestamp=timestamp, ssrc=1, payload=head + body, has_marker=has_marker
        )
        packets.append(packet.to_bytes())
    params = targets.KNOWN[codec] if is_known else targets.EMPTY.get(codec, targets.KNOWN[codec])
    targets.depacketize(params, packets)


@given(CODECS, st.data(), st.booleans())
def test_mutated_streams(codec, data, through_window):
    packets = list(STREAMS[codec])
    for _ in range(data.draw(st.integers(0, 6))):
        at = data.draw(st.integers(0, len(packets) - 1))
        packets[at] = data.draw(mutated(st.just(packets[at])))
    order = data.draw(st.permutations(range(len(packets)))) if through_window else range(len(packets))
    targets.depacketize(targets.KNOWN[codec], [packets[at] for at in order], through_window=through_window)


@given(VIDEO, st.binary(max_size=600))
def test_unstructured_streams(codec, data):
    targets.depacketize_bytes(targets.EMPTY[codec], data)


def slow_payloads() -> list[bytes]:
    """Return payloads that invite quadratic work: endless start codes, tiny aggregates, sets, emulation prevention."""
    many_sets = b"\0\0\1".join([b"\x68" + bytes((number | 0x80, 0xCE)) for number in range(200)] * 40)
    return [
        b"\x67" + b"\0\0\1\x67" * 12_000,
        b"\x67\x64\x00\x28" + b"\0\0\3" * 15_000,
        b"\x78" + b"\0\1\x67" * 16_000,
        b"\x60\x01" + b"\0\3\x42\x01\xff" * 10_000,
        many_sets,
        bytes(60_000),
        b"\xff\xff" + b"\0\x08" * 25_000,
        b"\xff" * 60_000,
    ]


@pytest.mark.parametrize("codec", list(targets.KNOWN))
def test_no_payload_costs_more_than_its_length(codec):
    plain = b"\x41\x88" + b"\xaa" * 60_000 if codec is not Codec.H265 else b"\x02\x01\x88" + b"\xaa" * 60_000
    writer = RtpWriter(1, 96)
    packets = [writer.packets([payload], at * 3600)[0] for at, payload in enumerate([plain, *slow_payloads()] * 3)]
    started = time.process_time()
    targets.depacketize(targets.KNOWN[codec], packets)
    assert time.process_time() - started < 3.0  # linear work takes a tenth of that; quadratic would take minutes
