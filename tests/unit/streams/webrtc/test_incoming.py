"""One incoming layer: numbers, repeats, key frames, sizes, what is reported."""

import pytest

from media.codec import vp8
from media.packet import Codec, CodecParams
from media.rtp.nack import RoundTrip
from media.rtp.packet import RtpPacket
from media.rtp.packetize import VideoPacketizer
from media.rtp.rtcp import SenderReport
from media.timing import ntp_of_us
from streams.fanout import NACK_HISTORY_PACKETS, PEOPLE
from streams.webrtc.incoming import FLOWING_NS, IncomingLayer, LayerEvents
from streams.webrtc.lipsync import LayerClock, SenderClock, TrackClock
from streams.webrtc.outlet import SourceTrack
from tests.unit.media import streams
from tests.unit.streams.webrtc.publisher import MS, SECOND, VP8_DELTA, VP8_KEY, VP8_MORE, Encoder, Seen

H264 = CodecParams(codec=Codec.H264, clock_rate_hz=90_000)


class Incoming:
    """A layer and what came out of it."""

    def __init__(self, params: CodecParams | None = None) -> None:
        self.track = SourceTrack(params or vp8.vp8_params(), PEOPLE)
        self.seen = Seen()
        self.track.add_tap(self.seen)
        self.sizes: list[tuple[int, int]] = []
        self.gaps = 0
        sender = SenderClock()
        clock = TrackClock(90_000, sender)
        events = LayerEvents(self._on_gap, lambda *size: self.sizes.append(size))
        self.layer = IncomingLayer("h", self.track, LayerClock(clock, sender), RoundTrip(), events)
        self.layer.begin(77)

    def _on_gap(self) -> None:
        self.gaps += 1

    def take(self, seq: int, ts: int = 0, payload: bytes = VP8_MORE, *, marker: int = 0, now_ns: int = SECOND) -> bool:
        return self.layer.take((seq & 0xFFFF, ts, marker), payload, b"", now_ns)

    def feed(self, packets: list[RtpPacket], now_ns: int = SECOND) -> None:
        for packet in packets:
            marker = 0x80 if packet.has_marker else 0
            self.layer.take((packet.sequence, packet.timestamp, marker), packet.payload, b"", now_ns)

    @property
    def keys(self) -> list[int]:
        return [seq for seq, _, is_key in self.seen.packets if is_key]


def test_numbers_grow_through_the_wrap_and_timestamps_with_them():
    incoming = Incoming()
    for n in range(5):
        assert incoming.take(65_534 + n, n * 3000, marker=0x80)
    assert incoming.seen.numbers == [65_534, 65_535, 65_536, 65_537, 65_538]
    assert [packet.timestamp for _, packet, _ in incoming.seen.packets] == [0, 3000, 6000, 9000, 12_000]
    assert {packet.marker for _, packet, _ in incoming.seen.packets} == {0x80}
    assert incoming.gaps == 0


def test_late_packets_get_their_place_and_repeats_are_dropped():
    incoming = Incoming()
    for seq in (10, 11, 14, 12, 12, 14, 13, 10):
        incoming.take(seq)
    assert incoming.seen.numbers == [10, 11, 14, 12, 13]
    assert incoming.layer.repeated == 3
    assert incoming.gaps == 1
    assert len(incoming.layer.missing) == 0


def test_a_stranger_far_away_is_believed_when_the_next_one_follows():
    incoming = Incoming()
    incoming.take(10)
    assert not incoming.take(30_000)
    assert not incoming.take(50_000)
    assert incoming.take(50_001)
    assert incoming.seen.numbers[0] == 10
    assert incoming.seen.numbers[1] % 65_536 == 50_001
    assert incoming.seen.numbers[1] - 10 >= NACK_HISTORY_PACKETS, "nobody waits for what lies between"
    assert len(incoming.layer.missing) == 0


def test_another_source_goes_on_far_ahead():
    incoming = Incoming()
    for seq in (500, 501):
        incoming.take(seq)
    incoming.layer.begin(99)
    for seq in (20, 21):
        incoming.take(seq)
    numbers = incoming.seen.numbers
    assert numbers[2] >= 501 + NACK_HISTORY_PACKETS
    assert (numbers[2] % 65_536, numbers[3] - numbers[2]) == (20, 1)
    assert incoming.layer.ssrc == 99


