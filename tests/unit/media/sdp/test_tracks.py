"""Tracks out of descriptions, control URLs, and the description a server writes."""

import base64

import pytest

from media.codec.aac import aac_params, build_audio_specific_config
from media.codec.g711 import g711_params
from media.codec.h264 import codec_params
from media.packet import Codec, CodecParams, Kind
from media.sdp.session import parse
from media.sdp.tracks import TrackOffer, describe, effective_base, resolve_control, session_control, tracks_of

SPS = bytes.fromhex("6764001facb402802dd080000003008000001907881150")
PPS = bytes.fromhex("68ee3cb0")
ANNEX_B = b"\0\0\0\1"
BASE = "rtsp://10.0.0.9/live/"


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def video(*lines: str, payload: str = "96") -> str:
    return "v=0\r\nm=video 0 RTP/AVP " + payload + "\r\n" + "\r\n".join(lines) + "\r\n"


def only(text: str, base: str = BASE):
    (track,) = tracks_of(parse(text), base)
    return track


def test_h264_with_parameter_sets_is_complete():
    fmtp = f"a=fmtp:96 packetization-mode=1; profile-level-id=64001F; sprop-parameter-sets={b64(SPS)},{b64(PPS)}"
    track = only(video("a=rtpmap:96 H264/90000", fmtp, "a=control:trackID=1"))
    assert track.params == codec_params([SPS, PPS])
    assert track.params.is_complete
    assert (track.params.width, track.params.height) == (1280, 720)
    assert (track.kind, track.payload_type, track.control_url) == (Kind.VIDEO, 96, "rtsp://10.0.0.9/live/trackID=1")
    assert track.format_parameters["packetization-mode"] == "1"


@pytest.mark.parametrize(
    ("defect", "fmtp"),
    [
        ("missing", None),
        ("empty fmtp (Ubiquiti)", "a=fmtp:96"),
        ("not base64", "a=fmtp:96 sprop-parameter-sets=%%%,@@@"),
        ("only an SPS", f"a=fmtp:96 sprop-parameter-sets={b64(SPS)}"),
        ("truncated", f"a=fmtp:96 sprop-parameter-sets={b64(SPS[:4])},{b64(PPS)}"),
        ("empty sets", "a=fmtp:96 sprop-parameter-sets=,"),
    ],
)
def test_broken_parameter_sets_leave_the_track_waiting_for_in_band_ones(defect, fmtp):
    lines = ["a=rtpmap:96 H264/90000", *([fmtp] if fmtp else [])]
    track = only(video(*lines))
    assert track.params.codec is Codec.H264, defect
    assert not track.params.is_complete


@pytest.mark.parametrize(
    ("defect", "sets"),
    [
        ("Annex B start codes", f"{b64(ANNEX_B + SPS)},{b64(ANNEX_B[1:] + PPS)}"),
        ("no padding", f"{b64(SPS).rstrip('=')},{b64(PPS).rstrip('=')}"),
        ("trailing comma", f"{b64(SPS)},{b64(PPS)},"),
        ("blanks", f" {b64(SPS)} , {b64(PPS)} "),
    ],
)
def test_odd_parameter_sets_are_understood(defect, sets):
    track = only(video("a=rtpmap:96 H264/90000", f"a=fmtp:96 sprop-parameter-sets={sets}"))
    assert track.params.is_complete, defect


@pytest.mark.parametrize(
    "rtpmap", ["a=rtpmap:96 H264/90000 ", "a=rtpmap:96  h264 / 90000", "a=rtpmap:96 H264", "a=rtpmap:97 H264/90000"]
)
def test_odd_rtpmaps_are_understood(rtpmap):
    track = only(video(rtpmap))
    assert (track.params.codec, track.clock_rate_hz, track.payload_type) == (Codec.H264, 90_000, 96)


def test_fmtp_of_another_payload_type_counts_when_it_is_the_only_one():
    track = only(video("a=rtpmap:96 H264/90000", f"a=fmtp:97 sprop-parameter-sets={b64(SPS)},{b64(PPS)}"))
    assert track.params.is_complete


def test_static_payload_types_need_no_rtpmap():
    text = "v=0\r\nm=audio 0 RTP/AVP 8\r\na=control:a\r\nm=audio 0 RTP/AVP 0\r\na=control:b\r\n"
    tracks = tracks_of(parse(text), BASE)
    assert [(t.params.codec, t.payload_type, t.clock_rate_hz) for t in tracks] == [
        (Codec.PCMA, 8, 8000),
        (Codec.PCMU, 0, 8000),
    ]


def test_aac_opus_and_their_usual_mistakes():
    config = build_audio_specific_config(16_000, 1)
    text = (
        "v=0\r\nm=audio 0 RTP/AVP 97\r\na=rtpmap:97 mpeg4-generic/16000/1\r\n"
        f"a=fmtp:97 mode=AAC-hbr;sizelength=13;indexlength=3;indexdeltalength=3;config={config.hex()}\r\n"
        "m=audio 0 RTP/AVP 98\r\na=rtpmap:98 MPEG4-GENERIC/32000\r\na=fmtp:98 config=zz\r\n"
        "m=audio 0 RTP/AVP 99\r\na=rtpmap:99 opus/8000/1\r\n"
    )
    right, broken, opus = tracks_of(parse(text), BASE)
    assert right.params == aac_params(config)
    assert right.format_parameters["sizelength"] == "13"
    assert (broken.params.codec, broken.params.sample_rate_hz) == (Codec.AAC, 32_000)
    assert (opus.clock_rate_hz, opus.params.channels) == (48_000, 2)


