"""What a publisher sends: routed, gated, bounded; and what viewers of a shut gate get: nothing."""

import pytest

from media.base.errors import HubError
from media.packet import Codec
from media.rtp import rtcp
from media.rtp.packet import RtpPacket
from streams.webrtc.demux import MAX_SOURCES
from streams.webrtc.ingress import BURST_BYTES, CODEC_CHANGE_NS, MAX_RATE_BPS
from tests.unit.streams.webrtc.publisher import (
    ALL,
    CAMERA,
    H264,
    MICROPHONE,
    MS,
    OPUS,
    SCREEN,
    SECOND,
    VP8,
    VP8_RTX,
    Encoder,
    Rig,
    audio_line,
    lines_of,
    offer_of,
    video_line,
)

NAMES = {"0": CAMERA, "1": SCREEN, "2": MICROPHONE}
LINES = lines_of(offer_of(video_line("0", rids=("q", "h")), video_line("1"), audio_line("2")), NAMES)
CAMERA_ALONE = lines_of(offer_of(video_line("0")), NAMES)


def test_tracks_appear_with_their_first_packet_and_hold_all_their_layers():
    rig = Rig(*LINES)
    assert rig.publication.tracks == ()
    rig.take(Encoder(10, "0", "h").picture(0, 1, is_key=True)[0], SECOND)
    (camera,) = rig.publication.tracks
    assert [(layer.rid, layer.is_flowing) for layer in camera.layers] == [("q", False), ("h", True)]
    assert (camera.layers[1].width, camera.layers[1].height) == (640, 360)
    rig.take(Encoder(20, "2", payload_type=OPUS).packet(b"sound", 0, level=30), SECOND)
    assert [track.name for track in rig.publication.tracks] == [CAMERA, MICROPHONE]
    assert rig.levels == [(MICROPHONE, 30, SECOND)]


def test_only_what_concerns_viewers_travels_on():
    rig = Rig(*LINES)
    rig.take(Encoder(20, "2", payload_type=OPUS).packet(b"sound", 0, level=30))
    ((_, packet, _),) = rig.seen(MICROPHONE).packets
    assert packet.extension == b"\xbe\xde\x00\x01" + b"\x10\x9e\x00\x00"
    assert packet.payload == b"sound"
    rig.take(Encoder(10, "1").picture(0, 1)[0])
    assert rig.seen(SCREEN).packets[0][1].extension == b""


def test_retransmissions_of_two_videos_come_to_their_own_layer():
    rig = Rig(*LINES)
    encoders = [Encoder(10, "0", "q"), Encoder(20, "0", "h"), Encoder(30, "1")]
    for encoder in encoders:
        packets = encoder.picture(0, 4, is_key=True)
        for packet in (packets[0], packets[1], packets[3]):
            rig.take(packet)
        rig.take(encoder.repeat(packets[2].sequence))
        rig.take(encoder.repeat(packets[2].sequence))
    for name, rid in ((CAMERA, "q"), (CAMERA, "h"), (SCREEN, "")):
        assert rig.seen(name, rid).numbers == [1000, 1001, 1003, 1002]
    assert (rig.ingress.counts["repairs"], rig.ingress.counts["padding"]) == (3, 3)


def test_padding_is_no_repair_and_a_repair_opens_no_track():
    rig = Rig(*LINES)
    encoder = Encoder(30, "1")
    packet = encoder.picture(0, 1)[0]
    rig.take(encoder.repeat(packet.sequence))
    assert rig.publication.tracks == ()
    rig.take(packet)
    rig.take(RtpPacket(payload_type=VP8_RTX, sequence=9, timestamp=0, ssrc=31, padding_bytes=200))
    assert rig.ingress.counts["padding"] == 1
    assert rig.seen(SCREEN).numbers == [1000]


def test_padding_on_the_media_source_leaves_no_hole():
    rig = Rig(*CAMERA_ALONE)
    encoder = Encoder(10, "0")
    rig.take(encoder.picture(0, 1, is_key=True)[0])
    rig.take(RtpPacket(payload_type=VP8, sequence=1001, timestamp=encoder.ts_offset, ssrc=10, padding_bytes=100))
    assert [(seq, packet.payload == b"") for seq, packet, _ in rig.seen(CAMERA).packets] == [
        (1000, False),
        (1001, True),
    ]


