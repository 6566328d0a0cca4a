"""What a publisher sends, from the protected datagram to its layer: opened, measured, routed, gated.

Owned by `publishing`, which knows the path and sends the feedback; on the event loop, 15 µs a packet. Refuses what
SRTP refuses, what comes over the rate, what belongs to no accepted line, and what the gate forbids: the last is seen
by nobody behind it, only its arrival is reported so that the browser does not take it for a loss.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import NamedTuple

from media.packet import Codec
from media.rtp import rtcp
from media.rtp.arrivals import ArrivalRecorder
from media.rtp.extension_map import ExtensionMap
from media.rtp.packet import EXTENSION_FLAG, HEADER_BYTES, MARKER, PADDING_FLAG, Buffer
from media.rtp.receive import unpack_header
from media.rtp.rtx import OSN_BYTES, original_sequence
from media.srtp import SrtpSession
from streams.publication import Publication, TrackName
from streams.webrtc.answer_publish import Accepted
from streams.webrtc.demux import Demux, Route
from streams.webrtc.incoming import IncomingLayer
from streams.webrtc.uplink import UplinkEvents, UplinkPlane, UplinkTrack

MAX_RATE_BPS = 20_000_000
"""What one publisher may send: three layers of 1080p, a shared screen and a reserve."""

BURST_BYTES = MAX_RATE_BPS // 8
"""One second: key frames of three layers at once are half of it."""

CODEC_CHANGE_NS = 1_000_000_000
"""A track changes its codec at most so often; packets of the other are dropped until then."""

_BYTES_PER_NS = MAX_RATE_BPS / 8 / 1e9

OnLevel = Callable[[TrackName, int, int], None]


class _Lane(NamedTuple):
    """All the hot path needs to know of a source. Without a layer the gate is shut; `repairs` is empty for media."""

    route: Route
    layer: IncomingLayer | None
    extensions: ExtensionMap
    types: frozenset[int]
    repairs: Mapping[int, int]


class Ingress:
    """The receiving half of one publisher."""

    def __init__(self, publication: Publication, plane: UplinkPlane, events: UplinkEvents, on_level: OnLevel) -> None:
        """Let nothing through until lines are configured and names allowed."""
        self.tracks: dict[TrackName, UplinkTrack] = {}
        self.arrivals = ArrivalRecorder()
        self.counts: Counter[str] = Counter()
        self.limited_ns = 0
        """When a packet was last dropped for being too many."""
        self.any_ssrc = 0
        """A source of this publisher, for feedback that is about all of them."""
        self._publication = publication
        self._plane = plane
        self._events = events
        self._on_level = on_level
        self._demux = Demux()
        self._lines: tuple[Accepted, ...] = ()
        self._maps: dict[TrackName, ExtensionMap] = {}
        self._lanes: dict[int, _Lane] = {}
        self._allowed: frozenset[TrackName] = frozenset()
        self._muted: frozenset[TrackName] = frozenset()
        self._credit_bytes = float(BURST_BYTES)
        self._credit_ns = 0

    @property
    def lines(self) -> tuple[Accepted, ...]:
        """Return the lines packets are taken from."""
        return self._lines

    @property
    def unknown(self) -> int:
        """Return how many packets belonged to no line."""
        return self.counts["unknown"] + self._demux.unknown

    def configure(self, lines: tuple[Accepted, ...]) -> None:
        """Take packets of these lines; tracks whose line is gone or another's leave the publication."""
        by_name = {line.name: line for line in lines}
        for name, track in tuple(self.tracks.items()):
            line = by_name.get(name)
            if line is None or (line.mid, line.rids) != (track.line.mid, track.line.rids):
                self._close(track)
            else:
                track.line = line
        self._lines = lines
        self._maps = {line.name: line.extension_map() for line in lines}
        self._demux.configure(lines)
        self._lanes.clear()

    def _close(self, track: UplinkTrack) -> None:
        del self.tracks[track.name]
        track.shut()
        self._publication.drop(track.name)

    def allow(self, names: frozenset[TrackName], now_ns: int) -> None:
        """Let only these tracks through from now on."""
        before, self._allowed = self._allowed, names
        self._lanes.clear()
        changed = [track for name, track in self.tracks.items() if (name in before) is not (name in names)]
        for track in changed:
            if track.name in names:
                track.open(now_ns)
            else:
                track.shut()
        if changed:
            self._publication.changed()

    def set_muted(self, names: frozenset[TrackName], now_ns: int) -> None:
        """Take notice of what the person has muted."""
        self._muted = names
        for name, track in self.tracks.items():
            track.set_muted(is_muted=name in names, now_ns=now_ns)

    def close(self) -> None:
        """Take nothing more, and show nobody what was cached."""
        self._lanes.clear()
        for track in self.tracks.values():
            track.shut()

    def take(self, rx: SrtpSession, data: bytes, now_ns: int) -> bool:
        """Take one protected RTP packet of at least 12 bytes; return whether it was authentic."""
        first, second, seq, ts32, ssrc = unpack_header(data)
        lane = self._lanes.get(ssrc)
        if lane is None and not self._demux.admits(ssrc):
            self.counts["unknown"] += 1
            return False
        size = rx.open_rtp(data)
        if size < 0:
            self.counts["refused"] += 1
            return False
        self.counts["packets"] += 1
        if not self._may_pass(size, now_ns):
            return True
        block_at = start = HEADER_BYTES + 4 * (first & 0x0F)
        if first & EXTENSION_FLAG and start + 4 <= size:  # the header is not encrypted
            start += 4 + 4 * (data[start + 2] << 8 | data[start + 3])
        end = size - rx.plain[size - 1] if first & PADDING_FLAG else size
        if first >> 6 != 2 or start > end:
            self.counts["malformed"] += 1
            return True
        if lane is None or second & 0x7F not in lane.types:
            lane = self._look_up(ssrc, second & 0x7F, data[block_at:start], now_ns)
        if lane is not None:
            extension = self._read_block(lane, data, block_at, start, now_ns) if block_at < start else b""
            self._pass(lane, (seq, ts32, second & MARKER), (rx.plain, start, end, extension), now_ns)
        return True

    def _read_block(self, lane: _Lane, data: bytes, block_at: int, start: int, now_ns: int) -> bytes:
        """Read the header extension in `data[block_at:start]`; return what travels on."""
        found = lane.extensions
        extension = found.read(data, block_at, start)
        if found.transport_sequence >= 0:
            self.arrivals.note(found.transport_sequence, now_ns)
        if found.level >= 0 and lane.layer is not None and not lane.repairs:
            self._on_level(lane.route.line.name, found.level, now_ns)
        return extension

    def _pass(
        self, lane: _Lane, packet: tuple[int, int, int], place: tuple[Buffer, int, int, bytes], now_ns: int
    ) -> None:
        """Hand a packet, (sequence, timestamp, marker), to its layer. `place` is buffer, start, end and extension."""
        buf, start, end, extension = place
        layer = lane.layer
        if layer is None:
            self.counts["gated"] += 1
        elif lane.repairs:
            self._repair(layer, packet, place, now_ns)
        else:
            layer.take(packet, bytes(buf[start:end]), extension, now_ns)

    def _may_pass(self, size_bytes: int, now_ns: int) -> bool:
        """Take a packet's bytes from the allowance; False (counted) when there are too few."""
        credit = min(self._credit_bytes + (now_ns - self._credit_ns) * _BYTES_PER_NS, BURST_BYTES)
        self._credit_ns = now_ns
        if credit < size_bytes:
            self._credit_bytes = credit
            self.counts["limited"] += 1
            self.limited_ns = now_ns
            return False
        self._credit_bytes = credit - size_bytes
        return True

    def _repair(
        self, layer: IncomingLayer, packet: tuple[int, int, int], place: tuple[Buffer, int, int, bytes], now_ns: int
    ) -> None:
        """Take a retransmission. Browsers also probe the path with packets they have sent before."""
        buf, start, end, extension = place
        seq = original_sequence(buf, start, end)
        original = (seq, packet[1], packet[2])
        if seq >= 0 and layer.repair(original, bytes(buf[start + OSN_BYTES : end]), extension, now_ns):
            self.counts["repairs"] += 1
        else:
            self.counts["padding"] += 1

    def _look_up(self, ssrc: int, payload_type: int, block: Buffer, now_ns: int) -> _Lane | None:
        """Find the lane of a source that is new, or sends another payload type than so far."""
        route = self._demux.routes.get(ssrc) or self._demux.learn(ssrc, payload_type, block)
        if route is None:
            self._note_arrival(block, now_ns)
            return None
        line = route.line
        codec = line.codecs.get(route.repairs.get(payload_type, -1) if route.repairs else payload_type)
        if codec is None:
            self.counts["malformed"] += 1
            self._note_arrival(block, now_ns)
            return None
        layer = None
        if line.name in self._allowed:
            layer = self._layer_of(route, codec, ssrc, now_ns)
            if layer is None:
                self._note_arrival(block, now_ns)
                return None
        lane = self._lanes[ssrc] = _Lane(route, layer, self._maps[line.name], _types_of(route, codec), route.repairs)
        return lane

    def _note_arrival(self, block: Buffer, now_ns: int) -> None:
        """Report the arrival of a packet that is taken no further, by the first line's numbering."""
        for found in self._maps.values():
            if len(block) >= 4:
                found.read(block, 0, len(block))
                if found.transport_sequence >= 0:
                    self.arrivals.note(found.transport_sequence, now_ns)
            return

    def _layer_of(self, route: Route, codec: Codec, ssrc: int, now_ns: int) -> IncomingLayer | None:
        """Return the layer a source feeds, opening its track if need be; None for what cannot be taken now."""
        track = self.tracks.get(route.line.name)
        if track is None or track.codec is not codec:
            track = self._open(route, codec, now_ns)
        layer = track.incoming.get(route.rid) if track is not None else None
        if track is None or layer is None:
            return None
        if not route.repairs and layer.ssrc != ssrc:
            if layer.ssrc:
                self._lanes.pop(layer.ssrc, None)
                self._demux.drop(layer.ssrc)
            layer.begin(ssrc)
            self.any_ssrc = self.any_ssrc or ssrc
        if not route.repairs:
            track.mark_flowing(route.rid)
        return layer

    def _open(self, route: Route, codec: Codec, now_ns: int) -> UplinkTrack | None:
        """Open a track, or open it anew with another codec; retransmissions open nothing."""
        before = self.tracks.get(route.line.name)
        if route.repairs or (before is not None and now_ns - before.opened_ns < CODEC_CHANGE_NS):
            return None
        if before is not None:
            before.shut()
            self._lanes = {
                ssrc: lane for ssrc, lane in self._lanes.items() if lane.route.line.name is not route.line.name
            }
        track = UplinkTrack(route.line, codec, self._plane, self._events, now_ns)
        self.tracks[track.name] = track
        track.set_muted(is_muted=track.name in self._muted, now_ns=now_ns)
        self._publication.put(track.published)
        return track

    def control(self, plain: bytes, now_ns: int) -> None:
        """Take a compound of the publisher's RTCP; RemoteProtocolError when nothing in it is RTCP."""
        for packet in rtcp.parse_compound(plain):
            if isinstance(packet, rtcp.SenderReport):
                if (layer := self._layer_from(packet.ssrc)) is not None:
                    layer.on_sender_report(packet, now_ns)
            elif isinstance(packet, rtcp.Goodbye):
                for ssrc in packet.ssrcs:
                    if (layer := self._layer_from(ssrc)) is not None:
                        layer.stop()

    def _layer_from(self, ssrc: int) -> IncomingLayer | None:
        lane = self._lanes.get(ssrc)
        return None if lane is None or lane.repairs else lane.layer

    def layers(self) -> list[tuple[UplinkTrack, IncomingLayer]]:
        """Return the layers that have begun and may pass."""
        return [
            (track, layer)
            for name, track in self.tracks.items()
            if name in self._allowed
            for layer in track.incoming.values()
            if layer.is_begun
        ]


def _types_of(route: Route, codec: Codec) -> frozenset[int]:
    """Return the payload types a lane takes without a second look."""
    originals = {number for number, other in route.line.codecs.items() if other is codec}
    if not route.repairs:
        return frozenset(originals)
    return frozenset(repair for repair, original in route.repairs.items() if original in originals)
