"""RTP packets and header extensions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.base.errors import LocalProtocolError, RemoteProtocolError
from media.rtp import packet as rtp

PACKETS = st.builds(
    rtp.RtpPacket,
    payload_type=st.integers(0, 127),
    sequence=st.integers(0, 0xFFFF),
    timestamp=st.integers(0, 0xFFFF_FFFF),
    ssrc=st.integers(0, 0xFFFF_FFFF),
    payload=st.binary(max_size=50),
    has_marker=st.booleans(),
    csrcs=st.lists(st.integers(0, 0xFFFF_FFFF), max_size=15).map(tuple),
    padding_bytes=st.integers(0, 255),
)


@given(PACKETS)
def test_a_packet_round_trips(packet):
    assert rtp.parse_packet(packet.to_bytes()) == packet


@given(PACKETS, st.integers(0, 0xFFFF), st.integers(0, 5).map(lambda words: bytes(4 * words)))
def test_a_packet_with_extension_round_trips(packet, profile, extension):
    fields = {name: getattr(packet, name) for name in packet.__slots__}
    extended = rtp.RtpPacket(**{**fields, "extension_profile": profile, "extension": extension})
    assert rtp.parse_packet(extended.to_bytes()) == extended


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x80" * 11,
        b"\x40" + bytes(11),  # version 1
        b"\x8f" + bytes(11),  # contributing sources missing
        b"\x90" + bytes(11),  # extension missing
        b"\x90" + bytes(11) + b"\0\0\0\5" + bytes(8),  # extension too long
        b"\xa0" + bytes(12),  # padding of no bytes
        b"\xa0" + bytes(11) + b"\x09",  # padding longer than the payload
    ],
)
def test_a_malformed_packet_is_refused(data):
    assert rtp.payload_bounds(data, 0, len(data)) == (-1, -1)
    with pytest.raises(RemoteProtocolError):
        rtp.parse_packet(data)


def test_bounds_are_those_within_a_larger_buffer():
    packet = rtp.RtpPacket(payload_type=96, sequence=1, timestamp=2, ssrc=3, payload=b"abc", csrcs=(4, 5))
    buffer = b"xxxx" + packet.to_bytes() + b"yyyy"
    start, end = rtp.payload_bounds(buffer, 4, len(buffer) - 4)
    assert buffer[start:end] == b"abc"


def test_a_field_that_does_not_fit_is_our_mistake():
    with pytest.raises(LocalProtocolError):
        rtp.RtpPacket(payload_type=0, sequence=0, timestamp=0, ssrc=0, extension=b"abc").to_bytes()


@given(st.dictionaries(st.integers(1, 14), st.binary(min_size=1, max_size=16)))
def test_one_byte_extensions_round_trip(elements):
    profile, body = rtp.build_extension(elements)
    assert profile == rtp.ONE_BYTE_PROFILE
    assert len(body) % 4 == 0
    assert rtp.parse_extension(profile, body) == elements


@given(st.dictionaries(st.integers(15, 255), st.binary(max_size=255), min_size=1))
def test_two_byte_extensions_round_trip(elements):
    profile, body = rtp.build_extension(elements)
    assert profile == rtp.TWO_BYTE_PROFILE
    assert rtp.parse_extension(profile, body) == elements


def test_a_malformed_extension_is_read_as_far_as_it_goes():
    assert rtp.parse_extension(rtp.ONE_BYTE_PROFILE, b"\x10\xaa\x2f\xbb") == {1: b"\xaa"}
    assert rtp.parse_extension(rtp.ONE_BYTE_PROFILE, b"\xf0\xaa\x10\xbb") == {}
    assert rtp.parse_extension(rtp.TWO_BYTE_PROFILE, b"\x01\x01\xaa\x02\x09\xbb") == {1: b"\xaa"}
    assert rtp.parse_extension(0x1234, b"\x10\xaa") == {}
    assert rtp.parse_extension(None, b"") == {}


def test_elements_that_fit_nowhere_are_our_mistake():
    with pytest.raises(LocalProtocolError):
        rtp.build_extension({0: b"x"})


def test_rtcp_is_told_by_the_second_byte():
    assert rtp.is_rtcp(200)
    assert not rtp.is_rtcp(96)
    assert not rtp.is_rtcp(0x80 | 96)
