"""The hub reader that turns one stream into numbered packets, once for all its viewers.

Made and dropped by `camera_source` as somebody watches, called by the hub on the event loop for every access unit.
Packetises each unit once, joins runs on one timeline so that a camera's reconnection needs no new session, and keeps
the group since the last key frame for latecomers. Never raises and never waits; a malformed unit is counted.
"""

import asyncio
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import structlog

from media.base.errors import HubError
from media.base.ids import StreamKey
from media.packet import AccessUnit, Codec, CodecParams, EndReason, Kind, Track
from media.rtp.packetize import AudioPacketizer, VideoPacketizer
from streams.fanout import Packet, RunTimeline
from streams.hub import Stream
from streams.webrtc.outlet import SourceTrack
from streams.webrtc.pump import Pump

log = structlog.get_logger(__name__)

CARRIED = frozenset({Codec.H264, Codec.H265, Codec.PCMU, Codec.PCMA, Codec.OPUS})
"""What WebRTC can carry untouched. AAC cannot be; its sound comes with transcoding later."""

PRIME_BYTES_PER_TURN = 256 << 10
"""Packetising 256 KiB takes about 1 ms; an 8 MiB group is primed over 32 turns of the loop."""

MAX_AUDIO_BYTES = 1200
G711_SPLIT_BYTES = 320
"""40 ms. Some cameras put up to 500 ms of G.711 into one packet, which no browser's jitter buffer takes gladly."""

_MARKER = 0x80


@dataclass(slots=True)
class FeedCounters:
    """What a feed could not pass on."""

    malformed_units: int = 0
    oversized_units: int = 0


class Feed:
    """A `media.packet.Reader`."""

    def __init__(
        self,
        stream: Stream,
        pump: Pump,
        *,
        kinds: frozenset[Kind] = frozenset(Kind),
        tracks: Mapping[Kind, SourceTrack] | None = None,
    ) -> None:
        """Attach to `stream` and feed its first track of each of `kinds`.

        `tracks` that have been fed before go on where they were, unless their codec has changed.
        """
        self.key: StreamKey = stream.key
        self.counters = FeedCounters()
        self.tracks: dict[Kind, SourceTrack] = dict(tracks or {})
        self.is_live = False
        self.all_params: dict[Kind, CodecParams] = {}
        """Codecs of the current run, also those we cannot carry."""
        self.stream = stream
        self._pump = pump
        self._kinds = kinds
        self._packetizers: dict[int, tuple[SourceTrack, RunTimeline, VideoPacketizer | AudioPacketizer]] = {}
        self._inbox: deque[AccessUnit] = deque()
        self._drain_handle: asyncio.Handle | None = None
        self._inbox.extend(unit for unit in stream.attach(self) if unit.kind is Kind.VIDEO)
        self._drain()

    def close(self) -> None:
        """Detach from the stream; a latecomer must not begin with what was cached so far."""
        self.stream.detach(self)
        self._inbox.clear()
        if self._drain_handle is not None:
            self._drain_handle.cancel()
        self._end_groups()

    def on_run(self, tracks: tuple[Track, ...]) -> None:
        """Begin a run; tracks whose codec is as before go on where they were."""
        self.is_live = True
        self.all_params = {}
        self._packetizers = {}
        self._inbox.clear()
        for track in tracks:
            if track.kind in self._kinds and track.kind not in self.all_params:
                self.all_params[track.kind] = track.params
                self._open_track(track)

    def _open_track(self, track: Track) -> None:
        codec = track.params.codec
        if codec not in CARRIED:
            return
        source = self.tracks.get(track.kind)
        if source is None or source.params.codec is not codec:
            source = self.tracks[track.kind] = SourceTrack(track.params)
        timeline = source.timeline
        assert isinstance(timeline, RunTimeline)
        source.params = track.params
        timeline.begin_run(track.params.clock_rate_hz)
        packetizer = VideoPacketizer(codec) if track.kind is Kind.VIDEO else AudioPacketizer(codec)
        self._packetizers[track.index] = (source, timeline, packetizer)

    def on_unit(self, unit: AccessUnit) -> None:
        """Packetise and send one unit."""
        if self._inbox:
            self._inbox.append(unit)
        else:
            self._take(unit)

    def on_end(self, reason: EndReason) -> None:
        """End the run: viewers stay connected and go on with the first key frame of the next."""
        del reason
        self.is_live = False
        self._inbox.clear()
        self._end_groups()

    def _end_groups(self) -> None:
        for source in self.tracks.values():
            source.history.end_group()
            source.pause()

    def _drain(self) -> None:
        """Work through the cached group a slice at a time, then through what came meanwhile."""
        self._drain_handle = None
        taken_bytes = 0
        while self._inbox and taken_bytes < PRIME_BYTES_PER_TURN:
            unit = self._inbox.popleft()
            taken_bytes += len(unit.data)
            self._take(unit)
        if self._inbox:
            self._drain_handle = asyncio.get_running_loop().call_soon(self._drain)

    def _take(self, unit: AccessUnit) -> None:
        target = self._packetizers.get(unit.track)
        if target is None:
            return
        source, timeline, packetizer = target
        try:
            payloads = packetizer.payloads(unit)
        except HubError:
            self.counters.malformed_units += 1
            return
        is_video = source.kind is Kind.VIDEO
        timestamp = timeline.stamp(unit.pts, unit.received_mono_ns)
        if is_video:
            source.params = unit.params
            packets = _video_packets(payloads, timestamp)
        else:
            packets = list(_audio_packets(payloads, timestamp, source.params.codec))
            self.counters.oversized_units += not packets
        for outlet in source.append(packets, is_key=is_video and unit.is_key and bool(packets)):
            self._pump.catch_up(outlet)
        self._pump.wake(source)


def _video_packets(payloads: list[bytes], timestamp: int) -> list[Packet]:
    packets = [Packet(payload, timestamp, 0) for payload in payloads]
    if packets:
        packets[-1] = Packet(payloads[-1], timestamp, _MARKER)
    return packets


def _audio_packets(payloads: list[bytes], timestamp: int, codec: Codec) -> Iterable[Packet]:
    """One packet per frame without marker (no talk spurts here); long G.711 is split, other long frames are dropped."""
    for payload in payloads:
        if len(payload) <= MAX_AUDIO_BYTES // 2 or (codec is Codec.OPUS and len(payload) <= MAX_AUDIO_BYTES):
            yield Packet(payload, timestamp, 0)
        elif codec in (Codec.PCMA, Codec.PCMU):
            for start in range(0, len(payload), G711_SPLIT_BYTES):
                yield Packet(payload[start : start + G711_SPLIT_BYTES], timestamp + start, 0)
