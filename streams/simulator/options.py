"""What a simulator is asked to simulate.

Made by the command line (`xiangyun simulate`), by the demo and by tests; read by `streams.simulator.server`. Pure
values, checked when made.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from media.base.errors import ErrorKind, HubError
from media.packet import Codec, Kind
from media.rtsp.auth import Scheme
from streams.simulator.defects import DEFECTS

MAX_CAMERAS = 2000
_CAMERA_BLOCK = 64
"""Camera numbers are painted in blocks, so that few cache files serve all counts."""
_H265_BODY_S = 10
"""x265 needs a second of work for a second of 720p; the scene repeats sooner instead."""


def _refuse(message: str) -> HubError:
    return HubError(ErrorKind.INVALID, message, code="bad_simulator_options")


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatorOptions:
    """Cameras 1 to `cameras`, at `rtsp://host:port/cam<n>` (main) and `/cam<n>/sub` (H.264, `sub_size`, 10 fps).

    `port` 0 takes a free one. `codec` and `audio` hold for every camera not named in `codecs` and `audios`. `clips`
    are video files shown in turn instead of the painted scene. `defects` maps camera numbers, 0 meaning all, to names
    of `defects.DEFECTS`. With a `username` every request but OPTIONS needs credentials, by one of `schemes`. `is_paced`
    spreads the packets of a picture over its duration instead of sending them at once. `clock_offset_s` is how far a
    camera's clock (in its sender reports) is ahead of ours.
    """

    host: str = "127.0.0.1"
    port: int = 8554
    cameras: int = 1
    clips: tuple[Path, ...] = ()
    codec: Codec = Codec.H264
    codecs: Mapping[int, Codec] = field(default_factory=dict)
    audio: Codec | None = None
    audios: Mapping[int, Codec | None] = field(default_factory=dict)
    defects: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    clock_offset_s: Mapping[int, float] = field(default_factory=dict)
    username: str = ""
    password: str = field(default="", repr=False)
    schemes: tuple[Scheme, ...] = (Scheme.DIGEST_MD5, Scheme.BASIC)
    is_paced: bool = False
    has_udp: bool = True
    size: tuple[int, int] = (1280, 720)
    sub_size: tuple[int, int] = (640, 360)
    fps: int = 25
    gop_s: int = 2
    rate_bps: int = 2_000_000
    sub_rate_bps: int = 300_000
    body_s: int = 30
    main_loop_s: int = 60
    sub_loop_s: int = 600
    cache_dir: Path | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be simulated: HubError INVALID (`bad_simulator_options`)."""
        if not 1 <= self.cameras <= MAX_CAMERAS:
            raise _refuse(f"cameras must be 1 to {MAX_CAMERAS}")
        for width, height in (self.size, self.sub_size):
            if width % 16 or height % 4 or not (320 <= width <= 3840 and 176 <= height <= 2160):
                raise _refuse("a size is 320x176 to 3840x2160, its width a multiple of 16, its height of 4")
        if Codec.H265 in (self.codec, *self.codecs.values()) and self.size[1] % 8:
            raise _refuse("an H.265 height must be a multiple of 8")
        if not 1 <= self.fps <= 60 or not 1 <= self.gop_s <= 10 or self.main_loop_s % self.gop_s:
            raise _refuse("fps is 1 to 60, the GOP 1 to 10 s and a divisor of the loop")
        if self.body_s < self.gop_s or self.body_s % self.gop_s or self.sub_loop_s % self.gop_s:
            raise _refuse("the scene's and the loops' lengths are multiples of the GOP")
        if any(codec not in (Codec.H264, Codec.H265) for codec in (self.codec, *self.codecs.values())):
            raise _refuse("cameras send H.264 or H.265")
        sounds = [codec for codec in (self.audio, *self.audios.values()) if codec is not None]
        if any(codec.kind is not Kind.AUDIO or codec is Codec.OPUS for codec in sounds):
            raise _refuse("cameras sound in AAC, PCMA or PCMU")
        unknown = {name for names in self.defects.values() for name in names} - set(DEFECTS)
        if unknown:
            raise _refuse(f"unknown defect {', '.join(sorted(unknown))}; known: {', '.join(DEFECTS)}")

    @classmethod
    def small(cls, **changes: object) -> "SimulatorOptions":
        """Return options for tests: a free port, 640x360 at 10 fps, GOP 1 s, 400 kbit/s; `changes` on top."""
        small: dict[str, object] = {
            "port": 0,
            "size": (640, 360),
            "sub_size": (320, 180),
            "fps": 10,
            "gop_s": 1,
            "rate_bps": 400_000,
            "sub_rate_bps": 100_000,
            "body_s": 4,
        }
        return cls(**{**small, **changes})  # type: ignore[arg-type]  # checked by __post_init__ and by its callers

    def codec_of(self, camera: int) -> Codec:
        """Return the codec of a camera's main stream."""
        return self.codecs.get(camera, self.codec)

    def audio_of(self, camera: int) -> Codec | None:
        """Return the codec of a camera's sound; None when it has none."""
        return self.audios.get(camera, self.audio)

    def footage_of(self, camera: int) -> str:
        """Return the video file a camera shows; empty for the painted scene."""
        return str(self.clips[(camera - 1) % len(self.clips)]) if self.clips else ""

    def body_s_of(self, codec: Codec) -> int:
        """Return the length of the repeated scene."""
        longest = 60 if self.clips else self.body_s
        return longest if codec is Codec.H264 else min(self.body_s, _H265_BODY_S // self.gop_s * self.gop_s)

    @property
    def painted_cameras(self) -> int:
        """Return how many camera numbers to paint."""
        return -(-self.cameras // _CAMERA_BLOCK) * _CAMERA_BLOCK


def parse_defects(words: Iterable[str]) -> dict[int, tuple[str, ...]]:
    """Return `defects` from command-line words: `no-marker` for all cameras, `3:silence` for camera 3.

    HubError INVALID for a camera that is not a number; unknown names are refused by SimulatorOptions.
    """
    found: dict[int, tuple[str, ...]] = {}
    for word in words:
        camera, colon, name = word.rpartition(":")
        if colon and not (camera.isascii() and camera.isdigit()):
            raise _refuse(f"{word} does not begin with a camera number")
        number = int(camera) if colon else 0
        found[number] = (*found.get(number, ()), name)
    return found
