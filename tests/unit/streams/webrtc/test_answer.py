"""Answers: the right payload type for every camera, a rejected line for what cannot be filled."""

import pytest
from aiortc.sdp import SessionDescription

from media.base.errors import ErrorKind, HubError
from media.codec import g711, opus
from media.packet import Codec, CodecParams, Kind
from streams.webrtc.answer import LocalTransport, choose, write_answer
from streams.webrtc.offer import parse_offer
from tests.unit.streams.webrtc.test_offer import AUDIO, HEAD, VIDEO

TRANSPORT = LocalTransport(
    "ourfragment1", "q" * 32, "sha-256 " + ":".join(["CD"] * 32), "passive", ("1 1 udp 5 10.0.0.9 7000 typ host",)
)
SSRCS = {Kind.VIDEO: 111, Kind.AUDIO: 222}
CHROMIUM_H264 = {
    102: "packetization-mode=1;profile-level-id=42001f",
    104: "packetization-mode=0;profile-level-id=42001f",
    106: "packetization-mode=1;profile-level-id=42e01f",
    108: "packetization-mode=0;profile-level-id=42e01f",
    127: "packetization-mode=1;profile-level-id=4d001f",
    112: "packetization-mode=1;profile-level-id=64001f",
    114: "packetization-mode=1;profile-level-id=f4001f",
}


def h264(profile: bytes) -> CodecParams:
    return CodecParams(codec=Codec.H264, clock_rate_hz=90_000, parameter_sets=(b"\x67" + profile, b"\x68"))


def h264_offer(formats: dict[int, str]) -> str:
    lines = [f"m=video 9 UDP/TLS/RTP/SAVPF {' '.join(map(str, formats))}", "a=mid:0", "a=recvonly", "a=rtcp-mux"]
    for number, fmtp in formats.items():
        lines += [
            f"a=rtpmap:{number} H264/90000",
            f"a=fmtp:{number} level-asymmetry-allowed=1;{fmtp}",
            f"a=rtcp-fb:{number} nack",
        ]
    return HEAD + "\r\n".join(lines) + "\r\n"


@pytest.mark.parametrize(
    ("profile", "expected"),
    [
        (b"\x42\x00\x1f", 102),
        (b"\x42\xe0\x28", 106),
        (b"\x4d\x40\x29", 127),
        (b"\x64\x00\x33", 112),
        (b"\xf4\x00\x28", 114),
        (b"\x58\x00\x1f", 112),
    ],
)
def test_every_profile_is_answered_by_the_nearest_offered_one(profile, expected):
    (choice,) = choose(parse_offer(h264_offer(CHROMIUM_H264)), {Kind.VIDEO: h264(profile)}, SSRCS)
    assert choice.format.payload_type == expected


def test_a_high_camera_plays_for_a_viewer_that_offers_only_baseline():
    offer = parse_offer(HEAD + VIDEO)
    chosen = choose(offer, {Kind.VIDEO: h264(b"\x64\x00\x28")}, SSRCS)
    text = write_answer(offer, chosen, TRANSPORT, "stream")
    assert "a=fmtp:102 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f" in text
    assert "a=rtcp-fb:102 nack pli" in text
    assert "a=rtcp-fb:102 ccm fir" in text


def test_single_nal_mode_is_the_last_resort():
    (choice,) = choose(parse_offer(h264_offer({104: CHROMIUM_H264[104]})), {Kind.VIDEO: h264(b"\x42\x00\x1f")}, SSRCS)
    assert choice.format.payload_type == 104


def test_the_answer_is_one_a_foreign_parser_reads():
    offer = parse_offer(HEAD + VIDEO + AUDIO)
    tracks = {Kind.VIDEO: h264(b"\x4d\x40\x1f"), Kind.AUDIO: g711.g711_params(Codec.PCMA)}
    text = write_answer(offer, choose(offer, tracks, SSRCS), TRANSPORT, "stream")
    parsed = SessionDescription.parse(text)
    video, audio = parsed.media
    assert (video.fmt, audio.fmt) == ([102], [8])
    assert (video.direction, audio.direction) == ("sendonly", "sendonly")
    assert [ssrc.ssrc for ssrc in video.ssrc + audio.ssrc] == [111, 222]
    assert parsed.group[0].items == ["0", "1"]
    assert video.dtls.role == "server"
    assert (video.ice.usernameFragment, audio.ice.password) == ("ourfragment1", "q" * 32)
    assert [c.ip for c in video.ice_candidates] == ["10.0.0.9"]
    assert audio.rtp.codecs[0].mimeType == "audio/PCMA"


def test_a_line_that_cannot_be_filled_is_rejected_alone():
    data = "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:2\r\n"
    offer = parse_offer(HEAD + AUDIO + VIDEO + data)
    text = write_answer(offer, choose(offer, {Kind.VIDEO: h264(b"\x42\x00\x1f")}, SSRCS), TRANSPORT, "stream")
    lines = [line for line in text.split("\r\n") if line.startswith("m=")]
    assert lines[0].startswith("m=audio 0 ")
    assert lines[1] == "m=video 9 UDP/TLS/RTP/SAVPF 102"
    assert lines[2] == "m=application 0 UDP/DTLS/SCTP webrtc-datachannel"
    assert "a=group:BUNDLE 0\r\n" in text
    assert text.index("a=candidate") > text.index("m=video")


def test_a_second_line_outside_the_bundle_is_rejected():
    offer = parse_offer(HEAD.replace("BUNDLE 0 1", "BUNDLE 0") + VIDEO + AUDIO)
    chosen = choose(offer, {Kind.VIDEO: h264(b"\x42\x00\x1f"), Kind.AUDIO: opus.opus_params(2)}, SSRCS)
    assert [choice.kind for choice in chosen] == [Kind.VIDEO]


@pytest.mark.parametrize(
    "text",
    [
        HEAD + VIDEO.replace("H264", "AV1"),
        HEAD + VIDEO.replace("recvonly", "sendonly"),
        HEAD + VIDEO.replace("recvonly", "inactive"),
        HEAD + VIDEO.replace("a=rtcp-mux\r\n", ""),
        HEAD + VIDEO.replace("SAVPF", "AVP"),
        HEAD + AUDIO,
    ],
)
def test_a_viewer_who_cannot_see_is_told_the_codec(text):
    with pytest.raises(HubError) as error:
        choose(parse_offer(text), {Kind.VIDEO: h264(b"\x42\x00\x1f"), Kind.AUDIO: opus.opus_params(2)}, SSRCS)
    assert (error.value.kind, error.value.code) == (ErrorKind.CONFLICT, "codec_unsupported")
    assert error.value.context["codec"] == "h264"


def test_h265_is_answered_only_to_who_offers_it():
    params = CodecParams(codec=Codec.H265, clock_rate_hz=90_000)
    offer = HEAD + VIDEO.replace("H264", "H265").replace(";profile-level-id=42e01f", ";level-id=93;tx-mode=SRST")
    (choice,) = choose(parse_offer(offer), {Kind.VIDEO: params}, SSRCS)
    assert choice.format.name == "H265"
    with pytest.raises(HubError) as error:
        choose(parse_offer(HEAD + VIDEO), {Kind.VIDEO: params}, SSRCS)
    assert error.value.context["codec"] == "h265"


def test_a_microphone_without_picture_is_heard():
    (choice,) = choose(parse_offer(HEAD + AUDIO), {Kind.AUDIO: opus.opus_params(2)}, SSRCS)
    assert choice.format.payload_type == 111