def test_nobody_sees_what_the_gate_forbids():
    rig = Rig(*LINES, allowed=frozenset({CAMERA}))
    voice, camera = Encoder(20, "2", payload_type=OPUS), Encoder(10, "0", "q")
    rig.take(voice.packet(b"secret", 0, level=5), 0)
    assert rig.publication.tracks == ()
    assert rig.levels == []
    rig.ingress.allow(ALL, SECOND)
    rig.take(voice.packet(b"heard", 960, level=6), SECOND)
    rig.take(camera.picture(0, 1, is_key=True)[0], SECOND)
    rig.ingress.allow(frozenset({MICROPHONE}), 2 * SECOND)
    for packet in camera.picture(3000, 3, is_key=True):
        rig.take(packet, 2 * SECOND)
    rig.take(voice.packet(b"still", 1920, level=7), 2 * SECOND)
    assert [packet.payload for _, packet, _ in rig.seen(MICROPHONE).packets] == [b"heard", b"still"]
    assert len(rig.seen(CAMERA, "q").packets) == 1
    assert rig.ingress.counts["gated"] == 4
    assert [level for _, level, _ in rig.levels] == [6, 7]
    track = rig.publication.get(CAMERA)
    assert not track.is_live
    assert all(layer.track.history.group_seq is None for layer in track.layers), "no picture for those who join now"


def test_what_is_allowed_again_goes_on_without_asking_for_what_was_shut_out():
    rig = Rig(*CAMERA_ALONE)
    camera = Encoder(10, "0")
    rig.take(camera.picture(0, 1, is_key=True)[0], 0)
    rig.publication.get(CAMERA).watch("")
    rig.ingress.allow(frozenset(), SECOND)
    for n in range(50):
        rig.take(camera.picture(3000 * n, 1)[0], SECOND)
    rig.ingress.allow(ALL, 2 * SECOND)
    assert rig.publication.get(CAMERA).is_live
    assert rig.key_wishes == 1
    rig.take(camera.picture(200_000, 1, is_key=True)[0], 2 * SECOND)
    assert len(rig.seen(CAMERA).packets) == 2
    assert rig.gaps == 0


def test_arrivals_are_told_also_of_what_goes_no_further():
    rig = Rig(*LINES, allowed=frozenset({SCREEN}))
    counter = [0]
    encoders = [Encoder(20, "2", payload_type=OPUS), Encoder(30, "1"), Encoder(40, "7"), Encoder(50, "0", "nope")]
    for encoder in encoders:
        encoder.counter = counter
        rig.take(encoder.packet(b"xx", 0), SECOND)
    (compound,) = rig.feedback.arrivals(SECOND)
    feedback = rtcp.parse_compound(compound)[1]
    assert int.from_bytes(feedback.body[:4], "big") == 4, "from 0 on, four packets"
    assert rig.ingress.unknown == 2


