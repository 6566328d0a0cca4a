"""Session descriptions of any kind: tracks or nothing, never a crash, never slow."""

import time

from hypothesis import given
from hypothesis import strategies as st

from media.base.errors import RemoteProtocolError
from media.packet import Kind
from media.sdp.session import parse
from media.sdp.tracks import TrackOffer, describe, effective_base, resolve_control, session_control, tracks_of
from tests.fuzz import rtsp_targets

LINES = st.one_of(
    st.sampled_from(
        [
            "v=0",
            "s=x",
            "c=IN IP4 0.0.0.0",
            "m=video 0 RTP/AVP 96",
            "m=audio 0 RTP/AVP 97 8 0",
            "m=video",
            "m=",
            "a=rtpmap:96 H264/90000",
            "a=rtpmap:96 H265/90000",
            "a=rtpmap:97 mpeg4-generic/16000/1",
            "a=rtpmap:97 opus/48000/2",
            "a=fmtp:96 sprop-parameter-sets=Z2QAH6y0AoAt0IAAAAMAgAAAGQeIEVA=,aO48sA==",
            "a=fmtp:96 sprop-vps=QAEM;sprop-sps=QgEB;sprop-pps=RAEC",
            "a=fmtp:97 config=1408;sizelength=13",
            "a=fmtp:97 config=ffffffff",
            "a=control:track1",
            "a=control:rtsp://h/x",
            "a=sendonly",
        ]
    ),
    st.tuples(st.sampled_from("vosctambk="), st.text(max_size=40)).map("=".join),
    st.builds(
        "a=rtpmap:{} {}/{}/{}".format,
        st.integers(-1, 300),
        st.sampled_from(["H264", "H265", "PCMU", "opus", "MPEG4-GENERIC", "x"]),
        st.integers(-1, 10**10),
        st.integers(-1, 999),
    ),
    st.builds(
        "a=fmtp:{} {}={}".format, st.integers(0, 130), st.sampled_from(["config", "sprop-sps"]), st.text(max_size=30)
    ),
)
TEXTS = st.one_of(st.lists(LINES, max_size=25).map("\r\n".join), st.text(max_size=300))


@given(TEXTS)
def test_every_description_gives_tracks_that_could_be_set_up(text):
    sdp = parse(text)
    for track in tracks_of(sdp, "rtsp://c/live/"):
        assert 0 <= track.payload_type <= 127
        assert track.clock_rate_hz > 0
        assert track.kind in (Kind.VIDEO, Kind.AUDIO)
        assert track.control_url.lower().startswith(("rtsp://", "rtsps://", "rtspu://"))
        assert track.params.codec.kind is track.kind
    session_control(sdp, "rtsp://c/live/")


@given(st.binary(max_size=400))
def test_bytes_are_read_too(data):
    tracks_of(parse(data), "rtsp://c/")


@given(st.text(max_size=60), st.text(max_size=60), st.text(max_size=40))
def test_the_base_is_always_a_url_with_a_host(content_base, content_location, control):
    base = effective_base("rtsp://asked/live", content_base, content_location)
    assert base.lower().startswith(("rtsp://", "rtsps://", "rtspu://"))
    assert resolve_control(base, control)


@given(TEXTS)
def test_what_was_read_can_be_described_and_read_again(text):
    tracks = tracks_of(parse(text), "rtsp://c/")
    offers = [TrackOffer(params=t.params, payload_type=t.payload_type, control=f"t{i}") for i, t in enumerate(tracks)]
    again = tracks_of(parse(describe(offers)), "rtsp://c/")
    assert [t.params.codec for t in again] == [t.params.codec for t in tracks]
    assert [t.params.parameter_sets for t in again] == [t.params.parameter_sets for t in tracks]


def test_the_largest_description_is_read_in_no_time():
    worst = (
        "m=video 0 RTP/AVP " + " 96" * 20_000,
        "m=video 0 RTP/AVP 96\r\n" + "a=rtpmap:96 H264/90000\r\n" * 2_500,
        "m=audio 0 RTP/AVP 97\r\na=fmtp:97 " + "x;" * 30_000,
        "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 sprop-parameter-sets=" + "Z2QA," * 12_000,
        "a=" + " " * 60_000,
        "\r\n" * 30_000,
    )
    for text in worst:
        started = time.process_time()
        try:
            tracks_of(parse(text), "rtsp://c/")
        except RemoteProtocolError:
            continue
        assert time.process_time() - started < 0.5, text[:40]


@given(st.binary(max_size=300))
def test_the_atheris_targets_take_anything(data):
    for target in (rtsp_targets.stream, rtsp_targets.description, rtsp_targets.challenge):
        target(data)
