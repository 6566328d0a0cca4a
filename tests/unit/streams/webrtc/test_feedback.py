"""What a viewer's RTCP is reduced to, and the reports it gets."""

import pytest

from media.base.errors import RemoteProtocolError
from media.rtp import rtcp
from media.rtp.rtcp import ReportBlock
from media.timing import ntp_of_us
from streams.webrtc.feedback import MAX_NACKS, goodbye, read_feedback, round_trip_ms, sender_report

NOW_US = 1_800_000_000_000_000


def test_reports_losses_and_wishes_come_out_of_one_compound() -> None:
    block = ReportBlock(ssrc=7, fraction_lost=3)
    found = read_feedback(
        rtcp.build_compound([
            rtcp.ReceiverReport(ssrc=1, reports=(block,)),
            rtcp.GenericNack(sender_ssrc=1, media_ssrc=7, sequences=(10, 11, 40)),
            rtcp.PictureLoss(sender_ssrc=1, media_ssrc=7),
            rtcp.PictureLoss(sender_ssrc=1, media_ssrc=7),
        ])
    )  # fmt: skip
    assert found.reports == (block,)
    assert found.nacks == ((7, (10, 11, 40)),)
    assert found.key_requests == (7,)


def test_one_compound_asks_for_no_more_than_a_browser_in_trouble_would() -> None:
    nacks = [
        rtcp.GenericNack(sender_ssrc=1, media_ssrc=7, sequences=tuple(range(start, start + 400)))
        for start in (0, 400, 800)
    ]
    found = read_feedback(rtcp.build_compound([rtcp.ReceiverReport(ssrc=1), *nacks]))
    assert sum(len(sequences) for _, sequences in found.nacks) == MAX_NACKS


def test_what_is_no_rtcp_is_refused() -> None:
    with pytest.raises(RemoteProtocolError):
        read_feedback(b"\x00" * 20)


def test_the_round_trip_is_what_lies_between_two_reports() -> None:
    mid = ntp_of_us(NOW_US - 1_080_000) >> 16 & 0xFFFFFFFF
    assert round_trip_ms(ReportBlock(ssrc=7, last_sr=mid, delay=65_536), NOW_US) == pytest.approx(80, abs=0.1)
    assert round_trip_ms(ReportBlock(ssrc=7), NOW_US) is None
    assert round_trip_ms(ReportBlock(ssrc=7, last_sr=mid, delay=10 * 65_536), NOW_US) is None  # a lie


def test_our_reports_can_be_read_again() -> None:
    report, name = rtcp.parse_compound(sender_report(7, NOW_US, 1 << 33, (1 << 32, 5), "hub"))
    assert isinstance(report, rtcp.SenderReport)
    assert (report.ssrc, report.rtp_timestamp, report.packets, report.octets) == (7, 0, 0, 5)
    assert name == rtcp.source_name(7, "hub")
    assert isinstance(rtcp.parse_compound(goodbye((7, 8)))[-1], rtcp.Goodbye)
