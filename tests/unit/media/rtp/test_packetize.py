"""RTP payloads out of access units."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.base.errors import HubError, LocalProtocolError
from media.packet import AccessUnit, Codec
from media.rtp.packet import parse_packet
from media.rtp.packetize import AudioPacketizer, RtpWriter, VideoPacketizer
from tests.unit.media import streams

CODECS = st.sampled_from([Codec.H264, Codec.H265])


@given(CODECS, st.lists(st.integers(8, 5000), min_size=1, max_size=3), st.integers(16, 1500), st.booleans())
def test_payloads_fit_and_fragments_are_nearly_equal(codec, sizes, limit, is_key):
    nals = [streams.slice_nal(codec, size, size, is_key=is_key) for size in sizes]
    unit = streams.unit_of(codec, nals, 0, is_key=is_key)
    payloads = VideoPacketizer(codec, limit).payloads(unit)
    assert max(map(len, payloads)) <= limit
    for nal in nals:
        if len(nal) > limit:
            kind = 28 if codec is Codec.H264 else 49
            body = nal[1:] if codec is Codec.H264 else nal[2:]
            head = 2 if codec is Codec.H264 else 3
            first = next(at for at, part in enumerate(payloads) if body.startswith(part[head:]) and len(part) > head)
            count = -(-len(body) // (limit - head))
            parts = payloads[first : first + count]
            assert b"".join([part[head:] for part in parts]) == body
            assert max(map(len, parts)) - min(map(len, parts)) <= 1
            assert {(part[0] & 0x1F if codec is Codec.H264 else part[0] >> 1) for part in parts} == {kind}


@pytest.mark.parametrize(("codec", "aggregate"), [(Codec.H264, 24), (Codec.H265, 48)])
def test_a_key_unit_is_led_by_its_sets_in_one_payload(codec, aggregate):
    unit = streams.make_units(codec, [[300]])[0]
    first, second = VideoPacketizer(codec).payloads(unit)
    assert (first[0] & 0x1F if codec is Codec.H264 else first[0] >> 1) == aggregate
    assert all(nal in first for nal in unit.params.parameter_sets)
    assert second == unit.data[4:]
    assert len(VideoPacketizer(codec).payloads(unit._replace(is_key=False))) == 1


def test_sets_that_do_not_fit_together_go_one_by_one():
    unit = streams.make_units(Codec.H264, [[20]])[0]
    payloads = VideoPacketizer(Codec.H264, 30).payloads(unit)
    assert payloads[:2] == list(unit.params.parameter_sets)


def test_the_writer_numbers_stamps_and_marks():
    writer = RtpWriter(0xAABBCCDD, 96, 65535, 2**32 - 90)
    packets = [parse_packet(packet) for packet in writer.packets([b"one", b"two"], 180)]
    assert [(packet.sequence, packet.has_marker) for packet in packets] == [(65535, False), (0, True)]
    assert {(packet.timestamp, packet.ssrc, packet.payload_type) for packet in packets} == {(90, 0xAABBCCDD, 96)}
    assert [packet.payload for packet in packets] == [b"one", b"two"]
    assert (writer.packets_sent, writer.octets_sent, writer.seq) == (2, 6, 1)
    assert not parse_packet(writer.packets([b"x"], 0, has_marker=False)[0]).has_marker


def test_audio_but_aac_goes_as_it_is():
    unit = AccessUnit(0, streams.params(Codec.H264), 0, 0, True, b"x" * 2000, 0, 0)
    assert AudioPacketizer(Codec.PCMA).payloads(unit) == [unit.data]
    assert AudioPacketizer(Codec.AAC).payloads(unit._replace(data=b"abc")) == [b"\0\x10\0\x18abc"]
    with pytest.raises(LocalProtocolError):
        AudioPacketizer(Codec.AAC).payloads(unit._replace(data=bytes(8192)))


def test_codecs_without_payload_format_are_refused():
    with pytest.raises(HubError):
        VideoPacketizer(Codec.VP8)
    with pytest.raises(HubError):
        AudioPacketizer(Codec.H264)
    with pytest.raises(LocalProtocolError):
        VideoPacketizer(Codec.H264, 3)
