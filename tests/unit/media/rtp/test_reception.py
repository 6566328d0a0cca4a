"""Receiver reports from a depacketizer's counters."""

from media.packet import Codec
from media.rtp.reception import ReceptionReporter, round_trip_us
from media.rtp.rtcp import ReportBlock, SenderReport
from media.timing import ntp_of_us
from tests.unit.media import streams
from tests.unit.media.rtp.test_depacketize_video import make
from tests.unit.media.streams import feed, make_packets, make_units


def test_the_block_tells_of_the_loss_since_the_last_one():
    packets = make_packets(Codec.H264, make_units(Codec.H264, [[100]] * 40, gop=100), first_seq=65530)
    depacketizer, reporter = make(Codec.H264), ReceptionReporter()
    feed(depacketizer, [packet for at, packet in enumerate(packets[:20]) if at % 4 != 2])
    first = reporter.report_block(depacketizer.stats, 0)
    assert (first.ssrc, first.cumulative_lost, first.highest_sequence) == (0x1234, 5, 65530 + 19)
    assert first.fraction_lost == 5 * 256 // 20
    feed(depacketizer, packets[20:])
    second = reporter.report_block(depacketizer.stats, 0)
    assert (second.fraction_lost, second.cumulative_lost) == (0, 5)
    assert second.highest_sequence == 65530 + 40


def test_a_new_sequence_starts_the_counting_anew():
    units = make_units(Codec.H264, [[100]] * 10, gop=100)
    depacketizer, reporter = make(Codec.H264), ReceptionReporter()
    feed(depacketizer, make_packets(Codec.H264, units)[:-2])
    reporter.report_block(depacketizer.stats, 0)
    feed(depacketizer, make_packets(Codec.H264, units, first_seq=30_000))
    block = reporter.report_block(depacketizer.stats, 0)
    assert (block.fraction_lost, block.cumulative_lost, block.highest_sequence) == (0, 0, 30_010)


def test_before_any_packet_the_block_is_empty():
    assert ReceptionReporter().report_block(make(Codec.H264).stats, 5) == ReportBlock(ssrc=0)


def test_the_senders_time_goes_back_with_the_delay():
    reporter = ReceptionReporter()
    reporter.on_sender_report(SenderReport(ssrc=1, ntp64=0x1122_3344_5566_7788, rtp_timestamp=0), 10**9)
    block = reporter.report_block(make(Codec.H264).stats, 3 * 10**9)
    assert (block.last_sr, block.delay) == (0x3344_5566, 2 * 65536)


def test_the_round_trip_is_what_is_left():
    sent_us = 1_700_000_000_000_000
    block = ReportBlock(ssrc=1, last_sr=ntp_of_us(sent_us) >> 16 & 0xFFFF_FFFF, delay=65536)
    assert abs(round_trip_us(block, ntp_of_us(sent_us + 1_080_000)) - 80_000) < 50
    assert round_trip_us(block, ntp_of_us(sent_us + 900_000)) == 0  # clocks that disagree
    assert round_trip_us(ReportBlock(ssrc=1), 5) is None


def test_stats_before_any_packet():
    stats = make(Codec.H264).stats
    assert (stats.ssrc, stats.expected, stats.received, stats.jitter) == (0, 0, 0, 0)
    assert streams.FRAME_TICKS == 3600