def test_after_an_interruption_nothing_before_is_missed():
    incoming = Incoming()
    incoming.take(5)
    incoming.layer.interrupt()
    assert not incoming.layer.is_begun
    assert incoming.take(300)
    assert len(incoming.layer.missing) == 0
    assert incoming.seen.numbers[1] % 65_536 == 300


def test_a_repair_counts_as_lost_where_losses_are_reported():
    incoming = Incoming()
    for seq in (10, 11, 13):
        incoming.take(seq)
    assert incoming.layer.repair((12, 0, 0), VP8_MORE, b"", SECOND)
    assert not incoming.layer.repair((12, 0, 0), VP8_MORE, b"", SECOND), "a probe"
    block = incoming.layer.report_block(SECOND)
    assert (block.ssrc, block.cumulative_lost, block.fraction_lost) == (77, 1, 64)
    assert block.highest_sequence == 13
    assert incoming.seen.numbers == [10, 11, 13, 12]


def test_a_repair_before_the_first_packet_means_nothing():
    incoming = Incoming()
    assert not incoming.layer.repair((12, 0, 0), VP8_MORE, b"", SECOND)
    assert incoming.seen.packets == []


def test_reports_count_wraps_and_answer_the_senders_report():
    incoming = Incoming()
    incoming.take(65_535)
    incoming.take(0)
    report = SenderReport(ssrc=77, ntp64=ntp_of_us(1_700_000_000_000_000), rtp_timestamp=0)
    incoming.layer.on_sender_report(report, SECOND)
    block = incoming.layer.report_block(SECOND + 500 * MS)
    assert block.highest_sequence == 65_536
    assert block.cumulative_lost == 0
    assert block.last_sr == report.ntp64 >> 16 & 0xFFFFFFFF
    assert block.delay == 32_768


def test_a_vp8_key_frame_has_one_beginning_and_tells_its_size():
    incoming = Incoming()
    encoder = Encoder(77, "0")
    incoming.feed(encoder.picture(0, 3, is_key=True) + encoder.picture(3000, 2) + encoder.picture(6000, 1, is_key=True))
    assert incoming.keys == [1000, 1005]
    assert incoming.sizes == [(640, 360)]
    assert (incoming.track.params.width, incoming.track.params.codec) == (640, Codec.VP8)
    assert incoming.layer.key_frames == 2


def test_a_key_frame_answers_the_wish_for_one():
    incoming = Incoming()
    incoming.layer.keys.wish()
    incoming.take(1, 0, VP8_DELTA)
    assert incoming.layer.keys.is_wished
    incoming.take(2, 3000, VP8_KEY)
    assert not incoming.layer.keys.is_wished


def h264_packets(*, with_sets: bool = True) -> list[RtpPacket]:
    """Return a key picture and another one, sets in a packet of their own."""
    packetizer = VideoPacketizer(Codec.H264)
    encoder = Encoder(77, "0")
    packets = []
    for unit in streams.make_units(Codec.H264, [[3000], [2000], [3000]], gop=2):
        payloads = packetizer.payloads(unit)
        if unit.is_key and not with_sets:
            payloads = payloads[1:]
        packets += [
            encoder.packet(payload, unit.pts, has_marker=at == len(payloads) - 1) for at, payload in enumerate(payloads)
        ]
    return packets


def test_an_h264_key_frame_begins_with_its_sets():
    incoming = Incoming(H264)
    packets = h264_packets()
    incoming.feed(packets)
    assert incoming.keys == [1000, 1006]
    assert incoming.sizes == [(streams.params(Codec.H264).width, streams.params(Codec.H264).height)]
    assert incoming.track.params.parameter_sets == streams.SETS[Codec.H264]


def test_without_its_sets_an_h264_key_frame_begins_nothing_until_they_come():
    incoming = Incoming(H264)
    packets = h264_packets()
    incoming.feed(packets[:6] + packets[7:])
    assert incoming.keys == [1000]
    incoming.feed([packets[6]])
    assert incoming.keys == [1000, 1006]


