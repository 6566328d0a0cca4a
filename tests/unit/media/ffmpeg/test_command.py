"""The ffmpeg program and its command lines."""

import subprocess

import ffmpeg
import pytest

from media.base.errors import ErrorKind, HubError
from media.ffmpeg import command


def test_the_program_runs() -> None:
    done = subprocess.run([command.ffmpeg_binary(), "-version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("ffmpeg version")


def test_a_command_line_is_quiet_and_never_reads_the_terminal() -> None:
    line = command.command_line(ffmpeg.input("in.mp4").output("out.mp4", c="copy"))
    assert line[:5] == [command.ffmpeg_binary(), "-hide_banner", "-nostdin", "-loglevel", "error"]
    assert line[5:] == ["-i", "in.mp4", "-c", "copy", "out.mp4", "-y"]


def test_without_a_program_the_error_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> str:
        raise RuntimeError("No ffmpeg exe could be found")

    monkeypatch.setattr(command.imageio_ffmpeg, "get_ffmpeg_exe", missing)
    command.ffmpeg_binary.cache_clear()
    try:
        with pytest.raises(HubError) as caught:
            command.ffmpeg_binary()
    finally:
        command.ffmpeg_binary.cache_clear()
    assert (caught.value.kind, caught.value.code) == (ErrorKind.UNAVAILABLE, "ffmpeg_missing")
