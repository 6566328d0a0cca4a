"""Answers to those who publish."""

import pytest
from aiortc.sdp import SessionDescription

from media.base.errors import ErrorKind, HubError
from media.packet import Codec
from streams.publication import TrackName
from streams.webrtc import extensions
from streams.webrtc.answer_publish import MAX_TRACKS, choose_published, write_published
from streams.webrtc.offer import parse_offer
from tests.unit.streams.webrtc.publisher import (
    CAMERA,
    H264,
    H264_RTX,
    IDS,
    MICROPHONE,
    OPUS,
    SCREEN,
    VP8,
    VP8_RTX,
    audio_line,
    lines_of,
    offer_of,
    video_line,
)
from tests.unit.streams.webrtc.test_answer import TRANSPORT

NAMES = {"0": CAMERA, "1": SCREEN, "2": MICROPHONE}
FULL = offer_of(video_line("0", rids=("q", "h", "f")), video_line("1"), audio_line("2"))
DATA = "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:3\r\na=sctp-port:5000\r\n"


def answered(text: str, names: dict[str, TrackName]) -> list[list[str]]:
    """Return the sections of the answer as lines, the session's first; aiortc reads it, too."""
    offer = parse_offer(text)
    written = write_published(offer, choose_published(offer, names), TRANSPORT)
    assert len(SessionDescription.parse(written).media) == len(offer.sections)
    head, *sections = written.split("\r\nm=")
    return [head.split("\r\n"), *(section.strip("\r\n").split("\r\n") for section in sections)]


def code_of(text: str, names: dict[str, TrackName]) -> tuple[ErrorKind, str]:
    with pytest.raises(HubError) as error:
        lines_of(text, names)
    return error.value.kind, error.value.code


def test_camera_screen_and_microphone_are_taken_with_everything_they_need():
    head, camera, screen, sound = answered(FULL, NAMES)
    assert "a=group:BUNDLE 0 1 2" in head
    assert camera[0] == f"video 9 UDP/TLS/RTP/SAVPF {H264} {H264_RTX} {VP8} {VP8_RTX}"
    for line in ("a=recvonly", "a=rtcp-mux", "a=rtcp-rsize", "a=setup:passive", "a=end-of-candidates"):
        assert line in camera
    assert [line for line in camera if "rid" in line and "extmap" not in line] == [
        "a=rid:q recv",
        "a=rid:h recv",
        "a=rid:f recv",
    ]
    assert "a=simulcast:recv q;h;f" in camera
    assert f"a=fmtp:{H264_RTX} apt={H264}" in camera
    feedback = [line.split(" ", 1)[1] for line in camera if line.startswith(f"a=rtcp-fb:{VP8} ")]
    assert feedback == ["nack", "nack pli", "ccm fir", "transport-cc"]
    taken = {line.split(" ")[1] for line in camera if line.startswith("a=extmap:")}
    assert taken == {
        extensions.MID,
        extensions.RID,
        extensions.REPAIRED_RID,
        extensions.TRANSPORT_CC,
        extensions.ABS_CAPTURE_TIME,
    }
    assert "a=simulcast:recv" not in "".join(screen)
    assert not any(line.startswith("a=candidate") for line in screen + sound)
    assert sound[0] == f"audio 9 UDP/TLS/RTP/SAVPF {OPUS}"
    assert f"a=fmtp:{OPUS} minptime=10;useinbandfec=1" in sound
    assert f"a=extmap:{IDS[extensions.AUDIO_LEVEL]} {extensions.AUDIO_LEVEL}" in sound


def test_every_h264_profile_is_answered_and_single_units_come_last():
    profiles = {
        102: "packetization-mode=1;profile-level-id=42001f",
        104: "packetization-mode=0;profile-level-id=42001f",
        116: "profile-level-id=4d001f;packetization-mode=1",
        112: "packetization-mode=1;profile-level-id=64001f",
    }
    lines = [f"m=video 9 UDP/TLS/RTP/SAVPF 96 {' '.join(map(str, profiles))}", "a=mid:0", "a=sendonly", "a=rtcp-mux"]
    lines += ["a=rtpmap:96 VP8/90000"]
    for number, fmtp in profiles.items():
        lines += [f"a=rtpmap:{number} H264/90000", f"a=fmtp:{number} {fmtp}"]
    _, section = answered(offer_of("\r\n".join(lines) + "\r\n"), {"0": CAMERA})
    assert section[0].endswith(" 102 116 112 104 96")
    assert all(f"a=fmtp:{number} {fmtp}" in section for number, fmtp in profiles.items())


