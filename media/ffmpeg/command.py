"""Where the ffmpeg program is, and how its command lines are built.

The only importer of `imageio_ffmpeg` (which ships the binary) and `ffmpeg` (ffmpeg-python, used to build command
lines and nothing else: it has had no release since 2019). Called by whoever starts an ffmpeg process. Starts none.
"""

from functools import cache
from typing import Any

import ffmpeg
import imageio_ffmpeg

from media.base.errors import ErrorKind, HubError


@cache
def ffmpeg_binary() -> str:
    """Return the path of the ffmpeg program; HubError UNAVAILABLE (`ffmpeg_missing`) when there is none."""
    try:
        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except RuntimeError as error:
        raise HubError(ErrorKind.UNAVAILABLE, "no ffmpeg program was found", code="ffmpeg_missing") from error


def command_line(output: Any) -> list[str]:
    """Return the argument list of an ffmpeg-python `output` node: quiet, overwriting, never reading the terminal."""
    arguments = [str(word) for word in ffmpeg.compile(output, cmd=ffmpeg_binary(), overwrite_output=True)]
    return [arguments[0], "-hide_banner", "-nostdin", "-loglevel", "error", *arguments[1:]]