def test_an_h264_stream_without_sets_in_band_begins_with_its_pictures():
    incoming = Incoming(H264)
    incoming.feed(h264_packets(with_sets=False))
    assert incoming.keys == [1000, 1005]


def test_a_stream_that_repeats_no_sets_still_has_key_frames():
    incoming = Incoming(H264)
    packets = h264_packets()
    without = packets[:6] + packets[7:]
    for number, packet in enumerate(without):
        marker = 0x80 if packet.has_marker else 0
        incoming.layer.take((2000 + number, packet.timestamp, marker), packet.payload, b"", SECOND)
    assert incoming.keys == [2000, 2006]


def test_size_without_picture_parameters_is_enough():
    incoming = Incoming(H264)
    incoming.take(1, 0, streams.SETS[Codec.H264][0])
    assert incoming.sizes
    assert incoming.track.params.rfc6381.startswith("avc1.")


def test_liveness_and_rate_are_measured():
    incoming = Incoming()
    assert not incoming.layer.is_flowing(SECOND)
    incoming.layer.measure(SECOND)
    for n in range(100):
        incoming.take(n, n * 900, VP8_MORE + bytes(1249), now_ns=SECOND + n * 10 * MS)
    incoming.layer.measure(2 * SECOND)
    assert incoming.layer.bitrate_bps == 1_000_000
    assert incoming.layer.is_flowing(2 * SECOND)
    assert not incoming.layer.is_flowing(2 * SECOND + FLOWING_NS)
    incoming.layer.stop()
    assert not incoming.layer.is_flowing(2 * SECOND)
    stats = incoming.layer.stats(2 * SECOND)
    assert (stats.rid, stats.codec, stats.packets, stats.bytes) == ("h", "vp8", 100, 125_000)


@pytest.mark.parametrize("jitter_ms", [0, 30])
def test_jitter_is_that_of_pictures(jitter_ms):
    incoming = Incoming()
    for n in range(200):
        incoming.take(n, n * 3000, now_ns=SECOND + n * 33_333_333 + (n % 2) * jitter_ms * MS)
    assert abs(incoming.layer.stats(0).jitter_ms - jitter_ms) < 2


def test_packets_say_how_far_behind_to_play_once_repairs_come_late():
    incoming = Incoming()
    packets = incoming.seen.packets
    for number in range(0, 40, 2):  # every second picture comes 120 ms late
        at_ns = SECOND + number * 40 * MS
        incoming.take(number, number * 3600, now_ns=at_ns)
        incoming.take(number + 1, (number + 1) * 3600, now_ns=at_ns + 40 * MS)
        if number % 8 == 4:
            incoming.take(number + 3, (number + 3) * 3600, now_ns=at_ns + 120 * MS)
            incoming.take(number + 2, (number + 2) * 3600, now_ns=at_ns + 200 * MS)
    assert {packet.extension for _, packet, _ in packets} == {b""}
    incoming.layer.measure(3 * SECOND)
    assert 120 <= incoming.layer.stats(3 * SECOND).playout_ms <= 160
    incoming.take(60, 60 * 3600, now_ns=SECOND + 60 * 40 * MS)
    assert len(packets[-1][1].extension) == 8


def test_sound_that_comes_late_delays_nobody():
    incoming = Incoming(CodecParams(codec=Codec.OPUS, clock_rate_hz=48_000))
    for number in range(0, 40, 2):
        incoming.take(number, number * 960, now_ns=SECOND + number * 20 * MS)
    for number in range(1, 40, 2):
        incoming.take(number, number * 960, now_ns=2 * SECOND)
    incoming.layer.measure(3 * SECOND)
    assert incoming.layer.stats(3 * SECOND).playout_ms == 0


def test_a_late_picture_is_no_jitter():
    incoming = Incoming()
    for number in (0, 1, 3, 4):
        incoming.take(number, number * 3600, now_ns=SECOND + number * 40 * MS)
    before = incoming.layer.stats(2 * SECOND).jitter_ms
    incoming.take(2, 2 * 3600, now_ns=SECOND + 400 * MS)
    incoming.take(5, 5 * 3600, now_ns=SECOND + 200 * MS)
    assert incoming.layer.stats(2 * SECOND).jitter_ms == before
