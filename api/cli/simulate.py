"""`xiangyun simulate`: cameras that are not there.

Parses words such as `h265` (all cameras) and `3:h265` (camera 3); everything else is `streams.simulator`'s.
"""

import asyncio
import contextlib
import logging
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, TypeVar

import setproctitle
import typer
import uvloop

from media.base import log as logs
from media.base.errors import ErrorKind, HubError
from media.packet import Codec
from streams.simulator.defects import describe_defects
from streams.simulator.options import SimulatorOptions, parse_defects
from streams.simulator.server import Simulator, run_simulator

T = TypeVar("T")

EPILOG = "Defects.\n\n" + describe_defects().replace("\n", "\n\n")
"""Printed below `xiangyun simulate --help`."""

_VIDEO: dict[str, Codec] = {"h264": Codec.H264, "h265": Codec.H265}
_AUDIO: dict[str, Codec | None] = {"none": None, "aac": Codec.AAC, "pcma": Codec.PCMA, "pcmu": Codec.PCMU}


def per_camera(words: Iterable[str], known: dict[str, T], default: T) -> tuple[T, dict[int, T]]:
    """Return the value for all cameras and those of single ones; HubError INVALID for a word that is neither."""
    single: dict[int, T] = {}
    for word in words:
        camera, colon, name = word.rpartition(":")
        if name not in known or (colon and not (camera.isascii() and camera.isdigit())):
            message = f"{word!r} is not one of {', '.join(known)}, or one of them after a camera number as in 3:{name}"
            raise HubError(ErrorKind.INVALID, message, code="bad_simulator_options")
        if colon:
            single[int(camera)] = known[name]
        else:
            default = known[name]
    return default, single


def size_of(text: str) -> tuple[int, int]:
    """Return width and height of `1280x720`; HubError INVALID otherwise."""
    width, _, height = text.partition("x")
    if not (width.isascii() and width.isdigit() and height.isascii() and height.isdigit()):
        raise HubError(ErrorKind.INVALID, f"{text!r} is not a size such as 1280x720", code="bad_simulator_options")
    return int(width), int(height)


def simulate(  # noqa: PLR0913  # one parameter per option is how typer reads them
    *,
    port: Annotated[int, typer.Option(help="the RTSP port; 0 takes a free one")] = 8554,
    cameras: Annotated[int, typer.Option(help="how many cameras")] = 4,
    clip: Annotated[list[Path] | None, typer.Option(help="video files to show instead of the painted scene")] = None,
    codec: Annotated[list[str] | None, typer.Option(help="h264 or h265; 3:h265 for camera 3")] = None,
    audio: Annotated[list[str] | None, typer.Option(help="none, aac, pcma or pcmu; 3:aac for camera 3")] = None,
    defect: Annotated[list[str] | None, typer.Option(help="a defect's name; 3:silence for camera 3")] = None,
    host: Annotated[str, typer.Option(help="the address to listen on")] = "127.0.0.1",
    resolution: Annotated[str, typer.Option(help="of the main stream")] = "1280x720",
    rate: Annotated[int, typer.Option(help="of the main stream, bit/s")] = 2_000_000,
    fps: Annotated[int, typer.Option(help="of the main stream")] = 25,
    gop: Annotated[int, typer.Option(help="seconds between key frames")] = 2,
    username: Annotated[str, typer.Option(help="ask for this user")] = "",
    password: Annotated[str, typer.Option(help="and this password")] = "",
    paced: Annotated[bool, typer.Option("--paced", help="packets one by one instead of in bursts")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="do not print the first camera's address")] = False,
    cache: Annotated[Path | None, typer.Option(help="where clips are kept", envvar="XIANGYUN_CLIP_CACHE")] = None,
) -> None:
    """Serve cameras at rtsp://HOST:PORT/cam1 (main) and /cam1/sub until interrupted."""
    all_codec, codecs = per_camera(codec or (), _VIDEO, Codec.H264)
    all_audio, audios = per_camera(audio or (), _AUDIO, None)
    options = SimulatorOptions(
        host=host,
        port=port,
        cameras=cameras,
        clips=tuple(clip or ()),
        codec=all_codec,
        codecs=codecs,
        audio=all_audio,
        audios=audios,
        defects=parse_defects(defect or ()),
        size=size_of(resolution),
        rate_bps=rate,
        fps=fps,
        gop_s=gop,
        username=username,
        password=password,
        is_paced=paced,
        cache_dir=cache,
    )
    setproctitle.setproctitle(f"xiangyun simulate {cameras} cameras")
    _set_up_log()
    with contextlib.suppress(KeyboardInterrupt, asyncio.CancelledError):
        uvloop.run(run_simulator(options, None if quiet else _announce))


def _set_up_log() -> None:
    """Follow LOG_LEVEL and LOG_FORMAT, which the demo hands down; a word that means nothing counts as the default."""
    level = os.environ.get("XIANGYUN_LOG_LEVEL", "info")
    form = os.environ.get("XIANGYUN_LOG_FORMAT", "auto")
    is_console = form == "console" or (form != "json" and sys.stderr.isatty())
    known = level.upper() in logging.getLevelNamesMapping()
    logs.setup(process="simulator", level=level if known else "info", as_json=not is_console)


def _announce(simulator: Simulator) -> None:
    sys.stdout.write(f"ready {simulator.url(1, with_credentials=False)}\n")
    sys.stdout.flush()
