"""A person in a meeting, in simulated time: layers of a camera, a microphone, a network that loses and delays.

Packets go into real `SourceTrack`s as publishers put them there. `Reel` is where recordings end up. Nothing waits.
"""

import functools
import heapq
import itertools
import subprocess
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from media.base.clock import SimulatedClock
from media.base.ids import SourceId, StreamKey
from media.codec import opus, vp8
from media.packet import AccessUnit, Codec, CodecParams, EndReason, Kind, Track
from media.rtp.packetize import VideoPacketizer
from media.rtp.vp8_descriptor import build_descriptor
from streams.fanout import PEOPLE, Packet
from streams.hub import Stream
from streams.publication import Layer, Publication, PublishedTrack, TrackName
from streams.recording.meetings import MeetingRecorder
from streams.webrtc.outlet import SourceTrack
from tests.unit.recorder import footage

LI = SourceId("participant/li")
ROOM = "weekly"
CAMERA, MICROPHONE, SCREEN = TrackName.CAMERA, TrackName.MICROPHONE, TrackName.SCREEN
MARKER = 0x80


@functools.cache
def opus_frames(seconds: int = 12) -> tuple[bytes, ...]:
    """Frames of 20 ms of a tone, made once by ffmpeg: 80 bytes each at a constant rate, out of an Ogg file."""
    command = [
        "ffmpeg", "-v", "error", "-f", "lavfi", "-i", f"sine=frequency=440:sample_rate=48000:duration={seconds}",
        "-ac", "2", "-c:a", "libopus", "-b:a", "32k", "-vbr", "off", "-frame_duration", "20", "-f", "ogg", "-",
    ]  # fmt: skip
    data = subprocess.run(command, capture_output=True, check=True, timeout=60).stdout
    packets, at, part = [], 0, b""
    while at < len(data):
        lacing = data[at + 27 : at + 27 + data[at + 26]]
        at += 27 + len(lacing)
        for size in lacing:
            part += data[at : at + size]
            at += size
            if size < 255:
                packets.append(part)
                part = b""
    return tuple(packets[2 : 2 + 50 * seconds])


@functools.cache
def vp8_frames(seconds: int = 6, size: str = "320x180") -> tuple[bytes, ...]:
    """VP8 frames, 25 a second, a key frame every 2 s, made once by ffmpeg."""
    command = [
        "ffmpeg", "-v", "error", "-f", "lavfi", "-i", f"testsrc=size={size}:rate=25:duration={seconds}",
        "-c:v", "libvpx", "-g", "50", "-deadline", "realtime", "-auto-alt-ref", "0", "-f", "ivf", "-",
    ]  # fmt: skip
    data = subprocess.run(command, capture_output=True, check=True, timeout=60).stdout
    frames, at = [], 32
    while at < len(data):
        length = int.from_bytes(data[at : at + 4], "little")
        frames.append(data[at + 12 : at + 12 + length])
        at += 12 + length
    return tuple(frames)


@dataclass(frozen=True)
class Frame:
    """What is sent of one picture or sound frame."""

    payloads: tuple[bytes, ...]
    ticks: int
    is_key: bool
    has_marker: bool


def pictures(size: str = "320x180", seconds: int = 12) -> list[Frame]:
    """Real H.264 pictures as payloads, 25 a second, a key frame every 2 s."""
    packetizer = VideoPacketizer(Codec.H264)
    units = footage.real_units("libx264", seconds, size)
    return [Frame(tuple(packetizer.payloads(unit)), unit.pts, unit.is_key, has_marker=True) for unit in units]


def pictures_vp8(seconds: int = 6) -> list[Frame]:
    """Real VP8 pictures as payloads."""
    frames = []
    for number, data in enumerate(vp8_frames(seconds)):
        parts = [data[at : at + 1000] for at in range(0, len(data), 1000)]
        payloads = tuple(build_descriptor(is_start=i == 0) + part for i, part in enumerate(parts))
        frames.append(Frame(payloads, number * 3600, vp8.is_key(data[0]), has_marker=True))
    return frames


def sounds(seconds: int = 12) -> list[Frame]:
    """A tone as payloads."""
    return [Frame((data,), n * 960, is_key=False, has_marker=False) for n, data in enumerate(opus_frames(seconds))]


@dataclass
class Line:
    """The clock of one track: which source timestamp belongs to a moment. `offset` is what tick 0 is called."""

    rate_hz: int
    offset: int
    zero_ns: int

    def at(self, mono_ns: int) -> int | None:
        return self.offset + (mono_ns - self.zero_ns) * self.rate_hz // 1_000_000_000


class Origin:
    """Who is asked for key frames."""

    def __init__(self) -> None:
        self.asked: list[tuple[TrackName, str]] = []
        self.on_asked: Callable[[str], None] | None = None

    def request_key(self, name: TrackName, rid: str) -> None:
        self.asked.append((name, rid))
        if self.on_asked is not None:
            self.on_asked(rid)

    def demand_changed(self, name: TrackName) -> None:
        del name


@dataclass(order=True)
class _Due:
    at_ns: int
    number: int
    act: Callable[[], None] = field(compare=False)


