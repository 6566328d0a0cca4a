"""The one place where media leaves a worker: live tables and latecomers, a slice of the loop at a time.

One per `UdpPort`, on its event loop. Each turn works for at most `TURN_NS`, then lets the loop breathe, so a key
frame to 300 viewers delays nobody by more than a few milliseconds. When the kernel's buffer is full the pump stops
until the socket is writable; a track that falls more than `MAX_BACKLOG_PACKETS` behind drops to the next key frame.
The inner loop (`_fill`) is the most expensive line of the product: about 1.4 µs of ours per packet and viewer.
"""

import asyncio
import struct
from collections import deque
from collections.abc import Callable

from media.srtp import new_length, protect_rtp
from streams.fanout import Packet
from streams.webrtc.batch import CONTROL_OFFSET
from streams.webrtc.out_stream import Repeat
from streams.webrtc.outlet import Entry, Outlet, OutletState, SourceTrack
from streams.webrtc.port import UdpPort

TURN_NS = 4_000_000
"""A fifth of the 20 ms a loop may stall."""

PACE_WAIT_S = 0.002
MAX_BACKLOG_PACKETS = 2048
"""A GOP of 2 s at 10 Mbit/s. Further behind, the kernel or the machine cannot keep up at all."""

MAX_LATE_PACKETS = 256
"""Late packets not yet sent to all they concern; what comes beyond is left to the viewers' own NACKs."""

_RTP_VERSION = 0x80
_WITH_EXTENSION = 0x90

Packer = Callable[..., None]


class Packers:
    """`struct` packers of a whole RTP packet, one per payload size: header and payload in a single call."""

    def __init__(self) -> None:
        """Begin empty; at most one entry per size up to an MTU."""
        self._by_size: dict[int, Packer] = {}

    def of(self, size_bytes: int) -> Packer:
        """Return `pack_into(view, 0, flags, marker|type, seq, timestamp, ssrc, payload)` for a payload of that size."""
        packer = self._by_size.get(size_bytes)
        if packer is None:
            packer = self._by_size[size_bytes] = struct.Struct(f"!BBHII{size_bytes}s").pack_into
        return packer