def test_what_cannot_be_carried_is_rejected_alone():
    av1 = "m=video 9 UDP/TLS/RTP/SAVPF 45\r\na=mid:1\r\na=sendonly\r\na=rtcp-mux\r\na=rtpmap:45 AV1/90000\r\n"
    head, camera, other, sound, data = answered(
        offer_of(video_line("0"), av1, audio_line("2"), DATA), {"0": CAMERA, "1": SCREEN, "2": MICROPHONE}
    )
    assert "a=group:BUNDLE 0 2" in head
    assert (camera[0][:8], sound[0][:8]) == ("video 9 ", "audio 9 ")
    assert other == ["video 0 UDP/TLS/RTP/SAVPF 45", "c=IN IP4 0.0.0.0", "a=inactive", "a=mid:1"]
    assert data[0] == "application 0 UDP/DTLS/SCTP webrtc-datachannel"


@pytest.mark.parametrize(
    "changed",
    [
        FULL.replace("a=mid:1\r\na=sendonly\r\na=rtcp-mux\r\n", "a=mid:1\r\na=sendonly\r\n"),
        FULL.replace("a=group:BUNDLE 0 1 2", "a=group:BUNDLE 0 2"),
        FULL.replace("SAVPF 96 97 102 103\r\na=mid:1", "AVPF 96 97 102 103\r\na=mid:1").replace(
            "UDP/TLS/RTP/AVPF", "RTP/AVPF"
        ),
    ],
)
def test_a_line_that_does_not_fit_our_one_transport_is_rejected_alone(changed):
    assert changed != FULL
    assert [line.name for line in lines_of(changed, NAMES)] == [CAMERA, MICROPHONE]


def test_a_line_without_a_name_or_with_one_of_the_other_kind_is_rejected():
    assert [line.name for line in lines_of(FULL, {"0": CAMERA, "9": SCREEN})] == [CAMERA]
    assert lines_of(FULL, {}) == ()
    assert [line.name for line in lines_of(FULL, {"0": MICROPHONE, "1": CAMERA})] == [CAMERA]


def test_a_line_that_pauses_stays_and_one_that_is_gone_is_rejected():
    text = offer_of(video_line("0", direction="inactive"), video_line("1").replace("m=video 9", "m=video 0"))
    (camera,) = lines_of(text, NAMES)
    assert not camera.is_sending
    _, first, second = answered(text, NAMES)
    assert "a=inactive" in first
    assert first[0].startswith("video 9")
    assert second[0].startswith("video 0")


def test_what_a_line_says_of_its_sources_is_kept():
    extra = "a=ssrc-group:FID 11 12\r\na=ssrc:11 cname:x\r\na=ssrc:11 msid:s t\r\na=ssrc:12 cname:x\r\n"
    (camera,) = lines_of(offer_of(video_line("0", extra=extra)), NAMES)
    assert (camera.ssrcs, camera.ssrc_repairs) == ((11, 12), {11: 12})
    assert camera.codecs == {H264: Codec.H264, VP8: Codec.VP8}
    assert camera.repairs == {VP8_RTX: VP8, H264_RTX: H264}
    assert camera.feedback == {"nack", "nack pli", "ccm fir", "transport-cc"}


def test_at_most_three_layers_in_the_offers_order_and_only_those_it_can_send():
    (camera,) = lines_of(offer_of(video_line("0", rids=("a", "b", "c", "d"))), NAMES)
    assert camera.rids == ("a", "b", "c")
    text = offer_of(video_line("0", rids=("q", "h"))).replace("simulcast:send q;h", "simulcast:send ~h,x;zz;q")
    assert lines_of(text, NAMES)[0].rids == ("h", "q")
    without = offer_of(video_line("0", rids=("q", "h"))).replace(extensions.RID, "urn:other")
    assert lines_of(without, NAMES)[0].rids == ()


def test_telephone_codecs_are_taken_only_without_opus():
    text = offer_of(audio_line("0").replace("opus/48000/2", "ISAC/16000"))
    (sound,) = lines_of(text, {"0": MICROPHONE})
    assert list(sound.codecs.values()) == [Codec.PCMU, Codec.PCMA]


def test_refusals():
    vp9 = "m=video 9 UDP/TLS/RTP/SAVPF 98\r\na=mid:0\r\na=sendonly\r\na=rtcp-mux\r\na=rtpmap:98 VP9/90000\r\n"
    assert code_of(offer_of(vp9), {"0": CAMERA}) == (ErrorKind.CONFLICT, "codec_unsupported")
    assert code_of(FULL, {"0": CAMERA, "1": CAMERA}) == (ErrorKind.INVALID, "bad_sdp")


def test_no_more_tracks_than_names_can_tell_apart():
    assert len([name for name in TrackName if name is not TrackName.VIDEO]) <= MAX_TRACKS
