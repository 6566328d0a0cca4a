"""One stream of one simulated camera: its RTP state, its defects, and the clients that watch it.

Driven by `streams.simulator.server` once per picture, on the simulator's loop; without clients it does nothing.
Pictures and sounds come ready-made from `packets`; here they get numbers, times and, when a defect says so, damage.
Timestamps follow the wall clock exactly, as a camera's with a good oscillator do.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from media.base.ids import Quality
from media.rtp.rtcp import SenderReport, build_compound, source_name
from media.timing import ntp_of_us
from streams.simulator.audio import Sound
from streams.simulator.defects import DefectSet
from streams.simulator.packets import FRAME_BYTES, Burst, PicturePackets, sound_bursts, stamped

VIDEO_TRACK, AUDIO_TRACK = 0, 1
_VIDEO_CLOCK_HZ = 90_000
_REPORT_EVERY_S = 2
_MASK = 0xFFFF_FFFF


class Viewer(Protocol):
    """A client that watches a stream. Packets are interleaved frames on channel 0; the viewer readdresses them."""

    playing_since_ns: int
    has_started: bool

    def send_media(self, track: int, data: bytearray, starts: Sequence[int], pace_s: float) -> bool:
        """Take the packets of one unit, spread over `pace_s` seconds; False when there is no room for them."""
        ...

    def send_report(self, track: int, packet: bytes) -> None:
        """Take an RTCP packet."""
        ...

    def abort(self) -> None:
        """Reset the connection."""
        ...


@dataclass(slots=True)
class _Sender:
    """The RTP side of one track."""

    ssrc: int
    clock_hz: int
    first_ticks: int
    seq: int
    packets: int = 0
    octets: int = 0

    def timestamp(self, ticks: int, offset_s: float) -> int:
        return (self.first_ticks + ticks + round(offset_s * self.clock_hz)) & _MASK

    def stamp(self, burst: Burst, timestamp: int) -> bytearray:
        data = stamped(burst, self.seq, timestamp, self.ssrc)
        self.count(len(burst.starts), len(burst.data))
        return data

    def count(self, packets: int, octets: int) -> None:
        self.seq = (self.seq + packets) & 0xFFFF
        self.packets = (self.packets + packets) & _MASK
        self.octets = (self.octets + octets - 16 * packets) & _MASK


@dataclass(slots=True)
class CameraStream:
    """One stream. `other_pictures` is what the sps-change defect shows in between."""

    camera: int
    quality: Quality
    pictures: PicturePackets
    sound: Sound | None
    other_pictures: PicturePackets | None = None
    clock_offset_us: int = 0
    is_paced: bool = False
    defects: DefectSet = field(default_factory=DefectSet)
    viewers: set[Viewer] = field(default_factory=set)
    _senders: tuple[_Sender, _Sender] = field(init=False)
    _sounds: list[Burst] = field(init=False)
    _next_sound: int = 0
    _is_other: bool = False
    _other_frame: int = -1

    def __post_init__(self) -> None:
        """Choose source ids and beginnings at random, but the same in every run."""
        rng = random.Random(f"{self.camera}/{self.quality}")  # noqa: S311  # chance, not secrecy
        clocks = (_VIDEO_CLOCK_HZ, self.sound.params.clock_rate_hz if self.sound else _VIDEO_CLOCK_HZ)
        made = [_Sender(rng.getrandbits(32), hz, rng.getrandbits(32), rng.getrandbits(16)) for hz in clocks]
        self._senders = (made[0], made[1])
        self._sounds = sound_bursts(self.sound.params, self.sound.frames) if self.sound else []

    @property
    def fps(self) -> int:
        """Return pictures per second."""
        return self.pictures.rendition.spec.fps

    def add(self, viewer: Viewer, now_wall_us: int) -> None:
        """Let a client watch from the next key picture on."""
        if not self.viewers:
            ticks = now_wall_us * _VIDEO_CLOCK_HZ // 1_000_000
            self.defects.on_first_play((self._senders[0].first_ticks + ticks) & _MASK)
            self._next_sound = 0
        self.viewers.add(viewer)

    def remove(self, viewer: Viewer) -> None:
        """Forget a client."""
        self.viewers.discard(viewer)

    def tick(self, frame: int, now_mono_ns: int) -> None:
        """Send picture `frame` (counted from 1970) and the sounds due with it."""
        if not self.viewers:
            return
        if self.defects:
            self._drop_old(now_mono_ns)
            if self.defects.is_silent:
                return
        offset_s = self.defects.timestamp_offset_s(now_mono_ns) if self.defects else 0.0
        self._tick_picture(frame, now_mono_ns, offset_s)
        if self.sound is not None:
            self._tick_sound(self.sound, frame * 1_000_000 // self.fps, offset_s)
        if frame % (_REPORT_EVERY_S * self.fps) == 0:
            self._report(frame * 1_000_000 // self.fps, offset_s)

    def _drop_old(self, now_mono_ns: int) -> None:
        if limit_s := self.defects.drops_after_s:
            for viewer in tuple(self.viewers):
                if now_mono_ns - viewer.playing_since_ns > limit_s * 1e9:
                    viewer.abort()

    def _tick_picture(self, frame: int, now_mono_ns: int, offset_s: float) -> None:
        pictures, number = self._shown(frame, now_mono_ns)
        if number < 0:
            return
        sender = self._senders[VIDEO_TRACK]
        is_key = pictures.is_key(number)
        burst = pictures.picture(self.camera, number)
        timestamp = sender.timestamp(number * _VIDEO_CLOCK_HZ // pictures.rendition.spec.fps, offset_s)
        data = sender.stamp(burst, timestamp)
        starts: Sequence[int] = burst.starts
        if self.defects.alters_packets:
            data, starts = _altered(data, starts, self.defects)
        pace_s = 0.8 / self.fps if self.is_paced else 0.0
        for viewer in tuple(self.viewers):
            if is_key or viewer.has_started:
                viewer.has_started = viewer.send_media(VIDEO_TRACK, data, starts, pace_s)

    def _shown(self, frame: int, now_mono_ns: int) -> tuple[PicturePackets, int]:
        """Return which pictures are on, and which of them is due; -1 when none is. Changes only between GOPs."""
        if self.pictures.is_key(frame) and self.other_pictures is not None:
            self._is_other = self.defects.shows_other_size(now_mono_ns)
        if not self._is_other or self.other_pictures is None:
            return self.pictures, frame
        number = frame * self.other_pictures.rendition.spec.fps // self.fps
        if number == self._other_frame:
            return self.other_pictures, -1
        self._other_frame = number
        return self.other_pictures, number

    def _tick_sound(self, sound: Sound, wall_us: int, offset_s: float) -> None:
        sender = self._senders[AUDIO_TRACK]
        due = wall_us * sound.params.clock_rate_hz // 1_000_000 // sound.frame_ticks
        if not due - 100 < self._next_sound <= due + 1:
            self._next_sound = due  # first sound, or after a pause: what is past is not made up for
        while self._next_sound <= due:
            burst = self._sounds[self._next_sound % len(self._sounds)]
            data = sender.stamp(burst, sender.timestamp(self._next_sound * sound.frame_ticks, offset_s))
            for viewer in tuple(self.viewers):
                if viewer.has_started:
                    viewer.send_media(AUDIO_TRACK, data, burst.starts, 0.0)
            self._next_sound += 1

    def _report(self, wall_us: int, offset_s: float) -> None:
        """Send a sender report per track: the camera's clock beside the RTP clock (RFC 3550 §6.4.1)."""
        for track, sender in enumerate(self._senders[: 1 + (self.sound is not None)]):
            report = SenderReport(
                ssrc=sender.ssrc,
                ntp64=ntp_of_us(wall_us + self.clock_offset_us),
                rtp_timestamp=sender.timestamp(wall_us * sender.clock_hz // 1_000_000, offset_s),
                packets=sender.packets,
                octets=sender.octets,
            )
            packet = build_compound([report, source_name(sender.ssrc, f"cam{self.camera}")])
            for viewer in tuple(self.viewers):
                if viewer.has_started:
                    viewer.send_report(track, packet)


def _altered(data: bytearray, starts: Sequence[int], defects: DefectSet) -> tuple[bytearray, list[int]]:
    """Take a burst apart, let the defects at its packets, and put it together again."""
    ends = [*starts[1:], len(data)]
    packets = [bytes(data[start + FRAME_BYTES : end]) for start, end in zip(starts, ends, strict=True)]
    joined, new_starts = bytearray(), []
    for packet in defects.alter(packets):
        new_starts.append(len(joined))
        joined += b"\x24\x00" + len(packet).to_bytes(2, "big") + packet
    return joined, new_starts