def test_a_flood_is_cut_at_the_rate_and_nothing_more_is_asked_for():
    rig = Rig(*CAMERA_ALONE)
    camera = Encoder(10, "0")
    size, sent, began = 1200, 0, 10 * SECOND
    for n in range(5000):
        packet = camera.packet(bytes(size), n, plain=n > 0)
        sent += rig.take(packet, began + n * SECOND * 8 * size // 50_000_000)
    passed = len(rig.seen(CAMERA).packets)
    took_s = 5000 * 8 * size / 50_000_000
    assert passed * size <= BURST_BYTES + took_s * MAX_RATE_BPS / 8
    assert passed * size > 0.9 * (BURST_BYTES + took_s * MAX_RATE_BPS / 8) - BURST_BYTES * 0.05
    assert rig.ingress.counts["limited"] == 5000 - passed
    assert sent == 5000, "authentic, though too many"
    assert rig.feedback.repairs(began + round(took_s * 1e9)) == []


def test_invented_sources_and_forged_packets_reach_nothing():
    rig = Rig(*CAMERA_ALONE)
    for ssrc in range(1000, 1000 + 5 * MAX_SOURCES):
        rig.take(RtpPacket(payload_type=VP8_RTX + 50, sequence=1, timestamp=0, ssrc=ssrc, payload=b"x"))
    assert rig.publication.tracks == ()
    assert rig.ingress.unknown == 5 * MAX_SOURCES
    assert not rig.take(RtpPacket(payload_type=VP8, sequence=1, timestamp=0, ssrc=9, payload=b"x")), "too many known"
    assert not rig.take(bytes(40))


def test_forged_packets_are_counted():
    rig = Rig(*CAMERA_ALONE)
    assert not rig.take(bytes(40))
    assert rig.take(b"\x80\x60" + bytes(10)[:10])
    assert rig.take(b"\x90\x60" + bytes(12) + b"\xff\xff")
    assert (rig.ingress.counts["refused"], rig.ingress.counts["malformed"]) == (1, 1)


def test_another_codec_opens_the_track_anew_but_not_at_every_packet():
    rig = Rig(*CAMERA_ALONE)
    one, other = Encoder(10, "0", payload_type=VP8), Encoder(10, "0", payload_type=H264)
    rig.take(one.picture(0, 1, is_key=True)[0], SECOND)
    first = rig.publication.get(CAMERA)
    rig.take(other.packet(b"\x65\x88\x80", 0), SECOND + 1)
    assert rig.publication.get(CAMERA) is first
    rig.take(other.packet(b"\x65\x88\x80", 0), SECOND + CODEC_CHANGE_NS)
    second = rig.publication.get(CAMERA)
    assert second is not first
    assert second.layers[0].track.params.codec is Codec.H264


def test_a_new_source_takes_the_place_of_the_old_one():
    rig = Rig(*CAMERA_ALONE)
    rig.take(Encoder(10, "0").picture(0, 1, is_key=True)[0], 0)
    rig.take(Encoder(50, "0").picture(0, 1, is_key=True)[0], SECOND)
    ((_, layer),) = rig.ingress.layers()
    assert layer.ssrc == 50
    assert [is_key for _, _, is_key in rig.seen(CAMERA).packets] == [True, True]


def test_a_later_offer_takes_tracks_away_and_keeps_the_others():
    rig = Rig(*LINES)
    camera, screen = Encoder(10, "0", "q"), Encoder(30, "1")
    rig.take(camera.picture(0, 1, is_key=True)[0])
    rig.take(screen.picture(0, 1, is_key=True)[0])
    before = rig.publication.get(CAMERA)
    rig.ingress.configure(LINES[:1])
    assert rig.publication.tracks == (before,)
    rig.take(camera.picture(3000, 1)[0])
    assert rig.seen(CAMERA, "q").numbers == [1000, 1001]
    rig.take(screen.picture(3000, 1)[0])
    assert rig.ingress.unknown == 1


def test_reports_set_the_clock_and_a_goodbye_ends_the_flow():
    rig = Rig(*CAMERA_ALONE)
    camera = Encoder(10, "0")
    rig.take(camera.picture(0, 1, is_key=True)[0], SECOND)
    rig.ingress.control(camera.report(1_700_000_000_000_000, 9000), SECOND + 100 * MS)
    assert rig.publication.get(CAMERA).layers[0].track.timeline.is_anchored
    rig.ingress.control(rtcp.build_compound([rtcp.Goodbye((10, 99))]), SECOND)
    ((_, layer),) = rig.ingress.layers()
    assert not layer.is_flowing(SECOND)
    with pytest.raises(HubError):
        rig.ingress.control(b"\x80\x00garbage", SECOND)


def test_mute_is_told_and_a_closed_ingress_shows_nothing():
    rig = Rig(*CAMERA_ALONE)
    rig.ingress.set_muted(frozenset({CAMERA}), 0)
    rig.take(Encoder(10, "0").picture(0, 1, is_key=True)[0], SECOND)
    track = rig.publication.get(CAMERA)
    assert not track.is_live
    rig.ingress.set_muted(frozenset(), SECOND)
    assert track.is_live
    rig.ingress.close()
    assert track.layers[0].track.history.group_seq is None
