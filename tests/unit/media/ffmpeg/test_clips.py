"""Clips come out of ffmpeg as NAL units, one slice per picture; its complaints come out as errors."""

import ffmpeg
import pytest

from media.base.errors import HubError
from media.codec import h264, h265
from media.codec.aac import strip_adts
from media.codec.nal import to_annexb
from media.ffmpeg.clips import ClipSettings, decode_luma, encode_aac, encode_file, encode_frames
from media.ffmpeg.command import command_line, ffmpeg_binary
from media.packet import Codec

WIDTH, HEIGHT = 160, 96


def grey(value: int) -> bytes:
    return bytes([value]) * (WIDTH * HEIGHT) + b"\x80" * (WIDTH * HEIGHT // 2)


@pytest.mark.parametrize("codec", [Codec.H264, Codec.H265])
def test_pictures_go_in_and_one_slice_each_comes_out(codec):
    settings = ClipSettings(codec=codec, width=WIDTH, height=HEIGHT, fps=10, gop_frames=4)
    nals = encode_frames([grey(40 + 20 * n) for n in range(8)], settings)
    of = h264 if codec is Codec.H264 else h265
    slices = [nal for nal in nals if of.is_slice(of.nal_type(nal[0]))]
    assert [of.is_key(of.nal_type(nal[0])) for nal in slices] == [True, False, False, False] * 2
    planes = decode_luma(to_annexb(nals), codec, WIDTH, HEIGHT)
    means = [sum(plane) / len(plane) for plane in planes]
    assert means == pytest.approx([40 + 20 * n for n in range(8)], abs=3)


def test_a_file_that_is_no_video_is_refused_with_ffmpegs_words(tmp_path):
    path = tmp_path / "x.mp4"
    path.write_bytes(b"nothing")
    settings = ClipSettings(codec=Codec.H264, width=WIDTH, height=HEIGHT, fps=10, gop_frames=4)
    with pytest.raises(HubError) as refusal:
        encode_file(path, settings, seconds=1, band_px=16)
    assert refusal.value.code == "ffmpeg_failed"
    assert refusal.value.context["said"]


def test_aac_frames_cover_the_samples():
    frames = strip_adts(encode_aac(bytes(16_000 * 2), sample_rate_hz=16_000))
    assert frames is not None
    assert 15 <= len(frames) <= 18


def test_a_command_line_is_quiet_and_reads_no_terminal():
    words = command_line(ffmpeg.input("a.mp4").output("b.mp4"))
    assert words[0] == ffmpeg_binary()
    assert {"-nostdin", "-hide_banner", "error", "a.mp4", "b.mp4", "-y"} <= set(words)
