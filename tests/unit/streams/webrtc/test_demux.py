"""Which stream a packet belongs to."""

import pytest

from media.rtp.packet import RtpPacket
from streams.webrtc.demux import MAX_SOURCES, Demux, Route
from tests.unit.streams.webrtc.publisher import (
    CAMERA,
    H264_RTX,
    MICROPHONE,
    OPUS,
    SCREEN,
    VP8,
    VP8_RTX,
    Encoder,
    audio_line,
    lines_of,
    offer_of,
    video_line,
)

NAMES = {"0": CAMERA, "1": SCREEN, "2": MICROPHONE}
LINES = lines_of(offer_of(video_line("0", rids=("q", "h", "f")), video_line("1"), audio_line("2")), NAMES)


def demux_of(*lines) -> Demux:
    made = Demux()
    made.configure(lines or LINES)
    return made


def learned(demux: Demux, packet: RtpPacket) -> Route | None:
    block = b""
    if packet.extension_profile is not None:
        size = len(packet.extension) // 4
        block = packet.extension_profile.to_bytes(2, "big") + size.to_bytes(2, "big") + packet.extension
    return demux.learn(packet.ssrc, packet.payload_type, memoryview(block))


def test_layers_and_retransmissions_of_two_videos_are_told_apart():
    demux = demux_of()
    encoders = [Encoder(100 * n, "0", rid) for n, rid in enumerate("qhf", 1)] + [Encoder(400, "1")]
    for encoder in encoders:
        packet = encoder.packet(b"x", 0)
        assert learned(demux, encoder.repeat(packet.sequence)).repairs
        assert not learned(demux, packet).repairs
    found = {ssrc: (route.key, bool(route.repairs)) for ssrc, route in demux.routes.items()}
    assert found == {
        **{
            100 * n + is_repair: ((CAMERA, rid), bool(is_repair))
            for n, rid in enumerate("qhf", 1)
            for is_repair in (0, 1)
        },
        400: ((SCREEN, ""), False),
        401: ((SCREEN, ""), True),
    }
    assert demux.routes[101].repairs[VP8_RTX] == VP8
    assert demux.routes[101].repairs[H264_RTX] == H264_RTX - 1
    assert demux.unknown == 0


def test_the_sdp_tells_sources_of_single_streams_beforehand():
    extra = "a=ssrc-group:FID 11 12\r\na=ssrc:11 cname:x\r\na=ssrc:12 cname:x\r\na=ssrc:13 cname:x\r\n"
    demux = demux_of(*lines_of(offer_of(video_line("0", extra=extra), video_line("1")), NAMES))
    assert {ssrc: (route.key, bool(route.repairs)) for ssrc, route in demux.routes.items()} == {
        11: ((CAMERA, ""), False),
        12: ((CAMERA, ""), True),
    }


def test_with_layers_the_sdp_tells_only_which_source_repairs_which():
    extra = "a=ssrc-group:FID 11 12\r\na=ssrc:11 cname:x\r\na=ssrc:12 cname:x\r\n"
    demux = demux_of(*lines_of(offer_of(video_line("0", rids=("q", "h"), extra=extra)), NAMES))
    assert demux.routes == {}
    repair = RtpPacket(payload_type=VP8_RTX, sequence=1, timestamp=0, ssrc=12, payload=b"xxx")
    assert learned(demux, repair) is None
    learned(demux, Encoder(11, "0", "h").packet(b"x", 0))
    assert learned(demux, repair).key == (CAMERA, "h")


def test_without_a_mid_the_payload_type_tells_when_only_one_line_has_it():
    demux = demux_of(*lines_of(offer_of(video_line("0"), audio_line("1")), {"0": CAMERA, "1": MICROPHONE}))
    assert learned(demux, Encoder(5, "", payload_type=VP8).packet(b"x", 0, plain=True)).key == (CAMERA, "")
    assert learned(demux, Encoder(7, "", payload_type=OPUS).packet(b"x", 0, plain=True)).key == (MICROPHONE, "")
    both = demux_of()
    assert learned(both, Encoder(5, "", payload_type=VP8).packet(b"x", 0, plain=True)) is None
    assert both.unknown == 1


@pytest.mark.parametrize(
    ("mid", "rid", "payload_type"), [("9", "", VP8), ("0", "x", VP8), ("0", "", VP8), ("1", "", OPUS), ("2", "", 63)]
)
def test_what_no_line_accepts_has_no_route(mid, rid, payload_type):
    demux = demux_of()
    assert learned(demux, Encoder(5, mid, rid, payload_type=payload_type).packet(b"x", 0)) is None
    assert (demux.routes, demux.unknown) == ({}, 1)


def test_a_peer_that_invents_sources_is_not_listened_to():
    demux = demux_of()
    for ssrc in range(1, 10 * MAX_SOURCES, 2):
        if demux.admits(ssrc):
            learned(demux, Encoder(ssrc, "1").packet(b"x", 0))
    assert len(demux.routes) == MAX_SOURCES
    assert not demux.admits(99_999)
    assert demux.admits(1)


def test_a_later_offer_keeps_what_goes_on_and_forgets_what_is_gone():
    demux = demux_of()
    learned(demux, Encoder(5, "1").packet(b"x", 0))
    learned(demux, Encoder(7, "2", payload_type=OPUS).packet(b"x", 0))
    demux.configure(LINES[:1] + LINES[2:])
    assert set(demux.routes) == {7}
    demux.configure(LINES)
    assert learned(demux, Encoder(5, "1").packet(b"x", 0)).key == (SCREEN, "")
    assert demux.sources_of(SCREEN, "") == [5]
    demux.drop(5)
    assert demux.sources_of(SCREEN, "") == []