class Pump:
    """Sends what feeds append, to the live tables and to those who catch up."""

    def __init__(self, port: UdpPort) -> None:
        """Serve `port`, which is open."""
        self._port = port
        self._clock = port.clock
        self._batch = port.batch
        self._pairs = [(slot.view, slot.memory) for slot in port.batch.slots]
        self._length = new_length()
        self._packers = Packers()
        self._live: deque[SourceTrack] = deque()
        self._behind: deque[Outlet] = deque()
        self._late: deque[tuple[int, Packet, list[Entry]]] = deque()
        self._turn_handle: asyncio.Handle | None = None
        self._is_blocked = False
        self._is_closed = False
        self.longest_turn_ns = 0
        self.srtp_failures = 0
        self.dropped_packets = 0

    def wake(self, track: SourceTrack) -> None:
        """Serve the live table of `track`: packets were appended."""
        if not track.is_queued and track.table:
            track.is_queued = True
            self._live.append(track)
            self._schedule()

    def catch_up(self, outlet: Outlet) -> None:
        """Serve an outlet that starts in the past."""
        self._behind.append(outlet)
        self._schedule()

    def send_late(self, track: SourceTrack, seq: int, packet: Packet, entries: list[Entry]) -> None:
        """Send a late packet once to those who have passed its number."""
        if len(self._late) < MAX_LATE_PACKETS:
            self._late.append((seq, packet, entries))
            track.sent_packets += 1
            track.sent_octets += len(packet.payload)
            self._schedule()
        else:
            self.dropped_packets += 1

    def repeat(self, outlet: Outlet, repeat: Repeat) -> None:
        """Send one packet again under its old number and timestamp, at once; dropped while the kernel is full."""
        if self._is_closed or not self._batch.send():
            return
        assert outlet.path is not None
        srtp, tag_bytes, address = outlet.path
        owner = (srtp, address, outlet.stream.takes_extension)
        entry = Entry(repeat.payload_type, 0, 0, outlet.ssrc, srtp.handle, tag_bytes, address.pointer, owner)
        self._fill(repeat.packet._replace(timestamp=repeat.out_ts), repeat.out_seq, [entry], 0)
        if not self._batch.send():
            self._wait_writable()

    def close(self) -> None:
        """Send nothing more."""
        self._is_closed = True
        if self._turn_handle is not None:
            self._turn_handle.cancel()
        if self._is_blocked:
            asyncio.get_running_loop().remove_writer(self._port.fd)

    def _schedule(self) -> None:
        if self._turn_handle is None and not self._is_blocked and not self._is_closed:
            self._turn_handle = asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        self._turn_handle = None
        if self._is_closed:
            return
        began_ns = self._clock.mono_ns()
        deadline_ns = began_ns + TURN_NS
        has_flowed = (
            self._batch.send()
            and self._serve_late(deadline_ns)
            and self._serve_live(deadline_ns)
            and self._serve_behind(deadline_ns)
        )
        if not (self._batch.send() and has_flowed):
            self._wait_writable()
        elif self._live or self._behind or self._late:
            loop = asyncio.get_running_loop()
            is_early = self._clock.mono_ns() < deadline_ns
            self._turn_handle = loop.call_later(PACE_WAIT_S, self._turn) if is_early else loop.call_soon(self._turn)
        self.longest_turn_ns = max(self.longest_turn_ns, self._clock.mono_ns() - began_ns)

    def _wait_writable(self) -> None:
        if not self._is_blocked:
            self._is_blocked = True
            asyncio.get_running_loop().add_writer(self._port.fd, self._writable)

    def _writable(self) -> None:
        asyncio.get_running_loop().remove_writer(self._port.fd)
        self._is_blocked = False
        self._schedule()

    def _serve_late(self, deadline_ns: int) -> bool:
        """Send what came late. False when the kernel is full."""
        while self._late:
            seq, packet, entries = self._late.popleft()
            position = self._fill(packet, seq, entries, 0)
            if position < len(entries):
                self._late.appendleft((seq, packet, entries[position:]))
            if self._batch.used == self._batch.capacity and not self._batch.send():
                return False
            if self._clock.mono_ns() >= deadline_ns:
                break
        return True

    def _serve_live(self, deadline_ns: int) -> bool:
        """Serve tracks in turn until all are level, paced out, or time is up. False when the kernel is full."""
        paced: list[SourceTrack] = []
        while self._live:
            now_ns = self._clock.mono_ns()
            if now_ns >= deadline_ns:
                break
            track = self._live.popleft()
            if track.backlog > MAX_BACKLOG_PACKETS:
                self.dropped_packets += track.backlog
                track.drop_backlog()
            if track.backlog <= 0:
                track.is_queued = False
            elif track.part_sent is None and not track.pace.take(now_ns):
                paced.append(track)
            else:
                self._live.append(track)
                if not self._send_packet(track, deadline_ns):
                    self._live.extend(paced)
                    return False
        self._live.extend(paced)
        return True

    def _send_packet(self, track: SourceTrack, deadline_ns: int) -> bool:
        """Send the next packet of `track` to its table, or a part of it when time is up. False when the kernel is full."""
        packet = track.history.get(track.next_live_seq)
        table, position = track.part_sent or (track.table, 0)
        if packet is None:
            self._skip(track)
            return True
        while position < len(table):
            position = self._fill(packet, track.next_live_seq, table, position)
            if self._batch.used == self._batch.capacity:
                has_flowed = self._batch.send()
                if position < len(table) and (not has_flowed or self._clock.mono_ns() >= deadline_ns):
                    track.part_sent = (table, position)
                    return has_flowed
                if not has_flowed:
                    self._packet_done(track, packet)
                    return False
        self._packet_done(track, packet)
        return True

    @staticmethod
    def _skip(track: SourceTrack) -> None:
        """Step over a hole; give up what the history has forgotten already."""
        if track.next_live_seq < track.history.first_seq:
            track.drop_backlog()
        else:
            track.next_live_seq += 1

    @staticmethod
    def _packet_done(track: SourceTrack, packet: Packet) -> None:
        track.part_sent = None
        track.next_live_seq += 1
        track.sent_packets += 1
        track.sent_octets += len(packet.payload)

    def _fill(self, packet: Packet, seq: int, table: list[Entry], position: int, flags: int = _RTP_VERSION) -> int:
        """Write `packet` for as many entries as the batch has room for; return the position after the last of them."""
        payload, timestamp, marker, extension = packet
        if extension:
            return self._fill_extended(packet, seq, table, position)
        batch = self._batch
        index = batch.used
        room = batch.capacity - index
        pack = self._packers.of(len(payload))
        size = len(payload) + 12
        lengths, names, controls = batch.lengths, batch.names, batch.controls
        length, protect = self._length, protect_rtp
        entries = table[position : position + room]
        for (kind, seq_offset, ts_offset, ssrc, handle, tag, name, _), (view, memory) in zip(
            entries, self._pairs[index:], strict=False
        ):
            pack(
                view,
                0,
                flags,
                marker | kind,
                seq + seq_offset & 0xFFFF,
                timestamp + ts_offset & 0xFFFFFFFF,
                ssrc,
                payload,
            )
            length[0] = size
            if protect(handle, memory, length):
                self.srtp_failures += 1
                lengths[index] = 0
            else:
                lengths[index] = size + tag
            names[index] = name
            controls[index] = name + CONTROL_OFFSET
            index += 1
        batch.used = index
        return position + len(entries)

    def _fill_extended(self, packet: Packet, seq: int, table: list[Entry], position: int) -> int:
        """As `_fill`, with the packet's header extension for those who take it."""
        payload, timestamp, marker, extension = packet
        plain = packet._replace(extension=b"")
        extended = Packet(extension + payload, timestamp, marker)
        batch = self._batch
        end = min(position + batch.capacity - batch.used, len(table))
        while position < end:
            takes_extension = table[position].owner[2]
            stop = position + 1
            while stop < end and table[stop].owner[2] is takes_extension:
                stop += 1
            if takes_extension:
                self._fill(extended, seq, table[position:stop], 0, _WITH_EXTENSION)
            else:
                self._fill(plain, seq, table[position:stop], 0)
            position = stop
        return position

    def _serve_behind(self, deadline_ns: int) -> bool:
        """Let each latecomer send its burst. False when the kernel is full."""
        for _ in range(len(self._behind)):
            outlet = self._behind.popleft()
            if outlet.state is not OutletState.CATCHING_UP:
                continue
            is_behind, has_flowed = self._burst(outlet, deadline_ns)
            if is_behind:
                self._behind.append(outlet)
            if not has_flowed:
                return False
            if self._clock.mono_ns() >= deadline_ns:
                break
        return True

    def _burst(self, outlet: Outlet, deadline_ns: int) -> tuple[bool, bool]:
        """Send what the pace allows. Return whether it is still behind, and whether the kernel took everything."""
        splice = outlet.splice
        assert splice is not None
        while not outlet.join_if_level():
            now_ns = self._clock.mono_ns()
            is_ahead = outlet.cursor > outlet.track.join_seq  # it starts at a packet the live table has not reached
            if is_ahead or now_ns >= deadline_ns or not outlet.pace.take(now_ns):
                return True, True
            history = outlet.track.history
            packet = history.get(outlet.cursor)
            if packet is not None:
                moved = packet._replace(timestamp=splice.out_ts(packet.timestamp))
                self._fill(moved, outlet.cursor, [outlet.entry(0)], 0)
                outlet.caught_up(len(packet.payload))
                if self._batch.used == self._batch.capacity and not self._batch.send():
                    return True, False
            elif outlet.cursor >= history.first_seq:
                outlet.cursor += 1  # a hole
            else:  # a newer group has taken its place while we were sending it
                return not outlet.restart(), True
        return False, True
