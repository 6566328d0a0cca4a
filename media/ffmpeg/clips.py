"""Encode short clips with the ffmpeg program: painted frames or a video file in, NAL units or AAC frames out.

Called by `streams.simulator.clips` in an executor thread, once per clip ever (its results are cached on disk). Blocks
while ffmpeg runs. The settings make streams whose slices can be joined: fixed GOP, one reference, no B pictures, no
state that reaches beyond the picture edge more than it must. Not for live transcoding.
"""

import subprocess
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ffmpeg

from media.base.errors import ErrorKind, HubError
from media.codec.nal import split_annexb
from media.ffmpeg.command import command_line
from media.packet import Codec

_ENCODE_LIMIT_S = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipSettings:
    """One encoding. `rate_bps` 0 means constant quality; `gop_frames` 1 means key pictures only.

    `level` is the H.264 level of the picture the slices will be part of, for instance `4.0`.
    """

    codec: Codec
    width: int
    height: int
    fps: int
    gop_frames: int
    rate_bps: int = 0
    level: str = "4.0"


def encode_frames(frames: Iterable[bytes], settings: ClipSettings) -> list[bytes]:
    """Return the NAL units of `frames` (planar YUV 4:2:0 pictures), one slice per picture, SEI left out."""
    size = f"{settings.width}x{settings.height}"
    source = ffmpeg.input("pipe:", format="rawvideo", pix_fmt="yuv420p", s=size, framerate=settings.fps)
    return _encode(source, settings, frames)


def encode_file(path: Path, settings: ClipSettings, *, seconds: int, band_px: int) -> list[bytes]:
    """Return the NAL units of a video file: repeated or cut to `seconds`, scaled and cropped to fill the picture.

    The top `band_px` rows are dark grey, as in painted frames.
    """
    height = settings.height - band_px
    fitted = (
        ffmpeg.input(str(path), stream_loop=-1, t=seconds)
        .video.filter("fps", settings.fps)
        .filter("scale", settings.width, height, force_original_aspect_ratio="increase")
        .filter("crop", settings.width, height)
        .filter("setsar", 1)
        .filter("pad", settings.width, settings.height, 0, band_px, color="0x131313")
        .filter("format", "yuv420p")
    )
    return _encode(fitted, settings, ())


def encode_aac(pcm: bytes, *, sample_rate_hz: int, rate_bps: int = 32_000) -> bytes:
    """Return mono 16-bit little-endian samples as AAC-LC in ADTS."""
    source = ffmpeg.input("pipe:", format="s16le", ar=sample_rate_hz, ac=1)
    output = source.output("pipe:", format="adts", acodec="aac", audio_bitrate=rate_bps, ac=1)
    return _run(output, (pcm,))


def decode_luma(annexb: bytes, codec: Codec, width: int, height: int) -> list[bytes]:
    """Return the luma plane of every picture of an Annex B stream; for tests and self-checks."""
    source = ffmpeg.input("pipe:", format="h264" if codec is Codec.H264 else "hevc")
    raw = _run(source.output("pipe:", format="rawvideo", pix_fmt="yuv420p", fps_mode="passthrough"), (annexb,))
    luma, picture = width * height, width * height + 2 * ((width + 1) // 2) * ((height + 1) // 2)
    return [raw[at : at + luma] for at in range(0, len(raw) - picture + 1, picture)]


def _encode(source: Any, settings: ClipSettings, frames: Iterable[bytes]) -> list[bytes]:
    is_h264 = settings.codec is Codec.H264
    rate: dict[str, object] = {"crf": 22}
    if settings.rate_bps:
        peak_bps = settings.rate_bps * 3 // 2  # with the mean as the limit x264 stays a tenth below it
        rate = {"video_bitrate": settings.rate_bps, "maxrate": peak_bps, "bufsize": 2 * settings.rate_bps}
    output = source.output(
        "pipe:",
        format="h264" if is_h264 else "hevc",
        vcodec="libx264" if is_h264 else "libx265",
        preset="veryfast" if is_h264 else "ultrafast",
        pix_fmt="yuv420p",
        **{"x264-params" if is_h264 else "x265-params": _parameters(settings)},
        **rate,
    )
    return split_annexb(_run(output, frames))


def _parameters(settings: ClipSettings) -> str:
    """Return the encoder's own options; all pieces of one picture share them, so that they share one PPS."""
    gop = settings.gop_frames
    common = f"keyint={gop}:min-keyint={gop}:scenecut=0:bframes=0:ref=1:"
    if settings.codec is Codec.H264:
        return common + f"weightp=0:mvrange=32:stitchable=1:psy=0:sliced-threads=0:level={settings.level}"
    return (
        common
        + "open-gop=0:weightp=0:ctu=16:min-cu-size=8:aq-mode=0:cutree=0:sao=0:temporal-mvp=0:wpp=0:repeat-headers=1:"
        "info=0:aud=0:frame-threads=2:vbv-maxrate=20000:vbv-bufsize=20000:log-level=error"
    )


def _run(output: Any, chunks: Iterable[bytes]) -> bytes:
    """Run ffmpeg to its end, feeding `chunks`; HubError INTERNAL (`ffmpeg_failed`) with its words when it fails."""
    with tempfile.TemporaryFile() as result, tempfile.TemporaryFile() as words:
        process = subprocess.Popen(command_line(output), stdin=subprocess.PIPE, stdout=result, stderr=words)  # noqa: S603  # a list of our own words, no shell
        assert process.stdin is not None
        try:
            for chunk in chunks:
                process.stdin.write(chunk)
            process.stdin.close()
        except BrokenPipeError:
            pass  # it ended early; its exit code and words say why
        finally:
            code = _wait(process)
        words.seek(0)
        if code != 0:
            said = words.read(2000).decode("utf-8", "replace")
            raise HubError(ErrorKind.INTERNAL, "ffmpeg failed", code="ffmpeg_failed", exit_code=code, said=said)
        result.seek(0)
        return result.read()


def _wait(process: subprocess.Popen[bytes]) -> int:
    try:
        return process.wait(_ENCODE_LIMIT_S)
    except BaseException:
        process.kill()
        process.wait()
        raise
