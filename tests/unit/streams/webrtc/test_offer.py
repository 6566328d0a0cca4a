"""Offers as browsers write them, and as nobody should."""

import pytest

from media.base.errors import ErrorKind, HubError
from streams.webrtc.offer import (
    MAX_CANDIDATES,
    MAX_OFFER_BYTES,
    MAX_SECTIONS,
    RemoteCandidate,
    parse_candidate,
    parse_fragment,
    parse_offer,
)

DIGEST = ":".join(["AB"] * 32)
HEAD = (
    "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\na=ice-ufrag:abcd\r\n"
    f"a=ice-pwd:{'p' * 24}\r\na=fingerprint:sha-256 {DIGEST}\r\na=setup:actpass\r\n"
)
VIDEO = (
    "m=video 9 UDP/TLS/RTP/SAVPF 96 97 102\r\na=mid:0\r\na=recvonly\r\na=rtcp-mux\r\na=rtpmap:96 VP8/90000\r\n"
    "a=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\na=rtpmap:102 H264/90000\r\na=rtcp-fb:102 nack\r\na=rtcp-fb:102 nack pli\r\n"
    "a=rtcp-fb:* ccm fir\r\na=fmtp:102 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f\r\n"
)
AUDIO = "m=audio 9 UDP/TLS/RTP/SAVPF 111 0 8\r\na=mid:1\r\na=recvonly\r\na=rtcp-mux\r\na=rtpmap:111 opus/48000/2\r\n"


def code_of(text: str) -> str:
    with pytest.raises(HubError) as error:
        parse_offer(text)
    assert error.value.kind is ErrorKind.INVALID
    return error.value.code


def test_a_browsers_offer_is_read():
    offer = parse_offer(HEAD + VIDEO + AUDIO)
    assert (offer.ice_fragment, offer.ice_password, offer.setup) == ("abcd", "p" * 24, "actpass")
    assert offer.fingerprints == [("sha-256", DIGEST)]
    assert offer.bundle == ["0", "1"]
    video, audio = offer.sections
    assert (video.kind, video.mid, video.direction, video.has_rtcp_mux) == ("video", "0", "recvonly", True)
    h264 = video.formats[102]
    assert (h264.name, h264.clock_rate_hz, h264.feedback) == ("H264", 90_000, ["nack", "nack pli", "ccm fir"])
    assert h264.parameter("profile-level-id") == "42e01f"
    assert (audio.formats[111].name, audio.formats[111].channels) == ("OPUS", 2)
    assert (audio.formats[0].name, audio.formats[8].name) == ("PCMU", "PCMA")


def test_bare_line_feeds_unknown_lines_and_nonsense_attributes_are_read_over():
    extra = "x=what\r\na=rtpmap:999 H264/90000\r\na=rtpmap:96\r\na=fmtp:\r\na=rtcp-fb:5\r\na=candidate:\r\na=setup:odd\r\na=\r\n"
    offer = parse_offer((HEAD + VIDEO + extra).replace("\r\n", "\n"))
    assert offer.sections[0].formats[96].name == "VP8"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        "v=0\r\n",
        HEAD,
        "v=0\r\n" + VIDEO,
        HEAD.replace("abcd", "ab") + VIDEO,
        HEAD.replace("abcd", "ab\tcd") + VIDEO,
        HEAD.replace("p" * 24, "short") + VIDEO,
        HEAD.replace("sha-256", "md5") + VIDEO,
        HEAD.replace("AB:", "XX:") + VIDEO,
        HEAD + VIDEO + VIDEO,
        HEAD + "m=video\r\n",
        HEAD + "m=video 9 UDP/TLS/RTP/SAVPF\r\n",
        HEAD + "m=appl<script> 9 UDP/TLS x\r\n",
        HEAD + VIDEO.replace("a=mid:0", "") * (MAX_SECTIONS + 1),
        HEAD + VIDEO + "a=x:" + "y" * 3000,
        HEAD + VIDEO + "a=x:y\r\n" * (MAX_OFFER_BYTES // 7),
    ],
)
def test_what_cannot_be_answered_is_bad_sdp(text):
    assert code_of(text) == "bad_sdp"


def test_candidates_we_cannot_use_are_passed_over():
    good = parse_candidate("842163049 1 udp 1677729535 203.0.113.7 40000 typ srflx raddr 10.0.0.1 rport 5")
    assert good == RemoteCandidate("842163049", 1677729535, "203.0.113.7", 40000, "srflx")
    for text in (
        "1 1 tcp 5 10.0.0.1 9 typ host tcptype active",
        "1 1 udp 5 b4c8d9.local 9 typ host",
        "1 1 udp 5 2001:db8::1 9 typ host",
        "1 2 udp 5 10.0.0.1 9 typ host",
        "1 1 udp 5 10.0.0.1 0 typ host",
        "1 1 udp 5 10.0.0.1 99999 typ host",
        "1 1 udp 0 10.0.0.1 9 typ host",
        "1 1 udp 5 224.0.0.1 9 typ host",
        "1 1 udp 5 0.0.0.0 9 typ host",
        "1 1 udp 5 255.255.255.255 9 typ host",
        "1 1 udp 5 10.0.0.1 9 typ prflx",
        "1 1 udp 5 10.0.0.1 9 type host",
        "1 1 udp -5 10.0.0.1 ٩ typ host",
        "1 1 udp",
        "",
    ):
        assert parse_candidate(text) is None, text


def test_candidates_are_bounded():
    many = "".join(f"a=candidate:{n} 1 udp 5 10.0.0.1 {n + 1} typ host\r\n" for n in range(100))
    assert len(parse_offer(HEAD + VIDEO + many).candidates) == MAX_CANDIDATES
    fragment, candidates = parse_fragment("a=ice-ufrag:abcd\r\n" + many)
    assert (fragment, len(candidates)) == ("abcd", MAX_CANDIDATES)


def test_a_line_with_port_zero_is_rejected_unless_it_is_bundle_only():
    offer = parse_offer(
        HEAD + VIDEO.replace("video 9", "video 0") + AUDIO.replace("audio 9", "audio 0") + "a=bundle-only\r\n"
    )
    assert [section.is_rejected for section in offer.sections] == [True, False]
