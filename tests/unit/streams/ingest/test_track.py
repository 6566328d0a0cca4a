"""A track's receiving end: sender reports in, receiver reports out, counters that survive a fresh start."""

import pytest

from media.packet import Codec, CodecParams, Kind
from media.rtp.packet import RtpPacket
from media.rtp.rtcp import ReceiverReport, SenderReport, SourceDescription, build_compound, parse_compound
from media.rtsp.client import PlayingTrack
from media.rtsp.transport import Transport, TransportReply
from media.sdp.tracks import MediaDescription
from media.timing import ntp_of_us
from streams.ingest.track import TrackReceiver

PARAMS = CodecParams(codec=Codec.PCMA, clock_rate_hz=8_000, sample_rate_hz=8_000, channels=1)
WALL_US = 1_700_000_000_000_000


class Rig:
    def __init__(self, ssrc: int | None = None) -> None:
        media = MediaDescription(
            index=0,
            kind=Kind.AUDIO,
            control_url="",
            payload_type=8,
            clock_rate_hz=8_000,
            params=PARAMS,
            format_parameters={},
        )
        self.reports = 0
        reply = TransportReply(transport=Transport.TCP, ssrc=ssrc)
        self.track = TrackReceiver(1, PlayingTrack(media, reply), self.heard)

    def heard(self) -> None:
        self.reports += 1

    def packet(self, seq: int, ssrc: int = 7, at_ns: int = 0):
        data = RtpPacket(payload_type=8, sequence=seq, timestamp=160 * seq, ssrc=ssrc, payload=bytes(160)).to_bytes()
        return self.track.depacketizer.push(memoryview(data), 0, len(data), at_ns, 0)

    def rtcp(self, *packets: object, at_ns: int = 0, wall_us: int = WALL_US) -> None:
        data = b"head" + build_compound(packets)
        self.track.push_rtcp(memoryview(data), 4, len(data), at_ns, wall_us)


def sender_report(ssrc: int = 7, ahead_us: int = 0) -> SenderReport:
    return SenderReport(ssrc=ssrc, ntp64=ntp_of_us(WALL_US + ahead_us), rtp_timestamp=160 * 5)


def test_units_carry_the_tracks_number() -> None:
    assert Rig().packet(1).track == 1


def test_a_sender_report_tells_the_cameras_clock() -> None:
    rig = Rig()
    rig.packet(5)
    rig.rtcp(sender_report(ahead_us=90_000_000))
    assert rig.track.mapping.offset_ms == pytest.approx(90_000, abs=1)
    assert rig.reports == 1


@pytest.mark.parametrize("ssrc", [8, 0])
def test_reports_of_foreign_senders_are_ignored(ssrc: int) -> None:
    rig = Rig()
    rig.packet(5)
    rig.rtcp(sender_report(ssrc=ssrc))
    assert rig.track.mapping.offset_ms is None
    assert rig.reports == 0


def test_broken_reports_are_ignored() -> None:
    rig = Rig()
    rig.packet(5)
    for data in (b"", b"\x80", b"\x80\xc8\xff\xff" + bytes(8), bytes(100)):
        rig.track.push_rtcp(memoryview(data), 0, len(data), 0, WALL_US)
    assert rig.reports == 0


def test_there_is_nothing_to_report_before_the_first_packet() -> None:
    assert Rig().track.receiver_report(99, 0) is None


def test_our_report_names_loss_and_the_time_since_theirs() -> None:
    rig = Rig()
    for seq in (5, 6, 9, 10):
        rig.packet(seq)
    rig.rtcp(sender_report(), at_ns=1_000_000_000)
    report, description = parse_compound(rig.track.receiver_report(99, 3_000_000_000))
    assert isinstance(report, ReceiverReport)
    assert isinstance(description, SourceDescription)
    (block,) = report.reports
    assert (report.ssrc, block.ssrc, block.cumulative_lost, block.delay) == (99, 7, 2, 2 * 65_536)
    assert block.fraction_lost == 2 * 256 // 6


def test_counters_go_on_over_a_fresh_start() -> None:
    rig = Rig()
    for seq in (1, 2, 5):
        rig.packet(seq)
    rig.track.renew()
    for seq in (100, 102):
        rig.packet(seq)
    assert rig.track.packets_received == 5
    assert rig.track.packets_lost == 3


def test_packets_of_another_source_than_agreed_are_left_out_at_first() -> None:
    rig = Rig(ssrc=7)
    assert rig.packet(1, ssrc=1234) is None
    assert rig.packet(1, ssrc=7) is not None
