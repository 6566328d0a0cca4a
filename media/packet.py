"""What flows from a source to its subscribers: tracks, codec parameters, access units, and who may read them.

The types in which `streams` and `recorder` meet; neither imports the other. Pure values. An access unit is created
once per frame and shared by all readers, so nothing here is ever changed after it is made.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, Protocol


class Kind(StrEnum):
    """Video or audio."""

    VIDEO = "video"
    AUDIO = "audio"


class Codec(StrEnum):
    """The codecs the hub carries, in the spelling of the API."""

    H264 = "h264"
    H265 = "h265"
    VP8 = "vp8"
    AAC = "aac"
    PCMU = "pcmu"
    PCMA = "pcma"
    OPUS = "opus"

    @property
    def kind(self) -> Kind:
        """Return whether the codec is of video or audio."""
        return Kind.VIDEO if self in _VIDEO else Kind.AUDIO


_VIDEO = frozenset({Codec.H264, Codec.H265, Codec.VP8})


@dataclass(frozen=True, slots=True, kw_only=True)
class CodecParams:
    """One codec configuration. A new value (compared by equality) means: new decoder, new init segment.

    `clock_rate_hz` counts `pts`/`dts` of the track's units. `parameter_sets` are whole NAL units without start code
    or length, in the order VPS, SPS, PPS (empty while unknown). `config` is AAC's AudioSpecificConfig. `rfc6381` is
    the codecs string for browsers, for instance `avc1.640028`.
    """

    codec: Codec
    clock_rate_hz: int
    rfc6381: str = ""
    width: int = 0
    height: int = 0
    fps: float = 0.0
    parameter_sets: tuple[bytes, ...] = ()
    sample_rate_hz: int = 0
    channels: int = 0
    config: bytes = b""

    @property
    def is_complete(self) -> bool:
        """Tell whether a decoder could be opened with this alone."""
        return bool(self.parameter_sets) or self.codec not in (Codec.H264, Codec.H265)


@dataclass(frozen=True, slots=True)
class Track:
    """One elementary stream of a source; `index` is stable within a run."""

    index: int
    params: CodecParams

    @property
    def kind(self) -> Kind:
        """Return whether the track is video or audio."""
        return self.params.codec.kind


class AccessUnit(NamedTuple):
    """One coded picture, or one audio frame (G.711: the samples of one RTP packet).

    `data`: video as 4-byte big-endian length-prefixed NAL units *without* parameter sets, AUD or filler (those sets
    are in `params`), VP8 as the frame it is; audio as the raw frame (AAC without ADTS). `pts`/`dts` count ticks of `params.clock_rate_hz` on
    a 64-bit timeline that starts at 0 with the run and never goes back (dts strictly increasing per track).
    `received_mono_ns` and `received_wall_us` are when its last byte arrived. `lost_packets` counts RTP packets lost
    since the previous unit of the track. A tuple, because a frozen dataclass takes five times as long to make.
    """

    track: int
    params: CodecParams
    pts: int
    dts: int
    is_key: bool
    data: bytes
    received_mono_ns: int
    received_wall_us: int
    lost_packets: int = 0

    @property
    def size_bytes(self) -> int:
        """Return the payload size."""
        return len(self.data)

    @property
    def kind(self) -> Kind:
        """Return whether the unit is video or audio."""
        return self.params.codec.kind


class EndReason(StrEnum):
    """Why a run of a source ended; becomes the reason of the gap that follows."""

    DISABLED = "disabled"
    UNREACHABLE = "unreachable"
    REFUSED = "refused"
    UNAUTHORIZED = "unauthorized"
    NOT_FOUND = "not_found"
    DISCONNECTED = "disconnected"
    SILENT = "silent"
    PROTOCOL = "protocol_error"
    UNSUPPORTED = "unsupported"
    TIMESTAMPS = "timestamp_jump"
    SHUTDOWN = "shutdown"
    CRASH = "crash"
    DISK_FULL = "disk_full"
    DISK_ERROR = "disk_error"
    OVERLOAD = "overload"
    MUTED = "muted"
    LEFT = "left"
    TRACKS = "tracks_changed"
    UNKNOWN = "unknown"


class Reader(Protocol):
    """A subscriber of one stream. All calls come from the hub's event loop, must return at once and never raise.

    Order: `on_run`, then any number of `on_unit`, then `on_end`; then perhaps `on_run` again when the source is
    back. A reader that cannot keep up drops on its own side by a stated policy and counts it.
    """

    def on_run(self, tracks: tuple[Track, ...]) -> None:
        """Begin a run: the source is up with these tracks; their timelines start anew."""
        ...

    def on_unit(self, unit: AccessUnit) -> None:
        """Take one access unit."""
        ...

    def on_end(self, reason: EndReason) -> None:
        """End the run."""
        ...
