"""RTP packets: any bytes, headers of any shape, mutated packets."""

from hypothesis import given
from hypothesis import strategies as st

from media.rtp.packet import RtpPacket
from tests.fuzz import media_targets as targets
from tests.fuzz.mutate import mutated

PACKETS = st.builds(
    lambda extension, **fields: RtpPacket(extension=extension * 4, **fields).to_bytes(),
    payload_type=st.integers(0, 127),
    sequence=st.integers(0, 0xFFFF),
    timestamp=st.integers(0, 0xFFFF_FFFF),
    ssrc=st.integers(0, 0xFFFF_FFFF),
    payload=st.binary(max_size=60),
    has_marker=st.booleans(),
    csrcs=st.lists(st.integers(0, 0xFFFF_FFFF), max_size=15).map(tuple),
    extension_profile=st.sampled_from([None, 0xBEDE, 0x1000, 0x1005, 7]),
    extension=st.binary(max_size=12),
    padding_bytes=st.integers(0, 255),
)


@given(st.binary(max_size=200))
def test_any_bytes(data):
    targets.rtp_packet(data)


@given(mutated(PACKETS))
def test_mutated_packets(data):
    targets.rtp_packet(data)
