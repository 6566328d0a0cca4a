"""Joined slices decode to exactly the pictures that were encoded, for both codecs."""

import numpy as np
import pytest

from media.base.errors import LocalProtocolError
from media.codec import h264, h265
from media.codec.nal import to_annexb
from media.ffmpeg.clips import ClipSettings, decode_luma, encode_frames
from media.packet import Codec
from streams.simulator import timecode
from streams.simulator.scene import frames
from streams.simulator.splice_h264 import H264Splicer, Place
from streams.simulator.splice_h265 import H265Splicer

WIDTH, HEIGHT, ROWS, GOP, COUNT = 320, 184, 16, 5, 10
BODY = HEIGHT - 2 * ROWS
SPLICERS = {Codec.H264: H264Splicer, Codec.H265: H265Splicer}


def settings(codec: Codec, height: int, gop: int, **more) -> ClipSettings:
    return ClipSettings(codec=codec, width=WIDTH, height=height, fps=10, gop_frames=gop, **more)


def strip_frames(strips) -> list[bytes]:
    return [strip.tobytes() + b"\x80" * (WIDTH * ROWS // 2) for strip in strips]


@pytest.fixture(scope="module", params=list(SPLICERS))
def pieces(request):
    codec = request.param
    scene = encode_frames(frames(WIDTH, BODY, COUNT, band_px=16), settings(codec, BODY, GOP, rate_bps=300_000))
    intra = settings(codec, ROWS, 1)
    cameras = encode_frames(strip_frames(timecode.paint_camera(WIDTH, ROWS, n) for n in (1, 2)), intra)
    times = encode_frames(strip_frames(timecode.paint_time(WIDTH, ROWS, 100 * n) for n in range(COUNT)), intra)
    still = encode_frames(strip_frames([timecode.paint_empty(WIDTH, ROWS)] * 2), settings(codec, ROWS, GOP))
    return codec, scene, cameras, times, still


def joined(pieces, camera: int) -> bytes:
    codec, scene, cameras, times, still = pieces
    splicer = SPLICERS[codec](scene, HEIGHT)
    body, keys, strips, skips = (splicer.slices(nals) for nals in (scene, cameras, times, still))
    nals: list[bytes] = []
    for number in range(COUNT):
        index = number % GOP
        nals += splicer.parameter_sets if index == 0 else ()
        nals.append(splicer.place(keys[camera - 1] if index == 0 else skips[1], Place(0, index)))
        nals.append(splicer.place(strips[number], Place(1, index)))
        nals.append(splicer.place(body[number], Place(2, index)))
    return to_annexb(nals)


@pytest.mark.parametrize("camera", [1, 2])
def test_every_picture_shows_its_camera_and_time_and_the_scene_unharmed(pieces, camera):
    codec, scene = pieces[:2]
    planes = decode_luma(joined(pieces, camera), codec, WIDTH, HEIGHT)
    alone = decode_luma(to_annexb(scene), codec, WIDTH, BODY)
    assert len(planes) == len(alone) == COUNT
    for number, (plane, reference) in enumerate(zip(planes, alone, strict=True)):
        luma = np.frombuffer(plane, np.uint8).reshape(HEIGHT, WIDTH)
        assert timecode.read(luma) == timecode.Reading(camera, 100 * number)
        scene_rows = np.frombuffer(reference, np.uint8).reshape(BODY, WIDTH)
        assert np.array_equal(luma[2 * ROWS + 16 :], scene_rows[16:])  # all but the dark band


def test_the_joined_parameter_sets_tell_the_whole_size(pieces):
    codec, scene = pieces[:2]
    of = h264 if codec is Codec.H264 else h265
    params = of.codec_params(SPLICERS[codec](scene, HEIGHT).parameter_sets)
    assert (params.width, params.height, params.fps) == (WIDTH, HEIGHT, 10)


def test_streams_that_do_not_fit_are_refused(pieces):
    codec, scene, _, _, still = pieces
    splicer = SPLICERS[codec](scene, HEIGHT)
    with pytest.raises(LocalProtocolError):
        splicer.place(splicer.slices(still)[1], Place(0, 0))
    with pytest.raises(LocalProtocolError):
        splicer.slices(scene[-1:])
    with pytest.raises(LocalProtocolError):
        SPLICERS[codec](scene[-1:], HEIGHT)
