"""Retransmissions wrap and unwrap."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.base.errors import RemoteProtocolError
from media.rtp.packet import RtpPacket, parse_packet
from media.rtp.rtx import associated, original_sequence, unwrap, wrap


@given(st.integers(0, 0xFFFF), st.binary(min_size=1, max_size=100), st.booleans())
def test_a_packet_comes_back_as_it_was(sequence, payload, has_marker):
    lost = RtpPacket(
        payload_type=96,
        sequence=sequence,
        timestamp=9,
        ssrc=1,
        payload=payload,
        has_marker=has_marker,
        extension_profile=0xBEDE,
        extension=b"\x10\x20\0\0",
    )
    again = parse_packet(wrap(lost, ssrc=2, payload_type=97, sequence=5).to_bytes())
    assert (again.ssrc, again.payload_type, again.sequence) == (2, 97, 5)
    assert original_sequence(again.payload, 0, len(again.payload)) == sequence
    assert unwrap(again, ssrc=1, payload_type=96) == lost


@pytest.mark.parametrize("payload", [b"", b"\x01", b"\x01\x02"])
def test_padding_repeats_nothing(payload):
    packet = RtpPacket(payload_type=97, sequence=1, timestamp=2, ssrc=2, payload=payload)
    assert original_sequence(payload, 0, len(payload)) == -1
    with pytest.raises(RemoteProtocolError):
        unwrap(packet, ssrc=1, payload_type=96)


def test_payload_types_are_paired_by_apt():
    pairs = [(97, "96"), (99, "98"), (103, "x"), (105, ""), (107, "9999999"), (109, "²")]
    assert associated(pairs, {96: None, 100: None}) == {97: 96}