def test_codecs_and_media_we_do_not_carry_yield_no_track():
    text = (
        "v=0\r\nm=application 0 RTP/AVP 107\r\na=rtpmap:107 vnd.onvif.metadata/90000\r\n"
        "m=video 0 RTP/AVP 26\r\nm=audio 0 RTP/AVP 100\r\na=rtpmap:100 G726-32/8000\r\n"
        "m=video 0 RTP/AVP 300\r\na=rtpmap:300 H264/90000\r\n"
        "m=audio 0 RTP/AVP 101\r\na=rtpmap:101 H264/90000\r\n"
    )
    assert tracks_of(parse(text), BASE) == []


def test_a_back_channel_is_left_out_but_a_lonely_sendonly_track_is_not():
    both = "v=0\r\nm=audio 0 RTP/AVP 0\r\na=recvonly\r\na=control:in\r\nm=audio 0 RTP/AVP 8\r\na=sendonly\r\n"
    assert [t.control_url for t in tracks_of(parse(both), BASE)] == [BASE + "in"]
    assert only("v=0\r\nm=audio 0 RTP/AVP 0\r\na=sendonly\r\n").kind is Kind.AUDIO


@pytest.mark.parametrize(
    ("base", "control", "url"),
    [
        ("rtsp://c/live/", "trackID=1", "rtsp://c/live/trackID=1"),
        ("rtsp://c/live", "trackID=1", "rtsp://c/live/trackID=1"),
        ("rtsp://c/live/", "/trackID=1", "rtsp://c/live/trackID=1"),
        ("rtsp://c/live?ch=1&sub=0/", "trackID=1", "rtsp://c/live?ch=1&sub=0/trackID=1"),
        ("rtsp://c/live?ch=1", "trackID=1", "rtsp://c/live?ch=1/trackID=1"),
        ("rtsp://c/live", "?ctype=video", "rtsp://c/live?ctype=video"),
        ("rtsp://c/live/", "*", "rtsp://c/live/"),
        ("rtsp://c/live/", "", "rtsp://c/live/"),
        ("rtsp://c/live/", "RTSP://d/track1", "RTSP://d/track1"),
    ],
)
def test_control_urls_are_appended_like_text(base, control, url):
    assert resolve_control(base, control) == url


@pytest.mark.parametrize(
    ("content_base", "content_location", "base"),
    [
        ("rtsp://c/live/", "", "rtsp://c/live/"),
        ("", "rtsp://c/other", "rtsp://c/other"),
        ("rtsp://rtsp://c/live/", "", "rtsp://c/live/"),
        ("rtsp://::ffff:1.2.3.4/live/", "", "rtsp://asked/live"),
        ("192.168.1.10:554/live/", "", "rtsp://asked/live"),
        ("/live/", "", "rtsp://asked/live"),
        ("", "", "rtsp://asked/live"),
        ("rtsp://c:99999/x", "", "rtsp://asked/live"),
        ("rtsp:///live", "", "rtsp://asked/live"),
    ],
)
def test_wrong_content_bases_are_repaired_or_not_believed(content_base, content_location, base):
    assert effective_base("rtsp://asked/live", content_base, content_location) == base


def test_session_control_is_the_base_unless_it_is_a_url():
    assert session_control(parse("v=0\na=control:*\n"), BASE) == BASE
    assert session_control(parse("v=0\n"), BASE) == BASE
    assert session_control(parse("v=0\na=control:rtsp://c/all\n"), BASE) == "rtsp://c/all"


def test_what_a_server_describes_is_read_back_the_same():
    offers = [
        TrackOffer(params=codec_params([SPS, PPS]), payload_type=96, control="track0"),
        TrackOffer(params=aac_params(build_audio_specific_config(16_000, 1)), payload_type=97, control="track1"),
        TrackOffer(params=g711_params(Codec.PCMA), payload_type=8, control="track2"),
        TrackOffer(
            params=CodecParams(codec=Codec.OPUS, clock_rate_hz=48_000, channels=2), payload_type=99, control="o"
        ),
    ]
    tracks = tracks_of(parse(describe(offers, session_id=7)), BASE)
    assert [t.params.codec for t in tracks] == [o.params.codec for o in offers]
    assert [t.params for t in tracks[:3]] == [o.params for o in offers[:3]]
    assert [t.control_url for t in tracks] == [BASE + o.control for o in offers]
    assert [t.payload_type for t in tracks] == [96, 97, 8, 99]


def test_a_server_may_keep_its_parameter_sets_to_itself():
    offer = TrackOffer(params=codec_params([SPS, PPS]), payload_type=96, control="t", with_parameter_sets=False)
    text = describe([offer], address="fe80::1")
    assert "sprop" not in text
    assert "IN IP6 fe80::1" in text
    assert not only(text).params.is_complete
