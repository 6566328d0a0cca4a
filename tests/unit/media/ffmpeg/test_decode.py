"""Key pictures to JPEG, and the child's protocol."""

import io
from fractions import Fraction

import av
import pytest

from media.base.errors import ErrorKind, HubError
from media.codec.nal import split_annexb, to_length_prefixed
from media.ffmpeg.decode import (
    MAX_MESSAGE_BYTES,
    annexb_of_key,
    jpeg_of_key,
    lengths,
    message,
    serve,
)
from media.packet import Codec


@pytest.fixture(scope="module", params=[Codec.H264, Codec.H265])
def key_picture(request) -> tuple[Codec, bytes]:
    """One grey key picture of 320x240, Annex B with its parameter sets."""
    codec = request.param
    encoder = av.CodecContext.create("libx264" if codec is Codec.H264 else "libx265", "w")
    encoder.width, encoder.height, encoder.pix_fmt = 320, 240, "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, 25), Fraction(25)
    encoder.options = {"preset": "ultrafast", "x265-params": "log-level=none"}
    frame = av.VideoFrame(320, 240, "yuv420p")
    for plane in frame.planes:
        plane.update(bytes([128]) * plane.buffer_size)
    frame.pts = 0
    return codec, b"".join(bytes(packet) for packet in [*encoder.encode(frame), *encoder.encode(None)])


def size_of(jpeg: bytes) -> tuple[int, int]:
    with av.open(io.BytesIO(jpeg), format="mjpeg") as container:
        frame = next(container.decode(video=0))
        assert abs(frame.to_ndarray(format="gray").mean() - 128) < 4
        return frame.width, frame.height


@pytest.mark.parametrize(("asked", "got"), [(0, (320, 240)), (160, (160, 120)), (161, (160, 120)), (4000, (320, 240))])
def test_a_key_picture_becomes_a_jpeg_of_the_size_asked_for(key_picture, asked: int, got: tuple[int, int]) -> None:
    codec, annexb = key_picture
    picture = jpeg_of_key(codec, annexb, asked)
    assert (picture.width, picture.height) == got
    assert size_of(picture.data) == got


def test_the_hubs_form_is_turned_into_a_stream(key_picture) -> None:
    codec, annexb = key_picture
    nals = split_annexb(annexb)
    count = 2 if codec is Codec.H264 else 3
    stream = annexb_of_key(tuple(nals[:count]), to_length_prefixed(nals[count:]))
    assert jpeg_of_key(codec, stream).width == 320


@pytest.mark.parametrize("annexb", [b"", b"\x00\x00\x01", b"\x00\x00\x01\x65garbage", bytes(5000)])
def test_what_is_no_picture_is_refused(annexb: bytes) -> None:
    with pytest.raises(HubError) as refused:
        jpeg_of_key(Codec.H264, annexb)
    assert refused.value.code == "not_decodable"


def test_other_codecs_are_refused() -> None:
    with pytest.raises(HubError) as refused:
        jpeg_of_key(Codec.AAC, b"x")
    assert refused.value.code == "unsupported"


def test_the_child_answers_every_request_in_turn(key_picture) -> None:
    codec, annexb = key_picture
    good = message({"codec": codec.value, "max_width": 160}, annexb)
    bad = message({"codec": codec.value, "max_width": 0}, b"nothing")
    answers = io.BytesIO()
    serve(io.BytesIO(good + bad + good), answers)
    out = answers.getvalue()
    heads = []
    while out:
        head_bytes, body_bytes = lengths(out[:8])
        heads.append(out[8 : 8 + head_bytes])
        out = out[8 + head_bytes + body_bytes :]
    assert heads[0] == heads[2] == b'{"width": 160, "height": 120}'
    assert b"not_decodable" in heads[1]


def test_absurd_lengths_are_refused() -> None:
    with pytest.raises(HubError) as refused:
        lengths((MAX_MESSAGE_BYTES).to_bytes(4, "big") + (1).to_bytes(4, "big"))
    assert refused.value.kind is ErrorKind.EXHAUSTED
