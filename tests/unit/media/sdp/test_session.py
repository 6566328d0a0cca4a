"""Session descriptions as cameras write them."""

import pytest

from media.base.errors import RemoteProtocolError
from media.sdp.session import Attribute, parse

PLAIN = """v=0
o=- 1 1 IN IP4 10.0.0.9
s=Media Presentation
c=IN IP4 0.0.0.0
t=0 0
a=control:*
m=video 0 RTP/AVP 96
b=AS:5100
a=rtpmap:96 H264/90000
a=recvonly
m=audio 5004/2 RTP/AVP 0 8
"""


def test_a_plain_description_is_read_whole():
    sdp = parse(PLAIN.replace("\n", "\r\n"))
    assert sdp.name == "Media Presentation"
    assert sdp.values("control") == ("*",)
    video, audio = sdp.media
    assert (video.kind, video.port, video.protocol, video.formats) == ("video", 0, "RTP/AVP", ("96",))
    assert video.values("RTPMAP") == ("96 H264/90000",)
    assert video.attributes[-1] == Attribute("recvonly")
    assert video.bandwidth == ("AS:5100",)
    assert (audio.port, audio.formats) == (5004, ("0", "8"))


@pytest.mark.parametrize(
    ("defect", "text"),
    [
        ("no version, origin, name, timing", "m=video 0 RTP/AVP 96\na=rtpmap:96 H264/90000\n"),
        ("two names", "v=0\ns=first\ns=second\nm=video 0 RTP/AVP 96\na=rtpmap:96 H264/90000"),
        ("bare CR line ends", "v=0\rs=x\rm=video 0 RTP/AVP 96\ra=rtpmap:96 H264/90000\r"),
        ("blank lines", "v=0\n\n\nm=video 0 RTP/AVP 96\n\na=rtpmap:96 H264/90000\n\n"),
        ("byte order mark and trailing NUL", "\ufeffv=0\nm=video 0 RTP/AVP 96\na=rtpmap:96 H264/90000\n\x00\x00"),
        ("connection without IN", "v=0\nc=IP 0.0.0.0\nm=video 0 RTP/AVP 96\nc=IP4\na=rtpmap:96 H264/90000"),
        ("trailing blanks", "v=0 \nm=video 0 RTP/AVP 96 \na=rtpmap:96 H264/90000 \n"),
        ("capital letter types", "V=0\nM=video 0 RTP/AVP 96\nA=rtpmap:96 H264/90000\n"),
        ("an attribute without name", "v=0\na=\na=:\nm=video 0 RTP/AVP 96\na=rtpmap:96 H264/90000\n"),
        ("port that is no number", "v=0\nm=video x RTP/AVP 96\na=rtpmap:96 H264/90000\n"),
    ],
)
def test_camera_defects_outside_the_media_line_are_forgiven(defect, text):
    (media,) = parse(text).media
    assert media.kind == "video", defect
    assert media.values("rtpmap") == ("96 H264/90000",)


def test_a_media_line_without_anything_is_dropped_with_its_attributes():
    sdp = parse("v=0\nm=video\na=control:lost\nm=audio 0 RTP/AVP 8\na=control:kept\n")
    assert [m.values("control") for m in sdp.media] == [("kept",)]


def test_what_is_too_large_is_refused():
    for text in ("a=x\r\n" * 20_000, "m=video 0 RTP/AVP 96\r\n" * 65):
        with pytest.raises(RemoteProtocolError) as refusal:
            parse(text)
        assert refusal.value.code == "sdp_too_large"


def test_bytes_that_are_not_utf8_are_read_as_far_as_possible():
    assert parse(b"v=0\r\ns=\xc9\xcf\xba\xa3\r\nm=audio 0 RTP/AVP 0\r\n").media[0].kind == "audio"
