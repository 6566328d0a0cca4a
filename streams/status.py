"""What can be said of a source right now: state, since when, why, and what it carries.

Made by the supervisor, shown by the API (`as_json` has the shape CONTRACT promises), counted by metrics. Pure values.
"""

from dataclasses import dataclass
from enum import StrEnum

from media.base.clock import rfc3339
from media.base.ids import Quality
from media.packet import Codec, CodecParams


class SourceState(StrEnum):
    """在线, 连接中, 离线, 停用."""

    ONLINE = "online"
    CONNECTING = "connecting"
    OFFLINE = "offline"
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True)
class VideoStatus:
    """The picture: 0 where the camera has not told."""

    codec: Codec
    width: int
    height: int
    fps: float


@dataclass(frozen=True, slots=True)
class AudioStatus:
    """The sound."""

    codec: Codec
    sample_rate_hz: int
    channels: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceStatus:
    """One stream of one camera.

    `reason` is empty while online, else the code of what went wrong last (`streams.ingest.connection.SourceError`);
    `clock_offset_ms` is camera minus hub. Counters count from the start of the present connection, `attempts` from
    the last time media came.
    """

    quality: Quality
    state: SourceState
    reason: str
    since_wall_us: int
    last_packet_wall_us: int | None = None
    video: VideoStatus | None = None
    audio: AudioStatus | None = None
    bitrate_bps: int = 0
    clock_offset_ms: int | None = None
    packets_received: int = 0
    packets_lost: int = 0
    timestamps_repaired: int = 0
    units_dropped: int = 0
    attempts: int = 0

    def as_json(self) -> dict[str, object]:
        """Return the camera state object of the API, without the recorder's part."""
        video = self.video and {
            "codec": self.video.codec.value,
            "width": self.video.width,
            "height": self.video.height,
            "fps": round(self.video.fps, 2),
        }
        audio = self.audio and {
            "codec": self.audio.codec.value,
            "sample_rate_hz": self.audio.sample_rate_hz,
            "channels": self.audio.channels,
        }
        return {
            "state": self.state.value,
            "reason": self.reason or None,
            "since": rfc3339(self.since_wall_us),
            "last_packet_at": None if self.last_packet_wall_us is None else rfc3339(self.last_packet_wall_us),
            "video": video,
            "audio": audio,
            "bitrate_bps": self.bitrate_bps,
            "clock_offset_ms": self.clock_offset_ms,
            "packets_received": self.packets_received,
            "packets_lost": self.packets_lost,
        }


def video_status(params: CodecParams | None, fps: float) -> VideoStatus | None:
    """Return what `params` say of the picture; the measured `fps` goes before the one they claim."""
    if params is None:
        return None
    return VideoStatus(params.codec, params.width, params.height, fps or params.fps)


def audio_status(params: CodecParams | None) -> AudioStatus | None:
    """Return what `params` say of the sound."""
    return None if params is None else AudioStatus(params.codec, params.sample_rate_hz, params.channels)
