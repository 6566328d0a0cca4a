"""RTCP packets: built and parsed, and what cameras make of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.base.errors import RemoteProtocolError
from media.rtp import rtcp

U32 = st.integers(0, 0xFFFF_FFFF)
BLOCKS = st.lists(
    st.builds(
        rtcp.ReportBlock,
        ssrc=U32,
        fraction_lost=st.integers(0, 255),
        cumulative_lost=st.integers(-0x80_0000, 0x7F_FFFF),
        highest_sequence=U32,
        jitter=U32,
        last_sr=U32,
        delay=U32,
    ),
    max_size=31,
).map(tuple)
ITEMS = st.lists(st.tuples(st.integers(1, 8), st.binary(max_size=255)), max_size=3).map(tuple)
PACKETS = st.one_of(
    st.builds(
        rtcp.SenderReport,
        ssrc=U32,
        ntp64=st.integers(0, 2**64 - 1),
        rtp_timestamp=U32,
        packets=U32,
        octets=U32,
        reports=BLOCKS,
    ),
    st.builds(rtcp.ReceiverReport, ssrc=U32, reports=BLOCKS),
    st.builds(rtcp.SourceDescription, st.lists(st.tuples(U32, ITEMS), max_size=4).map(tuple)),
    st.builds(rtcp.Goodbye, st.lists(U32, max_size=31).map(tuple), st.binary(max_size=255)),
    st.builds(rtcp.PictureLoss, U32, U32),
    st.builds(rtcp.FullIntraRequest, U32, st.lists(st.tuples(U32, st.integers(0, 255)), max_size=9).map(tuple)),
    st.builds(
        rtcp.BitrateEstimate,
        U32,
        st.tuples(st.integers(0, 0x3FFFF), st.integers(0, 20)).map(lambda pair: pair[0] << pair[1]),
        st.lists(U32, max_size=9).map(tuple),
    ),
    st.builds(rtcp.GenericNack, U32, U32, st.sets(st.integers(0, 200)).map(lambda seqs: tuple(sorted(seqs)))),
    st.builds(rtcp.TransportFeedback, U32, U32, st.binary(max_size=9).map(lambda body: body * 4)),
    st.builds(rtcp.OtherRtcp, st.just(rtcp.APP), st.integers(0, 31), st.binary(max_size=9).map(lambda body: body * 4)),
)


@given(st.lists(PACKETS, min_size=1, max_size=6))
def test_a_compound_round_trips(packets):
    assert rtcp.parse_compound(rtcp.build_compound(packets)) == packets


def test_a_known_sender_report():
    data = bytes.fromhex("80c80006 11223344 e1a2b3c4 80000000 00015f90 00000064 00010000")
    (report,) = rtcp.parse_compound(data)
    assert (report.ssrc, report.ntp64, report.rtp_timestamp) == (0x11223344, 0xE1A2B3C480000000, 90_000)
    assert (report.packets, report.octets, report.reports) == (100, 65536, ())


def test_a_good_report_before_a_broken_description_is_kept():
    report = rtcp.build(rtcp.ReceiverReport(ssrc=5))
    for tail in (b"\x81", b"\x81\xca\x00\xff", b"\x81\xca\x00\x02\x00\x00\x00\x01\x01\x09ab", b"\x00" * 8):
        assert rtcp.parse_compound(report + tail) == [rtcp.ReceiverReport(ssrc=5)]


@pytest.mark.parametrize(
    "data",
    [b"", b"\x80", b"\x80\xc8\x00\x01\x00\x00\x00\x01", b"\x40\xc9\x00\x00", b"\xa0\xc9\x00\x00", b"\x80\xc9\x00\x00"],
)
def test_a_first_packet_that_is_broken_is_refused(data):
    with pytest.raises(RemoteProtocolError):
        rtcp.parse_compound(data)


def test_blocks_that_are_announced_but_missing_are_left_out():
    report = bytearray(rtcp.build(rtcp.ReceiverReport(ssrc=5, reports=(rtcp.ReportBlock(ssrc=6),))))
    report[0] |= 31
    assert rtcp.parse_compound(bytes(report)) == [rtcp.ReceiverReport(ssrc=5, reports=(rtcp.ReportBlock(ssrc=6),))]


def test_padding_is_taken_off():
    data = b"\xa0\xc9\x00\x02\x00\x00\x00\x05\x00\x00\x00\x04"
    assert rtcp.parse_compound(data) == [rtcp.ReceiverReport(ssrc=5)]


def test_a_flood_of_packets_is_cut():
    assert len(rtcp.parse_compound(rtcp.build(rtcp.Goodbye(())) * 1000)) == rtcp.MAX_PACKETS


def test_our_name_is_cut_to_what_fits():
    description = rtcp.source_name(5, "x" * 300)
    assert rtcp.parse_compound(rtcp.build(description)) == [description]
    assert len(description.chunks[0][1][0][1]) == 255
