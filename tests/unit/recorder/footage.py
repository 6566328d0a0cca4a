"""Footage for tests: real pictures made once by ffmpeg, and synthetic units that only look like pictures."""

import functools
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

from media.codec import aac, h264, h265, nal
from media.packet import AccessUnit, Codec, CodecParams, Track

WALL_US = 1_763_800_000_000_000


def params(width: int = 640, height: int = 360) -> CodecParams:
    """Parameters that parse nowhere but compare and store like real ones."""
    sps = bytes.fromhex("67640028acd9405005bb016c80000003008000001907 8c18cb".replace(" ", ""))
    return CodecParams(
        codec=Codec.H264,
        clock_rate_hz=90_000,
        rfc6381="avc1.640028",
        width=width,
        height=height,
        fps=25.0,
        parameter_sets=(sps, bytes.fromhex("68ebe3cb22c0")),
    )


AAC = aac.aac_params(aac.build_audio_specific_config(16_000, 1))


def slice_nal(size: int, seed: int) -> bytes:
    """One length-prefixed NAL unit of `size` bytes in all (at least 6)."""
    body = random.Random(seed).randbytes(size - 5)
    return (size - 4).to_bytes(4, "big") + b"\x41" + body


def video(
    seconds: float,
    *,
    codec: CodecParams | None = None,
    fps: float = 25.0,
    gop_s: float = 2.0,
    first: int = 0,
    size: int = 2000,
    wall_us: int = WALL_US,
    track: int = 0,
    delay_us: int = 0,
) -> Iterator[AccessUnit]:
    """Yield synthetic pictures from frame number `first` on."""
    codec = codec or params()
    gop = max(1, round(gop_s * fps))
    for number in range(first, first + round(seconds * fps)):
        at_us = round(number * 1e6 / fps) + delay_us
        data = slice_nal(size * (4 if number % gop == 0 else 1), number)
        dts = round(number * 90_000 / fps)
        yield AccessUnit(track, codec, dts, dts, number % gop == 0, data, at_us * 1000, wall_us + at_us)


def audio(seconds: float, *, first: int = 0, wall_us: int = WALL_US, track: int = 1) -> Iterator[AccessUnit]:
    """Yield synthetic AAC frames (64 ms each)."""
    for number in range(first, first + round(seconds * 16_000 / 1024)):
        dts = number * 1024
        at_us = dts * 1_000_000 // 16_000
        data = random.Random(number).randbytes(90 + number % 20)
        yield AccessUnit(track, AAC, dts, dts, True, data, at_us * 1000, wall_us + at_us)


def merged(*streams: Iterator[AccessUnit]) -> list[AccessUnit]:
    """Return the units of several tracks in order of arrival."""
    return sorted((unit for stream in streams for unit in stream), key=lambda unit: unit.received_mono_ns)


TRACKS = (Track(0, params()), Track(1, AAC))


@functools.cache
def real_clip(codec: str = "libx264", seconds: int = 12, size: str = "320x180", bframes: int = 0) -> tuple[bytes, ...]:
    """Return the access units (Annex B) of a generated clip: 25 frames a second, a key frame every 2 s."""
    x265 = ["-x265-params", f"keyint=50:min-keyint=50:scenecut=0:bframes={bframes}:log-level=error"]
    x264 = ["-g", "50", "-keyint_min", "50", "-sc_threshold", "0", "-bf", str(bframes), "-preset", "ultrafast"]
    kind = "hevc" if codec == "libx265" else "h264"
    command = [
        "ffmpeg", "-v", "error", "-f", "lavfi", "-i", f"testsrc=size={size}:rate=25:duration={seconds}",
        "-pix_fmt", "yuv420p", "-c:v", codec, *(x265 if kind == "hevc" else x264),
        "-bsf:v", f"{kind}_metadata=aud=insert", "-f", kind, "-",
    ]  # fmt: skip
    data = subprocess.run(command, capture_output=True, check=True, timeout=60).stdout
    marker = b"\0\0\0\1\x46\x01" if kind == "hevc" else b"\0\0\0\1\x09"
    starts = []
    at = data.find(marker)
    while at >= 0:
        starts.append(at)
        at = data.find(marker, at + 1)
    return tuple(data[a:b] for a, b in zip(starts, [*starts[1:], len(data)], strict=True))


def real_units(codec: str = "libx264", seconds: int = 12, size: str = "320x180") -> list[AccessUnit]:
    """Return real pictures as access units of track 0."""
    module = h265 if codec == "libx265" else h264
    units: list[AccessUnit] = []
    sets: dict[int, bytes] = {}
    current: CodecParams | None = None
    for number, picture in enumerate(real_clip(codec, seconds, size)):
        kept = []
        is_key = False
        for part in nal.split_annexb(picture):
            kind = module.nal_type(part[0])
            if kind in ((32, 33, 34) if codec == "libx265" else (7, 8)):
                sets[kind] = part
            elif kind not in ((35, 38) if codec == "libx265" else (9, 12)):
                kept.append(part)
                is_key = is_key or module.is_key(kind)
        if current is None:
            current = module.codec_params(sets.values())
        at_us = number * 40_000
        data = nal.to_length_prefixed(kept)
        units.append(AccessUnit(0, current, number * 3600, number * 3600, is_key, data, at_us * 1000, WALL_US + at_us))
    return units


@functools.cache
def real_sound(seconds: int = 12) -> tuple[bytes, ...]:
    """Return raw AAC frames of a tone, 16 kHz mono."""
    command = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", f"sine=frequency=440:sample_rate=16000:duration={seconds}",
               "-ac", "1", "-c:a", "aac", "-f", "adts", "-"]  # fmt: skip
    data = subprocess.run(command, capture_output=True, check=True, timeout=60).stdout
    frames = aac.strip_adts(data)
    assert frames
    return tuple(frames)


def real_audio_units(seconds: int = 12) -> list[AccessUnit]:
    """Return real AAC frames as access units of track 1."""
    units = []
    for number, data in enumerate(real_sound(seconds)):
        at_us = number * 64_000
        units.append(AccessUnit(1, AAC, number * 1024, number * 1024, True, data, at_us * 1000, WALL_US + at_us))
    return units


def probe(path: Path | str, *extra: str) -> str:
    """Return what ffprobe prints; fails on any complaint."""
    command = ["ffprobe", "-v", "error", *extra, str(path)]
    done = subprocess.run(command, capture_output=True, check=True, timeout=60, text=True)
    assert not done.stderr, done.stderr
    return done.stdout.strip()


def decoded(path: Path | str, *extra: str) -> list[list[str]]:
    """Return the fields of ffmpeg's `framemd5` (stream, dts, pts, duration, bytes, MD5) for every picture of `path`.

    Fails on any error the decoder reports.
    """
    command = ["ffmpeg", "-v", "error", *extra, "-i", str(path), "-map", "0:v", "-f", "framemd5", "-"]
    done = subprocess.run(command, capture_output=True, check=True, timeout=120, text=True)
    assert not done.stderr, done.stderr
    return [line.split(",") for line in done.stdout.splitlines() if line and not line.startswith("#")]


def decoded_frames(path: Path | str, *extra: str) -> int:
    """Return how many pictures a foreign decoder gets out of `path`; fails on any error it reports."""
    return len(decoded(path, *extra))
