"""Make the clips that simulated cameras play, once; afterwards they come from the cache in under a second.

Called by `streams.simulator.server` at start, in an executor thread; blocks while ffmpeg encodes (a few seconds per
rendition, never per camera). The cache is `$XIANGYUN_CLIP_CACHE` or `~/.cache/xiangyun/clips`; a damaged or missing
file is made anew.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import structlog

from media.base.errors import ErrorKind, HubError
from media.ffmpeg.clips import ClipSettings, encode_file, encode_frames
from media.packet import Codec
from streams.simulator.rendition import Rendition, RenditionSpec
from streams.simulator.splice_h264 import MB_PX, H264Splicer, Place
from streams.simulator.splice_h265 import H265Splicer
from streams.simulator.timecode import strip_height

log = structlog.get_logger(__name__)

_BAND_PX = 16
"""Dark rows at the top of the scene: motion that reaches across the slice border finds the same dark there."""


def default_cache_dir() -> Path:
    """Return where clips are cached."""
    given = os.environ.get("XIANGYUN_CLIP_CACHE")
    return Path(given) if given else Path.home() / ".cache" / "xiangyun" / "clips"


def rendition(spec: RenditionSpec, cache_dir: Path) -> Rendition:
    """Return the rendition from the cache, or make and cache it; HubError when the footage cannot be read."""
    if spec.footage and not Path(spec.footage).is_file():
        raise HubError(ErrorKind.NOT_FOUND, "the clip is not a file", code="clip_not_found", clip=spec.footage)
    path = cache_dir / spec.file_name()
    found = Rendition.load(spec, path)
    if found is None:
        log.info("making a clip, once", codec=spec.codec.value, size=f"{spec.width}x{spec.height}")
        found = _make(spec)
        try:
            found.store(path)
        except OSError as error:
            log.warning("the clip is not cached and will be made again", path=str(path), error=str(error))
    return found


def _make(spec: RenditionSpec) -> Rendition:
    rows = strip_height(spec.height)
    settings = _settings(spec, spec.height - 2 * rows, spec.gop_frames, spec.rate_bps)
    if spec.footage:
        scene = encode_file(Path(spec.footage), settings, seconds=spec.body_s, band_px=_BAND_PX)
    else:
        scene = encode_frames(_scene(spec, settings.height), settings)
    splicer = (H264Splicer if spec.codec is Codec.H264 else H265Splicer)(scene, spec.height)
    body = splicer.slices(scene)
    body = body[: len(body) // spec.gop_frames * spec.gop_frames]
    if not body:
        raise HubError(ErrorKind.INVALID, "the clip is shorter than one GOP", code="clip_too_short", clip=spec.footage)
    intra = _settings(spec, rows, 1)
    keys = splicer.slices(encode_frames(_camera_strips(spec, rows), intra))
    times = splicer.slices(encode_frames(_time_strips(spec, rows), intra))
    still = splicer.slices(encode_frames(_empty_strips(spec, rows), _settings(spec, rows, spec.gop_frames)))
    gop, second, third = spec.gop_frames, rows // MB_PX, 2 * rows // MB_PX
    return Rendition(
        spec=spec,
        parameter_sets=splicer.parameter_sets,
        keys=[splicer.place(nal, Place(0, 0)) for nal in keys],
        skips=[b"", *(splicer.place(still[1], Place(0, index)) for index in range(1, gop))],
        times=[splicer.place(nal, Place(second, index % gop)) for index, nal in enumerate(times)],
        body=[splicer.place(nal, Place(third, index % gop)) for index, nal in enumerate(body)],
    )


def _settings(spec: RenditionSpec, height: int, gop_frames: int, rate_bps: int = 0) -> ClipSettings:
    level = "4.0" if spec.height > 720 else "3.1" if spec.height > 576 else "3.0"
    return ClipSettings(
        codec=spec.codec,
        width=spec.width,
        height=height,
        fps=spec.fps,
        gop_frames=gop_frames,
        rate_bps=rate_bps,
        level=level,
    )


def _scene(spec: RenditionSpec, height: int) -> Iterator[bytes]:
    from streams.simulator.scene import frames  # noqa: PLC0415  # numpy only while a clip is made: 25 MB less after

    return frames(spec.width, height, spec.body_s * spec.fps, band_px=_BAND_PX)


def _camera_strips(spec: RenditionSpec, rows: int) -> Iterator[bytes]:
    from streams.simulator.timecode import paint_camera  # noqa: PLC0415

    for camera in range(1, spec.cameras + 1):
        yield paint_camera(spec.width, rows, camera).tobytes() + _grey(spec.width, rows)


def _time_strips(spec: RenditionSpec, rows: int) -> Iterator[bytes]:
    from streams.simulator.timecode import paint_time  # noqa: PLC0415

    for frame in range(spec.loop_s * spec.fps):
        yield paint_time(spec.width, rows, frame * 1000 // spec.fps).tobytes() + _grey(spec.width, rows)


def _empty_strips(spec: RenditionSpec, rows: int) -> Iterator[bytes]:
    from streams.simulator.timecode import paint_empty  # noqa: PLC0415

    yield from [paint_empty(spec.width, rows).tobytes() + _grey(spec.width, rows)] * 2


def _grey(width: int, rows: int) -> bytes:
    """Return the chroma planes of a colourless strip."""
    return b"\x80" * (width * rows // 2)
