"""One layer being recorded: a tap on its `SourceTrack` that makes access units of the packets.

Made by `picture` and `part`, called by the track for every packet, on the event loop. Puts packets in order, waits
for repairs, and stamps units with the source's own 64-bit time; what the units are for is decided behind. A fault in
here ends the tap and nothing else: whoever feeds the track must not suffer from its recording.
"""

import struct
from collections.abc import Callable

import structlog

from media.base.clock import Clock
from media.packet import AccessUnit
from media.rtp.depacketize import Depacketizer, StreamOptions, make_depacketizer
from streams.fanout import Packet
from streams.recording.order import RESTART_STEP, Arrived, Order
from streams.webrtc.outlet import SourceTrack

log = structlog.get_logger(__name__)

_HEADER = struct.Struct("!BBHII")
_VERSION, _PAYLOAD_TYPE, _SSRC = 0x80, 96, 1

OnUnit = Callable[["Lane", AccessUnit], None]
"""Takes a unit whose `pts` and `dts` are source timestamps."""


class Lane:
    """The tap."""

    def __init__(self, track: SourceTrack, index: int, clock: Clock, on_unit: OnUnit) -> None:
        """Listen from now on; units belong to track number `index`."""
        self.track = track
        self.is_failed = False
        self._index = index
        self._clock = clock
        self._on_unit = on_unit
        self._order = Order()
        self._depacketizer: Depacketizer | None = None
        self._origin = 0
        self._last_seq = 0
        track.add_tap(self)

    def close(self) -> None:
        """Hand on what waits, and listen no more. Idempotent."""
        self.track.remove_tap(self)
        self._feed_all(self._order.flush())

    @property
    def lost_packets(self) -> int:
        """Return how many packets never came in time."""
        return self._order.lost

    def on_packet(self, seq: int, packet: Packet, is_key: bool) -> None:
        """Take a packet (Tap)."""
        del is_key  # the units tell
        self._feed_all(self._order.push(seq, packet, self._clock.mono_ns()))

    def tick(self, now_ns: int) -> None:
        """Give up what has been waited for long enough."""
        self._feed_all(self._order.expire(now_ns))

    def _feed_all(self, packets: list[Arrived]) -> None:
        if self.is_failed:
            return
        try:
            for each in packets:
                self._feed(each)
        except Exception:  # one recorded layer ends, its publisher and viewers go on
            self.is_failed = True
            self.track.remove_tap(self)
            log.exception("recording of a track failed")

    def _feed(self, arrived: Arrived) -> None:
        packet = arrived.packet
        depacketizer = self._depacketizer
        if depacketizer is None or arrived.seq - self._last_seq >= RESTART_STEP:
            depacketizer = self._begin(packet.timestamp)
        self._last_seq = arrived.seq
        stamp = (packet.timestamp & 0xFFFF_FFFF, _SSRC)
        header = _HEADER.pack(_VERSION, packet.marker | _PAYLOAD_TYPE, arrived.seq & 0xFFFF, *stamp)
        data = header + packet.payload
        wall_us = self._clock.wall_us() - (self._clock.mono_ns() - arrived.arrived_ns) // 1000
        units = depacketizer.push(data, 0, len(data), arrived.arrived_ns, wall_us)
        if units is None:
            return
        for unit in units if isinstance(units, list) else [units]:
            self._on_unit(self, unit._replace(pts=unit.pts + self._origin, dts=unit.dts + self._origin))

    def _begin(self, timestamp: int) -> Depacketizer:
        """Begin with a sequence that continues nothing."""
        self._origin = timestamp
        options = StreamOptions(payload_type=_PAYLOAD_TYPE, origin_ts32=timestamp & 0xFFFF_FFFF)
        self._depacketizer = make_depacketizer(self._index, self.track.params, options)
        return self._depacketizer