class Stage:
    """Simulated time with a recorder in it."""

    def __init__(self, footage_place: "Reels | None" = None) -> None:
        self.clock = SimulatedClock(footage.WALL_US)
        self.reels = footage_place or Reels()
        self.recorder = MeetingRecorder(self.clock, self.reels)
        self._due: list[_Due] = []
        self._count = itertools.count()
        self.begin_ns = self.clock.mono_ns()

    def at(self, at_s: float, act: Callable[[], None]) -> None:
        """Let something happen `at_s` seconds after the beginning."""
        due_ns = self.begin_ns + round(at_s * 1e9)
        heapq.heappush(self._due, _Due(due_ns, next(self._count), act))

    @property
    def now_s(self) -> float:
        return (self.clock.mono_ns() - self.begin_ns) / 1e9

    def run(self, until_s: float) -> None:
        """Let time pass; the recorder ticks ten times a second."""
        until_ns = self.begin_ns + round(until_s * 1e9)
        tick_ns = 100_000_000
        next_tick = self.clock.mono_ns() + tick_ns
        while True:
            due_ns = min(next_tick, self._due[0].at_ns if self._due else until_ns, until_ns)
            if due_ns > self.clock.mono_ns():
                self.clock.advance((due_ns - self.clock.mono_ns()) / 1e9)
            if due_ns >= until_ns:
                return
            if due_ns == next_tick:
                self.recorder.tick()
                next_tick += tick_ns
            while self._due and self._due[0].at_ns <= self.clock.mono_ns():
                heapq.heappop(self._due).act()


class Talker:
    """One publication and what is sent into it."""

    def __init__(self, stage: Stage, source: SourceId = LI) -> None:
        self.stage = stage
        self.origin = Origin()
        self.publication = Publication(source)
        self._seqs: dict[int, int] = {}

    def track(
        self, name: TrackName, rids: Iterable[str] = ("",), *, offset: int = 0, params: CodecParams | None = None
    ) -> PublishedTrack:
        """Publish a track."""
        if params is None:
            is_sound = name.kind is Kind.AUDIO
            params = opus.opus_params() if is_sound else CodecParams(codec=Codec.H264, clock_rate_hz=90_000)
        line = Line(params.clock_rate_hz, offset, self.stage.begin_ns)
        layers = []
        for rid in rids:
            source = SourceTrack(params, PEOPLE)
            source.timeline = line
            layers.append(Layer(rid, source, is_flowing=True))
        published = PublishedTrack(name, layers, self.origin)
        self.publication.put(published)
        return published

    def send(
        self,
        published: PublishedTrack,
        frames: Iterable[Frame],
        *,
        rid: str = "",
        start_s: float = 0.0,
        delay_s: float = 0.03,
        fate: Callable[[int], float | None] = lambda _: 0.0,
        seq: int = 1000,
    ) -> int:
        """Send frames from `start_s` on; `fate(number of the packet)` is a further delay, or None for a loss."""
        layer = published.layer(rid)
        assert layer is not None
        track = layer.track
        line = track.timeline
        assert isinstance(line, Line)
        number = 0
        for frame in frames:
            at_s = start_s + frame.ticks / line.rate_hz
            stamp = line.offset + round(at_s * line.rate_hz)
            last = len(frame.payloads) - 1
            for index, payload in enumerate(frame.payloads):
                marker = MARKER if frame.has_marker and index == last else 0
                packet, is_key = Packet(payload, stamp, marker), frame.is_key and index == 0
                late_s = fate(number)
                if late_s is not None:
                    put = functools.partial(track.put, seq + number, packet, is_key=is_key)
                    self.stage.at(at_s + delay_s + late_s, put)
                number += 1
        return seq + number

    def live(self, published: PublishedTrack, at_s: float, *, is_live: bool) -> None:
        """Mute or unmute a track at a time."""

        def turn() -> None:
            published.is_live = is_live
            self.publication.changed()

        self.stage.at(at_s, turn)

    def flow(self, published: PublishedTrack, rid: str, at_s: float, *, is_flowing: bool) -> None:
        """Let a layer begin or cease to flow."""

        def turn() -> None:
            layer = published.layer(rid)
            assert layer is not None
            layer.is_flowing = is_flowing
            self.publication.changed()

        self.stage.at(at_s, turn)

    def recorded(self) -> None:
        """Be recorded from now on."""
        self.stage.recorder.published(self.publication)
        self.stage.recorder.record(ROOM, self.publication.source, self)


@dataclass
class Take:
    """One run."""

    tracks: tuple[Track, ...]
    units: list[AccessUnit] = field(default_factory=list)
    end: EndReason | None = None

    def of(self, kind: Kind) -> list[AccessUnit]:
        return [unit for unit in self.units if unit.kind is kind]

    @property
    def kinds(self) -> list[Kind]:
        return [track.kind for track in self.tracks]


class Reel:
    """What one stream of footage got (Reader)."""

    def __init__(self) -> None:
        self.takes: list[Take] = []
        self.is_closed = False

    def on_run(self, tracks: tuple[Track, ...]) -> None:
        self.takes.append(Take(tracks))

    def on_unit(self, unit: AccessUnit) -> None:
        self.takes[-1].units.append(unit)

    def on_end(self, reason: EndReason) -> None:
        self.takes[-1].end = reason


class Reels:
    """Footage in memory."""

    def __init__(self) -> None:
        self.reels: dict[tuple[str, str], Reel] = {}

    def open(self, room_id: str, source: SourceId, part: str) -> Stream:
        assert room_id == ROOM
        stream = Stream(StreamKey(source), gop_cache_bytes=0)
        reel = self.reels.setdefault((source, part), Reel())
        stream.attach(reel)
        return stream

    def close(self, room_id: str, source: SourceId, part: str, stream: Stream) -> None:
        del room_id, stream
        self.reels[source, part].is_closed = True

    def takes(self, part: str = "camera", source: SourceId = LI) -> list[Take]:
        reel = self.reels.get((source, part))
        return reel.takes if reel is not None else []
