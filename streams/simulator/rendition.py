"""One encoded picture stream that all cameras share, and its file in the clip cache.

Made by `streams.simulator.clips`, cut into packets by `streams.simulator.packets`. Holds NAL units of finished slices
(see `splice_h264`): the picture of camera c at frame n is `number(c, n)`, `times[n]` and `body[n]`, one above the
other. Pure except for `load` and `store`, which block on one file.
"""

import hashlib
import json
import os
import struct
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from media.codec import h264, h265
from media.packet import Codec, CodecParams

_MAGIC = b"XYCLIP05"
"""Change it whenever the meaning of a file or the way it is made changes: old files are then made anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RenditionSpec:
    """What a rendition is made of; equal specs share one cache file.

    `loop_s` is the time after which the painted time starts again, `body_s` the length of the repeated scene,
    `cameras` the highest camera number, `footage` names the file shown (empty: the painted scene).
    """

    codec: Codec
    width: int
    height: int
    fps: int
    gop_frames: int
    rate_bps: int
    loop_s: int
    body_s: int
    cameras: int
    footage: str = ""

    def file_name(self) -> str:
        """Return the cache file's name; it changes with the spec and with the footage file's size and date."""
        stamp = ""
        if self.footage:
            status = Path(self.footage).stat()
            stamp = f"{status.st_size}/{status.st_mtime_ns}"
        text = json.dumps({**asdict(self), "stamp": stamp}, sort_keys=True)
        digest = hashlib.sha256(_MAGIC + text.encode()).hexdigest()[:20]
        return f"{self.codec}-{self.width}x{self.height}-{self.fps}fps-{digest}.clip"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendition:
    """The slices. `keys[c - 1]` is camera c's number in a key picture, `skips[i]` stands for it at GOP index i."""

    spec: RenditionSpec
    parameter_sets: tuple[bytes, ...]
    keys: Sequence[bytes]
    skips: Sequence[bytes]
    times: Sequence[bytes]
    body: Sequence[bytes]

    @property
    def params(self) -> CodecParams:
        """Return the codec parameters a decoder needs."""
        of = h264.codec_params if self.spec.codec is Codec.H264 else h265.codec_params
        return of(self.parameter_sets)

    def store(self, path: Path) -> None:
        """Write to `path`, all or nothing."""
        parts = (self.parameter_sets, self.keys, self.skips, self.times, self.body)
        nals = [nal for part in parts for nal in part]
        head = struct.pack(">5I", *map(len, parts)) + struct.pack(f">{len(nals)}I", *map(len, nals))
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(f".{os.getpid()}.part")
        with draft.open("wb") as file:
            file.write(_MAGIC + head)
            file.writelines(nals)
        draft.replace(path)

    @classmethod
    def load(cls, spec: RenditionSpec, path: Path) -> "Rendition | None":
        """Read from `path`; None when it is missing or damaged, and must be made anew."""
        try:
            data = path.read_bytes()
            if not data.startswith(_MAGIC):
                return None
            at = len(_MAGIC)
            counts = struct.unpack_from(">5I", data, at)
            sizes = struct.unpack_from(f">{sum(counts)}I", data, at + 20)
        except (OSError, struct.error, MemoryError):
            return None
        at += 20 + 4 * len(sizes)
        nals = []
        for size in sizes:
            nals.append(data[at : at + size])
            at += size
        if at != len(data):
            return None
        parts = []
        for count in counts:
            parts.append(nals[:count])
            nals = nals[count:]
        return cls(
            spec=spec, parameter_sets=tuple(parts[0]), keys=parts[1], skips=parts[2], times=parts[3], body=parts[4]
        )
